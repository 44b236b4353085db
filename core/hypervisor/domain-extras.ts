/** What Xen keeps for a domain beside the machine's own records: its GDT frames. Journalled words, 32 a vCPU. */

import type { Vcpu } from '../machine/vcpu.ts';
import { Region } from '../state/column.ts';
import type { Store } from '../state/store.ts';
import { type Mfn, mfn } from '../units.ts';

/** A GDT has at most 14 guest pages (facts 9.5). */
export const GDT_MAX_FRAMES = 14;
const GDT_COUNT = 0;
const GDT_FIRST = 1;

export class DomainExtras {
  private readonly store: Store;
  private readonly regions = new Map<Vcpu, Region>();

  constructor(store: Store) {
    this.store = store;
  }

  /** Frames of the vCPU's GDT, in order. */
  gdtFrames(vcpu: Vcpu): Mfn[] {
    const words = this.words(vcpu);
    return Array.from({ length: words.get(GDT_COUNT) }, (_, i) => mfn(words.get(GDT_FIRST + i) >>> 0));
  }

  setGdtFrames(vcpu: Vcpu, frames: readonly Mfn[]): void {
    const words = this.words(vcpu);
    words.set(GDT_COUNT, frames.length);
    frames.forEach((frame, i) => words.set(GDT_FIRST + i, frame));
  }

  private words(vcpu: Vcpu): Region {
    const present = this.regions.get(vcpu);
    if (present !== undefined) return present;
    const made = new Region(this.store, 'vcpu.gdt', 1 + GDT_MAX_FRAMES);
    this.regions.set(vcpu, made);
    return made;
  }
}
