/** What the front end's tests share: the shipped headers, one call to compile a text, and gcc to compare with. */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
export { Chance } from './chance.ts';
import type { FrontResult } from '../../../core/guest-c/front.ts';
import { compileUnit } from '../../../core/guest-c/front.ts';
import type { ShippedHeaders, SourceHost } from '../../../core/guest-c/preprocessor.ts';
import type { Problem } from '../../../core/guest-c/tree.ts';
import type { AbiName } from '../../../core/guest-c/types.ts';
import { DATA_MODELS } from '../../../core/guest-c/types.ts';

export const HEADERS_FOLDER = fileURLToPath(new URL('../../../core/guest-c/headers', import.meta.url));

const headerNames = readdirSync(HEADERS_FOLDER, { recursive: true, encoding: 'utf8' }).filter((name) =>
  /\.[hc]$/.test(name),
);

export const SHIPPED: ShippedHeaders = {
  root: HEADERS_FOLDER,
  files: new Map(headerNames.map((name) => [name, readFileSync(join(HEADERS_FOLDER, name), 'utf8')])),
};

/** A host with the shipped headers and, beside the script, the files given. */
export function hostWith(files: Readonly<Record<string, string>>): SourceHost {
  return { read: (path) => files[path], includePaths: ['include'], headers: SHIPPED };
}

export interface CompileTextOptions {
  readonly abi?: AbiName;
  readonly prelude?: boolean;
  readonly files?: Readonly<Record<string, string>>;
}

/** Compiles a text called `test.c`. Without the prelude unless asked for. */
export function compileText(text: string, options: CompileTextOptions = {}): FrontResult {
  const { abi = 'x86_64', prelude = false, files = {} } = options;
  return compileUnit({ path: 'test.c', text }, hostWith(files), DATA_MODELS[abi], { prelude });
}

/** `test.c:3:5: error: message [id]` */
export function problemLine(problem: Problem): string {
  const { file, line, column, severity, message, id } = problem;
  return `${file.replace(HEADERS_FOLDER, '<headers>')}:${line}:${column}: ${severity}: ${message} [${id}]`;
}

// ---- gcc ---------------------------------------------------------------------------------------------------------

const gccIsThere = spawnSync('gcc', ['--version']).status === 0;

/** Tests that compare with gcc are skipped, by this, only where it is not installed; on the build machine it is. */
export const withoutGcc = !gccIsThere && process.env['CI'] === undefined;

/** gcc's option for an ABI. */
export const GCC_MACHINE: Readonly<Record<AbiName, string>> = {
  x86_64: '-m64',
  x86_32p: '-m32',
  x86_32: '-m32',
};

/** Runs gcc over a text and returns what it prints; throws with its messages when it refuses. */
export function gcc(args: readonly string[], text: string): string {
  return execFileSync('gcc', [...args, '-xc', '-'], {
    input: text,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  });
}

/** gcc's messages about a text, '' when it has none. */
export function gccMessages(args: readonly string[], text: string): string {
  return spawnSync('gcc', [...args, '-fsyntax-only', '-xc', '-'], { input: text, encoding: 'utf8' }).stderr;
}

/** The bytes that gcc puts into a section of the object file; addresses to be relocated are zero. */
export function gccSection(args: readonly string[], text: string, section: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'xenscope-gcc-'));
  try {
    writeFileSync(join(folder, 'a.c'), text);
    const object = join(folder, 'a.o');
    execFileSync('gcc', [...args, '-c', '-o', object, join(folder, 'a.c')], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    execFileSync('objcopy', ['-O', 'binary', '-j', section, object, join(folder, 'a.bin')]);
    return readFileSync(join(folder, 'a.bin'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
