/** What `xenscope verify` tells of one script: lines for people, an object for programs. */

import { errnoName } from '../../core/hypervisor/errno.ts';
import type { JsonObject } from '../../core/timeline/types.ts';
import type { Comparison, Difference } from './compare.ts';
import type { GuestRun } from './run.ts';
import type { Verification } from './verify.ts';

type Compared = Extract<Verification, { kind: 'compared' }>;

export const STATUS = { equal: 0, different: 1, notCompared: 2, limit: 4, internal: 5 } as const;

/** The exit status for one script. */
export function statusOf(verification: Verification): number {
  switch (verification.kind) {
    case 'compared': {
      const { comparison, model, real } = verification;
      if (comparison.differences.length > 0) return STATUS.different;
      return model.end.kind === 'limit' && real.end.kind === 'limit' ? STATUS.limit : STATUS.equal;
    }
    case 'xen stopped':
      return STATUS.different;
    case 'internal':
      return STATUS.internal;
    default:
      return STATUS.notCompared;
  }
}

/** The differences in the order of the run, a line each, then a line that sums up. */
export function textOf(path: string, { xen, comparison, model, real }: Compared): string {
  const { differences } = comparison;
  const lines = differences.map((difference) => differenceLine(path, difference, xen));
  const end = endOf(model, real);
  const verdict =
    differences.length === 0
      ? `equal on Xen ${xen}`
      : `${counted(differences.length, 'difference')} from Xen ${xen}`;
  return [...lines, `${path}: ${countsOf(comparison)}; ${end}: ${verdict}`]
    .map((line) => `${line}\n`)
    .join('');
}

function differenceLine(path: string, difference: Difference, xen: string): string {
  const { place, kind, seq, subject, what, model, real } = difference;
  const where = place === null ? path : `${place.file}:${place.line}`;
  const number = seq === 0 || kind === 'console' ? '' : ` #${seq}`;
  const shown = what === 'rc' ? 'result' : what;
  const sides =
    what === 'way'
      ? `the model goes on with ${model}, Xen ${xen} with ${real}; what follows is not compared`
      : `${shown}: model ${named(what, model)}, Xen ${xen} ${named(what, real)}`;
  return `${where}: ${kind}${number} ${subject}: ${sides}`;
}

/** `-22 (EINVAL)` */
function resultWithName(rc: number): string {
  const name = errnoName(rc);
  return name === null ? String(rc) : `${rc} (${name})`;
}

/** Results with the name of the error. */
const named = (what: string, text: string): string =>
  what === 'rc' ? text.replace(/^-?\d+/, (number) => resultWithName(Number(number))) : text;

function endOf(model: GuestRun, real: GuestRun): string {
  if (model.end.kind !== real.end.kind) return 'ended differently';
  if (model.end.kind === 'limit') return 'compared as far as both went, for neither came to an end';
  return model.end.kind;
}

const countsOf = ({ hypercalls, faults, lines }: Comparison): string =>
  [counted(hypercalls, 'hypercall'), counted(faults, 'fault'), counted(lines, 'line') + ' of console'].join(
    ', ',
  );

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** `--json`, one object for each script. */
export function jsonOf(path: string, verification: Verification): JsonObject {
  const base = { file: path, status: statusOf(verification), kind: verification.kind };
  switch (verification.kind) {
    case 'compared': {
      const { xen, comparison, model, real, problems } = verification;
      return {
        ...base,
        xen,
        compared: {
          hypercalls: comparison.hypercalls,
          faults: comparison.faults,
          lines: comparison.lines,
          byAddressOnly: comparison.addresses,
        },
        differences: comparison.differences.map((difference) => ({
          ...difference,
          place: { ...difference.place },
        })),
        model: runJson(model),
        real: runJson(real),
        ...(problems.length === 0 ? {} : { problems: problems.map((problem) => ({ ...problem })) }),
      };
    }
    case 'problems':
      return { ...base, problems: verification.problems.map((problem) => ({ ...problem })) };
    case 'xen stopped':
      return { ...base, console: verification.serial.split(/\r?\n/) };
    default:
      return { ...base, message: verification.message };
  }
}

const runJson = ({ hypercalls, faults, console, end }: GuestRun): JsonObject => ({
  end: { ...end },
  console,
  hypercalls: hypercalls.map(({ place, refusal, operations, ...call }, i) => ({
    seq: i + 1,
    ...call,
    operations,
    file: place?.file ?? null,
    line: place?.line ?? null,
    ...(refusal === undefined ? {} : { refusal: { ...refusal } }),
  })),
  faults: faults.map(({ place, ...fault }, i) => ({
    seq: i + 1,
    ...fault,
    file: place?.file ?? null,
    line: place?.line ?? null,
  })),
});
