/** The editor without a session: diagnostics as one types, hover, definitions, symbols. */

import { equal, match, ok } from 'node:assert/strict';
import { after, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { openScript } from './debuggee.ts';
import { eventually, Screen } from './screen.ts';

const screen = Screen.current;

describe('the editor', () => {
  after(() => vscode.commands.executeCommand('workbench.action.closeAllEditors'));

  it('underlines a mistake, and the mark goes when it is mended', async () => {
    const editor = await openScript('broken.guest.c');
    const { document } = editor;
    const [mistake] = await eventually(() => {
      const found = vscode.languages.getDiagnostics(document.uri);
      ok(found.length > 0, 'there is no diagnostic');
      return found;
    });
    ok(mistake);
    equal(document.getText(mistake.range), 'pgae');
    equal(mistake.severity, vscode.DiagnosticSeverity.Error);
    await screen?.do('screenshot', { name: 'vscode-7-diagnostic' });
    await editor.edit((edit) => edit.replace(mistake.range, 'page'));
    await eventually(() => equal(vscode.languages.getDiagnostics(document.uri).length, 0));
    await vscode.commands.executeCommand('workbench.action.files.revert');
  });

  it('explains a hypercall under the pointer', async () => {
    const { document, place } = await at('page-fault.guest.c', 'HYPERVISOR_mmu_update(&request');
    const hovers = await eventually(async () => {
      const found = await vscode.commands.executeCommand<vscode.Hover[]>(
        'vscode.executeHoverProvider',
        document.uri,
        place,
      );
      ok(found.length > 0, 'there is no hover');
      return found;
    });
    const text = hovers.flatMap(({ contents }) =>
      contents.map((part) => (typeof part === 'string' ? part : part.value)),
    );
    match(text.join('\n'), /mmu_update/);
    if (!screen) return;
    await vscode.commands.executeCommand('editor.action.showHover');
    match(await screen.do('text', { selector: '.monaco-hover' }), /mmu_update/);
    await screen.do('screenshot', { name: 'vscode-8-hover' });
  });

  it('goes to a definition in the shipped headers', async () => {
    const { document, place } = await at('page-fault.guest.c', 'struct mmu_update', 'struct '.length);
    const found = await vscode.commands.executeCommand<(vscode.Location | vscode.LocationLink)[]>(
      'vscode.executeDefinitionProvider',
      document.uri,
      place,
    );
    const [first] = found;
    ok(first, 'there is no definition');
    const target = 'uri' in first ? first.uri : first.targetUri;
    match(target.path, /\.h$/);
    ok((await vscode.workspace.fs.stat(target)).size > 0);
  });

  it("lists the script's functions", async () => {
    const editor = await openScript('page-fault.guest.c');
    const symbols = await vscode.commands.executeCommand<{ readonly name: string }[]>(
      'vscode.executeDocumentSymbolProvider',
      editor.document.uri,
    );
    const names = symbols.map(({ name }) => name);
    for (const name of ['set_entry', 'map_page', 'page_fault', 'kernel_main']) ok(names.includes(name), name);
  });

  /** Opens a script with the cursor on a text. */
  async function at(
    script: string,
    text: string,
    offset = 0,
  ): Promise<{ document: vscode.TextDocument; place: vscode.Position }> {
    const editor = await openScript(script);
    const { document } = editor;
    const place = document.positionAt(document.getText().indexOf(text) + offset + 2);
    editor.selection = new vscode.Selection(place, place);
    editor.revealRange(new vscode.Range(place, place), vscode.TextEditorRevealType.InCenter);
    return { document, place };
  }
});
