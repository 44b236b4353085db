/**
 * Refusals: a check that fails notes its rule and the numbers at hand; the sentence and the evidence are made later,
 * if somebody asks. The first check that fails in a hypercall is the one that is told, for it is the innermost: what
 * fails around it fails because of it.
 */

import { FrameFlag, NO_OWNER, PAGE_TYPE_NAMES } from '../machine/frames.ts';
import { describeFlags, joinPte } from '../pte.ts';
import { DOMID, type Mfn, formatFrame, formatHex, joinWords, mfn } from '../units.ts';
import { type ErrorName, errorNumber } from './errno.ts';
import type { Hypervisor } from './hypervisor.ts';
import { mappingsOf } from './mappings.ts';
import { type RuleId, errnoOf, fillSentence, ruleOf } from './rules.ts';
import type { Refusal } from './types.ts';

/**
 * What a check hands over. `frame` is the frame whose state decided; entries and addresses come as words. Anything
 * else is told under its own name.
 */
export interface Facts {
  readonly frame?: number;
  readonly table?: number;
  readonly slot?: number;
  readonly level?: number;
  readonly entryLo?: number;
  readonly entryHi?: number;
  readonly addressLo?: number;
  readonly addressHi?: number;
  readonly [name: string]: string | number | undefined;
}

/** A refusal as noted at the check; the state of the frame is copied, for the hypercall may still undo things. */
export interface PendingRefusal {
  readonly rule: RuleId;
  readonly facts: Facts;
  readonly requestIndex: number;
  readonly domain: number;
  readonly frame: FrameState | null;
  /** Tables that were being validated around the check, innermost first. */
  readonly validating: {
    readonly table: number;
    readonly level: number;
    readonly slot: number;
    readonly rc: number;
  }[];
}

interface FrameState {
  readonly exists: boolean;
  readonly type: number;
  readonly typeCount: number;
  readonly refCount: number;
  readonly owner: number;
  readonly pinned: boolean;
}

/** Mappings of one frame that a refusal lists at most. */
const MAX_CULPRITS = 8;

/** Tells a tracer that a check was met; without one it costs a comparison. */
export function met(hv: Hypervisor, rule: RuleId): void {
  if (hv.tracer !== null) hv.tracer.checked(rule, 'met', null);
}

/** Notes the refusal unless an inner one is noted already; returns the rule's negative error number. */
export function refuse(hv: Hypervisor, rule: RuleId, facts: Facts): number {
  if (hv.tracer !== null) hv.tracer.checked(rule, 'broken', facts);
  hv.pending ??= {
    rule,
    facts,
    requestIndex: hv.requestIndex,
    domain: hv.caller,
    frame: facts.frame === undefined ? null : stateOf(hv, facts.frame),
    validating: [],
  };
  return errorOf(hv, rule);
}

/** The negative error number of a rule under the hypervisor's rule set. */
export function errorOf(hv: Hypervisor, rule: RuleId): number {
  const name = errnoOf(rule, hv.options.xen);
  if (name === null) throw new Error(`refusal: rule ${rule} crashes the domain, it returns no error`);
  return errorNumber(name);
}

/** Adds to the noted refusal that it happened while this table was being validated. */
export function whileValidating(
  hv: Hypervisor,
  table: number,
  level: number,
  slot: number,
  rc: number,
): void {
  hv.pending?.validating.push({ table, level, slot, rc });
}

/** Makes the sentence and the evidence of a noted refusal. */
export function explainRefusal(hv: Hypervisor, pending: PendingRefusal): Refusal {
  const rule = ruleOf(pending.rule);
  const errno: ErrorName = errnoOf(pending.rule, hv.options.xen) ?? 'EINVAL';
  const evidence = evidenceOf(hv, pending, errno);
  return {
    rule: pending.rule,
    errno,
    message:
      fillSentence(rule.sentence, readable(evidence)) + culpritSentence(evidence) + contextSentence(pending),
    evidence,
    ...(pending.requestIndex >= 0 ? { requestIndex: pending.requestIndex } : {}),
    xenPrints: rule.xenPrints === null ? null : fillSentence(rule.xenPrints, readable(evidence)),
    xenPrintsInRelease: rule.printsInRelease,
    isPrinted: rule.xenPrints !== null && (hv.options.debug || rule.printsInRelease),
    usualCause: rule.usualCause,
    remedy: rule.remedy,
  };
}

function stateOf(hv: Hypervisor, frame: number): FrameState {
  const frames = hv.frames;
  if (!frames.has(mfn(frame)))
    return { exists: false, type: 0, typeCount: 0, refCount: 0, owner: NO_OWNER, pinned: false };
  return {
    exists: true,
    type: frames.type.get(frame),
    typeCount: frames.typeCount.get(frame),
    refCount: frames.refCount.get(frame),
    owner: frames.owner.get(frame),
    pinned: frames.hasFlag(mfn(frame), FrameFlag.pinned),
  };
}

