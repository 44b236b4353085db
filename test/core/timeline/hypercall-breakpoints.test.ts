/** Breakpoints on hypercalls: patterns, what conditions know of a request, before and behind the call. */

import { describe, expect, it } from 'vitest';
import type { Session } from '../../../core/timeline/session.ts';
import { NO_FILTERS, type Stop } from '../../../core/timeline/types.ts';
import { markedScript } from '../../support/marked-script.ts';
import { go, lineOf, sessionOf } from './scripts.ts';

const SCRIPT = markedScript(`
static char page[PAGE_SIZE] __attribute__((aligned(4096)));
static char other[PAGE_SIZE] __attribute__((aligned(4096)));

int kernel_main(start_info_t *info)
{
    mfn_t frame = virt_to_mfn((unsigned long)page); /* @first */
    struct mmu_update updates[2] = {
        { .ptr = mfn_to_maddr(frame) | MMU_MACHPHYS_UPDATE, .val = mfn_to_pfn(frame) },
        { .ptr = mfn_to_maddr(virt_to_mfn((unsigned long)other)) | MMU_MACHPHYS_UPDATE, .val = 77 },
    };
    struct mmuext_op ops[2] = { { .cmd = MMUEXT_TLB_FLUSH_LOCAL }, { .cmd = MMUEXT_INVLPG_LOCAL } };
    unsigned int done = 0;

    HYPERVISOR_mmu_update(updates, 2, &done, DOMID_SELF); /* @m2p */
    ops[1].arg1.linear_addr = (unsigned long)page;
    HYPERVISOR_mmuext_op(ops, 2, NULL, DOMID_SELF); /* @flush */
    HYPERVISOR_update_va_mapping((unsigned long)page, mfn_to_pte(frame, PT_PAGE_FLAGS & ~_PAGE_RW), UVMF_INVLPG); /* @readonly */
    updates[0].ptr = 0;
    HYPERVISOR_mmu_update(updates, 1, &done, DOMID_SELF); /* @refused */
    return 0; /* @last */
}
`);

function started(): Session {
  const session = sessionOf(SCRIPT.text, { maxStatements: 2_000_000 });
  session.setFilters(NO_FILTERS);
  expect(session.runToEntry(1_000_000).kind).toBe('step');
  return session;
}

/** Where a breakpoint stops the script, as `line before` or `line after`. */
function stopsAt(pattern: string, condition?: string): string[] {
  const session = started();
  const more = condition === undefined ? {} : { condition };
  const [place] = session.setBreakpoints([{ kind: 'hypercall', id: 1, pattern, ...more }]);
  expect(place).toEqual({ id: 1, verified: true });
  const found: string[] = [];
  for (let stop: Stop = go(session); stop.kind !== 'exited'; stop = go(session)) {
    if (stop.kind !== 'hypercall') throw new Error(`stopped with ${stop.kind}`);
    expect(stop.problems).toBeUndefined();
    found.push(`${lineOf(session)} ${stop.returned === null ? 'before' : 'after'}`);
  }
  return found;
}

const before = (...marks: string[]): string[] => marks.map((mark) => `${SCRIPT.line(mark)} before`);
const after = (...marks: string[]): string[] => marks.map((mark) => `${SCRIPT.line(mark)} after`);

