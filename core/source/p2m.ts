/**
 * The guest's P2M, read as the guest would read it: the array at `start_info.mfn_list`, through its own page tables
 * (facts 1.2). Beside each entry stands what the M2P and the frame table say.
 */

import type { Domain } from '../machine/domain.ts';
import type { Machine } from '../machine/machine.ts';
import { type Mfn, type Pfn, formatHex, mfn, offsetInPage, pfn, virtualAddress } from '../units.ts';
import type { Changes } from './changes.ts';
import type { P2mQuery, P2mRow, P2mRows, P2mState, Unknown } from './machine-source.ts';
import { frameRole, m2pOf, ownerName } from './roles.ts';
import { translate } from './tables.ts';

/** Entries that one request looks at before it answers with what it has. */
const MAX_SCANNED = 500_000;

/** One entry of the P2M and where it lies. */
interface P2mEntry {
  /** Null: all ones. */
  readonly mfn: number | null;
  readonly table: Mfn;
  readonly word: number;
}

/** Reads a domain's P2M entry by entry; a page of the array is translated once. */
export class P2mReader {
  readonly length: number;
  private readonly machine: Machine;
  private readonly domain: Domain;
  private readonly base: bigint;
  private page: bigint;
  private frame: Mfn | Unknown;

  private constructor(machine: Machine, domain: Domain, base: bigint) {
    this.machine = machine;
    this.domain = domain;
    this.base = base;
    this.length = domain.nrPages;
    this.page = -1n;
    this.frame = { unknown: 'nothing was read' };
  }

  static of(machine: Machine, domain: Domain): P2mReader | Unknown {
    if (domain.layout === null) return { unknown: `${domain.name} has not been built.` };
    return new P2mReader(machine, domain, domain.layout.p2mList);
  }

  entry(index: Pfn): P2mEntry | Unknown {
    const { wordBytes } = this.machine.abi;
    const va = this.base + BigInt(index * wordBytes);
    if (va >> 12n !== this.page) {
      this.page = va >> 12n;
      this.frame = translate(this.machine, this.domain, virtualAddress(va));
    }
    if (typeof this.frame !== 'number') {
      return {
        unknown: `The P2M entry of pfn ${index.toString(16)} at ${formatHex(va)} cannot be read: ${this.frame.unknown}.`,
      };
    }
    const word = offsetInPage(va) >>> 2;
    const lo = this.machine.memory.readWord(this.frame, word) >>> 0;
    const hi = wordBytes === 8 ? this.machine.memory.readWord(this.frame, word + 1) >>> 0 : 0;
    const invalid = lo === 0xffff_ffff && (wordBytes === 4 || hi === 0xffff_ffff);
    return { mfn: invalid ? null : hi * 2 ** 32 + lo, table: this.frame, word };
  }
}

export function p2mRows(
  machine: Machine,
  domain: Domain,
  changes: Changes,
  query: P2mQuery,
): P2mRows | Unknown {
  const reader = P2mReader.of(machine, domain);
  if ('unknown' in reader) return reader;
  const rows: P2mRow[] = [];
  let index: number = query.from;
  for (let scanned = 0; index < reader.length; scanned++, index++) {
    if (rows.length === query.count || scanned === MAX_SCANNED) {
      return { total: reader.length, rows, next: index };
    }
    const entry = reader.entry(pfn(index));
    if ('unknown' in entry) return entry;
    const row = p2mRow(machine, domain, changes, pfn(index), entry, query.filter);
    if (row !== null) rows.push(row);
  }
  return { total: reader.length, rows, next: null };
}

/** The row of an entry, or null when the filter leaves it out. */
function p2mRow(
  machine: Machine,
  domain: Domain,
  changes: Changes,
  index: Pfn,
  entry: P2mEntry,
  filter: P2mQuery['filter'],
): P2mRow | null {
  const known = entry.mfn !== null && entry.mfn < machine.maxPage ? mfn(entry.mfn) : null;
  const m2p = known === null ? null : m2pOf(machine, known);
  const state = stateOf(machine, domain, index, entry.mfn, m2p);
  if (filter.state !== undefined && filter.state !== state) return null;
  const changed = entryChanged(machine, changes, entry) || (known !== null && changes.row(known));
  if (filter.changedOnly && !changed) return null;
  const role = known === null ? undefined : frameRole(machine, known);
  return {
    pfn: index,
    mfn: entry.mfn,
    m2p,
    state,
    owner: known === null ? '-' : ownerName(machine, known),
    ...(role === undefined ? {} : { role }),
    changed,
  };
}

function stateOf(
  { frames, maxPage }: Machine,
  { id }: Domain,
  index: Pfn,
  entry: number | null,
  m2p: number | null,
): P2mState {
  if (entry === null) return 'invalid';
  if (entry >= maxPage || frames.ownerOf(mfn(entry)) !== id) return 'foreign';
  return m2p === index ? 'ok' : 'm2p-disagrees';
}

const entryChanged = ({ abi }: Machine, changes: Changes, { table, word }: P2mEntry): boolean =>
  changes.word(table, word) || (abi.wordBytes === 8 && changes.word(table, word + 1));
