/** What `xenscope verify` tells of one script: lines for people, an object for programs. */

import { errnoName } from '../../core/hypervisor/errno.ts';
import type { JsonObject } from '../../core/timeline/types.ts';
import { type Comparison, type Difference, isCutShort } from './compare.ts';
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
      return isCutShort(model, real) ? STATUS.limit : STATUS.equal;
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
  const verdict =
    differences.length === 0
      ? `equal on Xen ${xen}`
      : `${counted(differences.length, 'difference')} from Xen ${xen}`;
  return [
    ...lines,
    ...crashLines(path, model, real, xen),
    `${path}: ${countsOf(comparison)}; ${endOf(model, real)}: ${verdict}`,
  ]
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
  if (isCutShort(model, real)) return cutShort(model, real);
  return model.end.kind === real.end.kind ? model.end.kind : 'ended differently';
}

function cutShort({ end: model }: GuestRun, { end: real }: GuestRun): string {
  if (model.kind === 'limit' && real.kind === 'limit')
    return model.isWaiting === true && real.isWaiting === true
      ? 'both wait for an event that does not come'
      : 'neither came to an end (--timeout, --max-statements), compared as far as both went';
  return model.kind === 'limit'
    ? `the model did not come to an end (${model.reason}), compared as far as it went`
    : 'real Xen did not come to the end in time (--timeout), compared as far as it went';
}

/** What both say of a crash, so that one can see whether it is the same. */
function crashLines(path: string, { end: model }: GuestRun, { end: real }: GuestRun, xen: string): string[] {
  if (model.kind !== 'crashed' || real.kind !== 'crashed') return [];
  return [
    `${path}: the model says: ${model.reason.split('\n')[0] ?? ''}`,
    `${path}: Xen ${xen} says: ${real.reason.replaceAll('\n', ' / ')}`,
  ];
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
        differences: comparison.differences.map(({ place, ...difference }) => ({
          ...difference,
          file: place?.file ?? null,
          line: place?.line ?? null,
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
