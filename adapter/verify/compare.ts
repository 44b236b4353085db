/**
 * Two runs of one script, event by event. Both began with the same frames, so that numbers are compared as they are;
 * what differs by nature is told apart: addresses of the script's own code, data and stack, which the two compilers
 * place differently, and frames that Xen has handed out since, which are compared by the order in which they came.
 */

import type { JsonObject, JsonValue } from '../../core/timeline/types.ts';
import { type DeliveredFault, type GuestRun, type MadeHypercall, type Place, isObject } from './run.ts';

export interface Difference {
  readonly kind: 'hypercall' | 'fault' | 'console' | 'end';
  /** Counting from 1 among its kind; 0 for the end. */
  readonly seq: number;
  readonly place: Place | null;
  /** What differs: `rc`, `done`, `answer`, `way`, `error code`, ... */
  readonly what: string;
  readonly subject: string;
  readonly model: string;
  readonly real: string;
}

export interface Comparison {
  readonly hypercalls: number;
  readonly faults: number;
  readonly lines: number;
  readonly differences: readonly Difference[];
  /** Values that could only be compared as addresses of the script's own image. */
  readonly addresses: number;
}

/** What makes values of the two runs correspond. */
export interface Correspondence {
  /** The image with its stack, virtual addresses. */
  readonly image: { readonly from: bigint; readonly to: bigint };
  /** Machine frames of the image's pages. */
  readonly imageFrames: ReadonlySet<bigint>;
}

/** Differences of one kind after which the runs have nothing to do with each other any more. */
const MOST_DIFFERENCES = 20;
const LEAST_FRAME = 0x400n;

export function compareRuns(model: GuestRun, real: GuestRun, correspondence: Correspondence): Comparison {
  const values = new Values(correspondence);
  const differences = [
    ...compareHypercalls(model.hypercalls, real.hypercalls, values),
    ...compareFaults(model.faults, real.faults, values),
    ...compareConsoles(model.console, real.console, values),
    ...compareEnds(model, real),
  ];
  return {
    hypercalls: Math.min(model.hypercalls.length, real.hypercalls.length),
    faults: Math.min(model.faults.length, real.faults.length),
    lines: Math.min(model.console.length, real.console.length),
    differences,
    addresses: values.addresses,
  };
}

/** Whether a run was stopped by a limit of ours: then the runs are compared as far as both went. */
export const isCutShort = (model: GuestRun, real: GuestRun): boolean =>
  model.end.kind === 'limit' || real.end.kind === 'limit';

/** One side has come to its end while the other waits for ever: that is no matter of limits. */
const waitsAlone = ({ end }: GuestRun, other: GuestRun): boolean =>
  end.kind === 'limit' && end.isWaiting === true && other.end.kind !== 'limit';

function compareHypercalls(
  model: readonly MadeHypercall[],
  real: readonly MadeHypercall[],
  values: Values,
): Difference[] {
  const differences: Difference[] = [];
  for (const [i, ours] of model.entries()) {
    const theirs = real[i];
    if (theirs === undefined || differences.length >= MOST_DIFFERENCES) break;
    const at = {
      kind: 'hypercall',
      seq: i + 1,
      place: ours.place ?? theirs.place,
      subject: nameOf(ours),
    } as const;
    if (nameOf(ours) !== nameOf(theirs)) {
      differences.push({ ...at, what: 'way', model: called(ours), real: called(theirs) });
      break; // the runs have parted
    }
    for (const [what, mine, other] of resultsOf(ours, theirs, values))
      differences.push({ ...at, what, model: mine, real: other });
    values.learn(ours.answer['frames'], theirs.answer['frames']);
  }
  return differences;
}

