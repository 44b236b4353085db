/** The debug console: commands beside C, what they say, and which of the two a text is. */

import { describe, expect, it } from 'vitest';
import { DapClient } from '../../support/dap-client.ts';
import { markedScript } from '../../support/marked-script.ts';
import { scriptFolder } from '../../support/scripts.ts';
import { CALLS, REFUSED } from './scripts.ts';

const MACHINE = markedScript(`
static char page[PAGE_SIZE] __attribute__((aligned(4096)));
static int audit = 41;
static mfn_t frame;

int kernel_main(start_info_t *info)
{
    struct mmuext_op op = { .cmd = MMUEXT_PIN_L1_TABLE }; /* @first */

    frame = virt_to_mfn((unsigned long)page);
    op.arg1.mfn = frame; /* @set */
    HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF); /* @pin */
    page[0] = 1; /* @touch */
    return 0; /* @last */
}
`);

const folder = scriptFolder();
const machine = folder.write('machine.guest.c', MACHINE.text);
const refused = folder.write('refused.guest.c', REFUSED.text);
const calls = folder.write('calls.guest.c', CALLS.text);

async function at(program: string, line: number): Promise<DapClient> {
  const editor = new DapClient();
  await editor.launch({ program, stopOnEntry: false }, { filters: [], lines: [line] });
  await editor.stops();
  return editor;
}

/** Types into the console: what is answered, and the lines put out before it. */
async function types(editor: DapClient, expression: string) {
  const before = editor.output('console').length;
  const { result, variablesReference } = await editor.ask('evaluate', { expression, context: 'repl' });
  const lines = editor.output('console').slice(before).trimEnd();
  return { result, lines, variablesReference };
}

async function opened(editor: DapClient, variablesReference: number): Promise<Record<string, string>> {
  const { variables } = await editor.ask('variables', { variablesReference });
  return Object.fromEntries(variables.map(({ name, value }) => [name, value]));
}

