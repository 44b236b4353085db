// `npm run fuzz`: a million random hypercalls, with the seed of XENSCOPE_SEED or another one each time.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { XENSCOPE_SEED = String(Date.now() % 2 ** 31), XENSCOPE_OPERATIONS = '1000000' } = process.env;
console.log(`${XENSCOPE_OPERATIONS} operations with XENSCOPE_SEED=${XENSCOPE_SEED}`);
const { status } = spawnSync(
  process.execPath,
  [`${root}node_modules/vitest/vitest.mjs`, 'run', 'test/core/hypervisor/random'],
  { cwd: root, stdio: 'inherit', env: { ...process.env, XENSCOPE_SEED, XENSCOPE_OPERATIONS } },
);
process.exitCode = status ?? 1;