/** What differs between two calls that ask the same. */
function resultsOf(ours: MadeHypercall, theirs: MadeHypercall, values: Values): [string, string, string][] {
  const found: [string, string, string][] = [];
  if (theirs.rc === null) return found; // it never returned: the end tells why
  if (!values.same(ours.rc, theirs.rc))
    found.push(['rc', withRefusal(String(ours.rc), ours), String(theirs.rc)]);
  if (ours.done !== null && theirs.done !== null && ours.done !== theirs.done)
    found.push(['done', String(ours.done), String(theirs.done)]);
  for (const [name, mine] of Object.entries(ours.answer)) {
    if (name === 'frames') continue; // which frames Xen takes is its own affair
    const other = theirs.answer[name];
    if (!values.same(mine, other)) found.push([name, show(mine), show(other)]);
  }
  const [mine, other] = [frameCount(ours), frameCount(theirs)];
  if (mine !== other) found.push(['frames', String(mine), String(other)]);
  return found;
}

const frameCount = ({ answer }: MadeHypercall): number =>
  Array.isArray(answer['frames']) ? answer['frames'].length : 0;

function compareFaults(
  model: readonly DeliveredFault[],
  real: readonly DeliveredFault[],
  values: Values,
): Difference[] {
  const differences: Difference[] = [];
  for (const [i, ours] of model.entries()) {
    const theirs = real[i];
    if (theirs === undefined || differences.length >= MOST_DIFFERENCES) break;
    const subject = ours.cr2 === null ? `trap ${ours.vector}` : `page fault at ${ours.cr2}`;
    const at = { kind: 'fault', seq: i + 1, place: ours.place ?? theirs.place, subject } as const;
    const pairs = [
      ['vector', ours.vector, theirs.vector],
      ['error code', ours.errorCode ?? 0, theirs.errorCode ?? 0],
      ['address', ours.cr2, theirs.cr2],
      ['handler', ours.handler, theirs.handler],
    ] as const;
    for (const [what, mine, other] of pairs)
      if (!values.same(mine, other))
        differences.push({ ...at, what, model: String(mine), real: String(other) });
  }
  return differences;
}

function compareConsoles(model: readonly string[], real: readonly string[], values: Values): Difference[] {
  const differences: Difference[] = [];
  for (const [i, mine] of model.entries()) {
    const other = real[i];
    if (other === undefined || differences.length >= MOST_DIFFERENCES) break;
    if (!values.sameText(mine, other))
      differences.push({
        kind: 'console',
        seq: i + 1,
        place: null,
        what: 'text',
        subject: `line ${i + 1}`,
        model: JSON.stringify(mine),
        real: JSON.stringify(other),
      });
  }
  return differences;
}

/** How the runs have ended, and what only one of them has. */
function compareEnds(model: GuestRun, real: GuestRun): Difference[] {
  const isLopsided = waitsAlone(model, real) || waitsAlone(real, model);
  if (isCutShort(model, real) && !isLopsided) return [];
  const differences: Difference[] = [];
  const at = { seq: 0, what: 'count', place: null } as const;
  const counts = [
    ['hypercall', 'hypercalls', model.hypercalls, real.hypercalls],
    ['fault', 'faults', model.faults, real.faults],
    ['console', 'lines on the console', model.console, real.console],
  ] as const;
  for (const [kind, subject, ours, theirs] of counts)
    if (ours.length !== theirs.length)
      differences.push({ ...at, kind, subject, model: String(ours.length), real: String(theirs.length) });
  const isSame =
    model.end.kind === real.end.kind &&
    (model.end.status === real.end.status || model.end.status === null || real.end.status === null);
  if (!isSame)
    differences.push({
      ...at,
      kind: 'end',
      what: 'end',
      subject: 'of the script',
      model: endText(model),
      real: endText(real),
    });
  return differences;
}

const endText = ({ end: { kind, reason } }: GuestRun): string => `${kind} (${reason.split('\n')[0] ?? ''})`;

/** `mmuext_op MMUEXT_PIN_L2_TABLE`; a long list of equal operations is named once. */
export function nameOf({ name, operations }: Pick<MadeHypercall, 'name' | 'operations'>): string {
  const [first, ...others] = operations;
  if (first === undefined) return name;
  if (others.length > 0 && others.every((other) => other === first))
    return `${name} ${operations.length} x ${first}`;
  return `${name} ${operations.join(', ')}`;
}

