/**
 * Data breakpoints at work: which cells they need watched, and what the notes of a statement or hypercall mean for
 * them. What is found depends on the statement alone, not on how the run came to it, so that it is found again
 * whichever way the cursor moves over the place.
 */

import type { Vm } from '../guest-c/vm.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import {
  type AccessNote,
  type Accessor,
  CellWatch,
  WatchBit,
  type WatchedAccess,
} from '../state/cell-watch.ts';
import { joinWords, mfn } from '../units.ts';
import { type Translate, byMachine, byP2m, byPageTables } from './guest-memory.ts';
import {
  type Activation,
  type WatchedBytes,
  type WatchedFact,
  type WatchedLocal,
  type WatchedPlace,
  type WatchedWord,
  bytesText,
  factCells,
  factRow,
  factValue,
  placeLabel,
  valueOf,
  wordsOf,
} from './watch-places.ts';

/** What a data breakpoint waits for; `access` is a read or a write. */
export type DataAccess = 'read' | 'write' | 'change' | 'access';

export interface DataSpec {
  readonly kind: 'data';
  readonly id: number;
  readonly place: WatchedPlace;
  readonly access: DataAccess;
  /** What the user calls it; without it its place is told. */
  readonly name?: string;
  readonly condition?: string;
}

/** One data breakpoint that was met. */
export interface DataHit {
  readonly id: number;
  /** The part of the place that was accessed. */
  readonly place: WatchedPlace;
  readonly what: string;
  readonly access: WatchedAccess;
  readonly by: Accessor;
  /** Texts, and the values as unsigned numbers for conditions. */
  readonly old: string;
  readonly now: string;
  readonly oldValue: bigint;
  readonly newValue: bigint;
}

/** The vCPU that a number names; undefined when there is none. */
export type VmOf = (vcpu: number) => Vm | undefined;

/** A spec with the cells that it lies in now. */
type Armed =
  | {
      readonly kind: 'bytes';
      readonly spec: DataSpec;
      readonly place: WatchedBytes;
      words: WatchedWord[] | null;
    }
  | {
      readonly kind: 'frame';
      readonly spec: DataSpec;
      readonly place: WatchedFact;
      readonly cells: readonly number[];
    }
  | { readonly kind: 'local'; readonly spec: DataSpec; readonly place: WatchedLocal; known: bigint | null };

type Notes = ReadonlyMap<number, readonly AccessNote[]>;

const BITS_OF: Readonly<Record<DataAccess, number>> = {
  read: WatchBit.read,
  write: WatchBit.write,
  change: WatchBit.write,
  access: WatchBit.read | WatchBit.write,
};

export class Watches {
  private readonly hypervisor: Hypervisor;
  private readonly vmOf: VmOf;
  private readonly cells = new CellWatch();
  private armed: Armed[] = [];

  constructor(hypervisor: Hypervisor, vmOf: VmOf) {
    this.hypervisor = hypervisor;
    this.vmOf = vmOf;
  }

  get isActive(): boolean {
    return this.armed.length > 0;
  }

  /** Replaces all data breakpoints. */
  set(specs: readonly DataSpec[]): void {
    this.armed = specs.map((spec) => this.arm(spec));
    this.hypervisor.machine.store.watch = this.isActive ? this.cells : null;
    this.cells.notes.length = 0;
    this.watchCells();
  }

  /** What is to be said of a data breakpoint that cannot watch, or not yet; nothing for others. */
  trouble(id: number): { readonly verified?: boolean; readonly message?: string } {
    const one = this.armed.find(({ spec }) => spec.id === id);
    if (one === undefined) return {};
    const { place } = one;
    if (place.kind === 'frame')
      return this.hypervisor.frames.has(mfn(place.mfn))
        ? {}
        : failed(`${placeLabel(place)}: there is no such frame.`);
    const vm = this.vmOf(place.vcpu);
    if (vm === undefined) return failed(`There is no thread ${place.vcpu + 1}.`);
    const owner = place.kind === 'local' ? place : place.owner;
    if (owner !== undefined && !isAlive(vm, owner))
      return failed(
        `${owner.functionName} does not run any more in the frame that the variable belonged to.`,
      );
    if (one.kind === 'bytes' && one.words === null)
      return {
        message: `${placeLabel(place)} are not mapped to memory now; they are watched as soon as they are.`,
      };
    return {};
  }

  /** The cells in which a place lies now; null for a local in a register window, or where nothing is mapped. */
  cellsOf(place: WatchedPlace): ReadonlySet<number> | null {
    if (place.kind === 'local') return null;
    if (place.kind === 'bytes') {
      const words = this.resolve(place);
      return words === null ? null : new Set(words.map(({ cell }) => cell));
    }
    const { frames } = this.hypervisor;
    return frames.has(mfn(place.mfn)) ? new Set(factCells(frames, place)) : null;
  }

  /** To be called before a run: what was changed while the guest stood still is nobody's doing. */
  begin(): void {
    if (!this.isActive) return;
    for (const one of this.armed) {
      if (one.kind === 'bytes') one.words = this.resolve(one.place);
      else if (one.kind === 'local') one.known = this.localValue(one.place);
    }
    this.watchCells();
    this.cells.notes.length = 0;
  }

