/** The operands of hypervisor functions and checks as people read them. */

import type { Facts } from '../hypervisor/refusal.ts';
import { PAGE_TYPE_NAMES } from '../machine/frames.ts';
import { describeFlags, entryFrame } from '../pte.ts';
import { type Mfn, formatFrame, formatHex, joinWords, mfn } from '../units.ts';

export interface Operand {
  readonly name: string;
  readonly text: string;
  /** The frame that it names. */
  readonly frame: Mfn | null;
  /** The page-table entry that it is. */
  readonly entry: bigint | null;
}

/** Facts that come as two words, by the name of the first. */
const WORDS: Readonly<Record<string, { readonly name: string; readonly high: string }>> = {
  entryLo: { name: 'entry', high: 'entryHi' },
  oldEntryLo: { name: 'oldEntry', high: 'oldEntryHi' },
  addressLo: { name: 'address', high: 'addressHi' },
};
const FRAMES: ReadonlySet<string> = new Set(['frame', 'table', 'old', 'source']);
/** Told by another fact beside them. */
const HIDDEN: ReadonlySet<string> = new Set(['entryHi', 'oldEntryHi', 'addressHi', 'foreignHex', 'level']);

/** Operands in the order in which they were told. */
export function operandsOf(facts: Facts): readonly Operand[] {
  return Object.entries(facts).flatMap(([name, value]) =>
    value === undefined || HIDDEN.has(name) ? [] : [operand(facts, name, value)],
  );
}

function operand(facts: Facts, name: string, value: string | number): Operand {
  const words = WORDS[name];
  if (words !== undefined) return wordPair(facts, words, Number(value));
  if (typeof value === 'string') return plain(name, value);
  if (FRAMES.has(name))
    return { name, text: `mfn ${formatFrame(mfn(value))}`, frame: mfn(value), entry: null };
  if (name === 'wantedType') return plain(name, PAGE_TYPE_NAMES[value] ?? String(value));
  return plain(name, String(value));
}

function wordPair(
  facts: Facts,
  { name, high }: { readonly name: string; readonly high: string },
  lo: number,
): Operand {
  const hi = Number(facts[high] ?? 0);
  const bits = joinWords(lo, hi);
  if (name === 'address') return plain(name, formatHex(bits));
  const flags = describeFlags(lo, hi, facts.level ?? 1);
  const text = `${formatHex(bits)} (mfn ${formatFrame(entryFrame(lo, hi))} ${flags})`;
  return { name, text, frame: null, entry: bits };
}

const plain = (name: string, text: string): Operand => ({ name, text, frame: null, entry: null });
