/** Stepping into a hypercall: targets, frames of Xen's, listings, operands, back out again. */

import { describe, expect, it } from 'vitest';
import { DapClient } from '../../support/dap-client.ts';
import { markedScript } from '../../support/marked-script.ts';
import { scriptFolder } from '../../support/scripts.ts';

const folder = scriptFolder();

/** Links an L1 table into an empty slot of the L2 table, after one update that Xen refuses. */
const LINK = markedScript(`
static uint64_t table[512] __attribute__((aligned(4096)));
static uint64_t page[512] __attribute__((aligned(4096)));

static uint64_t make_read_only(void *where)
{
    uint64_t frame = virt_to_mfn((unsigned long)where);

    HYPERVISOR_update_va_mapping((unsigned long)where, mfn_to_pte(frame, PT_PAGE_FLAGS & ~_PAGE_RW), UVMF_INVLPG); /* @read only */
    return frame;
}

int kernel_main(start_info_t *info)
{
    struct mmu_update requests[2]; /* @first */
    unsigned int done = 0;
    int rc;

    table[0] = mfn_to_pte(virt_to_mfn((unsigned long)page), PT_PAGE_FLAGS); /* @fill */
    requests[0].ptr = (virt_to_mfn((unsigned long)page) << PAGE_SHIFT) | MMU_MACHPHYS_UPDATE;
    requests[0].val = 77;
    requests[1].ptr = (virt_to_mfn(info->pt_base) << PAGE_SHIFT) + 8;
    requests[1].val = mfn_to_pte(virt_to_mfn((unsigned long)table), L2_PROT);
    rc = HYPERVISOR_mmu_update(requests, 2, &done, DOMID_SELF); /* @refused */
    make_read_only(table); /* @make */
    rc = HYPERVISOR_mmu_update(requests, 1, &done, DOMID_SELF); /* @accepted */
    printk("rc %d, done %u\\n", rc, done); /* @after */
    return 0; /* @last */
}
`);
const link = folder.write('link.guest.c', LINK.text);

/** An editor that stands at a line of the script. */
async function at(mark: string, filters: readonly string[] = []): Promise<DapClient> {
  const editor = new DapClient();
  await editor.launch({ program: link }, { lines: [LINK.line(mark)], filters });
  await editor.stops();
  await editor.continues();
  expect(await editor.stops()).toMatchObject({ at: LINK.at(mark) });
  return editor;
}

const names = async (editor: DapClient): Promise<string[]> =>
  (await editor.ask('stackTrace', { threadId: 1 })).stackFrames.map(({ name }) => name);

/** The text of the line at which the innermost frame stands. */
async function line(editor: DapClient): Promise<string> {
  const { stackFrames } = await editor.ask('stackTrace', { threadId: 1 });
  const [frame] = stackFrames;
  const sourceReference = frame?.source?.sourceReference ?? 0;
  const { content } = await editor.ask('source', { source: frame?.source, sourceReference });
  return (content.split('\n')[(frame?.line ?? 1) - 1] ?? '').trim();
}

