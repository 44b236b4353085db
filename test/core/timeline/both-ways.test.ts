/** Whatever stops a run forwards stops it backwards at the same places, in the opposite order. */

import { describe, expect, it } from 'vitest';
import type { Session } from '../../../core/timeline/session.ts';
import {
  type BreakpointSpec,
  type ExceptionFilters,
  NO_FILTERS,
  type Stop,
} from '../../../core/timeline/types.ts';
import type { WatchedPlace } from '../../../core/timeline/watch-places.ts';
import { markedScript } from '../../support/marked-script.ts';
import { go, sessionOf } from './scripts.ts';

const SCRIPT = markedScript(`
static int total;
static char page[PAGE_SIZE] __attribute__((aligned(4096)));
static uint64_t entry;

static int add(int n)
{
    int local = n; /* @local */
    local += 3;
    total += local; /* @change */
    return total;
}

static void on_fault(struct cpu_user_regs *regs)
{
    HYPERVISOR_update_va_mapping(read_cr2() & PAGE_MASK, entry, UVMF_INVLPG); /* @repair */
}

int kernel_main(start_info_t *info)
{
    struct trap_info traps[] = { /* @first */
        { .vector = TRAP_page_fault, .cs = FLAT_KERNEL_CS, .address = (unsigned long)on_fault },
        { .address = 0 },
    };
    mfn_t frame = virt_to_mfn((unsigned long)page);
    struct mmu_update update = { .ptr = mfn_to_maddr(frame) | MMU_MACHPHYS_UPDATE, .val = 77 };
    int sum = 0;

    HYPERVISOR_set_trap_table(traps);
    entry = mfn_to_pte(frame, PT_PAGE_FLAGS);
    for (int i = 0; i < 6; i++) {
        sum += add(i); /* @call */
        HYPERVISOR_update_va_mapping((unsigned long)page, i % 2 ? 0 : entry, UVMF_INVLPG); /* @map */
        page[i] = 1; /* @touch */
    }
    HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF); /* @m2p */
    update.ptr = 0;
    HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF); /* @refused */
    return sum == 0; /* @last */
}
`);

function started(): Session {
  const session = sessionOf(SCRIPT.text, { maxStatements: 2_000_000 });
  session.setFilters(NO_FILTERS);
  expect(session.runToEntry(1_000_000).kind).toBe('step');
  return session;
}

function value(session: Session, expression: string): bigint {
  const [frame] = session.stack(0);
  const result = frame && session.evaluate(expression, frame, { sideEffects: 'none' });
  if (result?.kind !== 'value') throw new Error(`${expression} has no value`);
  return BigInt(result.value.text.split(' ')[0] ?? '');
}

function back(session: Session): Stop {
  for (;;) {
    const stop = session.back({ kind: 'continue' }, 100_000);
    if (stop.kind !== 'budget') return stop;
  }
}

const told = (session: Session, { kind }: Stop): string =>
  `${session.position} ${kind} ${session.stack(0)[0]?.place?.line}`;

/** Runs to the end and back again; how many places there were. */
function bothWays(session: Session): number {
  const start = session.position;
  const forwards: string[] = [];
  for (let stop = go(session); stop.kind !== 'exited'; stop = go(session)) forwards.push(told(session, stop));
  const backwards: string[] = [];
  for (let stop = back(session); stop.kind !== 'start' && session.position > start; stop = back(session))
    backwards.push(told(session, stop));
  expect(backwards.reverse()).toEqual(forwards);
  return forwards.length;
}

const data = (place: WatchedPlace, access: 'change' | 'read' | 'write' = 'change'): BreakpointSpec => ({
  kind: 'data',
  id: 1,
  place,
  access,
});
const bytes = (address: bigint, space: 'va' | 'mfn' = 'va', count = 4): WatchedPlace => ({
  kind: 'bytes',
  space,
  vcpu: 0,
  address,
  bytes: count,
  shown: 'hex',
});

const KINDS: Readonly<Record<string, (session: Session) => BreakpointSpec>> = {
  'a line': () => ({ kind: 'line', id: 1, file: 'test.guest.c', line: SCRIPT.line('change') }),
  'a line with a condition': () => ({
    kind: 'line',
    id: 1,
    file: 'test.guest.c',
    line: SCRIPT.line('change'),
    condition: 'n % 2 == 1',
  }),
  'a function': () => ({ kind: 'function', id: 1, name: 'on_fault' }),
  'a hypercall': () => ({ kind: 'hypercall', id: 1, pattern: 'update_va_*' }),
  'a hypercall by its request': () => ({
    kind: 'hypercall',
    id: 1,
    pattern: '*',
    condition: '$new == entry',
  }),
  'a hypercall by its result': () => ({ kind: 'hypercall', id: 1, pattern: '*', condition: '$rc != 0' }),
  'a change of an object': (session) => data(bytes(value(session, '(unsigned long)&total'))),
  'a read of an object': (session) => data(bytes(value(session, '(unsigned long)&total')), 'read'),
  'a write of a page': (session) => data(bytes(value(session, '(unsigned long)page'), 'va', 4096), 'write'),
  'the type count of a frame': (session) =>
    data({
      kind: 'frame',
      mfn: Number(value(session, 'virt_to_mfn((unsigned long)page)')),
      fact: 'typeCount',
    }),
  'a writable mapping of a frame': (session) =>
    data({
      kind: 'frame',
      mfn: Number(value(session, 'virt_to_mfn((unsigned long)page)')),
      fact: 'writableMapping',
    }),
};

describe('going back stops where going forward has stopped', () => {
  it.each(Object.entries(KINDS))('at %s', (_, spec) => {
    const session = started();
    const [place] = session.setBreakpoints([spec(session)]);
    expect(place).toMatchObject({ verified: true });
    expect(bothWays(session)).toBeGreaterThan(0);
  });

  it('at a local without an address', () => {
    const session = started();
    session.setBreakpoints([{ kind: 'line', id: 2, file: 'test.guest.c', line: SCRIPT.line('call') }]);
    go(session);
    const [frame] = session.stack(0);
    const place = frame && session.watchedPlace('sum', frame);
    if (place === undefined || 'problem' in place) throw new Error('no place');
    expect(place.kind).toBe('local');
    session.setBreakpoints([data(place)]);
    expect(bothWays(session)).toBe(6);
  });

  it.each(['refused', 'fault', 'disagree'] as const)('at what the filter %s stops for', (filter) => {
    const session = started();
    const filters: ExceptionFilters = { ...NO_FILTERS, [filter]: true };
    session.setFilters(filters);
    expect(bothWays(session)).toBeGreaterThan(0);
  });
});
