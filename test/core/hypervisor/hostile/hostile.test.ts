/**
 * Hostile arguments: in each hypercall and sub-operation each argument in turn is replaced by every value that a
 * careless or hostile guest might pass. The model must stay sound, tell each error by its rule, and leave everything as
 * it was where Xen refuses. What each value leads to is in the golden files beside this test (a missing one fails;
 * UPDATE_GOLDEN=1 writes them).
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { audit } from '../../../../core/hypervisor/audit.ts';
import { errnoName } from '../../../../core/hypervisor/errno.ts';
import { PageType } from '../../../../core/machine/frames.ts';
import { Control, R } from '../../../../core/machine/registers.ts';
import { A, D } from '../../../../core/pte.ts';
import { lowWord, highWord } from '../../../../core/units.ts';
import type { ChangedCell, Mark } from '../../../../core/state/store.ts';
import { CONFIGURATIONS } from '../guest.ts';
import { type FieldRow, OPERATIONS, type Operation } from './operations.ts';
import { Stage } from './stage.ts';

/** Rules whose refusal comes after something was changed, with Xen's reason. */
const CHANGES_ANYWAY: { readonly [rule: string]: string } = {
  'va_mapping.flush-bitmap': 'the entry is changed before the flush is looked at',
  'set_trap_table.read': 'entries before the bad one are installed',
  'set_trap_table.address': 'entries before the bad one are installed',
  'exchange.list': 'the frames of the chunk are exchanged before their list is written',
  'exchange.argument': 'the exchange is made before nr_exchanged is written',
  'memory_op.list': 'the frame is allocated before its number is written',
  'exchange.no-memory': 'the frames are stolen and given back, as pages of no type',
  'memory_op.no-memory': 'extents before it are done',
  'memory_op.not-owned': 'frames of the extent before it are released',
  'memory_op.invalid-frame': 'frames of the extent before it are released',
  'multicall.list': 'calls before it are made',
  'multicall.nested': 'the list goes on',
  'grant_table_op.argument': 'the operation is made before its status is written',
  'grant.frame-list': 'the table is grown before its frames are listed',
  'transfer.domain': 'the page is lost',
  'transfer.headroom': 'the page is lost',
  'transfer.entry': 'the page is lost',
  'xen_version.argument': 'the text is copied as far as the memory goes',
  'memory_op.argument': 'the map is copied as far as the memory goes',
  'event_channel_op.argument': 'the status is written as far as the memory goes',
  'baseptr.owner': '3.0.4 has let go of the old root by then',
  'baseptr.type': '3.0.4 has let go of the old root by then',
};

/** Calls that change something before they look further: other calls of a list, the entry that is to be moved. */
const CHANGES_FIRST: ReadonlySet<string> = new Set(['multicall', 'grant_table_op unmap_and_replace']);

/** Registers that a refused hypercall changes: its result, and the TLB's clock. */
const RESULT_WORDS: ReadonlySet<number> = new Set([
  R.rax * 2,
  R.rax * 2 + 1,
  Control.tlbGeneration,
  Control.tlbGlobalGeneration,
]);
/** The TLB's state, and Xen's own notes that mean nothing while an entry is not pinned or a handle is free. */
const BOOKKEEPING: ReadonlySet<string> = new Set([
  'tlb',
  'tlb.clock',
  'frame.tlbStamp',
  'maptrack.ref',
  'grant.table',
  'grant.mapper',
  'grant.frame',
]);
/** Where the guest's structures are (guest.ts). */
const SCRATCH_PAGE = 18;

type MemoryCell = Extract<ChangedCell, { readonly kind: 'memory' }>;
type ColumnCell = Extract<ChangedCell, { readonly kind: 'column' }>;

const isResult = ({ owner, index }: ColumnCell): boolean =>
  BOOKKEEPING.has(owner) ||
  (owner === 'vcpu.registers' && RESULT_WORDS.has(index)) ||
  // Where the heap looks next.
  (owner === 'heap' && index === 1);

const nameOf = (cell: ChangedCell): string =>
  cell.kind === 'column' ? `${cell.owner}[${cell.index}]` : `memory ${cell.slot}:${cell.word}`;

const roles = [
  ...CONFIGURATIONS.map((where) => ({ ...where, role: 'domU' as const })),
  { abi: 'x86_64', xen: '4.17', role: 'hardware' },
  { abi: 'x86_32', xen: '3.0.4', role: 'hardware' },
] as const;

