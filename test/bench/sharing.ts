/** Frames that change hands: exchange, and grants mapped and unmapped by another domain. */

import { vaWords } from '../../core/machine/mmu.ts';
import { virtualAddress } from '../../core/units.ts';
import { Kernel } from './kernel.ts';
import { calibrated } from './measure.ts';

const MEMORY_OP = 12;
const XENMEM_EXCHANGE = 11;
const GRANT_TABLE_OP = 20;
const MAP = 0;
const UNMAP = 1;
const SETUP_TABLE = 2;
const DOMID_SELF = 0x7ff0;
const HOST_MAP = 2;
const GTF_PERMIT_ACCESS = 1;
const FIRST_REF = 8;
/** Frames of one call. */
const BATCH = 128;
const CALLS = 200;
/** Pages of the kernels that nothing else uses, from this PFN on; mapped by their linear mapping. */
const FIRST_PAGE = 64;

/** Structures of facts 4.1 and 5.2, x86_64. */
const RESERVATION = { bytes: 32, nrExtents: 8, domid: 24 } as const;
const NR_EXCHANGED = 64;
const MAP_OP = { bytes: 32, flags: 8, status: 18, handle: 20 } as const;
const UNMAP_OP = { bytes: 24, handle: 16, status: 20 } as const;

export function benchSharing(): void {
  benchExchange();
  benchGrants();
}

/** 128 single frames for 128 others a call; the output of each call is the input of the next. */
function benchExchange(): void {
  const kernel = new Kernel(4096);
  const { list } = kernel;
  const frames = list + 0x1000n;
  const pages = list + 0x2000n;
  for (let i = 0; i < BATCH; i++) {
    kernel.store(frames + BigInt(i * 8), kernel.frame(FIRST_PAGE + i), 0);
    kernel.mapping(FIRST_PAGE + i, 0n);
  }
  [frames, pages].forEach((at, side) => {
    const reservation = list + BigInt(side * RESERVATION.bytes);
    kernel.store(reservation, ...vaWords(virtualAddress(at)));
    kernel.store(reservation + BigInt(RESERVATION.nrExtents), BATCH, 0);
    kernel.store(reservation + 16n, 0, 0);
    kernel.store(reservation + BigInt(RESERVATION.domid), DOMID_SELF, 0);
  });
  kernel.args.set([XENMEM_EXCHANGE, 0, ...vaWords(virtualAddress(list))]);
  calibrated('exchange, 128 frames a call', 5, CALLS * BATCH, () => {
    for (let call = 0; call < CALLS; call++) {
      kernel.store(list + BigInt(NR_EXCHANGED), 0, 0);
      for (let i = 0; i < BATCH; i++) kernel.store(pages + BigInt(i * 8), FIRST_PAGE + i, 0);
      kernel.call(MEMORY_OP);
      for (let i = 0; i < BATCH; i++)
        kernel.store(frames + BigInt(i * 8), kernel.load(pages + BigInt(i * 8)), 0);
    }
  });
}

/** One domain grants 128 pages; the other maps and unmaps them all. */
function benchGrants(): void {
  const granter = new Kernel(4096);
  const mapper = new Kernel(2048, granter.hypervisor);
  grantPages(granter, mapper.vcpu.domain.id);
  const { list, args } = mapper;
  const operate = (command: number, statusAt: number, bytes: number): void => {
    args.set([command, 0, ...vaWords(virtualAddress(list)), BATCH, 0]);
    mapper.call(GRANT_TABLE_OP);
    for (let i = 0; i < BATCH; i++) {
      const status =
        (mapper.load(list + BigInt(i * bytes + (statusAt & ~3))) << (statusAt & 2 ? 0 : 16)) >> 16;
      if (status !== 0) throw new Error(`bench: grant operation ${command} of ${i} has status ${status}`);
    }
  };
  const handles = new Int32Array(BATCH);
  calibrated('grants mapped and unmapped, 128 a call', 5, CALLS * BATCH, () => {
    for (let call = 0; call < CALLS; call++) {
      for (let i = 0; i < BATCH; i++) {
        const at = list + BigInt(i * MAP_OP.bytes);
        mapper.store(at, ...vaWords(virtualAddress(mapper.kva(FIRST_PAGE + i))));
        mapper.store(at + BigInt(MAP_OP.flags), HOST_MAP, FIRST_REF + i);
        mapper.store(at + 16n, granter.vcpu.domain.id, 0);
      }
      operate(MAP, MAP_OP.status, MAP_OP.bytes);
      for (let i = 0; i < BATCH; i++)
        handles[i] = mapper.load(list + BigInt(i * MAP_OP.bytes + MAP_OP.handle));
      for (let i = 0; i < BATCH; i++) {
        const at = list + BigInt(i * UNMAP_OP.bytes);
        mapper.store(at, ...vaWords(virtualAddress(mapper.kva(FIRST_PAGE + i))));
        mapper.store(at + 8n, 0, 0);
        mapper.store(at + BigInt(UNMAP_OP.handle), handles[i] as number, 0);
      }
      operate(UNMAP, UNMAP_OP.status, UNMAP_OP.bytes);
    }
  });
}

/** Sets the granter's table up, maps it at its first free page, and permits access to the pages after it. */
function grantPages(granter: Kernel, grantee: number): void {
  const { list } = granter;
  granter.store(list, DOMID_SELF, 1);
  granter.store(list + 8n, 0, 0);
  granter.store(list + 16n, ...vaWords(virtualAddress(list + 64n)));
  granter.args.set([SETUP_TABLE, 0, ...vaWords(virtualAddress(list)), 1, 0]);
  granter.call(GRANT_TABLE_OP);
  granter.mapping(FIRST_PAGE, (BigInt(granter.load(list + 64n)) << 12n) | 0x23n);
  for (let i = 0; i < BATCH; i++) {
    const entry = granter.kva(FIRST_PAGE) + BigInt((FIRST_REF + i) * 8);
    granter.store(entry, GTF_PERMIT_ACCESS | (grantee << 16), granter.frame(FIRST_PAGE + 1 + i));
  }
}
