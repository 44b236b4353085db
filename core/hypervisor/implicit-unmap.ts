/**
 * A debug build marks the entries that grants make, so that it notices when one is overwritten by anything but an
 * unmap: the reference is dropped, but pin, handle and the granter's GTF_* flags stay for good. Facts 5.11.
 */

import { VECTOR_GENERAL_PROTECTION } from '../machine/mmu.ts';
import { joinPte } from '../pte.ts';
import { type DomainId, formatHex } from '../units.ts';
import type { Hypervisor } from './hypervisor.ts';
import { fillSentence, ruleOf } from './rules.ts';

/** Makes the guest notice: #GP when its hypercall ends, or in 3.0.4 its end. */
export function implicitUnmap(hv: Hypervisor, lo: number, hi: number): void {
  const domain = hv.machine.domain(hv.caller as DomainId);
  if (domain === undefined || !domain.isRunning) return;
  if (hv.tracer !== null)
    hv.tracer.checked('grant.implicit-unmap', 'broken', { level: 1, entryLo: lo, entryHi: hi });
  if (hv.ruleSet.grantTable.implicitUnmap === 'fault') {
    hv.trapDue = VECTOR_GENERAL_PROTECTION;
    return;
  }
  const entry = formatHex(joinPte(lo, hi));
  const { sentence } = ruleOf('grant.implicit-unmap');
  const message = `${fillSentence(sentence, { entry })} Xen crashed d${domain.id}.`;
  hv.crash(domain, { message, rule: 'grant.implicit-unmap', walk: [] });
}
