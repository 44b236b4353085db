/** Data breakpoints: which accesses stop a run, and what is told of them. */

import { describe, expect, it } from 'vitest';
import type { Session } from '../../../core/timeline/session.ts';
import type { Stop } from '../../../core/timeline/types.ts';
import { NO_FILTERS } from '../../../core/timeline/types.ts';
import type { WatchedPlace } from '../../../core/timeline/watch-places.ts';
import type { DataAccess, DataHit } from '../../../core/timeline/watches.ts';
import { markedScript } from '../../support/marked-script.ts';
import { go, lineOf, sessionOf } from './scripts.ts';

const SCRIPT = markedScript(`
static int total = 1;
static char bytes[8];
static char page[PAGE_SIZE] __attribute__((aligned(4096)));
static char table[PAGE_SIZE] __attribute__((aligned(4096)));

static int add(int n)
{
    int local = n; /* @local */
    local += 3; /* @local changes */
    total += local; /* @change */
    return total; /* @read */
}

int kernel_main(start_info_t *info)
{
    struct mmuext_op op = { .cmd = MMUEXT_PIN_L1_TABLE }; /* @first */
    unsigned long frame = virt_to_mfn((unsigned long)table);

    add(1);
    bytes[3] = 7; /* @byte */
    total = total; /* @same */
    page[9] = 1;
    HYPERVISOR_update_va_mapping((unsigned long)table, mfn_to_pte(frame, PT_PAGE_FLAGS & ~_PAGE_RW), UVMF_INVLPG); /* @protect */
    op.arg1.mfn = frame;
    HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF); /* @pin */
    op.cmd = MMUEXT_UNPIN_TABLE;
    HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF); /* @unpin */
    return 0; /* @last */
}
`);

function started(): Session {
  const session = sessionOf(SCRIPT.text, { maxStatements: 2_000_000 });
  session.setFilters(NO_FILTERS);
  expect(session.runToEntry(1_000_000).kind).toBe('step');
  return session;
}

function address(session: Session, expression: string): bigint {
  const [frame] = session.stack(0);
  const result = frame && session.evaluate(`&${expression}`, frame, { sideEffects: 'none' });
  if (result?.kind !== 'value') throw new Error(`${expression} has no address`);
  return BigInt(result.value.memoryReference?.replace('va:', '') ?? '');
}

function bytesAt(session: Session, expression: string, bytes: number): WatchedPlace {
  return {
    kind: 'bytes',
    space: 'va',
    vcpu: 0,
    address: address(session, expression),
    bytes,
    shown: 'signed',
  };
}

function frameOf(session: Session, expression: string): number {
  const [frame] = session.stack(0);
  const text = `virt_to_mfn((unsigned long)${expression})`;
  const result = frame && session.evaluate(text, frame, { sideEffects: 'none' });
  if (result?.kind !== 'value') throw new Error(`${expression} has no frame`);
  return Number(result.value.text.split(' ')[0]);
}

/** Watches one place and runs to the end; the stops' lines and hits. */
function stopsAt(session: Session, place: WatchedPlace, access: DataAccess, condition?: string) {
  const spec = {
    kind: 'data',
    id: 1,
    place,
    access,
    name: 'it',
    ...(condition === undefined ? {} : { condition }),
  } as const;
  expect(session.setBreakpoints([spec])).toEqual([{ id: 1, verified: true }]);
  const found: { readonly line: number | undefined; readonly hit: DataHit }[] = [];
  for (let stop: Stop = go(session); stop.kind !== 'exited'; stop = go(session)) {
    expect(stop).toMatchObject({ kind: 'data', ids: [1] });
    if (stop.kind !== 'data') break;
    expect(session.audit()).toEqual([]);
    for (const hit of stop.hits) found.push({ line: lineOf(session), hit });
  }
  return found.map(
    ({ line, hit: { access: kind, by, old, now } }) => `${line} ${kind} ${by} ${old} -> ${now}`,
  );
}

const behind = (mark: string): number => SCRIPT.line(mark) + 1;

describe('a data breakpoint on an object', () => {
  it('stops behind the statement that changes it, and tells both values', () => {
    const session = started();
    expect(stopsAt(session, bytesAt(session, 'total', 4), 'change')).toEqual([
      `${behind('change')} change guest 1 -> 5`,
    ]);
  });

  it('for reads stops behind statements that load it', () => {
    const session = started();
    const stops = stopsAt(session, bytesAt(session, 'total', 4), 'read');
    expect(stops).toHaveLength(3);
    expect(stops[0]).toBe(`${behind('change')} read guest 5 -> 5`);
  });

  it('for writes stops also when the value stays the same', () => {
    const session = started();
    expect(stopsAt(session, bytesAt(session, 'total', 4), 'write')).toEqual([
      `${behind('change')} change guest 1 -> 5`,
      `${behind('same')} write guest 5 -> 5`,
    ]);
  });

  it('does not hear of the bytes beside it', () => {
    const session = started();
    expect(stopsAt(session, bytesAt(session, 'bytes[2]', 1), 'access')).toEqual([]);
    const other = started();
    expect(stopsAt(other, bytesAt(other, 'bytes[3]', 1), 'access')).toEqual([
      `${behind('byte')} change guest 0 -> 7`,
    ]);
  });

  it('stops where its condition holds', () => {
    const session = started();
    expect(stopsAt(session, bytesAt(session, 'total', 4), 'change', '$new > 100')).toEqual([]);
    const other = started();
    expect(stopsAt(other, bytesAt(other, 'total', 4), 'change', '$old == 1 && $new == total')).toHaveLength(
      1,
    );
  });

  it('changes nothing of the run: the same statements, the same console', () => {
    const plain = started();
    go(plain);
    const session = started();
    stopsAt(session, bytesAt(session, 'page', 4096), 'access');
    expect(session.statements).toBe(plain.statements);
    expect(session.hypercallLog).toEqual(plain.hypercallLog);
  });
});

