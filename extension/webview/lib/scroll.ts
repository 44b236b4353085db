/**
 * Scrolling over more rows than a browser can lay out: a page of 2^28 rows of 20 pixels would be 5 * 10^9 pixels high,
 * and browsers stop at about 3 * 10^7. Beyond `tallest` the scroll bar is a scale model of the list: its position stands
 * for a position in the list, while wheel and keys still move by rows.
 *
 * Rows have one height, so which rows are in sight is a division; no list of measurements is kept.
 */

const tallest = 8_000_000;

export interface Extent {
  /** Height of all rows, in pixels of the list. */
  readonly content: number;
  /** Height of the window onto them. */
  readonly window: number;
}

/** Height of the element that gives the scroll bar its length. */
export function spacerHeight({ content }: Extent): number {
  return Math.min(content, tallest);
}

export function isScaled({ content }: Extent): boolean {
  return content > tallest;
}

/** Position of the scroll bar for a position in the list. */
export function scrollTopOf(offset: number, extent: Extent): number {
  return isScaled(extent) ? Math.round(offset / scale(extent)) : offset;
}

/** Position in the list for a position of the scroll bar. */
export function offsetOf(scrollTop: number, extent: Extent): number {
  return isScaled(extent) ? clampOffset(scrollTop * scale(extent), extent) : scrollTop;
}

export function clampOffset(offset: number, { content, window }: Extent): number {
  return Math.max(0, Math.min(offset, content - window));
}

function scale({ content, window }: Extent): number {
  return (content - window) / (tallest - window);
}
