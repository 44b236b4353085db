/** Entries of page tables as operation lists write them: x86_64, with the frame field that a PFN or an MFN is put in. */

export const FRAME_FIELD = 0x000f_ffff_ffff_f000n;
export const MAPPED_READ_ONLY = 0x21n; // P, A
export const MAPPED_WRITABLE = 0x63n; // P, RW, A, D

export const isPresent = (entry: bigint): boolean => (entry & 1n) !== 0n;
export const frameIn = (entry: bigint): bigint => (entry & FRAME_FIELD) >> 12n;
export const withFrame = (entry: bigint, frame: bigint): bigint =>
  (entry & ~FRAME_FIELD) | ((frame << 12n) & FRAME_FIELD);
