/** To another statement, or to the time at which a statement ran; and how far a step goes. */

import { describe, expect, it } from 'vitest';
import { DapClient } from '../../support/dap-client.ts';
import { markedScript } from '../../support/marked-script.ts';
import { scriptFolder } from '../../support/scripts.ts';

const SCRIPT = markedScript(`
static int total;

static int add(int depth, int n)
{
    total += n; /* @in add */
    while (depth > 0) {
        depth--; /* @loop */
        add(0, 1); /* @recursion */
    }
    return total; /* @add returns */
}

int kernel_main(start_info_t *info)
{
    int a = 1, b = 2; /* @first */
    a++; b++; /* @two */
    add(2, 10); /* @call */
    a = 0; /* @skipped */
    printk("a %d total %d\\n", a, total); /* @print */
    HYPERVISOR_mmu_update(NULL, 1, NULL, DOMID_SELF); /* @refused */
    return 0; /* @last */
}
`);
const script = scriptFolder().write('jumps.guest.c', SCRIPT.text);

async function standsAt(mark: string): Promise<DapClient> {
  const editor = new DapClient();
  await editor.launch({ program: script, stopOnEntry: false }, { lines: [SCRIPT.line(mark)] });
  expect(await editor.stops()).toMatchObject({ at: SCRIPT.at(mark) });
  return editor;
}

async function goTo(editor: DapClient, mark: string, way: RegExp): Promise<void> {
  const line = SCRIPT.line(mark);
  const { targets } = await editor.ask('gotoTargets', { source: { path: script }, line });
  expect(targets.map((target) => target.line)).toEqual([line, line]);
  const target = targets.find(({ label }) => way.test(label));
  await editor.ask('goto', { threadId: 1, targetId: target?.id });
}

describe('goto', () => {
  it('makes a line the next statement: what is between does not run', async () => {
    const editor = await standsAt('skipped');
    await goTo(editor, 'print', /next statement/);
    expect(await editor.stops()).toMatchObject({ reason: 'goto', at: SCRIPT.at('print') });
    expect(await editor.step('next')).toBe(SCRIPT.at('refused'));
    expect(editor.output('stdout')).toContain('a 2 total 12');
  });

  it('can make a line run twice, and tells that another future begins when there was one', async () => {
    const editor = await standsAt('print');
    await goTo(editor, 'two', /next statement/);
    expect(await editor.stops()).toMatchObject({ at: SCRIPT.at('two') });
    expect(await editor.evaluate('b')).toBe('3');
    await editor.step('next');
    await editor.step('next');
    expect(await editor.evaluate('b')).toBe('4');
  });

  it('refuses a line of another function, and stays', async () => {
    const editor = await standsAt('print');
    const { targets } = await editor.ask('gotoTargets', {
      source: { path: script },
      line: SCRIPT.line('loop'),
    });
    const jump = targets.find(({ label }) => label.includes('next statement'));
    const sentence = await editor.refused('goto', { threadId: 1, targetId: jump?.id });
    expect(sentence).toBe(`Line ${SCRIPT.line('loop')} is not in kernel_main, which is running.`);
    expect(await editor.place()).toBe(SCRIPT.at('print'));
  });

  it('refuses to jump out of a hypercall', async () => {
    const editor = await standsAt('print');
    await editor.continues();
    expect((await editor.stops()).reason).toBe('exception');
    const { targets } = await editor.ask('gotoTargets', {
      source: { path: script },
      line: SCRIPT.line('last'),
    });
    const jump = targets.find(({ label }) => label.includes('next statement'));
    expect(await editor.refused('goto', { threadId: 1, targetId: jump?.id })).toMatch(
      /stands in a hypercall/,
    );
  });

  it('travels to when a line last ran, in whatever function', async () => {
    const editor = await standsAt('print');
    await goTo(editor, 'recursion', /Travel/);
    expect(await editor.stops()).toMatchObject({ reason: 'goto', at: SCRIPT.at('recursion') });
    expect(await editor.evaluate('total')).toBe('11');
    await goTo(editor, 'recursion', /Travel/);
    await editor.stops();
    expect(await editor.evaluate('total')).toBe('10');
  });

  it('stays, and says so, when the line has not run', async () => {
    const editor = await standsAt('print');
    await goTo(editor, 'last', /Travel/);
    expect(await editor.stops()).toMatchObject({ at: SCRIPT.at('print') });
    expect(editor.output('console')).toContain(`Line ${SCRIPT.line('last')} has not run before here.`);
  });

  it('has no targets where there is no statement, and knows its own numbers alone', async () => {
    const editor = await standsAt('print');
    expect(await editor.ask('gotoTargets', { source: { path: script }, line: 1 })).toEqual({ targets: [] });
    expect(await editor.refused('goto', { threadId: 1, targetId: 9 })).toMatch(/no such place/);
  });
});

