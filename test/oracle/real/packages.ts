/**
 * What the oracle needs from outside: QEMU, gcc, and Debian's Xen, which is unpacked into the cache and not installed.
 * On Debian as root everything is fetched; elsewhere one sentence says what is missing. Nothing of Xen's is committed.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { OracleUnavailable } from './unavailable.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
export const CACHE = join(ROOT, '.cache', 'oracle');
const KERNEL_SOURCES = join(ROOT, 'test', 'oracle', 'kernel');
const QEMU = 'qemu-system-x86_64';
const XEN_PACKAGE = 'xen-hypervisor-4.17-amd64';
const XEN_FILE = 'boot/xen-4.17-amd64.gz';

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

export interface OracleFiles {
  readonly qemu: string;
  readonly xen: string;
  readonly kernel: string;
}

/** Finds or makes everything; throws OracleUnavailable. */
export function provideFiles(): OracleFiles {
  mkdirSync(CACHE, { recursive: true });
  needProgram(QEMU, 'qemu-system-x86');
  needProgram('gcc', 'gcc');
  return { qemu: QEMU, xen: provideXen(), kernel: buildKernel() };
}

function hasProgram(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0;
}

function needProgram(name: string, debianPackage: string): void {
  if (hasProgram(name)) return;
  if (hasProgram('apt-get') && process.getuid?.() === 0) {
    const install = ['install', '-y', '--no-install-recommends', debianPackage];
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    for (const args of [['update'], install]) spawnSync('apt-get', args, { stdio: 'ignore', env });
    if (hasProgram(name)) return;
  }
  throw new OracleUnavailable(
    `The oracle needs ${name}, which this machine has not: install it (Debian: apt-get install ${debianPackage}).`,
  );
}

/** The hypervisor, unpacked: an ELF image for QEMU's -kernel. */
function provideXen(): string {
  const image = join(CACHE, 'xen-4.17');
  if (existsSync(image)) return image;
  const folder = join(CACHE, `unpack-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    const archive = download(folder);
    if (archive === null)
      throw new OracleUnavailable(
        `The oracle needs Debian's package ${XEN_PACKAGE}, which apt-get could not download: put the unzipped ${XEN_FILE} of it at ${image}.`,
      );
    if (spawnSync('dpkg', ['-x', archive, '.'], { cwd: folder, stdio: 'ignore' }).status !== 0)
      throw new OracleUnavailable(
        `dpkg could not unpack ${archive}: unpack it and put ${XEN_FILE} at ${image}.`,
      );
    const unzipped = join(folder, 'xen');
    writeFileSync(unzipped, gunzipSync(readFileSync(join(folder, XEN_FILE))));
    renameSync(unzipped, image);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return image;
}

/** Downloads the package's archive into a folder; its name, or null. Package lists are renewed if that is needed. */
function download(folder: string): string | null {
  const fetch = (): boolean =>
    spawnSync('apt-get', ['download', XEN_PACKAGE], { cwd: folder, stdio: 'ignore' }).status === 0;
  const isFetched =
    fetch() || (spawnSync('apt-get', ['update'], { stdio: 'ignore' }).status === 0 && fetch());
  return isFetched ? (readdirSync(folder).find((name) => name.endsWith('.deb')) ?? null) : null;
}

/** The PV kernel, built anew each time: it takes a fraction of a second. */
function buildKernel(): string {
  const kernel = join(CACHE, 'kernel.elf');
  const fresh = join(CACHE, `kernel-${process.pid}.elf`);
  const script = `-Wl,-T,${join(KERNEL_SOURCES, 'kernel.lds')}`;
  const sources = ['head.S', 'main.c'].map((name) => join(KERNEL_SOURCES, name));
  const built = spawnSync('gcc', [...GCC_FLAGS, script, '-o', fresh, ...sources], { encoding: 'utf8' });
  if (built.status !== 0)
    throw new OracleUnavailable(`gcc could not build the oracle's kernel: ${built.stderr.trim()}`);
  renameSync(fresh, kernel);
  return kernel;
}
