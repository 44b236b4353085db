/** Numbers as Xen prints them. */

/** A frame number: at least five hexadecimal digits (Xen's PRI_mfn). */
export function frame(n: number): string {
  return n.toString(16).padStart(5, '0');
}

/** An address or entry given as `"0x..."`, padded to `digits` hexadecimal digits. */
export function padded(hex: string, digits: number): string {
  return `0x${BigInt(hex).toString(16).padStart(digits, '0')}`;
}

/** A count with thin groups: `268 435 456`. */
export function count(n: number): string {
  return n.toLocaleString('en').replaceAll(',', '\u202f');
}

/** `1 entry`, `3 entries`. */
export function counted(n: number, one: string, many: string): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/**
 * A frame number as people type it: `1f3`, `0x1f3`, `mfn 1f3`, `pfn:1f3`; frames are hexadecimal, as they are shown.
 * Null when the text is none.
 */
export function parseFrame(text: string): number | null {
  const digits = /^(?:[mp]fn[\s:]*)?(?:0x)?([0-9a-f]{1,13})$/i.exec(text.trim())?.[1];
  return digits === undefined ? null : parseInt(digits, 16);
}
