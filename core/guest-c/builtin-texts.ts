/**
 * gcc's builtins that are written as C: an expression over their parameters. Each is read where it is called, so that the types
 * are those of the arguments; with constant arguments the value is folded.
 */
import type { DataModel } from './types.ts';

/** An expression in C over names of its own. */
export interface ExpressionText {
  /** Name and type of each argument; `null`: the argument's own type. Types may speak of parameters before. */
  readonly parameters: readonly (readonly [name: string, type: string | null])[];
  /** Names for values in between. */
  readonly locals: readonly (readonly [name: string, type: string])[];
  readonly text: string;
}

export interface BuiltinText extends ExpressionText {
  /** The value for constant arguments. */
  readonly fold?: (args: readonly bigint[]) => bigint;
  /** Arguments beyond the parameters, which change nothing here (memory orders, hints): how many there may be. */
  readonly ignored: number;
}

type Fold = BuiltinText['fold'];

const UINT = 'unsigned int';
const ULLONG = 'unsigned long long';

function row(
  parameters: BuiltinText['parameters'],
  text: string,
  more: { locals?: BuiltinText['locals']; fold?: Fold; ignored?: number } = {},
): BuiltinText {
  const { locals = [], fold, ignored = 0 } = more;
  return { parameters, locals, text, ignored, ...(fold === undefined ? {} : { fold }) };
}

const bitsOf = (x: bigint): number => x.toString(2).replaceAll('0', '').length;
const trailingZeros = (x: bigint): bigint => (x === 0n ? 0n : BigInt(bitsOf((x & -x) - 1n)));
const reversed = (x: bigint, bytes: number): bigint => {
  let value = 0n;
  for (let i = 0; i < bytes; i++) value = (value << 8n) | ((x >> BigInt(8 * i)) & 0xffn);
  return value;
};

/** Counting and finding bits, for one width. */
function bitRows(suffix: string, type: string, bits: 32 | 64): [string, BuiltinText][] {
  const of = (text: string, fold: (x: bigint) => bigint): BuiltinText =>
    row([['x', type]], text, { fold: ([x = 0n]) => fold(BigInt.asUintN(bits, x)) });
  const count = `__builtin_popcount${suffix}`;
  const spread = (shift: number): string => `x |= x >> ${shift}`;
  const folds = [1, 2, 4, 8, 16, ...(bits === 64 ? [32] : [])].map(spread).join(', ');
  return [
    [
      count,
      of(
        `(x = x - (x >> 1 & (${type})0x5555555555555555),
          x = (x & (${type})0x3333333333333333) + (x >> 2 & (${type})0x3333333333333333),
          (int)(((x + (x >> 4)) & (${type})0x0f0f0f0f0f0f0f0f) * (${type})0x0101010101010101 >> ${bits - 8}))`,
        (x) => BigInt(bitsOf(x)),
      ),
    ],
    [`__builtin_parity${suffix}`, of(`(${count}(x) & 1)`, (x) => BigInt(bitsOf(x) & 1))],
    [`__builtin_ctz${suffix}`, of(`${count}((x & -x) - 1)`, trailingZeros)],
    [
      `__builtin_clz${suffix}`,
      of(`(${folds}, ${bits} - ${count}(x))`, (x) => BigInt(bits - x.toString(2).length)),
    ],
    [
      `__builtin_ffs${suffix}`,
      of(`(x ? ${count}((x & -x) - 1) + 1 : 0)`, (x) => (x === 0n ? 0n : trailingZeros(x) + 1n)),
    ],
  ];
}

const TARGET = 'typeof(*p)';
const ATOMIC: BuiltinText['parameters'] = [
  ['p', null],
  ['v', TARGET],
];
const OLD: BuiltinText['locals'] = [['o', TARGET]];

/** `__sync_fetch_and_add` and its like, and the `__atomic_` names, which say the memory order too. */
function atomicRows(name: string, op: string): [string, BuiltinText][] {
  const changed = op === '~&' ? '~(o & v)' : `o ${op} v`;
  const before = `(o = *p, *p = (${changed}), o)`;
  const after = `(o = *p, *p = (${changed}))`;
  return [
    [`__sync_fetch_and_${name}`, row(ATOMIC, before, { locals: OLD })],
    [`__sync_${name}_and_fetch`, row(ATOMIC, after, { locals: OLD })],
    [`__atomic_fetch_${name}`, row(ATOMIC, before, { locals: OLD, ignored: 1 })],
    [`__atomic_${name}_fetch`, row(ATOMIC, after, { locals: OLD, ignored: 1 })],
  ];
}

const COMPARED: BuiltinText['parameters'] = [
  ['p', null],
  ['v', TARGET],
  ['n', TARGET],
];

const swapBytes = (name: string, type: string, bytes: 2 | 4 | 8, text: string): [string, BuiltinText] => [
  name,
  row([['x', type]], text, { fold: ([x = 0n]) => reversed(x, bytes) }),
];

