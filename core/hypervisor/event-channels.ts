/**
 * Event channels of a domain: what each port is bound to, and how an event becomes pending at the port's vCPU. Ports are
 * rows of journalled columns; pending and mask bits are in the domain's shared info page. Facts 8.4.
 *
 *   event on a port       sets its bit of evtchn_pending
 *   ... not masked there  sets the word's bit of the vCPU's pending_sel, and evtchn_upcall_pending
 *   ... evtchn_upcall_mask 0: the vCPU enters the event callback (traps.ts); blocked or polling, it wakes up
 */

import type { Domain } from '../machine/domain.ts';
import { Control, RunState } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { Column } from '../state/column.ts';
import type { Store } from '../state/store.ts';
import type { Hypervisor } from './hypervisor.ts';
import { markUpcallPending, sharedInfoBit } from './shared-info.ts';

/** What a port is, in the order of Xen's status numbers; `daemon` is a port whose other end a toolstack daemon has. */
export const PortState = {
  closed: 0,
  unbound: 1,
  interdomain: 2,
  virq: 4,
  ipi: 5,
  daemon: 6,
} as const;
export type PortState = (typeof PortState)[keyof typeof PortState];

/** A port: `peer` is the other domain's number or the virq, `peerPort` its port. */
export interface Port {
  readonly state: PortState;
  readonly peer: number;
  readonly peerPort: number;
  /** The vCPU that is notified. */
  readonly vcpu: number;
}

const CLOSED: Port = { state: PortState.closed, peer: 0, peerPort: 0, vcpu: 0 };

/** In Control.pollPort: a poll of several ports, which any event ends. */
export const POLLS_ANY = -1;

export class EventChannels {
  readonly domain: Domain;
  /** Ports 1 .. count - 1. */
  readonly count: number;
  private readonly states: Column;
  private readonly peers: Column;
  private readonly peerPorts: Column;
  private readonly vcpus: Column;

  constructor(store: Store, domain: Domain) {
    this.domain = domain;
    this.count = domain.abi.sharedInfo.evtchnPending.bytes * 8;
    this.states = new Column(store, 'evtchn.state', this.count);
    this.peers = new Column(store, 'evtchn.peer', this.count);
    this.peerPorts = new Column(store, 'evtchn.peerPort', this.count);
    this.vcpus = new Column(store, 'evtchn.vcpu', this.count);
  }

  /** Whether there can be such a port at all. */
  has(port: number): boolean {
    return port > 0 && port < this.count;
  }

  get(port: number): Port {
    return {
      state: this.states.get(port) as PortState,
      peer: this.peers.get(port),
      peerPort: this.peerPorts.get(port),
      vcpu: this.vcpus.get(port),
    };
  }

  set(port: number, { state, peer, peerPort, vcpu }: Port): void {
    this.states.set(port, state);
    this.peers.set(port, peer);
    this.peerPorts.set(port, peerPort);
    this.vcpus.set(port, vcpu);
  }

  close(port: number): void {
    this.set(port, CLOSED);
  }

  /** The lowest port that is closed; null when all are in use. */
  free(): number | null {
    for (let port = 1; port < this.count; port++) if (this.states.get(port) === PortState.closed) return port;
    return null;
  }

  /** The port of a virq on a vCPU, or null. */
  findVirq(virq: number, vcpu: number): number | null {
    for (let port = 1; port < this.count; port++) {
      const found = this.get(port);
      if (found.state === PortState.virq && found.peer === virq && found.vcpu === vcpu) return port;
    }
    return null;
  }
}

/** The event channels of all domains, each made when it is first asked for. */
export class EventChannelTables {
  private readonly store: Store;
  private readonly tables = new Map<Domain, EventChannels>();

  constructor(store: Store) {
    this.store = store;
  }

  of(domain: Domain): EventChannels {
    const present = this.tables.get(domain);
    if (present !== undefined) return present;
    const made = new EventChannels(this.store, domain);
    this.tables.set(domain, made);
    return made;
  }
}

/** An event on a port: pending, and told to its vCPU unless the port is masked. */
export function raiseEvent(hv: Hypervisor, domain: Domain, port: number): void {
  const vcpu = vcpuOf(domain, hv.events.of(domain).get(port).vcpu);
  const { evtchnPending, evtchnMask } = hv.abi.sharedInfo;
  if (sharedInfoBit(hv, domain, evtchnPending.offset, port, 'set')) return;
  if (!sharedInfoBit(hv, domain, evtchnMask.offset, port, 'read')) notify(hv, vcpu, port);
  for (const each of domain.vcpus) {
    const polled = each.control(Control.pollPort);
    if (polled === POLLS_ANY || polled === port) wake(each);
  }
}

/** Unmasks a port; an event that waited is told now. */
export function unmaskPort(hv: Hypervisor, domain: Domain, port: number): void {
  const { evtchnPending, evtchnMask } = hv.abi.sharedInfo;
  sharedInfoBit(hv, domain, evtchnMask.offset, port, 'clear');
  if (sharedInfoBit(hv, domain, evtchnPending.offset, port, 'read'))
    notify(hv, vcpuOf(domain, hv.events.of(domain).get(port).vcpu), port);
}

/** Whether an event is pending at a port. */
export const isPending = (hv: Hypervisor, domain: Domain, port: number): boolean =>
  sharedInfoBit(hv, domain, hv.abi.sharedInfo.evtchnPending.offset, port, 'read');

/** Ends a block or a poll. */
export function wake(vcpu: Vcpu): void {
  vcpu.setControl(Control.pollPort, 0);
  vcpu.setControl(Control.pollTimes, 0);
  if (vcpu.control(Control.runState) === RunState.blocked)
    vcpu.setControl(Control.runState, RunState.running);
}

function notify(hv: Hypervisor, vcpu: Vcpu, port: number): void {
  const word = Math.floor(port / (hv.abi.wordBytes * 8));
  if (markUpcallPending(hv, vcpu, word)) wake(vcpu);
}

function vcpuOf(domain: Domain, id: number): Vcpu {
  const vcpu = domain.vcpu(id);
  if (vcpu === undefined) throw new Error(`event channel: d${domain.id} has no vCPU ${id}`);
  return vcpu;
}
