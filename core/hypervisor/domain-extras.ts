/** What Xen keeps for a vCPU beside the machine's own records: frames of its GDT and LDT. Journalled words. */

import type { Vcpu } from '../machine/vcpu.ts';
import { Region } from '../state/column.ts';
import type { Store } from '../state/store.ts';
import { type Mfn, mfn } from '../units.ts';

/** A GDT has at most 14 guest pages (facts 9.5), an LDT 16 (8192 entries). */
export const GDT_MAX_FRAMES = 14;
export const LDT_MAX_FRAMES = 16;
const GDT_COUNT = 0;
const GDT_FIRST = 1;
/** One word a page: 0 where Xen has not mapped it, else the frame plus 1. */
const LDT_FIRST = GDT_FIRST + GDT_MAX_FRAMES;

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

  /** The frame of a page of the LDT that Xen has mapped; null for the others. */
  ldtFrame(vcpu: Vcpu, page: number): Mfn | null {
    const word = this.words(vcpu).get(LDT_FIRST + page);
    return word === 0 ? null : mfn((word >>> 0) - 1);
  }

  setLdtFrame(vcpu: Vcpu, page: number, frame: Mfn | null): void {
    this.words(vcpu).set(LDT_FIRST + page, frame === null ? 0 : frame + 1);
  }

  /** Frames of the LDT pages that Xen has mapped. */
  ldtFrames(vcpu: Vcpu): Mfn[] {
    const pages = Array.from({ length: LDT_MAX_FRAMES }, (_, page) => this.ldtFrame(vcpu, page));
    return pages.filter((frame) => frame !== null);
  }

  private words(vcpu: Vcpu): Region {
    const present = this.regions.get(vcpu);
    if (present !== undefined) return present;
    const made = new Region(this.store, 'vcpu.descriptors', LDT_FIRST + LDT_MAX_FRAMES);
    this.regions.set(vcpu, made);
    return made;
  }
}
