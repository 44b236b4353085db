/** The preprocessor against gcc -E on a corpus of macros, and what it keeps of places. */

import { describe, expect, it } from 'vitest';
import { type Token, TokenKind, lex } from '../../../core/guest-c/lexer.ts';
import { preprocess } from '../../../core/guest-c/preprocessor.ts';
import { ProblemList, SourceFile } from '../../../core/guest-c/source.ts';
import { DATA_MODELS } from '../../../core/guest-c/types.ts';
import { gcc, hostWith, withoutGcc } from './front-support.ts';

function run(
  text: string,
  files: Readonly<Record<string, string>> = {},
): { tokens: readonly Token[]; problems: string[] } {
  const list = new ProblemList();
  const around = { before: [], after: [] };
  const { tokens } = preprocess({ path: 'test.c', text }, hostWith(files), DATA_MODELS.x86_64, around, list);
  return { tokens, problems: list.problems.map(({ id, line }) => `${line}: ${id}`) };
}

const texts = (tokens: readonly Token[]): string[] => tokens.map((token) => token.text);

/** The classic examples of C11 6.10.3.5 and its footnotes, GNU's extensions, and what kernels do with macros. */
const CORPUS: Readonly<Record<string, string>> = {
  'rescanning and replacement (6.10.3.5 example 3)': `
#define x 3
#define f(a) f(x * (a))
#undef x
#define x 2
#define g f
#define z z[0]
#define h g(~
#define m(a) a(w)
#define w 0,1
#define t(a) a
#define p() int
#define q(x) x
#define r(x,y) x ## y
#define str(x) # x
f(y+1) + f(f(z)) % t(t(g)(0) + t)(1);
g(x+(3,4)-w) | h 5) & m
(f)^m(m);
p() i[q()] = { q(1), r(2,3), r(4,), r(,5), r(,) };
char c[2][6] = { str(hello), str() };`,
  'strings and pasting (example 4)': `
#define str(s) # s
#define xstr(s) str(s)
#define debug(s, t) printf("x" # s "= %d, x" # t "= %s", \\
               x ## s, x ## t)
#define INCFILE(n) vers ## n
#define glue(a, b) a ## b
#define xglue(a, b) glue(a, b)
#define HIGHLOW "hello"
#define LOW LOW ", world"
debug(1, 2);
fputs(str(strncmp("abc\\0d", "abc", '\\4') // this goes away
== 0) str(: @\\n), s);
xstr(INCFILE(2).h)
glue(HIGH, LOW);
xglue(HIGH, LOW)`,
  'placemarkers (example 5)': `
#define t(x,y,z) x ## y ## z
int j[] = { t(1,2,3), t(,4,5), t(6,,7), t(8,9,), t(10,,), t(,11,), t(,,12), t(,,) };`,
  'variable arguments (example 7)': `
#define debug(...) fprintf(stderr, __VA_ARGS__)
#define showlist(...) puts(#__VA_ARGS__)
#define report(test, ...) ((test)?puts(#test): printf(__VA_ARGS__))
debug("Flag");
debug("X = %d\\n", x);
showlist(The first, second, and third items.);
report(x>y, "x is %d but y is %d", x, y);`,
  "GNU's named variable arguments and the swallowed comma": `
#define dbg(_f, _a...) pr("x" _f, ## _a)
#define d2(...) pr(1, ## __VA_ARGS__)
#define d3(f, ...) pr(f, ##__VA_ARGS__)
#define x y
dbg("a") dbg("a", 1, 2) dbg("b", ) dbg("c", x)
d2() d2(1) d2(x) d2(,)
d3(1) d3(1, 2) d3(1, ) d3()`,
  __VA_OPT__: `
#define EMPTY
#define F(a, ...) f(a __VA_OPT__(,) __VA_ARGS__)
#define G(X, ...) f(0, X __VA_OPT__(,) __VA_ARGS__)
#define SDEF(sname, ...) S sname __VA_OPT__(= { __VA_ARGS__ })
F(1) F(1, 2) F(1, 2, 3) F(1, ) F(1, EMPTY)
G(a, b, c) G(a, ) G(a)
SDEF(foo); SDEF(bar, 1, 2);`,
  'spacing in strings': `
#define EMPTY
#define str(x) #x
#define xstr(x) str(x)
#define id(x) x
#define NEG -1
xstr(a EMPTY;b) xstr( a  + EMPTY b ) xstr(id( 3 )+id(4)) xstr(- NEG) xstr(-NEG) str(  "a  b"   'c'  )
str( a
   b ) str(a /* comment */ b) str(a/**/b) str("\\n" '\\'' "\\"")`,
  'recursion that must stop': `
#define f(a) a*g
#define g(a) f(a)
#define foo foo bar
#define a b
#define b a
f(2)(9) foo a b
#define NIL(xxx) xxx
#define G_0(arg) NIL(G_1)(arg)
#define G_1(arg) NIL(arg)
G_0(42)
#define AA BB CC
#define BB AA
AA BB`,
  'calls over several lines and with directives': `
#define call(x, y) [x | y]
call(1,
     2)
call
(3,
 4)
call (
#ifdef NO
 5
#else
 6
#endif
 , 7)
call
+ call(call(1, 2), call(3, call(4, 5)))`,
  conditions: `
#define ONE 1
#define ZERO
#if defined(ONE) && !defined NO && ONE == 1 && (2 > 1 ? ONE : NO)
yes1
#endif
#if -1 > 0u
yes2
#endif
#if 0xffffffffffffffff == -1 && (1 ? -1 : 0u) > 0
yes3
#endif
#if 'a' == 97 && '\\377' < 0 && 'ab' == 24930 && L'x' == 120
yes4
#endif
#if 0
#elif 1
yes5
#elif 1 / 0
no
#else
no
#endif
#if (2 || 1/0) && !(0 && 1/0)
yes6
#endif
#if UNDEFINED == 0 && true == 0
yes7
#endif
#if 0
it's not "lexed
#endif
#ifndef ONE
no
#elif ONE << 3 >> 1 == 4 && ~0 == -1 && 7 % 4 == 3 && -7 / 2 == -3
yes8
#endif
#define defd defined(ONE)
#if defd
yes9
#endif
#if __has_include(<nothing/like_this.h>)
no
#endif`,
  'places as tokens': `
#define L __LINE__
#define CALL(x) x L
__LINE__ L CALL(1) CALL(
2
) __COUNTER__ __COUNTER__ __INCLUDE_LEVEL__
# define  N __COUNTER__
N N`,
  lexing: `
a+++++b .5e-3f 0x1p-2 1.2.3 1e+5 0xe+1 ..a ...b ->* %:define X 1
%> <: :> <% "a\\
b" x\\
y 1\\
2 /\\
* hidden *\\
/ u8"x" L'x' U"y" R $d \\ @
'\\'' "\\\\" a/**/b // end \\
still the end`,
  'kernel idioms': `
#define offsetof(t, m) ((unsigned long)&((t *)0)->m)
#define container_of(p, t, m) ({ const typeof(((t *)0)->m) *__p = (p); (t *)((char *)__p - offsetof(t, m)); })
#define __PASTE(a, b) a##b
#define UNIQUE(p) __PASTE(p, __COUNTER__)
#define BUG_ON(x) do { if (x) { printk("BUG at %s:%d: %s\\n", "f", 1, #x); } } while (0)
#define EXPORT(sym) extern typeof(sym) sym; static const char __k_##sym[] = #sym
container_of(ptr, struct page, list); BUG_ON(a == b && *p); EXPORT(my_fn);
int UNIQUE(id_), UNIQUE(id_);
#define list_for_each(pos, head) for (pos = (head)->next; pos != (head); pos = pos->next)
list_for_each(p, &h) { }
#define MACRO_WITH_EMPTY(a,,) bad
#undef MACRO_WITH_EMPTY
#define DEFINE_XEN_GUEST_HANDLE(name) typedef struct { name *p; } __guest_handle_ ## name
DEFINE_XEN_GUEST_HANDLE(mmu_update_t);`.replace(/#define MACRO_WITH_EMPTY.*\n/, ''),
};

describe.skipIf(withoutGcc)('the preprocessor gives the tokens of gcc -E', () => {
  it.each(Object.entries(CORPUS))('%s', (_name, text) => {
    const expected = lex(new SourceFile('gcc', gcc(['-E', '-P', '-std=gnu11', '-w'], text)));
    const { tokens } = run(text);
    expect(texts(tokens)).toEqual(texts(expected));
  });
});

describe('places', () => {
  it('a token of an expansion names its outermost macro call', () => {
    const { tokens } = run('#define inner(x) (x + 1)\n#define outer(x) inner(x) * 2\nint v = outer(\n  a);');
    const one = tokens.find((token) => token.text === '1');
    expect(one?.range).toEqual({
      file: 'test.c',
      line: 3,
      column: 9,
      endLine: 4,
      endColumn: 5,
      inMacro: true,
    });
  });

  it('an argument keeps its own place', () => {
    const { tokens } = run('#define twice(x) x x\ntwice(abc)');
    const found = tokens.filter((token) => token.text === 'abc').map((token) => token.range);
    const place = { file: 'test.c', line: 2, column: 7, endLine: 2, endColumn: 10, inMacro: true };
    expect(found).toEqual([place, place]);
  });

  it('a token of a header is placed in the header', () => {
    const { tokens } = run('#include "a.h"\nx', { 'a.h': '\n\n  hello' });
    expect(tokens[0]?.range).toMatchObject({ file: 'a.h', line: 3, column: 3 });
  });
});

describe('includes', () => {
  it('are searched beside the file, in the include paths, then among the shipped headers', () => {
    const files = { 'sub/a.h': '#include "b.h"\n#include <c.h>', 'sub/b.h': 'beside', 'include/c.h': 'path' };
    expect(texts(run('#include "sub/a.h"', files).tokens)).toEqual(['beside', 'path', '']);
    expect(run('#include <xen/errno.h>').problems).toEqual([]);
  });

  it('are read once with #pragma once', () => {
    const files = { 'a.h': '#pragma once\none', 'd/../a.h': 'never' };
    expect(texts(run('#include "a.h"\n#include "./a.h"\n#include "d/../a.h"', files).tokens)).toEqual([
      'one',
      '',
    ]);
  });

  it('of themselves end in one message', () => {
    expect(run('#include "a.h"', { 'a.h': '#include "a.h"' }).problems).toEqual(['1: pp.include-depth']);
  });

  it('of files that include each other twice over end in one message', () => {
    const twice = '#include "a.h"\n#include "a.h"';
    expect(run(twice, { 'a.h': twice }).problems).toEqual(['1: pp.include-depth']);
    const files = Object.fromEntries(
      Array.from({ length: 60 }, (_, i) => [`h${i}.h`, `#include "h${i + 1}.h"\n#include "h${i + 1}.h"`]),
    );
    const { problems } = run('#include "h0.h"', { ...files, 'h60.h': 'int x;' });
    expect(problems).toEqual([expect.stringContaining('pp.too-many-includes')]);
  });

  it('may be named by a macro', () => {
    const files = { 'a.h': 'found' };
    expect(texts(run('#define H "a.h"\n#include H', files).tokens)).toEqual(['found', '']);
    expect(run('#define H <xen/errno.h>\n#include H').problems).toEqual([]);
  });
});

describe('mistakes are said once, at their place', () => {
  it.each([
    ['#include "nothing.h"', '1: pp.include-not-found'],
    ['\n#if 1', '2: pp.unterminated-conditional'],
    ['#endif', '1: pp.no-if'],
    ['#if\n#endif', '1: pp.empty-condition'],
    ['#if 1 +\n#endif', '1: pp.bad-condition'],
    ['#if 1 / 0\n#endif', '1: pp.bad-condition'],
    ['#define f(a b) a', '1: pp.macro-parameters'],
    ['#define f(a) #b', '1: pp.stringise'],
    ['#define f ## x', '1: pp.paste-at-edge'],
    ['#define f(a) a\nf(1', '2: pp.unterminated-call'],
    ['#define f(a) a\nf(1, 2)', '2: pp.argument-count'],
    ['#define f(a, b) a ## b\nf(+, /)', '2: pp.bad-paste'],
    ['#define A 1\n#define A 2', '2: pp.macro-redefined'],
    ['#nonsense', '1: pp.unknown-directive'],
    ['#error no such machine', '1: pp.error'],
    ['#warning careful', '1: pp.warning'],
  ])('%j', (text, problem) => {
    expect(run(text).problems).toEqual([problem]);
  });

  it('a macro that doubles itself without end is stopped', () => {
    const lines = Array.from({ length: 60 }, (_, i) => `#define m${i + 1} m${i} m${i}`);
    const { problems } = run(`#define m0 x\n${lines.join('\n')}\nm60`);
    expect(problems).toEqual(['62: pp.too-much-expansion']);
  }, 120_000);

  it('an unclosed comment is a token that the parser can report', () => {
    const { tokens } = run('a /* b');
    expect(tokens[1]?.kind).toBe(TokenKind.bad);
  });
});
