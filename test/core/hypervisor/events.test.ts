/** Event channels, upcalls, polling (facts 8.4) and further vCPUs (facts 8.3, 9.9). */

import { beforeEach, describe, expect, it } from 'vitest';
import { audit } from '../../../core/hypervisor/audit.ts';
import { ERRNO } from '../../../core/hypervisor/errno.ts';
import { Control, R, RunState } from '../../../core/machine/registers.ts';
import { DOMID, highWord, lowWord } from '../../../core/units.ts';
import { Guest } from './guest.ts';

const MIB = 1024 * 1024;
const EVENT_CHANNEL_OP = 32;
const SCHED_OP = 29;
const VCPU_OP = 24;
const SET_CALLBACKS = 4;
const HANDLER = 0x1000n;
const NO_PORT = 0;

/** A guest with event channels; a structure is a list of 32-bit words. */
class EventGuest extends Guest {
  event(command: number, ...words: readonly number[]) {
    words.forEach((word, i) => this.mustStore(this.scratch + BigInt(i * 4), 4, BigInt(word)));
    const rc = this.call(EVENT_CHANNEL_OP, command, this.scratch);
    return {
      rc,
      words: Array.from({ length: 6 }, (_, i) => Number(this.load(this.scratch + BigInt(i * 4), 4))),
    };
  }

  allocUnbound(remote: number, dom: number = DOMID.SELF): number {
    const { rc, words } = this.event(6, dom | (remote << 16));
    return rc === 0 ? (words[1] ?? NO_PORT) : rc;
  }

  bindInterdomain(remote: number, port: number): number {
    const { rc, words } = this.event(0, remote, port);
    return rc === 0 ? (words[2] ?? NO_PORT) : rc;
  }

  send = (port: number): number => this.event(4, port).rc;

  status(port: number, dom: number = DOMID.SELF) {
    const { rc, words } = this.event(5, dom, port);
    return { rc, state: words[2], vcpu: words[3], peer: words[4], peerPort: words[5] };
  }

  /** Bytes of the shared info page, as Xen sees it. */
  shared(offset: number): number {
    return this.hv.memory.readByte(this.layout.sharedInfo, offset);
  }

  setShared(offset: number, value: number): void {
    this.hv.memory.writeBytes(this.layout.sharedInfo, offset, Uint8Array.of(value));
  }

  isPending(port: number): boolean {
    const { offset } = this.abi.sharedInfo.evtchnPending;
    return ((this.shared(offset + (port >>> 3)) >>> (port & 7)) & 1) !== 0;
  }

  mask(port: number): void {
    const at = this.abi.sharedInfo.evtchnMask.offset + (port >>> 3);
    this.setShared(at, this.shared(at) | (1 << (port & 7)));
  }

  get upcallPending(): number {
    return this.shared(this.abi.sharedInfo.upcallPending.offset);
  }

  unmaskUpcalls(): void {
    this.setShared(this.abi.sharedInfo.upcallMask.offset, 0);
  }

  get upcallMask(): number {
    return this.shared(this.abi.sharedInfo.upcallMask.offset);
  }

  setCallback(): void {
    const is64 = this.abi.wordBytes === 8;
    this.vcpu.setRegValue(R.rsp, this.kva(15));
    expect(
      is64 ? this.call(SET_CALLBACKS, HANDLER, 0, 0) : this.call(SET_CALLBACKS, 0xe019, HANDLER, 0, 0),
    ).toBe(0);
  }

  /** The registers as they were before an upcall, and a clean state for the next one. */
  finishUpcall(): void {
    this.setShared(this.abi.sharedInfo.upcallPending.offset, 0);
    this.vcpu.setRegValue(R.rsp, this.kva(15));
    this.vcpu.setRegValue(R.rip, 0n);
  }
}

