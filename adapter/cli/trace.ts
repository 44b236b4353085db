/** Hypercalls, refusals and faults as lines of text. */

import { describeError } from '../../core/hypervisor/errno.ts';
import type { FaultRecord, HypercallRecord, JsonValue, RefusalRecord } from '../../core/timeline/types.ts';

/** A hypercall, the checks that it went through, and its refusal, one line each. */
export function describeHypercall(record: HypercallRecord): string {
  const { seq, domain, vcpu, name, args, rc, done, checks, refusal } = record;
  const list = Object.entries(args).map(([key, value]) => `${key}=${show(value)}`);
  const result = refusal === null ? `${rc}` : `${rc} (${describeError(refusal.errno)})`;
  const lines = [
    `#${seq} d${domain}v${vcpu} ${place(record)}${name}(${list.join(', ')}) = ${result}` +
      (done === null ? '' : `, ${done} done`),
    ...checks.map((check) => `    ${check}`),
    ...(refusal === null ? [] : [`    refused by ${refusal.rule}: ${refusal.message}`]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** A refusal as a diagnostic in gcc's format. */
export function describeRefusal(record: HypercallRecord, refusal: RefusalRecord): string {
  return `${place(record)}note: ${record.name} refused with ${describeError(refusal.errno)}: ${refusal.message} [${refusal.rule}]\n`;
}

export function describeFault(record: FaultRecord): string {
  const what = record.cr2 === null ? `trap ${record.vector}` : `page fault at ${record.cr2}`;
  const code = record.errorCode === null ? '' : `, error code ${record.errorCode}`;
  const where = record.deliveredTo === null ? '' : `, delivered to ${record.deliveredTo}`;
  return `!${record.seq} d${record.domain}v${record.vcpu} ${place(record)}${what}${code}${where}\n`;
}

const place = ({ file, line }: { readonly file: string | null; readonly line: number | null }): string =>
  file === null ? '' : `${file}:${line ?? 0}: `;

function show(value: JsonValue): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}
