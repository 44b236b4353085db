/** Data breakpoints as an editor sets them: from a variable, an address, a frame; and what it is told at the stop. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { describe, expect, it } from 'vitest';
import { DapClient } from '../../support/dap-client.ts';
import { markedScript } from '../../support/marked-script.ts';
import { scriptFolder } from '../../support/scripts.ts';
import { CALLS } from './scripts.ts';

const PIN = markedScript(`
static char table[PAGE_SIZE] __attribute__((aligned(4096)));
static mfn_t frame;

int kernel_main(void)
{
    struct mmuext_op op = { .cmd = MMUEXT_PIN_L1_TABLE }; /* @first */

    frame = virt_to_mfn((unsigned long)table); /* @frame */
    HYPERVISOR_update_va_mapping((unsigned long)table, mfn_to_pte(frame, PT_PAGE_FLAGS & ~_PAGE_RW), UVMF_INVLPG); /* @protect */
    op.arg1.mfn = frame;
    HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF); /* @pin */
    return 0; /* @last */
}
`);

const folder = scriptFolder();
const calls = folder.write('calls.guest.c', CALLS.text);
const pin = folder.write('pin.guest.c', PIN.text);

async function atEntry(program: string): Promise<DapClient> {
  const editor = new DapClient();
  await editor.launch({ program }, { filters: [] });
  await editor.stops();
  return editor;
}

async function info(
  editor: DapClient,
  args: object,
): Promise<DebugProtocol.DataBreakpointInfoResponse['body']> {
  return editor.ask('dataBreakpointInfo', args);
}

/** Sets one data breakpoint on what `args` describe. */
async function watch(editor: DapClient, args: object, more: object = {}) {
  const { dataId } = await info(editor, args);
  expect(dataId).not.toBeNull();
  const { breakpoints } = await editor.ask('setDataBreakpoints', { breakpoints: [{ dataId, ...more }] });
  const [set] = breakpoints;
  if (set === undefined) throw new Error('no breakpoint came back');
  return set;
}

async function scopeReference(editor: DapClient, name: string): Promise<number> {
  const frame = await editor.userFrame();
  const { scopes } = await editor.ask('scopes', { frameId: frame.id });
  return scopes.find((scope) => scope.name === name)?.variablesReference ?? 0;
}

describe('a data breakpoint', () => {
  it('from the Variables view stops when the member changes, and tells both values', async () => {
    const editor = await atEntry(calls);
    const globals = await scopeReference(editor, 'Globals');
    const { variables } = await editor.ask('variables', { variablesReference: globals });
    const corner = variables.find(({ name }) => name === 'corner');
    const told = await info(editor, { variablesReference: corner?.variablesReference, name: 'x' });
    expect(told).toMatchObject({ accessTypes: ['read', 'write', 'readWrite'], description: 'x' });
    const set = await watch(editor, { variablesReference: corner?.variablesReference, name: 'x' });
    expect(set).toMatchObject({ verified: true });
    await editor.continues();
    const stop = await editor.stops();
    expect(stop).toMatchObject({ reason: 'data breakpoint', at: CALLS.at('print') });
    expect(stop.body.hitBreakpointIds).toEqual([set.id]);
    expect(stop.body.text).toBe('x was changed by a guest instruction: 3 -> 20.');
  });

  it('on a local without an address compares it at the statements of its function', async () => {
    const editor = await atEntry(calls);
    await editor.step();
    const set = await watch(editor, { name: 'sum', frameId: (await editor.userFrame()).id });
    expect(set).toMatchObject({ verified: true });
    const texts: string[] = [];
    for (let i = 0; i < 4; i++) {
      await editor.continues();
      texts.push((await editor.stops()).body.description ?? '');
    }
    expect(texts).toEqual(['sum: 0 -> 2', 'sum: 2 -> 6', 'sum: 6 -> 12', 'sum: 12 -> 20']);
    await editor.continues();
    await editor.told('terminated');
  });

  it('on a local of a function that has returned is not set, and says why', async () => {
    const editor = await atEntry(calls);
    await editor.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'twice' }] });
    await editor.continues();
    await editor.stops();
    const { dataId } = await info(editor, { name: 'n', frameId: (await editor.userFrame()).id });
    await editor.step('stepOut');
    const { breakpoints } = await editor.ask('setDataBreakpoints', { breakpoints: [{ dataId }] });
    expect(breakpoints).toEqual([
      expect.objectContaining({
        verified: false,
        message: 'twice does not run any more in the frame that the variable belonged to.',
      }),
    ]);
  });

  it('with a condition and a hit count stops where both hold', async () => {
    const editor = await atEntry(calls);
    await editor.step();
    const name = { name: 'sum', frameId: (await editor.userFrame()).id };
    await watch(editor, name, { condition: '$new > 2', hitCondition: '==2' });
    await editor.continues();
    expect((await editor.stops()).body.description).toBe('sum: 6 -> 12');
    await editor.continues();
    await editor.told('terminated');
  });

  it('for reads stops at loads', async () => {
    const editor = await atEntry(calls);
    await watch(editor, { name: 'corner.x' }, { accessType: 'read' });
    await editor.continues();
    await editor.told('terminated');
  });

  it('on an address takes a range of bytes in any space', async () => {
    const editor = await atEntry(calls);
    const address = (await editor.evaluate('&corner')).split(' ')[0];
    const told = await info(editor, { name: address, asAddress: true, bytes: 8 });
    expect(told).toMatchObject({ dataId: expect.stringMatching(/^va:0x.*,8,hex$/) as string });
    await watch(editor, { name: address, asAddress: true, bytes: 8 });
    await editor.continues();
    expect(await editor.stops()).toMatchObject({ reason: 'data breakpoint', at: CALLS.at('print') });
  });

  it('on a frame stops in the hypercall that changes its type', async () => {
    const editor = await atEntry(pin);
    await editor.setBreakpoints(pin, [PIN.line('protect')]);
    await editor.continues();
    await editor.stops();
    const globals = await scopeReference(editor, 'Globals');
    const { variables } = await editor.ask('variables', { variablesReference: globals });
    const frame = variables.find(({ name }) => name === 'frame');
    const told = await info(editor, { variablesReference: frame?.variablesReference, name: 'type' });
    expect(told).toMatchObject({ accessTypes: ['write'], canPersist: true });
    await watch(editor, { variablesReference: frame?.variablesReference, name: 'type' });
    await editor.setBreakpoints(pin, []);
    await editor.continues();
    const stop = await editor.stops();
    expect(stop).toMatchObject({ reason: 'data breakpoint', at: PIN.at('pin') });
    expect(stop.body.text).toMatch(/^type of mfn \w+ was changed by Xen, in mmuext_op: writable -> l1\.$/);
  });

  it('stops on the way back, too, and tells the same', async () => {
    const editor = await atEntry(calls);
    await editor.setBreakpoints(calls, [CALLS.line('last')]);
    await editor.continues();
    await editor.stops();
    await watch(editor, { name: 'corner.x' });
    await editor.ask('reverseContinue', { threadId: 1 });
    const stop = await editor.stops();
    expect(stop).toMatchObject({ reason: 'data breakpoint', at: CALLS.at('print') });
    expect(stop.body.description).toBe('corner.x: 3 -> 20');
  });

  it('is told why where there is nothing to watch', async () => {
    const editor = await atEntry(calls);
    const none = { dataId: null, description: expect.any(String) as string };
    expect(await info(editor, { name: '1 + 1' })).toEqual(none);
    expect(await info(editor, { name: 'nonsense' })).toEqual(none);
    expect(await info(editor, { name: 'zzz', asAddress: true })).toEqual(none);
    const registers = await scopeReference(editor, 'Registers');
    expect(await info(editor, { variablesReference: registers, name: 'rax' })).toEqual(none);
  });

  it('with an id that is none is refused in its own place, and the others are set', async () => {
    const editor = await atEntry(calls);
    const { dataId } = await info(editor, { name: 'corner' });
    const breakpoints = [{ dataId: 'junk' }, { dataId: 7 }, { dataId }, { dataId: 'frame:0xffffffff,type' }];
    const answer = await editor.ask('setDataBreakpoints', { breakpoints });
    expect(answer.breakpoints.map(({ verified }) => verified)).toEqual([false, false, true, false]);
    for (const one of answer.breakpoints.filter(({ verified }) => !verified))
      expect(one.message).toMatch(/\.$/);
  });
});
