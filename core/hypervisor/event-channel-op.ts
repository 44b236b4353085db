/**
 * HYPERVISOR_event_channel_op (32), and its form of 3.0.2 (16) with the command inside the structure. A domU is born with
 * two ports, xenstore's and the console's (start_info), whose other ends are daemons of the toolstack; behind the
 * console's the daemon reads the ring. Facts 8.4.
 */

import type { Domain } from '../machine/domain.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { DOMID, type DomainId } from '../units.ts';
import { drainConsole } from './console-ring.ts';
import { type EventChannels, PortState, raiseEvent, unmaskPort } from './event-channels.ts';
import { carryInto, readField, writeField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';

/** The ports that the toolstack binds before a domU starts. */
export const STORE_PORT = 1;
export const CONSOLE_PORT = 2;

const NR_VIRQS = 24;
/** Virqs that each vCPU binds for itself: TIMER, DEBUG, XENOPROF, XENPMU. */
const VCPU_VIRQS: ReadonlySet<number> = new Set([0, 1, 7, 13]);
const TOOLSTACK_DOMAIN = 0;

/** The words of the guest's structure, one each 32 bits, read before the command runs; `put` writes results back. */
class Arguments {
  readonly hv: Hypervisor;
  readonly vcpu: Vcpu;
  private readonly lo: number;
  private readonly hi: number;

  constructor(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number) {
    this.hv = hv;
    this.vcpu = vcpu;
    this.lo = lo;
    this.hi = hi;
  }

  get domain(): Domain {
    return this.vcpu.domain;
  }

  get ports(): EventChannels {
    return this.hv.events.of(this.vcpu.domain);
  }

  /** An unsigned word; null when it cannot be read. */
  word(index: number): number | null {
    return readField(this.vcpu, this.lo, this.hi, { offset: index * 4, bytes: 4 })
      ? this.vcpu.mmu.lo >>> 0
      : null;
  }

  put(index: number, value: number): boolean {
    return writeField(this.vcpu, this.lo, this.hi, { offset: index * 4, bytes: 4 }, value, 0);
  }

  fault(): number {
    return refuse(this.hv, 'event_channel_op.argument', { addressLo: this.lo, addressHi: this.hi });
  }
}

interface CommandRow {
  readonly name: string;
  /** Words of the structure that the guest fills in. */
  readonly words: number;
  /** Null where Xen has a command that the model has not. */
  readonly run: ((args: Arguments, words: readonly number[]) => number) | null;
}

const row = (name: string, words: number, run: CommandRow['run']): CommandRow => ({ name, words, run });

export const EVTCHNOPS: readonly CommandRow[] = [
  row('EVTCHNOP_bind_interdomain', 2, bindInterdomain),
  row('EVTCHNOP_bind_virq', 2, bindVirq),
  row('EVTCHNOP_bind_pirq', 2, null),
  row('EVTCHNOP_close', 1, close),
  row('EVTCHNOP_send', 1, send),
  row('EVTCHNOP_status', 2, status),
  row('EVTCHNOP_alloc_unbound', 1, allocUnbound),
  row('EVTCHNOP_bind_ipi', 1, bindIpi),
  row('EVTCHNOP_bind_vcpu', 2, bindVcpu),
  row('EVTCHNOP_unmask', 1, unmask),
  row('EVTCHNOP_reset', 1, reset),
  row('EVTCHNOP_init_control', 1, null),
  row('EVTCHNOP_expand_array', 1, null),
  row('EVTCHNOP_set_priority', 1, null),
];

export function eventChannelOp(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  return runCommand(new Arguments(hv, vcpu, args[2] as number, args[3] as number), args[0] as number);
}

export function eventChannelOpCompat(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const lo = args[0] as number;
  const hi = args[1] as number;
  const whole = new Arguments(hv, vcpu, lo, hi);
  const command = whole.word(0);
  if (command === null) return whole.fault();
  return runCommand(new Arguments(hv, vcpu, (lo + 4) | 0, carryInto(lo, hi, 4)), command);
}

function runCommand(args: Arguments, command: number): number {
  const found = EVTCHNOPS[command];
  if (found === undefined) return refuse(args.hv, 'event_channel_op.command', { command });
  met(args.hv, 'event_channel_op.command');
  if (found.run === null) return refuse(args.hv, 'event_channel_op.not-modelled', { command: found.name });
  met(args.hv, 'event_channel_op.not-modelled');
  const words: number[] = [];
  for (let i = 0; i < found.words; i++) {
    const word = args.word(i);
    if (word === null) return args.fault();
    words.push(word);
  }
  return found.run(args, words);
}

/** Two domids share the first word; the port is the second. */
function allocUnbound(args: Arguments, [domids = 0]: readonly number[]): number {
  const domain = domainNamed(args, domids & 0xffff);
  if (typeof domain === 'number') return domain;
  const remote = domids >>> 16;
  const peer = remote === DOMID.SELF ? args.domain.id : remote;
  return bind(args, domain, 1, { state: PortState.unbound, peer, peerPort: 0, vcpu: 0 });
}

function bindInterdomain(args: Arguments, [domids = 0, remotePort = 0]: readonly number[]): number {
  const { hv, domain } = args;
  const domid = domids & 0xffff;
  const remote = domid === DOMID.SELF ? domain : hv.machine.domain(domid as DomainId);
  const facts = { foreign: domid, foreignHex: domid.toString(16), port: remotePort };
  if (remote === undefined) return refuse(hv, 'event_channel_op.domain', facts);
  met(hv, 'event_channel_op.domain');
  const local = args.ports.free();
  if (local === null) return refuse(hv, 'event_channel_op.no-port', {});
  met(hv, 'event_channel_op.no-port');
  const ports = hv.events.of(remote);
  const other = ports.has(remotePort) ? ports.get(remotePort) : null;
  if (other?.state !== PortState.unbound || other.peer !== domain.id)
    return refuse(hv, 'event_channel_op.not-offered', { ...facts, state: nameOf(other?.state ?? 0) });
  met(hv, 'event_channel_op.not-offered');
  if (!args.put(2, local)) return args.fault();
  ports.set(remotePort, {
    ...other,
    state: PortState.interdomain,
    peer: domain.id,
    peerPort: local,
  });
  args.ports.set(local, { state: PortState.interdomain, peer: remote.id, peerPort: remotePort, vcpu: 0 });
  // Events that were sent before the binding were lost: Xen always raises one.
  raiseEvent(hv, domain, local);
  return 0;
}

function bindVirq(args: Arguments, [virq = 0, vcpu = 0]: readonly number[]): number {
  const { hv, domain, ports } = args;
  if (virq >= NR_VIRQS || (vcpu !== 0 && !VCPU_VIRQS.has(virq)))
    return refuse(hv, 'event_channel_op.virq', { virq, vcpu });
  met(hv, 'event_channel_op.virq');
  if (domain.vcpu(vcpu) === undefined) return refuse(hv, 'event_channel_op.vcpu', { vcpu });
  met(hv, 'event_channel_op.vcpu');
  const bound = ports.findVirq(virq, vcpu);
  if (bound !== null) return refuse(hv, 'event_channel_op.virq-bound', { virq, vcpu, port: bound });
  met(hv, 'event_channel_op.virq-bound');
  return bind(args, domain, 2, { state: PortState.virq, peer: virq, peerPort: 0, vcpu });
}

function bindIpi(args: Arguments, [vcpu = 0]: readonly number[]): number {
  if (args.domain.vcpu(vcpu) === undefined) return refuse(args.hv, 'event_channel_op.vcpu', { vcpu });
  met(args.hv, 'event_channel_op.vcpu');
  return bind(args, args.domain, 1, { state: PortState.ipi, peer: 0, peerPort: 0, vcpu });
}

/** Takes the lowest free port for a binding and tells its number in a word of the structure. */
function bind(
  args: Arguments,
  domain: Domain,
  resultWord: number,
  binding: Parameters<EventChannels['set']>[1],
): number {
  const ports = args.hv.events.of(domain);
  const port = ports.free();
  if (port === null) return refuse(args.hv, 'event_channel_op.no-port', {});
  met(args.hv, 'event_channel_op.no-port');
  if (!args.put(resultWord, port)) return args.fault();
  ports.set(port, binding);
  return 0;
}

function close(args: Arguments, [port = 0]: readonly number[]): number {
  const { hv, ports } = args;
  if (!ports.has(port) || ports.get(port).state === PortState.closed) return refusePort(args, port);
  closePort(hv, args.domain, port);
  return 0;
}

/** The other end of a connection becomes unbound again, for the domain that closed. */
function closePort(hv: Hypervisor, domain: Domain, port: number): void {
  const ports = hv.events.of(domain);
  const { state, peer, peerPort } = ports.get(port);
  ports.close(port);
  const remote = state === PortState.interdomain ? hv.machine.domain(peer as DomainId) : undefined;
  if (remote === undefined) return;
  const others = hv.events.of(remote);
  const { vcpu } = others.get(peerPort);
  if (remote !== domain || peerPort !== port)
    others.set(peerPort, { state: PortState.unbound, peer: domain.id, peerPort: 0, vcpu });
}

function send(args: Arguments, [port = 0]: readonly number[]): number {
  const { hv, domain, ports } = args;
  if (!ports.has(port)) return refusePort(args, port);
  const { state, peer, peerPort } = ports.get(port);
  switch (state) {
    case PortState.interdomain:
      sendTo(hv, peer, peerPort);
      return 0;
    case PortState.ipi:
      raiseEvent(hv, domain, port);
      return 0;
    case PortState.daemon:
      if (port === CONSOLE_PORT) tellConsole(hv, domain);
      return 0;
    case PortState.unbound:
      return 0;
    default:
      return refusePort(args, port);
  }
}

function sendTo(hv: Hypervisor, domid: number, port: number): void {
  const domain = hv.machine.domain(domid as DomainId);
  if (domain === undefined) throw new Error(`evtchn_send: d${domid} is gone`);
  raiseEvent(hv, domain, port);
}

function tellConsole(hv: Hypervisor, domain: Domain): void {
  const text = drainConsole(hv, domain);
  if (text !== '') hv.observer?.consoleWritten?.(domain, text);
}

/** Words after domid and port: status, vcpu, and what the port is bound to (two words). */
function status(args: Arguments, [domids = 0, port = 0]: readonly number[]): number {
  const domain = domainNamed(args, domids & 0xffff);
  if (typeof domain === 'number') return domain;
  const ports = args.hv.events.of(domain);
  if (port >= ports.count) return refusePort(args, port);
  const { state, peer, peerPort, vcpu } = ports.get(port);
  const isDaemon = state === PortState.daemon;
  const shown = isDaemon ? PortState.interdomain : state;
  const detail = isDaemon ? TOOLSTACK_DOMAIN : peer;
  const isWritten =
    args.put(2, shown) &&
    args.put(3, vcpu) &&
    (state === PortState.closed || state === PortState.ipi || args.put(4, detail)) &&
    (shown !== PortState.interdomain || args.put(5, isDaemon ? port : peerPort));
  return isWritten ? 0 : args.fault();
}

function bindVcpu(args: Arguments, [port = 0, vcpu = 0]: readonly number[]): number {
  const { domain, ports } = args;
  if (domain.vcpu(vcpu) === undefined) return refuse(args.hv, 'event_channel_op.vcpu', { vcpu });
  met(args.hv, 'event_channel_op.vcpu');
  if (!ports.has(port)) return refusePort(args, port);
  const found = ports.get(port);
  const isFixed =
    found.state === PortState.ipi || (found.state === PortState.virq && VCPU_VIRQS.has(found.peer));
  if (found.state === PortState.closed || isFixed) return refusePort(args, port);
  ports.set(port, { ...found, vcpu });
  return 0;
}

function unmask(args: Arguments, [port = 0]: readonly number[]): number {
  if (!args.ports.has(port)) return refusePort(args, port);
  unmaskPort(args.hv, args.domain, port);
  return 0;
}

function reset(args: Arguments, [domids = 0]: readonly number[]): number {
  const domain = domainNamed(args, domids & 0xffff);
  if (typeof domain === 'number') return domain;
  const ports = args.hv.events.of(domain);
  for (let port = 1; port < ports.count; port++)
    if (ports.get(port).state !== PortState.closed) closePort(args.hv, domain, port);
  return 0;
}

/** One's own domain, or for the privileged domain any other. */
function domainNamed({ hv, domain }: Arguments, domid: number): Domain | number {
  if (domid === DOMID.SELF) return domain;
  const facts = { foreign: domid, foreignHex: domid.toString(16) };
  const named = hv.machine.domain(domid as DomainId);
  if (named === undefined) return refuse(hv, 'event_channel_op.domain', facts);
  met(hv, 'event_channel_op.domain');
  return named === domain || domain.role === 'hardware'
    ? named
    : refuse(hv, 'event_channel_op.privilege', facts);
}

const nameOf = (state: number): string =>
  Object.entries(PortState).find(([, value]) => value === state)?.[0] ?? 'closed';

const refusePort = ({ hv, ports }: Arguments, port: number): number =>
  refuse(hv, 'event_channel_op.port', {
    port,
    state: ports.has(port) ? nameOf(ports.get(port).state) : 'no port',
  });
