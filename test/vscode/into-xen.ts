/** Step into a hypercall and watch Xen decide, line by line; step back out of it. */

import { equal, match, ok } from 'node:assert/strict';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { after, before, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { type Stop, openScript, watch } from './debuggee.ts';
import { eventually, Screen } from './screen.ts';

const screen = Screen.current;

describe('inside a hypercall', () => {
  const breakpoint = new vscode.FunctionBreakpoint('HYPERVISOR_mmu_update');

  before(() => openScript('page-fault.guest.c'));

  after(async () => {
    vscode.debug.removeBreakpoints([breakpoint]);
    await watch.stop();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  it('Step Into on HYPERVISOR_mmu_update goes into Xen, and VS Code shows the listing', async () => {
    await watch.press('F5');
    await watch.stopped();
    await watch.breakOn(breakpoint);
    await watch.press('F5');
    match((await watch.stopped()).source, /HYPERVISOR_mmu_update\(/);
    await watch.press('F11');
    equal((await watch.stopped()).function, 'do_mmu_update');
    equal(await lineShown(), 'int do_mmu_update(ureqs, count, pdone, foreigndom)');
    await screen?.do('screenshot', { name: 'vscode-into-xen' });
  });

  it('Step Over goes on line by line, with the operands of each', async () => {
    await watch.press('F10');
    equal((await watch.stopped()).function, 'do_mmu_update');
    match(await lineShown(), /^the list can be the guest's or -EFAULT;/);
    const operands = await scope('Operands');
    ok(operands.some(({ name, value }) => name === 'check mmu_update.requests' && value === 'is kept'));
  });

  it('Step Into follows Xen into its functions', async () => {
    let stop: Stop | undefined;
    for (let steps = 0; stop?.function !== 'get_page_type'; steps++) {
      ok(steps < 60, `get_page_type was not reached; Xen stands in ${stop?.function}`);
      await watch.press('F11');
      stop = await watch.stopped();
    }
    const names = (await stack()).map(({ name }) => name);
    ok(names.includes('do_mmu_update') && names.includes('set_entry'), names.join(', '));
    await screen?.do('screenshot', { name: 'vscode-inside-get-page-type' });
  });

  it('Step Back leads out again, to the statement that made the hypercall', async () => {
    let stop: Stop | undefined;
    for (let steps = 0; stop?.function !== 'set_entry'; steps++) {
      ok(steps < 60, `set_entry was not reached; Xen stands in ${stop?.function}`);
      await vscode.commands.executeCommand('workbench.action.debug.stepBack');
      stop = await watch.stopped();
    }
    match(stop.source, /HYPERVISOR_mmu_update\(/);
  });

  it('and forwards the guest goes on as if nobody had looked', async () => {
    vscode.debug.removeBreakpoints([breakpoint]);
    await watch.press('F5');
    await watch.terminated();
    match(watch.output.join(''), /the word at 0x400000 is 42/);
    equal(watch.exitCode, 0);
  });

  /** The line at which VS Code stands in the editor that it has opened. */
  const lineShown = (): Promise<string> =>
    eventually(async () => {
      const [top] = await stack();
      const editor = vscode.window.activeTextEditor;
      ok(editor?.document.uri.scheme === 'debug', `VS Code shows ${editor?.document.uri.toString()}`);
      ok(editor.document.getText().includes('int do_mmu_update('));
      return editor.document.lineAt((top?.line ?? 1) - 1).text.trim();
    });

  async function stack(): Promise<readonly DebugProtocol.StackFrame[]> {
    const answer = await watch.session?.customRequest('stackTrace', { threadId: 1 });
    return (answer as DebugProtocol.StackTraceResponse['body']).stackFrames;
  }

  async function scope(name: string): Promise<readonly DebugProtocol.Variable[]> {
    const [top] = await stack();
    const { scopes } = (await watch.session?.customRequest('scopes', {
      frameId: top?.id ?? 0,
    })) as DebugProtocol.ScopesResponse['body'];
    const { variablesReference } = scopes.find((each) => each.name === name) ?? { variablesReference: 0 };
    const answer = await watch.session?.customRequest('variables', { variablesReference });
    return (answer as DebugProtocol.VariablesResponse['body']).variables;
  }
});
