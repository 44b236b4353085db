/** The wiki's recipe, to the letter: the debugger stops at each refused hypercall and says why. */

import { equal, match, ok } from 'node:assert/strict';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { after, before, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { openScript, watch } from './debuggee.ts';
import { Screen } from './screen.ts';

const screen = Screen.current;
type ExceptionInfo = DebugProtocol.ExceptionInfoResponse['body'];

describe('wiki-2006.guest.c', () => {
  before(() => openScript('wiki-2006.guest.c'));

  after(async () => {
    await watch.stop();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  it('stops at the first refused hypercall and tells the rule and what to do', async () => {
    await watch.press('F5');
    equal((await watch.stopped()).reason, 'entry');
    await watch.press('F5');
    const stop = await watch.stopped();
    equal(stop.reason, 'exception');
    match(stop.source, /HYPERVISOR_mmu_update/);
    const info = await explain();
    match(info.exceptionId, /^[a-z0-9_]+[.-]/);
    match(info.description ?? '', /What to do: \S/);
    if (!screen) return;
    const shown = await screen.do('text', { selector: '.exception-widget' });
    ok(shown.includes(info.exceptionId), 'the editor shows the rule');
    match(shown, /What to do/);
    await screen.do('screenshot', { name: 'vscode-4-refused' });
  });

  it('stops at every refusal until the recipe is mended', async () => {
    const rules = [(await explain()).exceptionId];
    await watch.press('F5');
    while (await watch.stoppedOrEnded()) {
      rules.push((await explain()).exceptionId);
      if (screen && rules.length === 4) await screen.do('screenshot', { name: 'vscode-5-refused-later' });
      await watch.press('F5');
    }
    ok(rules.length >= 6, `refused by ${rules.join(', ')}`);
    ok(new Set(rules).size >= 5, `the rules differ: ${rules.join(', ')}`);
    match(watch.output.join(''), /mapped at the last attempt/);
    equal(watch.exitCode, 0);
  });

  async function explain(): Promise<ExceptionInfo> {
    ok(watch.session);
    return (await watch.session.customRequest('exceptionInfo', { threadId: 1 })) as ExceptionInfo;
  }
});
