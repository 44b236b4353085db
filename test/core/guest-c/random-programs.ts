/**
 * Small programs drawn at random in the manner of csmith: structures with bit-fields, unions, arrays, pointers, loops, switches,
 * gotos, recursion, calls through tables, objects passed and returned by value. What C leaves undefined is kept out:
 * indices are masked, divisors positive, shift counts below the promoted width, and no expression changes an object twice.
 */
import { Chance } from './chance.ts';

const TYPES = [
  'signed char',
  'unsigned char',
  'short',
  'unsigned short',
  'int',
  'unsigned',
  'long',
  'unsigned long',
  'long long',
  'unsigned long long',
  '_Bool',
] as const;
const NUMBERS = [
  '0',
  '1',
  '-1',
  '2',
  '7',
  "'a'",
  '127',
  '-128',
  '255u',
  '32768',
  '-32769',
  '65535u',
  '0x7fffffff',
  '0x80000000u',
  '-2147483647',
  '0xffffffffUL',
  '0x123456789abcdefLL',
  '0x8000000000000000ULL',
  '-5LL',
  '~0ULL',
  'sizeof(long)',
  '(char)200',
];
/** Elements of every array: a power of two, so that an index can be masked. */
const ELEMENTS = 8;

/** Names that an expression may read, those of them that a statement may change, and functions that only compute. */
interface Names {
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly pure: readonly string[];
  /** Statements may change objects of the file; not in functions that expressions call, for their order is open. */
  readonly scope: 'file' | 'function';
}

class ProgramWriter {
  private readonly chance: Chance;
  /** Begins every name at file scope, so that many programs fit into one text. */
  private readonly prefix: string;
  private counters = 0;

  constructor(seed: number, prefix: string) {
    this.chance = new Chance(seed * 2654435761 + 977);
    this.prefix = prefix;
  }

  private pick<T>(choices: readonly T[]): T {
    return this.chance.pick(choices);
  }

  private some(from: number, to: number): number {
    return from + this.chance.below(to - from + 1);
  }

  private name(text: string): string {
    return `${this.prefix}${text}`;
  }

  // ---- expressions -----------------------------------------------------------------------------------------------

  private expression(depth: number, names: Names): string {
    if (depth <= 0)
      return this.chance.below(4) === 0 ? `(${this.pick(NUMBERS)})` : this.place(names.read, names);
    const inner = (): string => this.expression(depth - 1 - this.chance.below(2), names);
    const a = inner();
    switch (this.chance.below(16)) {
      case 0:
        return `(${a} / ((${inner()} & 0x3f) | 1))`;
      case 1:
        return `(${a} % (unsigned char)(${inner()} | 1))`;
      case 2:
        return `(${a} ${this.pick(['<<', '>>'])} (${inner()} & 31))`;
      case 3:
        return `((${this.pick(TYPES)})${a})`;
      case 4:
        return `(${this.pick(['-', '~', '!', '+'])}${a})`;
      case 5:
      case 6:
        return `(${a} ${this.pick(['<', '>', '<=', '>=', '==', '!='])} ${inner()})`;
      case 7:
        return `(${a} ${this.pick(['&&', '||'])} ${inner()})`;
      case 8:
        return `(${a} ? ${inner()} : ${inner()})`;
      case 9:
        return `((void)${a}, ${inner()})`;
      case 10:
        return names.pure.length === 0 ? a : `${this.pick(names.pure)}(${a}, ${inner()})`;
      default:
        return `(${a} ${this.pick(['+', '-', '*', '&', '|', '^'])} ${inner()})`;
    }
  }

  /** One of the names; `[]` in it becomes an index. */
  private place(from: readonly string[], names: Names): string {
    const name = this.pick(from);
    return name.includes('[]') ? name.replaceAll('[]', `[${this.index(names)}]`) : name;
  }

  private index({ read }: Names): string {
    const plain = read.filter((name) => !name.includes('[]'));
    return plain.length === 0 || this.chance.below(2) === 0
      ? String(this.chance.below(ELEMENTS))
      : `(${this.pick(plain)}) & ${ELEMENTS - 1}`;
  }

