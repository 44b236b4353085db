/**
 * Arithmetic of address kinds: what kind a sum, shift or mask of addresses, frames and entries is. Where the text does not
 * tell, the answer is `null`, for what is not known is never wrong.
 */
import type { ArithmeticOp, ComparisonOp, SourceRange } from './tree.ts';
import { type Kind, KINDS } from './kinds.ts';

/** What is known of a value. */
export interface KindValue {
  readonly kind: Kind;
  /** Flags have been put into it by `|`. */
  readonly hasFlags: boolean;
  /** Where it got its kind, when a variable carried it from there. */
  readonly from: SourceRange | null;
}

/**
 * null: a number of no known kind. undefined: nothing speaks against any kind (a constant; a variable that nothing has been
 * assigned to yet).
 */
export type MaybeKind = KindValue | null | undefined;

export const ofKind = (kind: Kind): KindValue => ({ kind, hasFlags: false, from: null });

/** The kind of a variable that takes both values. */
export function joined(a: MaybeKind, b: MaybeKind): MaybeKind {
  if (a === undefined) return b;
  if (b === undefined) return a;
  if (a === null || b?.kind !== a.kind) return null;
  return b.hasFlags ? { ...a, hasFlags: true } : a;
}

/** An operand: its kind, its value when it is a constant, and whether it is computed as offsets are. */
export interface KindOperand {
  readonly kind: MaybeKind;
  readonly constant: bigint | null;
  readonly isOffset: boolean;
}

const PAGE_SHIFT = 12n;
const PAGE_SIZE = 1n << PAGE_SHIFT;
const PAGE_MASK = PAGE_SIZE - 1n;
/** Bits of an entry or address that name a frame. */
const FRAME_BITS = 0x000f_ffff_ffff_f000n;
/** Addresses of kernels begin here at the lowest; no offset or amount of memory in a script is as large. */
const LOWEST_KERNEL_BASE = 0x8000_0000n;

const shapeOf = (value: KindValue): string => KINDS[value.kind].shape;

/** Frame -> address of the same space, and back. */
const ADDRESS_OF: ReadonlyMap<Kind, Kind> = new Map<Kind, Kind>([
  ['pfn', 'paddr'],
  ['mfn', 'maddr'],
]);
const FRAME_OF: ReadonlyMap<Kind, Kind> = new Map<Kind, Kind>([
  ['paddr', 'pfn'],
  ['maddr', 'mfn'],
  ['pte', 'mfn'],
]);

type Rule = (left: KindOperand, right: KindOperand) => MaybeKind;

const RULES: ReadonlyMap<ArithmeticOp | ComparisonOp, Rule> = new Map<ArithmeticOp | ComparisonOp, Rule>([
  ['+', (left, right) => (isKnown(left) ? added(left, right) : added(right, left))],
  ['-', subtracted],
  ['|', (left, right) => (isKnown(left) ? withFlags(left, right) : withFlags(right, left))],
  ['&', (left, right) => (isKnown(left) ? masked(left, right) : masked(right, left))],
  ['<<', (left, right) => (right.constant === PAGE_SHIFT ? scaled(left.kind, ADDRESS_OF) : null)],
  ['>>', (left, right) => (right.constant === PAGE_SHIFT ? scaled(left.kind, FRAME_OF) : null)],
  ['*', multiplied],
  ['/', (left, right) => (right.constant === PAGE_SIZE ? scaled(left.kind, FRAME_OF) : null)],
]);

/** What `left op right` is. */
export function combined(op: ArithmeticOp | ComparisonOp, left: KindOperand, right: KindOperand): MaybeKind {
  if (left.kind === undefined && right.kind === undefined) return undefined;
  return RULES.get(op)?.(left, right) ?? null;
}

const isKnown = ({ kind }: KindOperand): boolean => kind !== null && kind !== undefined;

const scaled = (value: MaybeKind, table: ReadonlyMap<Kind, Kind>): MaybeKind => {
  if (value === null || value === undefined) return value;
  const kind = table.get(value.kind);
  return kind === undefined ? null : { ...value, kind, hasFlags: false };
};

function multiplied(left: KindOperand, right: KindOperand): MaybeKind {
  if (right.constant === PAGE_SIZE) return scaled(left.kind, ADDRESS_OF);
  return left.constant === PAGE_SIZE ? scaled(right.kind, ADDRESS_OF) : null;
}

const isKernelBase = (constant: bigint | null): boolean =>
  constant !== null && (constant < 0n || constant >= LOWEST_KERNEL_BASE);

function added({ kind: value }: KindOperand, other: KindOperand): MaybeKind {
  if (value === null || value === undefined) return null;
  if (other.kind !== null && other.kind !== undefined) return sumOfKinds(value, other.kind);
  if (isKernelBase(other.constant)) {
    if (value.kind === 'paddr') return { ...value, kind: 'vaddr' };
    return value.kind === 'vaddr' ? value : null;
  }
  if (other.constant !== null || other.isOffset || shapeOf(value) === 'frame') return value;
  // A variable of no known kind may be an offset, or the base that makes a virtual address of a pseudo-physical one.
  return value.kind === 'maddr' || value.kind === 'vaddr' ? value : null;
}

function sumOfKinds(a: KindValue, b: KindValue): MaybeKind {
  const kinds = [a.kind, b.kind];
  return kinds.includes('vaddr') && kinds.includes('paddr') ? ofKind('vaddr') : null;
}

function subtracted({ kind: value }: KindOperand, other: KindOperand): MaybeKind {
  if (value === null || value === undefined || other.constant === null) return null;
  if (!isKernelBase(other.constant)) return value;
  return value.kind === 'vaddr' ? { ...value, kind: 'paddr' } : null;
}

function withFlags({ kind: value }: KindOperand, other: KindOperand): MaybeKind {
  if (value === null || value === undefined) return null;
  if (other.kind?.kind === 'pte' || value.kind === 'pte') return ofKind('pte');
  if (other.kind !== null && other.kind !== undefined) return null;
  return other.constant === 0n ? value : { ...value, hasFlags: true };
}

function masked({ kind: value }: KindOperand, { constant }: KindOperand): MaybeKind {
  if (value === null || value === undefined || constant === null) return null;
  const mask = BigInt.asUintN(64, constant);
  if (shapeOf(value) === 'frame') return mask < PAGE_SIZE ? null : value;
  if ((mask & FRAME_BITS) === 0n) return null;
  if ((mask & PAGE_MASK) !== 0n) return value;
  return { ...value, kind: value.kind === 'pte' ? 'maddr' : value.kind, hasFlags: false };
}
