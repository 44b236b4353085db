/** From F5 to a resolved page fault, with the views beside it. */

import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import * as vscode from 'vscode';
import type { CustomRequests, FrameRow, P2mRow } from '../../adapter/protocol.ts';
import { openScript, watch } from './debuggee.ts';
import { eventually, Screen, type ViewRow } from './screen.ts';

const screen = Screen.current;
const frameName = (n: number) => n.toString(16).padStart(5, '0');

describe('page-fault.guest.c', () => {
  const breakpoint = new vscode.FunctionBreakpoint('HYPERVISOR_mmu_update');

  before(() => openScript('page-fault.guest.c'));

  after(async () => {
    vscode.debug.removeBreakpoints([breakpoint]);
    await watch.stop();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  it('is opened as guest C', () => {
    equal(vscode.window.activeTextEditor?.document.languageId, 'xenscope-c');
  });

  it('stops on the first line after F5, without a launch.json', async () => {
    await watch.press('F5');
    const stop = await watch.stopped();
    equal(stop.reason, 'entry');
    equal(stop.file, 'page-fault.guest.c');
    equal(stop.function, 'kernel_main');
    match(stop.source, /^volatile unsigned long \*word/);
  });

  it('shows the three views, with what the adapter answers', async function () {
    if (!screen) return this.skip();
    const tables = await rowsOf('page-tables');
    ok(tables.length > 0 && tables.every(({ cells }) => /^L[1-4]\[0x/.test(cells[0] ?? '')));

    const frames = await ask('xenscope/frames', { from: 0, count: 8, filter: { owner: 1 } });
    await eventually(async () => {
      const shown = await rowsOf('machine-frames');
      deepEqual(
        shown.slice(0, 8).map(({ cells }) => cells[0]),
        frames.rows.map(({ mfn }: FrameRow) => frameName(mfn)),
      );
      deepEqual(
        shown.slice(0, 8).map(({ cells }) => cells[3]?.split(' ')[0]),
        frames.rows.map(({ type }: FrameRow) => (type === 'none' ? '-' : type)),
      );
    });

    const p2m = await ask('xenscope/p2m', { from: 0, count: 8 });
    ok('rows' in p2m);
    await eventually(async () => {
      const shown = await rowsOf('p2m-map');
      deepEqual(
        shown.slice(0, 8).map(({ cells }) => cells.slice(0, 3)),
        p2m.rows.map(({ pfn, mfn, m2p }: P2mRow) =>
          [pfn, mfn, m2p].map((n) => (n === null ? '-' : frameName(n))),
        ),
      );
    });
    await screen.do('screenshot', { name: 'vscode-1-first-stop' });
  });

  it('stops before a hypercall that a function breakpoint names', async () => {
    await watch.breakOn(breakpoint);
    await watch.press('F5');
    const stop = await watch.stopped();
    match(stop.source, /HYPERVISOR_mmu_update\(/);
    equal(stop.function, 'set_entry');
    match(watch.output.join(''), /page fault at 0x400000, error code 2/);
  });

  it('marks the entry and the frames that the hypercall changed, after a step over it', async function () {
    await watch.press('F10');
    await watch.stopped();
    const { rows } = await ask('xenscope/frames', { from: 0, count: 1024, filter: { changed: true } });
    ok(rows.length > 0, 'the adapter reports changed frames');
    if (!screen) return;

    await eventually(async () => {
      const entries = (await rowsOf('page-tables')).filter(({ changed }) => changed);
      // The address lies under the first entry of the root, which was empty until this hypercall.
      ok(
        entries.some(({ cells }) => cells[0] === 'L4[0x0]'),
        'Page Tables does not mark L4[0x0]',
      );
      ok(
        entries.every(({ marked }) => marked.length > 0),
        'a changed entry is not underlined',
      );
    });
    await screen.do('screenshot', { name: 'vscode-2-after-mmu-update' });

    await screen.do('viewKeys', {
      view: 'machine-frames',
      selector: 'vscode-checkbox:has-text("Changed")',
      keys: [],
    });
    await eventually(async () => {
      const shown = await rowsOf('machine-frames');
      ok(shown.length > 0 && shown.every(({ changed }) => changed));
      const changedHere = rows
        .filter(({ owner }: FrameRow) => owner === 1)
        .map(({ mfn }: FrameRow) => frameName(mfn));
      deepEqual(
        shown.map(({ cells }) => cells[0]),
        changedHere.slice(0, shown.length),
      );
    });
    await screen.do('viewKeys', {
      view: 'machine-frames',
      selector: 'vscode-checkbox:has-text("Changed")',
      keys: [],
    });
  });

  it('shows the guest memory at an expression, and its bytes are those of the adapter', async function () {
    if (!screen) return this.skip();
    await vscode.commands.executeCommand('xenscope.openMemory', '(char *)start_info.pt_base');
    await eventually(async () => {
      const active = (await rowsOf('memory')).find((row) => row.active);
      ok(active, 'no row is active');
      const address = `va:${active.cells[0] ?? ''}`;
      const { data } = (await watch.session?.customRequest('readMemory', {
        memoryReference: address,
        count: 16,
      })) as { data: string };
      const bytes = [...Buffer.from(data, 'base64')].map((byte) => byte.toString(16).padStart(2, '0'));
      deepEqual((active.cells[1] ?? '').split(/\s+/), bytes);
    });
    match(await screen.do('viewText', { view: 'memory', selector: '.about' }), /^L4\[.*mfn .*l4/s);
    await screen.do('screenshot', { name: 'vscode-3-memory' });
    await vscode.commands.executeCommand('workbench.action.closeEditorsInOtherGroups');
    await openScript('page-fault.guest.c');
  });

  it('steps into a function and out of the handler', async () => {
    vscode.debug.removeBreakpoints([breakpoint]);
    await watch.press('F10');
    let stop = await watch.stopped();
    for (
      let steps = 0;
      !stop.source.includes('set_entry(') && !stop.source.includes('new_table()');
      steps++
    ) {
      ok(steps < 20, `the next call was not reached; the guest stands at ${stop.file}:${stop.line}`);
      await watch.press('F10');
      stop = await watch.stopped();
    }
    await watch.press('F11');
    const inside = await watch.stopped();
    match(inside.function, /^(set_entry|new_table|pt_slot|mfn_to_pte)$/);
  });

  it('runs to its end: the access completes and the guest succeeds', async () => {
    await watch.press('F5');
    await watch.terminated();
    match(watch.output.join(''), /the word at 0x400000 is 42/);
    equal(watch.exitCode, 0);
  });

  async function rowsOf(view: string): Promise<readonly ViewRow[]> {
    ok(screen);
    return eventually(async () => {
      const rows = await screen.do('rows', { view });
      ok(rows.length > 0, `${view} shows no rows`);
      return rows;
    });
  }

  async function ask<K extends keyof CustomRequests>(
    name: K,
    args: CustomRequests[K][0],
  ): Promise<CustomRequests[K][1]> {
    ok(watch.session, 'there is no session');
    return (await watch.session.customRequest(name, args)) as CustomRequests[K][1];
  }
});
