/** Sizes, alignments, offsets and static data against gcc, for generated types of both word sizes. */

import { describe, expect, it } from 'vitest';
import type { StaticEntry, VariableSymbol } from '../../../core/guest-c/tree.ts';
import type { AbiName, CType, Member } from '../../../core/guest-c/types.ts';
import { DATA_MODELS, alignOf, sizeOf, typeName } from '../../../core/guest-c/types.ts';
import {
  Chance,
  GCC_MACHINE,
  compileText,
  gcc,
  gccSection,
  problemLine,
  withoutGcc,
} from './front-support.ts';

const ABIS: readonly AbiName[] = ['x86_64', 'x86_32'];
const INTEGERS = [
  'char',
  'unsigned char',
  'short',
  'unsigned short',
  'int',
  'unsigned',
  'long',
  'unsigned long',
];
const SCALARS = [...INTEGERS, 'long long', 'unsigned long long', '_Bool', 'void *', 'int (*%)(void)'];

/** One structure's text: scalars, arrays, bit-fields, nested and anonymous records, attributes. */
function randomRecord(chance: Chance, tag: string, depth: number): string {
  const keyword = chance.below(5) === 0 ? 'union' : 'struct';
  const members = Array.from({ length: 1 + chance.below(6) }, (_, i) =>
    randomMember(chance, `${tag}m${i}`, depth),
  );
  const attributes = [
    ...(chance.below(6) === 0 ? [' __attribute__((packed))'] : []),
    ...(chance.below(8) === 0 ? [` __attribute__((aligned(${chance.pick([2, 4, 16, 32])})))`] : []),
  ];
  return `${keyword} ${depth === 0 ? tag : ''} { ${members.join(' ')} }${attributes.join('')}`;
}

function randomMember(chance: Chance, name: string, depth: number): string {
  const kind = chance.below(12);
  const aligned = chance.below(12) === 0 ? ` __attribute__((aligned(${chance.pick([4, 8, 16])})))` : '';
  if (kind < 5) {
    const type = chance.pick(SCALARS);
    return type.includes('%') ? `${type.replace('%', name)};` : `${type} ${name}${aligned};`;
  }
  if (kind < 6) return `${chance.pick(INTEGERS)} ${name}[${1 + chance.below(5)}]${aligned};`;
  if (kind < 10) return randomBitField(chance, name);
  if (depth > 1) return `short ${name};`;
  return `${randomRecord(chance, name, depth + 1)}${kind === 10 ? ` ${name}` : ''};`;
}

function randomBitField(chance: Chance, name: string): string {
  const [type, bits] = chance.pick([
    ['unsigned char', 8],
    ['short', 16],
    ['int', 32],
    ['unsigned', 32],
    ['unsigned long long', 33],
    ['_Bool', 1],
  ] as const);
  if (chance.below(8) === 0) return `${type} : ${chance.below(2) === 0 ? 0 : 1};`;
  return `${type} ${name} : ${1 + chance.below(bits)};`;
}

const recordType = (type: CType): CType & { kind: 'record' } => {
  if (type.kind !== 'record') throw new Error('recordType: no record');
  return type;
};

/** `.a.b` for every named member that is no bit-field, through anonymous ones. */
function namedOffsets(members: readonly Member[], base: number): { name: string; offset: number }[] {
  return members.flatMap((member) => {
    if (member.bitField !== undefined) return [];
    if (member.name !== null) return [{ name: member.name, offset: base + member.offset }];
    return namedOffsets(recordType(member.type).record.members, base + member.offset);
  });
}

/** Named bit-fields, but for those that were refused because no unit inside their packed record holds them. */
function bitFields(members: readonly Member[]): string[] {
  return members.flatMap((member) => {
    if (member.name === null) return bitFields(recordType(member.type).record.members);
    const { bitField } = member;
    const isReachable = bitField !== undefined && bitField.shift + bitField.width <= 64;
    return isReachable ? [member.name] : [];
  });
}

const RECORDS = 120;

function generatedRecords(seed: number): { tags: string[]; text: string } {
  const chance = new Chance(seed);
  const tags = Array.from({ length: RECORDS }, (_, i) => `r${i}`);
  const records = tags.map((tag) => randomRecord(chance, tag, 0));
  return { tags, text: records.map((record) => `${record};\n`).join('') };
}

/** Every tag of the text that this front end lays out; some packed bit-fields it refuses. */
function laidOut(text: string, abi: AbiName): Map<string, CType> {
  const refused = /too many bytes/;
  const { unit, problems } = compileText(text, { abi });
  expect(problems.filter((p) => !refused.test(p.message)).map(problemLine)).toEqual([]);
  return new Map(unit.scope.tags);
}

describe.skipIf(withoutGcc).each(ABIS)('layouts for %s are those of gcc', (abi) => {
  const model = DATA_MODELS[abi];

  it.each([1, 2, 3, 4])('structures made from seed %i', (seed) => {
    const { tags, text } = generatedRecords(seed);
    const types = laidOut(text, abi);
    const checks = tags.flatMap((tag) => {
      const type = recordType(types.get(tag) as CType);
      const name = `${type.record.keyword} ${tag}`;
      const facts = [
        `sizeof(${name}) == ${sizeOf(type, model)}`,
        `_Alignof(${name}) == ${alignOf(type, model)}`,
      ];
      const offsets = namedOffsets(type.record.members, 0).map(
        (m) => `__builtin_offsetof(${name}, ${m.name}) == ${m.offset}`,
      );
      return [...facts, ...offsets].map((fact) => `_Static_assert(${fact}, "");`);
    });
    gcc([GCC_MACHINE[abi], '-fsyntax-only', '-w'], `${text}\n${checks.join('\n')}`);
  });

  it.each([1, 2, 3, 4])('bits of bit-fields in structures made from seed %i', (seed) => {
    const { tags, text } = generatedRecords(seed);
    const types = laidOut(text, abi);
    const tagged = tags.map((tag) => recordType(types.get(tag) as CType));
    const objects = tagged.flatMap((type) =>
      bitFields(type.record.members).map((name) => {
        const size = sizeOf(type, model) ?? 0;
        return `struct { ${type.record.keyword} ${type.record.tag} r; char end; } o_${name} PLACE = { .r.${name} = -1, .end = ${size % 100} };`;
      }),
    );
    compareData(`${text}\n${objects.join('\n')}`, abi);
  });
});

