/** What stops the guest by itself: a refused hypercall, a domain crash, a limit, a pause. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DapClient } from '../../support/dap-client.ts';
import { scriptFolder } from '../../support/scripts.ts';
import { CALLS, CRASH, LOOP, REFUSED } from './scripts.ts';

const folder = scriptFolder();
const refused = folder.write('refused.guest.c', REFUSED.text);
const crash = folder.write('crash.guest.c', CRASH.text);
const loop = folder.write('loop.guest.c', LOOP.text);
const calls = folder.write('calls.guest.c', CALLS.text);

/** Where the endless loop can be found: in its head or in its body. */
const LOOP_LINES = [String(LOOP.line('loop') - 1), LOOP.at('loop')];

describe('a refused hypercall', () => {
  it.each(['x86_64', 'x86_32'] as const)(
    'stops on the user’s own line and explains itself: %s',
    async (abi) => {
      const editor = new DapClient();
      await editor.launch({ program: refused, abi, stopOnEntry: false });
      const stop = await editor.stops();
      expect(stop).toMatchObject({ reason: 'exception', at: REFUSED.at('refused') });
      expect(stop.body.description).toBe('mmu_update refused: -EINVAL');
      expect(stop.body.text).toMatch(/mfn/);

      const info = await editor.ask('exceptionInfo', { threadId: 1 });
      expect(info.exceptionId).toMatch(/^[a-z0-9_]+\.[a-z0-9-]+$/);
      expect(info.details).toMatchObject({ typeName: 'EINVAL', message: stop.body.text });
      for (const part of [
        /returned -22 \(-EINVAL\)/,
        /Evidence: /,
        /Xen prints|prints nothing/,
        /Usual cause: /,
        /What to do: /,
      ]) {
        expect(info.description).toMatch(part);
      }

      const call = await editor.scopeVariables('Hypercall');
      expect(call.find(({ name }) => name === 'rc')?.value).toBe('-22');
      expect(call.find(({ name }) => name === 'refused')?.value).toMatch(/EINVAL/);

      expect(await editor.step('next')).toBe(REFUSED.at('after'));
      await editor.continues();
      expect(await editor.told('exited')).toEqual({ exitCode: 0 });
      expect(editor.output('stdout')).toBe('rc -22, done 0\n');
    },
  );

  it('does not stop when the filter is off', async () => {
    const editor = new DapClient();
    await editor.launch({ program: refused, stopOnEntry: false }, { filters: [] });
    expect(await editor.told('exited')).toEqual({ exitCode: 0 });
  });

  it('is one of the filters, on by default', async () => {
    const editor = new DapClient();
    const { exceptionBreakpointFilters } = await editor.ask('initialize', {});
    const on = exceptionBreakpointFilters?.map(({ filter, default: isOn }) => `${filter} ${isOn}`);
    expect(on).toEqual([
      'refused true',
      'silent false',
      'crashed true',
      'fault false',
      'trap false',
      'stale false',
      'disagree false',
      'audit false',
    ]);
  });

  it('an unknown filter is named in its own place, and the others are set', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls });
    const { breakpoints = [] } =
      (await editor.ask('setExceptionBreakpoints', { filters: ['rain', 'fault'] })) ?? {};
    expect(breakpoints.map(({ verified }) => verified)).toEqual([false, true]);
    expect(breakpoints[0]?.message).toMatch(
      /no exception filter rain; the filters are refused, silent, crashed, /,
    );
  });

  it('with a condition stops where it holds, by result or by rule', async () => {
    for (const [condition, stops] of [
      ['$rc == -EINVAL', true],
      ['mmu_update.*', true],
      ['$rc == -EPERM', false],
    ] as const) {
      const editor = new DapClient();
      await editor.launch({ program: refused, stopOnEntry: true }, { filters: [] });
      await editor.stops();
      const filterOptions = [{ filterId: 'refused', condition }];
      await editor.ask('setExceptionBreakpoints', { filters: [], filterOptions });
      await editor.continues();
      if (stops)
        expect(await editor.stops()).toMatchObject({ reason: 'exception', at: REFUSED.at('refused') });
      else await editor.told('terminated');
    }
  });

  it('with a condition that cannot be evaluated stops and says why', async () => {
    const editor = new DapClient();
    await editor.launch({ program: refused }, { filters: [] });
    await editor.stops();
    const filterOptions = [{ filterId: 'refused', condition: '$rc ==' }];
    await editor.ask('setExceptionBreakpoints', { filters: [], filterOptions });
    await editor.continues();
    expect(await editor.stops()).toMatchObject({ reason: 'exception' });
    expect(editor.output('console')).toMatch(/condition `\$rc ==` cannot be evaluated: /);
  });

  it('without an exception there is nothing to explain', async () => {
    const editor = new DapClient();
    await editor.launch({ program: calls });
    await editor.stops();
    expect(await editor.refused('exceptionInfo', { threadId: 1 })).toMatch(/has not stopped at an exception/);
  });
});

