import { describe, expect, it } from 'vitest';
import { Column, Region } from '../../../core/state/column.ts';
import { type Delta, type Mark, Store } from '../../../core/state/store.ts';
import { PhysicalMemory } from '../../../core/machine/memory.ts';
import { mfn } from '../../../core/units.ts';

describe('the journal', () => {
  it('undoes columns, regions and memory to a mark, newest change first', () => {
    const store = new Store();
    const column = new Column(store, 'c', 10_000, 7);
    const region = new Region(store, 'r', 100);
    const memory = new PhysicalMemory(store, 64);
    column.set(5000, 1);
    const mark = store.mark();
    column.set(5000, 2);
    column.set(5000, 3);
    region.set(9, -1);
    memory.writeWord(mfn(12), 1023, 0x1234);
    expect(store.undoTo(mark)).toBe(true);
    expect(column.get(5000)).toBe(1);
    expect(column.get(5001)).toBe(7);
    expect(region.get(9)).toBe(0);
    expect(memory.readWord(mfn(12), 1023)).toBe(0);
  });

  it('refuses, with nothing changed, a mark that the ring has forgotten', () => {
    const store = new Store(1);
    const column = new Column(store, 'c', 70_000);
    const mark = store.mark();
    for (let i = 0; i < 70_000; i++) column.set(i, 1);
    expect(store.reaches(mark)).toBe(false);
    expect(store.undoTo(mark)).toBe(false);
    expect(column.get(0)).toBe(1);
  });

  it('grows up to its budget without losing an entry', () => {
    const store = new Store(8 * 1024 * 1024);
    const column = new Column(store, 'c', 300_000);
    const mark = store.mark();
    for (let i = 0; i < 300_000; i++) column.set(i, i + 1);
    expect(store.undoTo(mark)).toBe(true);
    expect([column.get(0), column.get(299_999)]).toEqual([0, 0]);
  });

  it('notes a cell once between two marks, and goes back to each of many marks', () => {
    const store = new Store();
    const column = new Column(store, 'c', 10);
    const marks: Mark[] = [];
    for (let i = 1; i <= 1000; i++) {
      marks.push(store.mark());
      for (let j = 0; j < 50; j++) column.set(j % 3, i * 100 + j);
    }
    expect(store.mark() - (marks[0] ?? 0)).toBe(3000);
    for (let i = 999; i >= 0; i -= 37) {
      expect(store.undoTo(marks[i] as Mark)).toBe(true);
      expect(column.get(0)).toBe(i === 0 ? 0 : i * 100 + 48);
      column.set(0, 7);
      expect(store.undoTo(marks[i] as Mark)).toBe(true);
      expect(column.get(0)).toBe(i === 0 ? 0 : i * 100 + 48);
    }
  });

  it('tells which cells have changed, with their old words', () => {
    const store = new Store();
    const column = new Column(store, 'frame.type', 10_000);
    const memory = new PhysicalMemory(store, 64);
    const mark = store.mark();
    column.set(4097, 3);
    memory.writeWord(mfn(3), 2, 9);
    const seen: string[] = [];
    store.forEachChangeSince(mark, (cell, old) =>
      seen.push(
        cell.kind === 'column'
          ? `${cell.owner}[${cell.index}] was ${old}`
          : `mfn ${memory.frameOfSlot(cell.slot)} word ${cell.word} was ${old}`,
      ),
    );
    expect(seen).toEqual(['frame.type[4097] was 0', 'mfn 3 word 2 was 0']);
  });
});

describe('deltas', () => {
  /** Three moments, two stretches of random changes between them; the second has marks of its own inside. */
  function threeMoments() {
    const store = new Store();
    const column = new Column(store, 'c', 9000, 5);
    const memory = new PhysicalMemory(store, 64);
    let seed = 7;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const contents = () => [
      ...Array.from({ length: 9000 }, (_, row) => column.get(row)),
      ...Array.from({ length: 64 * 1024 }, (_, i) => memory.readWord(mfn(i >> 10), i & 1023)),
    ];
    const change = (times: number) => {
      for (let i = 0; i < times; i++) {
        if (random(2) === 0) column.set(random(9000), random(4));
        else memory.writeWord(mfn(random(64)), random(8), random(4));
      }
    };
    change(1000);
    const moments = [contents()];
    const deltas: Delta[] = [];
    for (let stretch = 0; stretch < 2; stretch++) {
      const mark = store.mark();
      for (let part = 0; part < 3; part++) {
        change(700);
        if (stretch === 1) store.mark();
      }
      moments.push(contents());
      const delta = store.since(mark);
      if (delta === null) throw new Error('the journal has forgotten');
      deltas.push(delta);
    }
    return { store, contents, moments, deltas: deltas as [Delta, Delta] };
  }

  it('lead back and forth between moments, as often as one likes', () => {
    const { store, contents, moments, deltas } = threeMoments();
    for (let round = 0; round < 3; round++) {
      store.swap(deltas[1], 'back');
      expect(contents()).toEqual(moments[1]);
      store.swap(deltas[0], 'back');
      expect(contents()).toEqual(moments[0]);
      store.swap(deltas[0], 'forward');
      store.swap(deltas[1], 'forward');
      expect(contents()).toEqual(moments[2]);
    }
  });

  it('of neighbouring stretches join to one, whichever way they lead', () => {
    for (const direction of ['back', 'forward'] as const) {
      const { store, contents, moments, deltas } = threeMoments();
      if (direction === 'forward') {
        store.swap(deltas[1], 'back');
        store.swap(deltas[0], 'back');
      }
      const joined = store.joined(deltas[0], deltas[1], direction);
      expect(new Set(joined.cells).size).toBe(joined.cells.length);
      for (const [way, moment] of direction === 'back'
        ? ([
            ['back', 0],
            ['forward', 2],
          ] as const)
        : ([
            ['forward', 2],
            ['back', 0],
          ] as const)) {
        store.swap(joined, way);
        expect(contents()).toEqual(moments[moment]);
      }
    }
  });

  it('are changes like any other for whoever holds a mark', () => {
    const { store, contents, moments, deltas } = threeMoments();
    const mark = store.mark();
    store.swap(deltas[1], 'back');
    store.swap(deltas[0], 'back');
    expect(contents()).toEqual(moments[0]);
    expect(store.undoTo(mark)).toBe(true);
    expect(contents()).toEqual(moments[2]);
  });
});

describe('machine memory', () => {
  it('shows ones in frames patterned so, and keeps them in the words not written', () => {
    const memory = new PhysicalMemory(new Store(), 64);
    memory.patternOnes(mfn(8), 2);
    expect(memory.readWord(mfn(8), 5)).toBe(-1);
    memory.writeWord(mfn(8), 5, 1);
    expect(memory.readWord(mfn(8), 5)).toBe(1);
    expect(memory.readWord(mfn(8), 6)).toBe(-1);
    expect(memory.isUntouched(mfn(9))).toBe(true);
  });
});