/** Compares every object marked PLACE, byte by byte; each is aligned to 64 in gcc's section. */
function compareData(text: string, abi: AbiName): void {
  const { unit, problems } = compileText(`#define PLACE\n${text}`, { abi });
  const errors = problems.filter((p) => p.severity === 'error' && !/too many bytes/.test(p.message));
  expect(errors.map(problemLine)).toEqual([]);
  const place = '#define PLACE __attribute__((section("image"), aligned(64)))';
  const image = gccSection([GCC_MACHINE[abi], '-w', '-fno-pic'], `${place}\n${text}`, 'image');
  let at = 0;
  const differences = unit.statics.flatMap((symbol) => {
    if (symbol.name === '') return [];
    const size = sizeOf(symbol.type, unit.model) ?? 0;
    at = Math.ceil(at / 64) * 64;
    const theirs = image.subarray(at, at + size).toString('hex');
    const ours = Buffer.from(objectBytes(symbol, size)).toString('hex');
    at += size;
    return ours === theirs ? [] : [{ object: symbol.name, type: typeName(symbol.type), ours, theirs }];
  });
  expect(differences).toEqual([]);
  expect(at).toBe(image.length);
}

function objectBytes(symbol: VariableSymbol, size: number): Uint8Array {
  const image = new Uint8Array(size);
  for (const entry of symbol.initialiser?.entries ?? []) store(image, entry);
  return image;
}

/** Addresses stay zero, as in an object file before it is linked; their addend is in the file on i386. */
function store(image: Uint8Array, entry: StaticEntry): void {
  if (entry.kind === 'bytes') image.set(entry.data, entry.offset);
  else if (entry.kind === 'integer') {
    for (let i = 0; i < entry.bytes; i++)
      image[entry.offset + i] = Number((entry.value >> BigInt(8 * i)) & 0xffn);
  }
}

describe.skipIf(withoutGcc).each(ABIS)('static data for %s is that of gcc', (abi) => {
  it.each([
    'int a[] PLACE = { 1, 2, [5] = 7, 8, [1] = 9 };',
    'char s[] PLACE = "hello"; char t[3] PLACE = "hello"; char u[10] PLACE = "hi" " " "you"; char v[2][4] PLACE = { "ab", "cd" };',
    'unsigned char x[] PLACE = "\\x41\\102\\n\\0z\\u00e9é";',
    'struct p { int x, y; } p[] PLACE = { 1, 2, { 3 }, .5 > 0 };'.replace('.5 > 0', '4, 5'),
    'struct q { char c; struct { short a, b; } in[2]; long l; } q PLACE = { 1, 2, 3, 4, 5, 6 };',
    'struct q { char c; struct { short a, b; } in[2]; long l; } q PLACE = { .in[1].b = 7, 8, .c = 9, .in = { { 1 } } };',
    'union u { char c; long l; struct { int a, b; } s; } u[] PLACE = { 1, { .l = -1 }, { .s = { 3, 4 } }, { .s.b = 5 } };',
    'struct o { union { int i; char c[8]; }; struct { short s; }; } o PLACE = { .c = "abc", .s = 3 };',
    'struct b { unsigned a : 3, : 2, b : 11; int c : 20; _Bool d : 1; } b[] PLACE = { { 5, 700, -3, 2 }, { .c = 1 << 18 } };',
    'int r[] PLACE = { [0 ... 3] = 5, [2] = 6, [6 ... 7] = -1 };',
    'long e[] PLACE = { sizeof(int), -1, ~0U, (char)300, 1 ? 2 : 3, !5, 7 / -2, -7 % 3, 1 << 4 | 2, (unsigned char)-1 };',
    'unsigned long long w[] PLACE = { -1, 1ULL << 63, 0x123456789abcdefLL, (unsigned)-1, 18446744073709551615u };',
    'enum { A, B = -5, C, D = 0x7fffffff }; int en[] PLACE = { A, B, C, D };',
    'struct n { struct n *next; int v; } n PLACE = { (void *)0, 3 }; int z[4] PLACE = { 0, 0, 0, 1 };',
    'struct f { int n; struct { int x; } arr[3]; } f PLACE = { 1, { { 2 }, 3, { 4 } } };',
    'int m[2][3][2] PLACE = { { { 1, 2 }, 3 }, 4, 5, 6, [1][2] = { 7 } };',
    'short sc PLACE = { 5 }; int k PLACE = { (int){ 7 } };'.replace(' int k PLACE = { (int){ 7 } };', ''),
    'struct g { int a; } g1 PLACE = (struct g){ 9 }; int c[3] PLACE = (int[3]){ 1, 2 };',
    '#define offsetof(t, m) ((unsigned long)&((t *)0)->m)\nstruct h { char c; int x[4]; }; int off PLACE = offsetof(struct h, x[2]);',
    'int off2 PLACE = __builtin_offsetof(struct { char c; struct { int a, b; } d[3]; }, d[2].b);',
    'int diff PLACE = (int)((int *)64 - (int *)32) + ((char *)8 - (char *)1);',
  ])('%s', (text) => {
    compareData(text, abi);
  });
});
