/**
 * `npm run bench`: figures beside a calibration loop, so that they compare between machines. The last column says how
 * many random 8-byte stores over 16 MiB fit into one operation; machines are shared and noisy, so read that one.
 * `npm run bench -- mmu machines` runs those parts alone.
 */

import { benchAdapter } from './adapter.ts';
import { benchFront } from './front.ts';
import { benchStatements } from './guest.ts';
import { calibrate } from './measure.ts';
import { benchMachines } from './machines.ts';
import { benchMmu } from './mmu.ts';
import { benchSharing } from './sharing.ts';
import { benchTimeline } from './timeline.ts';

const PARTS: { readonly [name: string]: (calibration: number) => void | Promise<void> } = {
  mmu: benchMmu,
  sharing: benchSharing,
  machines: benchMachines,
  front: benchFront,
  guest: benchStatements,
  timeline: benchTimeline,
  adapter: benchAdapter,
};

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => PARTS[name] === undefined);
if (unknown !== undefined) {
  console.error(`There is no part ${unknown}; the parts are ${Object.keys(PARTS).join(', ')}.`);
  process.exit(2);
}
const calibration = calibrate();
console.log(`calibration: a random 8-byte store over 16 MiB takes ${calibration.toFixed(1)} ns`);
for (const [name, run] of Object.entries(PARTS))
  if (wanted.length === 0 || wanted.includes(name)) await run(calibration);
