// Programs that tests need from the system: found, or installed with apt-get where that is possible.

import { existsSync } from 'node:fs';
import { must } from './process.mjs';

const minutes = 60_000;
const apt = ['-o', 'DPkg::Lock::Timeout=300', '-q', '-y'];

/**
 * What `find` finds; when that is undefined, Debian's packages are installed first, as root with apt-get.
 * Elsewhere the promise is rejected with `advice`, a sentence for the user.
 */
export async function findOrInstall({ find, packages, size, advice, say }) {
  const found = find();
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) throw new Error(advice);
  const names = packages.join(' ');
  say(`Installing ${names} with apt-get (once; about ${size}) ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { env, quiet: true, timeoutMs: 8 * minutes };
  await must('apt-get update', 'apt-get', ['update', ...apt], options);
  const install = ['install', '--no-install-recommends', ...apt, ...packages];
  await must(`apt-get install ${names}`, 'apt-get', install, options);
  const installed = find();
  if (installed === undefined) throw new Error(`apt-get has installed ${names}, and still: ${advice}`);
  say(`${names}: installed.`);
  return installed;
}
