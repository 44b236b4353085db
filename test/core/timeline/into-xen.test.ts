/** Into a hypercall and out of it, forwards and backwards in time, in a session. */

import { describe, expect, it } from 'vitest';
import { LISTING_PREFIX } from '../../../core/timeline/listing.ts';
import { NO_FILTERS, type Stop, type StopTest } from '../../../core/timeline/types.ts';
import { Snapshot } from '../hypervisor/random/careless.ts';
import { markedScript } from '../../support/marked-script.ts';
import { EXAMPLES } from '../../support/examples.ts';
import { SCRIPT, go, host, lineOf, sessionOf } from './scripts.ts';
import { existsSync, readFileSync } from 'node:fs';
import { HypercallWalk } from '../../../core/timeline/hypercall-walk.ts';
import { Session } from '../../../core/timeline/session.ts';

const REMAP = markedScript(`
static char page[PAGE_SIZE] __attribute__((aligned(4096)));

int kernel_main(start_info_t *info)
{
    uint64_t entry = mfn_to_pte(virt_to_mfn((unsigned long)page), PT_PAGE_FLAGS); /* @first */
    int rc;

    rc = HYPERVISOR_update_va_mapping((unsigned long)page, 0, UVMF_INVLPG); /* @unmap */
    rc = HYPERVISOR_update_va_mapping((unsigned long)page, entry, UVMF_INVLPG); /* @map */
    page[0] = 1; /* @store */
    return rc; /* @last */
}
`);

const step = (how: 'into' | 'over' | 'out'): StopTest => ({ kind: 'step', vcpu: 0, how });

function back(session: Session, test: StopTest): Stop {
  for (;;) {
    const stop = session.back(test, 100_000);
    if (stop.kind !== 'budget') return stop;
  }
}

/** A session that stands at a line. */
function standingAt(mark: string): Session {
  const session = sessionOf(REMAP.text);
  session.setFilters(NO_FILTERS);
  session.setBreakpoints([{ kind: 'line', id: 1, file: SCRIPT, line: REMAP.line(mark) }]);
  expect(go(session)).toMatchObject({ kind: 'breakpoint' });
  session.setBreakpoints([]);
  expect(lineOf(session)).toBe(REMAP.line(mark));
  return session;
}

const innermost = (session: Session): string | undefined => session.xenView(0)?.frames()[0]?.name;

describe('into a hypercall and out of it', () => {
  it('forwards: the state afterwards is that of a step over it', () => {
    const walked = standingAt('map');
    expect(go(walked, step('into'))).toMatchObject({ kind: 'step', inXen: true });
    while (walked.xenView(0) !== null) go(walked, step('over'));
    const direct = standingAt('map');
    go(direct, step('over'));
    expect(lineOf(walked)).toBe(REMAP.line('store'));
    expect(new Snapshot(direct.hypervisor).difference(walked.hypervisor)).toBeNull();
    expect(walked.hypercallLog).toEqual(direct.hypercallLog);
    expect(walked.position).toBe(direct.position);
  });

  it('step by step into everything comes to the same state', () => {
    const walked = standingAt('map');
    let lines = 0;
    for (go(walked, step('into')); walked.xenView(0) !== null; go(walked, step('into'))) lines++;
    const direct = standingAt('map');
    go(direct, step('over'));
    expect(lines).toBeGreaterThan(20);
    expect(new Snapshot(direct.hypervisor).difference(walked.hypervisor)).toBeNull();
    expect(walked.audit()).toEqual([]);
  });

  it('back out of the first line stands at the statement again, as before', () => {
    const session = standingAt('map');
    const before = new Snapshot(session.hypervisor);
    const { position } = session;
    go(session, step('into'));
    go(session, step('into'));
    go(session, step('into'));
    back(session, step('into'));
    back(session, step('into'));
    expect(innermost(session)).toBe('do_update_va_mapping');
    expect(back(session, step('into'))).toMatchObject({ kind: 'step' });
    expect(session.xenView(0)).toBeNull();
    expect(lineOf(session)).toBe(REMAP.line('map'));
    expect(session.position).toBe(position);
    expect(before.difference(session.hypervisor)).toBeNull();
  });

  it('back into a hypercall from behind it, line by line to its beginning', () => {
    const session = standingAt('store');
    expect(back(session, step('into'))).toMatchObject({ kind: 'step', inXen: true });
    expect(innermost(session)).toBe('do_update_va_mapping');
    const seen = new Set<string | undefined>();
    for (let i = 0; session.xenView(0) !== null; i++) {
      expect(i).toBeLessThan(200);
      seen.add(innermost(session));
      back(session, step('into'));
    }
    expect([...seen]).toContain('get_page_from_l1e');
    expect(lineOf(session)).toBe(REMAP.line('map'));
    // And forwards again: it is the same run.
    go(session, step('over'));
    expect(lineOf(session)).toBe(REMAP.line('store'));
  });

  it('a seek, or going on, leaves the hypercall', () => {
    const session = standingAt('map');
    const { position } = session;
    go(session, step('into'));
    go(session, step('into'));
    session.seek(position, Infinity);
    expect(session.xenView(0)).toBeNull();
    expect(lineOf(session)).toBe(REMAP.line('map'));
    go(session, step('into'));
    expect(go(session)).toMatchObject({ kind: 'exited', exit: { status: 0 } });
  });
});

