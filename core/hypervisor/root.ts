/** Loading roots: NEW_BASEPTR and NEW_USER_BASEPTR of mmuext_op (facts 3.17, 3.18, 2.5). */

import { Control, NO_ROOT } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { type Mfn, formatFrame, mfn } from '../units.ts';
import type { Hypervisor } from './hypervisor.ts';
import { fillM2pSlot, zapM2pSlot } from './xen-slots.ts';
import { met, refuse } from './refusal.ts';
import { fillSentence, ruleOf } from './rules.ts';
import { did, left } from './trace.ts';
import { dropLdtPages } from './segments.ts';
import { TypeFailure, getPageAndType, putPageAndType } from './type-system.ts';

/** Makes a frame the kernel root; 0, or the error with the old root in place (or, in 3.0.4, the domain crashed). */
export function loadKernelRoot(hv: Hypervisor, vcpu: Vcpu, frame: number): number {
  if (hv.tracer === null) return changeKernelRoot(hv, vcpu, frame);
  hv.tracer.entered('new_guest_cr3', { frame, old: vcpu.kernelRoot ?? undefined });
  return left(hv, changeKernelRoot(hv, vcpu, frame));
}

function changeKernelRoot(hv: Hypervisor, vcpu: Vcpu, frame: number): number {
  const old = vcpu.kernelRoot;
  if (old === frame && hv.ruleSet.failedBaseptr === 'keepsOldRoot') {
    hv.tlb.flushVcpu(vcpu);
    did(hv, 'same');
    return 0;
  }
  let rc = getPageAndType(hv, frame, vcpu.domain.id, hv.abi.rootLevel, 'baseptr.owner');
  let dropped = false;
  if (rc !== 0 && old !== null && hv.ruleSet.failedBaseptr === 'crashes') {
    // 3.0.4 lets go of the old root and tries once more; a second failure leaves the vCPU without page tables.
    putPageAndType(hv, old);
    dropped = true;
    const first = hv.pending;
    hv.pending = null;
    did(hv, 'retry');
    rc = getPageAndType(hv, frame, vcpu.domain.id, hv.abi.rootLevel, 'baseptr.owner');
    hv.pending ??= rc === 0 ? null : first;
  }
  if (rc !== 0) {
    const result = refuseRoot(hv, frame, rc, 'baseptr');
    if (dropped) {
      vcpu.setControl(Control.kernelRoot, NO_ROOT);
      crashForLackOfRoot(hv, vcpu, frame);
    }
    return result;
  }
  met(hv, 'baseptr.type');
  dropLdtPages(hv, vcpu);
  fillM2pSlot(hv, mfn(frame));
  vcpu.setControl(Control.kernelRoot, frame);
  hv.tlb.flushVcpu(vcpu);
  did(hv, 'load');
  if (old !== null && !dropped) putPageAndType(hv, old);
  return 0;
}

/** Makes a frame the user root; 0 means none. */
export function loadUserRoot(hv: Hypervisor, vcpu: Vcpu, frame: number): number {
  const old = vcpu.userRoot;
  if (hv.ruleSet.mmuextChecksForeign && (old ?? 0) === frame) return 0;
  if (frame !== 0) {
    const rc = getPageAndType(hv, frame, vcpu.domain.id, hv.abi.rootLevel, 'user-baseptr.owner');
    if (rc !== 0) return refuseRoot(hv, frame, rc, 'user-baseptr');
    met(hv, 'user-baseptr.type');
    zapM2pSlot(hv, mfn(frame));
  }
  vcpu.setControl(Control.userRoot, frame === 0 ? NO_ROOT : frame);
  did(hv, 'user-root');
  if (old !== null) putPageAndType(hv, old);
  return 0;
}

function refuseRoot(hv: Hypervisor, frame: number, rc: number, which: 'baseptr' | 'user-baseptr'): number {
  if (hv.typeFailure === TypeFailure.owner) return refuse(hv, `${which}.owner`, { frame });
  if (hv.typeFailure !== TypeFailure.mismatch) return rc;
  return refuse(hv, `${which}.type`, {
    frame,
    wanted: `L${hv.abi.rootLevel} page table`,
    wantedType: hv.abi.rootLevel,
  });
}

function crashForLackOfRoot(hv: Hypervisor, vcpu: Vcpu, frame: number): void {
  const rule = ruleOf('baseptr.fatal');
  if (hv.tracer !== null) hv.tracer.checked('baseptr.fatal', 'broken', { frame });
  hv.crash(vcpu.domain, {
    message: fillSentence(rule.sentence, { frame: formatFrame(frame as Mfn) }),
    rule: 'baseptr.fatal',
    walk: [],
  });
}
