/**
 * When Xen flushes. A flush ticks a clock and stamps the vCPU; a frame is stamped when its type count falls to 0. A
 * frame that changes type needs a flush only if the vCPU has not been flushed since the frame's stamp, so a stale
 * writable translation can never outlive the change (facts 3.6 step 6, 3.13).
 *
 * Every flush of Xen's drops global translations too (it toggles CR4.PGE); only the switch between a guest's kernel
 * and user tables keeps them.
 */

import type { Domain } from '../machine/domain.ts';
import type { Machine } from '../machine/machine.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { Column, Region } from '../state/column.ts';
import type { Store } from '../state/store.ts';

const CLOCK = 0;
const FIRST_VCPU = 1;
const VCPUS_PER_DOMAIN = 32;
/** Domains that the stamps have room for. */
const MAX_DOMAINS = 64;

export class TlbClock {
  private readonly machine: Machine;
  private readonly stamps: Region;
  private readonly frameStamps: Column;

  constructor(store: Store, machine: Machine) {
    this.machine = machine;
    this.stamps = new Region(store, 'tlb.clock', FIRST_VCPU + MAX_DOMAINS * VCPUS_PER_DOMAIN);
    this.frameStamps = new Column(store, 'frame.tlbStamp', machine.maxPage);
    this.stamps.set(CLOCK, 1);
  }

  /** Flushes all translations of one vCPU. */
  flushVcpu(vcpu: Vcpu): void {
    vcpu.mmu.flushAll();
    const now = this.stamps.get(CLOCK) + 1;
    this.stamps.set(CLOCK, now);
    this.stamps.set(stampOf(vcpu), now);
  }

  flushDomain(domain: Domain): void {
    for (const vcpu of domain.vcpus) this.flushVcpu(vcpu);
  }

  /** Notes that the frame's type count has just become 0. */
  stampFrame(frame: number): void {
    this.frameStamps.set(frame, this.stamps.get(CLOCK));
  }

  /** Flushes the vCPUs that may hold translations from before the frame's stamp. */
  flushForTypeChange(domain: Domain, frame: number): void {
    const stamp = this.frameStamps.get(frame);
    if (stamp === 0) return;
    for (const vcpu of domain.vcpus) if (this.stamps.get(stampOf(vcpu)) <= stamp) this.flushVcpu(vcpu);
  }

  /** Flushes every vCPU that may hold translations of a frame from before it was freed: it is to be used anew. */
  flushForReuse(frame: number): void {
    for (const domain of this.machine.domains) this.flushForTypeChange(domain, frame);
  }
}

const stampOf = (vcpu: Vcpu): number =>
  FIRST_VCPU + (vcpu.domain.id % MAX_DOMAINS) * VCPUS_PER_DOMAIN + (vcpu.id % VCPUS_PER_DOMAIN);
