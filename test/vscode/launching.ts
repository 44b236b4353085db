/** The other ways to start: run without debugging, a handler script, another ABI, the configurations offered. */

import { equal, match, ok, rejects } from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { openScript, watch } from './debuggee.ts';
import { eventually, Screen } from './screen.ts';

const screen = Screen.current;

/** Those of `LaunchAttributes` that a person writes into a launch.json. */
const attributes = [
  'abi',
  'entry',
  'fault',
  'includePath',
  'l1tf',
  'layout',
  'linearPageTables',
  'machine',
  'maxStatements',
  'memory',
  'program',
  'role',
  'stopOnEntry',
  'xen',
  'xenBuild',
];

describe('launching', () => {
  afterEach(async () => {
    await watch.stop();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  it('runs a script without debugging, from the button in the title of the editor', async () => {
    await openScript('page-fault.guest.c');
    await vscode.commands.executeCommand('xenscope.run');
    await watch.terminated();
    equal(watch.exitCode, 0);
  });

  it('debugs a script that only defines page_fault_handler', async () => {
    await openScript('wiki-handler.guest.c');
    await vscode.commands.executeCommand('xenscope.debug');
    await watch.stopped();
    await watch.press('F5');
    await watch.terminated();
    equal(watch.exitCode, 0);
  });

  it('debugs the same script as a 32-bit guest, with tables of two levels', async () => {
    const editor = await openScript('page-fault.guest.c');
    await vscode.debug.startDebugging(undefined, {
      type: 'xenscope',
      request: 'launch',
      name: 'as a 32-bit guest',
      program: editor.document.uri.fsPath,
      abi: 'x86_32',
    });
    await watch.stopped();
    if (screen) {
      await eventually(async () => {
        const rows = await screen.do('rows', { view: 'page-tables' });
        ok(rows.length > 0 && rows.every(({ cells }) => /^L[12]\[/.test(cells[0] ?? '')));
      });
      await screen.do('screenshot', { name: 'vscode-6-x86_32' });
    }
    await watch.press('F5');
    await watch.terminated();
    equal(watch.exitCode, 0);
  });

  it('names the attribute of a launch that is wrong, and what is allowed', async () => {
    const editor = await openScript('page-fault.guest.c');
    const launch = vscode.debug.startDebugging(undefined, {
      type: 'xenscope',
      request: 'launch',
      name: 'with no memory',
      program: editor.document.uri.fsPath,
      memory: 0,
    });
    // Under test VS Code shows no message box; it fails with the box's text.
    await rejects(Promise.resolve(launch), /memory: 0 is too small; give a size from/);
  });

  it('declares every launch attribute with a description', () => {
    const { debuggers } = vscode.extensions.getExtension('xenscope.xenscope')?.packageJSON.contributes;
    const { properties } = debuggers[0].configurationAttributes.launch;
    for (const name of attributes) {
      const { description, markdownDescription } = properties[name] ?? {};
      match(description ?? markdownDescription ?? '', /\.$/, name);
    }
  });
});
