/** Values and types of constant expressions against gcc: promotions, the usual conversions, casts, operators. */

import { describe, expect, it } from 'vitest';
import { parseExpression } from '../../../core/guest-c/front.ts';
import type { AbiName } from '../../../core/guest-c/types.ts';
import { typeName } from '../../../core/guest-c/types.ts';
import { Chance, GCC_MACHINE, compileText, gcc, withoutGcc } from './front-support.ts';

const ABIS: readonly AbiName[] = ['x86_64', 'x86_32'];
const TYPES = [
  ...['_Bool', 'char', 'signed char', 'unsigned char', 'short', 'unsigned short', 'int', 'unsigned int'],
  ...['long', 'unsigned long', 'long long', 'unsigned long long'],
];
const LITERALS = [
  ...[
    '0',
    '1',
    '2',
    '7',
    '127',
    '128',
    '255',
    '256',
    '32767',
    '65535',
    '2147483647',
    '2147483648',
    '4294967295',
  ],
  ...['4294967296', '0x7fffffff', '0x80000000', '0xffffffff', '0x100000000', '0x7fffffffffffffff'],
  ...[
    '0x8000000000000000',
    '0xffffffffffffffff',
    '1u',
    '1l',
    '1ul',
    '1ll',
    '1ull',
    '0777',
    '0b101',
    "'a'",
    "'\\377'",
  ],
  ...['(-1)', '(-128)', '(-2147483647 - 1)', '(1 == 1)', 'sizeof(long)', 'NEGATIVE', 'LARGE'],
];
const PRELUDE = 'enum { NEGATIVE = -3, LARGE = 0x7fffffff };\n';

function randomExpression(chance: Chance, depth: number): string {
  if (depth === 0)
    return chance.below(3) === 0 ? `(${chance.pick(TYPES)})${chance.pick(LITERALS)}` : chance.pick(LITERALS);
  const a = (): string => randomExpression(chance, depth - 1);
  switch (chance.below(9)) {
    case 0:
      return `(${chance.pick(['-', '~', '!', '+'])}${a()})`;
    case 1:
      return `((${chance.pick(TYPES)})${a()})`;
    case 2:
      return `(${a()} ${chance.pick(['<<', '>>'])} (${a()} & 31))`;
    case 3:
      return `(${a()} ${chance.pick(['<', '>', '<=', '>=', '==', '!=', '&&', '||'])} ${a()})`;
    case 4:
      return `(${a()} ? ${a()} : ${a()})`;
    case 5: {
      const divisor = a();
      return `(${a()} ${chance.pick(['/', '%'])} ((${divisor}) == 0 || (${divisor}) == -1 ? 3 : (${divisor})))`;
    }
    default:
      return `(${a()} ${chance.pick(['+', '-', '*', '&', '|', '^'])} ${a()})`;
  }
}

const literal = (value: bigint, type: string): string =>
  value === -(1n << 63n)
    ? `(${type})(-9223372036854775807LL - 1)`
    : `(${type})${value}${value < 0n ? 'LL' : 'ULL'}`;

describe.skipIf(withoutGcc).each(ABIS)(
  'constant expressions on %s have the value and type that gcc gives them',
  (abi) => {
    it.each([11, 12, 13, 14])('made from seed %i', (seed) => {
      const chance = new Chance(seed);
      const { unit } = compileText(PRELUDE, { abi });
      const checks = Array.from({ length: 250 }, (_, i) => {
        const text = randomExpression(chance, 1 + (i % 3));
        const { expression, problems } = parseExpression(text, unit.scope, unit);
        expect(problems.filter((p) => p.severity === 'error')).toEqual([]);
        if (expression?.kind !== 'constant') throw new Error(`not folded: ${text}`);
        const type = typeName(expression.type);
        return (
          `_Static_assert(${text} == ${literal(expression.value, type)}, "value ${expression.value}");\n` +
          `_Static_assert(__builtin_types_compatible_p(__typeof__(${text}), ${type}), "type ${type}");`
        );
      });
      gcc([GCC_MACHINE[abi], '-fsyntax-only', '-w', '-fwrapv', '-std=gnu11'], PRELUDE + checks.join('\n'));
    });
  },
);

describe('types of expressions', () => {
  const context = `
    struct s { unsigned b3 : 3; unsigned b32 : 32; int i; char c[4]; struct s *next; } s, *p;
    short h; char c; unsigned char uc; int i; long l; int a[3][4]; int f(int); int (*fp)(int); const char *str; void *v;
    enum plain { A, B } e; enum negative { N = -1 } n;`;
  const { unit, problems } = compileText(context.replace('int f(int);', 'int f(int x) { return x; }'));

  it('the context compiles', () => {
    expect(problems).toEqual([]);
  });

  it.each([
    ['h + c', 'int'],
    ['uc << 1', 'int'],
    ['s.b3 + 0', 'int'],
    ['s.b32 + 0', 'unsigned int'],
    ['-s.b3', 'int'],
    ['i + 1u', 'unsigned int'],
    ['l + 1u', 'long'],
    ['a', 'int (*)[4]'],
    ['a[1]', 'int *'],
    ['&a[1]', 'int (*)[4]'],
    ['*a[1]', 'int'],
    ['&a', 'int (*)[3][4]'],
    ['f', 'int (*)(int)'],
    ['*f', 'int (*)(int)'],
    ['&f', 'int (*)(int)'],
    ['fp(1)', 'int'],
    ['p->next->c', 'char *'],
    ['p->next - p', 'long'],
    ['1[str]', 'char'],
    ['str ? str : 0', 'const char *'],
    ['v ?: p', 'void *'],
    ['c ? c : h', 'int'],
    ['e', 'enum plain'],
    ['e + 0', 'unsigned int'],
    ['n + 0', 'int'],
    ['(h, c)', 'char'],
    ['h += l', 'short'],
    ['c++', 'char'],
    ['!p', 'int'],
    ['sizeof a', 'unsigned long'],
    ['sizeof(int[3])', 'unsigned long'],
    ['"abc"', 'char *'],
    ['&"abc"', 'char (*)[4]'],
    ['(struct s){ 1 }.next', 'struct s *'],
    ['_Generic(l, int: 1, long: "x", default: p)', 'char *'],
    ['__builtin_expect(l, 1)', 'long'],
  ])('%s is %s', (text, type) => {
    const result = parseExpression(text, unit.scope, unit);
    expect(result.problems).toEqual([]);
    expect(result.expression === null ? null : typeName(result.expression.type)).toBe(type);
  });
});
