/** Grant tables (facts 5): what each command does when it is used rightly, and the checks that no row of facts 11 names. */

import { beforeEach, describe, expect, it } from 'vitest';
import { audit } from '../../../core/hypervisor/audit.ts';
import { ERRNO } from '../../../core/hypervisor/errno.ts';
import { allocatePages } from '../../../core/hypervisor/references.ts';
import { A, P, RW } from '../../../core/pte.ts';
import { DOMID, mfn } from '../../../core/units.ts';
import {
  APPLICATION_MAP,
  CONTAINS_PTE,
  DEVICE_MAP,
  FIRST_REF,
  GTF_ACCEPT,
  GTF_PERMIT,
  GTF_READING,
  GTF_READONLY,
  GTF_WRITING,
  GrantGuest,
  HOST_MAP,
  MAP_READONLY,
  gntst,
} from './grant-guest.ts';

const MIB = 1024 * 1024;
const ABIS = [
  { abi: 'x86_64', xen: '4.17' },
  { abi: 'x86_32p', xen: '4.17' },
  { abi: 'x86_32', xen: '3.0.4' },
  { abi: 'x86_64', xen: '3.0.4' },
] as const;

/** A domain that grants a page, and one that maps it at `va`. */
function pair(options: {
  readonly abi: 'x86_64' | 'x86_32p' | 'x86_32';
  readonly xen: '4.17' | '3.0.4';
  readonly debug?: boolean;
  readonly mapperRole?: 'hardware';
}) {
  const granter = new GrantGuest({ ...options, spec: { memoryBytes: 4 * MIB } });
  const mapper = new GrantGuest({
    hv: granter.hv,
    spec: {
      memoryBytes: 4 * MIB,
      maxPages: 1100,
      ...(options.mapperRole === undefined ? {} : { role: options.mapperRole }),
    },
  });
  granter.setup();
  const page = granter.fresh();
  const frame = granter.p2m(page);
  const va = mapper.kva(mapper.fresh());
  granter.grant(FIRST_REF, mapper.domain.id, frame);
  return { granter, mapper, page, frame, va };
}

