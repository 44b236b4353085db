/**
 * The console daemon's side of a domU's console ring (struct xencons_interface): the guest writes text into `out`,
 * moves `out_prod` and notifies the event channel; the daemon takes what is there and moves `out_cons`.
 *
 *   in[1024]   out[2048]   in_cons   in_prod   out_cons   out_prod      (offsets 0, 1024, 3072, 3076, 3080, 3084)
 */

import type { Domain } from '../machine/domain.ts';
import type { Hypervisor } from './hypervisor.ts';
import { decodeText } from './text.ts';

const OUT = 1024;
const OUT_BYTES = 2048;
const OUT_CONS_WORD = 3080 / 4;
const OUT_PROD_WORD = 3084 / 4;

/** Takes all text out of the domain's console ring; '' when there is none, or no ring. */
export function drainConsole(hv: Hypervisor, domain: Domain): string {
  const ring = domain.layout?.consoleRing ?? null;
  if (ring === null) return '';
  const produced = hv.memory.readWord(ring, OUT_PROD_WORD) >>> 0;
  const consumed = hv.memory.readWord(ring, OUT_CONS_WORD) >>> 0;
  const waiting = Math.min((produced - consumed) >>> 0, OUT_BYTES);
  const bytes = new Uint8Array(waiting);
  for (let i = 0; i < waiting; i++) bytes[i] = hv.memory.readByte(ring, OUT + ((consumed + i) % OUT_BYTES));
  hv.memory.writeWord(ring, OUT_CONS_WORD, produced | 0);
  return decodeText(bytes);
}
