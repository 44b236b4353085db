/** memory_op: rows 62 to 66 of the misuse catalogue, exchange (facts 4.4) and the queries (4.5). */

import { beforeEach, describe, expect, it } from 'vitest';
import { ERRNO } from '../../../../core/hypervisor/errno.ts';
import { A, P, RW } from '../../../../core/pte.ts';
import { DOMID, mfn } from '../../../../core/units.ts';
import { Guest } from '../guest.ts';

const MIB = 1024 * 1024;
const MEMORY_OP = 12;
const POPULATE = 6;
const DECREASE = 1;

/** A guest that can exchange. */
class ExchangeGuest extends Guest {
  /** Lists of frames in, of PFNs out; what the call left behind. */
  exchange(
    input: { readonly list: readonly number[]; readonly order?: number },
    output: { readonly list: readonly number[]; readonly order?: number; readonly memFlags?: number },
    options: { readonly exchanged?: number; readonly domid?: number; readonly outDomid?: number } = {},
  ) {
    const { memoryReservation: layout, wordBytes } = this.abi;
    const listAt = [this.scratch + 1024n, this.scratch + 2048n] as const;
    for (const [i, side] of [input, output].entries()) {
      const at = this.scratch + BigInt(i * layout.bytes);
      const put = (field: { offset: number; bytes: 1 | 2 | 4 | 8 }, value: bigint | number) =>
        this.mustStore(at + BigInt(field.offset), field.bytes, BigInt(value));
      put(layout.extentStart, listAt[i as 0 | 1]);
      put(layout.nrExtents, side.list.length);
      put(layout.extentOrder, side.order ?? 0);
      put(layout.memFlags, i === 1 ? (output.memFlags ?? 0) : 0);
      put(
        layout.domid,
        i === 1 ? (options.outDomid ?? options.domid ?? DOMID.SELF) : (options.domid ?? DOMID.SELF),
      );
      side.list.forEach((item, j) =>
        this.mustStore(listAt[i as 0 | 1] + BigInt(j * wordBytes), wordBytes, BigInt(item)),
      );
    }
    const doneAt = this.scratch + BigInt(2 * layout.bytes);
    this.mustStore(doneAt, wordBytes, BigInt(options.exchanged ?? 0));
    const rc = this.call(MEMORY_OP, 11, this.scratch);
    return {
      rc,
      exchanged: Number(this.load(doneAt, wordBytes)),
      out: output.list.map((_, j) => Number(this.load(listAt[1] + BigInt(j * wordBytes), wordBytes))),
    };
  }

  /** Frames of pages that are mapped no longer. */
  unmappedFrames(count: number): { readonly pages: number[]; readonly frames: number[] } {
    const pages = Array.from({ length: count }, () => this.fresh());
    const frames = pages.map((page) => this.p2m(page));
    for (const page of pages) expect(this.vaMapping(this.kva(page), 0n)).toBe(0);
    return { pages, frames };
  }
}