  // ---- statements ------------------------------------------------------------------------------------------------

  private block(depth: number, names: Names, count: number): string {
    return Array.from({ length: count }, () => this.statement(depth, names)).join('\n');
  }

  private statement(depth: number, names: Names): string {
    const value = (): string => this.expression(2, names);
    const target = (): string => this.place(names.write, names);
    const kind = this.chance.below(depth <= 0 ? 8 : names.scope === 'file' ? 17 : 14);
    switch (kind) {
      case 0:
        return `${target()} ${this.pick(['+=', '-=', '*=', '&=', '|=', '^='])} ${value()};`;
      case 1:
        return `${target()} ${this.pick(['<<=', '>>='])} (${value()}) & 7;`;
      case 2:
        return `${target()} ${this.pick(['/=', '%='])} ((${value()} & 0x1f) | 1);`;
      case 3:
        return this.chance.below(2) === 0 ? `${target()}++;` : `--${target()};`;
      case 8:
        return `if (${value()}) {\n${this.block(depth - 1, names, 2)}\n} else {\n${this.block(depth - 1, names, 1)}\n}`;
      case 9:
      case 10:
        return this.loop(depth, names);
      case 11:
        return this.switch(depth, names);
      case 12:
        return this.jump(depth, names);
      case 13:
        return this.shadow(depth, names);
      case 14:
        return this.pick([
          `${this.name('s')} = ${this.name('make')}(${value()}, ${value()});`,
          `${this.name('t')} = ${this.name('s')};`,
          `${this.name('all')}[${this.index(names)}] = ${this.name('changed')}(${this.name('t')});`,
          `*${this.name('sp')} = (struct ${this.name('S')}){ .b = ${value()}, .in = { ${value()} } };`,
          `memcpy(&${this.name('t')}, ${this.name('sp')}, sizeof ${this.name('t')});`,
        ]);
      case 15:
        return this.pick([
          `${this.name('p')} = &${this.name('array')}[${this.index(names)}];`,
          `${this.name('sp')} = &${this.name('all')}[${this.index(names)}];`,
          `${this.name('p')} = ${this.name('array')} + ((${this.name('p')} - ${this.name('array')} + 1) & ${ELEMENTS - 1});`,
        ]);
      case 16:
        return `${target()} = ${this.name('count')}(${value()});`;
      default:
        return `${target()} = ${value()};`;
    }
  }

  private loop(depth: number, names: Names): string {
    const counter = `i${this.counters++}`;
    const inner = { ...names, read: [...names.read, counter] };
    const body = this.block(depth - 1, inner, this.some(1, 3));
    const leave =
      this.chance.below(3) === 0
        ? `if (${this.expression(1, inner)}) ${this.pick(['break', 'continue'])};\n`
        : '';
    const times = this.some(1, 4);
    switch (this.chance.below(3)) {
      case 0:
        return `{ int ${counter} = ${times}; while (${counter}-- > 0) {\n${leave}${body}\n} }`;
      case 1:
        return `{ int ${counter} = 0; do {\n${leave}${body}\n} while (++${counter} < ${times}); }`;
      default:
        return `for (int ${counter} = 0; ${counter} < ${times}; ${counter}++) {\n${leave}${body}\n}`;
    }
  }

  private switch(depth: number, names: Names): string {
    const ends = (): string => (this.chance.below(3) === 0 ? '/* fall through */' : 'break;');
    const cases = ['0', '1', '3 ... 5', '-2', '0x40', '250'].slice(0, this.some(2, 6));
    const texts = cases.map((value) => `case ${value}: ${this.statement(depth - 1, names)} ${ends()}`);
    texts.splice(
      this.chance.below(texts.length),
      0,
      `default: ${this.statement(depth - 1, names)} ${ends()}`,
    );
    return `switch (${this.pick(['(int)', '(unsigned char)', '(short)'])}${this.expression(1, names)}) {\n${texts.join('\n')}\n}`;
  }