describe.each(ABIS)('grants on $abi under Xen $xen', ({ abi, xen }) => {
  const modern = xen === '4.17';
  const ref = FIRST_REF;
  let granter: GrantGuest;
  let mapper: GrantGuest;
  let page: number;
  let frame: number;
  let va: bigint;

  beforeEach(() => {
    ({ granter, mapper, page, frame, va } = pair({ abi, xen }));
  });

  const map = (flags = HOST_MAP, host = va) => mapper.map(host, flags, ref, granter.domain.id);
  const counts = () => granter.counts(mfn(frame));
  const entryAt = (at: bigint) => {
    const { table, slot } = mapper.place(at, 1);
    return mapper.readEntry(table, slot);
  };

  it('E1, E2: a mapping holds what an entry of the granter would hold; unmapping gives it back', () => {
    const { handle, status, device } = map();
    expect(status).toBe(0);
    expect(device).toBe(BigInt(frame) << 12n);
    expect(counts()).toBe('3/2 writable');
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT | GTF_READING | GTF_WRITING);
    mapper.mustStore(va + 8n, 4, 0xcafen);
    expect(granter.load(granter.kva(page) + 8n, 4)).toBe(0xcafen);
    expect(mapper.unmap(va, handle)).toBe(0);
    expect(counts()).toBe('2/1 writable');
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT);
    expect(mapper.store(va, 4, 1n)).toBe(false);

    const second = map(HOST_MAP | MAP_READONLY);
    expect(counts()).toBe('3/1 writable');
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT | GTF_READING);
    expect(mapper.store(va, 4, 1n)).toBe(false);
    expect(mapper.load(va + 8n, 4)).toBe(0xcafen);
    expect(mapper.unmap(va, second.handle)).toBe(0);
    expect(counts()).toBe('2/1 writable');
  });

  it('undo takes a mapping back as if it had never been', () => {
    const mark = granter.hv.machine.store.mark();
    const { handle } = map();
    expect(granter.hv.machine.store.undoTo(mark)).toBe(true);
    expect(counts()).toBe('2/1 writable');
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT);
    expect(audit(granter.hv)).toEqual([]);
    expect(map().handle).toBe(handle);
  });

  it('the entry that a mapping replaces loses its references', () => {
    const own = mapper.p2m(mapper.fresh());
    mapper.vaMapping(va, mapper.entry(own, P | RW | A));
    expect(mapper.counts(own)).toBe('3/2 writable');
    map();
    expect(mapper.counts(own)).toBe('2/1 writable');
  });

  it.each([
    [HOST_MAP, 0x067n],
    [HOST_MAP | MAP_READONLY, 0x065n],
    [HOST_MAP | APPLICATION_MAP, 0x167n],
    [HOST_MAP | APPLICATION_MAP | MAP_READONLY, 0x165n],
    [HOST_MAP | (5 << 16), 0xa67n],
  ])('flags 0x%x make the entry that facts 5.5 lists', (flags, low) => {
    map(flags);
    const entry = entryAt(va);
    if (abi === 'x86_32p') {
      const user = (flags & APPLICATION_MAP) === 0 ? 0n : 4n;
      expect(entry).toBe((1n << 63n) | (BigInt(frame) << 12n) | (low & ~0x104n) | user);
    } else if (modern) {
      const kernel = (flags & APPLICATION_MAP) === 0 ? 0x10n << 48n : 0n;
      expect(entry).toBe((1n << 63n) | kernel | (BigInt(frame) << 12n) | low);
    } else expect(entry & 3n).toBe(low & 3n);
  });

  it('an entry may be named by its machine address', () => {
    const { table, slot } = mapper.place(va, 1);
    const host = mapper.entryAddress(table, slot);
    const { handle, status } = map(HOST_MAP | CONTAINS_PTE, host);
    expect(status).toBe(0);
    mapper.mustStore(va, 4, 77n);
    expect(granter.load(granter.kva(page), 4)).toBe(77n);
    expect(mapper.unmap(host, handle)).toBe(0);
    expect(entryAt(va)).toBe(0n);
  });

  it('a device mapping is a reference without an entry; both halves are unmapped each by itself', () => {
    const { handle, device } = map(HOST_MAP | DEVICE_MAP);
    expect(counts()).toBe('4/3 writable');
    expect(mapper.unmap(va, handle)).toBe(0);
    expect(counts()).toBe('3/2 writable');
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT | GTF_READING | GTF_WRITING);
    expect(mapper.unmap(va, handle, device + 0x1000n)).toBe(
      gntst(modern ? 'GNTST_bad_dev_addr' : 'GNTST_general_error'),
    );
    expect(mapper.rule).toBe('grant.device-address');
    expect(mapper.unmap(0n, handle, device)).toBe(0);
    expect(counts()).toBe('2/1 writable');
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT);
    expect(mapper.unmap(0n, handle, device)).toBe(gntst('GNTST_bad_handle'));
  });

  it('GTF_writing goes with the last writer, GTF_reading with the last mapping', () => {
    const other = mapper.kva(mapper.fresh());
    const writer = map();
    const reader = map(HOST_MAP | MAP_READONLY, other);
    mapper.unmap(va, writer.handle);
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT | GTF_READING);
    mapper.unmap(other, reader.handle);
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT);
  });

  it('the wrong half, address or domain is refused', () => {
    expect(map(0).status).toBe(gntst('GNTST_bad_gntref'));
    expect(mapper.rule).toBe('grant.map-flags');
    expect(map(HOST_MAP, mapper.unmapped).status).toBe(gntst('GNTST_general_error'));
    expect(mapper.rule).toBe('grant.no-l1');
    expect(map(HOST_MAP, mapper.layout.virtBase + 0x3c00_0000n).status).toBe(gntst('GNTST_general_error'));
    expect(map(HOST_MAP, mapper.abi.m2pWindow.start).status).toBe(gntst('GNTST_general_error'));
    expect(mapper.rule).toBe('grant.address');
    const outside = mapper.entryAddress(mapper.hv.machine.m2pBase, 0);
    expect(map(HOST_MAP | CONTAINS_PTE, outside).status).toBe(gntst('GNTST_general_error'));
    expect(mapper.rule).toBe('grant.pte-owner');
    expect(mapper.map(va, HOST_MAP, ref, 55).status).toBe(gntst('GNTST_bad_domain'));
    expect(counts()).toBe('2/1 writable');
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT);
  });

  it('an entry that is mapped cannot be mapped by another domain', () => {
    map();
    const third = new GrantGuest({ hv: granter.hv, spec: { memoryBytes: MIB } });
    granter.grant(ref, third.domain.id, frame, GTF_PERMIT);
    const host = third.kva(third.fresh());
    expect(third.map(host, HOST_MAP, ref, granter.domain.id).status).toBe(gntst('GNTST_general_error'));
    expect(third.rule).toBe('grant.pinned-by-other');
  });

  it('an entry is mapped 128 times at most', () => {
    for (let i = 0; i < 128; i++) expect(map().status).toBe(0);
    expect(map().status).toBe(gntst('GNTST_general_error'));
    expect(mapper.rule).toBe('grant.pin-overflow');
    expect(map(HOST_MAP | MAP_READONLY).status).toBe(modern ? 0 : gntst('GNTST_general_error'));
  });

  it('an entry stays pinned when its mapping was overwritten, also when its page has gone', () => {
    map();
    mapper.vaMapping(va, 0n);
    granter.vaMapping(granter.kva(page), 0n);
    expect(granter.memoryOp(1, [frame]).rc).toBe(1);
    expect(granter.hv.heap.isFree(frame)).toBe(true);
    expect(map().status).toBe(gntst('GNTST_general_error'));
    expect(mapper.rule).toBe('grant.frame-gone');
  });

  it('elements of a list are carried out one by one, and unmapped in batches of 32', () => {
    const { map: layout, unmap } = mapper.layouts;
    const vas = Array.from({ length: 40 }, () => mapper.kva(mapper.fresh()));
    vas.forEach((host, i) => {
      const at = mapper.scratch + BigInt(i * layout.bytes);
      mapper.put(layout.host, host, at);
      mapper.put(layout.flags, HOST_MAP, at);
      mapper.put(layout.ref, i === 5 ? 9 : ref, at);
      mapper.put(layout.domid, granter.domain.id, at);
    });
    expect(mapper.grantOp(0, vas.length)).toBe(0);
    expect(mapper.hv.done).toBe(39);
    expect(mapper.hv.lastRefusal?.requestIndex).toBe(5);
    expect(counts()).toBe('41/40 writable');
    const at = (i: number) => mapper.scratch + BigInt(i * layout.bytes);
    const mapped = vas.map((_, i) => ({
      handle: mapper.get(layout.handle, at(i)),
      isMapped: mapper.status(layout.status, at(i)) === 0,
    }));
    vas.forEach((host, i) => {
      const to = mapper.scratch + BigInt(i * unmap.bytes);
      mapper.put(unmap.host, host, to);
      mapper.put(unmap.device, 0, to);
      mapper.put(unmap.handle, mapped[i]?.isMapped === true ? mapped[i].handle : 9999, to);
    });
    expect(mapper.grantOp(1, vas.length)).toBe(0);
    expect(mapper.hv.done).toBe(39);
    expect(counts()).toBe('2/1 writable');
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT);
  });

  it('a list that cannot be accessed, and a command that does not exist', () => {
    expect(mapper.grantOp(0, 1, mapper.unmapped)).toBe(-ERRNO.EFAULT);
    expect(mapper.rule).toBe('grant_table_op.argument');
    expect(mapper.grantOp(0, 1, mapper.abi.m2pWindow.start)).toBe(-ERRNO.EFAULT);
    expect(mapper.grantOp(3)).toBe(-ERRNO.ENOSYS);
    expect(mapper.rule).toBe('grant_table_op.command');
    expect(mapper.grantOp(0, -1)).toBe(-ERRNO.EINVAL);
    expect(mapper.rule).toBe('grant_table_op.count');
    expect(mapper.grantOp(2, 2)).toBe(-ERRNO.EINVAL);
    expect(mapper.rule).toBe('grant_table_op.single');
    expect(mapper.grantOp(0, 0)).toBe(0);
  });

  it('setup_table makes the table as long as it is asked, of pages shared with Xen', () => {
    const frames = mapper.setup(modern ? 3 : 4);
    for (const each of frames) {
      expect(mapper.counts(each)).toBe('2/2 writable');
      expect(mapper.hv.machine.m2p(each)).toBe(0xffff_ffff);
    }
    mapper.grant(3 * 512 - 1, granter.domain.id, 0x77);
    expect(mapper.entryFrame(3 * 512 - 1)).toBe(0x77);
  });

  it('setup_table refuses too many pages, other domains, and a list it cannot write', () => {
    const { setup } = mapper.layouts;
    const ask = (domid: number, frames: number, list: bigint) => {
      mapper.put(setup.domid, domid);
      mapper.put(setup.frames, frames);
      mapper.put(setup.list, list);
      return { rc: mapper.grantOp(2), status: mapper.status(setup.status) };
    };
    const list = mapper.scratch + 512n;
    expect(ask(DOMID.SELF, 65, list)).toEqual({ rc: 0, status: gntst('GNTST_general_error') });
    expect(mapper.rule).toBe('grant.setup-frames');
    expect(ask(granter.domain.id, 1, list).status).toBe(gntst('GNTST_permission_denied'));
    expect(mapper.rule).toBe('grant.privilege');
    expect(ask(77, 1, list).status).toBe(gntst(modern ? 'GNTST_bad_domain' : 'GNTST_permission_denied'));
    expect(ask(DOMID.SELF, 1, mapper.unmapped).status).toBe(modern ? gntst('GNTST_bad_virt_addr') : 0);
    if (modern) expect(mapper.rule).toBe('grant.frame-list');
    expect(ask(DOMID.SELF, 1, mapper.abi.m2pWindow.start).rc).toBe(modern ? -ERRNO.EFAULT : 0);
  });

  it('setup_table fails when the machine has no memory left', () => {
    const { hv } = mapper;
    while (allocatePages(hv, granter.domain, 0) !== null);
    expect(() => mapper.setup(2)).toThrow(`status ${gntst('GNTST_general_error')}`);
    expect(mapper.rule).toBe('grant.table-memory');
  });

  it('copies between own frames and granted pages', () => {
    const to = mapper.fresh();
    granter.mustStore(granter.kva(page) + 4n, 8, 0x1122_3344_5566_7788n);
    const from = { ref, domid: granter.domain.id, offset: 4 };
    expect(mapper.copy(from, { frame: mapper.p2m(to), offset: 16 }, 8)).toBe(0);
    expect(mapper.load(mapper.kva(to) + 16n, 8)).toBe(0x1122_3344_5566_7788n);
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT);
    expect(counts()).toBe('2/1 writable');
    mapper.mustStore(mapper.kva(to), 4, 0x99n);
    expect(mapper.copy({ frame: mapper.p2m(to) }, { ref, domid: granter.domain.id }, 4)).toBe(0);
    expect(granter.load(granter.kva(page), 4)).toBe(0x99n);
    expect(mapper.copy({ frame: mapper.p2m(to) }, { frame: mapper.p2m(to) }, 0)).toBe(0);
  });

  it('refuses copies that leave the page, name a wrong page, or write what may not be written', () => {
    const own = mapper.p2m(mapper.fresh());
    const granted = { ref, domid: granter.domain.id };
    expect(mapper.copy({ frame: own, offset: 4090 }, { frame: own }, 8)).toBe(gntst('GNTST_bad_copy_arg'));
    expect(mapper.rule).toBe('copy.bounds');
    expect(mapper.copy({ ref, domid: 77 }, { frame: own }, 8)).toBe(gntst('GNTST_bad_domain'));
    expect(mapper.rule).toBe('copy.domain');
    expect(mapper.copy({ frame }, { frame: own }, 8)).toBe(
      gntst(modern ? 'GNTST_bad_page' : 'GNTST_general_error'),
    );
    expect(mapper.rule).toBe('copy.frame');
    expect(mapper.copy({ frame: own }, { frame: mapper.root }, 8)).toBe(gntst('GNTST_general_error'));
    expect(mapper.rule).toBe('copy.dest-type');
    expect(mapper.copy({ frame: mapper.root }, { frame: own }, 8)).toBe(0);
    granter.grant(ref, mapper.domain.id, frame, GTF_PERMIT | GTF_READONLY);
    expect(mapper.copy({ frame: own }, granted, 8)).toBe(gntst('GNTST_general_error'));
    expect(mapper.rule).toBe('grant.entry-readonly');
    expect(mapper.copy({ ref: 9999, domid: granter.domain.id }, { frame: own }, 8)).toBe(
      gntst('GNTST_bad_gntref'),
    );
  });

  it('a copy that is the first to write looks at the frame of an entry that is mapped already', () => {
    const own = mapper.p2m(mapper.fresh());
    const granted = { ref, domid: granter.domain.id };
    map(HOST_MAP | MAP_READONLY);
    granter.grant(ref, mapper.domain.id, granter.p2m(granter.fresh()), GTF_PERMIT | GTF_READING);
    const status = mapper.copy({ frame: own }, granted, 8);
    expect(status).toBe(modern ? gntst('GNTST_general_error') : 0);
    if (modern) expect(mapper.rule).toBe('copy.entry-changed');
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT | GTF_READING);
    granter.grant(ref, mapper.domain.id, frame, GTF_PERMIT | GTF_READING);
    expect(mapper.copy({ frame: own }, granted, 8)).toBe(0);
  });

  it('a copy from a page that has gone since its entry was pinned', () => {
    const own = mapper.p2m(mapper.fresh());
    map(HOST_MAP | MAP_READONLY);
    mapper.vaMapping(va, 0n);
    granter.vaMapping(granter.kva(page), 0n);
    expect(granter.memoryOp(1, [frame]).rc).toBe(1);
    const status = mapper.copy({ ref, domid: granter.domain.id }, { frame: own }, 8);
    expect(status).toBe(gntst(modern ? 'GNTST_bad_domain' : 'GNTST_general_error'));
    expect(mapper.rule).toBe(modern ? 'copy.frame-gone' : 'copy.frame');
  });

  it('a part of a page cannot be mapped, where there are such', () => {
    granter.grant(ref, mapper.domain.id, frame, GTF_PERMIT | 0x100);
    expect(map().status).toBe(modern ? gntst('GNTST_general_error') : 0);
    if (modern) expect(mapper.rule).toBe('grant.entry-type');
  });

  it('a transfer that the receiver cannot take loses the page', () => {
    mapper.setup();
    const give = () => {
      const own = granter.fresh();
      const given = granter.p2m(own);
      granter.vaMapping(granter.kva(own), 0n);
      return given;
    };
    const lost = give();
    expect(granter.transfer(lost, mapper.domain.id, 30)).toBe(gntst('GNTST_general_error'));
    expect(granter.rule).toBe('transfer.entry');
    expect(granter.hv.heap.isFree(lost)).toBe(true);
    mapper.grant(30, granter.domain.id, 0x10, GTF_ACCEPT);
    mapper.domain.maxPages = mapper.domain.totPages;
    expect(granter.transfer(give(), mapper.domain.id, 30)).toBe(gntst('GNTST_general_error'));
    expect(granter.rule).toBe('transfer.headroom');
    expect(granter.transfer(0x3fff_ffff, mapper.domain.id, 30)).toBe(gntst('GNTST_bad_page'));
  });
});

