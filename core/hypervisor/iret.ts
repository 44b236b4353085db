/**
 * HYPERVISOR_iret (23): returns to the context in the frame at the guest's stack pointer. It has no result: the
 * registers afterwards are those of the frame. Facts 7.6.
 */

import type { FrameWord } from '../abi/abi.ts';
import { Control, R, RFLAGS_IF } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { formatHex, joinWords } from '../units.ts';
import { CONTEXT_SWITCHED } from './context.ts';
import { readField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { setUpcallMask } from './shared-info.ts';
import { crash } from './traps.ts';

const RFLAGS_IOPL_VM = 0x2_3000;
const RPL = 3;

/** A frame's words by name, lo and hi. */
type Frame = Partial<Record<FrameWord, readonly [number, number]>>;

export function iret(hv: Hypervisor, vcpu: Vcpu): number {
  const { trapFrames, wordBytes, selectors, kernelInRing3 } = hv.abi;
  const short = readFrame(hv, vcpu, trapFrames.iret, 0);
  if (short === null) return crashOnFrame(hv, vcpu);
  const [cs] = wordOf(short, 'cs');
  const toUser = (cs & RPL) === RPL;
  const rest = readFrame(hv, vcpu, toUser ? trapFrames.iretToUser : [], trapFrames.iret.length);
  if (rest === null) return crashOnFrame(hv, vcpu);
  const frame = { ...short, ...rest };
  if (!kernelInRing3 && (cs & RPL) < selectors.kernelRpl) {
    crash(hv, vcpu, 'iret.ring', { selector: formatHex(cs & 0xffff) }, []);
    return CONTEXT_SWITCHED;
  }
  if (toUser && kernelInRing3 && vcpu.control(Control.userRoot) === -1) {
    crash(hv, vcpu, 'iret.no-user-root', {}, []);
    return CONTEXT_SWITCHED;
  }
  restore(
    hv,
    vcpu,
    frame,
    toUser,
    (trapFrames.iret.length + (toUser ? trapFrames.iretToUser.length : 0)) * wordBytes,
  );
  return CONTEXT_SWITCHED;
}

function restore(hv: Hypervisor, vcpu: Vcpu, frame: Frame, toUser: boolean, frameBytes: number): void {
  const { trapFrames, selectors } = hv.abi;
  const [flags] = frame.flags ?? [0, 0];
  const fromSyscall = (flags & trapFrames.inSyscall) !== 0;
  for (const word of ['rax', 'r11', 'rcx'] as const) {
    const value = frame[word];
    if (value !== undefined && (word === 'rax' || !fromSyscall)) vcpu.setReg(R[word], ...value);
  }
  const [ripLo, ripHi] = wordOf(frame, 'rip');
  const [rflags] = wordOf(frame, 'rflags');
  const [cs] = wordOf(frame, 'cs');
  const sp = frame.rsp ?? spAfter(vcpu, frameBytes);
  const [ss] = frame.ss ?? [selectors.kernelSs, 0];
  vcpu.setReg(R.rip, ripLo, ripHi);
  vcpu.setReg(R.cs, (cs & 0xffff) | selectors.kernelRpl, 0);
  vcpu.setReg(R.rflags, (rflags & ~RFLAGS_IOPL_VM) | RFLAGS_IF, 0);
  vcpu.setReg(R.rsp, sp[0], sp[1]);
  vcpu.setReg(R.ss, (ss & 0xffff) | selectors.kernelRpl, 0);
  setUpcallMask(hv, vcpu, (rflags & RFLAGS_IF) !== 0 ? 0 : 1);
  vcpu.enterMode(toUser ? 'user' : 'kernel');
}

function readFrame(hv: Hypervisor, vcpu: Vcpu, words: readonly FrameWord[], skip: number): Frame | null {
  const { wordBytes } = hv.abi;
  const frame: Frame = {};
  for (let i = 0; i < words.length; i++) {
    const field = { offset: (skip + i) * wordBytes, bytes: wordBytes };
    if (!readField(vcpu, vcpu.regLo(R.rsp), vcpu.regHi(R.rsp), field)) return null;
    frame[words[i] as FrameWord] = [vcpu.mmu.lo, vcpu.mmu.hi];
  }
  return frame;
}

function wordOf(frame: Frame, word: FrameWord): readonly [number, number] {
  const value = frame[word];
  if (value === undefined) throw new Error(`iret: this ABI's frame has no ${word}`);
  return value;
}

function spAfter(vcpu: Vcpu, bytes: number): readonly [number, number] {
  const sum = (vcpu.regLo(R.rsp) >>> 0) + bytes;
  return [sum | 0, sum > 0xffff_ffff ? (vcpu.regHi(R.rsp) + 1) | 0 : vcpu.regHi(R.rsp)];
}

function crashOnFrame(hv: Hypervisor, vcpu: Vcpu): number {
  const address = formatHex(joinWords(vcpu.regLo(R.rsp), hv.abi.wordBytes === 8 ? vcpu.regHi(R.rsp) : 0));
  crash(hv, vcpu, 'iret.frame', { address }, []);
  return CONTEXT_SWITCHED;
}