describe('a breakpoint on a function of Xen', () => {
  it('stops at the same place forwards and backwards', () => {
    const session = standingAt('unmap');
    session.setBreakpoints([{ kind: 'function', id: 7, name: 'get_page_from_l1e' }]);
    expect(go(session)).toMatchObject({ kind: 'breakpoint', ids: [7], inXen: true });
    const { position } = session;
    const state = new Snapshot(session.hypervisor);
    expect(innermost(session)).toBe('get_page_from_l1e');
    expect(go(session)).toMatchObject({ kind: 'exited' });
    session.seek(session.end, Infinity);
    expect(back(session, { kind: 'continue' })).toMatchObject({ kind: 'breakpoint', ids: [7] });
    expect(session.position).toBe(position);
    expect(innermost(session)).toBe('get_page_from_l1e');
    expect(state.difference(session.hypervisor)).toBeNull();
  });

  it('with a condition over $table stops where it holds', () => {
    const session = standingAt('unmap');
    session.setBreakpoints([{ kind: 'function', id: 7, name: 'mod_l1_entry', condition: '$level == 4' }]);
    expect(go(session)).toMatchObject({ kind: 'exited' });
  });

  it('that no program and no Xen has is not verified', () => {
    const session = standingAt('unmap');
    const [place] = session.setBreakpoints([{ kind: 'function', id: 7, name: 'nonsense' }]);
    expect(place).toMatchObject({ verified: false });
  });
});

describe('a breakpoint on a line of a listing', () => {
  it('is met in each hypercall that comes to it', () => {
    const session = standingAt('unmap');
    const file = `${LISTING_PREFIX}mm.c`;
    session.setBreakpoints([{ kind: 'function', id: 7, name: '__do_update_va_mapping' }]);
    go(session);
    const line = session.xenView(0)?.frames()[0]?.line ?? 0;
    const again = standingAt('unmap');
    const [place] = again.setBreakpoints([{ kind: 'line', id: 8, file, line }]);
    expect(place).toMatchObject({ verified: true, place: { file, line } });
    for (let i = 0; i < 2; i++) expect(go(again)).toMatchObject({ kind: 'breakpoint', ids: [8] });
    expect(go(again)).toMatchObject({ kind: 'exited' });
  });
});

describe('every hypercall of the examples can be walked through', () => {
  it.each(EXAMPLES.flatMap(({ name, files, abis }) => abis.map((abi) => ({ name, files, abi }))))(
    '$name on $abi',
    ({ files, abi }) => {
      const programs = files.map((path) => ({ path, text: readFileSync(path, 'utf8') }));
      const creation = Session.create({
        programs,
        host: { ...host, read: readIfThere },
        abi,
        maxStatements: 3_000_000,
      });
      if (creation.kind !== 'session') throw new Error(JSON.stringify(creation).slice(0, 500));
      const { session } = creation;
      const { hypervisor } = session;
      const { store } = session.machine;
      const { hypercall } = hypervisor;
      const troubles: string[] = [];
      let walks = 0;
      hypervisor.hypercall = (vcpu, nr, args) => {
        const copy = args.slice();
        const walk = HypercallWalk.record(hypervisor, () => {
          hypercall.call(hypervisor, vcpu, nr, copy);
        });
        const ends = walk?.changes(0, walk.positions.length);
        const mark = store.mark();
        hypercall.call(hypervisor, vcpu, nr, args);
        if (walk === null || ends === undefined) return;
        walks++;
        troubles.push(...walk.unlisted);
        const delta = store.since(mark);
        for (const [cell, { now }] of ends)
          if (store.word(cell) !== now) troubles.push(`cell ${cell} after call ${nr}`);
        for (const cell of delta?.cells ?? [])
          if (!ends.has(cell) && store.word(cell) !== before(delta, cell))
            troubles.push(`cell ${cell} of call ${nr}`);
      };
      session.setFilters(NO_FILTERS);
      go(session);
      expect(troubles).toEqual([]);
      expect(walks).toBeGreaterThan(0);
      expect(session.exit?.kind).not.toBe('internal');
    },
    60_000,
  );
});

