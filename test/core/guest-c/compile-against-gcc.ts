/** Runs a C text on the host, compiled by gcc, and on the model; both print with `printk`. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { ran } from '../timeline/scripts.ts';

const HOST_PRELUDE = `
#include <stdio.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#define printk printf
int kernel_main(void);
int main(void) { return kernel_main(); }
#line 1
`;

/**
 * For 32 bits there need be no C library on the host: a start of its own, the system calls, and the divisions of 64 bits that
 * gcc leaves to its library.
 */
const FREESTANDING_32 = `
typedef unsigned long long u64;
static void put(const char *s, unsigned n) { int r; __asm__ volatile("int $0x80" : "=a"(r) : "a"(4), "b"(1), "c"(s), "d"(n) : "memory"); }
static u64 divide(u64 a, u64 b, u64 *rest)
{
    u64 q = 0, r = 0;
    for (int i = 63; i >= 0; i--) { r = r << 1 | (a >> i & 1); if (r >= b) { r -= b; q |= 1ULL << i; } }
    *rest = r;
    return q;
}
u64 __udivdi3(u64 a, u64 b) { u64 r; return divide(a, b, &r); }
u64 __umoddi3(u64 a, u64 b) { u64 r; divide(a, b, &r); return r; }
long long __divdi3(long long a, long long b) { u64 r, q = divide(a < 0 ? -(u64)a : a, b < 0 ? -(u64)b : b, &r); return (a < 0) != (b < 0) ? -q : q; }
long long __moddi3(long long a, long long b) { u64 r; divide(a < 0 ? -(u64)a : a, b < 0 ? -(u64)b : b, &r); return a < 0 ? -r : r; }
void *memcpy(void *to, const void *from, unsigned n) { char *t = to; const char *f = from; while (n--) *t++ = *f++; return to; }
void *memset(void *to, int c, unsigned n) { char *t = to; while (n--) *t++ = c; return to; }
int printk(const char *format, ...)
{
    __builtin_va_list args;
    __builtin_va_start(args, format);
    for (const char *at = format; *at; at++) {
        char digits[24];
        int n = 24, isLong = at[0] == '%' && at[1] == 'l';
        u64 value, base;
        if (*at != '%') { put(at, 1); continue; }
        at += isLong ? 3 : 1;
        value = isLong ? __builtin_va_arg(args, u64) : (u64)__builtin_va_arg(args, int);
        base = *at == 'x' ? 16 : 10;
        do digits[--n] = "0123456789abcdef"[value % base]; while (value /= base);
        put(digits + n, 24 - n);
    }
    return 0;
}
int kernel_main(void);
void _start(void) { __asm__ volatile("int $0x80" : : "a"(1), "b"(kernel_main())); }
#line 1
`;

/** How a text becomes a program of the host for a word's width. */
const HOSTS = {
  64: { prelude: HOST_PRELUDE, options: [] },
  32: {
    prelude: FREESTANDING_32,
    options: [
      '-m32',
      '-ffreestanding',
      '-nostdlib',
      '-static',
      '-no-pie',
      '-fno-pic',
      '-fno-stack-protector',
    ],
  },
} as const;

/** Lines that the text prints when gcc compiles it without optimisation and with wrapping arithmetic. */
export function gccPrints(text: string, bits: 32 | 64 = 64): string[] {
  const { prelude, options } = HOSTS[bits];
  const folder = mkdtempSync(join(tmpdir(), 'xenscope-gcc-'));
  try {
    const source = join(folder, 'program.c');
    const binary = join(folder, 'program');
    writeFileSync(source, prelude + text);
    execFileSync(
      'gcc',
      [
        '-std=gnu11',
        '-O0',
        '-fwrapv',
        '-w',
        '-Wno-psabi',
        '-fno-diagnostics-show-caret',
        ...options,
        '-o',
        binary,
        source,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    return execFileSync(binary, { encoding: 'utf8' }).replace(/\n$/, '').split('\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Expects the model to print, on an ABI, what gcc's program of the same width prints. */
export function expectSameAsGccOn(abi: 'x86_64' | 'x86_32p' | 'x86_32', text: string): void {
  const session = ran(text, { abi, maxStatements: 20_000_000 });
  expect({ console: session.console, exit: session.exit }).toEqual({
    console: gccPrints(text, abi === 'x86_64' ? 64 : 32),
    exit: expect.objectContaining({ kind: 'finished' }),
  });
  expect(session.audit()).toEqual([]);
}

/** Expects the model to print what gcc's program prints. The 32-bit ABI only where the text does not depend on `long`. */
export function expectSameAsGcc(text: string, abis: readonly string[]): void {
  const expected = gccPrints(text);
  for (const abi of abis) {
    const session = ran(text, { abi });
    expect({ abi, console: session.console, exit: session.exit }).toEqual({
      abi,
      console: expected,
      exit: expect.objectContaining({ kind: 'finished' }),
    });
    expect(session.audit()).toEqual([]);
  }
}
