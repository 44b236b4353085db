/** Variables, evaluation, memory, sources: looking at a guest that stands. */

import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DapClient } from '../../support/dap-client.ts';
import { scriptFolder } from '../../support/scripts.ts';
import { CALLS } from './scripts.ts';

const folder = scriptFolder();
const calls = folder.write('calls.guest.c', CALLS.text);

/** An editor that stands at the marked line. */
async function standsAt(mark: string, abi: 'x86_64' | 'x86_32' = 'x86_64'): Promise<DapClient> {
  const editor = new DapClient();
  await editor.launch({ program: calls, abi, stopOnEntry: false }, { lines: [CALLS.line(mark)] });
  expect(await editor.stops()).toMatchObject({ at: CALLS.at(mark) });
  return editor;
}

const open = async (editor: DapClient, variablesReference: number, range: object = {}) =>
  (await editor.ask('variables', { variablesReference, ...range })).variables;

describe('scopes', () => {
  it('are locals, globals, start_info and registers before any hypercall of the script', async () => {
    const editor = await standsAt('print');
    const frame = await editor.userFrame();
    const { scopes } = await editor.ask('scopes', { frameId: frame.id });
    const names = scopes.map(({ name }) => name);
    expect(names[0]).toBe('Locals');
    expect(names).toEqual(expect.arrayContaining(['Globals', 'start_info', 'Registers']));
  });

  it.each([
    ['x86_64', 'rip'],
    ['x86_32', 'eip'],
  ] as const)('show the registers of %s', async (abi, instructionPointer) => {
    const editor = await standsAt('print', abi);
    expect(await editor.scope('Registers')).toHaveProperty([instructionPointer]);
  });

  it('show start_info with its fields', async () => {
    const editor = await standsAt('print');
    const info = await editor.scope('start_info');
    expect(info['nr_pages']).toMatch(/4096|0x1000/);
    expect(Object.keys(info)).toEqual(
      expect.arrayContaining(['magic', 'pt_base', 'mfn_list', 'shared_info']),
    );
  });
});

describe('variables', () => {
  it('open pointers and structures', async () => {
    const editor = await standsAt('print');
    const locals = await editor.scopeVariables('Locals');
    const where = locals.find(({ name }) => name === 'where');
    expect(where?.type).toBe('struct point *');
    let members = await open(editor, where?.variablesReference ?? 0);
    if (members.length === 1) members = await open(editor, members[0]?.variablesReference ?? 0);
    expect(members.map(({ name, value }) => `${name} ${value}`)).toEqual(['x 20', 'y 4']);
  });

  it('page through arrays', async () => {
    const editor = await standsAt('print');
    const globals = await editor.scopeVariables('Globals');
    const table = globals.find(({ name }) => name === 'table');
    expect(table?.indexedVariables).toBe(300);
    const reference = table?.variablesReference ?? 0;
    const last = await open(editor, reference, { filter: 'indexed', start: 298, count: 2 });
    expect(last.map(({ value }) => value)).toEqual(['0', '20']);
  });

  it('have names that a watch can evaluate', async () => {
    const editor = await standsAt('print');
    const globals = await editor.scopeVariables('Globals');
    const corner = globals.find(({ name }) => name === 'corner');
    const [x] = await open(editor, corner?.variablesReference ?? 0);
    expect(await editor.evaluate(x?.evaluateName ?? '')).toBe('20');
  });

  it('of an entry and of a frame open as what they mean', async () => {
    const script = folder.write(
      'entry.guest.c',
      'int main(void)\n{\n    mfn_t frame = virt_to_mfn(start_info.pt_base);\n' +
        '    pteval_t entry = mfn_to_pte(frame, 0x67);\n    printk("%lx %lx\\n", frame, entry);\n    return 0;\n}\n',
    );
    const editor = new DapClient();
    await editor.launch({ program: script, stopOnEntry: false }, { lines: [5] });
    await editor.stops();
    const locals = await editor.scopeVariables('Locals');
    const parts = async (variables: typeof locals, name: string) =>
      open(editor, variables.find((variable) => variable.name === name)?.variablesReference ?? 0);
    const entry = await parts(locals, 'entry');
    expect(entry[0]).toMatchObject({ name: 'flags', value: 'P RW US A D' });
    const expected = { owner: 'd1', type: 'l4', state: 'allocated, validated, pinned', role: 'page tables' };
    for (const frame of [await parts(locals, 'frame'), await parts(entry, 'mfn')]) {
      expect(Object.fromEntries(frame.map(({ name, value }) => [name, value]))).toMatchObject(expected);
    }
  });

  it('can be set', async () => {
    const editor = await standsAt('store');
    const frame = await editor.userFrame();
    const { scopes } = await editor.ask('scopes', { frameId: frame.id });
    const variablesReference = scopes[0]?.variablesReference ?? 0;
    const set = await editor.ask('setVariable', { variablesReference, name: 'sum', value: '40 + 2' });
    expect(set.value).toBe('42');
    await editor.told('xenscope/stateChanged');
    expect(await editor.step('next')).toBe(CALLS.at('print'));
    expect(await editor.evaluate('corner.x')).toBe('42');
  });

  it('that do not exist, or values that do not compile, are refused', async () => {
    const editor = await standsAt('store');
    const frame = await editor.userFrame();
    const { scopes } = await editor.ask('scopes', { frameId: frame.id });
    const variablesReference = scopes[0]?.variablesReference ?? 0;
    const nothing = { variablesReference, name: 'nothing', value: '1' };
    expect(await editor.refused('setVariable', nothing)).toMatch(/no variable nothing/);
    const nonsense = { variablesReference, name: 'sum', value: '1 +' };
    expect((await editor.refused('setVariable', nonsense)).length).toBeGreaterThan(5);
  });

  it('of an earlier stop are not mixed up with those of this one', async () => {
    const editor = await standsAt('store');
    const frame = await editor.userFrame();
    const { scopes } = await editor.ask('scopes', { frameId: frame.id });
    await editor.step('next');
    const variablesReference = scopes[0]?.variablesReference ?? 0;
    expect(await editor.refused('variables', { variablesReference })).toMatch(/the guest has run since/);
    expect(await editor.refused('scopes', { frameId: frame.id })).toMatch(/the guest has run since/);
  });
});