  private jump(depth: number, names: Names): string {
    const label = `l${this.counters++}`;
    return `if (${this.expression(1, names)}) goto ${label};\n${this.block(depth - 1, names, 2)}\n${label}:;`;
  }

  /** A block with locals of its own: in a register, in memory, static, volatile. */
  private shadow(depth: number, names: Names): string {
    const local = `x${this.counters++}`;
    const storages = ['', '', 'volatile ', 'register ', 'static '];
    const storage = this.pick(names.scope === 'file' ? storages : storages.slice(0, 4));
    const value = storage === 'static ' ? this.pick(NUMBERS) : this.expression(1, names);
    const inner = { ...names, read: [...names.read, local], write: [...names.write, local] };
    return `{ ${storage}${this.pick(TYPES)} ${local} = ${value};\n${this.block(depth - 1, inner, 2)}\nshow(${local}); }`;
  }

  // ---- programs --------------------------------------------------------------------------------------------------

  private bitField(name: string): string {
    const [type, most] = this.pick([
      ['int', 31],
      ['unsigned', 32],
      ['unsigned short', 16],
      ['signed char', 8],
    ] as const);
    return `${type} ${name} : ${this.some(1, most)};`;
  }

  /** The text of the program and the name of its function. */
  program(): { readonly text: string; readonly entry: string } {
    const n = (text: string): string => this.name(text);
    const type = (): string => this.pick(TYPES);
    const S = `struct ${n('S')}`;
    const packed = this.pick(['', '', ' __attribute__((packed))']);
    const members = [
      `${type()} a;`,
      `${type()} b;`,
      this.bitField('f'),
      this.bitField('g'),
      `struct { ${type()} c; } in;`,
      `${type()} v[${ELEMENTS}];`,
    ];
    const [first, second] = [type(), type()];
    const [makes, counts] = [
      [type(), type()],
      [type(), type()],
    ];
    const globals: Names = {
      read: [
        n('g0'),
        n('g1'),
        n('g2'),
        n('vol'),
        `${n('array')}[]`,
        `(*${n('p')})`,
        `${n('s')}.a`,
        `${n('s')}.f`,
        `${n('t')}.in.c`,
      ].concat([
        `${n('sp')}->b`,
        `${n('sp')}->g`,
        `${n('sp')}->v[]`,
        `${n('all')}[].f`,
        `${n('u')}.whole`,
        `${n('u')}.half[1]`,
        `${n('grid')}[][]`,
      ]),
      write: [
        n('g0'),
        n('g1'),
        n('g2'),
        n('vol'),
        `${n('array')}[]`,
        `(*${n('p')})`,
        `${n('s')}.a`,
        `${n('s')}.f`,
        `${n('s')}.v[]`,
      ].concat([
        `${n('t')}.g`,
        `${n('t')}.in.c`,
        `${n('sp')}->b`,
        `${n('sp')}->f`,
        `${n('all')}[].a`,
        `${n('u')}.whole`,
        `${n('u')}.half[2]`,
        `${n('grid')}[][]`,
      ]),
      pure: [],
      scope: 'file',
    };
    const parameters: Names = { read: ['x', 'y'], write: ['x', 'y'], pure: [], scope: 'function' };
    const pure = ['f0', 'f1', 'f2'].map(n);
    const functions = pure.map(
      (name) =>
        `static ${first} ${name}(${first} x, ${second} y)\n{\n${this.block(1, parameters, 2)}\nreturn ${this.expression(2, parameters)};\n}`,
    );
    const all = { ...globals, pure: [...pure, n('recursive'), `${n('table')}[${this.index(globals)} & 3]`] };
    const text = `
${S} { ${this.shuffled(members).join(' ')} }${packed};
union ${n('U')} { unsigned long long whole; unsigned short half[4]; unsigned char byte[8]; };
static ${type()} ${n('g0')} = ${this.pick(NUMBERS)}, ${n('g1')} = ${this.pick(NUMBERS)}; static ${type()} ${n('g2')};
static volatile ${type()} ${n('vol')} = ${this.pick(NUMBERS)};
static ${type()} ${n('array')}[${ELEMENTS}] = { ${this.pick(NUMBERS)}, [3] = ${this.pick(NUMBERS)}, [5 ... 6] = 9 };
static ${type()} ${n('grid')}[${ELEMENTS}][${ELEMENTS}] = { { 1, 2 }, [4] = { [2] = 3 } };
static ${S} ${n('s')} = { .f = 1, .b = ${this.pick(NUMBERS)}, .v = { 1, 2 } }, ${n('t')}, ${n('all')}[${ELEMENTS}] = { [2] = { .a = 5 } };
static union ${n('U')} ${n('u')} = { .half = { 1, 2, 3 } };
static typeof(${n('array')}[0]) *${n('p')} = &${n('array')}[2];
static ${S} *${n('sp')} = &${n('all')}[1];
static ${S} ${n('make')}(${makes[0]} x, ${makes[1]} y), ${n('changed')}(${S} r); static ${counts[0]} ${n('count')}(${counts[1]} x);
${functions.join('\n')}
static ${first} (*const ${n('table')}[])(${first}, ${second}) = { ${n('f0')}, &${n('f1')}, ${n('f2')}, ${n('f0')} };
static int ${n('recursive')}(int x, ${type()} y) { return (x & 7) == 0 ? (int)${this.expression(1, parameters)} : ${n('recursive')}((x & 7) - 1, (y ^ x) + 1) + x; }
static ${S} ${n('make')}(${makes[0]} x, ${makes[1]} y) { ${S} r = { .a = x, .f = y }; r.v[3] = ${this.expression(1, parameters)}; return r; }
static ${S} ${n('changed')}(${S} r) { r.b += r.a; r.g ^= r.f; r.v[1]--; return r; }
static ${counts[0]} ${n('count')}(${counts[1]} x) { static ${type()} calls = ${this.pick(NUMBERS)}; calls += 3; ${n('g2')} ^= calls; return x + calls; }
static void ${n('run')}(void)
{
${this.block(3, all, 9)}
show(${n('g0')}); show(${n('g1')}); show(${n('g2')}); show(${n('vol')}); show(${n('u')}.whole); show(*${n('p')});
show(sum(${n('array')}, sizeof ${n('array')})); show(sum(${n('grid')}, sizeof ${n('grid')}));
show(${n('s')}.a); show(${n('s')}.b); show(${n('s')}.f); show(${n('s')}.g); show(${n('t')}.f); show(${n('t')}.in.c);
for (int i = 0; i < ${ELEMENTS}; i++) { show(${n('all')}[i].a); show(${n('all')}[i].b); show(${n('all')}[i].f); show(${n('all')}[i].v[i]); }
show(${this.expression(3, all)}); show(${this.expression(3, all)}); show(sizeof(${S})); show((char *)${n('sp')} - (char *)${n('all')});
}
`;
    return { text, entry: n('run') };
  }

  private shuffled<T>(list: readonly T[]): T[] {
    const rest = [...list];
    const out: T[] = [];
    while (rest.length > 0) out.push(...rest.splice(this.chance.below(rest.length), 1));
    return out;
  }
}

/** Several programs in one text, which prints one line for each: a sum over all that it shows, and how much that was. */
export function programs(seeds: readonly number[]): string {
  const made = seeds.map((seed) => ({ seed, ...new ProgramWriter(seed, `p${seed}_`).program() }));
  return `
static unsigned long long total; static int shown;
static void show(unsigned long long value) { total = (total ^ value) * 0x100000001b3ULL + (value >> 29); shown++; }
static unsigned long long sum(const void *from, unsigned long bytes)
{
    unsigned long long all = 0; const unsigned char *at = from;
    for (unsigned long i = 0; i < bytes; i++) all = all * 31 + at[i];
    return all;
}
${made.map(({ text }) => text).join('')}
int kernel_main(void)
{
${made.map(({ seed, entry }) => `    total = shown = 0; ${entry}(); printk("${seed}: %llx %d\\n", total, shown);`).join('\n')}
    return 0;
}
`;
}
