/** F5 to the end: start, steps, exit. */

import { describe, expect, it } from 'vitest';
import { isRecord } from '../../../adapter/dap/arguments.ts';
import { DapClient } from '../../support/dap-client.ts';
import { scriptFolder } from '../../support/scripts.ts';
import { CALLS, FAULT } from './scripts.ts';

const folder = scriptFolder();
const calls = folder.write('calls.guest.c', CALLS.text);
const fault = folder.write('fault.guest.c', FAULT.text);

describe.each(['x86_64', 'x86_32'] as const)('F5 on %s', (abi) => {
  it('stops on the first line of the script, steps, and ends with the exit status', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls, abi });
    expect(await editor.stops()).toMatchObject({ reason: 'entry', at: CALLS.at('first') });
    expect(await editor.told('xenscope/stateChanged')).toEqual({ stop: 1 });
    expect((await editor.userFrame()).name).toBe('kernel_main');
    expect(Number(await editor.step())).toBe(CALLS.line('first') + 1);
    await editor.continues();
    expect(await editor.told('exited')).toEqual({ exitCode: 0 });
    await editor.told('terminated');
    expect(editor.output('stdout')).toBe('sum 20 of 4096 pages\n');
    const printed = editor.received.find(({ body }) => isRecord(body) && body['category'] === 'stdout');
    expect(printed?.body).toMatchObject({ source: { path: calls }, line: CALLS.line('print') });
    await editor.ask('disconnect');
  });

  it('steps into a function and out of it, and over the call', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls, abi }, { lines: [CALLS.line('call')] });
    await editor.stops();
    await editor.continues();
    expect(await editor.stops()).toMatchObject({ reason: 'breakpoint', at: CALLS.at('call') });
    expect(await editor.step('stepIn')).toBe(CALLS.at('in twice'));
    const { stackFrames } = await editor.ask('stackTrace', { threadId: 1 });
    expect(stackFrames.map(({ name }) => name).slice(0, 2)).toEqual(['twice', 'kernel_main']);
    expect(await editor.step('next')).toBe(CALLS.at('twice returns'));
    await editor.step('stepOut');
    expect((await editor.userFrame()).name).toBe('kernel_main');
    await editor.setBreakpoints(calls, []);
    let place = await editor.step('next');
    for (let steps = 0; place !== CALLS.at('after loop') && steps < 20; steps++) {
      expect((await editor.userFrame()).name).toBe('kernel_main');
      place = await editor.step('next');
    }
    expect(await editor.scope('Locals')).toMatchObject({ sum: '20' });
  });

  it('steps over printk without showing the library', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls, abi }, { lines: [CALLS.line('print')] });
    await editor.stops();
    await editor.continues();
    await editor.stops();
    expect(await editor.step('next')).toBe(CALLS.at('last'));
    expect(editor.output('stdout')).toBe('sum 20 of 4096 pages\n');
  });
});

describe('starting otherwise', () => {
  it('stopOnEntry false runs to the first breakpoint', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls, stopOnEntry: false }, { lines: [CALLS.line('store')] });
    expect(await editor.stops()).toMatchObject({ reason: 'breakpoint', at: CALLS.at('store') });
  });

  it('noDebug runs to the end, past breakpoints', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls, noDebug: true }, { lines: [CALLS.line('store')] });
    expect(await editor.told('exited')).toEqual({ exitCode: 0 });
  });

  it('a script with errors: all of them at their places, and an error response', async () => {
    const broken = folder.write(
      'broken.guest.c',
      'int main(void)\n{\n    x = 1;\n    y = 2;\n    return 0;\n}\n',
    );
    const editor = new DapClient();
    await editor.ask('initialize', {});
    expect(await editor.refused('launch', { program: broken })).toMatch(/broken\.guest\.c:3: .*x.*2 errors/);
    expect(editor.output('stderr')).toMatch(
      /broken\.guest\.c:3:5: error: .*\n.*broken\.guest\.c:4:5: error: /,
    );
    const first = editor.received.find((message) => message.event === 'output');
    expect(first?.body).toMatchObject({ line: 3, column: 5, source: { path: broken } });
  });

  it('restarts with the breakpoints that were set', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls }, { lines: [CALLS.line('store')] });
    await editor.stops();
    await editor.continues();
    expect(await editor.stops()).toMatchObject({ at: CALLS.at('store') });
    await editor.ask('restart', {});
    expect(await editor.stops()).toMatchObject({ reason: 'entry', at: CALLS.at('first') });
    await editor.continues();
    expect(await editor.stops()).toMatchObject({ reason: 'breakpoint', at: CALLS.at('store') });
  });

  it('terminate ends a stopped guest', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls });
    await editor.stops();
    await editor.ask('terminate');
    await editor.told('terminated');
    expect(await editor.refused('continue', { threadId: 1 })).toMatch(/the guest has ended/);
    await editor.ask('disconnect');
  });

  it('takes lines from 0 when the client counts so', async () => {
    const editor = new DapClient();
    await editor.ask('initialize', { linesStartAt1: false, columnsStartAt1: false });
    await editor.ask('launch', { program: calls });
    const { breakpoints } = await editor.ask('setBreakpoints', {
      source: { path: calls },
      breakpoints: [{ line: CALLS.line('store') - 1 }],
    });
    expect(breakpoints[0]).toMatchObject({ verified: true, line: CALLS.line('store') - 1, column: 4 });
  });
});

describe('stepping through a page fault', () => {
  it.each(['x86_64', 'x86_32'] as const)(
    'enters the handler, sees the trap, and comes back: %s',
    async (abi) => {
      const editor = new DapClient();
      await editor.launch({ program: fault, abi }, { lines: [FAULT.line('touch')] });
      await editor.stops();
      await editor.continues();
      expect(await editor.stops()).toMatchObject({ at: FAULT.at('touch') });
      expect(await editor.step('stepIn')).toBe(FAULT.at('handler'));
      const { stackFrames } = await editor.ask('stackTrace', { threadId: 1 });
      expect(stackFrames.map(({ name }) => name).slice(0, 3)).toEqual([
        'on_fault',
        '[trap delivered by Xen]',
        'kernel_main',
      ]);
      expect(stackFrames[1]).toMatchObject({ presentationHint: 'label' });
      expect(stackFrames[2]).toMatchObject({ line: FAULT.line('touch') });
      expect(await editor.step('next')).toBe(FAULT.at('repair'));
      expect(await editor.evaluate('va == (unsigned long)&page[7]')).toBe('1');
      await editor.continues();
      expect(await editor.told('exited')).toEqual({ exitCode: 0 });
    },
  );

  it('steps over the access that faults: the handler runs unseen', async () => {
    const editor = new DapClient();
    await editor.launch({ program: fault }, { lines: [FAULT.line('touch')] });
    await editor.stops();
    await editor.continues();
    await editor.stops();
    expect(await editor.step('next')).toBe(FAULT.at('last'));
  });

  it('the filter "page fault delivered" stops at the access and tells the error code', async () => {
    const editor = new DapClient();
    await editor.launch({ program: fault }, { filters: ['fault'] });
    await editor.stops();
    await editor.continues();
    const stop = await editor.stops();
    expect(stop).toMatchObject({ reason: 'exception', at: FAULT.at('touch') });
    const info = await editor.ask('exceptionInfo', { threadId: 1 });
    expect(info.exceptionId).toMatch(/^page fault at 0x/);
    expect(info.description).toMatch(/Error code 2: .*write.*kernel/);
    expect(info.description).toMatch(/Xen enters on_fault/);
    expect(await editor.step('stepIn')).toBe(FAULT.at('handler'));
  });
});
