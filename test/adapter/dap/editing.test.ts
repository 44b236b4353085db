/** What a client may change, how it wants values written, and what it is told of it. */

import { describe, expect, it } from 'vitest';
import { DapClient } from '../../support/dap-client.ts';
import { scriptFolder } from '../../support/scripts.ts';
import { CALLS } from './scripts.ts';

const calls = scriptFolder().write('calls.guest.c', CALLS.text);

/** An editor with the given traits that stands at the marked line of CALLS. */
async function standsAt(mark: string, traits: object = {}): Promise<DapClient> {
  const editor = new DapClient();
  const setup = { lines: [CALLS.line(mark)], traits };
  await editor.launch({ program: calls, stopOnEntry: false }, setup);
  expect(await editor.stops()).toMatchObject({ at: CALLS.at(mark) });
  return editor;
}

describe('setExpression', () => {
  it('assigns to what the expression names', async () => {
    const editor = await standsAt('print');
    const set = await editor.ask('setExpression', { expression: 'where->y', value: '6 * 7' });
    expect(set).toMatchObject({ value: '42' });
    expect(await editor.evaluate('corner.y')).toBe('42');
  });

  it('refuses what is no object, and changes nothing', async () => {
    const editor = await standsAt('print');
    const refused = { expression: 'sum + 1', value: '2' };
    expect((await editor.refused('setExpression', refused)).split('\n')).toHaveLength(1);
    expect(await editor.evaluate('sum')).toBe('20');
  });
});

describe('a client that asks for hexadecimal numbers', () => {
  const format = { hex: true };

  it('gets them from evaluate, variables and assignments', async () => {
    const editor = await standsAt('print');
    expect((await editor.ask('evaluate', { expression: 'sum', format })).result).toBe('0x14');
    expect((await editor.ask('evaluate', { expression: '-1', format })).result).toBe('0xffffffff');
    expect((await editor.ask('evaluate', { expression: 'corner', format })).result).toBe(
      '{x = 0x14, y = 0x4}',
    );
    const set = await editor.ask('setExpression', { expression: 'sum', value: '30', format });
    expect(set.value).toBe('0x1e');
    const frame = await editor.userFrame();
    const { scopes } = await editor.ask('scopes', { frameId: frame.id });
    const variablesReference = scopes[0]?.variablesReference ?? 0;
    const { variables } = await editor.ask('variables', { variablesReference, format });
    expect(variables.find(({ name }) => name === 'sum')?.value).toBe('0x1e');
  });
});

describe('an edit of memory', () => {
  const traits = { supportsMemoryEvent: true, supportsInvalidatedEvent: true };

  it('is told by its reference, offset and length to a client that wants to know', async () => {
    const editor = await standsAt('print', traits);
    const { memoryReference } = await editor.ask('evaluate', { expression: 'corner' });
    const data = Buffer.from([1, 2]).toString('base64');
    await editor.ask('writeMemory', { memoryReference, offset: 4, data });
    expect(await editor.told('memory')).toEqual({ memoryReference, offset: 4, count: 2 });
  });

  it('by assignment is told with the extent of the object', async () => {
    const editor = await standsAt('print', traits);
    const { memoryReference } = await editor.ask('evaluate', { expression: 'corner.y' });
    await editor.ask('setExpression', { expression: 'corner.y', value: '1' });
    expect(await editor.told('invalidated')).toEqual({ areas: ['variables'] });
    expect(await editor.told('memory')).toEqual({ memoryReference, offset: 0, count: 4 });
  });

  it('is not told to a client that has not asked', async () => {
    const editor = await standsAt('print');
    await editor.ask('setExpression', { expression: 'corner.y', value: '1' });
    await editor.told('xenscope/stateChanged');
    const events = editor.received.map((message) => ('event' in message ? message.event : ''));
    expect(events).not.toContain('memory');
    expect(events).not.toContain('invalidated');
  });
});

describe('completions', () => {
  async function labels(editor: DapClient, text: string): Promise<string[]> {
    const { targets } = await editor.ask('completions', { text, column: text.length + 1 });
    return targets.map(({ label }) => label);
  }

  it('are the names in scope that begin as typed, the script’s own sorted before the library’s', async () => {
    const editor = await standsAt('print');
    expect(await labels(editor, 'su')).toContain('sum');
    expect(await labels(editor, '1 + tw')).toEqual(['twice']);
    expect(await labels(editor, 'HYPERVISOR_mmu_')).toEqual(['HYPERVISOR_mmu_update']);
    const { targets } = await editor.ask('completions', { text: 'w', column: 2 });
    const own = targets.find(({ label }) => label === 'where');
    expect(own).toMatchObject({ type: 'variable', start: 1, length: 1, sortText: '0where' });
  });

  it('are members after a dot or an arrow', async () => {
    const editor = await standsAt('print');
    expect(await labels(editor, 'corner.')).toEqual(['x', 'y']);
    expect(await labels(editor, 'table[corner.x] + (*where).y + where->')).toEqual(['x', 'y']);
    expect(await labels(editor, 'info->nr_p')).toEqual(['nr_pages', 'nr_pt_frames', 'nr_p2m_frames']);
  });

  it('are registers after a dollar sign', async () => {
    const editor = await standsAt('print');
    expect(await labels(editor, '$ri')).toEqual(['$rip']);
  });

  it.each(['nothing.', '.', ')->', '(((.', '"text', 'corner.x.', 'f(.'])('of %s are none', async (text) => {
    const editor = await standsAt('print');
    expect(await labels(editor, text)).toEqual([]);
  });

  it('change nothing, though the operand would', async () => {
    const editor = await standsAt('print');
    expect(await labels(editor, '(where++)->')).toEqual(['x', 'y']);
    expect(await editor.evaluate('where == &corner')).toMatch(/1|true/);
  });
});

describe('colours', () => {
  it('mark how the guest ended, for a client that shows them', async () => {
    const editor = await standsAt('print', { supportsANSIStyling: true });
    await editor.continues();
    await editor.told('terminated');
    expect(editor.output('console')).toContain('\u001b[32mThe guest finished');
  });

  it('are left out for others', async () => {
    const editor = await standsAt('print');
    await editor.continues();
    await editor.told('terminated');
    expect(editor.output('console')).not.toContain('\u001b');
  });
});