describe.each(['x86_64', 'x86_32p', 'x86_32'] as const)('event channels on %s', (abi) => {
  let one: EventGuest;
  let two: EventGuest;

  beforeEach(() => {
    one = new EventGuest({ abi, spec: { memoryBytes: 4 * MIB } });
    two = new EventGuest({ hv: one.hv, spec: { memoryBytes: 4 * MIB } });
  });

  /** A connection: its ports in `one` and `two`. */
  const connect = () => {
    const local = one.allocUnbound(two.domain.id);
    return { local, remote: two.bindInterdomain(one.domain.id, local) };
  };

  it('ports are given from the lowest on; those of the toolstack are taken', () => {
    expect(one.allocUnbound(two.domain.id)).toBe(3);
    expect(one.allocUnbound(two.domain.id)).toBe(4);
    expect(one.status(1)).toMatchObject({ rc: 0, state: 2, peer: 0 });
    expect(one.status(3)).toMatchObject({ rc: 0, state: 1, peer: two.domain.id });
    expect(one.event(3, 3).rc).toBe(0);
    expect(one.status(3)).toMatchObject({ rc: 0, state: 0 });
    expect(one.allocUnbound(two.domain.id)).toBe(3);
  });

  it('two domains connect and signal each other', () => {
    const { local, remote } = connect();
    expect(two.status(remote)).toMatchObject({ state: 2, peer: one.domain.id, peerPort: local });
    expect(one.status(local)).toMatchObject({ state: 2, peer: two.domain.id, peerPort: remote });
    expect(two.isPending(remote)).toBe(true);
    expect(one.isPending(local)).toBe(false);
    expect(two.send(remote)).toBe(0);
    expect(one.isPending(local)).toBe(true);
    expect(one.upcallPending).toBe(1);
  });

  it('an event on an unbound port is dropped; on a closed one it is refused', () => {
    const port = one.allocUnbound(two.domain.id);
    expect(one.send(port)).toBe(0);
    expect(one.send(77)).toBe(-ERRNO.EINVAL);
    expect(one.rule).toBe('event_channel_op.port');
    expect(one.event(3, 77).rc).toBe(-ERRNO.EINVAL);
    expect(one.event(3, 0).rc).toBe(-ERRNO.EINVAL);
    expect(one.send(0x7fff_ffff)).toBe(-ERRNO.EINVAL);
  });

  it('closing one end makes the other unbound for whoever closed', () => {
    const { local, remote } = connect();
    expect(two.event(3, remote).rc).toBe(0);
    expect(one.status(local)).toMatchObject({ state: 1, peer: two.domain.id });
    expect(two.bindInterdomain(one.domain.id, local)).toBe(remote);
    expect(one.event(10, DOMID.SELF).rc).toBe(0);
    expect(two.status(remote)).toMatchObject({ state: 1, peer: one.domain.id });
    expect(one.status(1)).toMatchObject({ state: 0 });
  });

  it('only the domain that a port is offered to can bind it', () => {
    const port = one.allocUnbound(55);
    expect(two.bindInterdomain(one.domain.id, port)).toBe(-ERRNO.EINVAL);
    expect(two.rule).toBe('event_channel_op.not-offered');
    expect(two.bindInterdomain(99, port)).toBe(-ERRNO.ESRCH);
    expect(two.rule).toBe('event_channel_op.domain');
    expect(two.allocUnbound(1, one.domain.id)).toBe(-ERRNO.EPERM);
    expect(two.rule).toBe('event_channel_op.privilege');
    expect(two.allocUnbound(1, 99)).toBe(-ERRNO.ESRCH);
  });

  it('a domain may connect to itself', () => {
    const port = one.allocUnbound(DOMID.SELF);
    const other = one.bindInterdomain(DOMID.SELF, port);
    one.send(other);
    expect(one.isPending(port)).toBe(true);
    expect(one.event(3, port).rc).toBe(0);
    expect(one.status(other)).toMatchObject({ state: 1 });
  });

  it('virqs and ipis', () => {
    expect(one.event(1, 0, 0)).toMatchObject({ rc: 0, words: [0, 0, 3, 0, 0, 0] });
    expect(one.event(1, 0, 0).rc).toBe(-ERRNO.EEXIST);
    expect(one.rule).toBe('event_channel_op.virq-bound');
    expect(one.event(1, 24, 0).rc).toBe(-ERRNO.EINVAL);
    expect(one.rule).toBe('event_channel_op.virq');
    expect(one.event(1, 2, 1).rc).toBe(-ERRNO.EINVAL);
    expect(one.event(1, 0, 3).rc).toBe(-ERRNO.ENOENT);
    expect(one.rule).toBe('event_channel_op.vcpu');
    expect(one.status(3)).toMatchObject({ state: 4, peer: 0 });
    const { rc, words } = one.event(7, 0);
    expect([rc, words[1]]).toEqual([0, 4]);
    expect(one.send(4)).toBe(0);
    expect(one.isPending(4)).toBe(true);
    expect(one.send(3)).toBe(-ERRNO.EINVAL);
    expect(one.event(7, 9).rc).toBe(-ERRNO.ENOENT);
    expect(one.event(8, 4, 0).rc).toBe(-ERRNO.EINVAL);
    expect(one.event(8, one.allocUnbound(1), 0).rc).toBe(0);
  });

  it('a masked port waits until it is unmasked', () => {
    const { local, remote } = connect();
    one.mask(local);
    two.send(remote);
    expect([one.isPending(local), one.upcallPending]).toEqual([true, 0]);
    expect(one.event(9, local).rc).toBe(0);
    expect(one.upcallPending).toBe(1);
    expect(one.event(9, 100_000).rc).toBe(-ERRNO.EINVAL);
  });

  it('the upcall comes when the hypercall ends, with events masked, as an exception without error code', () => {
    const { local } = connect();
    one.setCallback();
    one.unmaskUpcalls();
    one.vcpu.setRegValue(R.rip, one.kva(0) + 0x40n);
    const sp = one.vcpu.getReg(R.rsp);
    const ipi = one.event(7, 0).words[1] ?? NO_PORT;
    expect(one.send(ipi)).toBe(0);
    expect(one.vcpu.getReg(R.rip)).toBe(HANDLER);
    expect(one.upcallMask).toBe(1);
    const { wordBytes } = one.abi;
    const frame = one.vcpu.getReg(R.rsp);
    const word = (i: number) => one.load(frame + BigInt(i * wordBytes), wordBytes);
    const rip = word(wordBytes === 8 ? 2 : 0);
    expect(rip).toBe(one.kva(0) + 0x40n);
    expect(sp - frame).toBe(BigInt(wordBytes === 8 ? 7 * 8 + (Number(sp) % 16) : 3 * 4));
    expect(one.isPending(local)).toBe(false);
  });

  it('an upcall without a callback crashes the domain', () => {
    one.unmaskUpcalls();
    const ipi = one.event(7, 0).words[1] ?? NO_PORT;
    one.send(ipi);
    expect(one.domain.state).toMatchObject({ kind: 'crashed', crash: { rule: 'trap.no-event-callback' } });
  });

  it('a blocked vCPU is woken, and enters the callback when its turn comes', () => {
    const { local, remote } = connect();
    one.setCallback();
    expect(one.call(SCHED_OP, 1, 0)).toBe(0);
    expect(one.vcpu.control(Control.runState)).toBe(RunState.blocked);
    expect(one.hv.deliverEvents(one.vcpu)).toBe('none');
    two.send(remote);
    expect(one.vcpu.control(Control.runState)).toBe(RunState.running);
    expect(one.hv.deliverEvents(one.vcpu)).toBe('delivered');
    expect(one.vcpu.getReg(R.rip)).toBe(HANDLER);
    expect(one.isPending(local)).toBe(true);
  });

  it('a poll waits for its port, masked or not, and for no other', () => {
    const { local, remote } = connect();
    const other = connect();
    const poll = (ports: readonly number[], timeout = 0n) => {
      const { wordBytes } = one.abi;
      ports.forEach((port, i) => one.mustStore(one.scratch + 64n + BigInt(i * 4), 4, BigInt(port)));
      one.mustStore(one.scratch, wordBytes, one.scratch + 64n);
      one.mustStore(one.scratch + BigInt(wordBytes), 4, BigInt(ports.length));
      one.mustStore(one.scratch + BigInt(2 * wordBytes), 8, timeout);
      return one.call(SCHED_OP, 3, one.scratch);
    };
    one.mask(local);
    one.mask(other.local);
    expect(poll([local])).toBe(0);
    expect(one.vcpu.control(Control.runState)).toBe(RunState.blocked);
    two.send(other.remote);
    expect(one.vcpu.control(Control.runState)).toBe(RunState.blocked);
    two.send(remote);
    expect(one.vcpu.control(Control.runState)).toBe(RunState.running);
    expect(poll([local])).toBe(0);
    expect(one.vcpu.control(Control.runState)).toBe(RunState.running);
    expect(poll([0])).toBe(-ERRNO.EINVAL);
    expect(one.rule).toBe('sched_op.poll-port');
    expect(one.call(SCHED_OP, 3, one.unmapped)).toBe(-ERRNO.EFAULT);
    one.mustStore(one.scratch + BigInt(one.abi.wordBytes), 4, 129n);
    expect(one.call(SCHED_OP, 3, one.scratch)).toBe(-ERRNO.EINVAL);
    expect(one.rule).toBe('sched_op.poll-count');
  });

  it('the form of 3.0.2 has the command inside the structure', () => {
    one.mustStore(one.scratch, 4, 6n);
    one.mustStore(one.scratch + 4n, 4, BigInt(DOMID.SELF | (two.domain.id << 16)));
    expect(one.call(16, one.scratch)).toBe(0);
    expect(one.load(one.scratch + 8n, 4)).toBe(3n);
    expect(one.call(16, one.unmapped)).toBe(-ERRNO.EFAULT);
  });

  it('commands that do not exist, that the model has not, and arguments that cannot be read', () => {
    expect(one.event(40).rc).toBe(-ERRNO.ENOSYS);
    expect(one.rule).toBe('event_channel_op.command');
    expect(one.event(2).rc).toBe(-ERRNO.ENOSYS);
    expect(one.rule).toBe('event_channel_op.not-modelled');
    expect(one.call(EVENT_CHANNEL_OP, 4, one.unmapped)).toBe(-ERRNO.EFAULT);
    expect(one.rule).toBe('event_channel_op.argument');
  });

  it('ports are used up', () => {
    const { count } = one.hv.events.of(one.domain);
    const binding = { state: 1, peer: 9, peerPort: 0, vcpu: 0 } as const;
    for (let port = 3; port < count; port++) one.hv.events.of(one.domain).set(port, binding);
    expect(one.allocUnbound(9)).toBe(-ERRNO.ENOSPC);
    expect(one.rule).toBe('event_channel_op.no-port');
  });

  it('undo takes events back', () => {
    const mark = one.hv.machine.store.mark();
    const { remote } = connect();
    two.send(remote);
    expect(one.hv.machine.store.undoTo(mark)).toBe(true);
    expect(one.upcallPending).toBe(0);
    expect(one.allocUnbound(two.domain.id)).toBe(3);
  });
});

