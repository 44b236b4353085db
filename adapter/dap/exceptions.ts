/** Exception filters, and `exceptionInfo`: why the guest was stopped, told in full. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type {
  ExitInfo,
  FaultRecord,
  HypercallRecord,
  JsonValue,
  RefusalRecord,
  StaleRecord,
} from '../../core/timeline/types.ts';
import { describeError } from '../../core/hypervisor/errno.ts';
import { RequestError } from './arguments.ts';
import { type RequestRows, STANDING, debuggeeOf } from './context.ts';
import type { Standing } from './debuggee.ts';
import { readFilters } from './exception-filters.ts';
import { disagreementSentence } from './stop-texts.ts';

export const EXCEPTIONS: RequestRows<'setExceptionBreakpoints' | 'exceptionInfo'> = {
  setExceptionBreakpoints: {
    when: ['configuring', 'running', 'stopped', 'ended'],
    handle(context, args) {
      const { filters, breakpoints } = readFilters(args);
      debuggeeOf(context).setFilters(filters);
      return { breakpoints };
    },
  },

  exceptionInfo: {
    when: STANDING,
    handle(context) {
      const info = describeStanding(debuggeeOf(context).standing);
      if (info === null) throw new RequestError('The guest has not stopped at an exception.');
      return info;
    },
  },
};

type ExceptionInfo = DebugProtocol.ExceptionInfoResponse['body'];

/** What there is to say about a stop; null for stops that are no exception. */
function describeStanding(standing: Standing | null): ExceptionInfo | null {
  switch (standing?.kind) {
    case 'refused':
      return describeRefused(standing.record);
    case 'fault':
      return describeFault(standing.record);
    case 'stale':
      return describeStale(standing.record);
    case 'disagreement':
      return {
        exceptionId: 'P2M and M2P disagree',
        description: standing.entries.map(disagreementSentence).join('\n'),
        breakMode: 'always',
      };
    case 'audit':
      return { exceptionId: 'audit broken', description: standing.messages.join('\n'), breakMode: 'always' };
    case 'crashed':
      return describeExit('domain crash', standing.exit);
    case 'limit':
      return describeExit('limit reached', standing.exit);
    case 'internal':
      return describeExit('the model is wrong', standing.exit);
    default:
      return null;
  }
}

function describeRefused(record: HypercallRecord): ExceptionInfo {
  const { refusal } = record;
  if (refusal === null) return { exceptionId: record.name, breakMode: 'always' };
  return {
    exceptionId: refusal.rule,
    description: explainRefusal(record, refusal),
    breakMode: 'always',
    details: {
      message: refusal.message,
      typeName: refusal.errno,
      fullTypeName: `${record.name}: ${refusal.errno}`,
    },
  };
}

/** The whole story of a refusal, a paragraph a line. */
export function explainRefusal(record: HypercallRecord, refusal: RefusalRecord): string {
  // Words are in the message already; frames, entries and counts are what one compares.
  const evidence = Object.entries(refusal.evidence)
    .filter(([name, value]) => name !== 'errno' && !/\s/.test(plain(value)))
    .map(([name, value]) => `${name} = ${plain(value)}`);
  const done = record.done === null ? [] : [`Requests completed before it: ${record.done}.`];
  return [
    `HYPERVISOR_${record.name} returned ${record.rc} (${describeError(refusal.errno)}).`,
    refusal.message,
    ...(evidence.length === 0 ? [] : [`Evidence: ${evidence.join(', ')}.`]),
    ...done,
    `Checked in Xen's ${refusal.xenFunction}. ${xenSays(refusal)}`,
    `Usual cause: ${refusal.usualCause}`,
    `What to do: ${refusal.remedy}`,
  ].join('\n');
}

function xenSays({ xenPrints, xenPrintsInRelease, isPrinted }: RefusalRecord): string {
  if (xenPrints === '') return 'Xen prints nothing here, not even a debug build.';
  if (isPrinted && !xenPrintsInRelease) return `Xen, a debug build, prints "${xenPrints}".`;
  const where = xenPrintsInRelease ? 'Xen prints' : 'A debug build of Xen prints';
  const else_ = xenPrintsInRelease ? '' : '; a release build prints nothing';
  return `${where} "${xenPrints}"${else_}.`;
}

/** Bits of a page fault's error code, as the guest sees them (facts 7.2). */
const ERROR_CODE_BITS: readonly (readonly [bit: number, set: string, clear: string])[] = [
  [1, 'the page is present, so the access was forbidden', 'no present entry maps the address'],
  [2, 'write', 'read'],
  [4, 'from guest user mode', 'from guest kernel mode'],
  [8, 'a reserved bit is set in an entry', ''],
  [16, 'instruction fetch', ''],
];

function describeFault(record: FaultRecord): ExceptionInfo {
  const { vector, cr2, errorCode, deliveredTo } = record;
  const name = vector === 14 ? 'page fault' : `trap ${vector}`;
  const bits = ERROR_CODE_BITS.map(([bit, set, clear]) => (((errorCode ?? 0) & bit) === 0 ? clear : set));
  const code =
    errorCode === null
      ? []
      : [
          `Error code ${errorCode}${vector === 14 ? `: ${bits.filter((text) => text !== '').join(', ')}` : ''}.`,
        ];
  const handler =
    deliveredTo === null ? 'No handler of the guest receives it.' : `Xen enters ${deliveredTo}.`;
  return {
    exceptionId: cr2 === null ? name : `${name} at ${cr2}`,
    description: [...code, handler].join('\n'),
    breakMode: 'always',
  };
}

const ACCESS_WORDS = { read: 'reads from', write: 'writes to', exec: 'fetches instructions from' } as const;

function describeStale(record: StaleRecord): ExceptionInfo {
  return {
    exceptionId: `stale translation of ${record.address}`,
    description: [
      staleSentence(record),
      'Usual cause: an entry was changed without a flush; Xen flushes by itself only when the type of a frame changes, when an upper-level entry changes, or before a freed frame is used anew.',
      'What to do: pass UVMF_INVLPG to update_va_mapping, or follow mmu_update with MMUEXT_INVLPG_LOCAL (on all vCPUs: MMUEXT_INVLPG_ALL).',
    ].join('\n'),
    breakMode: 'always',
  };
}

/** What a stale access does, and what it should do. */
export function staleSentence({ domain, vcpu, address, access, frame, mapped }: StaleRecord): string {
  const now =
    mapped === null
      ? 'the page tables map nothing there any more'
      : mapped === frame
        ? 'the page tables no longer allow that'
        : `the page tables map mfn ${mapped} there now`;
  return `The TLB of d${domain}v${vcpu} still holds an old translation of ${address}: the guest ${ACCESS_WORDS[access]} mfn ${frame}, but ${now}.`;
}

const describeExit = (exceptionId: string, exit: ExitInfo): ExceptionInfo => ({
  exceptionId,
  description: exit.reason,
  breakMode: 'unhandled',
  details: { message: exit.reason },
});

/** A short text of plain data. */
function plain(value: JsonValue): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}
