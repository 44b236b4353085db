/** The simulated machine as a source of the views' data. Reads only; knows no adapter and no view. */

import type { Domain } from '../machine/domain.ts';
import type { Machine } from '../machine/machine.ts';
import type { Mark } from '../state/store.ts';
import type { DomainId } from '../units.ts';
import { type Changes, changesSince } from './changes.ts';
import { frameRows } from './frames.ts';
import type {
  Answer,
  DomainSummary,
  FrameQuery,
  FrameRows,
  MachineSource,
  MachineSummary,
  MemoryBytes,
  MemoryQuery,
  P2mQuery,
  P2mRows,
  TableQuery,
  TableRows,
  Unknown,
  Walk,
  WalkQuery,
} from './machine-source.ts';
import { memoryBytes } from './memory.ts';
import { p2mRows } from './p2m.ts';
import { tableRows, walkRows } from './tables.ts';

export class SimulatedSource implements MachineSource {
  private readonly machine: Machine;
  private readonly xen: '4.17' | '3.0.4';
  /** The moment with which the present is compared; null at first. */
  private since: Mark | null;
  /** What changed since then, worked out when first asked for. */
  private changes: { readonly at: Mark; readonly found: Changes } | null;

  constructor(machine: Machine, xen: '4.17' | '3.0.4') {
    this.machine = machine;
    this.xen = xen;
    this.since = null;
    this.changes = null;
  }

  /** Makes the present the moment with which later answers compare: call it when the guest begins to run. */
  remember(): void {
    this.since = this.machine.store.mark();
    this.changes = null;
  }

  summary(): Promise<MachineSummary> {
    const { abi, maxPage, domains } = this.machine;
    return Promise.resolve({
      abi: abi.name,
      xen: this.xen,
      maxPage,
      levels: abi.levels.length,
      entriesPerTable: abi.levels[0]?.slots ?? 0,
      entryBytes: abi.entryBytes,
      domains: domains.map(domainSummary),
      changesKnown: this.present().known,
    });
  }

  table(query: TableQuery): Answer<TableRows> {
    return this.ofDomain(query.domain, (domain) => tableRows(this.machine, domain, this.present(), query));
  }

  frames(query: FrameQuery): Promise<FrameRows> {
    return Promise.resolve(frameRows(this.machine, this.present(), query));
  }

  p2m(query: P2mQuery): Answer<P2mRows> {
    return this.ofDomain(query.domain, (domain) => p2mRows(this.machine, domain, this.present(), query));
  }

  walk(query: WalkQuery): Answer<Walk> {
    return this.ofDomain(query.domain, (domain) => walkRows(this.machine, domain, query.va));
  }

  memory(query: MemoryQuery): Answer<MemoryBytes> {
    return this.ofDomain(query.domain, (domain) => memoryBytes(this.machine, domain, query));
  }

  private present(): Changes {
    const at = this.machine.store.mark();
    if (this.changes?.at !== at) {
      this.changes = { at, found: changesSince(this.machine, this.since) };
    }
    return this.changes.found;
  }

  private ofDomain<T>(id: DomainId, answer: (domain: Domain) => T | Unknown): Answer<T> {
    const domain = this.machine.domain(id);
    const unknown = { unknown: `There is no domain d${id}.` };
    return Promise.resolve(domain === undefined ? unknown : answer(domain));
  }
}

function domainSummary(domain: Domain): DomainSummary {
  const { state } = domain;
  const vcpu = domain.vcpus[0];
  return {
    domain: domain.id,
    name: domain.name,
    totPages: domain.totPages,
    maxPages: domain.maxPages,
    nrPages: domain.nrPages,
    root: vcpu?.kernelRoot ?? 0,
    userRoot: vcpu?.userRoot ?? null,
    crashed: state.kind === 'crashed' ? state.crash.message : null,
  };
}
