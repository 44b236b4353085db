import { describe, expect, it } from 'vitest';
import { DapClient } from '../../support/dap-client.ts';
import { scriptFolder } from '../../support/scripts.ts';
import { CALLS, FAULT, REFUSED } from './scripts.ts';

const folder = scriptFolder();
const calls = folder.write('calls.guest.c', CALLS.text);
const fault = folder.write('fault.guest.c', FAULT.text);
const refused = folder.write('refused.guest.c', REFUSED.text);

/** An editor that has launched the script and stands at its first line. */
async function atEntry(program: string): Promise<DapClient> {
  const editor = new DapClient();
  await editor.launch({ program }, { filters: [] });
  await editor.stops();
  return editor;
}

describe('line breakpoints', () => {
  it('move to the next line with a statement and are verified', async () => {
    const editor = await atEntry(calls);
    const [moved, sound] = await editor.setBreakpoints(calls, [CALLS.line('empty'), CALLS.line('store')]);
    expect(moved).toMatchObject({ verified: true, line: CALLS.line('first') });
    expect(sound).toMatchObject({ verified: true, line: CALLS.line('store') });
    expect(moved?.id).not.toBe(sound?.id);
  });

  it('past the end are not verified, with a reason', async () => {
    const editor = await atEntry(calls);
    const [breakpoint] = await editor.setBreakpoints(calls, [9999]);
    expect(breakpoint).toMatchObject({ verified: false, message: expect.any(String) as string });
  });

  it('in a file that does not belong to the script are not verified', async () => {
    const editor = await atEntry(calls);
    const [breakpoint] = await editor.setBreakpoints(folder.write('other.guest.c', '\n'), [1]);
    expect(breakpoint).toMatchObject({ verified: false });
  });

  it('name the breakpoint that was hit', async () => {
    const editor = await atEntry(calls);
    const [breakpoint] = await editor.setBreakpoints(calls, [CALLS.line('store')]);
    await editor.continues();
    expect((await editor.stops()).body.hitBreakpointIds).toEqual([breakpoint?.id]);
  });

  it('stop every time the line runs, and no more once removed', async () => {
    const editor = await atEntry(calls);
    await editor.setBreakpoints(calls, [CALLS.line('in twice')]);
    for (let n = 0; n < 3; n++) {
      await editor.continues();
      await editor.stops();
      expect(await editor.scope('Locals')).toMatchObject({ n: `${n}` });
    }
    await editor.setBreakpoints(calls, []);
    await editor.continues();
    await editor.told('terminated');
  });

  it('with a condition stop when it holds', async () => {
    const editor = await atEntry(calls);
    await editor.ask('setBreakpoints', {
      source: { path: calls },
      breakpoints: [{ line: CALLS.line('in twice'), condition: 'n == 3' }],
    });
    await editor.continues();
    await editor.stops();
    expect(await editor.evaluate('n')).toBe('3');
  });

  it('with a condition that cannot be evaluated stop and say why', async () => {
    const editor = await atEntry(calls);
    await editor.ask('setBreakpoints', {
      source: { path: calls },
      breakpoints: [{ line: CALLS.line('in twice'), condition: 'n ==' }],
    });
    await editor.continues();
    expect(await editor.stops()).toMatchObject({ at: CALLS.at('in twice') });
    expect(editor.output('console')).toMatch(/condition `n ==` cannot be evaluated: /);
  });

  it('with a condition that faults stop and say why', async () => {
    const editor = await atEntry(calls);
    await editor.ask('setBreakpoints', {
      source: { path: calls },
      breakpoints: [{ line: CALLS.line('in twice'), condition: '*(int *)8 == n' }],
    });
    await editor.continues();
    expect(await editor.stops()).toMatchObject({ at: CALLS.at('in twice') });
    expect(editor.output('console')).toMatch(/cannot be evaluated: Page fault at 0x8: it is not mapped\./);
  });

  it('with a hit count stop at the same hit on the way back, and messages are not printed again', async () => {
    const editor = await atEntry(calls);
    await editor.ask('setBreakpoints', {
      source: { path: calls },
      breakpoints: [
        { line: CALLS.line('in twice'), hitCondition: '==3' },
        { line: CALLS.line('twice returns'), logMessage: 'n is {n}' },
        { line: CALLS.line('print') },
      ],
    });
    await editor.continues();
    await editor.stops();
    expect(await editor.evaluate('n')).toBe('2');
    await editor.continues();
    expect(await editor.stops()).toMatchObject({ at: CALLS.at('print') });
    const printed = editor.output('console');
    expect(printed).toBe('n is 0\nn is 1\nn is 2\nn is 3\nn is 4\n');
    await editor.ask('reverseContinue', { threadId: 1 });
    expect(await editor.stops()).toMatchObject({ reason: 'breakpoint', at: CALLS.at('in twice') });
    expect(await editor.evaluate('n')).toBe('2');
    expect(editor.output('console')).toBe(printed);
  });

  it('with a hit count stop at the right hit', async () => {
    const editor = await atEntry(calls);
    await editor.ask('setBreakpoints', {
      source: { path: calls },
      breakpoints: [{ line: CALLS.line('in twice'), hitCondition: '%4' }],
    });
    await editor.continues();
    await editor.stops();
    expect(await editor.evaluate('n')).toBe('3');
    await editor.continues();
    await editor.told('terminated');
  });

  it('with a log message print and do not stop', async () => {
    const editor = await atEntry(calls);
    await editor.ask('setBreakpoints', {
      source: { path: calls },
      breakpoints: [{ line: CALLS.line('twice returns'), logMessage: '{n} -> {result}' }],
    });
    await editor.continues();
    await editor.told('terminated');
    expect(editor.output('console')).toMatch(/^0 -> 0\n1 -> 2\n2 -> 4\n3 -> 6\n4 -> 8\n/);
  });

  it('tell the statements of a line', async () => {
    const editor = await atEntry(calls);
    const { breakpoints } = await editor.ask('breakpointLocations', {
      source: { path: calls },
      line: CALLS.line('first'),
    });
    expect(breakpoints).toEqual([expect.objectContaining({ line: CALLS.line('first') })]);
  });

  it('with a line that is no line are refused in their own place; the others are set', async () => {
    const editor = await atEntry(calls);
    const breakpoints = [{ line: 'seven' }, { line: CALLS.line('store') }, {}];
    const answer = await editor.ask('setBreakpoints', { source: { path: calls }, breakpoints });
    expect(answer.breakpoints.map(({ verified }) => verified)).toEqual([false, true, false]);
    expect(answer.breakpoints[0]?.message).toMatch(/`line` must be a whole number/);
    await editor.continues();
    expect(await editor.stops()).toMatchObject({ at: CALLS.at('store') });
    expect(await editor.refused('setBreakpoints', { breakpoints: [] })).toMatch(/`source` must be an object/);
  });
});