describe('commands of 4.17 alone', () => {
  const { granter, mapper, frame, va } = pair({ abi: 'x86_64', xen: '4.17' });
  const ref = FIRST_REF;

  it('query_size, get_version and set_version', () => {
    const { querySize, setVersion, getVersion } = mapper.layouts;
    mapper.put(querySize.domid, DOMID.SELF);
    expect(mapper.grantOp(6)).toBe(0);
    expect([mapper.get(querySize.frames), mapper.get(querySize.maxFrames)]).toEqual([1, 64]);
    mapper.put(querySize.domid, 99);
    mapper.grantOp(6);
    expect(mapper.status(querySize.status)).toBe(gntst('GNTST_bad_domain'));
    for (const [version, rc, rule] of [
      [1, 0, undefined],
      [2, -ERRNO.ENOSYS, 'grant.version-2'],
      [3, -ERRNO.EINVAL, 'grant.version'],
    ] as const) {
      mapper.put(setVersion.version, version);
      expect(mapper.grantOp(8)).toBe(rc);
      expect(mapper.rule).toBe(rule);
      expect(mapper.get(setVersion.version)).toBe(1);
    }
    for (const [domid, rc, rule] of [
      [DOMID.SELF, 0, undefined],
      [granter.domain.id, -ERRNO.EPERM, 'grant.version-privilege'],
      [99, -ERRNO.ESRCH, 'grant.version-domain'],
    ] as const) {
      mapper.put(getVersion.domid, domid);
      expect(mapper.grantOp(10)).toBe(rc);
      expect(mapper.rule).toBe(rule);
    }
  });

  it('swap_grant_ref exchanges entries that nobody has mapped', () => {
    const { swap } = granter.layouts;
    const ask = (a: number, b: number) => {
      granter.put(swap.a, a);
      granter.put(swap.b, b);
      expect(granter.grantOp(11)).toBe(0);
      return granter.status(swap.status);
    };
    expect(ask(ref, 40)).toBe(0);
    expect(granter.entryFrame(40)).toBe(frame);
    expect(granter.entryFlags(ref)).toBe(0);
    expect(ask(ref, 40)).toBe(0);
    const { handle } = mapper.map(va, HOST_MAP, ref, granter.domain.id);
    expect(ask(ref, 40)).toBe(gntst('GNTST_eagain'));
    expect(granter.rule).toBe('grant.swap-pinned');
    expect(ask(ref, 5000)).toBe(gntst('GNTST_bad_gntref'));
    expect(mapper.unmap(va, handle)).toBe(0);
  });

  it('unmap_and_replace moves another entry to where the grant was', () => {
    const spare = mapper.fresh();
    const own = mapper.p2m(spare);
    const { handle } = mapper.map(va, HOST_MAP, ref, granter.domain.id);
    expect(mapper.replace(va, handle, mapper.kva(spare))).toBe(0);
    expect(granter.counts(frame)).toBe('2/1 writable');
    const { table, slot } = mapper.place(va, 1);
    expect((mapper.readEntry(table, slot) >> 12n) & 0xff_ffff_ffffn).toBe(BigInt(own));
    const old = mapper.place(mapper.kva(spare), 1);
    expect(mapper.readEntry(old.table, old.slot)).toBe(0n);
    expect(mapper.counts(own)).toBe('2/1 writable');
    const host = mapper.entryAddress(table, slot);
    const named = mapper.map(host, HOST_MAP | CONTAINS_PTE, ref, granter.domain.id);
    expect(named.status).toBe(0);
    expect(mapper.replace(host, named.handle, mapper.kva(spare))).toBe(gntst('GNTST_general_error'));
    expect(mapper.rule).toBe('grant.replace-pte');
    expect(mapper.unmap(host, named.handle)).toBe(0);
  });

  it('the toolstack has granted itself the rings of a new domain', () => {
    expect(granter.entryFlags(0)).toBe(GTF_PERMIT);
    expect(granter.entryFrame(0)).toBe(granter.layout.consoleRing);
    expect(granter.entryFrame(1)).toBe(granter.layout.storeRing);
  });

  it('the hardware domain may put an overwritten entry back, and can then unmap it', () => {
    const both = pair({ abi: 'x86_64', xen: '4.17', mapperRole: 'hardware' });
    const { handle } = both.mapper.map(both.va, HOST_MAP, ref, both.granter.domain.id);
    const { table, slot } = both.mapper.place(both.va, 1);
    const entry = both.mapper.readEntry(table, slot);
    both.mapper.vaMapping(both.va, 0n);
    expect(both.mapper.unmap(both.va, handle)).toBe(gntst('GNTST_general_error'));
    const back = both.mapper.mmuUpdate(
      [[both.mapper.entryAddress(table, slot), entry]],
      both.granter.domain.id,
    );
    expect(back.rc).toBe(0);
    expect(both.mapper.unmap(both.va, handle)).toBe(0);
    expect(both.granter.entryFlags(ref)).toBe(GTF_PERMIT);
  });
});