const BUILTINS: ReadonlyMap<string, BuiltinText> = new Map<string, BuiltinText>([
  ...bitRows('', UINT, 32),
  ...bitRows('ll', ULLONG, 64),
  swapBytes('__builtin_bswap16', 'unsigned short', 2, '(unsigned short)(x << 8 | x >> 8)'),
  swapBytes(
    '__builtin_bswap32',
    UINT,
    4,
    '(x = (x & 0x00ff00ffu) << 8 | (x >> 8 & 0x00ff00ffu), x << 16 | x >> 16)',
  ),
  swapBytes(
    '__builtin_bswap64',
    ULLONG,
    8,
    `(x = (x & 0x00ff00ff00ff00ffull) << 8 | (x >> 8 & 0x00ff00ff00ff00ffull),
      x = (x & 0x0000ffff0000ffffull) << 16 | (x >> 16 & 0x0000ffff0000ffffull), x << 32 | x >> 32)`,
  ),
  ['__builtin_abs', row([['x', 'int']], '(x < 0 ? -x : x)')],
  ['__builtin_labs', row([['x', 'long']], '(x < 0 ? -x : x)')],
  ['__builtin_llabs', row([['x', 'long long']], '(x < 0 ? -x : x)')],
  ['__builtin_prefetch', row([['p', null]], '(void)0', { ignored: 2 })],
  ['__builtin_assume_aligned', row([['p', null]], '(void *)p', { ignored: 2 })],
  [
    '__builtin_object_size',
    row(
      [
        ['p', null],
        ['t', 'int'],
      ],
      '(typeof(sizeof 0))(t < 2 ? -1 : 0)',
    ),
  ],
  ...atomicRows('add', '+'),
  ...atomicRows('sub', '-'),
  ...atomicRows('or', '|'),
  ...atomicRows('and', '&'),
  ...atomicRows('xor', '^'),
  ...atomicRows('nand', '~&'),
  ['__sync_bool_compare_and_swap', row(COMPARED, '(*p == v ? (*p = n, 1) : 0)')],
  ['__sync_val_compare_and_swap', row(COMPARED, '(o = *p, o == v ? (*p = n, o) : o)', { locals: OLD })],
  ['__sync_lock_test_and_set', row(ATOMIC, '(o = *p, *p = v, o)', { locals: OLD })],
  ['__sync_lock_release', row([['p', null]], '(void)(*p = 0)')],
  ['__atomic_load_n', row([['p', null]], '(typeof(*p))*p', { ignored: 1 })],
  ['__atomic_store_n', row(ATOMIC, '(void)(*p = v)', { ignored: 1 })],
  ['__atomic_exchange_n', row(ATOMIC, '(o = *p, *p = v, o)', { locals: OLD, ignored: 1 })],
  [
    '__atomic_compare_exchange_n',
    row(
      [
        ['p', null],
        ['e', null],
        ['n', TARGET],
      ],
      '(*p == *e ? (*p = n, 1) : (*e = *p, 0))',
      { ignored: 3 },
    ),
  ],
  [
    '__atomic_test_and_set',
    row([['p', 'unsigned char *']], '(o = *p, *p = 1, o)', { locals: OLD, ignored: 1 }),
  ],
  ['__atomic_clear', row([['p', 'unsigned char *']], '(void)(*p = 0)', { ignored: 1 })],
  ['__atomic_thread_fence', row([['m', 'int']], '(void)m')],
  ['__atomic_signal_fence', row([['m', 'int']], '(void)m')],
]);

/** Names with an `l` are those of the word's width. */
const LONG_NAMES = /^(__builtin_(?:popcount|parity|ctz|clz|ffs))l$/;

/** The builtin of that name, or undefined. */
export function builtinText(name: string, model: DataModel): BuiltinText | undefined {
  const long = LONG_NAMES.exec(name)?.[1];
  return BUILTINS.get(long === undefined ? name : long + (model.wordBytes === 8 ? 'll' : ''));
}

/** Whether an operation overflows, by the type that it is done in; operands are called a and b, r points to the result. */
type OverflowTexts = { readonly [op in 'add' | 'sub' | 'mul']: string };

/** Operands and result of at most 32 bits: done in 64, where nothing is lost. */
const NARROW: OverflowTexts = {
  add: '(w = a + b, *r = w, *r != w)',
  sub: '(w = a - b, *r = w, *r != w)',
  mul: '(w = a * b, *r = w, *r != w)',
};
const UNSIGNED: OverflowTexts = {
  add: '(*r = a + b, *r < a)',
  sub: '(*r = a - b, a < b)',
  mul: '(*r = a * b, a != 0 && *r / a != b)',
};
const SIGNED: OverflowTexts = {
  add: '(*r = a + b, ((a ^ *r) & (b ^ *r)) < 0)',
  sub: '(*r = a - b, ((a ^ b) & (a ^ *r)) < 0)',
  mul: '(*r = a * b, a == -1 ? b != 0 && b == -b : a != 0 && *r / a != b)',
};

const OVERFLOW = /^__builtin_(add|sub|mul)_overflow$/;

export const isOverflowBuiltin = (name: string): boolean => OVERFLOW.test(name);

/**
 * `__builtin_add_overflow` and its like for operands and a result of these widths and signs; null for mixtures that no
 * type here can hold (64 bits, signed and unsigned).
 */
export function overflowText(
  name: string,
  types: readonly { readonly bytes: number; readonly signed: boolean }[],
): ExpressionText | null {
  const op = OVERFLOW.exec(name)?.[1] as keyof OverflowTexts | undefined;
  if (op === undefined) return null;
  const isNarrow = types.every((type) => type.bytes <= 4);
  const signed = types.map((type) => type.signed);
  const isUnsignedProduct = op === 'mul' && signed[0] === false && signed[1] === false;
  const isMixed = signed.some((sign) => sign !== signed[0]);
  if (!isNarrow && isMixed) return null;
  const wide = isNarrow
    ? isUnsignedProduct
      ? ULLONG
      : 'long long'
    : signed[0] === true
      ? 'long long'
      : ULLONG;
  if (!isNarrow && types[2]?.bytes !== 8) return null;
  const texts = isNarrow ? NARROW : signed[0] === true ? SIGNED : UNSIGNED;
  return {
    parameters: [
      ['a', wide],
      ['b', wide],
      ['r', null],
    ],
    locals: [['w', wide]],
    text: texts[op],
  };
}