describe('function breakpoints', () => {
  async function setNames(editor: DapClient, ...names: string[]) {
    const breakpoints = names.map((name) => ({ name }));
    return (await editor.ask('setFunctionBreakpoints', { breakpoints })).breakpoints;
  }

  it('stop at the first statement of a function of the script', async () => {
    const editor = await atEntry(calls);
    const [breakpoint] = await setNames(editor, 'twice');
    expect(breakpoint).toMatchObject({ verified: true });
    await editor.continues();
    expect(await editor.stops()).toMatchObject({ at: CALLS.at('in twice') });
  });

  it('say that a name is neither a function nor a hypercall', async () => {
    const editor = await atEntry(calls);
    const [breakpoint] = await setNames(editor, 'nonsense');
    expect(breakpoint).toMatchObject({
      verified: false,
      message: 'No function and no hypercall is called nonsense.',
    });
  });

  it.each(['mmu_update', 'HYPERVISOR_mmu_update', 'mmu_*'])(
    '%s stops before the hypercall, with its arguments decoded',
    async (name) => {
      const editor = await atEntry(refused);
      const [breakpoint] = await setNames(editor, name);
      expect(breakpoint).toMatchObject({ verified: true });
      await editor.continues();
      const stop = await editor.stops();
      expect(stop).toMatchObject({ reason: 'function breakpoint', at: REFUSED.at('refused') });
      expect(stop.body.description).toMatch(/mmu_update/);
      expect(await editor.evaluate('done')).toMatch(/^77\b/);
      const scope = await editor.scope('Hypercall');
      expect(scope).toMatchObject({ hypercall: 'mmu_update', state: 'not yet made' });
      await editor.continues();
      await editor.told('terminated');
    },
  );

  it('on a hypercall with a condition on its result stop behind it, and log what it was about', async () => {
    const editor = await atEntry(refused);
    await editor.ask('setFunctionBreakpoints', {
      breakpoints: [
        { name: 'mmu_update', condition: '$rc == -EINVAL' },
        {
          name: 'mmu_update',
          condition: '$rc != 0',
          logMessage: 'request {$index} returned {$rc}, done {$done}, {done}',
        },
      ],
    });
    await editor.continues();
    const stop = await editor.stops();
    expect(stop).toMatchObject({ reason: 'function breakpoint', at: REFUSED.at('refused') });
    expect(stop.body.description).toBe('Paused after hypercall mmu_update, which returned -22');
    expect(editor.output('console')).toMatch(/^request 0 returned -22, done 0, 0\b/m);
    expect(await editor.evaluate('$rc + 1')).toBe('-21');
  });

  it('in the library’s start-up do not stop for `*`: the first stop is the user’s first call', async () => {
    const editor = new DapClient();
    await editor.launch({ program: fault, stopOnEntry: false }, { filters: [], functions: ['*'] });
    const stop = await editor.stops();
    expect(stop.body.description).toBe('Paused before hypercall set_trap_table');
  });

  it('a glob over all hypercalls stops at each one', async () => {
    const editor = await atEntry(fault);
    await setNames(editor, 'update_va_*');
    const places: string[] = [];
    for (let i = 0; i < 2; i++) {
      await editor.continues();
      places.push((await editor.stops()).at);
    }
    expect(places).toEqual([FAULT.at('unmap'), FAULT.at('repair')]);
  });
});
