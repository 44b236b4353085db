/**
 * Cells whose accesses somebody wants to hear of: the bottom of data breakpoints. `Store.record` tells it of every
 * change, the MMU of the guest's loads and stores. With no watch set the store has none of these, which costs one
 * comparison an access; with one, a page of cells without a watched word costs one look into a table.
 *
 * While the guest's processor runs freely a watched access is not made: it `traps`, the processor leaves its loop with
 * nothing changed, and runs the statement again with the trap off, in which mode accesses are noted. So a watch never
 * changes what a run does, only where it may be looked at.
 */

/** A page of cells: the words of one frame, or a quarter of a column's chunk. */
const PAGE_SHIFT = 10;
const PAGE_WORDS = 1 << PAGE_SHIFT;
const PAGES = 1 << (32 - PAGE_SHIFT);
/** Masks are numbered in 16 bits; 0 stands for none. */
export const MAX_WATCHED_PAGES = 4096;

/** What is watched of a word, as bits. */
export const WatchBit = { read: 1, write: 2 } as const;

export type WatchedAccess = 'read' | 'write' | 'change';
/** Who made an access: an instruction of the guest's, its MMU (A and D bits), or Xen. */
export type Accessor = 'guest' | 'mmu' | 'hypervisor';

/** One access to a watched cell; `old` is the word before it. */
export interface AccessNote {
  readonly cell: number;
  readonly old: number;
  /** The bits of the word that were read or written; all of them for a change. */
  readonly bits: number;
  readonly access: WatchedAccess;
  readonly by: Accessor;
}

/** Notes kept of one statement or hypercall; what happens beyond them in it tells nothing more. */
const MAX_NOTES = 4096;

export class CellWatch {
  /** The guest's processor runs: a watched access is not to be made yet. */
  traps = false;
  /** Who makes the accesses that come. */
  by: Accessor = 'hypervisor';
  /** Since the last `take`. */
  readonly notes: AccessNote[] = [];
  /** By page: the index of its mask, 0 for none. */
  private readonly pages = new Uint16Array(PAGES);
  private readonly masks: Uint8Array[] = [new Uint8Array(0)];
  private readonly used: number[] = [];

  /** Forgets what was watched. */
  clear(): void {
    for (const page of this.used.splice(0)) this.pages[page] = 0;
    this.masks.length = 1;
  }

  /** Watches one cell; false when it lies on a page too many. */
  add(cell: number, bits: number): boolean {
    const page = cell >>> PAGE_SHIFT;
    let index = this.pages[page] as number;
    if (index === 0) {
      if (this.masks.length > MAX_WATCHED_PAGES) return false;
      index = this.masks.push(new Uint8Array(PAGE_WORDS)) - 1;
      this.pages[page] = index;
      this.used.push(page);
    }
    const mask = this.masks[index] as Uint8Array;
    const word = cell & (PAGE_WORDS - 1);
    mask[word] = (mask[word] as number) | bits;
    return true;
  }

  /** A cell is about to change; told by the store alone. */
  changed(cell: number, old: number): void {
    if ((this.bitsOf(cell) & WatchBit.write) !== 0) this.note(cell >>> 0, old, -1, 'change');
  }

  /**
   * The guest is about to load or store within a frame: true when the access has to wait. `bytes` do not leave the
   * frame; `wordOf` reads the frame's words.
   */
  meets(slot: number, offset: number, bytes: number, bit: number, arena: Int32Array): boolean {
    const index = this.pages[slot] as number;
    if (index === 0) return false;
    const mask = this.masks[index] as Uint8Array;
    const end = offset + bytes;
    for (let word = offset >>> 2; word * 4 < end; word++) {
      if (((mask[word] as number) & bit) === 0) continue;
      if (this.traps) return true;
      const old = arena[((slot & 255) << PAGE_SHIFT) | word] as number;
      const access = bit === WatchBit.read ? 'read' : 'write';
      this.note(slot * PAGE_WORDS + word, old, bitsBetween(offset - word * 4, end - word * 4), access);
    }
    return false;
  }

  /** Whether a change of the cell is watched. */
  watchesChange(cell: number): boolean {
    return (this.bitsOf(cell) & WatchBit.write) !== 0;
  }

  /** The notes since the last time. */
  take(): readonly AccessNote[] {
    return this.notes.splice(0);
  }

  private bitsOf(cell: number): number {
    const index = this.pages[cell >>> PAGE_SHIFT] as number;
    return index === 0 ? 0 : ((this.masks[index] as Uint8Array)[cell & (PAGE_WORDS - 1)] as number);
  }

  private note(cell: number, old: number, bits: number, access: WatchedAccess): void {
    if (this.notes.length < MAX_NOTES) this.notes.push({ cell, old, bits, access, by: this.by });
  }
}

/** The bits of the bytes from..to - 1 of a word, both clipped to it. */
export function bitsBetween(from: number, to: number): number {
  let bits = 0;
  for (let byte = Math.max(from, 0); byte < Math.min(to, 4); byte++) bits |= 0xff << (byte * 8);
  return bits;
}
