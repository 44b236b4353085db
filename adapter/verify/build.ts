/**
 * A guest script as a kernel for real Xen: gcc compiles the very text that the model runs, with the shipped headers,
 * and links it with the start-up file into an image that is laid out as the model's is.
 */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shippedHeaders } from '../host/headers.ts';

/** What a script is built from. */
export interface KernelSource {
  /** As the user named it. */
  readonly path: string;
  readonly includePaths: readonly string[];
  /** Shipped headers that come in front of the script, in order. */
  readonly headers: readonly string[];
  /** Functions of the library that the script has its own of: for all that call them, as on the model. */
  readonly replaced: readonly string[];
  readonly link: ImageLink;
  /** The shipped program around a script that defines only a fault handler, with what it shall access. */
  readonly handler: { readonly va: bigint; readonly kind: number; readonly user: boolean } | null;
  readonly entry: EntryCall;
  /** The image is made at least as large. */
  readonly imageBytes: number;
  /** gcc's -O. */
  readonly optimize: OptimizeLevel;
}

/** Where the image lies, as the model has it. */
export interface ImageLink {
  readonly virtBase: bigint;
  /** Of the first instruction, from the virtual base. */
  readonly textOffset: number;
  /** Ends of the text and of the read-only data, from the virtual base: reached at least. */
  readonly textEnd: number;
  readonly readOnlyEnd: number;
  /** Bytes of the stack when it stands behind the read-only data, 0 when it is the lowest part. */
  readonly stackBehind: number;
  /** The script wants the page of the shared info structure under this name. */
  readonly namesSharedInfo: boolean;
}

export const OPTIMIZE_LEVELS = ['0', '1', '2', 's'] as const;
export type OptimizeLevel = (typeof OPTIMIZE_LEVELS)[number];

/** How the entry function is called: start_info's address for its first pointer, zeros for the rest. */
export interface EntryCall {
  readonly name: string;
  readonly parameters: readonly ('start_info' | 'zero')[];
  readonly returns: 'status' | 'flag' | 'nothing';
}

export interface KernelImage {
  readonly path: string;
  /** Bytes of the image, the stack at its beginning included. */
  readonly bytes: number;
  /** Names of functions by address. */
  readonly functions: ReadonlyMap<bigint, string>;
}

/** gcc or the linker refuses: what they said. */
export class KernelNotBuilt extends Error {}

const CODE_FLAGS = [
  ...['-m64', '-std=gnu11', '-g', '-w', '-ffreestanding', '-fno-pic', '-no-pie', '-mcmodel=kernel'],
  ...['-mno-red-zone', '-mgeneral-regs-only', '-fno-stack-protector', '-fno-asynchronous-unwind-tables'],
  ...['-fcf-protection=none', '-fno-omit-frame-pointer', '-fno-common'],
  // What the model does with signed overflow, aliases and null pointers is what the processor does.
  ...['-fwrapv', '-fno-strict-aliasing', '-fno-delete-null-pointer-checks'],
] as const;
const RECORDER_FLAGS = ['-O2', '-fno-tree-loop-distribute-patterns'] as const;
const LINK_FLAGS = [
  ...['-m64', '-nostdlib', '-static', '-no-pie', '-Wl,--build-id=none', '-Wl,--no-warn-rwx-segments'],
] as const;

/** Builds the kernel into a folder. @throws KernelNotBuilt */
export async function buildKernel(source: KernelSource, folder: string): Promise<KernelImage> {
  const startup = startupFolder();
  const object = (name: string): string => join(folder, `${name}.o`);
  const [start, recorder, script] = [object('start'), object('recorder'), object('script')];
  await Promise.all([
    gcc([...CODE_FLAGS, '-c', '-o', start, join(startup, 'start.S')]),
    gcc([...CODE_FLAGS, ...RECORDER_FLAGS, '-c', '-o', recorder, join(startup, 'recorder.c')]),
    compileScript(source, script),
  ]);
  const path = join(folder, 'kernel.elf');
  const { virtBase, textOffset, textEnd, readOnlyEnd, stackBehind } = source.link;
  const symbols = {
    ...{ virt_base: hex(virtBase), text_offset: textOffset, stack_behind: stackBehind },
    ...{ text_end: textEnd, read_only_end: readOnlyEnd, image_size: source.imageBytes },
  };
  const defined = Object.entries(symbols).map(([name, value]) => `-Wl,--defsym=${name}=${value}`);
  const layout = ['-Wl,-T', join(startup, 'kernel.lds'), ...defined];
  await gcc([...LINK_FLAGS, ...layout, '-o', path, start, recorder, script, '-lgcc']);
  const { addresses, functions } = await symbolsOf(path);
  const end = addresses.get('image_end');
  if (end === undefined) throw new Error('verify.build: the image has no end');
  return { path, bytes: Number(end - virtBase), functions };
}

/** The library's own version of a function that the script has, too. */
const REPLACED_PREFIX = '__xenscope_library_';

/** Compiles the script; what the library calls then goes to the script's own functions where it has them. */
async function compileScript(source: KernelSource, object: string): Promise<void> {
  const flags = [...scriptFlags(source), '-x', 'c', '-'];
  if (source.replaced.length === 0) return gcc(['-c', '-o', object, ...flags], unitOf(source));
  const assembly = await tool('gcc', ['-S', '-o', '-', ...flags], unitOf(source));
  const uses = new RegExp(`^(\\t(?:call|jmp|mov\\w*|lea\\w*|\\.quad)\\t.*?)${REPLACED_PREFIX}(\\w+)`, 'gm');
  await gcc(['-c', '-o', object, '-x', 'assembler', '-'], assembly.replaceAll(uses, '$1$2'));
}

