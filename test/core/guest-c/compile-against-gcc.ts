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

/** Lines that the text prints when gcc compiles it without optimisation and with wrapping arithmetic. */
export function gccPrints(text: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'xenscope-gcc-'));
  try {
    const source = join(folder, 'program.c');
    const binary = join(folder, 'program');
    writeFileSync(source, HOST_PRELUDE + text);
    execFileSync('gcc', ['-std=gnu11', '-O0', '-fwrapv', '-w', '-o', binary, source]);
    return execFileSync(binary, { encoding: 'utf8' }).replace(/\n$/, '').split('\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
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