describe('handles', () => {
  it('are used up at 16384 under 3.0.4', () => {
    const { granter, mapper, va } = pair({ abi: 'x86_64', xen: '3.0.4' });
    const { map } = mapper.layouts;
    let last = 0;
    const perCall = 100;
    let made = 0;
    for (let first = 0; last === 0 && first < 170 * perCall; first += perCall) {
      for (let i = 0; i < perCall; i++) {
        const at = mapper.scratch + BigInt(i * map.bytes);
        const entry = FIRST_REF + Math.floor((first + i) / 100);
        granter.grant(entry, mapper.domain.id, granter.p2m(0), GTF_PERMIT | GTF_READING);
        mapper.put(map.host, va, at);
        mapper.put(map.flags, HOST_MAP | MAP_READONLY, at);
        mapper.put(map.ref, entry, at);
        mapper.put(map.domid, granter.domain.id, at);
      }
      const words = Int32Array.of(
        0,
        0,
        Number(BigInt.asIntN(32, mapper.scratch)),
        Number(BigInt.asIntN(32, mapper.scratch >> 32n)),
        perCall,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
      );
      mapper.hv.hypercall(mapper.vcpu, 20, words);
      for (let i = 0; i < perCall; i++) {
        last ||= mapper.status(map.status, mapper.scratch + BigInt(i * map.bytes));
        if (last === 0) made++;
      }
    }
    expect(last).toBe(gntst('GNTST_no_device_space'));
    expect(mapper.rule).toBe('grant.no-handle');
    expect(made).toBe(16_383);
    expect(audit(mapper.hv)).toEqual([]);
  });
});