  /** Runs `work` unwatched: the debugger's own evaluations. */
  without<T>(work: () => T): T {
    const { store } = this.hypervisor.machine;
    const { watch } = store;
    store.watch = null;
    try {
      return work();
    } finally {
      store.watch = watch;
    }
  }

  /** The window at whose statements, and at those of its callers, locals have to be compared; -1 for none. */
  localBase(vm: Vm): number {
    let base = -1;
    for (const one of this.armed)
      if (one.kind === 'local' && this.vmOf(one.place.vcpu) === vm && isAlive(vm, one.place))
        base = Math.max(base, one.place.base);
    return base;
  }

  /** What the last statement or event of a vCPU has met. `xenHasRun`: pages may be elsewhere. */
  met(vm: Vm, xenHasRun: boolean): DataHit[] {
    return [...this.locals(vm), ...this.collect(xenHasRun)];
  }

  spec(id: number): DataSpec | undefined {
    return this.armed.find(({ spec }) => spec.id === id)?.spec;
  }

  /** The locals that have changed since the last statement in their function. */
  private locals(vm: Vm): DataHit[] {
    return this.armed.flatMap((one) => {
      if (one.kind !== 'local' || this.vmOf(one.place.vcpu) !== vm || vm.base > one.place.base) return [];
      const old = one.known;
      const now = this.localValue(one.place);
      one.known = now;
      if (old === null || now === null || old === now) return [];
      return [this.hitOf(one, 'change', 'guest', old, now)];
    });
  }

  /** What the accesses since the last time mean. */
  private collect(tablesMayHaveChanged: boolean): DataHit[] {
    const notes = new Map<number, AccessNote[]>();
    for (const note of this.cells.take()) {
      const list = notes.get(note.cell);
      if (list === undefined) notes.set(note.cell, [note]);
      else list.push(note);
    }
    if (notes.size === 0 && !tablesMayHaveChanged) return [];
    const hits = this.armed.flatMap((one) => {
      if (one.kind === 'frame') return this.factHits(one, notes);
      return one.kind === 'bytes' ? this.bytesHits(one, notes) : [];
    });
    return tablesMayHaveChanged ? [...hits, ...this.moved(notes)] : hits;
  }

  private arm(spec: DataSpec): Armed {
    const { place } = spec;
    if (place.kind === 'bytes') return { kind: 'bytes', spec, place, words: this.resolve(place) };
    if (place.kind === 'local') return { kind: 'local', spec, place, known: this.localValue(place) };
    const isFrame = this.hypervisor.frames.has(mfn(place.mfn));
    return { kind: 'frame', spec, place, cells: isFrame ? factCells(this.hypervisor.frames, place) : [] };
  }

  private watchCells(): void {
    this.cells.clear();
    for (const one of this.armed) {
      const bits = BITS_OF[one.spec.access];
      if (one.kind === 'frame') for (const cell of one.cells) this.cells.add(cell, WatchBit.write);
      else if (one.kind === 'bytes') for (const { cell } of one.words ?? []) this.cells.add(cell, bits);
    }
  }

  private resolve(place: WatchedBytes): WatchedWord[] | null {
    const translate = this.translation(place);
    return translate === null ? null : wordsOf(this.hypervisor.machine, translate, place);
  }

  private translation({ space, vcpu }: WatchedBytes): Translate | null {
    const { machine } = this.hypervisor;
    if (space === 'mfn') return byMachine(machine);
    const vm = this.vmOf(vcpu);
    if (vm === undefined) return null;
    return space === 'va' ? byPageTables(machine, vm.vcpu) : byP2m(machine, vm.vcpu);
  }

  /** A fact's words are changed one at a time: each change is looked at, so that a count is seen at zero in passing. */
  private factHits(one: Extract<Armed, { kind: 'frame' }>, notes: Notes): DataHit[] {
    const { store } = this.hypervisor.machine;
    const changes = one.cells.flatMap((cell) => notes.get(cell) ?? []);
    if (changes.length === 0) return [];
    const { counts } = factRow(one.place.fact);
    const words = one.cells.map((cell) => notes.get(cell)?.[0]?.old ?? store.word(cell));
    let before = factValue(one.place.fact, words);
    for (const { note, next } of inOrder(one.cells, notes, store.word.bind(store))) {
      words[one.cells.indexOf(note.cell)] = next;
      const now = factValue(one.place.fact, words);
      if (now !== before && (counts === undefined || counts(before, now)))
        return [this.hitOf(one, 'change', note.by, BigInt(before), BigInt(now))];
      before = now;
    }
    return [];
  }

