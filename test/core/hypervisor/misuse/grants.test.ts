/** Rows 83 to 98 of the misuse catalogue (facts 11): grants, under both rule sets and ABIs. */

import { beforeEach, describe, expect, it } from 'vitest';
import { FrameFlag } from '../../../../core/machine/frames.ts';
import { DOMID, mfn } from '../../../../core/units.ts';
import {
  CONTAINS_PTE,
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
} from '../grant-guest.ts';

const MIB = 1024 * 1024;

describe.each([
  { abi: 'x86_64', xen: '4.17' },
  { abi: 'x86_32p', xen: '4.17' },
  { abi: 'x86_32', xen: '3.0.4' },
  { abi: 'x86_64', xen: '3.0.4' },
] as const)('misuse of grants on $abi under Xen $xen', ({ abi, xen }) => {
  const modern = xen === '4.17';
  let granter: GrantGuest;
  let mapper: GrantGuest;
  /** The granted page, by the granter's PFN and by machine frame. */
  let page: number;
  let frame: number;
  /** Where the mapper maps it: the address of a page that it gives up for that. */
  let va: bigint;
  const ref = FIRST_REF;

  beforeEach(() => {
    granter = new GrantGuest({ abi, xen, spec: { memoryBytes: 4 * MIB } });
    mapper = new GrantGuest({ hv: granter.hv, spec: { memoryBytes: 4 * MIB, maxPages: 1100 } });
    granter.setup();
    page = granter.fresh();
    frame = granter.p2m(page);
    va = mapper.kva(mapper.fresh());
    granter.grant(ref, mapper.domain.id, frame);
  });

  const map = (flags = HOST_MAP, host = va) => mapper.map(host, flags, ref, granter.domain.id);

  it('#83: a writable mapping of a page that is granted for reading', () => {
    granter.grant(ref, mapper.domain.id, frame, GTF_PERMIT | GTF_READONLY);
    expect(map()).toMatchObject({ rc: 0, status: gntst('GNTST_general_error') });
    expect(mapper.rule).toBe('grant.entry-readonly');
    expect(mapper.hv.lastRefusal?.errno).toBe('GNTST_general_error');
    expect(mapper.hv.lastRefusal?.requestIndex).toBe(0);
    expect(mapper.hv.done).toBe(0);
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT | GTF_READONLY);
    expect(map(HOST_MAP | MAP_READONLY).status).toBe(0);
  });

  it('#84: an entry for another domain', () => {
    granter.grant(ref, 7, frame);
    expect(map().status).toBe(gntst('GNTST_general_error'));
    expect(mapper.rule).toBe('grant.entry-domain');
    expect(granter.counts(mfn(frame))).toBe('2/1 writable');
  });

  it('#85: a reference beyond the table', () => {
    const beyond = modern ? 512 : 2048;
    expect(mapper.map(va, HOST_MAP, beyond, granter.domain.id).status).toBe(gntst('GNTST_bad_gntref'));
    expect(mapper.rule).toBe('grant.reference');
    expect(mapper.map(va, HOST_MAP, beyond - 1, granter.domain.id).status).toBe(gntst('GNTST_general_error'));
    expect(mapper.rule).toBe('grant.entry-type');
  });

  it('#86: a frame that is not the granter’s', () => {
    granter.grant(ref, mapper.domain.id, mapper.p2m(mapper.fresh()));
    expect(map().status).toBe(gntst(modern ? 'GNTST_bad_page' : 'GNTST_general_error'));
    expect(mapper.rule).toBe('grant.frame');
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT);
  });

  it('#87: a writable mapping of a page table', () => {
    granter.grant(ref, mapper.domain.id, granter.root);
    expect(map().status).toBe(gntst('GNTST_general_error'));
    expect(mapper.rule).toBe('grant.writable-type');
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT);
    expect(map(HOST_MAP | MAP_READONLY).status).toBe(0);
    expect(granter.counts(granter.root)).toBe(`5/2 l${granter.abi.rootLevel} pinned`);
  });

  it('#88: DOMID_SELF as granter; the own number is allowed', () => {
    granter.grant(ref, granter.domain.id, frame);
    const host = granter.kva(granter.fresh());
    expect(granter.map(host, HOST_MAP, ref, DOMID.SELF).status).toBe(gntst('GNTST_bad_domain'));
    expect(granter.rule).toBe('grant.domain');
    expect(granter.map(host, HOST_MAP, ref, granter.domain.id).status).toBe(0);
  });

  it('#89: unmapped twice', () => {
    const { handle } = map();
    expect(mapper.unmap(va, handle)).toBe(0);
    expect(mapper.unmap(va, handle)).toBe(gntst('GNTST_bad_handle'));
    expect(mapper.rule).toBe('grant.handle');
  });

  it('#90: unmapped after the guest overwrote the entry: pin, handle and flags stay for good', () => {
    const { handle } = map();
    expect(mapper.vaMapping(va, 0n)).toBe(0);
    expect(granter.counts(mfn(frame))).toBe('2/1 writable');
    expect(mapper.unmap(va, handle)).toBe(gntst('GNTST_general_error'));
    expect(mapper.rule).toBe('grant.pte-mismatch');
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT | GTF_READING | GTF_WRITING);
    expect(mapper.unmap(va, handle)).toBe(gntst('GNTST_general_error'));
  });

  it('#91: host_addr 0 leaves the mapping alone, with status okay', () => {
    const { handle } = map();
    expect(mapper.unmap(0n, handle)).toBe(0);
    expect(granter.counts(mfn(frame))).toBe('3/2 writable');
    expect(mapper.unmap(va, handle)).toBe(0);
    expect(granter.counts(mfn(frame))).toBe('2/1 writable');
  });

  it('#92: an entry named by an address that is not aligned', () => {
    const { table, slot } = mapper.place(va, 1);
    const host = mapper.entryAddress(table, slot) + BigInt(mapper.abi.entryBytes / 2);
    expect(map(HOST_MAP | CONTAINS_PTE, host).status).toBe(gntst('GNTST_general_error'));
    expect(mapper.rule).toBe('grant.pte-aligned');
  });

  it('#93: an entry of a page that is no L1 table', () => {
    const host = mapper.entryAddress(mapper.root, 0);
    expect(map(HOST_MAP | CONTAINS_PTE, host).status).toBe(gntst('GNTST_general_error'));
    expect(mapper.rule).toBe('grant.pte-type');
  });

  it('#94: the granter clears an entry that is mapped: access goes on, and Xen clears bits in the entry used anew', () => {
    const { handle } = map();
    mapper.mustStore(va, 4, 0x1234n);
    granter.grant(ref, 9, 0, 0);
    mapper.mustStore(va, 4, 0x5678n);
    expect(granter.load(granter.kva(page), 4)).toBe(0x5678n);
    granter.grant(ref, 9, 0, GTF_PERMIT | GTF_READING | GTF_WRITING);
    expect(mapper.unmap(va, handle)).toBe(0);
    expect(granter.entryFlags(ref)).toBe(GTF_PERMIT);
  });

  it('#95: the granter frees a page that is mapped: it lives until the unmap', () => {
    const { handle } = map();
    expect(granter.vaMapping(granter.kva(page), 0n)).toBe(0);
    expect(granter.memoryOp(1, [frame]).rc).toBe(1);
    const before = granter.domain.totPages;
    expect(granter.hv.frames.owner.get(frame)).toBe(granter.domain.id);
    expect(mapper.unmap(va, handle)).toBe(0);
    expect(granter.domain.totPages).toBe(before - 1);
    expect(granter.hv.heap.isFree(frame)).toBe(true);
  });

  it('#96: the transfer of a page that is mapped: bad_page, and it is kept', () => {
    expect(granter.transfer(frame, mapper.domain.id, ref)).toBe(gntst('GNTST_bad_page'));
    expect(granter.rule).toBe('transfer.page');
    expect(granter.hv.lastRefusal?.message).toContain('1 reference beside its allocation');
    expect(granter.counts(mfn(frame))).toBe('2/1 writable');
  });

  it('#97: the transfer to a domain that does not exist: bad_domain, and the page is lost', () => {
    expect(granter.vaMapping(granter.kva(page), 0n)).toBe(0);
    const pages = granter.domain.totPages;
    expect(granter.transfer(frame, 77, ref)).toBe(gntst('GNTST_bad_domain'));
    expect(granter.rule).toBe('transfer.domain');
    expect(granter.hv.heap.isFree(frame)).toBe(true);
    expect(granter.domain.totPages).toBe(pages - 1);
  });

  it('#98: a copy of an own frame under the own number', () => {
    const to = granter.p2m(granter.fresh());
    expect(granter.copy({ frame, domid: granter.domain.id }, { frame: to }, 16)).toBe(
      gntst('GNTST_permission_denied'),
    );
    expect(granter.rule).toBe('copy.by-frame');
    expect(granter.copy({ frame }, { frame: to }, 16)).toBe(0);
  });

  it('G1, G2: a page can be transferred only when nothing but its allocation refers to it', () => {
    expect(granter.transfer(frame, mapper.domain.id, ref)).toBe(gntst('GNTST_bad_page'));
    mapper.setup();
    mapper.grant(20, granter.domain.id, 0x123, GTF_ACCEPT);
    granter.vaMapping(granter.kva(page), 0n);
    expect(granter.counts(mfn(frame))).toBe('1/0 writable');
    expect(granter.transfer(frame, mapper.domain.id, 20)).toBe(0);
    expect(granter.hv.frames.owner.get(frame)).toBe(mapper.domain.id);
    expect(granter.hv.machine.m2p(mfn(frame))).toBe(0x123);
    expect(mapper.entryFlags(20)).toBe(0xe);
    expect(mapper.entryFrame(20)).toBe(frame);
    expect(granter.counts(mfn(frame))).toBe('1/0 none');
    expect(granter.hv.frames.hasFlag(mfn(frame), FrameFlag.allocated)).toBe(true);
  });
});