describe('stepping into a hypercall', () => {
  it('stands at the first line of Xen, above the frames of the guest', async () => {
    const editor = await at('refused');
    await editor.step('stepIn');
    expect(await names(editor)).toEqual(['do_mmu_update', '[mmu_update: in Xen 4.17]', 'kernel_main']);
    expect(await line(editor)).toMatch(/^int do_mmu_update\(ureqs, count, pdone, foreigndom\)/);
    expect(await editor.scope('Operands')).toMatchObject({ count: '2' });
  });

  it('steps over lines of Xen', async () => {
    const editor = await at('refused');
    await editor.step('stepIn');
    const lines = [await line(editor)];
    for (let i = 0; i < 5; i++) {
      await editor.step('next');
      lines.push(await line(editor));
    }
    expect(lines.slice(1)).toEqual([
      expect.stringMatching(/^the list can be the guest's or -EFAULT;/),
      expect.stringMatching(/^tableOwner = /),
      expect.stringMatching(/^pageOwner = get_pg_owner/),
      expect.stringMatching(/^copy \{ ptr, val \} of request i/),
      expect.stringMatching(/^command = low bits of ptr;/),
    ]);
  });
});

describe('the frames of Xen', () => {
  it('nest as the functions do', async () => {
    const editor = await at('make');
    await editor.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'get_page_from_l1e' }] });
    await editor.continues();
    expect((await editor.stops()).reason).toBe('breakpoint');
    expect(await names(editor)).toEqual([
      'get_page_from_l1e',
      'mod_l1_entry',
      '__do_update_va_mapping',
      'do_update_va_mapping',
      '[update_va_mapping: in Xen 4.17]',
      'make_read_only',
      'kernel_main',
    ]);
  });

  it('show operands, the state of their frames, and what changes', async () => {
    const editor = await at('make');
    await editor.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'put_page_type' }] });
    await editor.continues();
    await editor.stops();
    const operands = await editor.scope('Operands');
    expect(operands['frame']).toMatch(/^mfn [0-9a-f]{5}$/);
    const [frame] = await editor.scopeVariables('Frames');
    const { variables } = await editor.ask('variables', {
      variablesReference: frame?.variablesReference ?? 0,
    });
    const state = Object.fromEntries(variables.map(({ name, value }) => [name, value]));
    expect(state).toMatchObject({
      owner: 'd1',
      type: 'writable',
      'type count': expect.stringMatching(/at the end: 0/) as string,
    });
    const changes = await editor.scope('Changes');
    expect(changes['so far']).toMatch(/slot/);
  });

  it('answer for their operands by name', async () => {
    const editor = await at('make');
    await editor.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'mod_l1_entry' }] });
    await editor.continues();
    await editor.stops();
    expect(await editor.evaluate('slot')).toMatch(/^\d+$/);
    expect(await editor.evaluate('entry')).toMatch(/^0x[0-9a-f]+ \(mfn [0-9a-f]{5} P US A/);
    expect(await editor.evaluate('frame', 'hover')).toMatch(/^mfn /);
  });

  it('let the guest be read, but not changed', async () => {
    const editor = await at('read only');
    await editor.step('stepIn');
    expect(await names(editor)).toContain('[update_va_mapping: in Xen 4.17]');
    expect(await editor.evaluate('frame')).toMatch(/^[0-9]/);
    const why = await editor.refused('evaluate', { expression: 'frame = 1', context: 'repl' });
    expect(why).toMatch(/Xen is in the middle of a hypercall/);
  });
});

describe('stepping out of a hypercall', () => {
  it('from the last line comes to the next statement of the guest', async () => {
    const editor = await at('read only');
    await editor.step('stepIn');
    for (let i = 0; (await names(editor))[0] !== 'make_read_only'; i++) {
      expect(i).toBeLessThan(20);
      await editor.step('next');
    }
    expect(Number(await editor.place())).toBe(LINK.line('read only') + 1);
  });

  it('by step out comes to the caller within Xen first, then to the guest', async () => {
    const editor = await at('read only');
    for (let i = 0; i < 3; i++) await editor.step('stepIn');
    expect((await names(editor))[0]).toBe('__do_update_va_mapping');
    await editor.step('stepOut');
    expect((await names(editor))[0]).toBe('do_update_va_mapping');
    await editor.step('stepOut');
    expect((await names(editor))[0]).toBe('make_read_only');
  });

  it('makes the hypercall once: a refusal stops as ever, at the statement', async () => {
    const editor = await at('refused', ['refused']);
    await editor.step('stepIn');
    await editor.continues();
    const stop = await editor.stops();
    expect(stop).toMatchObject({ reason: 'exception', at: LINK.at('refused') });
    const { rows } = await editor.ask('xenscope/hypercalls', { from: 0, count: 100 });
    expect(rows.filter(({ name }) => name === 'mmu_update')).toHaveLength(1);
    expect(await editor.evaluate('done')).toMatch(/^1\b/);
  });

  it('ends as a run without stepping does', async () => {
    const editor = await at('refused');
    await editor.step('stepIn');
    await editor.continues();
    await editor.told('terminated');
    expect(editor.output('stdout')).toContain('rc 0, done 1');
  });
});

