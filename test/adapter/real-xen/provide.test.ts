/** What is said when this machine cannot run a real Xen, told on machines made of a few scripts on the PATH. */

import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { provideRealXen } from '../../../adapter/real-xen/provide.ts';
import { RealXenUnavailable } from '../../../adapter/real-xen/real-xen-unavailable.ts';

const realPath = process.env['PATH'] ?? '';
const ALL_PROGRAMS = ['qemu-system-x86_64', 'gcc', 'ld'] as const;
const isRoot = process.getuid?.() === 0;

let folder = '';
let said: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xenscope-provide-'));
  said = [];
  process.env['PATH'] = folder;
});

afterEach(() => {
  process.env['PATH'] = realPath;
  rmSync(folder, { recursive: true, force: true });
});

/** A program that is a shell script; without text it ends well. */
function program(name: string, text = ''): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(folder, name), 0o755);
}

const cache = (): string => join(folder, 'cache');

function provide(): string {
  try {
    return provideRealXen(cache(), (text) => said.push(text)).xen;
  } catch (error) {
    if (error instanceof RealXenUnavailable) return error.message;
    throw error;
  }
}

/** An apt-get that notes its commands, and does `download` only after an update. */
const APT_GET = `
[ "$1" = --version ] && exit 0
for word in "$@"; do case "$word" in update|install|download) echo "$word" >>"${'$'}{0%/*}/apt-log"; break;; esac; done
case " $* " in
*' update '*) : >"${'$'}{0%/*}/updated";;
*' update') : >"${'$'}{0%/*}/updated";;
*' download '*) [ -e "${'$'}{0%/*}/updated" ] || { echo "E: 404 Not Found" >&2; exit 100; }; : >xen.deb;;
*) echo "E: Unable to locate package" >&2; exit 100;;
esac`;

const aptCommands = (): string[] => readFileSync(join(folder, 'apt-log'), 'utf8').trim().split('\n');

describe('a machine that lacks what real Xen needs', () => {
  it('is told which program, and the Debian package that brings it', () => {
    expect(provide()).toBe(
      'Real Xen needs qemu-system-x86_64, which is not on the PATH: install it (Debian: apt-get install qemu-system-x86).',
    );
    program('qemu-system-x86_64');
    program('gcc');
    expect(provide()).toBe(
      'Real Xen needs ld, which is not on the PATH: install it (Debian: apt-get install binutils).',
    );
  });

  it('is told how to put the hypervisor in place where there is no apt-get', () => {
    ALL_PROGRAMS.forEach((name) => {
      program(name);
    });
    expect(provide()).toBe(
      "Real Xen needs the hypervisor of Debian's package xen-hypervisor-4.17-amd64 (this system has no apt-get to download it): " +
        `put its boot/xen-4.17-amd64.gz, unzipped, at ${join(cache(), 'xen-4.17')}.`,
    );
    expect(readdirSync(cache())).toEqual([]);
  });

  it.runIf(isRoot)('is told why apt-get could not install it', () => {
    program('apt-get', APT_GET);
    expect(provide()).toMatch(/apt-get could not: E: Unable to locate package$/);
    expect(aptCommands()).toEqual(['install', 'update', 'install']);
    expect(said).toEqual([expect.stringContaining('Installing qemu-system-x86')]);
  });
});

describe('the hypervisor', () => {
  beforeEach(() => {
    ALL_PROGRAMS.forEach((name) => {
      program(name);
    });
    program('apt-get', APT_GET);
    writeFileSync(join(folder, 'image.gz'), gzipSync('the hypervisor'));
    program('dpkg', `PATH=${realPath}; mkdir boot && cp "${folder}/image.gz" boot/xen-4.17-amd64.gz`);
  });

  it('is downloaded with renewed package lists, unpacked, and found again without a download', () => {
    const image = provide();
    expect(image).toBe(join(cache(), 'xen-4.17'));
    expect(readFileSync(image, 'utf8')).toBe('the hypervisor');
    expect(aptCommands()).toEqual(['download', 'update', 'download']);
    expect(readdirSync(cache())).toEqual(['xen-4.17']);
    expect(provide()).toBe(image);
    expect(aptCommands()).toHaveLength(3);
    expect(said).toHaveLength(1);
  });

  it('is not left half unpacked when the package is another one', () => {
    program('dpkg');
    expect(provide()).toMatch(/\(it has no boot\/xen-4\.17-amd64\.gz\)/);
    expect(existsSync(cache()) && readdirSync(cache())).toEqual([]);
  });
});