describe('a console command', () => {
  it('walk tells the entries of each level and the frame at the end', async () => {
    const editor = await at(machine, MACHINE.line('pin'));
    const { result, lines, variablesReference } = await types(editor, 'walk page');
    expect(result).toMatch(/^0xffffffff\w+ of d1: machine address 0x\w+$/);
    expect(lines).toMatch(/^L4 slot 0x1ff of mfn \w+: 0x\w+ \(P RW US/);
    expect(lines).toMatch(
      /\nL1 slot 0x\w+ of mfn \w+: 0x\w+ \(P RW US.*\)\nmfn \w+: owner d1, type writable, /,
    );
    expect(await opened(editor, variablesReference)).toMatchObject({ steps: '[4]' });
    expect((await types(editor, 'walk 0x400000')).result).toMatch(/^0x400000 of d1: .+/);
  });

  it('frame tells the frame table, refs who refers', async () => {
    const editor = await at(machine, MACHINE.line('pin'));
    const { result, variablesReference } = await types(editor, ':frame frame');
    expect(result).toMatch(
      /^mfn \w+: owner d1, type writable, type count 1, reference count 2, validated, M2P pfn 0x\w+/,
    );
    expect(await opened(editor, variablesReference)).toMatchObject({ type: 'writable', typeCount: '1' });
    const told = await types(editor, 'refs virt_to_mfn((unsigned long)page)');
    expect(told.result).toMatch(/^mfn \w+: 2 references, 1 of them uses of its type$/);
    expect(told.lines).toMatch(
      /\n {2}allocated to its owner\n {2}L1 entry: slot 0x\w+ of mfn \w+, writable, maps 0xffffffff\w+ \(P RW US.*\) \[uses its type\]$/,
    );
  });

  it('p2m tells both maps', async () => {
    const editor = await at(machine, MACHINE.line('pin'));
    expect((await types(editor, 'p2m 0x10')).result).toMatch(
      /^pfn 0x10 of d1: mfn \w+ \(d1\), M2P pfn 0x10: they agree$/,
    );
    expect(await editor.refused('evaluate', { expression: 'p2m 0xfffffff', context: 'repl' })).toMatch(
      /behind its end/,
    );
  });

  it('hypercalls lists them, why explains the last refusal and what stands in the way', async () => {
    const editor = await at(machine, MACHINE.line('touch'));
    const list = await types(editor, 'hypercalls 1');
    expect(list.lines).toMatch(/^\d+\. d1v0 mmuext_op = -\d+ \(\w+\.[\w-]+\), line \d+$/);
    const why = await types(editor, 'why');
    expect(why.lines).toMatch(/^HYPERVISOR_mmuext_op returned -\d+/);
    expect(why.lines).toMatch(/Usual cause: /);
    expect(why.lines).toMatch(
      /Now, mfn \w+: 2 references, 1 of them uses of its type:\nmfn .*\n.*\n.*writable, maps 0x/,
    );
    expect(await editor.refused('evaluate', { expression: 'why 9999', context: 'repl' })).toMatch(
      /no hypercall 9999/,
    );
  });

  it('audit says that all is well, or what is not', async () => {
    const editor = await at(calls, CALLS.line('store'));
    expect((await types(editor, 'audit')).result).toBe('The audit finds every count as it should be.');
  });

  it('seek goes to a position and back, and says where it cannot', async () => {
    const editor = await at(calls, CALLS.line('after loop'));
    const told = await types(editor, 'seek -8');
    const [, from = '', to = ''] = /^From position (\d+) to (\d+)\.$/.exec(told.result) ?? [];
    expect(Number(from) - Number(to)).toBe(8);
    const there = await editor.stops();
    expect(there.reason).toBe('goto');
    await types(editor, `seek ${from}`);
    expect(await editor.stops()).toMatchObject({ reason: 'goto', at: CALLS.at('after loop') });
    expect((await types(editor, 'seek 99999999')).result).toMatch(
      /; 99999999 is not in what is known of the run\.$/,
    );
    await editor.stops();
    expect(await editor.refused('evaluate', { expression: 'seek nowhere', context: 'repl' })).toMatch(
      /^Say where to: a position from /,
    );
  });

  it('last goes to just before the last change of an object', async () => {
    const editor = await at(calls, CALLS.line('print'));
    expect((await types(editor, 'last corner.x')).result).toBe('Back to the last change of corner.x.');
    expect(await editor.stops()).toMatchObject({ at: CALLS.at('store') });
    expect(await editor.evaluate('corner.x')).toBe('3');
    await types(editor, 'last corner.y');
    await editor.stops();
    expect(editor.output('console')).toMatch(/corner\.y has not changed in what is known of the run\./);
    expect(await editor.refused('evaluate', { expression: 'last sum', context: 'repl' })).toMatch(
      /lives in a register/,
    );
    expect(await editor.refused('evaluate', { expression: 'last refused', context: 'repl' })).toMatch(
      /was refused\.$/,
    );
  });

  it('last refused goes to the hypercall that was', async () => {
    const editor = await at(refused, REFUSED.line('after'));
    expect((await types(editor, 'last refused')).result).toMatch(
      /^To hypercall \d+, mmu_update, which was refused\.$/,
    );
    expect(await editor.stops()).toMatchObject({ at: REFUSED.at('refused') });
  });

  it('is offered by completions, before and behind a colon', async () => {
    const editor = await at(calls, CALLS.line('print'));
    const labels = async (text: string) => {
      const { targets } = await editor.ask('completions', { text, column: text.length + 1 });
      return targets.map(({ label }) => label);
    };
    expect(await labels('hyperc')).toContain('hypercalls');
    expect(await labels(':wal')).toEqual(['walk']);
    expect(await labels('sum + wal')).not.toContain('walk');
  });

  it('watch stops as a data breakpoint, watches lists it, unwatch removes it', async () => {
    const editor = await at(calls, CALLS.line('after loop'));
    const { result } = await types(editor, 'watch corner.x if $new > 3');
    expect(result).toMatch(/^Data breakpoint (\d+) on corner\.x; `unwatch \1` removes it\.$/);
    await editor.continues();
    expect(await editor.stops()).toMatchObject({ reason: 'data breakpoint', at: CALLS.at('print') });
    const list = await types(editor, 'watches');
    expect(list.lines).toMatch(/^\d+\. corner\.x if \$new > 3, hit 1 times$/);
    const number = /\d+/.exec(list.lines)?.[0] ?? '';
    expect((await types(editor, `unwatch ${number}`)).result).toBe(`Data breakpoint ${number} is removed.`);
    expect(await editor.refused('evaluate', { expression: `unwatch ${number}`, context: 'repl' })).toMatch(
      /no data breakpoint/,
    );
  });

  it.each([
    ['watch frame frame type', /^Data breakpoint \d+ on type of mfn/],
    ['watch frame frame becoming a page table', /becoming a page table of mfn/],
    ['watch pte frame 0x1f', /slot 0x1f of mfn/],
    ['watch entry page 1', /L1 entry of 0xffffffff/],
    ['watch p2m 3', /P2M entry of pfn 0x3/],
    ['watch m2p frame', /M2P entry of mfn/],
    ['watch -a mfn:0x300+0x10 16', /16 bytes at 0x300010/],
    ['watch -r page', /on page;/],
  ])('%s names its place', async (text, answer) => {
    const editor = await at(machine, MACHINE.line('pin'));
    expect((await types(editor, text)).result).toMatch(answer);
  });

  it.each([
    ['watch', /Say what to watch/],
    ['watch nonsense', /nonsense/],
    ['watch frame 0x12 colour', /A frame has no colour/],
    ['watch pte 0x12 512', /no slot 512/],
    ['watch entry 0x400000 1', /comes to no table of level 1/],
    ['watch va:0x1000 0', /no number of bytes/],
    ['watch -r frame 0x12 type', /for changes only/],
    ['walk', /Say which address/],
    ['frame 0xffffffffff', /beyond the memory|There is no mfn/],
    [':nonsense', /There is no command nonsense; `help` lists them/],
    ['help nonsense', /There is no command nonsense/],
    ['? ', /Say what to try/],
    ['? nonsense(1)', /nonsense/],
  ])('%s is refused in one sentence', async (expression, sentence) => {
    const editor = await at(machine, MACHINE.line('pin'));
    expect(await editor.refused('evaluate', { expression, context: 'repl' })).toMatch(sentence);
  });

  it('help lists every command with its use', async () => {
    const editor = await at(calls, CALLS.line('store'));
    const { lines } = await types(editor, 'help');
    for (const name of [
      'walk VA',
      'frame MFN',
      'refs MFN',
      'p2m PFN',
      'hypercalls',
      'audit',
      'why',
      'watch',
      '? HYPERVISOR_',
    ])
      expect(lines).toContain(`${name}`);
    expect((await types(editor, 'help walk')).lines).toMatch(/^walk VA\n {4}the page walk/);
  });
});

describe('what-if', () => {
  it('tells the refusal that a hypercall would meet, and changes nothing', async () => {
    const editor = await at(machine, MACHINE.line('pin'));
    const before = (await types(editor, 'hypercalls')).result;
    const told = await types(editor, '? HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF)');
    expect(told.result).toMatch(/^mmuext_op would be refused: -E\w+, \w+\.[\w-]+ \(nothing is changed\)$/);
    expect(told.lines).toMatch(/What to do: /);
    expect((await types(editor, 'hypercalls')).result).toBe(before);
    expect((await types(editor, ':audit')).result).toMatch(/as it should be/);
  });

  it('tells what an accepted one would change', async () => {
    const editor = await at(machine, MACHINE.line('pin'));
    const frame = (await types(editor, ':frame frame')).result;
    const told = await types(editor, '? HYPERVISOR_update_va_mapping((unsigned long)page, 0, UVMF_INVLPG)');
    expect(told.result).toBe('It would be accepted: update_va_mapping = 0 (nothing is changed)');
    expect(told.lines).toMatch(/type count of mfn \w+ would go from 1 to 0/);
    expect((await types(editor, ':frame frame')).result).toBe(frame);
    expect(await opened(editor, told.variablesReference)).toMatchObject({
      hypercalls: '[1]',
      refused: '[0]',
    });
  });
});

describe('a text that could be both', () => {
  it('is C where a C object has the name and C can follow, else a command', async () => {
    const editor = await at(machine, MACHINE.line('pin'));
    expect((await types(editor, 'audit')).result).toBe('41');
    expect((await types(editor, 'audit + 1')).result).toBe('42');
    expect((await types(editor, ':audit')).result).toMatch(/as it should be/);
    expect((await types(editor, 'frame')).result).toMatch(/^\d+|0x/);
    expect((await types(editor, 'frame 0x300')).result).toMatch(/^mfn 00300: /);
    expect((await types(editor, 'audit = 7')).result).toBe('7');
  });

  it('is C in watches and hovers', async () => {
    const editor = await at(refused, REFUSED.line('after'));
    expect(await editor.refused('evaluate', { expression: 'help', context: 'watch' })).toMatch(/help/);
  });
});
