/**
 * Start of day: building a domain as the toolstack does, up to its first instruction. The page tables are written as
 * plain memory and then typed by the very checks that guests meet, so the counts are those of facts 3.3: root gc 4
 * tc 2, other tables gc 3 tc 1, boot pages gc 2 tc 1 writable. Facts 6.
 */

import type { Abi, Field } from '../abi/index.ts';
import { Domain, type StartOfDayLayout } from '../machine/domain.ts';
import { FrameFlag, PageType } from '../machine/frames.ts';
import { Control, R, RFLAGS_IF, RFLAGS_RESERVED } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import {
  type DomainId,
  type Mfn,
  PAGE_SIZE,
  domainId,
  highWord,
  lowWord,
  mfn,
  mfnToMaddr,
  pfn,
  virtualAddress,
} from '../units.ts';
import { type BootLayout, bootLayout } from './boot-layout.ts';
import { largestRegion, writeBootTables } from './boot-tables.ts';
import { CONSOLE_PORT, STORE_PORT } from './event-channel-op.ts';
import { PortState } from './event-channels.ts';
import { FramePicker } from './frame-picker.ts';
import type { Hypervisor } from './hypervisor.ts';
import { assignPage } from './references.ts';
import { loadKernelRoot } from './root.ts';
import { encodeText } from './text.ts';
import { getPageAndType } from './type-system.ts';
import type { DomainSpec, GuestImage } from './types.ts';

const SIF_PRIVILEGED = 1;
const SIF_INITDOMAIN = 2;
/** SIF_PM_MASK: domain 0 is told which power states Xen itself manages, by default C and P states. */
const SIF_PM_DEFAULT = 0x300;
const LEGACY_VCPUS = 32;
/** vCPUs that a domain may bring up when its specification says nothing. */
const DEFAULT_VCPUS = 4;
const CONSOLE_INFO_BYTES = 40;

export function buildDomain(hv: Hypervisor, spec: DomainSpec): Domain {
  const { machine } = hv;
  const abi = abiOf(hv, spec.image);
  const nrPages = Math.floor(spec.memoryBytes / PAGE_SIZE);
  const boot = bootLayout(abi, spec.role, spec.image.size, nrPages);
  checkRoom(hv, abi, boot, nrPages);
  const domain = new Domain(
    machine.store,
    abi,
    nextDomainId(hv, spec),
    spec.role,
    nrPages,
    spec.maxVcpus ?? DEFAULT_VCPUS,
  );
  machine.domains.push(domain);
  domain.maxPages = spec.maxPages ?? nrPages;
  const vcpu = domain.addVcpu(machine.store, hv.memory, 0);
  const picker = new FramePicker(hv.heap, spec.layout);
  const { mfns, sharedInfo } = takeFrames(hv, domain, picker, nrPages, boot.tablesPfn);
  shareInfoPage(hv, domain, sharedInfo);
  writeP2m(hv, boot, mfns);
  writeImage(hv, spec.image, mfns);
  domain.layout = describeLayout(abi, boot, sharedInfo, mfns);
  writeSharedInfo(hv, sharedInfo);
  writeStartInfo(hv, spec, boot, mfns, domain.layout);
  const root = writeBootTables(hv.memory, abi, boot, mfns);
  typeTables(hv, domain, vcpu, root);
  bindDaemons(hv, domain);
  setRegisters(vcpu, abi, spec, domain.layout, boot);
  return domain;
}

/** The machine's ABI, with the virtual base that the image asks for. */
function abiOf(hv: Hypervisor, { virtBase }: GuestImage): Abi {
  return virtBase === undefined ? hv.abi : { ...hv.abi, virtBase };
}