describe('a stale translation', () => {
  const example = (name: string) =>
    fileURLToPath(new URL(`../../../examples/forgotten-flush/${name}.guest.c`, import.meta.url));

  it.each(['x86_64', 'x86_32p', 'x86_32'] as const)(
    'is told before the access that uses it is made: %s',
    async (abi) => {
      const editor = new DapClient();
      await editor.launch(
        { program: example('broken'), abi, stopOnEntry: false },
        { filters: ['stale', 'refused', 'crashed', 'fault'] },
      );
      const stop = await editor.stops();
      const line = readFileSync(example('broken'), 'utf8')
        .split('\n')
        .findIndex((text) => text.includes('*(volatile int *)va = 2;'));
      expect(stop).toMatchObject({ reason: 'exception', at: `${line + 1}` });
      expect(stop.body.description).toMatch(/^Stale translation of 0x[0-9a-f]+ used$/);
      expect(stop.body.text).toMatch(
        /^The TLB of d1v0 still holds an old translation of 0x[0-9a-f]+: the guest writes to mfn [0-9a-f]+, but the page tables map mfn [0-9a-f]+ there now\.$/,
      );
      expect(await editor.evaluate('*(volatile int *)alias')).toBe('1');
      expect(await editor.evaluate('*(volatile int *)fresh')).toBe('0');
      const info = await editor.ask('exceptionInfo', { threadId: 1 });
      expect(info.description).toContain(`${stop.body.text ?? '?'}\nUsual cause: `);
      expect(info.description).toMatch(/What to do: .*INVLPG/);

      expect(await editor.step('next')).toBe(`${line + 3}`);
      expect(await editor.evaluate('*(volatile int *)alias')).toBe('2');
      await editor.continues();
      expect(await editor.told('exited')).toEqual({ exitCode: 1 });
    },
  );

  it('is none when it was flushed', async () => {
    const editor = new DapClient();
    await editor.launch(
      { program: example('right'), stopOnEntry: false },
      { filters: ['stale', 'refused', 'crashed', 'fault'] },
    );
    expect(await editor.told('exited')).toEqual({ exitCode: 0 });
  });
});

describe('a domain crash', () => {
  it('stops at the statement, tells why, and then ends with status 3', async () => {
    const editor = new DapClient();
    await editor.launch({ program: crash, stopOnEntry: false });
    const stop = await editor.stops();
    expect(stop).toMatchObject({ reason: 'exception', at: CRASH.at('crash') });
    const info = await editor.ask('exceptionInfo', { threadId: 1 });
    expect(info).toMatchObject({ exceptionId: 'domain crash', breakMode: 'unhandled' });
    expect(info.description).toMatch(/handler/);
    await editor.continues();
    expect(await editor.told('exited')).toEqual({ exitCode: 3 });
    await editor.told('terminated');
  });
});

describe('an endless loop', () => {
  it('can be paused, looked at, and continued', async () => {
    const editor = new DapClient();
    await editor.launch({ program: loop, stopOnEntry: false });
    expect(await editor.refused('stackTrace', { threadId: 1 })).toMatch(
      /the guest is running; pause it first/,
    );
    await editor.ask('pause', { threadId: 1 });
    const stop = await editor.stops();
    expect(stop).toMatchObject({ reason: 'pause' });
    expect(LOOP_LINES).toContain(stop.at);
    const before = Number(await editor.evaluate('turns'));
    await editor.continues();
    await editor.ask('pause', { threadId: 1 });
    await editor.stops();
    expect(Number(await editor.evaluate('turns'))).toBeGreaterThan(before);
    await editor.ask('disconnect');
  });

  it('takes breakpoints while it runs', async () => {
    const editor = new DapClient();
    await editor.launch({ program: loop, stopOnEntry: false });
    await editor.setBreakpoints(loop, [LOOP.line('loop')]);
    expect(await editor.stops()).toMatchObject({ reason: 'breakpoint', at: LOOP.at('loop') });
  });

  it('stepping over it can be paused', async () => {
    const editor = new DapClient();
    const callsLoop = folder.write(
      'calls-loop.guest.c',
      'static void spin(void)\n{\n    for (;;)\n        ;\n}\n\nint main(void)\n{\n    spin();\n    return 0;\n}\n',
    );
    await editor.launch({ program: callsLoop });
    await editor.stops();
    await editor.ask('next', { threadId: 1 });
    await editor.ask('pause', { threadId: 1 });
    expect(await editor.stops()).toMatchObject({ reason: 'pause' });
  });

  it('is ended by maxStatements, with the reason', async () => {
    const editor = new DapClient();
    await editor.launch({ program: loop, stopOnEntry: false, maxStatements: 50_000 });
    const stop = await editor.stops();
    expect(stop).toMatchObject({ reason: 'exception' });
    expect(LOOP_LINES).toContain(stop.at);
    expect(stop.body.text).toMatch(/50.?000/);
    await editor.continues();
    expect(await editor.told('exited')).toEqual({ exitCode: 4 });
  });

  it('disconnect while it runs leaves nothing running', async () => {
    const editor = new DapClient();
    await editor.launch({ program: loop, stopOnEntry: false });
    await editor.ask('disconnect');
    const before = editor.received.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(editor.received).toHaveLength(before);
  });
});
