/**
 * What a real Xen under QEMU needs from outside: QEMU, gcc with binutils, and Debian's hypervisor package, which is
 * unpacked into a cache and never installed. As root on Debian everything is fetched at first use; elsewhere one
 * sentence names what is missing. Nothing of Xen's is part of the project.
 */

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { RealXenUnavailable } from './real-xen-unavailable.ts';

/** Debian's hypervisor: its package, and the image in it. */
const XEN = {
  package: 'xen-hypervisor-4.17-amd64',
  image: 'boot/xen-4.17-amd64.gz',
  unpacked: 'xen-4.17',
} as const;

/** Programs that must be on the PATH, and the Debian packages that bring them. */
const PROGRAMS = [
  { program: 'qemu-system-x86_64', package: 'qemu-system-x86', size: '90 MB' },
  { program: 'gcc', package: 'gcc', size: '60 MB' },
  { program: 'ld', package: 'binutils', size: '20 MB' },
] as const;

/** apt-get waits for another one that installs at the same time. */
const APT = ['-o', 'DPkg::Lock::Timeout=300', '-q'] as const;
const APT_ENVIRONMENT = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' } as const;
const MINUTE = 60_000;

/** Programs and images to start a machine with; absolute paths, or names on the PATH. */
export interface RealXenFiles {
  readonly qemu: string;
  /** The hypervisor, an ELF image for QEMU's `-kernel`. */
  readonly xen: string;
}

/**
 * Finds or fetches everything; the second time that takes milliseconds.
 * @param cache folder that keeps the hypervisor; made when it does not exist.
 * @param say told before something is fetched, which takes a while.
 * @throws RealXenUnavailable
 */
export function provideRealXen(cache: string, say: (text: string) => void = () => undefined): RealXenFiles {
  for (const row of PROGRAMS) needProgram(row, say);
  return { qemu: PROGRAMS[0].program, xen: provideHypervisor(cache, say) };
}

function needProgram(
  { program, package: name, size }: (typeof PROGRAMS)[number],
  say: (text: string) => void,
): void {
  if (hasProgram(program)) return;
  const advice = `Real Xen needs ${program}, which is not on the PATH: install it (Debian: apt-get install ${name}).`;
  if (!hasProgram('apt-get') || process.getuid?.() !== 0) throw new RealXenUnavailable(advice);
  say(`Installing ${name} with apt-get (once; about ${size} to download) ...`);
  const install = [...APT, 'install', '-y', '--no-install-recommends', name];
  const problem = apt(install) && (apt([...APT, 'update']), apt(install));
  if (problem !== null) throw new RealXenUnavailable(`${advice} apt-get could not: ${problem}`);
  if (!hasProgram(program)) throw new RealXenUnavailable(`${advice} apt-get's ${name} did not bring it.`);
}

/** The hypervisor, unpacked. Two that do this at once do not disturb each other. */
function provideHypervisor(cache: string, say: (text: string) => void): string {
  const image = join(cache, XEN.unpacked);
  if (existsSync(image)) return image;
  say(`Downloading ${XEN.package} with apt-get (once; it is unpacked, not installed) ...`);
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'unpack-'));
  try {
    const problem = download(folder) ?? unpack(folder);
    if (problem !== null)
      throw new RealXenUnavailable(
        `Real Xen needs the hypervisor of Debian's package ${XEN.package} (${problem}): put its ${XEN.image}, unzipped, at ${image}.`,
      );
    const unzipped = join(folder, XEN.unpacked);
    writeFileSync(unzipped, gunzipSync(readFileSync(join(folder, XEN.image))));
    renameSync(unzipped, image);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return image;
}

/** Downloads the package into a folder, with new package lists when the present ones do not do; the problem, or null. */
function download(folder: string): string | null {
  if (!hasProgram('apt-get')) return 'this system has no apt-get to download it';
  const fetch = (): string | null => apt([...APT, 'download', XEN.package], folder);
  return fetch() && (apt([...APT, 'update']), fetch());
}

function unpack(folder: string): string | null {
  const archive = readdirSync(folder).find((name) => name.endsWith('.deb'));
  if (archive === undefined) return 'apt-get download left no file';
  const { status, stderr } = spawnSync('dpkg', ['-x', archive, '.'], { cwd: folder, encoding: 'utf8' });
  if (status !== 0) return `dpkg could not unpack it: ${lastLine(stderr)}`;
  return existsSync(join(folder, XEN.image)) ? null : `it has no ${XEN.image}`;
}

/** Runs apt-get; null when it did what it was told, else the last line that it printed. */
function apt(args: readonly string[], cwd?: string): string | null {
  const env = { ...process.env, ...APT_ENVIRONMENT };
  const { status, stderr, error } = spawnSync('apt-get', args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 8 * MINUTE,
  });
  if (status === 0) return null;
  return lastLine(stderr) || (error?.message ?? `apt-get ended with status ${status}`);
}

const hasProgram = (name: string): boolean =>
  spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0;

const lastLine = (text: string | null): string => text?.trim().split('\n').at(-1) ?? '';
