/** 64-bit arithmetic on pairs of words where it takes more than a line: multiplication's high word, and division. */

import { highWord, joinWords, lowWord } from '../units.ts';

export const INT_MIN = -0x8000_0000;

export const Division = {
  signedQuotient: 0,
  unsignedQuotient: 1,
  signedRemainder: 2,
  unsignedRemainder: 3,
} as const;
export type Division = (typeof Division)[keyof typeof Division];

/** The words of the last successful `divide64`. */
export const division = new Int32Array(2);

/** The high word of the unsigned product of two words. */
export function mulHigh(x: number, y: number): number {
  const xl = x & 0xffff;
  const xh = x >>> 16;
  const yl = y & 0xffff;
  const yh = y >>> 16;
  const low = Math.imul(xl, yl) >>> 16;
  const cross = xl * yh;
  const crossed = xh * yl;
  const middle = low + (cross & 0xffff) + (crossed & 0xffff);
  return (xh * yh + (cross >>> 16) + (crossed >>> 16) + (middle >>> 16)) | 0;
}

/** Divides x by y into `division`; false where the processor raises #DE: by zero, or a quotient out of range. */
export function divide64(xLo: number, xHi: number, yLo: number, yHi: number, what: Division): boolean {
  if ((yLo | yHi) === 0) return false;
  if (xHi >= 0 && xHi < 0x20_0000 && yHi >= 0 && yHi < 0x20_0000) {
    dividePositive(xHi * 0x1_0000_0000 + (xLo >>> 0), yHi * 0x1_0000_0000 + (yLo >>> 0), what);
    return true;
  }
  const signed = what === Division.signedQuotient || what === Division.signedRemainder;
  if (signed && (yLo & yHi) === -1 && xLo === 0 && xHi === INT_MIN) return false;
  const width = (value: bigint): bigint => (signed ? BigInt.asIntN(64, value) : value);
  const x = width(joinWords(xLo, xHi));
  const y = width(joinWords(yLo, yHi));
  const quotient = what === Division.signedQuotient || what === Division.unsignedQuotient;
  const result = quotient ? x / y : x % y;
  division[0] = lowWord(result);
  division[1] = highWord(result);
  return true;
}

/** Both operands are whole numbers below 2^53, so doubles are exact: x - x % y is a multiple of y. */
function dividePositive(x: number, y: number, what: Division): void {
  const remainder = x % y;
  const quotient = what === Division.signedQuotient || what === Division.unsignedQuotient;
  const result = quotient ? (x - remainder) / y : remainder;
  division[0] = result | 0;
  division[1] = Math.floor(result / 0x1_0000_0000);
}
