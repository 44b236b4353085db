/** A structure in the list that a guest passes to grant_table_op: reading its fields and writing its results. */

import type { Field } from '../abi/index.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import type { GRANT_LAYOUTS } from './grant-layouts.ts';
import { carryInto, readField, writeField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { refuse } from './refusal.ts';

/** The structures' layouts for the guest's word size. */
export type Layouts = (typeof GRANT_LAYOUTS)[4 | 8];

/** A structure of the guest's list: reads its fields, writes its results. */
export class Element {
  readonly hv: Hypervisor;
  readonly vcpu: Vcpu;
  lo: number;
  hi: number;
  /** Whether every field so far could be accessed. */
  isGood = true;

  constructor(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number) {
    this.hv = hv;
    this.vcpu = vcpu;
    this.lo = lo;
    this.hi = hi;
  }

  /** The field's low word, unsigned; the high word is then in `vcpu.mmu.hi`. */
  number(field: Field): number {
    if (this.isGood && !readField(this.vcpu, this.lo, this.hi, field)) this.isGood = false;
    return this.isGood ? this.vcpu.mmu.lo >>> 0 : 0;
  }

  words(field: Field): { readonly lo: number; readonly hi: number } {
    const lo = this.number(field) | 0;
    return { lo, hi: this.isGood ? this.vcpu.mmu.hi : 0 };
  }

  put(field: Field, lo: number, hi = 0): void {
    if (this.isGood && !writeField(this.vcpu, this.lo, this.hi, field, lo, hi)) this.isGood = false;
  }

  moveBy(bytes: number): void {
    this.hi = carryInto(this.lo, this.hi, bytes);
    this.lo = (this.lo + bytes) | 0;
  }

  /** -EFAULT, with the address told. */
  fault(): number {
    // What elements before were refused is in their statuses.
    this.hv.pending = null;
    return refuse(this.hv, 'grant_table_op.argument', { addressLo: this.lo, addressHi: this.hi });
  }
}