function checkRoom(hv: Hypervisor, abi: Abi, boot: BootLayout, nrPages: number): void {
  const needed = boot.stackPfn + 1;
  if (nrPages < needed)
    throw new Error(
      `the domain has ${nrPages} pages, but image, P2M and page tables need ${needed}: give it more memory`,
    );
  if (boot.mappedPages > largestRegion(abi))
    throw new Error(
      `the boot mapping would need ${boot.mappedPages} pages, more than ${abi.name} has room for: give the domain less memory`,
    );
  if (hv.heap.freeFrames < nrPages + 1)
    throw new Error(
      `the domain needs ${nrPages + 1} frames, but the machine has only ${hv.heap.freeFrames} free: give the machine more memory`,
    );
}

/** The hardware domain is d0; others count from 1. */
function nextDomainId(hv: Hypervisor, spec: DomainSpec): DomainId {
  const taken = new Set(hv.machine.domains.map((domain) => domain.id));
  if (spec.role === 'hardware') {
    if (taken.has(domainId(0)))
      throw new Error('the machine already has its hardware domain: there can be only one');
    return domainId(0);
  }
  let id = 1;
  while (taken.has(domainId(id))) id++;
  return domainId(id);
}

const NOT_PICKED = 0xffff_ffff;
const FRAMES_BELOW_4G = 0x10_0000;

/** The domain's frames by PFN, and the frame of its shared info page. */
interface TakenFrames {
  readonly mfns: Uint32Array;
  readonly sharedInfo: Mfn;
}

/**
 * Frames by PFN, each owned, scrubbed and entered into the M2P. The frames are picked in the order of the PFNs, and
 * entered in their own order: for a large domain that is several times faster than going through memory at random.
 */
function takeFrames(
  hv: Hypervisor,
  domain: Domain,
  picker: FramePicker,
  nrPages: number,
  rootPfn: number,
): TakenFrames {
  const { frames, memory, machine, abi } = hv;
  const picked = new Uint32Array(nrPages + 1);
  for (let i = 0; i < picked.length; i++) picked[i] = picker.next();
  placeBelow(picked, rootPfn, abi.rootFrameLimit ?? Infinity, rootPfn);
  // start_info holds its machine address in a word of the guest.
  placeBelow(picked, nrPages, abi.wordBytes === 4 ? FRAMES_BELOW_4G : Infinity, rootPfn);
  const mfns = picked.subarray(0, nrPages);
  const [first, last] = extremes(mfns);
  const pfns = new Uint32Array(last - first + 1).fill(NOT_PICKED);
  for (let i = 0; i < nrPages; i++) pfns[(mfns[i] as number) - first] = i;
  for (let i = 0; i < pfns.length;) {
    const from = i;
    while (pfns[i] !== NOT_PICKED && i < pfns.length) i++;
    if (i === from) {
      i++;
      continue;
    }
    frames.refCount.fillRows(first + from, first + i, 1);
    frames.owner.fillRows(first + from, first + i, domain.id);
    frames.flags.fillRows(first + from, first + i, FrameFlag.allocated);
    for (let frame = first + from; frame < first + i; frame++)
      if (!memory.isUntouched(mfn(frame))) memory.fillFrame(mfn(frame), 0);
  }
  machine.fillM2p(mfn(first), pfns, NOT_PICKED);
  hv.heap.took(nrPages);
  domain.totPages = nrPages;
  return { mfns, sharedInfo: mfn(picked[nrPages] as number) };
}

