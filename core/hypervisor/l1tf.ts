/**
 * The L1TF policy: a processor with that flaw may use the frame of an entry without P, so Xen keeps an eye on such
 * entries of PV domains. A Xen with shadow tables goes over to them, which the guest does not see; one without
 * crashes the domain. Facts 2.7; the hardware domain is trusted by default.
 */

import type { Domain } from '../machine/domain.ts';
import { PSE, entryFrame, joinPte } from '../pte.ts';
import { formatHex } from '../units.ts';
import { ERRNO } from './errno.ts';
import type { Hypervisor } from './hypervisor.ts';
import { fillSentence, ruleOf } from './rules.ts';

/** Frames from 2^45 bytes on are out of the reach of the flaw: half of what 46 bits of physical address can name. */
const FIRST_SAFE_FRAME = 2 ** 33;

/**
 * Checks an entry without P. 0, or -ERESTART with the domain crashed: the call never comes back to the guest.
 */
export function checkL1tf(hv: Hypervisor, domain: Domain, level: number, lo: number, hi: number): number {
  if (hv.options.l1tf === 'ignored' || domain.role === 'hardware') return 0;
  const frame = entryFrame(lo, hi);
  const isSafe = frame === 0 || frame >= FIRST_SAFE_FRAME;
  if (isSafe && (level === 1 || (lo & PSE) === 0)) return 0;
  if (hv.tracer !== null) hv.tracer.checked('l1tf.entry', 'broken', { level, entryLo: lo, entryHi: hi });
  const entry = formatHex(joinPte(lo, hi));
  const message = fillSentence(ruleOf('l1tf.entry').sentence, { level, entry, domain: domain.id });
  hv.crash(domain, { message, rule: 'l1tf.entry', walk: [] });
  return -ERRNO.ERESTART;
}