describe.each(['x86_64', 'x86_32p', 'x86_32'] as const)('further vCPUs on %s', (abi) => {
  const offsets = {
    8: { rip: 648, rsp: 672, cr3: 4984 + 24, kernelSp: 4976 },
    4: { rip: 548, rsp: 560, cr3: 2716 + 12, kernelSp: 2712 },
  } as const;
  let guest: EventGuest;

  beforeEach(() => {
    guest = new EventGuest({ abi, spec: { maxVcpus: 2 } });
  });

  /** The context lies in two pages of the kernel's linear mapping. */
  const writeContext = (rip: bigint, cr3: bigint): bigint => {
    const at = guest.kva(guest.fresh());
    guest.fresh();
    const { wordBytes } = guest.abi;
    const layout = offsets[wordBytes];
    const put = (offset: number, value: bigint) => guest.mustStore(at + BigInt(offset), wordBytes, value);
    put(layout.rip, rip);
    put(layout.rsp, guest.kva(14));
    put(layout.kernelSp, guest.kva(14));
    put(layout.cr3, cr3);
    return at;
  };
  const cr3Of = (frame: number): bigint => BigInt(frame) << 12n;
  const initialise = (id: number, context: bigint) => guest.call(VCPU_OP, 0, id, context);

  it('a second vCPU has its own registers, root reference and TLB', () => {
    const context = writeContext(guest.kva(1), cr3Of(guest.root));
    const before = guest.hv.frames.refCount.get(guest.root);
    expect(guest.call(VCPU_OP, 3, 1, 0)).toBe(0);
    expect(initialise(1, context)).toBe(0);
    const second = guest.domain.vcpu(1);
    expect(second?.getReg(R.rip)).toBe(guest.kva(1));
    expect(second?.kernelRoot).toBe(guest.root);
    expect(guest.hv.frames.refCount.get(guest.root)).toBe(before + 1);
    expect(second?.control(Control.runState)).toBe(RunState.down);
    expect(guest.call(VCPU_OP, 1, 1, 0)).toBe(0);
    expect(guest.call(VCPU_OP, 3, 1, 0)).toBe(1);
    expect(second?.control(Control.runState)).toBe(RunState.running);

    const va = guest.kva(guest.fresh());
    expect(second?.mmu.load(lowWord(va), highWord(va), 4)).toBe(true);
    guest.load(va, 4);
    expect(guest.vaMapping(va, 0n, 2n)).toBe(0);
    expect(guest.vcpu.mmu.load(lowWord(va), highWord(va), 4)).toBe(false);
    expect(second?.mmu.load(lowWord(va), highWord(va), 4), 'a stale translation').toBe(true);
    expect(guest.vaMapping(va, 0n, 4n | 2n)).toBe(0);
    expect(second?.mmu.load(lowWord(va), highWord(va), 4)).toBe(false);

    expect(guest.event(7, 1).rc).toBe(0);
    expect(guest.call(VCPU_OP, 2, 1, 0)).toBe(0);
    expect(guest.call(VCPU_OP, 3, 1, 0)).toBe(0);
    expect(audit(guest.hv)).toEqual([]);
    expect(guest.call(VCPU_OP, 2, 0, 0)).toBe(0);
    expect(guest.domain.state).toMatchObject({ kind: 'shutdown', reason: 0 });
  });

  it('refuses what cannot be brought up', () => {
    const good = writeContext(guest.kva(1), cr3Of(guest.root));
    expect(initialise(2, good)).toBe(-ERRNO.ENOENT);
    expect(guest.rule).toBe('vcpu_op.vcpu');
    expect(initialise(0, good)).toBe(-ERRNO.EEXIST);
    expect(guest.rule).toBe('vcpu_op.initialised');
    expect(guest.call(VCPU_OP, 1, 1, 0)).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('vcpu_op.not-initialised');
    expect(initialise(1, guest.unmapped)).toBe(-ERRNO.EFAULT);
    expect(guest.rule).toBe('vcpu_op.argument');
    expect(guest.call(VCPU_OP, 10, 1, good)).toBe(-ERRNO.ENOSYS);
    expect(guest.rule).toBe('vcpu_op.command');
    expect(initialise(1, writeContext(guest.abi.m2pWindow.start, cr3Of(guest.root)))).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('vcpu_op.address');
    expect(initialise(1, writeContext(guest.kva(1), cr3Of(guest.p2m(guest.fresh()))))).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('baseptr.type');
    expect(guest.domain.isRunning).toBe(true);
    expect(initialise(1, good)).toBe(0);
  });
});
