/** The oracle's kernel, built anew each time: that takes a fraction of a second. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { RealXenUnavailable } from '../../../adapter/real-xen/real-xen-unavailable.ts';
import { provideRealXen } from '../../../adapter/real-xen/provide.ts';
import type { BootFiles } from '../../../adapter/real-xen/qemu.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const CACHE = join(ROOT, '.cache', 'oracle');
const SOURCES = join(ROOT, 'test', 'oracle', 'kernel');

const GCC_FLAGS = [
  ...['-m64', '-O2', '-Wall', '-Wextra', '-Werror', '-ffreestanding', '-fno-pic', '-no-pie', '-mno-red-zone'],
  ...[
    '-mgeneral-regs-only',
    '-fno-stack-protector',
    '-fno-asynchronous-unwind-tables',
    '-fcf-protection=none',
  ],
  ...['-nostdlib', '-static', '-Wl,--build-id=none', '-Wl,--no-warn-rwx-segments'],
];

const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** Finds or makes everything that the oracle's machine starts from; throws RealXenUnavailable. */
export function provideFiles(): BootFiles {
  const files = provideRealXen(CACHE, say);
  mkdirSync(CACHE, { recursive: true });
  return { ...files, kernel: buildKernel() };
}

function buildKernel(): string {
  const kernel = join(CACHE, 'kernel.elf');
  const fresh = join(CACHE, `kernel-${process.pid}.elf`);
  const script = `-Wl,-T,${join(SOURCES, 'kernel.lds')}`;
  const sources = ['head.S', 'main.c'].map((name) => join(SOURCES, name));
  const built = spawnSync('gcc', [...GCC_FLAGS, script, '-o', fresh, ...sources], { encoding: 'utf8' });
  if (built.status !== 0)
    throw new RealXenUnavailable(`gcc could not build the oracle's kernel: ${built.stderr.trim()}`);
  renameSync(fresh, kernel);
  return kernel;
}