describe('step-in targets', () => {
  async function targets(editor: DapClient) {
    const frame = await editor.userFrame();
    return (await editor.ask('stepInTargets', { frameId: frame.id })).targets;
  }

  it('are the calls of the statement: Xen, and the function of the library', async () => {
    const editor = await at('refused');
    expect((await targets(editor)).map(({ label }) => label)).toEqual([
      'Xen: mmu_update',
      'HYPERVISOR_mmu_update (library)',
    ]);
  });

  it('lead where they say', async () => {
    const editor = await at('refused');
    const [xen] = await targets(editor);
    await editor.ask('stepIn', { threadId: 1, targetId: xen?.id });
    await editor.stops();
    expect((await names(editor))[0]).toBe('do_mmu_update');

    const other = await at('refused');
    const [, library] = await targets(other);
    await other.ask('stepIn', { threadId: 1, targetId: library?.id });
    await other.stops();
    expect((await names(other))[0]).toBe('HYPERVISOR_mmu_update');
  });

  it('reach a hypercall that a function of the library makes', async () => {
    const editor = await at('after');
    const through = (await targets(editor)).find(
      ({ label }) => label === 'Xen: event_channel_op (through printk)',
    );
    await editor.ask('stepIn', { threadId: 1, targetId: through?.id });
    await editor.stops();
    expect((await names(editor))[0]).toBe('do_event_channel_op');
  });

  it('without one printk is stepped over, and a function of the script is stepped into', async () => {
    const editor = await at('after');
    expect(await editor.step('stepIn')).toBe(LINK.at('last'));
    const other = await at('make');
    await other.step('stepIn');
    expect((await names(other))[0]).toBe('make_read_only');
  });

  it('that are not of this stop are refused', async () => {
    const editor = await at('after');
    expect(await editor.refused('stepIn', { threadId: 1, targetId: 4711 })).toMatch(/no step-in target 4711/);
  });
});

describe('with stepIntoXen false', () => {
  it('a step into a hypercall goes over it, as over every function of the library', async () => {
    const editor = new DapClient();
    await editor.launch({ program: link, stepIntoXen: false }, { lines: [LINK.line('make')], filters: [] });
    await editor.stops();
    await editor.continues();
    await editor.stops();
    await editor.step('stepIn');
    await editor.step('stepIn');
    expect(await editor.step('stepIn')).not.toMatch(/mm\.c/);
  });
});

describe('breakpoints in listings', () => {
  async function listing(editor: DapClient, name: string) {
    const { sources } = await editor.ask('loadedSources');
    const source = sources.find((each) => each.name === name);
    if (source === undefined) throw new Error(`there is no ${name}`);
    const { content } = await editor.ask('source', { source, sourceReference: source.sourceReference ?? 0 });
    const lineOf = (text: string) => content.split('\n').findIndex((each) => each.includes(text)) + 1;
    return { source, lineOf };
  }

  it('stop at the line, with the state of that moment', async () => {
    const editor = await at('make');
    const { source, lineOf } = await listing(editor, 'mm.c (Xen 4.17)');
    const wanted = lineOf('get_page(frame, pageOwner) or');
    const { breakpoints } = await editor.ask('setBreakpoints', { source, breakpoints: [{ line: wanted }] });
    expect(breakpoints).toEqual([expect.objectContaining({ verified: true, line: wanted })]);
    await editor.continues();
    const stop = await editor.stops();
    expect(stop.body.hitBreakpointIds).toEqual([breakpoints[0]?.id]);
    expect(await line(editor)).toMatch(/^get_page\(frame, pageOwner\)/);
    expect(await editor.scope('Operands')).toMatchObject({ 'check l1e.owner': 'is kept' });
  });

  it('move to the next line at which one can stand', async () => {
    const editor = await at('make');
    const { source, lineOf } = await listing(editor, 'mm.c (Xen 4.17)');
    const comment = lineOf('/* Changes one entry of an L1 table');
    const { breakpoints } = await editor.ask('setBreakpoints', { source, breakpoints: [{ line: comment }] });
    expect(breakpoints[0]).toMatchObject({ verified: true, line: comment + 1 });
  });

  it('are met by a step over the statement, and are over when removed', async () => {
    const editor = await at('make');
    const { source, lineOf } = await listing(editor, 'mm.c (Xen 4.17)');
    await editor.ask('setBreakpoints', {
      source,
      breakpoints: [{ line: lineOf('int do_update_va_mapping(') }],
    });
    await editor.step('next');
    expect((await names(editor))[0]).toBe('do_update_va_mapping');
    await editor.ask('setBreakpoints', { source, breakpoints: [] });
    await editor.continues();
    await editor.told('terminated');
  });

  it('behind the last line are not verified', async () => {
    const editor = await at('make');
    const { source } = await listing(editor, 'mm.c (Xen 4.17)');
    const { breakpoints } = await editor.ask('setBreakpoints', { source, breakpoints: [{ line: 9999 }] });
    expect(breakpoints[0]).toMatchObject({
      verified: false,
      message: expect.stringMatching(/No line of Xen/) as string,
    });
  });
});