function scriptFlags({ path, includePaths, handler, optimize }: KernelSource): string[] {
  const folders = ['-iquote', dirname(path), ...includePaths.flatMap((folder) => ['-I', folder])];
  const access =
    handler === null
      ? []
      : [
          `-DXENSCOPE_FAULT_VA=0x${handler.va.toString(16)}UL`,
          `-DXENSCOPE_FAULT_KIND=${handler.kind}`,
          `-DXENSCOPE_FAULT_USER=${handler.user ? 1 : 0}`,
        ];
  return [...CODE_FLAGS, `-O${optimize}`, '-nostdinc', ...folders, '-I', shippedHeaders().root, ...access];
}

/** The unit that gcc compiles from standard input: there the script keeps the name that the user gave it. */
function unitOf({ path, headers, replaced, link, handler, entry }: KernelSource): string {
  const args = entry.parameters.map((kind) => (kind === 'start_info' ? '(void *)__xenscope_info' : '0'));
  const call = `${entry.name}(${args.join(', ')})`;
  const calls = {
    status: `return (int)${call};`,
    flag: `return ${call} != 0;`,
    nothing: `${call}; return 0;`,
  } as const;
  return [
    MACHINE_OPERATIONS,
    ...replaced.map((name) => `#define ${name} ${REPLACED_PREFIX}${name}`),
    ...headers.map((name) => `#include <${name}>`),
    ...replaced.map((name) => `#undef ${name}`),
    `#include ${JSON.stringify(path)}`,
    ...(handler === null ? [] : ['#include <handler-main.c>']),
    ...(link.namesSharedInfo ? [SHARED_INFO] : []),
    'int script_start(unsigned long __xenscope_info)',
    '{',
    '#ifdef XENSCOPE_START_H',
    '__xenscope_start((void *)__xenscope_info);',
    '#endif',
    calls[entry.returns],
    '}',
    '',
  ].join('\n');
}

/** What the model's compiler knows without a declaration. */
const MACHINE_OPERATIONS = `long __xenscope_hypercall(unsigned long number, ...);
unsigned long __xenscope_trap_stub(int vector);
void __xenscope_exit(int status) __attribute__((noreturn));
void __xenscope_touch(unsigned long va, int kind, int user);
#define __xenscope_barrier() __asm__ __volatile__("" ::: "memory")`;

/** The library's page for the shared info structure under Mini-OS's name, or one for it. */
const SHARED_INFO = `#ifdef XENSCOPE_START_H
__asm__(".globl shared_info\\n.set shared_info, __xenscope_shared_info_page");
#else
__asm__(".pushsection .bss\\n.balign 4096\\n.globl shared_info\\nshared_info: .skip 4096\\n.popsection");
#endif`;

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** Names by address; of several at one address the first is kept. */
async function symbolsOf(
  path: string,
): Promise<{ addresses: ReadonlyMap<string, bigint>; functions: ReadonlyMap<bigint, string> }> {
  const addresses = new Map<string, bigint>();
  const functions = new Map<bigint, string>();
  for (const line of (await tool('nm', [path])).split('\n')) {
    const match = /^([0-9a-f]+) (\w) (.+)$/.exec(line);
    if (match === null) continue;
    const [, digits = '0', kind = '', name = ''] = match;
    const address = BigInt(`0x${digits}`);
    addresses.set(name, address);
    if (/[tT]/.test(kind) && !functions.has(address)) functions.set(address, name);
  }
  return { addresses, functions };
}

/** A place in a source text. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** The places that addresses of the image belong to: of each its inlined activations, innermost first. */
export async function placesOf(
  image: KernelImage,
  addresses: readonly bigint[],
): Promise<ReadonlyMap<bigint, readonly Place[]>> {
  const found = new Map<bigint, Place[]>();
  if (addresses.length === 0) return found;
  const input = addresses.map((address) => `0x${address.toString(16)}\n`).join('');
  const text = await tool('addr2line', ['-a', '-i', '-e', image.path], input);
  let places: Place[] = [];
  for (const line of text.split('\n')) {
    if (/^0x[0-9a-f]+$/.test(line)) {
      places = [];
      found.set(BigInt(line), places);
      continue;
    }
    const match = /^(.*):(\d+)(?: .*)?$/.exec(line);
    if (match?.[1] !== undefined) places.push({ file: match[1], line: Number(match[2]) });
  }
  return found;
}

async function gcc(args: readonly string[], input = ''): Promise<void> {
  await tool('gcc', args, input);
}

function tool(name: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((done, failed) => {
    const env = { ...process.env, LC_ALL: 'C' };
    const child = execFile(name, args, { env, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      if (error === null) done(stdout);
      else failed(new KernelNotBuilt(stderr.trim() || error.message));
    });
    child.stdin?.on('error', () => undefined); // it ended before it had read everything
    child.stdin?.end(input);
  });
}

const CANDIDATES = ['./startup', '../verify/startup'] as const;

/** Beside the bundle in dist/, or in the source tree when the sources run unbundled. */
export function startupFolder(): string {
  const folders = CANDIDATES.map((relative) => resolve(fileURLToPath(new URL(relative, import.meta.url))));
  const found = folders.find((folder) => existsSync(folder));
  if (found === undefined) throw new Error(`verify: none of ${folders.join(', ')} exists`);
  return found;
}
