/** Two scripts are two domains, each with its own vCPU, page tables and P2M. */

import { describe, expect, it } from 'vitest';
import { DapClient } from '../../support/dap-client.ts';
import { scriptFolder } from '../../support/scripts.ts';
import { CALLS, FAULT } from './scripts.ts';

const folder = scriptFolder();
const first = folder.write('first.guest.c', CALLS.text);
const second = folder.write('second.guest.c', FAULT.text);

async function stopsIn(program: string, line: number): Promise<{ editor: DapClient; threadId: number }> {
  const editor = new DapClient();
  await editor.ask('initialize', { supportsVariableType: true });
  await editor.ask('launch', { program: [first, second], stopOnEntry: false });
  await editor.setBreakpoints(program, [line]);
  await editor.ask('configurationDone');
  const { threadId = 0 } = await editor.told('stopped');
  return { editor, threadId };
}

describe('two domains', () => {
  it('are two threads, and a breakpoint of the second script stops the second', async () => {
    const { editor, threadId } = await stopsIn(second, FAULT.line('touch'));
    const { threads } = await editor.ask('threads');
    expect(threads.map(({ name }) => name.slice(0, 4))).toEqual(['d1v0', 'd2v0']);
    expect(threadId).toBe(2);
    expect(await editor.place(2)).toBe(FAULT.at('touch'));
  });

  it('requests are about the domain that stopped, or the one they name', async () => {
    const { editor } = await stopsIn(second, FAULT.line('touch'));
    const { domains } = await editor.ask('xenscope/machine', {});
    const table = (domain?: number) =>
      editor.ask('xenscope/table', {
        from: 0,
        count: 1,
        presentOnly: true,
        ...(domain === undefined ? {} : { domain }),
      });
    expect(domains.map(({ name }) => name)).toEqual(['d1', 'd2']);
    expect(await table()).toMatchObject({ mfn: domains[1]?.root });
    expect(await table(1)).toMatchObject({ mfn: domains[0]?.root });
  });

  it('memory is read through the page tables of the thread that a reference names', async () => {
    const { editor } = await stopsIn(second, FAULT.line('touch'));
    const read = async (memoryReference: string) =>
      (await editor.ask('readMemory', { memoryReference, count: 16 })).data;
    const base = 'va:0xffffffff80010000';
    expect(await read(`${base}@2`)).toBe(await read(base));
    expect(await read('pfn:0x10@1')).toBe(await read(`${base}@1`));
  });
});
