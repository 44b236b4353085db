/**
 * HYPERVISOR_multicall (13): a list of { op, result, args[6] } in words of the guest, of which five arguments count.
 * The list's result is 0 even when a call in it fails; each result is in its entry. Facts 8.3.
 */

import type { Field } from '../abi/index.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { carryInto, readField, writeField } from './guest-access.ts';
import { CONTEXT_SWITCHED } from './context.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';

const MULTICALL = 13;
const WORDS = 8;
const RESULT_WORD = 1;
const FIRST_ARGUMENT_WORD = 2;
const ARGUMENTS_USED = 5;

export function multicall(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const count = (args[2] as number) >>> 0;
  const bytes = WORDS * hv.abi.wordBytes;
  let vaLo = args[0] as number;
  let vaHi = args[1] as number;
  for (let i = 0; i < count; i++) {
    const call = readCall(hv, vcpu, vaLo, vaHi);
    if (call === null) return refuseList(hv, args, count, i);
    if (hv.tracer !== null) hv.tracer.checked('multicall.list', 'met', { i, count });
    if (call.nr !== MULTICALL) met(hv, 'multicall.nested');
    const rc =
      call.nr === MULTICALL ? refuse(hv, 'multicall.nested', {}) : hv.dispatch(vcpu, call.nr, call.args);
    if (rc === CONTEXT_SWITCHED || !vcpu.domain.isRunning) return rc;
    if (!writeField(vcpu, vaLo, vaHi, wordAt(hv, RESULT_WORD), rc, rc < 0 ? -1 : 0))
      return refuseList(hv, args, count, i);
    vaHi = carryInto(vaLo, vaHi, bytes);
    vaLo = (vaLo + bytes) | 0;
  }
  return 0;
}

function readCall(
  hv: Hypervisor,
  vcpu: Vcpu,
  vaLo: number,
  vaHi: number,
): { nr: number; args: Int32Array } | null {
  if (!readField(vcpu, vaLo, vaHi, wordAt(hv, 0))) return null;
  const nr = vcpu.mmu.lo >>> 0;
  const args = new Int32Array(12);
  for (let i = 0; i < ARGUMENTS_USED; i++) {
    if (!readField(vcpu, vaLo, vaHi, wordAt(hv, FIRST_ARGUMENT_WORD + i))) return null;
    args[i * 2] = vcpu.mmu.lo;
    args[i * 2 + 1] = vcpu.mmu.hi;
  }
  return { nr, args };
}

const wordAt = (hv: Hypervisor, index: number): Field => ({
  offset: index * hv.abi.wordBytes,
  bytes: hv.abi.wordBytes,
});

/** What the calls before were refused is in their results; this is the list's own. */
function refuseList(hv: Hypervisor, args: Int32Array, count: number, entry: number): number {
  hv.pending = null;
  return refuse(hv, 'multicall.list', {
    entry: String(entry),
    count,
    addressLo: args[0] as number,
    addressHi: args[1] as number,
  });
}
