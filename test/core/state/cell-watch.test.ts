import { describe, expect, it } from 'vitest';
import { PhysicalMemory } from '../../../core/machine/memory.ts';
import { CellWatch, MAX_WATCHED_PAGES, WatchBit } from '../../../core/state/cell-watch.ts';
import { Column } from '../../../core/state/column.ts';
import { Store } from '../../../core/state/store.ts';
import { mfn } from '../../../core/units.ts';

function watched() {
  const store = new Store();
  const column = new Column(store, 'c', 10_000, 7);
  const memory = new PhysicalMemory(store, 64);
  const watch = new CellWatch();
  store.watch = watch;
  return { store, column, memory, watch };
}

describe('watched cells', () => {
  it('are told when they change, with the word before, and no other cell is', () => {
    const { column, memory, watch } = watched();
    const slot = memory.slotOf(mfn(12));
    watch.add(column.cell(5000), WatchBit.write);
    watch.add(slot * 1024 + 3, WatchBit.write);
    column.set(5000, 1);
    column.set(5001, 1);
    column.set(5000, 1);
    memory.writeWord(mfn(12), 3, 9);
    memory.writeWord(mfn(12), 4, 9);
    expect(watch.take()).toEqual([
      { cell: column.cell(5000), old: 7, bits: -1, access: 'change', by: 'hypervisor' },
      { cell: slot * 1024 + 3, old: 0, bits: -1, access: 'change', by: 'hypervisor' },
    ]);
    expect(watch.take()).toEqual([]);
  });

  it('tell nothing of an undo', () => {
    const { store, column, watch } = watched();
    watch.add(column.cell(0), WatchBit.write);
    const mark = store.mark();
    column.set(0, 1);
    watch.take();
    store.undoTo(mark);
    expect(watch.take()).toEqual([]);
  });

  it('hold an access up while the processor runs freely, and note it otherwise', () => {
    const { store, memory, watch } = watched();
    const slot = memory.slotOf(mfn(12));
    const arena = store.arenas[0] as Int32Array;
    watch.add(slot * 1024 + 3, WatchBit.read);
    watch.traps = true;
    expect(watch.meets(slot, 8, 8, WatchBit.read, arena)).toBe(true);
    expect(watch.meets(slot, 8, 4, WatchBit.read, arena)).toBe(false);
    expect(watch.meets(slot, 8, 8, WatchBit.write, arena)).toBe(false);
    expect(watch.notes).toEqual([]);
    watch.traps = false;
    expect(watch.meets(slot, 15, 1, WatchBit.read, arena)).toBe(false);
    expect(watch.take()).toEqual([
      { cell: slot * 1024 + 3, old: 0, bits: 0xff << 24, access: 'read', by: 'hypervisor' },
    ]);
  });

  it('lie on a bounded number of pages', () => {
    const { watch } = watched();
    const added = Array.from({ length: MAX_WATCHED_PAGES + 1 }, (_, i) =>
      watch.add(i * 1024, WatchBit.write),
    );
    expect(added.indexOf(false)).toBe(MAX_WATCHED_PAGES);
    watch.clear();
    expect(watch.add(0, WatchBit.write)).toBe(true);
  });
});