describe('restartFrame', () => {
  it('goes to where the activation began, not to a later turn of its loop', async () => {
    const editor = await standsAt('add returns');
    expect(await editor.evaluate('depth')).toBe('0');
    await editor.setBreakpoints(script, []);
    await editor.step('stepOut');
    await editor.ask('xenscope/stepBack', { threadId: 1, how: 'into' });
    await editor.stops();
    const frame = await editor.userFrame();
    await editor.ask('restartFrame', { frameId: frame.id });
    expect(await editor.stops()).toMatchObject({ at: SCRIPT.at('in add') });
  });

  it('of a caller goes back further', async () => {
    const editor = await standsAt('recursion');
    await editor.step('stepIn');
    const { stackFrames } = await editor.ask('stackTrace', { threadId: 1 });
    expect(stackFrames.map(({ name }) => name)).toEqual(['add', 'add', 'kernel_main']);
    await editor.ask('restartFrame', { frameId: stackFrames[1]?.id });
    expect(await editor.stops()).toMatchObject({ at: SCRIPT.at('in add') });
    expect(await editor.evaluate('n')).toBe('10');
    expect(await editor.evaluate('total')).toBe('0');
  });

  it('of the entry function goes to its first statement', async () => {
    const editor = await standsAt('print');
    const frame = await editor.userFrame();
    await editor.ask('restartFrame', { frameId: frame.id });
    expect(await editor.stops()).toMatchObject({ at: SCRIPT.at('first') });
  });
});

describe('a step', () => {
  it('by statement stops twice in a line with two', async () => {
    const editor = await standsAt('two');
    await editor.ask('next', { threadId: 1, granularity: 'statement' });
    expect(await editor.stops()).toMatchObject({ at: SCRIPT.at('two') });
  });

  it('by line goes on to another line', async () => {
    const editor = await standsAt('two');
    await editor.ask('next', { threadId: 1, granularity: 'line' });
    expect(await editor.stops()).toMatchObject({ at: SCRIPT.at('call') });
  });

  it('by instruction goes into what is called', async () => {
    const editor = await standsAt('call');
    await editor.ask('next', { threadId: 1, granularity: 'instruction' });
    expect(await editor.stops()).toMatchObject({ at: SCRIPT.at('in add') });
  });

  it('of an unknown granularity is refused', async () => {
    const editor = await standsAt('two');
    const sentence = await editor.refused('next', { threadId: 1, granularity: 'mile' });
    expect(sentence).toMatch(/`granularity` must be one of statement, line, instruction/);
  });
});

describe('cancel', () => {
  it('has nothing to do while the guest stands', async () => {
    const editor = await standsAt('two');
    await editor.ask('cancel', { requestId: 1 });
    expect(await editor.place()).toBe(SCRIPT.at('two'));
  });

  it('ends a run where it is', async () => {
    const endless = scriptFolder().write('endless.guest.c', 'int main(void) { for (;;) { } }\n');
    const editor = new DapClient();
    await editor.launch({ program: endless, stopOnEntry: false });
    await editor.ask('cancel', {});
    expect(await editor.stops()).toMatchObject({ reason: 'pause' });
  });
});