const called = (call: MadeHypercall): string =>
  call.place === null ? nameOf(call) : `${nameOf(call)} from line ${call.place.line}`;

const withRefusal = (rc: string, { refusal }: MadeHypercall): string =>
  refusal === undefined ? rc : `${rc}, refused by ${refusal.rule}`;

const show = (value: JsonValue | undefined): string =>
  value === undefined ? 'nothing' : JSON.stringify(value);

const NUMBER = /0x[0-9a-f]+|[0-9a-f]*\d[0-9a-f]*/gi;

/** Whether values mean the same in both runs. */
class Values {
  addresses = 0;
  private readonly correspondence: Correspondence;
  /** Frames that came after the start: the model's to real Xen's. */
  private readonly frames = new Map<bigint, bigint>();

  constructor(correspondence: Correspondence) {
    this.correspondence = correspondence;
  }

  /** Frames that Xen has handed out, in order. */
  learn(model: JsonValue | undefined, real: JsonValue | undefined): void {
    if (!Array.isArray(model) || !Array.isArray(real)) return;
    for (const [i, mine] of model.entries()) {
      const other: JsonValue | undefined = real[i];
      if (typeof mine === 'string' && typeof other === 'string') this.frames.set(BigInt(mine), BigInt(other));
    }
  }

  same(model: JsonValue | undefined, real: JsonValue | undefined): boolean {
    if (Array.isArray(model) && Array.isArray(real))
      return model.length === real.length && model.every((value, i) => this.same(value, real[i]));
    if (isObject(model) && isObject(real)) return this.sameFields(model, real);
    if (model === real) return true;
    const [mine, other] = [asNumber(model), asNumber(real)];
    return mine !== null && other !== null && this.sameNumber(mine, other);
  }

  /** Texts that differ in nothing but numbers that mean the same. */
  sameText(model: string, real: string): boolean {
    if (model === real) return true;
    if (model.replace(NUMBER, '#') !== real.replace(NUMBER, '#')) return false;
    const [mine, others] = [model.match(NUMBER) ?? [], real.match(NUMBER) ?? []];
    return mine.every((text, i) => text === others[i] || this.sameNumeral(text, others[i] ?? ''));
  }

  private sameNumeral(model: string, real: string): boolean {
    const readings = /^\d+$/.test(model) && /^\d+$/.test(real) ? ['', '0x'] : ['0x'];
    return readings.some((prefix) => {
      const [mine, other] = [model, real].map((text) => BigInt(prefix + text.replace(/^0x/i, '')));
      return mine !== undefined && other !== undefined && this.sameNumber(mine, other);
    });
  }

  private sameFields(model: JsonObject, real: JsonObject): boolean {
    const names = new Set([...Object.keys(model), ...Object.keys(real)]);
    return [...names].every((name) => this.same(model[name], real[name]));
  }

  private sameNumber(model: bigint, real: bigint): boolean {
    if (model === real) return true;
    const isSame =
      (this.inImage(model) && this.inImage(real)) ||
      this.sameFrame(model, real) ||
      // A machine address or an entry: the frame in the middle, flags and offset around it.
      (model >> 52n === real >> 52n &&
        (model & 0xfffn) === (real & 0xfffn) &&
        this.sameFrame((model >> 12n) & 0xff_ffff_ffffn, (real >> 12n) & 0xff_ffff_ffffn));
    if (isSame) this.addresses++;
    return isSame;
  }

  private sameFrame(model: bigint, real: bigint): boolean {
    if (model < LEAST_FRAME || real < LEAST_FRAME) return false;
    if (this.frames.get(model) === real || model === real) return true;
    const { imageFrames } = this.correspondence;
    return imageFrames.has(model) && imageFrames.has(real);
  }

  private inImage(address: bigint): boolean {
    const { from, to } = this.correspondence.image;
    return address >= from && address < to;
  }
}

function asNumber(value: JsonValue | undefined): bigint | null {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  return typeof value === 'string' && /^0x[0-9a-f]+$/.test(value) ? BigInt(value) : null;
}
