/** The language server, driven over a message connection inside the process. */

import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type {
  CodeAction,
  Diagnostic,
  DocumentSymbol,
  Hover,
  Location,
  MarkupContent,
} from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { MessageConnection } from 'vscode-languageserver/node';
import {
  createConnection,
  createMessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import { hypercallText, namedRules, textedNames } from '../../../adapter/lsp/hover-texts.ts';
import { serve } from '../../../adapter/lsp/language-server.ts';
import { uriOfPath } from '../../../adapter/lsp/positions.ts';
import { allRules } from '../../../core/hypervisor/rules.ts';
import { HEADERS_FOLDER, SHIPPED, compileText } from '../../core/guest-c/front-support.ts';

const SCRIPT_URI = 'file:///scripts/a.guest.c';
const EXAMPLE = readFileSync(
  fileURLToPath(new URL('../../../examples/page-fault.guest.c', import.meta.url)),
  'utf8',
);

const open: Editor[] = [];
afterEach(() => {
  for (const editor of open.splice(0)) editor.close();
});

interface Published {
  readonly uri: string;
  readonly diagnostics: Diagnostic[];
}

/** The client's side: opens and changes documents, collects diagnostics, asks. */
class Editor {
  private readonly client: MessageConnection;
  private readonly published: Map<string, Diagnostic[]>;
  private waiting: (() => void)[];
  private version: number;

  constructor(client: MessageConnection) {
    this.client = client;
    this.published = new Map();
    this.waiting = [];
    this.version = 0;
    client.onNotification('textDocument/publishDiagnostics', ({ uri, diagnostics }: Published) => {
      this.published.set(uri, diagnostics);
      for (const resolve of this.waiting.splice(0)) resolve();
    });
    client.listen();
  }

  static async start(options: { files?: Record<string, string>; settings?: unknown } = {}): Promise<Editor> {
    const [toServer, toClient] = [new PassThrough(), new PassThrough()];
    const server = createConnection(new StreamMessageReader(toServer), new StreamMessageWriter(toClient));
    serve(server, { headers: SHIPPED, read: (path) => options.files?.[path], delay: 1 });
    server.listen();
    const client = createMessageConnection(
      new StreamMessageReader(toClient),
      new StreamMessageWriter(toServer),
    );
    const editor = new Editor(client);
    open.push(editor);
    const initializationOptions = options.settings;
    await client.sendRequest('initialize', {
      processId: null,
      rootUri: null,
      capabilities: {},
      initializationOptions,
    });
    await client.sendNotification('initialized', {});
    return editor;
  }

  close(): void {
    this.client.dispose();
  }

  async openText(text: string, uri = SCRIPT_URI): Promise<void> {
    const textDocument = { uri, languageId: 'xenscope-c', version: ++this.version, text };
    await this.client.sendNotification('textDocument/didOpen', { textDocument });
  }

  async change(text: string, uri = SCRIPT_URI): Promise<void> {
    const textDocument = { uri, version: ++this.version };
    await this.client.sendNotification('textDocument/didChange', {
      textDocument,
      contentChanges: [{ text }],
    });
  }

  async closeDocument(uri = SCRIPT_URI): Promise<void> {
    await this.client.sendNotification('textDocument/didClose', { textDocument: { uri } });
  }

  /** The diagnostics of a file once it has that many. */
  async diagnostics(count: number, uri = SCRIPT_URI): Promise<Diagnostic[]> {
    for (;;) {
      const found = this.published.get(uri);
      if (found?.length === count) return found;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  ask<T>(method: string, text: string, at: string, offset = 0): Promise<T> {
    const before = text.slice(0, text.indexOf(at) + offset).split('\n');
    const position = { line: before.length - 1, character: before[before.length - 1]?.length ?? 0 };
    return this.client.sendRequest(method, { textDocument: { uri: SCRIPT_URI }, position });
  }

  async hover(text: string, at: string, offset = 0): Promise<string> {
    const hover = await this.ask<Hover | null>('textDocument/hover', text, at, offset);
    return hover === null ? '' : (hover.contents as MarkupContent).value;
  }

  async definition(text: string, at: string, offset = 0): Promise<Location | null> {
    return this.ask('textDocument/definition', text, at, offset);
  }

  async codeActions(uri = SCRIPT_URI): Promise<CodeAction[]> {
    const range = { start: { line: 0, character: 0 }, end: { line: 999, character: 0 } };
    const context = { diagnostics: [] };
    return this.client.sendRequest('textDocument/codeAction', { textDocument: { uri }, range, context });
  }

  async symbols(): Promise<DocumentSymbol[]> {
    return this.client.sendRequest('textDocument/documentSymbol', { textDocument: { uri: SCRIPT_URI } });
  }
}

describe('diagnostics', () => {
  it('come as one types, and go when the mistake is mended', async () => {
    const editor = await Editor.start();
    await editor.openText('int kernel_main(start_info_t *info)\n{\n    return inof->flags;\n}\n');
    const [mistake] = await editor.diagnostics(1);
    expect(mistake).toMatchObject({
      range: { start: { line: 2, character: 11 }, end: { line: 2, character: 15 } },
      severity: 1,
      code: 'undeclared',
      source: 'xenscope',
    });
    await editor.change('int kernel_main(start_info_t *info)\n{\n    return info->flags;\n}\n');
    await editor.diagnostics(0);
  });

  it('in an included header are about the header, as it stands in the editor', async () => {
    const editor = await Editor.start({ files: { '/scripts/a.h': 'int wrong = nothing;\n' } });
    await editor.openText('#include "a.h"\nint kernel_main(void) { return wrong; }\n');
    await editor.diagnostics(1, 'file:///scripts/a.h');
    await editor.openText('int wrong = 5;\n', 'file:///scripts/a.h');
    await editor.diagnostics(0, 'file:///scripts/a.h');
    await editor.diagnostics(0);
  });

  it('of a closed script go away', async () => {
    const editor = await Editor.start();
    await editor.openText('int x = y;\n');
    await editor.diagnostics(1);
    await editor.closeDocument();
    await editor.diagnostics(0);
  });

  it('are those of the ABI that the client asks for', async () => {
    const editor = await Editor.start({ settings: { abi: 'x86_32' } });
    await editor.openText('_Static_assert(sizeof(long) == 8, "64-bit");\n');
    await editor.diagnostics(1);
  });

  it('carry the other place that belongs to them', async () => {
    const editor = await Editor.start();
    await editor.openText('int twice;\nchar twice;\n');
    const [mistake] = await editor.diagnostics(1);
    expect(mistake?.relatedInformation?.[0]?.location).toMatchObject({
      uri: SCRIPT_URI,
      range: { start: { line: 0, character: 4 } },
    });
  });
});

describe('hover', () => {
  it('on a hypercall shows its C declaration and what Xen refuses', async () => {
    const editor = await Editor.start();
    await editor.openText(EXAMPLE);
    const text = await editor.hover(EXAMPLE, 'HYPERVISOR_mmu_update(&request', 3);
    expect(text).toContain('int HYPERVISOR_mmu_update(struct mmu_update *requests, unsigned int count');
    expect(text).toContain('Xen refuses:');
    expect(text).toMatch(/`-EINVAL`/);
  });

  it('on a constant of the interface shows its number and meaning', async () => {
    const editor = await Editor.start();
    await editor.openText(EXAMPLE);
    const text = await editor.hover(EXAMPLE, 'MMU_NORMAL_PT_UPDATE', 3);
    expect(text).toContain('#define MMU_NORMAL_PT_UPDATE 0');
    expect(text).toContain('set the entry at that machine address');
  });

  it('on an error number says when Xen answers it', async () => {
    const script = 'int f(int rc) { return rc == -EBUSY; }\n';
    const editor = await Editor.start();
    await editor.openText(script);
    const text = await editor.hover(script, 'EBUSY', 1);
    expect(text).toContain('`-EBUSY` is -16');
    expect(text).toContain('`l1e.writable-type`');
  });

  it('on a member shows its type, its offset and the comment beside it', async () => {
    const script = 'unsigned long f(start_info_t *info) { return info->pt_base; }\n';
    const editor = await Editor.start();
    await editor.openText(script);
    const text = await editor.hover(script, 'pt_base', 1);
    expect(text).toContain('unsigned long pt_base; /* offset 88 of struct start_info */');
    expect(text).toContain('VIRTUAL ADDRESS of the root page table');
  });

  it('on an own function shows the comment above it', async () => {
    const editor = await Editor.start();
    await editor.openText(EXAMPLE);
    const text = await editor.hover(EXAMPLE, 'rc = set_entry(', 6);
    expect(text).toContain('int set_entry(mfn_t table, unsigned int slot, pteval_t value)');
    expect(text).toContain('Sets one entry of a live page table.');
  });

  it('where there is no name shows nothing', async () => {
    const editor = await Editor.start();
    await editor.openText('int f(void) { return  1; }\n');
    expect(await editor.hover('int f(void) { return  1; }\n', '  1', 1)).toBe('');
  });
});

describe('go to definition', () => {
  it.each([
    ['struct mmu_update request', 9, 'xen/xen.h', 'struct mmu_update {'],
    ['HYPERVISOR_mmu_update(&request', 3, 'xenscope/hypercall.h', 'HYPERVISOR_mmu_update('],
    ['MMU_NORMAL_PT_UPDATE', 3, 'xen/xen.h', '#define MMU_NORMAL_PT_UPDATE'],
    ['start_info.pt_base', 12, 'xen/xen.h', 'pt_base;'],
    ['mfn_t table', 2, 'xenscope/pages.h', 'mfn_t;'],
    ['<xenscope.h>', 3, 'xenscope.h', "* Xenscope's prelude"],
  ])('of %s leads into the shipped headers', async (at, offset, header, text) => {
    const editor = await Editor.start();
    await editor.openText(EXAMPLE);
    const place = await editor.definition(EXAMPLE, at, offset);
    expect(place?.uri).toBe(uriOfPath(`${HEADERS_FOLDER}/${header}`));
    const line = place?.range.start.line ?? -1;
    const lines = readFileSync(fileURLToPath(place?.uri ?? ''), 'utf8').split('\n');
    expect(lines.slice(line, line + 2).join('\n')).toContain(text);
  });

  it('of a local variable leads to its declaration', async () => {
    const editor = await Editor.start();
    await editor.openText(EXAMPLE);
    const place = await editor.definition(EXAMPLE, 'memset((void *)page', 17);
    const declared = EXAMPLE.split('\n').findIndex((line) =>
      line.includes('unsigned long page = alloc_page()'),
    );
    expect(place).toMatchObject({ uri: SCRIPT_URI, range: { start: { line: declared } } });
  });
});

describe('quick fixes', () => {
  const NL = String.raw`\n`;
  /** A line in a function: what is offered for it, and the line after that. */
  const actions = async (line: string): Promise<[string, string | undefined][]> => {
    const editor = await Editor.start();
    const text = `int kernel_main(start_info_t *info)\n{\n${line}\n    return 0;\n}\n`;
    await editor.openText(text);
    return (await editor.codeActions()).map(({ title, edit }) => {
      const document = TextDocument.create(SCRIPT_URI, 'c', 1, text);
      return [title, TextDocument.applyEdits(document, edit?.changes?.[SCRIPT_URI] ?? []).split('\n')[2]];
    });
  };

  it.each([
    ['info->nr_pages++', "Insert ';'", 'info->nr_pages++;'],
    ['printkk("a");', "Write 'printk'", 'printk("a");'],
    ['star_info_t *s = info; (void)s;', "Write 'start_info_t'", 'start_info_t *s = info; (void)s;'],
    [`printk("%d${NL}", info->nr_pages);`, "Write '%ld'", `printk("%ld${NL}", info->nr_pages);`],
    ['if (info = 0) return 1;', "Write '=='", 'if (info == 0) return 1;'],
    [
      'if (info->flags & 1 == 0) return 1;',
      "Put '==' in parentheses",
      'if (info->flags & (1 == 0)) return 1;',
    ],
    ['start_info_t s = *info; return s->flags;', "Write '.'", 'start_info_t s = *info; return s.flags;'],
    ['if (info);', "Remove ';'", 'if (info)'],
    [
      'mmuext_op_t op = { .arg1.mfn = info->first_p2m_pfn }; (void)op;',
      'Convert with pfn_to_mfn(...)',
      'mmuext_op_t op = { .arg1.mfn = pfn_to_mfn(info->first_p2m_pfn) }; (void)op;',
    ],
  ])('%s', async (line, title, mended) => {
    expect(await actions(line)).toEqual([[title, mended]]);
  });

  it('are not offered where the text is not what they would replace', async () => {
    expect(await actions(`printk("a${NL}b %d${NL}", info->nr_pages);`)).toEqual([]);
  });
});

it('document symbols list functions, objects, types and macros with their extent', async () => {
  const script = [
    '#define LIMIT 3',
    'struct point {',
    '    int x, y;',
    '};',
    'static int count;',
    'static int add(struct point *p)',
    '{',
    '    return p->x + p->y + count + LIMIT;',
    '}',
  ].join('\n');
  const editor = await Editor.start();
  await editor.openText(script);
  const symbols = await editor.symbols();
  expect(symbols.map(({ name, range }) => [name, range.start.line, range.end.line])).toEqual([
    ['LIMIT', 0, 0],
    ['struct point', 1, 2],
    ['count', 4, 4],
    ['add', 5, 8],
  ]);
  expect(symbols[1]?.children?.map(({ name }) => name)).toEqual(['x', 'y']);
});

describe('the texts of hovers', () => {
  const { unit } = compileText('', { prelude: true });

  it('speak of hypercalls that the library declares', () => {
    const undeclared = textedNames().hypercalls.filter(
      (name) => !unit.macros.has(`__HYPERVISOR_${name}`) || hypercallText(`HYPERVISOR_${name}`) === null,
    );
    expect(undeclared).toEqual([]);
  });

  it('speak of constants that the headers define', () => {
    expect(textedNames().constants.filter((name) => !unit.macros.has(name))).toEqual([]);
  });

  it('name rules that exist', () => {
    const ids = allRules().map(({ id }) => id);
    expect(namedRules().filter((beginning) => !ids.some((id) => id.startsWith(beginning)))).toEqual([]);
  });
});
