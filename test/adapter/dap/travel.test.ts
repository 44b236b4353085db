/** Going back in time, as conversations between an editor and the adapter. */

import { describe, expect, it } from 'vitest';
import { DapClient } from '../../support/dap-client.ts';
import { scriptFolder } from '../../support/scripts.ts';
import { CALLS, CRASH, FAULT, LOOP, REFUSED } from './scripts.ts';

const folder = scriptFolder();
const calls = folder.write('calls.guest.c', CALLS.text);
const crash = folder.write('crash.guest.c', CRASH.text);
const fault = folder.write('fault.guest.c', FAULT.text);
const loop = folder.write('loop.guest.c', LOOP.text);
const refused = folder.write('refused.guest.c', REFUSED.text);

const HEAD = String(CALLS.line('call') - 1);

/** One step back; where it has led. */
async function stepBack(editor: DapClient, how: 'into' | 'over' | 'out' = 'over'): Promise<string> {
  if (how === 'over') await editor.ask('stepBack', { threadId: 1 });
  else await editor.ask('xenscope/stepBack', { threadId: 1, how });
  return (await editor.stops()).at;
}

describe('stepping back', () => {
  it('is announced', async () => {
    const { supportsStepBack } = await new DapClient().ask('initialize', { adapterID: 'xenscope' });
    expect(supportsStepBack).toBe(true);
  });

  it('goes over calls, into them, and out to the call', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls }, { lines: [CALLS.line('after loop')] });
    await editor.stops();
    await editor.continues();
    expect((await editor.stops()).at).toBe(CALLS.at('after loop'));
    expect((await editor.scope('Locals'))['sum']).toBe('20');

    // The head of the loop has counted and compared after the last call.
    for (const place of [HEAD, HEAD, CALLS.at('twice returns')])
      expect(await stepBack(editor, 'into')).toBe(place);
    expect((await editor.scope('Locals'))['result']).toBe('8');
    expect(await stepBack(editor)).toBe(CALLS.at('in twice'));
    expect(await stepBack(editor)).toBe(CALLS.at('call'));
    expect((await editor.scope('Locals'))['sum']).toBe('12');
    expect(await editor.step('stepIn')).toBe(CALLS.at('in twice'));
    expect(await stepBack(editor, 'out')).toBe(CALLS.at('call'));
  });

  it('of the finest granularity goes into the call', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls }, { lines: [CALLS.line('after loop')] });
    await editor.stops();
    await editor.continues();
    await editor.stops();
    for (const place of [HEAD, HEAD, CALLS.at('twice returns')]) {
      await editor.ask('stepBack', { threadId: 1, granularity: 'instruction' });
      expect((await editor.stops()).at).toBe(place);
    }
  });

  it('comes to the start of history, from where the run goes on as before', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls });
    expect((await editor.stops()).at).toBe(CALLS.at('first'));
    await editor.step();
    await editor.step();
    expect(await stepBack(editor)).toBe(String(CALLS.line('first') + 1));
    expect(await stepBack(editor)).toBe(CALLS.at('first'));
    await editor.ask('stepBack', { threadId: 1 });
    const start = await editor.told('stopped');
    expect(start).toMatchObject({ reason: 'entry', description: 'Start of history' });
    await editor.continues();
    expect(await editor.told('exited')).toEqual({ exitCode: 0 });
    expect(editor.output('stdout')).toBe('sum 20 of 4096 pages\n');
  });

  it('out of a fault handler leads to the statement that faulted', async () => {
    const editor = new DapClient();
    await editor.launch({ program: fault, stopOnEntry: false }, { lines: [FAULT.line('repair')] });
    await editor.stops();
    expect(await stepBack(editor, 'out')).toBe(FAULT.at('touch'));
    expect(await editor.step('stepIn')).toBe(FAULT.at('handler'));
  });

  it('needs a thread that is there', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls });
    await editor.stops();
    expect(await editor.refused('stepBack', { threadId: 9 })).toBe('There is no thread 9.');
    expect(await editor.refused('xenscope/stepBack', { threadId: 1 })).toMatch(/into, over or out/);
  });
});

