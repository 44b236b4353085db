/**
 * The scripts that are open, each compiled at most once for each of its versions. Open documents are read as they stand in
 * the editor, also when another one includes them; all other files come from disk.
 */

import type { TextDocument } from 'vscode-languageserver-textdocument';
import type { FrontResult } from '../../core/guest-c/front.ts';
import { compileUnit } from '../../core/guest-c/front.ts';
import type { ShippedHeaders } from '../../core/guest-c/preprocessor.ts';
import type { AbiName } from '../../core/guest-c/types.ts';
import { DATA_MODELS } from '../../core/guest-c/types.ts';
import { pathOfUri } from './positions.ts';

export interface CompilationSettings {
  readonly abi: AbiName;
  readonly includePath: readonly string[];
}

/** What the server reads from: open documents first. */
export interface TextSources {
  readonly headers: ShippedHeaders;
  /** A file's text on disk. */
  read(path: string): string | undefined;
  openDocuments(): readonly TextDocument[];
}

export interface Compilation extends FrontResult {
  readonly path: string;
  readonly version: number;
}

export class Compilations {
  private readonly sources: TextSources;
  private readonly settings: () => CompilationSettings;
  private readonly results: Map<string, Compilation>;

  constructor(sources: TextSources, settings: () => CompilationSettings) {
    this.sources = sources;
    this.settings = settings;
    this.results = new Map();
  }

  /** The compilation of a document as it stands now. */
  of(document: TextDocument): Compilation {
    const known = this.results.get(document.uri);
    if (known?.version === document.version) return known;
    const path = pathOfUri(document.uri);
    const { abi, includePath } = this.settings();
    const main = { path, text: document.getText() };
    const host = {
      read: (file: string) => this.text(file),
      includePaths: includePath,
      headers: this.sources.headers,
    };
    const result = compileUnit(main, host, DATA_MODELS[abi], { prelude: true });
    const compilation = { ...result, path, version: document.version };
    this.results.set(document.uri, compilation);
    return compilation;
  }

  /** The text of a file as the compilations read it. */
  text(path: string): string | undefined {
    const open = this.sources.openDocuments().find((document) => pathOfUri(document.uri) === path);
    if (open !== undefined) return open.getText();
    const { root, files } = this.sources.headers;
    if (path.startsWith(`${root}/`)) return files.get(path.slice(root.length + 1));
    return this.sources.read(path);
  }

  /** URIs of compiled scripts that read this document, itself left out; their results are no longer true. */
  dependents(document: TextDocument): string[] {
    const path = pathOfUri(document.uri);
    const uris = [...this.results.keys()].filter(
      (uri) => uri !== document.uri && this.results.get(uri)?.unit.files.includes(path) === true,
    );
    for (const uri of uris) this.results.delete(uri);
    return uris;
  }

  forget(uri: string): void {
    this.results.delete(uri);
  }

  /** After a change of the settings nothing holds. */
  forgetAll(): void {
    this.results.clear();
  }
}