  private bytesHits(one: Extract<Armed, { kind: 'bytes' }>, notes: Notes): DataHit[] {
    const { spec, place, words } = one;
    if (words === null || !this.isOwned(place)) return [];
    const store = this.hypervisor.machine.store;
    const now = (cell: number): number => store.word(cell);
    const before = (cell: number): number =>
      notes.get(cell)?.find(({ access }) => access === 'change')?.old ?? now(cell);
    const touched = words.flatMap(({ cell, bits }) =>
      (notes.get(cell) ?? []).filter((note) => {
        const own = note.access === 'change' ? before(cell) ^ now(cell) : note.bits;
        return (own & bits) !== 0;
      }),
    );
    const changedAt = words.findIndex(({ cell, bits }) => ((before(cell) ^ now(cell)) & bits) !== 0);
    const change = changedAt < 0 ? undefined : touched.find(({ access }) => access === 'change');
    const write = change ?? touched.find(({ access }) => access !== 'read');
    const read = touched.find(({ access }) => access === 'read');
    const wanted = { change, write, read, access: write ?? read }[spec.access];
    if (wanted === undefined) return [];
    const part = partAt(place, Math.max(changedAt, 0));
    const partWords = part === place ? words : words.slice(Math.max(changedAt, 0));
    const [old, value] = [valueOf(partWords, part, before), valueOf(partWords, part, now)];
    const access = wanted === change ? 'change' : wanted === read ? 'read' : 'write';
    return [this.hitOf({ ...one, place: part }, access, wanted.by, old, value)];
  }

  /** Addresses that lead to another page than before; the content that they show may be another with it. */
  private moved(notes: Notes): DataHit[] {
    const store = this.hypervisor.machine.store;
    const hits: DataHit[] = [];
    let isMoved = false;
    for (const one of this.armed) {
      if (one.kind !== 'bytes' || one.place.space === 'mfn') continue;
      const words = this.resolve(one.place);
      const old = one.words;
      if (old?.[0]?.cell === words?.[0]?.cell && old?.at(-1)?.cell === words?.at(-1)?.cell) continue;
      one.words = words;
      isMoved = true;
      if (old === null || words === null || one.spec.access === 'read') continue;
      const before = (cell: number): number =>
        notes.get(cell)?.find(({ access }) => access === 'change')?.old ?? store.word(cell);
      const was = valueOf(old, one.place, before);
      const is = valueOf(words, one.place, (cell) => store.word(cell));
      if (was !== is) hits.push(this.hitOf(one, 'change', 'hypervisor', was, is));
    }
    if (isMoved) this.watchCells();
    return hits;
  }

  /** Whether the function whose local it is still runs. */
  private isOwned({ owner }: WatchedBytes): boolean {
    const vm = owner === undefined ? undefined : this.vmOf(owner.vcpu);
    return owner === undefined || (vm !== undefined && isAlive(vm, owner));
  }

  private localValue({ vcpu, base, slot, bytes, functionName }: WatchedLocal): bigint | null {
    const vm = this.vmOf(vcpu);
    if (vm === undefined || !isAlive(vm, { base, functionName })) return null;
    const bits = joinWords(vm.windows[base + slot] ?? 0, vm.windows[base + slot + 1] ?? 0);
    return BigInt.asUintN(bytes * 8, bits);
  }

  private hitOf(
    { spec, place }: { readonly spec: DataSpec; readonly place: WatchedPlace },
    access: WatchedAccess,
    by: Accessor,
    oldValue: bigint,
    newValue: bigint,
  ): DataHit {
    const part = place === spec.place ? '' : `, ${placeLabel(place)}`;
    return {
      id: spec.id,
      place,
      what: spec.name === undefined ? placeLabel(place) : `${spec.name}${part}`,
      access,
      by,
      old: valueText(place, oldValue),
      now: valueText(place, newValue),
      oldValue,
      newValue,
    };
  }
}

const failed = (message: string) => ({ verified: false, message });

function valueText(place: WatchedPlace, value: bigint): string {
  if (place.kind === 'frame') return factRow(place.fact).text(Number(value));
  return bytesText(value, place.bytes, place.shown);
}

/** Of a long stretch, the eight bytes around its n-th word; a short one as a whole. */
function partAt(place: WatchedBytes, word: number): WatchedBytes {
  if (place.bytes <= 8) return place;
  const start = word === 0 ? place.address : (place.address & ~3n) + BigInt(word * 4);
  const left = place.address + BigInt(place.bytes) - start;
  return { ...place, address: start, bytes: Number(left < 8n ? left : 8n) };
}

/** The changes of some cells, oldest first, each with the word that it left behind. */
function inOrder(
  cells: readonly number[],
  notes: Notes,
  wordNow: (cell: number) => number,
): { readonly note: AccessNote; readonly next: number }[] {
  return cells.flatMap((cell) => {
    const changes = (notes.get(cell) ?? []).filter(({ access }) => access === 'change');
    return changes.map((note, i) => ({ note, next: changes[i + 1]?.old ?? wordNow(cell) }));
  });
}

/** Whether the function that has the window still runs in it. */
function isAlive(vm: Vm, { base, functionName }: Omit<Activation, 'vcpu'>): boolean {
  return (
    base <= vm.base &&
    vm.functionOf(base)?.name === functionName &&
    vm.frames().some((one) => one.base === base)
  );
}
