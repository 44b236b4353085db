import { test } from 'vitest';
import { expectSameAsGcc, expectSameAsGccOn } from './compile-against-gcc.ts';
import { programs } from './random-programs.ts';

/**
 * Expressions drawn at random over variables of every integer type, each printed at full width. What C leaves
 * undefined is kept out: divisors are made odd and positive, shift counts masked to the promoted width.
 */
const TYPES = [
  'signed char',
  'unsigned char',
  'short',
  'unsigned short',
  'int',
  'unsigned int',
  'long long',
  'unsigned long long',
  '_Bool',
];
const VALUES = [
  '0',
  '1',
  '-1',
  '5',
  '127',
  '128',
  '255',
  '-128',
  '32767',
  '65535',
  '0x7fffffff',
  '0x80000000u',
  '0xffffffffu',
].concat([
  '-0x7fffffff',
  '0x123456789abcdefLL',
  '0x7fffffffffffffffLL',
  '0x8000000000000000ULL',
  '0xfedcba9876543210ULL',
]);
const SEED = Number(process.env['SEED'] ?? 1);

class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed;
  }

  below(n: number): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) | 0;
    return ((this.state >>> 8) % n) | 0;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

function expression(random: Random, depth: number): string {
  if (depth === 0) return random.below(3) === 0 ? `(${random.of(VALUES)})` : `v${random.below(18)}`;
  const operand = (): string => expression(random, depth - 1 - random.below(2) * (depth > 1 ? 1 : 0));
  const a = operand();
  const b = operand();
  switch (random.below(12)) {
    case 0:
      return `(${a} / (${b} & 0x3f | 1))`;
    case 1:
      return `(${a} % (unsigned char)(${b} | 1))`;
    case 2:
      return `(${a} << (${b} & 31))`;
    case 3:
      return `(${a} >> (${b} & 31))`;
    case 4:
      return `((${random.of(TYPES)})${a})`;
    case 5:
      return `(${random.of(['-', '~', '!'])}${a})`;
    case 6:
      return `(${a} ${random.of(['<', '>', '<=', '>=', '==', '!='])} ${b})`;
    case 7:
      return `(${a} ${random.of(['&&', '||'])} ${b})`;
    case 8:
      return `(${a} ? ${b} : ${operand()})`;
    default:
      return `(${a} ${random.of(['+', '-', '*', '&', '|', '^'])} ${b})`;
  }
}

function assignment(random: Random): string {
  const target = `v${random.below(18)}`;
  const value = expression(random, 2);
  switch (random.below(5)) {
    case 0:
      return `${target} = ${value};`;
    case 1:
      return `${target} ${random.of(['+=', '-=', '*=', '&=', '|=', '^='])} ${value};`;
    case 2:
      return `${target} ${random.of(['<<=', '>>='])} (${value} & 7);`;
    case 3:
      return `${target}${random.of(['++', '--'])};`;
    default:
      return `${random.of(['++', '--'])}${target};`;
  }
}

/** Half of the variables live in memory (their address is taken), half in registers. */
function program(seed: number): string {
  const random = new Random(seed);
  const lines: string[] = [];
  for (let i = 0; i < 18; i++) {
    const type = TYPES[i % 9] ?? 'int';
    lines.push(`${type} v${i} = ${random.of(VALUES)};`, i < 9 ? `${type} *p${i} = &v${i};` : '');
  }
  for (let i = 0; i < 120; i++) {
    lines.push(`printk("${i} %llx\\n", (unsigned long long)${expression(random, 3)});`, assignment(random));
  }
  for (let i = 0; i < 18; i++) lines.push(`printk("%llx ", (unsigned long long)v${i});`);
  for (let i = 0; i < 9; i++) lines.push(`printk("%llx ", (unsigned long long)*p${i});`);
  return `int kernel_main(void)\n{\n${lines.join('\n')}\nprintk("\\n");\nreturn 0;\n}\n`;
}

for (let seed = SEED; seed < SEED + 4; seed++) {
  test(`random expressions have the values that gcc gives them (SEED=${seed})`, () => {
    expectSameAsGcc(program(seed), ['x86_64', 'x86_32']);
  }, 120_000);
}

/** Programs in one run of gcc and of the model, and runs for each word width. `PROGRAMS=2000 SEED=...` looks further. */
const BATCH = 20;
const COUNT = Number(process.env['PROGRAMS'] ?? 120);

for (const abi of ['x86_64', 'x86_32'] as const) {
  for (let first = SEED; first < SEED + COUNT; first += BATCH) {
    test(`on ${abi} random programs ${first} to ${first + BATCH - 1} show what gcc's show`, () => {
      expectSameAsGccOn(abi, programs(Array.from({ length: BATCH }, (_, i) => first + i)));
    }, 120_000);
  }
}
