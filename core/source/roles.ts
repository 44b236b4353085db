/** What a frame is for, where the model knows: Xen's own frames, and the parts of a domain's start-of-day layout. */

import type { Domain } from '../machine/domain.ts';
import type { Machine } from '../machine/machine.ts';
import { DOMID, type Mfn, mfn } from '../units.ts';

/** `start_info`, `P2M list`, `M2P`...; undefined when the frame has no role that the model knows. */
export function frameRole(machine: Machine, frame: Mfn): string | undefined {
  const owner = machine.frames.ownerOf(frame);
  if (owner === DOMID.XEN) return xenRole(machine, frame);
  const domain = owner === null ? undefined : machine.domain(owner);
  return domain === undefined ? undefined : domainRole(machine, domain, frame);
}

/** The owner for people: `d1`, `Xen`, `I/O`, `free`. */
export function ownerName(machine: Machine, frame: Mfn): string {
  if (!machine.isRam(frame)) return 'I/O';
  const owner = machine.frames.ownerOf(frame);
  if (owner === null) return 'free';
  if (owner === DOMID.XEN) return 'Xen';
  return machine.domain(owner)?.name ?? `d${owner}`;
}

function xenRole({ m2pBase, m2pFrames }: Machine, frame: Mfn): string {
  return frame >= m2pBase && frame < m2pBase + m2pFrames ? 'M2P' : "Xen's page tables";
}

/** By the PFN that the M2P gives: a frame that the guest has exchanged takes the role of its place. */
function domainRole(machine: Machine, { layout }: Domain, frame: Mfn): string | undefined {
  if (layout === null) return undefined;
  if (frame === layout.sharedInfo) return 'shared_info';
  if (frame === layout.consoleRing) return 'console ring';
  const pfn = machine.m2p(frame);
  return layout.parts.find(({ from, to }) => pfn >= from && pfn < to)?.name;
}

/** The M2P entry of a frame as a PFN, or null when it is invalid or there is no such frame. */
export function m2pOf(machine: Machine, frame: Mfn): number | null {
  if (frame >= machine.maxPage) return null;
  const entry = machine.m2p(mfn(frame));
  return entry > MAX_PFN ? null : entry;
}

/** M2P entries with the top bit set are no PFNs (facts 1.3). */
const MAX_PFN = 0x7fff_ffff;
