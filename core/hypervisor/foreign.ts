/** The domain argument of the MMU calls: whose frames are mapped, whose tables are changed (facts 3.15, 3.16, 3.17). */

import type { Vcpu } from '../machine/vcpu.ts';
import { DOMID, type DomainId } from '../units.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';
import { did, left } from './trace.ts';

const DOMID_BITS = 0xffff;

/** The number of the domain that owns the frames in question, or the negative error. */
export function resolveForeign(hv: Hypervisor, vcpu: Vcpu, domid: number): number {
  const id = domid & DOMID_BITS;
  if (hv.tracer === null) return resolve(hv, vcpu, id);
  hv.tracer.entered('get_pg_owner', { foreign: id, foreignHex: id.toString(16) });
  return left(hv, resolve(hv, vcpu, id));
}

function resolve(hv: Hypervisor, vcpu: Vcpu, id: number): number {
  const self = vcpu.domain.id;
  if (id === DOMID.SELF) {
    did(hv, 'self');
    return self;
  }
  if (id === self) return refuse(hv, 'foreign.own-id', facts(id));
  met(hv, 'foreign.own-id');
  const special = id === DOMID.IO || id === DOMID.XEN;
  if (!hv.ruleSet.foreignTableOwner && !mayActOn(vcpu, id))
    return refuse(hv, 'foreign.unprivileged', facts(id));
  if (!special && hv.machine.domain(id as DomainId) === undefined)
    return refuse(hv, 'foreign.unknown', facts(id));
  met(hv, 'foreign.unknown');
  return id;
}

/** Whether the caller may map frames of the domain: its own, DOMID_IO's, or anybody's as the privileged domain. */
export const mayActOn = (vcpu: Vcpu, owner: number): boolean =>
  owner === vcpu.domain.id || owner === DOMID.IO || vcpu.domain.role === 'hardware';

export const refuseUnprivileged = (hv: Hypervisor, owner: number): number =>
  refuse(hv, 'foreign.unprivileged', facts(owner));

const facts = (id: number) => ({ foreign: id, foreignHex: id.toString(16) });
