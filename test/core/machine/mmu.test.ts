import { beforeEach, describe, expect, it } from 'vitest';
import { ABIS } from '../../../core/abi/index.ts';
import { Domain } from '../../../core/machine/domain.ts';
import { Machine } from '../../../core/machine/machine.ts';
import { Control } from '../../../core/machine/registers.ts';
import type { Vcpu } from '../../../core/machine/vcpu.ts';
import { vaWords } from '../../../core/machine/mmu.ts';
import { A, D, P, RW, US, entryHi, entryLo } from '../../../core/pte.ts';
import { Store } from '../../../core/state/store.ts';
import { type Mfn, domainId, mfn } from '../../../core/units.ts';
import { entryWord, slotOf } from '../../../core/walk.ts';

for (const abi of Object.values(ABIS)) {
  describe(`the MMU of ${abi.name}`, () => {
    let machine: Machine;
    let vcpu: Vcpu;
    let nextFrame: number;
    const VA = abi.wordBytes === 8 ? 0x1234_5678_9000n : 0x1234_5000n;
    const [lo, hi] = vaWords(VA);

    const setEntry = (table: Mfn, slot: number, frame: Mfn, flags: number): void => {
      const word = entryWord(abi, slot);
      machine.memory.writeWord(table, word, entryLo(frame, flags));
      if (abi.entryBytes === 8) machine.memory.writeWord(table, word + 1, entryHi(frame, 0));
    };

    /** Maps VA to a new frame; returns [the frame, the L1 table, its slot]. */
    const map = (va: bigint, flags: number): [Mfn, Mfn, number] => {
      let table = vcpu.kernelRoot as Mfn;
      const [vaLo, vaHi] = vaWords(va);
      for (const row of [...abi.levels].reverse()) {
        const slot = slotOf(row, vaLo, vaHi);
        const present = (machine.memory.readWord(table, entryWord(abi, slot)) & P) !== 0;
        if (row.level === 1) {
          const frame = mfn(nextFrame++);
          setEntry(table, slot, frame, flags);
          return [frame, table, slot];
        }
        const next = present
          ? mfn(machine.memory.readWord(table, entryWord(abi, slot)) >>> 12)
          : mfn(nextFrame++);
        if (!present) setEntry(table, slot, next, P | RW | US);
        table = next;
      }
      throw new Error('no level 1');
    };

    beforeEach(() => {
      const store = new Store();
      machine = new Machine(store, abi, Machine.framesFor(abi, 64));
      const domain = new Domain(store, abi, domainId(1), 'domU', 64);
      vcpu = domain.addVcpu(store, machine.memory);
      nextFrame = machine.firstHeapFrame;
      vcpu.setControl(Control.kernelRoot, nextFrame++);
    });

    it('sets A on a load, D on a store, and nothing on a probe', () => {
      const [, table, slot] = map(VA, P | RW | US);
      const flags = (): number => machine.memory.readWord(table, entryWord(abi, slot)) & 0xfff;
      expect(vcpu.mmu.probe(lo, hi).end).toBe('page');
      expect(flags()).toBe(P | RW | US);
      expect(vcpu.mmu.load(lo, hi, 4)).toBe(true);
      expect(flags()).toBe(P | RW | US | A);
      expect(vcpu.mmu.store(lo, hi, 4, 1, 0)).toBe(true);
      expect(flags()).toBe(P | RW | US | A | D);
    });

    it('reads back every size at every offset, across a page boundary too', () => {
      const [first] = map(VA, P | RW | US);
      map(VA + 4096n, P | RW | US);
      expect(first).toBeGreaterThan(0);
      for (const bytes of [1, 2, 4, 8] as const) {
        for (const offset of [0, 1, 2, 3, 5, 4088, 4091, 4095]) {
          const [atLo, atHi] = vaWords(VA + BigInt(offset));
          expect(vcpu.mmu.store(atLo, atHi, bytes, 0x8765_4321, 0x0fed_cba9)).toBe(true);
          expect(vcpu.mmu.load(atLo, atHi, bytes)).toBe(true);
          const mask = bytes >= 4 ? 0xffff_ffff : 2 ** (bytes * 8) - 1;
          expect(vcpu.mmu.lo >>> 0).toBe((0x8765_4321 & mask) >>> 0);
          expect(vcpu.mmu.hi >>> 0).toBe(bytes === 8 ? 0x0fed_cba9 : 0);
        }
      }
    });

    it('stores nothing when the second page of a store refuses it', () => {
      const [frame] = map(VA, P | RW | US);
      map(VA + 4096n, P | US);
      const [atLo, atHi] = vaWords(VA + 4094n);
      expect(vcpu.mmu.store(atLo, atHi, 4, -1, 0)).toBe(false);
      expect(vcpu.mmu.fault).toMatchObject({ vector: 14, errorCode: 3, vaLo: vaWords(VA + 4096n)[0] });
      expect(machine.memory.readWord(frame, 1023)).toBe(0);
    });

    it('faults with the error code of the access: not present, write to read-only', () => {
      expect(vcpu.mmu.load(lo, hi, 1)).toBe(false);
      expect(vcpu.mmu.fault).toMatchObject({ vector: 14, vaLo: lo, vaHi: hi, errorCode: 0 });
      map(VA, P | US);
      expect(vcpu.mmu.store(lo, hi, 1, 0, 0)).toBe(false);
      expect(vcpu.mmu.fault.errorCode).toBe(3);
    });

    it('keeps using a stale translation until it is flushed', () => {
      const [frame, table, slot] = map(VA, P | RW | US);
      machine.memory.writeWord(frame, 0, 42);
      expect(vcpu.mmu.load(lo, hi, 4)).toBe(true);
      setEntry(table, slot, mfn(0), 0);
      expect(vcpu.mmu.load(lo, hi, 4)).toBe(true);
      expect(vcpu.mmu.lo).toBe(42);
      vcpu.mmu.flushPage(lo, hi);
      expect(vcpu.mmu.load(lo, hi, 4)).toBe(false);
    });

    it('takes back with the journal what a store did, the translation included', () => {
      const [frame] = map(VA, P | RW | US);
      const mark = machine.store.mark();
      expect(vcpu.mmu.store(lo, hi, 4, 7, 0)).toBe(true);
      expect(vcpu.mmu.tlbEntries()).toHaveLength(1);
      expect(machine.store.undoTo(mark)).toBe(true);
      expect(machine.memory.readWord(frame, 0)).toBe(0);
      expect(vcpu.mmu.tlbEntries()).toHaveLength(0);
    });

    it('shows the M2P through the entry that Xen writes, read-only', () => {
      const at = abi.m2pWindow.start + BigInt(0x123 * abi.wordBytes);
      const [atLo, atHi] = vaWords(at);
      let table = vcpu.kernelRoot as Mfn;
      for (const row of [...abi.levels].reverse()) {
        if (row.xenSlots !== null) {
          const [entry] = machine.m2pEntries;
          if (entry === undefined) throw new Error('the machine has no entry for the M2P');
          const word = entryWord(abi, row.xenSlots.from);
          machine.memory.writeWord(table, word, entry.lo);
          if (abi.entryBytes === 8) machine.memory.writeWord(table, word + 1, entry.hi);
          break;
        }
        const next = mfn(nextFrame++);
        setEntry(table, slotOf(row, atLo, atHi), next, P | RW | US);
        table = next;
      }
      machine.setM2p(mfn(0x123), 0x77, 0);
      expect(vcpu.mmu.load(atLo, atHi, abi.wordBytes)).toBe(true);
      expect(vcpu.mmu.lo).toBe(0x77);
      expect(vcpu.mmu.store(atLo, atHi, 4, 0, 0)).toBe(false);
    });

    describe('watching for stale translations', () => {
      const use = (): [boolean, ReturnType<Vcpu['mmu']['takeStaleUse']>] => [
        vcpu.mmu.store(lo, hi, 4, 7, 0),
        vcpu.mmu.takeStaleUse(),
      ];

      it('finds nothing wrong with a translation that the page tables still give', () => {
        const [frame] = map(VA, P | RW | US);
        vcpu.mmu.store(lo, hi, 4, 1, 0);
        vcpu.mmu.watchStale('refuse');
        expect(use()).toEqual([true, null]);
        expect(machine.memory.readWord(frame, 0)).toBe(7);
      });

      it('tells the old frame and the new one, and does not make the access when it is to refuse it', () => {
        const [frame, table, slot] = map(VA, P | RW | US);
        vcpu.mmu.store(lo, hi, 4, 1, 0);
        const fresh = mfn(nextFrame++);
        setEntry(table, slot, fresh, P | RW | US);
        const stale = { vaLo: lo | 0, vaHi: hi | 0, kind: 'write', frame, mapped: fresh };
        vcpu.mmu.watchStale('refuse');
        expect(use()).toEqual([false, stale]);
        expect(machine.memory.readWord(frame, 0)).toBe(1);
        vcpu.mmu.watchStale('note');
        expect(use()).toEqual([true, stale]);
        expect(machine.memory.readWord(frame, 0)).toBe(7);
        vcpu.mmu.flushAll();
        expect(use()).toEqual([true, null]);
        expect(machine.memory.readWord(fresh, 0)).toBe(7);
      });

      it('tells an entry that is gone, and a right that is gone', () => {
        const [frame, table, slot] = map(VA, P | RW | US);
        vcpu.mmu.store(lo, hi, 4, 1, 0);
        vcpu.mmu.watchStale('refuse');
        setEntry(table, slot, frame, P | US);
        expect(use()).toEqual([false, expect.objectContaining({ mapped: frame })]);
        expect(vcpu.mmu.load(lo, hi, 4)).toBe(true);
        setEntry(table, slot, frame, 0);
        expect(use()).toEqual([false, expect.objectContaining({ mapped: null })]);
        expect(vcpu.mmu.load(lo, hi, 4)).toBe(false);
        expect(vcpu.mmu.takeStaleUse()).toMatchObject({ kind: 'read', frame, mapped: null });
      });

      it('leaves the TLB and the entries as they would be without it', () => {
        const state = (how: 'off' | 'note') => {
          const mark = machine.store.mark();
          vcpu.mmu.watchStale(how);
          for (const at of [0, 2, 4094, 4095]) {
            const [atLo, atHi] = vaWords(VA + BigInt(at));
            vcpu.mmu.load(atLo, atHi, 8);
            vcpu.mmu.store(atLo, atHi, 4, at, 0);
            vcpu.mmu.compareExchange(atLo, atHi, 4, { lo: at, hi: 0 }, 5, 0);
          }
          const seen: unknown[] = [vcpu.mmu.tlbEntries()];
          machine.store.forEachChangeSince(mark, (cell, old) => seen.push([cell, old]));
          machine.store.undoTo(mark);
          vcpu.mmu.watchStale('off');
          return seen;
        };
        map(VA, P | RW | US);
        map(VA + 4096n, P | RW | US);
        expect(state('note')).toEqual(state('off'));
      });
    });
  });
}
