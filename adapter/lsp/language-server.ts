/**
 * The language server for guest scripts over any connection: diagnostics as one types, hover, definitions, outline, quick fixes.
 * `server.ts` runs it over standard input and output or Node's messages; tests over a connection in the process.
 */

import type { Connection, InitializeParams, InitializeResult, Location } from 'vscode-languageserver';
import { CodeActionKind, TextDocumentSyncKind, TextDocuments } from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { ShippedHeaders } from '../../core/guest-c/preprocessor.ts';
import type { AbiName } from '../../core/guest-c/types.ts';
import { DATA_MODELS } from '../../core/guest-c/types.ts';
import { codeActionsAt } from './code-actions.ts';
import type { CompilationSettings } from './compilations.ts';
import { Compilations } from './compilations.ts';
import { DiagnosticBoard, diagnosticsByFile } from './diagnostics.ts';
import { hoverAt } from './hover.ts';
import { declarationOfName, nameAt } from './name-at.ts';
import { locationOf } from './positions.ts';
import { documentSymbols } from './symbols.ts';

export interface ServerOptions {
  readonly headers: ShippedHeaders;
  /** Reads a file from disk. */
  read(path: string): string | undefined;
  /** Pause after the last key before a script is checked, in milliseconds. */
  readonly delay: number;
}

const DEFAULT_SETTINGS: CompilationSettings = { abi: 'x86_64', includePath: [] };

/** Serves the connection; the caller lets it listen. */
export function serve(connection: Connection, options: ServerOptions): void {
  const documents = new TextDocuments(TextDocument);
  let settings = DEFAULT_SETTINGS;
  const { headers } = options;
  const sources = {
    headers,
    read: (path: string) => options.read(path),
    openDocuments: () => documents.all(),
  };
  const compilations = new Compilations(sources, () => settings);
  const board = new DiagnosticBoard();
  const waiting = new Map<string, NodeJS.Timeout>();

  const publish = (script: string, said: Parameters<DiagnosticBoard['replace']>[1]): void => {
    for (const { uri, diagnostics } of board.replace(script, said)) {
      void connection.sendDiagnostics({ uri, diagnostics });
    }
  };
  const check = (uri: string): void => {
    waiting.delete(uri);
    const document = documents.get(uri);
    if (document !== undefined) publish(uri, diagnosticsByFile(uri, compilations.of(document)));
  };
  const checkSoon = (uri: string): void => {
    clearTimeout(waiting.get(uri));
    waiting.set(
      uri,
      setTimeout(() => check(uri), options.delay),
    );
  };

  connection.onInitialize((params): InitializeResult => {
    settings = settingsFrom(params.initializationOptions);
    return {
      capabilities: {
        textDocumentSync: TextDocumentSyncKind.Incremental,
        hoverProvider: true,
        definitionProvider: true,
        documentSymbolProvider: true,
        codeActionProvider: { codeActionKinds: [CodeActionKind.QuickFix] },
      },
      serverInfo: { name: 'xenscope' },
    };
  });
  connection.onDidChangeConfiguration(({ settings: changed }: { settings: unknown }) => {
    settings = settingsFrom(sectionOf(changed));
    compilations.forgetAll();
    for (const document of documents.all()) checkSoon(document.uri);
  });
  documents.onDidChangeContent(({ document }) => {
    checkSoon(document.uri);
    for (const dependent of compilations.dependents(document)) checkSoon(dependent);
  });
  documents.onDidClose(({ document }) => {
    clearTimeout(waiting.get(document.uri));
    waiting.delete(document.uri);
    compilations.forget(document.uri);
    publish(document.uri, null);
  });

  connection.onHover(({ textDocument, position }) => {
    const document = documents.get(textDocument.uri);
    if (document === undefined) return null;
    return hoverAt(compilations.of(document), position, (path) => compilations.text(path));
  });
  connection.onDefinition(({ textDocument, position }): Location | null => {
    const document = documents.get(textDocument.uri);
    const found = document === undefined ? null : nameAt(compilations.of(document), position);
    const declared = found === null ? null : declarationOfName(found);
    return declared === null ? null : locationOf(declared);
  });
  connection.onCodeAction(({ textDocument, range }) => {
    const document = documents.get(textDocument.uri);
    if (document === undefined) return [];
    return codeActionsAt(document.uri, compilations.of(document), range, (path) => compilations.text(path));
  });
  connection.onDocumentSymbol(({ textDocument }) => {
    const document = documents.get(textDocument.uri);
    return document === undefined ? [] : documentSymbols(compilations.of(document));
  });

  documents.listen(connection);
}

/** Settings as a client sends them, each checked; what is missing or wrong is the default. */
function settingsFrom(sent: InitializeParams['initializationOptions']): CompilationSettings {
  const given: unknown = sent;
  if (typeof given !== 'object' || given === null) return DEFAULT_SETTINGS;
  const { abi, includePath } = given as { readonly abi?: unknown; readonly includePath?: unknown };
  return {
    abi: isAbi(abi) ? abi : DEFAULT_SETTINGS.abi,
    includePath: Array.isArray(includePath) ? includePath.filter((folder) => typeof folder === 'string') : [],
  };
}

/** The part about Xenscope of a client's whole configuration. */
const sectionOf = (configuration: unknown): unknown =>
  typeof configuration === 'object' && configuration !== null && 'xenscope' in configuration
    ? configuration.xenscope
    : configuration;

const isAbi = (value: unknown): value is AbiName =>
  typeof value === 'string' && Object.hasOwn(DATA_MODELS, value);