describe('a debug build', () => {
  it('marks entries made by grants, and faults a guest of 4.17 that overwrites one', () => {
    const { granter, mapper, va } = pair({ abi: 'x86_64', xen: '4.17', debug: true });
    mapper.vcpu.setTrap(13, { flags: 0, cs: 0xe033, addressLo: 0x1000, addressHi: 0 });
    mapper.map(va, HOST_MAP, FIRST_REF, granter.domain.id);
    const { table, slot } = mapper.place(va, 1);
    expect((mapper.readEntry(table, slot) >> 62n) & 1n).toBe(1n);
    mapper.vcpu.setRegValue(18, mapper.kva(16) + 4096n);
    expect(mapper.vaMapping(va, 0n)).toBe(0);
    expect(mapper.vcpu.getReg(15)).toBe(0x1000n);
    expect(mapper.readEntry(table, slot)).toBe(0n);
  });

  it('of 3.0.4 crashes the domain', () => {
    const { granter, mapper, va } = pair({ abi: 'x86_64', xen: '3.0.4', debug: true });
    mapper.map(va, HOST_MAP, FIRST_REF, granter.domain.id);
    mapper.vaMapping(va, 0n);
    expect(mapper.domain.state).toMatchObject({ kind: 'crashed', crash: { rule: 'grant.implicit-unmap' } });
  });
});