describe('stepping back', () => {
  async function stepBack(editor: DapClient): Promise<void> {
    await editor.ask('stepBack', { threadId: 1 });
    await editor.stops();
  }

  it('over lines of Xen undoes them, and from the first one leads to the statement', async () => {
    const editor = await at('read only');
    await editor.step('stepIn');
    const first = await line(editor);
    await editor.step('stepIn');
    await stepBack(editor);
    expect(await line(editor)).toBe(first);
    await stepBack(editor);
    expect((await names(editor))[0]).toBe('make_read_only');
    expect(await editor.place()).toBe(LINK.at('read only'));
  });

  it('shows in each frame what was there before: an entry is written and taken back', async () => {
    const editor = await at('read only');
    await editor.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'mod_l1_entry' }] });
    await editor.continues();
    await editor.stops();
    const changes = async () => (await editor.scope('Changes'))['so far'] ?? '';
    while (!(await line(editor)).startsWith('put_page_from_l1e')) await editor.step('next');
    expect(await changes()).toMatch(/slot \d+/);
    await stepBack(editor);
    expect(await line(editor)).toBe('table[slot] = entry;');
    expect(await changes()).not.toMatch(/slot \d+/);
  });

  it('with `into` goes from behind a hypercall to its last line', async () => {
    const editor = await at('make');
    await editor.ask('xenscope/stepBack', { threadId: 1, how: 'into' });
    await editor.stops();
    expect(await names(editor)).toEqual(['do_mmu_update', '[mmu_update: in Xen 4.17]', 'kernel_main']);
    expect(await line(editor)).toBe('}');
    expect(await editor.scope('Operands')).toMatchObject({ returns: '-22 (-EINVAL)' });
  });

  it('finds the check that refused', async () => {
    const editor = await at('make');
    await editor.ask('xenscope/stepBack', { threadId: 1, how: 'into' });
    await editor.stops();
    for (let i = 0; !/^check|or -E/.test(await line(editor)); i++) {
      expect(i).toBeLessThan(20);
      await editor.ask('xenscope/stepBack', { threadId: 1, how: 'into' });
      await editor.stops();
    }
    const operands = await editor.scope('Operands');
    const [check] = Object.keys(operands).filter((name) => name.startsWith('check '));
    expect(operands[check ?? '']).toMatch(/^is broken, -EINVAL: .*L4 entry/);
  });
});

describe('page-fault.guest.c', () => {
  it('is followed from the hypercall of its handler into get_page_type, and back out', async () => {
    const editor = new DapClient();
    const program = 'examples/page-fault.guest.c';
    await editor.launch({ program }, { functions: ['HYPERVISOR_mmu_update'], filters: [] });
    await editor.stops();
    await editor.continues();
    await editor.stops();
    const inner = async () => (await names(editor))[0];
    expect(await inner()).toBe('set_entry');
    await editor.step('stepIn');
    expect(await inner()).toBe('do_mmu_update');
    await editor.step('next');
    expect(await line(editor)).toMatch(/^the list can be the guest's or -EFAULT;/);
    expect(await editor.scope('Operands')).toMatchObject({ 'check mmu_update.requests': 'is kept' });
    let steps = 0;
    for (; (await inner()) !== 'get_page_type' && steps < 60; steps++) await editor.step('stepIn');
    expect(await names(editor)).toEqual(
      expect.arrayContaining([
        'get_page_type',
        'get_page_from_l4e',
        'mod_l4_entry',
        'do_mmu_update',
        'set_entry',
      ]),
    );
    for (steps = 0; (await inner()) !== 'set_entry' && steps < 60; steps++) {
      await editor.ask('stepBack', { threadId: 1 });
      await editor.stops();
    }
    expect(await inner()).toBe('set_entry');
    await editor.ask('setFunctionBreakpoints', { breakpoints: [] });
    await editor.continues();
    expect((await editor.told('exited')).exitCode).toBe(0);
    expect(editor.output('stdout')).toContain('the word at 0x400000 is 42');
  });
});
