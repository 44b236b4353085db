/** A domain: its vCPUs, its allowances, and whether it still runs. Numbers that change are journalled words. */

import type { Abi } from '../abi/index.ts';
import { Region } from '../state/column.ts';
import type { Store } from '../state/store.ts';
import type { DomainId, Mfn, Pfn, VirtualAddress } from '../units.ts';
import type { PhysicalMemory } from './memory.ts';
import { Vcpu } from './vcpu.ts';

/** `hardware`: the privileged domain that owns the devices (dom0), with I/O rights and the console. */
export type DomainRole = 'domU' | 'hardware';

/** SHUTDOWN_* reasons of sched_op (facts 8.3). */
export const SHUTDOWN_REASONS = ['poweroff', 'reboot', 'suspend', 'crash', 'watchdog', 'soft_reset'] as const;
export const SHUTDOWN_CRASH = 3;

export type DomainState =
  | { readonly kind: 'running' }
  | { readonly kind: 'shutdown'; readonly reason: number }
  | { readonly kind: 'crashed'; readonly crash: DomainCrash };

/** Why Xen (or the guest itself) crashed the domain. */
export interface DomainCrash {
  /** One sentence: what happened and what it means. */
  readonly message: string;
  /** The rule of the hypervisor that was broken, where there is one. */
  readonly rule: string | null;
  /** The page walk of the address in question, one line a level, as Xen would print it. */
  readonly walk: readonly string[];
}

/** Where start of day put things, in the domain's own numbering; for the views and the debugger. */
export interface StartOfDayLayout {
  readonly virtBase: VirtualAddress;
  /** First and last + 1 PFN of each part, ascending; names as people read them. */
  readonly parts: readonly { readonly name: string; readonly from: Pfn; readonly to: Pfn }[];
  readonly startInfo: VirtualAddress;
  readonly p2mList: VirtualAddress;
  readonly ptBase: VirtualAddress;
  readonly nrPtFrames: number;
  readonly sharedInfo: Mfn;
  readonly consoleRing: Mfn | null;
  readonly storeRing: Mfn | null;
  /** End of the bootstrap mapping. */
  readonly mappedEnd: VirtualAddress;
}

/** Words of the domain's region. */
const Word = {
  totPages: 0,
  maxPages: 1,
  state: 2,
  reason: 3,
  vmAssist: 4,
  vmAssistHigh: 5,
  vcpus: 6,
} as const;
const STATE_RUNNING = 0;
const STATE_SHUTDOWN = 1;
const STATE_CRASHED = 2;

export class Domain {
  readonly id: DomainId;
  readonly name: string;
  readonly abi: Abi;
  readonly role: DomainRole;
  /** vCPUs that the guest may bring up, the first one included. */
  readonly maxVcpus: number;
  /** Length of the P2M array that the builder made. */
  readonly nrPages: number;
  /** Set once, by start of day. */
  layout: StartOfDayLayout | null = null;
  private readonly words: Region;
  /** By number, also those that are only made at a later moment than the present one. */
  private readonly everMade: Vcpu[] = [];
  private present: { readonly mask: number; readonly vcpus: readonly Vcpu[] } = { mask: 0, vcpus: [] };
  /** Told with the state `crashed`; a domain crashes once, unless the crash was undone. */
  private lastCrash: DomainCrash | null = null;

  constructor(store: Store, abi: Abi, id: DomainId, role: DomainRole, nrPages: number, maxVcpus = 1) {
    this.id = id;
    this.name = `d${id}`;
    this.abi = abi;
    this.role = role;
    this.nrPages = nrPages;
    this.maxVcpus = maxVcpus;
    this.words = new Region(store, 'domain', 16);
  }

  /** Makes a vCPU; those after the first one are made when the guest initialises them. */
  addVcpu(store: Store, memory: PhysicalMemory, id = 0): Vcpu {
    const vcpu = (this.everMade[id] ??= store.withoutJournal(() => new Vcpu(store, memory, this, id)));
    this.words.set(Word.vcpus, this.words.get(Word.vcpus) | (1 << id));
    return vcpu;
  }

  /** Those that have been made, by number. */
  get vcpus(): readonly Vcpu[] {
    const mask = this.words.get(Word.vcpus);
    if (this.present.mask !== mask)
      this.present = { mask, vcpus: this.everMade.filter(({ id }) => (mask & (1 << id)) !== 0) };
    return this.present.vcpus;
  }

  /** The vCPU of that number, if it has been made. */
  vcpu(id: number): Vcpu | undefined {
    return this.vcpus.find((vcpu) => vcpu.id === id);
  }

  /** Frames that the domain owns and that count against its limit. */
  get totPages(): number {
    return this.words.get(Word.totPages);
  }
  set totPages(pages: number) {
    this.words.set(Word.totPages, pages);
  }

  get maxPages(): number {
    return this.words.get(Word.maxPages);
  }
  set maxPages(pages: number) {
    this.words.set(Word.maxPages, pages);
  }

  /** Whether the guest has enabled an assist (VMASST_TYPE_*, 0 to 63). */
  hasAssist(type: number): boolean {
    return ((this.words.get(type < 32 ? Word.vmAssist : Word.vmAssistHigh) >>> (type & 31)) & 1) !== 0;
  }

  setAssist(type: number, enabled: boolean): void {
    const word = type < 32 ? Word.vmAssist : Word.vmAssistHigh;
    const bit = 1 << (type & 31);
    this.words.set(word, enabled ? this.words.get(word) | bit : this.words.get(word) & ~bit);
  }

  /** Bits of VMASST_TYPE_* 0 to 31. */
  get vmAssist(): number {
    return this.words.get(Word.vmAssist);
  }

  get state(): DomainState {
    const kind = this.words.get(Word.state);
    if (kind === STATE_RUNNING) return { kind: 'running' };
    if (kind === STATE_SHUTDOWN) return { kind: 'shutdown', reason: this.words.get(Word.reason) };
    if (this.lastCrash === null) throw new Error(`domain.state: ${this.name} crashed without a reason`);
    return { kind: 'crashed', crash: this.lastCrash };
  }

  get isRunning(): boolean {
    return this.words.get(Word.state) === STATE_RUNNING;
  }

  /** The guest asked to stop; `reason` is a SHUTDOWN_* number. */
  shutdown(reason: number): void {
    this.words.set(Word.reason, reason);
    this.words.set(Word.state, STATE_SHUTDOWN);
  }

  crash(crash: DomainCrash): void {
    if (!this.isRunning) return;
    this.words.set(Word.reason, SHUTDOWN_CRASH);
    this.words.set(Word.state, STATE_CRASHED);
    this.lastCrash = crash;
  }
}