describe('evaluate', () => {
  it('hovers without side effects', async () => {
    const editor = await standsAt('store');
    expect(await editor.evaluate('sum', 'hover')).toBe('20');
    await editor.evaluate('sum = 7', 'hover').catch(() => undefined);
    expect(await editor.evaluate('sum')).toBe('20');
  });

  it('gives the clipboard what the watch shows, and changes nothing for it', async () => {
    const editor = await standsAt('store');
    expect(await editor.evaluate('corner', 'clipboard')).toBe('{x = 3, y = 4}');
    await editor.evaluate('sum = 7', 'clipboard').catch(() => undefined);
    expect(await editor.evaluate('sum')).toBe('20');
  });

  it('carries out what is typed in the debug console', async () => {
    const editor = await standsAt('store');
    expect(await editor.evaluate('sum = 7', 'repl')).toBe('7');
    expect(await editor.evaluate('sum')).toBe('7');
    expect(await editor.evaluate('twice(sum) + 1', 'repl')).toBe('15');
  });

  it('knows constants and macros of the headers', async () => {
    const editor = await standsAt('store');
    expect(await editor.evaluate('PAGE_SIZE')).toMatch(/4096/);
    expect(await editor.evaluate('sizeof(struct point)')).toMatch(/\b8\b/);
  });

  it('says in the value that an address cannot be read', async () => {
    const editor = await standsAt('store');
    expect(await editor.evaluate('*(int *)0')).toBe('<cannot read 4 bytes at 0x0>');
  });

  it.each(['', '1 +', 'absent', 'sum ='])('"%s" gets one sentence', async (expression) => {
    const editor = await standsAt('store');
    const sentence = await editor.refused('evaluate', { expression, context: 'watch' });
    expect(sentence.length).toBeGreaterThan(5);
    expect(sentence.split('\n')).toHaveLength(1);
  });
});

