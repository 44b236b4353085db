/**
 * GNTTABOP_transfer: gives a page to a domain that has offered an entry for it. Once the page is stolen from its owner
 * it is lost to him, even when the receiver then cannot take it. Facts 5.8.
 */

import type { Domain } from '../machine/domain.ts';
import { type DomainId, type Mfn, formatHex, mfn } from '../units.ts';
import type { Element, Layouts } from './grant-element.ts';
import { Gtf } from './grant-table.ts';
import type { Hypervisor } from './hypervisor.ts';
import { type Facts, met, refuse } from './refusal.ts';
import { did, left } from './trace.ts';
import { assignStolen, freeStolen, stealPage, whyNotStolen } from './steal-page.ts';

const HIGH_WORD_WEIGHT = 0x1_0000_0000;

export function transferPage(element: Element, { transfer }: Layouts): number {
  const { hv, vcpu } = element;
  const words = element.words(transfer.frame);
  const frame = (words.hi >>> 0) * HIGH_WORD_WEIGHT + (words.lo >>> 0);
  const receiver = element.number(transfer.domid);
  const ref = element.number(transfer.ref);
  if (!element.isGood) return -1;
  const sender = vcpu.domain;
  const facts = { frame, foreign: receiver, foreignHex: receiver.toString(16), ref };
  if (hv.tracer !== null) hv.tracer.entered('gnttab_transfer', { frame, receiver, ref });
  let status: number;
  if (!stealPage(hv, sender, frame)) status = refusePage(hv, sender, frame, facts);
  else {
    met(hv, 'transfer.page');
    sender.totPages -= 1;
    hv.tlb.flushDomain(sender);
    status = handOver(hv, mfn(frame), sender.id, receiver, ref);
    if (status !== 0) freeStolen(hv, mfn(frame));
  }
  left(hv, status);
  element.put(transfer.status, status);
  return status;
}

const refusePage = (hv: Hypervisor, sender: Domain, frame: number, facts: Facts): number =>
  refuse(hv, 'transfer.page', { ...facts, transferState: whyNotStolen(hv, sender, frame) });

/** Makes the stolen page the receiver's; its entry says where it wants it, and afterwards which frame it is. */
function handOver(hv: Hypervisor, frame: Mfn, sender: number, domid: number, ref: number): number {
  const receiver = hv.machine.domain(domid as DomainId);
  const facts = { frame, foreign: domid, foreignHex: domid.toString(16), ref };
  if (receiver === undefined) return refuse(hv, 'transfer.domain', facts);
  met(hv, 'transfer.domain');
  if (receiver.totPages >= receiver.maxPages)
    return refuse(hv, 'transfer.headroom', {
      ...facts,
      pages: receiver.totPages,
      maxPages: receiver.maxPages,
    });
  met(hv, 'transfer.headroom');
  const table = hv.grants.of(receiver);
  const isEntry = ref < table.entries;
  const flags = isEntry ? table.flags(ref) : 0;
  if (!isEntry || flags !== Gtf.acceptTransfer || table.grantee(ref) !== sender)
    return refuse(hv, 'transfer.entry', {
      ...facts,
      flags: formatHex(flags),
      grantee: isEntry ? table.grantee(ref) : 'nobody',
    });
  met(hv, 'transfer.entry');
  assignStolen(hv, frame, receiver);
  receiver.totPages += 1;
  hv.machine.setM2p(frame, table.entryFrame(ref), 0);
  did(hv, 'assign');
  table.setEntryFrame(ref, frame);
  table.setFlags(ref, flags | Gtf.transferCommitted | Gtf.transferCompleted);
  did(hv, 'complete');
  return 0;
}
