// Emacs with dap-mode: another editor that debugs guests through the stand-alone adapter.

import { spawnSync } from 'node:child_process';
import { findOrInstall } from './debian.mjs';

/** The command of an Emacs that has dap-mode; installs Debian's when none is there and we may. */
export const findOrInstallEmacs = (say) =>
  findOrInstall({
    find: findEmacs,
    packages: ['emacs-nox', 'elpa-dap-mode'],
    size: '150 MB',
    advice: 'The test with another editor needs Emacs with dap-mode (Debian: emacs-nox and elpa-dap-mode).',
    say,
  });

function findEmacs() {
  const { status } = spawnSync('emacs', ['--batch', '--eval', "(require 'dap-mode)"], { stdio: 'ignore' });
  return status === 0 ? 'emacs' : undefined;
}