describe('memory', () => {
  const read = (editor: DapClient, memoryReference: string, count: number, offset = 0) =>
    editor.ask('readMemory', { memoryReference, count, offset });
  const bytes = (data: string | undefined) => [...Buffer.from(data ?? '', 'base64')];

  it('reads an object through its memory reference, by VA, PFN and MFN alike', async () => {
    const editor = await standsAt('print');
    const globals = await editor.scopeVariables('Globals');
    const reference = globals.find(({ name }) => name === 'corner')?.memoryReference ?? '';
    expect(reference).toMatch(/^va:0x/);
    const direct = await read(editor, reference, 8);
    expect(bytes(direct.data)).toEqual([20, 0, 0, 0, 4, 0, 0, 0]);
    const { maddr } = (await editor.ask('xenscope/walk', { va: reference })) as { maddr: string };
    const mfn = BigInt(maddr) >> 12n;
    const inPage = Number(BigInt(maddr) & 0xfffn);
    expect((await read(editor, `mfn:0x${mfn.toString(16)}`, 8, inPage)).data).toBe(direct.data);
    const frames = await editor.ask('xenscope/frames', { from: Number(mfn), count: 1 });
    expect((await read(editor, `pfn:${frames.rows[0]?.m2p ?? 0}`, 8, inPage)).data).toBe(direct.data);
  });

  it('tells the length of a hole', async () => {
    const editor = await standsAt('print');
    expect(await read(editor, 'va:0x400000', 64)).toMatchObject({ data: '', unreadableBytes: 64 });
  });

  it('takes negative offsets', async () => {
    const editor = await standsAt('print');
    const globals = await editor.scopeVariables('Globals');
    const reference = globals.find(({ name }) => name === 'corner')?.memoryReference ?? '';
    const shifted = `va:0x${(BigInt(reference.slice(3)) + 16n).toString(16)}`;
    expect(bytes((await read(editor, shifted, 4, -16)).data)).toEqual([20, 0, 0, 0]);
  });

  it('can be written, and views are told', async () => {
    const editor = await standsAt('print');
    const globals = await editor.scopeVariables('Globals');
    const memoryReference = globals.find(({ name }) => name === 'corner')?.memoryReference ?? '';
    const data = Buffer.from([9, 1, 0, 0]).toString('base64');
    expect(await editor.ask('writeMemory', { memoryReference, data })).toEqual({ bytesWritten: 4 });
    await editor.told('xenscope/stateChanged');
    expect(await editor.evaluate('corner.x')).toBe('265');
  });

  it('is not written from a text that is no base64', async () => {
    const editor = await standsAt('print');
    const sentence = await editor.refused('writeMemory', { memoryReference: 'va:0x0', data: 'no bytes!' });
    expect(sentence).toMatch(/`data` must be bytes in base64/);
  });

  it.each([
    ['xyz:0x1', 16, /no memory reference/],
    ['va:0x1000', -1, /`count` must be a whole number/],
    ['va:0x1000@7', 16, /no thread 7/],
  ])('%s with %i bytes is refused', async (memoryReference, count, sentence) => {
    const editor = await standsAt('print');
    expect(await editor.refused('readMemory', { memoryReference, count })).toMatch(sentence);
  });
});

describe('sources', () => {
  it('of the library are files that exist, told apart from the user’s', async () => {
    const editor = await standsAt('print');
    const { sources } = await editor.ask('loadedSources', {});
    expect(sources.map(({ path }) => path)).toContain(calls);
    const header = sources.find(({ name }) => name === 'xenscope.h');
    expect(header).toMatchObject({ presentationHint: 'deemphasize' });
    expect(existsSync(header?.path ?? '')).toBe(true);
    const { content } = await editor.ask('source', { source: header, sourceReference: 0 });
    expect(content).toMatch(/XENSCOPE_H/);
  });

  it('frames of the library are subtle', async () => {
    const editor = await standsAt('print');
    await editor.ask('stepIn', { threadId: 1 });
    await editor.told('stopped');
    const { stackFrames } = await editor.ask('stackTrace', { threadId: 1 });
    const library = stackFrames.filter(({ presentationHint }) => presentationHint === 'subtle');
    for (const frame of library) {
      expect(frame.source).toMatchObject({ presentationHint: 'deemphasize' });
      expect(existsSync(frame.source?.path ?? '')).toBe(true);
    }
  });

  it('pages of the stack can be asked for', async () => {
    const editor = await standsAt('in twice');
    const all = await editor.ask('stackTrace', { threadId: 1 });
    const second = await editor.ask('stackTrace', { threadId: 1, startFrame: 1, levels: 1 });
    expect(second.stackFrames).toEqual(all.stackFrames.slice(1, 2));
    expect(second.totalFrames).toBe(all.stackFrames.length);
  });
});

describe('threads', () => {
  it('are the vCPUs, named as Xen names them', async () => {
    const editor = await standsAt('print');
    const { threads } = await editor.ask('threads');
    expect(threads).toEqual([{ id: 1, name: 'd1v0' }]);
    expect(await editor.refused('stackTrace', { threadId: 5 })).toBe('There is no thread 5.');
    expect(await editor.refused('next', { threadId: 5 })).toBe('There is no thread 5.');
  });
});