describe('a data breakpoint on a frame', () => {
  const facts = (fact: Extract<WatchedPlace, { kind: 'frame' }>['fact']): string[] => {
    const session = started();
    return stopsAt(session, { kind: 'frame', mfn: frameOf(session, 'table'), fact }, 'change');
  };

  it('stops when the type changes, in the hypercall that does it', () => {
    expect(facts('type')).toEqual([`${SCRIPT.line('pin')} change hypervisor writable -> l1`]);
  });

  it('stops when it becomes a page table', () => {
    expect(facts('becomesTable')).toEqual([`${SCRIPT.line('pin')} change hypervisor writable -> l1`]);
  });

  it('stops when a count reaches zero', () => {
    expect(facts('typeCountZero')).toEqual([
      `${SCRIPT.line('protect')} change hypervisor 1 -> 0`,
      `${SCRIPT.line('unpin')} change hypervisor 1 -> 0`,
    ]);
  });

  it('stops when it is pinned and unpinned', () => {
    expect(facts('pinned')).toEqual([
      `${SCRIPT.line('pin')} change hypervisor no -> yes`,
      `${SCRIPT.line('unpin')} change hypervisor yes -> no`,
    ]);
  });
});

describe('a data breakpoint on a PTE slot', () => {
  it('stops when the MMU sets A or D, and when a hypercall writes it', () => {
    const session = started();
    const va = address(session, 'page[0]');
    const walk = session.machine.domains[0]?.vcpus[0]?.mmu.probe(
      Number(BigInt.asIntN(32, va)),
      Number(BigInt.asIntN(32, va >> 32n)),
    );
    if (walk === undefined) throw new Error('no walk');
    const [table = 0] = walk.tables;
    const slot = BigInt(walk.slots[0] ?? 0);
    const place: WatchedPlace = {
      kind: 'bytes', space: 'mfn', vcpu: 0, address: (BigInt(table) << 12n) + slot * 8n, bytes: 8, shown: 'hex',
    }; // prettier-ignore
    const stops = stopsAt(session, place, 'change');
    for (const stop of stops) expect(stop).toMatch(/change mmu 0x\w+ -> 0x\w+/);
    expect(stops.length).toBeGreaterThanOrEqual(1);
  });
});

const MOVING = markedScript(`
static char one[PAGE_SIZE] __attribute__((aligned(4096)));
static char two[PAGE_SIZE] __attribute__((aligned(4096)));

int kernel_main(void)
{
    mfn_t frame = virt_to_mfn((unsigned long)two); /* @first */

    two[5] = 9;
    HYPERVISOR_update_va_mapping((unsigned long)one, mfn_to_pte(frame, PT_PAGE_FLAGS), UVMF_INVLPG); /* @remap */
    two[5] = 10; /* @alias */
    return one[5] - 10; /* @last */
}
`);

describe.each(['x86_64', 'x86_32p', 'x86_32'])('a data breakpoint on an address, %s', (abi) => {
  const begun = (): Session => {
    const session = sessionOf(MOVING.text, { maxStatements: 2_000_000, abi });
    session.setFilters(NO_FILTERS);
    session.runToEntry(1_000_000);
    return session;
  };

  it('stops when another page is mapped there, and follows it', () => {
    const session = begun();
    expect(stopsAt(session, bytesAt(session, 'one[5]', 1), 'change')).toEqual([
      `${MOVING.line('remap')} change hypervisor 0 -> 9`,
      `${MOVING.line('alias') + 1} change guest 9 -> 10`,
    ]);
  });

  it('on the M2P and on a slot stops in the hypercall that writes them', () => {
    const session = begun();
    const { machine } = session;
    const { entryBytes } = machine.abi;
    const va = address(session, 'one[0]');
    const walk = machine.domains[0]?.vcpus[0]?.mmu.probe(
      Number(BigInt.asIntN(32, va)),
      Number(BigInt.asIntN(32, va >> 32n)),
    );
    const slot = (BigInt(walk?.tables[0] ?? 0) << 12n) + BigInt((walk?.slots[0] ?? 0) * entryBytes);
    const place = {
      kind: 'bytes',
      space: 'mfn',
      vcpu: 0,
      address: slot,
      bytes: entryBytes,
      shown: 'hex',
    } as const;
    const [first] = stopsAt(session, place, 'change', '($new >> 12) == virt_to_mfn((unsigned long)two)');
    expect(first).toMatch(new RegExp(`^${MOVING.line('remap')} change hypervisor 0x`));
  });
});