function extremes(values: Uint32Array): readonly [least: number, greatest: number] {
  let [least, greatest] = [Infinity, 0];
  for (const value of values) {
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  return [least, greatest];
}

/**
 * Exchanges the frame at an index, if it does not lie below a limit, for one that does: the toolstack and Xen choose
 * it so. `kept` is an index whose frame stays where it is.
 */
function placeBelow(picked: Uint32Array, index: number, limit: number, kept: number): void {
  const frame = picked[index] as number;
  if (frame < limit) return;
  const low = picked.findLastIndex((each, i) => each < limit && i !== kept);
  if (low < 0) throw new Error('the domain has no frame below 4 GiB: give the machine less memory');
  picked[index] = picked[low] as number;
  picked[low] = frame;
}

/** A page of Xen's heap that the domain may map: type writable, with a permanent type reference; not in the M2P. */
function shareInfoPage(hv: Hypervisor, domain: Domain, frame: Mfn): void {
  assignPage(hv, frame, domain);
  hv.memory.fillFrame(frame, 0);
  hv.frames.flags.set(frame, FrameFlag.allocated | FrameFlag.xenHeap | FrameFlag.validated);
  hv.frames.type.set(frame, PageType.writable);
  hv.frames.typeCount.set(frame, 1);
  hv.machine.invalidateM2p(frame);
  hv.heap.took(1);
}

function writeP2m(hv: Hypervisor, boot: BootLayout, mfns: Uint32Array): void {
  const wordsPerEntry = hv.abi.wordBytes / 4;
  const entriesPerPage = PAGE_SIZE / hv.abi.wordBytes;
  for (let page = 0; page < boot.p2mPages; page++) {
    const words = hv.memory.wordsOf(mfn(mfns[boot.p2mPfn + page] as number));
    const first = page * entriesPerPage;
    const used = Math.min(entriesPerPage, mfns.length - first);
    for (let i = 0; i < used; i++) words[i * wordsPerEntry] = mfns[first + i] as number;
    words.fill(-1, used * wordsPerEntry);
  }
}

function writeImage(hv: Hypervisor, image: GuestImage, mfns: Uint32Array): void {
  for (const { offset, bytes } of image.segments) {
    for (let done = 0; done < bytes.length;) {
      const at = offset + done;
      const inPage = Math.min(PAGE_SIZE - (at % PAGE_SIZE), bytes.length - done);
      const frame = mfn(mfns[Math.floor(at / PAGE_SIZE)] as number);
      hv.memory.writeBytes(frame, at % PAGE_SIZE, bytes.subarray(done, done + inPage));
      done += inPage;
    }
  }
}

function writeSharedInfo(hv: Hypervisor, sharedInfo: Mfn): void {
  const { vcpuInfoBytes, upcallMask } = hv.abi.sharedInfo;
  for (let vcpu = 0; vcpu < LEGACY_VCPUS; vcpu++)
    hv.memory.writeBytes(sharedInfo, vcpu * vcpuInfoBytes + upcallMask.offset, Uint8Array.of(1));
}

function describeLayout(abi: Abi, boot: BootLayout, sharedInfo: Mfn, mfns: Uint32Array): StartOfDayLayout {
  const va = (page: number) => virtualAddress(abi.virtBase + BigInt(page) * BigInt(PAGE_SIZE));
  const bounds: [string, number | null, number][] = [
    ['kernel image', 0, boot.imagePages],
    ['P2M list', boot.p2mPfn, boot.p2mPages],
    ['start_info', boot.startInfoPfn, 1],
    ['xenstore ring', boot.storePfn, 1],
    ['console ring', boot.consolePfn, 1],
    ['page tables', boot.tablesPfn, boot.tablePages],
    ['boot stack', boot.stackPfn, 1],
  ];
  return {
    virtBase: abi.virtBase,
    parts: bounds.flatMap(([name, from, pages]) =>
      from === null ? [] : [{ name, from: pfn(from), to: pfn(from + pages) }],
    ),
    startInfo: va(boot.startInfoPfn),
    p2mList: va(boot.p2mPfn),
    ptBase: va(boot.tablesPfn),
    nrPtFrames: boot.tablePages,
    sharedInfo,
    storeRing: boot.storePfn === null ? null : mfn(mfns[boot.storePfn] as number),
    consoleRing: boot.consolePfn === null ? null : mfn(mfns[boot.consolePfn] as number),
    mappedEnd: va(boot.mappedPages),
  };
}

function writeStartInfo(
  hv: Hypervisor,
  spec: DomainSpec,
  boot: BootLayout,
  mfns: Uint32Array,
  layout: StartOfDayLayout,
): void {
  const info = hv.abi.startInfo;
  const frame = mfn(mfns[boot.startInfoPfn] as number);
  const put = (field: Field, value: bigint | number): void => writeField(hv, frame, field, BigInt(value));
  hv.memory.writeBytes(frame, 0, encodeText(info.magic));
  put(info.nrPages, mfns.length);
  put(info.sharedInfo, mfnToMaddr(layout.sharedInfo));
  put(info.flags, spec.role === 'hardware' ? SIF_PRIVILEGED | SIF_INITDOMAIN | SIF_PM_DEFAULT : 0);
  if (boot.storePfn !== null && boot.consolePfn !== null) {
    put(info.storeMfn, mfns[boot.storePfn] as number);
    put(info.storeEvtchn, STORE_PORT);
    put(info.consoleMfn, mfns[boot.consolePfn] as number);
    put(info.consoleEvtchn, CONSOLE_PORT);
  } else {
    put(info.consoleInfoOffset, info.size);
    put(info.consoleInfoSize, CONSOLE_INFO_BYTES);
  }
  put(info.ptBase, layout.ptBase);
  put(info.nrPtFrames, layout.nrPtFrames);
  put(info.mfnList, layout.p2mList);
  const line = encodeText(spec.commandLine ?? '').subarray(0, info.cmdLine.bytes - 1);
  hv.memory.writeBytes(frame, info.cmdLine.offset, line);
}

function writeField(hv: Hypervisor, frame: Mfn, field: Field, value: bigint): void {
  const bytes = Uint8Array.from({ length: field.bytes }, (_, i) => Number((value >> BigInt(i * 8)) & 0xffn));
  hv.memory.writeBytes(frame, field.offset, bytes);
}

/** What the toolstack does last: pins the root and loads it. */
function typeTables(hv: Hypervisor, domain: Domain, vcpu: Vcpu, root: Mfn): void {
  const rc = getPageAndType(hv, root, domain.id, hv.abi.rootLevel);
  if (rc !== 0) throw new Error(`start of day: the boot tables are refused with ${rc}`);
  hv.frames.setFlag(root, FrameFlag.pinned);
  const loaded = loadKernelRoot(hv, vcpu, root);
  if (loaded !== 0) throw new Error(`start of day: the boot root is refused with ${loaded}`);
}

/** The ports whose other ends the toolstack's daemons have. */
function bindDaemons(hv: Hypervisor, domain: Domain): void {
  if (domain.role === 'hardware') return;
  for (const port of [STORE_PORT, CONSOLE_PORT])
    hv.events.of(domain).set(port, { state: PortState.daemon, peer: 0, peerPort: 0, vcpu: 0 });
}

function setRegisters(
  vcpu: Vcpu,
  abi: Abi,
  spec: DomainSpec,
  layout: StartOfDayLayout,
  boot: BootLayout,
): void {
  const stackTop = abi.virtBase + BigInt(boot.stackPfn + 1) * BigInt(PAGE_SIZE);
  vcpu.setRegValue(R.rip, abi.virtBase + BigInt(spec.image.entry));
  vcpu.setRegValue(R.rsi, layout.startInfo);
  vcpu.setRegValue(R.rsp, stackTop);
  vcpu.setReg(R.rflags, RFLAGS_IF | RFLAGS_RESERVED, 0);
  vcpu.setReg(R.cs, abi.selectors.kernelCs, 0);
  vcpu.setReg(R.ss, abi.selectors.kernelSs, 0);
  if (!abi.kernelInRing3)
    for (const register of [R.ds, R.es, R.fs, R.gs]) vcpu.setReg(register, abi.selectors.kernelSs, 0);
  vcpu.setControl(Control.kernelSs, abi.selectors.kernelSs);
  vcpu.setControl(Control.kernelSpLo, lowWord(stackTop));
  vcpu.setControl(Control.kernelSpHi, highWord(stackTop));
}
