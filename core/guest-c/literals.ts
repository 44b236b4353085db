/**
 * Literals (C11 6.4.4 and 6.4.5): what integer, character and string literals stand for.
 */

export interface IntegerLiteral {
  readonly value: bigint;
  readonly unsigned: boolean;
  /** Number of `l` in the suffix. */
  readonly longs: 0 | 1 | 2;
  readonly decimal: boolean;
}

const INTEGER =
  /^(0[xX][0-9a-fA-F]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)([uU]?(?:ll|LL|[lL])?|(?:ll|LL|[lL])[uU])$/;

/** The literal's value and suffix, or null when it is no integer (a floating constant, a wrong digit). */
export function integerLiteral(text: string): IntegerLiteral | null {
  const match = INTEGER.exec(text);
  const digits = match?.[1];
  if (digits === undefined) return null;
  const suffix = (match?.[2] ?? '').toLowerCase();
  const longs = suffix.includes('ll') ? 2 : suffix.includes('l') ? 1 : 0;
  const octal = digits.length > 1 && digits.startsWith('0') && !/[xXbB]/.test(digits);
  const value = BigInt(octal ? `0o${digits.slice(1)}` : digits);
  return { value, unsigned: suffix.includes('u'), longs, decimal: !digits.startsWith('0') };
}

const SIMPLE_ESCAPES: ReadonlyMap<string, number> = new Map([
  ...([
    ['n', 10],
    ['t', 9],
    ['r', 13],
    ['0', 0],
    ['a', 7],
    ['b', 8],
    ['f', 12],
    ['v', 11],
    ['e', 27],
  ] as const),
  ...([
    ['\\', 92],
    ["'", 39],
    ['"', 34],
    ['?', 63],
  ] as const),
]);

/** The bytes of a string literal's spelling without the closing zero; null when an escape in it is wrong. Text is UTF-8. */
export function stringBytes(spelling: string): number[] | null {
  return bytesBetween(spelling, spelling.indexOf('"') + 1);
}

/** The value (an int) of a character literal's spelling, several characters as gcc packs them; null when it is wrong. */
export function characterValue(spelling: string): number | null {
  const bytes = bytesBetween(spelling, spelling.indexOf("'") + 1);
  if (bytes === null || bytes.length === 0 || bytes.length > 4) return null;
  if (bytes.length === 1) return ((bytes[0] ?? 0) << 24) >> 24;
  return bytes.reduce((packed, byte) => (packed << 8) | byte, 0);
}

function bytesBetween(spelling: string, start: number): number[] | null {
  const bytes: number[] = [];
  const end = spelling.length - 1;
  let at = start;
  while (at < end) {
    if (spelling.charCodeAt(at) !== 92) {
      const code = spelling.codePointAt(at) ?? 0;
      pushUtf8(bytes, code);
      at += code > 0xffff ? 2 : 1;
      continue;
    }
    const escape = escapeAt(spelling, at + 1, end);
    if (escape === null) return null;
    if (escape.isCodePoint) pushUtf8(bytes, escape.value);
    else bytes.push(escape.value & 0xff);
    at = escape.next;
  }
  return bytes;
}

function escapeAt(
  text: string,
  at: number,
  end: number,
): { value: number; next: number; isCodePoint: boolean } | null {
  const octal = /^[0-7]{1,3}/.exec(text.slice(at, Math.min(at + 3, end)));
  if (octal !== null) {
    return { value: parseInt(octal[0], 8), next: at + octal[0].length, isCodePoint: false };
  }
  const letter = text.charAt(at);
  const hexadecimal =
    letter === 'x' ? /^[0-9a-fA-F]+/ : letter === 'u' ? /^[0-9a-fA-F]{4}/ : /^[0-9a-fA-F]{8}/;
  if (letter === 'x' || letter === 'u' || letter === 'U') {
    const digits = hexadecimal.exec(text.slice(at + 1, end))?.[0];
    if (digits === undefined) return null;
    const value = parseInt(digits.slice(-8), 16);
    return { value, next: at + 1 + digits.length, isCodePoint: letter !== 'x' };
  }
  const value = SIMPLE_ESCAPES.get(letter);
  return value === undefined ? null : { value, next: at + 1, isCodePoint: false };
}

function pushUtf8(bytes: number[], code: number): void {
  if (code < 0x80) bytes.push(code);
  else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 0x3f));
  else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
  else {
    bytes.push(0xf0 | ((code >> 18) & 7), 0x80 | ((code >> 12) & 0x3f));
    bytes.push(0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
  }
}