describe('a hypercall breakpoint', () => {
  it.each([
    ['mmu_update', before('m2p', 'refused')],
    ['HYPERVISOR_mmuext_op', before('flush')],
    ['mmuext_op:MMUEXT_INVLPG_*', before('flush')],
    ['mmuext_op:MMUEXT_PIN_*', []],
    ['mmu_update:MMU_MACHPHYS_UPDATE', before('m2p')],
    ['*', before('m2p', 'flush', 'readonly', 'refused')],
    ['HYPERVISOR_*', before('m2p', 'flush', 'readonly', 'refused')],
  ])('%s stops in front of the calls that it names, and not in the library’s start-up', (pattern, places) => {
    expect(stopsAt(pattern)).toEqual(places);
  });

  it.each([
    ['mmu_update', '$mfn == frame', before('m2p')],
    ['mmu_update', '$new == 77', before('m2p')],
    ['mmu_update', '$new == 78', []],
    ['mmu_update', '$op == MMU_MACHPHYS_UPDATE && $index == 1', before('m2p')],
    ['mmu_update', '$old != $new', before('m2p', 'refused')],
    ['mmuext_op', '$op == MMUEXT_INVLPG_LOCAL && $va == (unsigned long)page', before('flush')],
    ['mmuext_op:MMUEXT_TLB_FLUSH_LOCAL', '$op == MMUEXT_INVLPG_LOCAL', []],
    ['update_va_mapping', '($old & _PAGE_RW) && !($new & _PAGE_RW) && $level == 1', before('readonly')],
    ['update_va_mapping', '$va == (unsigned long)other', []],
    ['*', '$rsp > 4096 && $va', before('flush', 'readonly')],
  ])('%s with the condition %s stops where a request holds it', (pattern, condition, places) => {
    expect(stopsAt(pattern, condition)).toEqual(places);
  });

  it.each([
    ['mmu_update', '$rc < 0', after('refused')],
    ['mmu_update', '$rc == -EINVAL', after('refused')],
    ['mmu_update', '$done == 2', after('m2p')],
    ['*', '$rc == 0', after('m2p', 'flush', 'readonly')],
  ])('%s with a condition on the result, %s, stops behind the call', (pattern, condition, places) => {
    expect(stopsAt(pattern, condition)).toEqual(places);
  });

  it('with a name that is none stops and says what there is', () => {
    const session = started();
    session.setBreakpoints([
      { kind: 'hypercall', id: 1, pattern: 'mmu_update', condition: '$nonsense == 1' },
    ]);
    expect(go(session)).toMatchObject({
      kind: 'hypercall',
      problems: [
        { id: 1, message: expect.stringMatching(/^There is no \$nonsense; conditions know \$rc, /) },
      ],
    });
  });
});

describe('an exception filter', () => {
  const stopsWith = (filter: 'refused' | 'silent' | 'audit' | 'disagree', condition?: string): string[] => {
    const session = started();
    session.setFilters({ ...NO_FILTERS, [filter]: condition === undefined ? true : { condition } });
    const found: string[] = [];
    for (let stop: Stop = go(session); stop.kind !== 'exited'; stop = go(session))
      found.push(`${lineOf(session)} ${stop.kind}`);
    return found;
  };
  const refused = [`${SCRIPT.line('refused')} refused`];

  it.each([
    [undefined, refused],
    ['$rc == -EINVAL', refused],
    ['$rc == -EPERM', []],
    ['$rule == "mmu_update.*"', expect.any(Array) as string[]],
    ['$rule != "*"', []],
    ['zzz.*', []],
    ['*', refused],
  ])('on refusals with the condition %s stops accordingly', (condition, places) => {
    expect(stopsWith('refused', condition)).toEqual(places);
  });

  it('on silent refusals stops where the Xen of the run prints nothing', () => {
    expect(stopsWith('silent')).toEqual(refused);
  });

  it('on a broken audit does not stop a sound run', () => {
    expect(stopsWith('audit')).toEqual([]);
  });

  it('on P2M and M2P stops at the hypercall after which they disagree', () => {
    expect(stopsWith('disagree')).toEqual([`${SCRIPT.line('m2p')} disagreement`]);
    expect(stopsWith('disagree', '$pfn == 0x7fffffff')).toEqual([]);
  });

  it('on a broken audit stops behind the hypercall after an entry was written past Xen', () => {
    const session = started();
    session.setFilters({ ...NO_FILTERS, audit: true });
    const root = session.machine.domains[0]?.vcpus[0]?.kernelRoot ?? 0;
    session.writeMemory('mfn', 0, BigInt(root) << 12n, Uint8Array.of(0x67, 0, 0, 0x10, 0, 0, 0, 0));
    expect(go(session)).toMatchObject({ kind: 'audit', messages: [expect.any(String)] });
  });
});