describe.each(roles)('hostile arguments of a $role on $abi under Xen $xen', (where) => {
  const stage = new Stage(where, where.role);
  const { guest } = stage;
  const { hv } = guest;
  const { store } = hv.machine;

  /** Makes one call on the untouched stage, and takes back what it did. */
  const tried = (operation: Operation, field: FieldRow, hostile: bigint): string => {
    const start = store.mark();
    const values = Object.fromEntries(
      operation.fields.map((each) => [each.name, each === field ? hostile : goodOf(each, stage)]),
    );
    for (const { name, at } of operation.fields) {
      const place = at?.(stage);
      if (place !== undefined)
        guest.mustStore(
          guest.scratch + BigInt(place.offset),
          place.bytes,
          BigInt.asUintN(place.bytes * 8, values[name] ?? 0n),
        );
    }
    const args = new Int32Array(12);
    operation.args(values, stage).forEach((arg, i) => {
      args[i * 2] = lowWord(BigInt(arg));
      args[i * 2 + 1] = guest.abi.wordBytes === 8 ? highWord(BigInt(arg)) : 0;
    });
    const before = store.mark();
    try {
      hv.hypercall(guest.vcpu, operation.nr, args);
      return describeOutcome(operation, field, before);
    } finally {
      store.undoTo(start);
    }
  };

  /** The result and the rule; the model must be sound, and after a refusal as it was. */
  const describeOutcome = (operation: Operation, field: FieldRow, before: Mark): string => {
    const changes = changesSince(before, field);
    if (changes.length > 0) expect(audit(hv)).toEqual([]);
    const { state } = guest.domain;
    if (state.kind === 'crashed') return `crash ${state.crash.rule ?? ''}`;
    const rc = guest.vcpu.regLo(R.rax);
    const refusal = hv.lastRefusal;
    const error = errnoName(rc);
    if (refusal === null) {
      expect(error, 'an error without a rule').toBeNull();
      return rc === 0 ? '0' : 'a number';
    }
    expect(refusal.message).not.toMatch(/[{}]|undefined|NaN/);
    const isExempt = CHANGES_ANYWAY[refusal.rule] !== undefined || CHANGES_FIRST.has(operation.name);
    if (hv.done <= 0 && !isExempt) expect([refusal.rule, changes]).toEqual([refusal.rule, []]);
    const statusAt = operation.status?.(stage);
    const status = statusAt === undefined || rc !== 0 ? '' : ` status ${guest.status(statusAt)}`;
    return `${error ?? rc}${status} ${refusal.rule}`;
  };

  /**
   * Words that differ from what they were, but for the call's result, what accesses to guest memory leave in page tables
   * and TLB, and what is written where the guest points (its scratch page, or where a hostile pointer or count leads).
   */
  const changesSince = (before: Mark, field: FieldRow): string[] => {
    const delta = store.since(before);
    const changes: string[] = [];
    let i = 0;
    store.forEachChangeSince(before, (cell, old) => {
      const now = store.word(delta?.cells[i++] ?? 0);
      if (now === old) return;
      const isExpected = cell.kind === 'column' ? isResult(cell) : isLanding(cell, field, now ^ old);
      if (!isExpected) changes.push(`${nameOf(cell)}: ${old} -> ${now}`);
    });
    return changes;
  };

  const isLanding = ({ slot }: MemoryCell, field: FieldRow, difference: number): boolean => {
    const frame = hv.memory.frameOfSlot(slot);
    const type = hv.frames.typeOf(frame);
    if (type >= PageType.l1 && type <= PageType.l4) return (difference & ~(A | D)) === 0;
    if (frame === guest.p2m(SCRATCH_PAGE)) return true;
    const leads = field.kind === 'pointer' || field.kind === 'count';
    return leads && type === PageType.writable && hv.frames.ownerOf(frame) === guest.domain.id;
  };

  const report: string[] = [];

  it.each(OPERATIONS)('$name', (operation) => {
    for (const field of operation.fields) {
      const outcomes = new Map<string, string[]>();
      for (const [name, value] of stage.hostile(field.kind)) {
        const outcome = tried(operation, field, value);
        outcomes.set(outcome, [...(outcomes.get(outcome) ?? []), name]);
      }
      for (const [outcome, names] of outcomes)
        report.push(`${operation.name}: ${field.name} ${names.join(', ')}: ${outcome}`);
    }
  });

  it('lead to the results on record', () => {
    const file = new URL(`${where.abi}-${where.xen}-${where.role}.golden.txt`, import.meta.url);
    const text = `${report.join('\n')}\n`;
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
    expect(existsSync(file), `${file.pathname} is missing`).toBe(true);
    expect(text.split('\n')).toEqual(readFileSync(file, 'utf8').split('\n'));
  });
});

const goodOf = ({ good }: FieldRow, stage: Stage): bigint =>
  BigInt(typeof good === 'function' ? good(stage) : good);