describe.each([
  { abi: 'x86_64', xen: '4.17' },
  { abi: 'x86_32p', xen: '4.17' },
  { abi: 'x86_32', xen: '3.0.4' },
  { abi: 'x86_64', xen: '3.0.4' },
] as const)('memory_op on $abi under Xen $xen', ({ abi, xen }) => {
  const modern = xen === '4.17';
  let guest: ExchangeGuest;

  beforeEach(() => {
    guest = new ExchangeGuest({ abi, xen });
  });

  it('#62: populate beyond the limit returns fewer extents and no error', () => {
    const { rc } = guest.memoryOp(POPULATE, [1, 2]);
    expect(rc).toBe(0);
    expect(guest.rule).toBe('memory_op.no-memory');
  });

  it('#63: a bad pointer', () => {
    expect(guest.call(MEMORY_OP, POPULATE, guest.unmapped)).toBe(modern ? 0 : -ERRNO.EFAULT);
    expect(guest.rule).toBe('memory_op.argument');
  });

  it('#64, G1: the exchange of a mapped page', () => {
    const { pages, frames } = guest.unmappedFrames(1);
    const mapped = guest.p2m(guest.fresh());
    expect(guest.counts(mapped)).toBe('2/1 writable');
    const { rc, exchanged } = guest.exchange(
      { list: [frames[0] ?? 0, mapped] },
      { list: [pages[0] ?? 0, 77] },
    );
    expect(rc).toBe(-ERRNO.EINVAL);
    expect(exchanged).toBe(1);
    expect(guest.rule).toBe('exchange.frame');
    expect(guest.hv.lastRefusal?.message).toContain('1 reference beside its allocation');
    expect(guest.hv.lastRefusal?.requestIndex).toBe(1);
    expect(guest.counts(mapped)).toBe('2/1 writable');
  });

  it('G2: a page that only its allocation refers to is exchanged for another', () => {
    const { pages, frames } = guest.unmappedFrames(1);
    const old = frames[0] ?? 0;
    expect(guest.counts(mfn(old))).toBe('1/0 writable');
    const total = guest.domain.totPages;
    const { rc, exchanged, out } = guest.exchange({ list: [old] }, { list: pages });
    expect([rc, exchanged]).toEqual([0, 1]);
    const fresh = mfn(out[0] ?? 0);
    expect(fresh).not.toBe(old);
    expect(guest.hv.heap.isFree(old)).toBe(true);
    expect(guest.counts(fresh)).toBe('1/0 none');
    expect(guest.hv.machine.m2p(fresh)).toBe(pages[0]);
    expect(guest.domain.totPages).toBe(total);
    expect(guest.vaMapping(guest.kva(pages[0] ?? 0), guest.entry(fresh, P | RW | A))).toBe(0);
  });

  it('#65: nr_exchanged that was not set to 0', () => {
    const { pages, frames } = guest.unmappedFrames(2);
    expect(guest.exchange({ list: frames }, { list: pages }, { exchanged: 3 }).rc).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('exchange.sizes');
    const { rc, exchanged, out } = guest.exchange({ list: frames }, { list: pages }, { exchanged: 1 });
    expect([rc, exchanged]).toEqual([0, 2]);
    expect(out[0]).toBe(pages[0]);
    expect(guest.counts(mfn(frames[0] ?? 0))).toBe('1/0 writable');
    expect(guest.exchange({ list: frames }, { list: pages }, { exchanged: 2 })).toMatchObject({ rc: 0 });
  });

  it('#66: a populate after which the guest still uses the frame it gave back', () => {
    const { pages, frames } = guest.unmappedFrames(1);
    const page = pages[0] ?? 0;
    const old = frames[0] ?? 0;
    expect(guest.memoryOp(DECREASE, frames).rc).toBe(1);
    const { rc, list } = guest.memoryOp(POPULATE, pages);
    expect(rc).toBe(1);
    const current = list[0] ?? 0;
    expect(guest.hv.machine.m2p(mfn(current))).toBe(page);
    expect(guest.p2m(page)).toBe(old);
    if (current !== old) {
      expect(guest.vaMapping(guest.kva(page), guest.entry(old, P | RW | A))).toBe(
        modern ? -ERRNO.EBUSY : -ERRNO.EINVAL,
      );
      expect(guest.rule).toBe('l1e.owner');
    }
    expect(guest.vaMapping(guest.kva(page), guest.entry(current, P | RW | A))).toBe(0);
  });

  it('four single frames for one of order 2, and back', () => {
    const { pages, frames } = guest.unmappedFrames(4);
    const first = guest.exchange({ list: frames }, { list: [pages[0] ?? 0], order: 2 });
    if (!modern) {
      expect(first.rc).toBe(-ERRNO.EPERM);
      expect(guest.rule).toBe('exchange.order');
      return;
    }
    expect([first.rc, first.exchanged]).toEqual([0, 4]);
    const base = first.out[0] ?? 0;
    expect(base % 4).toBe(0);
    for (let i = 0; i < 4; i++) expect(guest.hv.machine.m2p(mfn(base + i))).toBe((pages[0] ?? 0) + i);
    const back = guest.exchange({ list: [base], order: 2 }, { list: pages });
    expect([back.rc, back.exchanged]).toEqual([0, 1]);
    expect(new Set(back.out).size).toBe(4);
  });

  it('refuses unequal sizes, other domains, bad lists and memory that is not there', () => {
    const { pages, frames } = guest.unmappedFrames(2);
    expect(guest.exchange({ list: frames }, { list: [1] }).rc).toBe(-ERRNO.EINVAL);
    expect(guest.exchange({ list: frames }, { list: pages }, { outDomid: 5 }).rc).toBe(-ERRNO.EINVAL);
    expect(guest.exchange({ list: frames }, { list: pages }, { domid: 77 }).rc).toBe(
      modern ? -ERRNO.ESRCH : -ERRNO.EPERM,
    );
    expect(guest.rule).toBe(modern ? 'exchange.domain' : 'exchange.privilege');
    const other = new Guest({ hv: guest.hv, spec: { memoryBytes: MIB } });
    expect(guest.exchange({ list: frames }, { list: pages }, { domid: other.domain.id }).rc).toBe(
      -ERRNO.EPERM,
    );
    expect(guest.rule).toBe('exchange.privilege');
    expect(guest.call(MEMORY_OP, 11, guest.unmapped)).toBe(-ERRNO.EFAULT);
    expect(guest.rule).toBe('exchange.argument');
    const low = guest.exchange({ list: frames }, { list: pages, memFlags: 20 });
    expect(low).toMatchObject({ rc: -ERRNO.ENOMEM, exchanged: 0 });
    expect(guest.rule).toBe(modern ? 'exchange.no-memory' : 'exchange.address-bits');
    expect(guest.counts(mfn(frames[0] ?? 0))).toBe(modern ? '1/0 none' : '1/0 writable');
    if (!modern) return;
    expect(guest.exchange({ list: frames }, { list: pages, memFlags: 0xff00 }).rc).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('exchange.node');
  });

  it('an output list that cannot be written: the frames of that chunk are exchanged all the same', () => {
    const { pages, frames } = guest.unmappedFrames(1);
    const { memoryReservation: layout } = guest.abi;
    guest.exchange({ list: frames }, { list: pages }, { exchanged: 1 });
    guest.mustStore(guest.scratch + BigInt(2 * layout.bytes), guest.abi.wordBytes, 0n);
    const listField = guest.scratch + BigInt(layout.bytes + layout.extentStart.offset);
    guest.mustStore(listField, layout.extentStart.bytes, BigInt.asUintN(64, guest.unmapped));
    expect(guest.call(MEMORY_OP, 11, guest.scratch)).toBe(-ERRNO.EFAULT);
    expect(guest.rule).toBe('exchange.list');
    expect(guest.hv.heap.isFree(frames[0] ?? 0)).toBe(true);
  });

  it('memory_map, machine_memory_map, machphys_mfn_list and maximum_gpfn', () => {
    const { wordBytes } = guest.abi;
    const buffer = guest.scratch + 1024n;
    const askMap = (command: number) => {
      guest.mustStore(guest.scratch, 4, 8n);
      guest.mustStore(guest.scratch + BigInt(wordBytes), wordBytes, buffer);
      return guest.call(MEMORY_OP, command, guest.scratch);
    };
    expect(askMap(9)).toBe(0);
    expect(guest.load(guest.scratch, 4)).toBe(1n);
    expect(guest.load(buffer + 8n, 8)).toBe(BigInt(16 * MIB));
    expect(guest.load(buffer + 16n, 4)).toBe(1n);
    expect(askMap(10)).toBe(modern ? -ERRNO.EPERM : -ERRNO.EINVAL);
    expect(guest.rule).toBe('memory_op.machine-map');
    expect(askMap(13)).toBe(-ERRNO.EPERM);
    expect(guest.rule).toBe('memory_op.set-map');
    expect(askMap(5)).toBe(0);
    expect(guest.load(guest.scratch + BigInt(2 * wordBytes), 4)).toBe(1n);
    expect(Number(guest.load(buffer, wordBytes))).toBe(guest.hv.machine.m2pBase);
    guest.mustStore(guest.scratch, 2, BigInt(DOMID.SELF));
    expect(guest.call(MEMORY_OP, 14, guest.scratch)).toBe(modern ? 0 : -ERRNO.ENOSYS);
    if (modern) expect(guest.call(MEMORY_OP, 14, guest.unmapped)).toBe(-ERRNO.EFAULT);

    const dom0 = new Guest({ abi, xen, spec: { role: 'hardware' } });
    dom0.mustStore(dom0.scratch, 4, 8n);
    dom0.mustStore(dom0.scratch + BigInt(wordBytes), wordBytes, dom0.scratch + 1024n);
    expect(dom0.call(MEMORY_OP, 9, dom0.scratch)).toBe(-ERRNO.ENOSYS);
    expect(dom0.rule).toBe('memory_op.no-map');
    expect(dom0.call(MEMORY_OP, 10, dom0.scratch)).toBe(0);
    expect(dom0.load(dom0.scratch, 4)).toBe(2n);
  });

  it('operations for guests whose frames Xen translates', () => {
    guest.mustStore(guest.scratch, 8, BigInt(DOMID.SELF));
    const errors = modern
      ? [-ERRNO.EACCES, -ERRNO.EACCES, -ERRNO.EACCES]
      : // Of four bits of command 23 is 7, to be continued at extent 1.
        [-ERRNO.EINVAL, -ERRNO.ENOSYS, -ERRNO.EINVAL];
    expect([7, 15, 23].map((command) => guest.call(MEMORY_OP, command, guest.scratch))).toEqual(errors);
    if (!modern) return;
    expect(guest.rule).toBe('memory_op.not-translated');
    guest.mustStore(guest.scratch, 8, BigInt(DOMID.SELF) | (4n << 32n));
    expect(guest.call(MEMORY_OP, 7, guest.scratch)).toBe(-ERRNO.ENOSYS);
    expect(guest.rule).toBe('memory_op.space');
    guest.mustStore(guest.scratch, 8, BigInt(DOMID.SELF) | (3n << 16n));
    expect(guest.call(MEMORY_OP, 23, guest.scratch)).toBe(-ERRNO.EOPNOTSUPP);
    expect(guest.rule).toBe('memory_op.batch-space');
  });
});
