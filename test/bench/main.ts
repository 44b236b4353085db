/**
 * `npm run bench`: figures beside a calibration loop, so that they compare between machines. The last column says how
 * many random 8-byte stores over 16 MiB fit into one operation; machines are shared and noisy, so read that one.
 */

import { benchAdapter } from './adapter.ts';
import { benchStatements } from './guest.ts';
import { calibrate } from './measure.ts';
import { benchMachines } from './machines.ts';
import { benchMmu } from './mmu.ts';

const calibration = calibrate();
console.log(`calibration: a random 8-byte store over 16 MiB takes ${calibration.toFixed(1)} ns`);
benchMmu();
benchMachines();
benchStatements();
await benchAdapter(calibration);