describe('running back', () => {
  it('stops at breakpoints, at refusals, and at the start', async () => {
    const editor = new DapClient();
    await editor.launch(
      { program: refused, stopOnEntry: false },
      { lines: [REFUSED.line('first'), REFUSED.line('last')] },
    );
    expect((await editor.stops()).at).toBe(REFUSED.at('first'));
    await editor.continues();
    expect(await editor.stops()).toMatchObject({ reason: 'exception', at: REFUSED.at('refused') });
    await editor.continues();
    expect((await editor.stops()).at).toBe(REFUSED.at('last'));
    expect(editor.output('stdout')).toBe('rc -22, done 0\n');

    await editor.ask('reverseContinue', { threadId: 1 });
    const again = await editor.stops();
    expect(again).toMatchObject({ reason: 'exception', at: REFUSED.at('refused') });
    expect(again.body.description).toBe('mmu_update refused: -EINVAL');
    await editor.ask('reverseContinue', { threadId: 1 });
    expect(await editor.stops()).toMatchObject({ reason: 'breakpoint', at: REFUSED.at('first') });
    await editor.ask('reverseContinue', { threadId: 1 });
    expect(await editor.told('stopped')).toMatchObject({ reason: 'entry', description: 'Start of history' });

    for (const line of ['first', 'refused', 'last']) {
      await editor.continues();
      expect((await editor.stops()).at).toBe(REFUSED.at(line));
    }
    expect(editor.output('stdout'), 'nothing is printed twice').toBe('rc -22, done 0\n');
  });

  it('can be paused, and stands in the past then', async () => {
    const editor = new DapClient();
    await editor.launch({ program: loop, stopOnEntry: false });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await editor.ask('pause', { threadId: 1 });
    await editor.stops();
    const turns = Number(await editor.evaluate('turns'));
    await editor.ask('reverseContinue', { threadId: 1 });
    await editor.ask('pause', { threadId: 1 });
    await editor.stops();
    expect(Number(await editor.evaluate('turns'))).toBeLessThanOrEqual(turns);
    await editor.ask('disconnect');
  });
});

describe('the end', () => {
  it('of a guest that failed is one more stop, from which one can go back', async () => {
    const editor = new DapClient();
    await editor.launch({ program: crash, stopOnEntry: false, stopOnExit: 'failure' }, { filters: [] });
    const end = await editor.told('stopped');
    expect(end.description).toMatch(/The guest has ended; go back/);
    expect(end.text).toMatch(/was crashed by Xen/);
    await editor.ask('stepBack', { threadId: 1 });
    expect((await editor.stops()).at).toBe(CRASH.at('crash'));
    await editor.continues();
    expect((await editor.told('stopped')).text).toMatch(/was crashed by Xen/);
    await editor.continues();
    expect(await editor.told('exited')).toEqual({ exitCode: 3 });
    await editor.told('terminated');
  });

  it('of a sound run ends the session, unless it shall always be a stop', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls, stopOnEntry: false, stopOnExit: 'failure' });
    expect(await editor.told('exited')).toEqual({ exitCode: 0 });
    const other = new DapClient();
    await other.launch({ program: calls, stopOnEntry: false, stopOnExit: 'always' });
    expect((await other.told('stopped')).text).toMatch(/The guest finished/);
  });
});

describe('seeking', () => {
  it('leads to any position, and tells which there are', async () => {
    const editor = new DapClient();
    await editor.launch(
      { program: refused, stopOnEntry: false },
      { lines: [REFUSED.line('last')], filters: [] },
    );
    await editor.stops();
    const history = await editor.ask('xenscope/history', { from: 0, count: 10, refusedOnly: true });
    expect(history.rows).toMatchObject([{ name: 'mmu_update', refused: true, domain: 1, vcpu: 0 }]);
    expect(history).toMatchObject({ start: 0, total: 1, next: null });
    expect(history.position).toBe(history.end);
    const call = history.rows[0]?.position ?? 0;

    await editor.ask('xenscope/seek', { position: call });
    const before = await editor.stops();
    expect(before).toMatchObject({ reason: 'goto', at: REFUSED.at('refused') });
    expect(await editor.evaluate('done')).toMatch(/^77\b/);
    await editor.ask('xenscope/seek', { position: call + 1 });
    await editor.stops();
    expect(await editor.evaluate('done')).toBe('0');
    await editor.ask('xenscope/seek', { position: 1e15 });
    expect((await editor.stops()).at).toBe(REFUSED.at('last'));
  });
});

describe('an edit in the past', () => {
  it('begins another future, and says so', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls }, { lines: [CALLS.line('print')] });
    await editor.stops();
    await editor.continues();
    await editor.stops();
    await editor.step();
    expect(editor.output('stdout')).toBe('sum 20 of 4096 pages\n');
    for (const line of ['print', 'store', 'after loop']) expect(await stepBack(editor)).toBe(CALLS.at(line));

    await editor.evaluate('sum + 1', 'repl');
    expect(
      (await editor.ask('xenscope/history', { from: 0, count: 0 })).end,
      'nothing was changed',
    ).toBeGreaterThan((await editor.ask('xenscope/history', { from: 0, count: 0 })).position);
    await editor.evaluate('sum = 100', 'repl');
    const { position, end } = await editor.ask('xenscope/history', { from: 0, count: 0 });
    expect(end).toBe(position);
    expect(editor.output('console')).toMatch(/What came after this place is forgotten/);
    await editor.continues();
    await editor.stops();
    await editor.step();
    expect(editor.output('stdout')).toBe('sum 20 of 4096 pages\nsum 100 of 4096 pages\n');

    await editor.ask('xenscope/seek', { position });
    await editor.stops();
    expect((await editor.scope('Locals'))['sum']).toBe('100');
    expect(await stepBack(editor)).toBe(HEAD);
    expect((await editor.scope('Locals'))['sum']).toBe('20');
    await editor.continues();
    await editor.stops();
    expect((await editor.scope('Locals'))['sum'], 'the edit lies ahead again').toBe('100');
  });
});
