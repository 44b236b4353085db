/** What lines of a hypercall change, in words: frames' types and counts, entries of tables, the M2P, guest memory. */

import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { FrameFlag, NO_OWNER, PAGE_TYPE_NAMES } from '../machine/frames.ts';
import { type Mfn, PAGE_SIZE, formatFrame, formatHex, joinWords, mfn } from '../units.ts';
import type { HypercallWalk } from './hypercall-walk.ts';

export interface ChangeText {
  readonly name: string;
  readonly text: string;
}

interface Change {
  readonly old: number;
  readonly now: number;
}

/** Rows that one answer holds. */
const MAX_ROWS = 500;
const FRAME_COLUMN = 'frame.';
const DOMAIN_WORDS: readonly string[] = [
  'pages',
  'most pages',
  'state',
  'shutdown reason',
  'assists',
  'assists',
];
/** Storage whose words mean little by themselves: counted. */
const COUNTED: Readonly<Record<string, string>> = {
  'vcpu.registers': 'vCPU registers',
  'vcpu.traps': 'trap table',
  'vcpu.descriptors': 'GDT and LDT pages',
  tlb: 'TLB',
  'tlb.clock': 'TLB clock',
  'frame.tlbStamp': 'TLB stamps of frames',
};

/** What the lines from one position up to another change. */
export function describeChanges(
  hv: Hypervisor,
  walk: HypercallWalk,
  from: number,
  to: number,
): readonly ChangeText[] {
  const { store } = hv.machine;
  const rows: ChangeText[] = [];
  const counted = new Map<string, number>();
  const words = new Map<number, Change>();
  for (const [cell, change] of walk.changes(from, to)) {
    const place = store.locate(cell);
    if (place.kind === 'memory') words.set(cell, change);
    else if (COUNTED[place.owner] !== undefined)
      counted.set(place.owner, (counted.get(place.owner) ?? 0) + 1);
    else rows.push(describeColumn(place.owner, place.index, change));
  }
  rows.push(...describeMemory(hv, words));
  rows.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const [owner, count] of counted)
    rows.push({ name: COUNTED[owner] ?? owner, text: `${count} ${count === 1 ? 'word' : 'words'} changed` });
  if (rows.length <= MAX_ROWS) return rows;
  const more = { name: '...', text: `and ${rows.length - MAX_ROWS} more` };
  return [...rows.slice(0, MAX_ROWS), more];
}

function describeColumn(owner: string, index: number, { old, now }: Change): ChangeText {
  if (!owner.startsWith(FRAME_COLUMN)) {
    const what = owner === 'domain' ? (DOMAIN_WORDS[index] ?? `word ${index}`) : `[${index}]`;
    return { name: `${owner} ${what}`, text: `${old} → ${now}` };
  }
  const row = FRAME_FIELDS[owner.slice(FRAME_COLUMN.length)];
  const show = row?.show ?? String;
  const name = `mfn ${formatFrame(mfn(index))} ${row?.name ?? owner}`;
  return { name, text: `${show(old)} → ${show(now)}` };
}

/** The columns of the frame table. */
const FRAME_FIELDS: Readonly<
  Record<string, { readonly name: string; readonly show: (value: number) => string }>
> = {
  type: { name: 'type', show: (value) => PAGE_TYPE_NAMES[value] ?? String(value) },
  typeCount: { name: 'type count', show: (value) => String(value >>> 0) },
  refCount: { name: 'reference count', show: (value) => String(value >>> 0) },
  owner: { name: 'owner', show: ownerText },
  flags: { name: 'state', show: flagsText },
  linearCount: { name: 'linear entries (+) or uses (-)', show: String },
};

export function ownerText(owner: number): string {
  return owner === NO_OWNER ? 'nobody' : `d${owner}`;
}

export function flagsText(flags: number): string {
  const names = Object.entries(FrameFlag).filter(([, bit]) => (flags & bit) !== 0);
  return names.length === 0 ? '-' : names.map(([name]) => name).join(', ');
}

/** Words of memory, joined to entries where the ABI's entries have two. */
function describeMemory(hv: Hypervisor, words: ReadonlyMap<number, Change>): readonly ChangeText[] {
  const { store } = hv.machine;
  const perEntry = hv.wide ? 2 : 1;
  const firsts = new Set([...words.keys()].map((cell) => cell - (cell % perEntry)));
  const changeOf = (cell: number): Change => {
    const word = store.word(cell);
    return words.get(cell) ?? { old: word, now: word };
  };
  return [...firsts].map((first) => {
    const lo = changeOf(first);
    const hi = perEntry === 2 ? changeOf(first + 1) : { old: 0, now: 0 };
    const place = store.locate(first);
    const [slot, word] = place.kind === 'memory' ? [place.slot, place.word] : [0, 0];
    const text = `${formatHex(joinWords(lo.old, hi.old))} → ${formatHex(joinWords(lo.now, hi.now))}`;
    return { name: memoryName(hv, hv.memory.frameOfSlot(slot), word), text };
  });
}

function memoryName(hv: Hypervisor, frame: Mfn, word: number): string {
  const { m2pBase, m2pFrames } = hv.machine;
  if (frame >= m2pBase && frame < m2pBase + m2pFrames) {
    const entry = ((frame - m2pBase) * PAGE_SIZE + word * 4) / hv.abi.wordBytes;
    return `M2P of mfn ${formatFrame(mfn(Math.floor(entry)))}`;
  }
  const type = hv.frames.type.get(frame);
  if (type >= 1 && type <= 4) return `mfn ${formatFrame(frame)} slot ${hv.wide ? word >>> 1 : word}`;
  return `mfn ${formatFrame(frame)} + ${formatHex(word * 4)}`;
}