/** The word that a cell had at the beginning of a delta. */
function before(delta: { cells: Uint32Array; words: Int32Array } | null, cell: number): number | undefined {
  return delta?.words[delta.cells.indexOf(cell)];
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

describe('a store to a page table that Xen carries out', () => {
  const STORE = markedScript(`
static char page[PAGE_SIZE] __attribute__((aligned(4096)));

int kernel_main(start_info_t *info)
{
    unsigned long va = (unsigned long)page; /* @first */
    mfn_t table = pte_to_mfn(read_entry(pte_to_mfn(read_entry(pte_to_mfn(read_entry(virt_to_mfn(info->pt_base), pt_slot(va, 4))), pt_slot(va, 3))), pt_slot(va, 2)));
    volatile pteval_t *entry = (volatile pteval_t *)mfn_to_virt(table) + pt_slot(va, 1);
    pteval_t old = *entry;

    *entry = old & ~(pteval_t)_PAGE_RW; /* @without */
    HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables);
    *entry = old & ~(pteval_t)_PAGE_RW; /* @store */
    return (*entry & _PAGE_RW) != 0; /* @last */
}
`);

  /** Standing at the store, with the assist: the first one would be a fault. */
  function atStore(): Session {
    const text = STORE.text.replace(/.*@without.*\n/, '\n');
    const session = sessionOf(text);
    session.setFilters(NO_FILTERS);
    session.setBreakpoints([{ kind: 'line', id: 1, file: SCRIPT, line: STORE.line('store') }]);
    expect(go(session)).toMatchObject({ kind: 'breakpoint' });
    session.setBreakpoints([]);
    return session;
  }

  it('is stepped into: the fault, and the update of the entry', () => {
    const session = atStore();
    expect(go(session, step('into'))).toMatchObject({ kind: 'step', inXen: true });
    expect(innermost(session)).toBe('do_page_fault');
    const seen: (string | undefined)[] = [];
    for (; session.xenView(0) !== null; go(session, step('into')))
      if (seen.at(-1) !== innermost(session)) seen.push(innermost(session));
    expect(seen).toEqual([
      ...['do_page_fault', 'pv_ro_page_fault', 'get_page_from_l1e', 'pv_ro_page_fault'],
      ...['put_page_from_l1e', 'put_page_type', 'put_page_from_l1e', 'pv_ro_page_fault', 'do_page_fault'],
    ]);
    expect(lineOf(session)).toBe(STORE.line('last'));
    expect(go(session)).toMatchObject({ kind: 'exited', exit: { status: 0 } });
    expect(session.audit()).toEqual([]);
  });

  it('comes to the same state as a step over it', () => {
    const [walked, direct] = [atStore(), atStore()];
    for (go(walked, step('into')); walked.xenView(0) !== null;) go(walked, step('over'));
    go(direct, step('over'));
    expect(new Snapshot(direct.hypervisor).difference(walked.hypervisor)).toBeNull();
    expect(walked.position).toBe(direct.position);
  });

  it('that becomes a fault of the guest is stepped into as ever; a breakpoint on create_bounce_frame shows Xen', () => {
    const session = sessionOf(STORE.text);
    session.setFilters(NO_FILTERS);
    session.setBreakpoints([{ kind: 'function', id: 3, name: 'create_bounce_frame' }]);
    expect(go(session)).toMatchObject({ kind: 'breakpoint', ids: [3], inXen: true });
    expect(
      session
        .xenView(0)
        ?.frames()
        .map(({ name }) => name),
    ).toEqual(['create_bounce_frame', 'do_page_fault']);
    expect(lineOf(session)).toBe(STORE.line('without'));
    expect(go(session)).toMatchObject({ kind: 'exited', exit: { kind: 'crashed' } });
  });
});
