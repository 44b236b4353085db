/** A page walk in words, one line a level, for crash messages and the debugger: `L2[0x1ff] = 0x10067 mfn 00010 ...`. */

import type { Vcpu } from '../machine/vcpu.ts';
import { describeFlags, entryFrame, joinPte } from '../pte.ts';
import { formatFrame, formatHex, joinWords } from '../units.ts';

/** The walk of an address under the vCPU's present root. */
export function describeWalk(vcpu: Vcpu, vaLo: number, vaHi: number): string[] {
  const { abi } = vcpu.domain;
  const root = vcpu.inUserMode ? vcpu.userRoot : vcpu.kernelRoot;
  const address = formatHex(joinWords(vaLo, abi.wordBytes === 8 ? vaHi : 0));
  if (root === null) return [`${address}: no root is loaded`];
  const walk = vcpu.mmu.probe(vaLo, vaHi);
  const lines = [`${address}, root mfn ${formatFrame(root)}:`];
  for (let level = abi.rootLevel as number; level >= walk.level; level--) {
    const lo = walk.los[level - 1] ?? 0;
    const hi = walk.his[level - 1] ?? 0;
    const slot = formatHex(walk.slots[level - 1] ?? 0);
    lines.push(
      `L${level}[${slot}] = ${formatHex(joinPte(lo, hi))} mfn ${formatFrame(entryFrame(lo, hi))} ${describeFlags(lo, hi, level)}`,
    );
  }
  return lines;
}