function evidenceOf(
  hv: Hypervisor,
  pending: PendingRefusal,
  errno: ErrorName,
): Record<string, string | number> {
  const { facts, frame } = pending;
  const evidence: Record<string, string | number> = { domain: pending.domain, errno: errorNumber(errno) };
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined || name.endsWith('Lo') || name.endsWith('Hi')) continue;
    evidence[name] =
      typeof value === 'number' && (name === 'frame' || name === 'table') ? formatHex(value) : value;
  }
  if (facts.entryLo !== undefined) addEntry(hv, evidence, facts);
  if (facts.addressLo !== undefined)
    evidence['address'] = formatHex(
      joinWords(facts.addressLo, hv.abi.wordBytes === 8 ? (facts.addressHi ?? 0) : 0),
    );
  if (frame !== null && facts.frame !== undefined) addFrame(hv, evidence, facts.frame, frame);
  return evidence;
}

function addEntry(hv: Hypervisor, evidence: Record<string, string | number>, facts: Facts): void {
  const lo = facts.entryLo ?? 0;
  const hi = facts.entryHi ?? 0;
  const level = facts.level ?? 1;
  evidence['entry'] = formatHex(joinPte(lo, hi));
  const badLo = lo & (hv.masks.badLo[level - 1] ?? 0);
  const badHi = hi & (hv.masks.badHi[level - 1] ?? 0);
  if (badLo === 0 && badHi === 0) return;
  evidence['badFlags'] = describeFlags(badLo, badHi, level);
  evidence['xenFlags'] = formatHex((badLo & 0xfff) | ((badHi >>> 20) << 12));
}

function addFrame(
  hv: Hypervisor,
  evidence: Record<string, string | number>,
  frame: number,
  state: FrameState,
): void {
  evidence['ownership'] = ownershipOf(state, evidence['domain'] as number);
  if (!state.exists) return;
  evidence['found'] = PAGE_TYPE_NAMES[state.type] ?? 'none';
  evidence['typeCount'] = state.typeCount;
  evidence['refCount'] = state.refCount;
  evidence['owner'] = state.owner === NO_OWNER ? 'nobody' : state.owner;
  evidence['state'] =
    state.owner !== evidence['domain']
      ? ownershipOf(state, evidence['domain'] as number)
      : `is in use as ${evidence['found']} (type count ${state.typeCount})`;
  evidence['pfn'] = formatHex(hv.machine.m2pValue(mfn(frame)));
  evidence['xenSaw'] = formatHex(xenTypeInfo(state.type, state.typeCount, state.pinned));
  evidence['xenExpected'] = formatHex(xenTypeInfo(Number(evidence['wantedType'] ?? 0), 0, false));
  if (state.typeCount > 0 && state.type === WRITABLE) addCulprits(hv, evidence, mfn(frame));
}

const WRITABLE = 7;
/** Xen's word for the reader of its console: type in bits 63:61, pinned 59, validated 58, count below (facts 3.1). */
const xenTypeInfo = (type: number, count: number, pinned: boolean): bigint =>
  (BigInt(type) << 61n) | (pinned ? 1n << 59n : 0n) | (count > 0 ? 1n << 58n : 0n) | BigInt(count);

/** For a frame that is mapped writable: the entries that map it, found by a scan of all live L1 tables. */
function addCulprits(hv: Hypervisor, evidence: Record<string, string | number>, frame: Mfn): void {
  const writable = mappingsOf(hv, frame).filter((mapping) => mapping.writable);
  if (writable.length === 0) return;
  evidence['writableMappings'] = writable.length;
  evidence['mappedBy'] = writable
    .slice(0, MAX_CULPRITS)
    .map(({ table, slot, va }) =>
      va === null
        ? `slot ${slot} of mfn ${formatFrame(table)}`
        : `${formatHex(va)} (slot ${slot} of mfn ${formatFrame(table)})`,
    )
    .join(', ');
}

function ownershipOf(state: FrameState, domain: number): string {
  if (!state.exists) return 'is beyond the memory of this machine';
  if (state.refCount === 0 || state.owner === NO_OWNER) return 'is free (it belongs to nobody)';
  if (state.owner === DOMID.XEN) return 'belongs to Xen';
  return state.owner === domain
    ? `belongs to d${domain} itself`
    : `belongs to d${state.owner}, not to d${domain}`;
}

/** The evidence as the sentence shows it: frames as Xen prints them. */
function readable(evidence: Record<string, string | number>): Record<string, string | number> {
  const shown = { ...evidence };
  for (const name of ['frame', 'table']) {
    const value = evidence[name];
    if (typeof value === 'string') shown[name] = formatFrame(mfn(Number(value)));
  }
  return shown;
}

function culpritSentence(evidence: Record<string, string | number>): string {
  return evidence['mappedBy'] === undefined ? '' : ` It is mapped writable at ${evidence['mappedBy']}.`;
}

function contextSentence(pending: PendingRefusal): string {
  const around = pending.validating.map(
    ({ table, level, slot }) => `slot ${slot} of mfn ${formatFrame(mfn(table))} as L${level} table`,
  );
  return around.length === 0 ? '' : ` This was found while validating ${around.join(', in ')}.`;
}
