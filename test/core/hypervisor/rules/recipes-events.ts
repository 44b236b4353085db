/** One recipe for each rule of event channels, polling, further vCPUs, exchange and the queries of memory_op. */

import type { eventRules } from '../../../../core/hypervisor/rules-events.ts';
import type { exchangeRules } from '../../../../core/hypervisor/rules-exchange.ts';
import { DOMID } from '../../../../core/units.ts';
import { type Recipe, type Scene, modern, old } from './scene.ts';

const MEMORY_OP = 12;
const VCPU_OP = 24;
const SCHED_OP = 29;
const EVENT_CHANNEL_OP = 32;
const POLL = 3;
const BIND_INTERDOMAIN = 0;
const BIND_VIRQ = 1;
const BIND_PIRQ = 2;
const SEND = 4;
const ALLOC_UNBOUND = 6;
const BIND_IPI = 7;
const INITIALISE = 0;
const UP = 1;
const NOBODY = 77;
const CONTEXT_RIP = { 4: 548, 8: 648 } as const;

type Guest = ReturnType<Scene['guest']>;

/** event_channel_op with a structure of 32-bit words. */
const event =
  (command: number, words: (guest: Guest, scene: Scene) => readonly number[]): Recipe['make'] =>
  (scene) => {
    const guest = scene.guest();
    return [guest, guest.call(EVENT_CHANNEL_OP, command, guest.words(...words(guest, scene), 0, 0, 0))];
  };

const call =
  (nr: number, args: (guest: Guest) => readonly (bigint | number)[]): Recipe['make'] =>
  (scene) => {
    const guest = scene.guest({ spec: { maxVcpus: 2 } });
    return [guest, guest.call(nr, ...args(guest))];
  };

/** struct sched_poll { ports, nr_ports, timeout } with one port. */
const poll =
  (count: number): Recipe['make'] =>
  (scene) => {
    const guest = scene.guest();
    guest.mustStore(guest.scratch + 512n, 4, 0n);
    guest.longs(guest.scratch + 512n, count, 0);
    return [guest, guest.call(SCHED_OP, POLL, guest.scratch)];
  };

const exchange =
  (change: (guest: Guest, scene: Scene) => Parameters<Guest['exchange']>[2]): Recipe['make'] =>
  (scene) => {
    const guest = scene.guest();
    const { page, frame } = guest.unmappedFrame();
    return [guest, guest.exchange(frame, page, change(guest, scene))];
  };

/** An operation for guests whose frames Xen translates: { u16 domid; u16 space or size; u32 space }. */
const physmap =
  (command: number, first: number, second: number): Recipe['make'] =>
  (scene) => {
    const guest = scene.guest();
    return [guest, guest.call(MEMORY_OP, command, guest.words(first, second))];
  };

export const eventRecipes: { readonly [id in keyof typeof eventRules]: Recipe } = {
  'event_channel_op.command': { make: event(40, () => []) },
  'event_channel_op.not-modelled': { make: event(BIND_PIRQ, () => []) },
  'event_channel_op.argument': { make: call(EVENT_CHANNEL_OP, (guest) => [SEND, guest.unmapped]) },
  'event_channel_op.port': { make: event(SEND, () => [NOBODY]) },
  'event_channel_op.domain': { make: event(ALLOC_UNBOUND, () => [NOBODY]) },
  'event_channel_op.privilege': {
    make: event(ALLOC_UNBOUND, (guest, scene) => [scene.beside(guest).domain.id]),
  },
  'event_channel_op.no-port': {
    make: (scene) => {
      const guest = scene.guest();
      const ports = guest.hv.events.of(guest.domain);
      for (let port = ports.free(); port !== null; port = ports.free())
        ports.set(port, { state: 1, peer: NOBODY, peerPort: 0, vcpu: 0 });
      return [guest, guest.call(EVENT_CHANNEL_OP, ALLOC_UNBOUND, guest.words(DOMID.SELF, 0))];
    },
  },
  'event_channel_op.not-offered': {
    make: event(BIND_INTERDOMAIN, (guest, scene) => [scene.beside(guest).domain.id, 9]),
  },
  'event_channel_op.virq': { make: event(BIND_VIRQ, () => [24, 0]) },
  'event_channel_op.vcpu': { make: event(BIND_IPI, () => [9]) },
  'event_channel_op.virq-bound': {
    make: (scene) => {
      const guest = scene.guest();
      const bind = () => guest.call(EVENT_CHANNEL_OP, BIND_VIRQ, guest.words(0, 0, 0));
      bind();
      return [guest, bind()];
    },
  },
  'sched_op.poll-count': { make: poll(129) },
  'sched_op.poll-port': { make: poll(1) },
  'vcpu_op.command': { make: call(VCPU_OP, () => [10, 0, 0]) },
  'vcpu_op.vcpu': { make: call(VCPU_OP, () => [UP, 2, 0]) },
  'vcpu_op.initialised': { make: call(VCPU_OP, (guest) => [INITIALISE, 0, guest.kva(guest.d)]) },
  'vcpu_op.not-initialised': { make: call(VCPU_OP, () => [UP, 1, 0]) },
  'vcpu_op.argument': { make: call(VCPU_OP, (guest) => [INITIALISE, 1, guest.unmapped]) },
  'vcpu_op.address': {
    make: call(VCPU_OP, (guest) => {
      guest.fresh();
      const at = guest.kva(guest.d);
      const { wordBytes, m2pWindow } = guest.abi;
      guest.mustStore(at + BigInt(CONTEXT_RIP[wordBytes]), wordBytes, m2pWindow.start);
      return [INITIALISE, 1, at];
    }),
  },
};

export const exchangeRecipes: { readonly [id in keyof typeof exchangeRules]: Recipe } = {
  'exchange.argument': { make: call(MEMORY_OP, (guest) => [11, guest.unmapped]) },
  'exchange.order': { make: exchange(() => ({ order: 20 })) },
  'exchange.sizes': { make: exchange(() => ({ outCount: 2 })) },
  'exchange.list': { make: exchange((guest) => ({ inList: guest.unmapped })) },
  'exchange.node': { on: modern, make: exchange(() => ({ memFlags: 0xff00 })) },
  'exchange.address-bits': { on: old, make: exchange(() => ({ memFlags: 20 })) },
  'exchange.domain': { on: modern, make: exchange(() => ({ domid: NOBODY })) },
  'exchange.privilege': {
    make: exchange((guest, scene) => ({ domid: scene.beside(guest).domain.id })),
  },
  'exchange.frame': {
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.exchange(guest.dFrame, guest.d)];
    },
  },
  'exchange.no-memory': {
    make: (scene) => {
      const guest = scene.guest({ heapFrames: 4096 + 1 });
      const { page, frame } = guest.unmappedFrame();
      return [guest, guest.exchange(frame, page)];
    },
  },
  'memory_op.no-map': {
    make: (scene) => {
      const dom0 = scene.dom0();
      return [dom0, dom0.call(MEMORY_OP, 9, dom0.scratch)];
    },
  },
  'memory_op.machine-map': { make: call(MEMORY_OP, (guest) => [10, guest.scratch]) },
  'memory_op.set-map': { make: call(MEMORY_OP, (guest) => [13, guest.scratch]) },
  'memory_op.space': { on: modern, make: physmap(7, DOMID.SELF, 4) },
  'memory_op.batch-space': { on: modern, make: physmap(23, DOMID.SELF | (3 << 16), 0) },
  'memory_op.not-translated': { make: physmap(7, DOMID.SELF, 0) },
};
