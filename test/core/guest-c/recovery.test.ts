/**
 * Broken text: the front end never throws, ends in bounded time, and a single missing token costs few messages and few
 * functions. Seeds are in the test names; a failing case prints its recipe.
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { TokenKind, lex } from '../../../core/guest-c/lexer.ts';
import { SourceFile } from '../../../core/guest-c/source.ts';
import { Chance, compileText, problemLine } from './front-support.ts';

const example = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../examples/${name}`, import.meta.url)), 'utf8');
const SCRIPT = example('page-fault.guest.c');

const tokensOf = (text: string): { offset: number; end: number }[] =>
  lex(new SourceFile('x', text)).filter((token) => token.kind !== TokenKind.end);

function median(numbers: readonly number[]): number {
  const ordered = [...numbers].sort((a, b) => a - b);
  return ordered[Math.floor(ordered.length / 2)] ?? 0;
}

describe('a script with one token missing', () => {
  const intact = compileText(SCRIPT, { prelude: true });
  const own = (result: typeof intact): string[] =>
    result.unit.functions.filter((f) => f.range.file === 'test.c').map((f) => f.name);

  it('loses in the median no function and gets one message', () => {
    const tokens = tokensOf(SCRIPT).filter((token) => SCRIPT[token.offset] !== '#');
    const results = tokens
      .filter((_, i) => i % 4 === 0)
      .map(({ offset, end }) => {
        const result = compileText(`${SCRIPT.slice(0, offset)} ${SCRIPT.slice(end)}`, { prelude: true });
        const errors = result.problems.filter((problem) => problem.severity === 'error').length;
        return { lost: own(intact).length - own(result).length, errors };
      });
    const errors = results.map((result) => result.errors);
    expect(median(results.map((result) => result.lost))).toBe(0);
    expect(median(errors)).toBe(1);
    const tenth = [...errors].sort((a, b) => b - a)[Math.floor(errors.length / 10)] ?? 0;
    expect(tenth).toBeLessThanOrEqual(4);
  }, 120_000);
});

describe('mutated text', () => {
  const PIECES = [
    '(',
    ')',
    '{',
    '}',
    '[',
    ']',
    ';',
    ',',
    '"',
    "'",
    '#',
    '/*',
    '*/',
    '\\\n',
    '0x',
    '.5',
    '->',
    '...',
    'if',
    'struct',
  ];
  const MORE = [
    'typedef',
    'case 1:',
    'sizeof',
    '= {',
    'int',
    '*',
    '__attribute__((',
    '#define x(',
    '#if',
    '?',
    ':',
    '\0',
    'ü',
    '##',
  ];

  it.each([21, 22, 23, 24, 25, 26])('made from seed %i is read to its end', (seed) => {
    const chance = new Chance(seed);
    for (let round = 0; round < 40; round++) {
      const text = mutated(chance);
      expect(() => compileText(text), `seed ${seed}, round ${round}:\n${text}`).not.toThrow();
    }
  });

  function mutated(chance: Chance): string {
    let text = SCRIPT;
    for (let change = 0; change < 1 + chance.below(6); change++) {
      const at = chance.below(text.length);
      const to = Math.min(text.length, at + chance.below(40));
      const kind = chance.below(5);
      if (kind === 0) text = text.slice(0, at);
      else if (kind === 1) text = text.slice(0, at) + text.slice(to);
      else if (kind === 2) text = text.slice(0, to) + text.slice(at);
      else text = text.slice(0, at) + chance.pick([...PIECES, ...MORE]) + text.slice(at + chance.below(2));
    }
    return text;
  }
});

describe('hostile text ends in bounded time with a message', () => {
  const deep = (open: string, close: string, count = 100_000): string =>
    open.repeat(count) + '1' + close.repeat(count);
  const inFunction = (body: string): string => `int f(int a, int *p)\n{\n${body}\nreturn 0;\n}\n`;

  it.each([
    ['100 000 parentheses', inFunction(`a = ${deep('(', ')')};`), 'too-deep'],
    ['100 000 minus signs', inFunction(`a = ${deep('- ', '')};`), 'too-deep'],
    ['100 000 stars', inFunction(`a = ${deep('*', '')};`), 'too-deep'],
    ['100 000 braces', inFunction(deep('{', '}')), 'too-deep'],
    ['100 000 brackets', inFunction(`a = ${'p['.repeat(100_000)}`), 'too-deep'],
    ['a sum of 100 000 terms', inFunction(`a = a${' + a'.repeat(100_000)};`), 'too-deep'],
    ['100 000 else ifs', inFunction(`if (a) ; ${'else if (a) ; '.repeat(100_000)}`), 'too-deep'],
    ['100 000 nested loops', inFunction(`${'while (a) '.repeat(100_000)};`), 'too-deep'],
    ['nested braces in an initialiser', `int x[] = ${deep('{', '}')};`, 'too-deep'],
    ['100 000 nested structures', `${'struct { '.repeat(100_000)} int x; `, 'too-deep'],
    ['a declarator in 100 000 parentheses', `int ${deep('(', ')').replace('1', 'x')};`, 'too-deep'],
    ['a pointer to a pointer, 100 000 times', `int ${'*'.repeat(100_000)}x;`, 'too-deep'],
    [
      'a function returning a pointer to one, 100 000 times',
      `int ${'(*'.repeat(100_000)}f${')(void)'.repeat(100_000)};`,
      'too-deep',
    ],
    ['a condition in 100 000 parentheses', `#if ${deep('(', ')')}\n#endif\nint x;`, 'pp.bad-condition'],
    [
      '100 000 mistakes',
      inFunction('undeclared0 = 1;\n}\nint g(void) {\n'.repeat(100_000)),
      'too-many-errors',
    ],
    ['an array of 4 GiB', 'char big[0x100000000];', 'array-length'],
    ['a structure that contains itself', 'struct s { struct s inner; };', 'incomplete-type'],
    ['a typedef of itself', 'typedef x x;', 'undeclared-type'],
    [
      'binary data',
      Array.from({ length: 4096 }, (_, i) => String.fromCharCode((i * 7919) % 256)).join(''),
      'lex.character',
    ],
  ])('%s', (_name, text, id) => {
    const started = performance.now();
    const { problems } = compileText(text);
    expect(problems.map((problem) => problem.id)).toContain(id);
    expect(problems.length).toBeLessThanOrEqual(201);
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  it('each literal without an end is told, for it takes no more than its line with it', () => {
    const text = 'void f(void)\n{\n    char *s = "abc;\n    char c = \'a;\n    return absent;\n}\n';
    expect(compileText(text).problems.map(({ id, line }) => `${id} ${line}`)).toEqual([
      'lex.unterminated 3',
      'lex.unterminated 4',
      'undeclared 5',
    ]);
  });

  it('a line of 10 MB is read', () => {
    const text = `int x = ${'1 + '.repeat(10)}1; /* ${'x'.repeat(10_000_000)} */ int y = "${'s'.repeat(1000)}"[0] + z;`;
    expect(compileText(text).problems.map(problemLine)).toEqual([
      expect.stringContaining("Name 'z' is not declared"),
    ]);
  });
});
