/** HYPERVISOR_set_trap_table (0): the virtual IDT, an array of struct trap_info ended by address 0 (facts 7.1). */

import type { Vcpu } from '../machine/vcpu.ts';
import { formatHex, joinWords } from '../units.ts';
import { isCanonical } from '../walk.ts';
import { carryInto, isNull, readField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';

const VECTORS = 256;
/** vector, flags and code segment share the first word of an entry. */
const HEAD = { offset: 0, bytes: 4 } as const;

export function setTrapTable(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  let vaLo = args[0] as number;
  let vaHi = args[1] as number;
  if (isNull(vaLo, vaHi)) {
    for (let vector = 0; vector < VECTORS; vector++)
      vcpu.setTrap(vector, { flags: 0, cs: 0, addressLo: 0, addressHi: 0 });
    return 0;
  }
  const { trapInfo, selectors } = hv.abi;
  for (let entry = 0; ; entry++) {
    if (!readField(vcpu, vaLo, vaHi, HEAD)) return refuseRead(hv, args, entry);
    const head = vcpu.mmu.lo;
    if (!readField(vcpu, vaLo, vaHi, trapInfo.address)) return refuseRead(hv, args, entry);
    const addressLo = vcpu.mmu.lo;
    const addressHi = vcpu.mmu.hi;
    if (isNull(addressLo, addressHi)) return 0;
    const vector = head & 0xff;
    if (!isCanonical(hv.abi, addressHi)) {
      const handler = formatHex(joinWords(addressLo, addressHi));
      return refuse(hv, 'set_trap_table.address', { vector, handler });
    }
    met(hv, 'set_trap_table.address');
    const cs = (head >>> 16) | selectors.kernelRpl;
    vcpu.setTrap(vector, { flags: (head >>> 8) & 0xff, cs, addressLo, addressHi });
    vaHi = carryInto(vaLo, vaHi, trapInfo.bytes);
    vaLo = (vaLo + trapInfo.bytes) | 0;
  }
}

const refuseRead = (hv: Hypervisor, args: Int32Array, entry: number): number =>
  refuse(hv, 'set_trap_table.read', {
    entry: String(entry),
    addressLo: args[0] as number,
    addressHi: args[1] as number,
  });
