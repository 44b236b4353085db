import { describe, expect, it } from 'vitest';
import { Column, Region } from '../../../core/state/column.ts';
import { Store } from '../../../core/state/store.ts';
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
    const column = new Column(store, 'c', 10);
    const mark = store.mark();
    for (let i = 1; i <= 70_000; i++) column.set(0, i);
    expect(store.reaches(mark)).toBe(false);
    expect(store.undoTo(mark)).toBe(false);
    expect(column.get(0)).toBe(70_000);
  });

  it('grows up to its budget without losing an entry', () => {
    const store = new Store(8 * 1024 * 1024);
    const column = new Column(store, 'c', 10);
    const mark = store.mark();
    for (let i = 1; i <= 300_000; i++) column.set(i % 10, i);
    expect(store.undoTo(mark)).toBe(true);
    expect(column.get(0)).toBe(0);
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
