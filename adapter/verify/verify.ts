/**
 * One script on real Xen and on the model, and what differs. The script runs as domain 0 on Xen first; the model then
 * builds its hardware domain with the very frames that Xen gave, so that the two can be compared number by number.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { ABIS } from '../../core/abi/index.ts';
import { functionNamed, generate } from '../../core/guest-c/compile.ts';
import { LAYOUTS } from '../../core/guest-c/compile-image.ts';
import { compileUnit } from '../../core/guest-c/front.ts';
import { kindOf } from '../../core/guest-c/linkage.ts';
import { STACK_BYTES } from '../../core/guest-c/program.ts';
import type { FunctionSymbol, TranslationUnit } from '../../core/guest-c/tree.ts';
import { DATA_MODELS } from '../../core/guest-c/types.ts';
import { type RunOptions, readOptions } from '../../core/timeline/options.ts';
import { RefaultWatch } from '../../core/timeline/refaults.ts';
import { ACCESS_KINDS, HANDLER, entryOf } from '../../core/timeline/scripts.ts';
import { Session } from '../../core/timeline/session.ts';
import type { ProgramSource, SessionConfig, SessionProblem, SourceHost } from '../../core/timeline/types.ts';
import { PAGE_SIZE } from '../../core/units.ts';
import type { RealXenFiles } from '../real-xen/provide.ts';
import {
  type EntryCall,
  type ImageLink,
  KernelNotBuilt,
  type KernelSource,
  type OptimizeLevel,
  buildKernel,
  startupFolder,
} from './build.ts';
import { type Comparison, type Correspondence, compareRuns } from './compare.ts';
import type { LogRecord } from './log.ts';
import { LEAST_DOMAIN_BYTES, MOST_DOMAIN_BYTES, type RealStart, runKernel } from './machine.ts';
import { runModel } from './model.ts';
import { LogBook, describeReal } from './real.ts';
import type { GuestRun } from './run.ts';

export interface VerifyRequest {
  readonly program: ProgramSource;
  readonly host: SourceHost;
  readonly includePaths: readonly string[];
  readonly prelude: boolean;
  readonly memory: string | undefined;
  readonly entry: string | undefined;
  readonly fault: string | undefined;
  readonly maxStatements: number;
  readonly patienceMs: number;
  readonly optimize: OptimizeLevel;
}

export type Verification =
  | {
      readonly kind: 'compared';
      readonly xen: string;
      readonly comparison: Comparison;
      readonly model: GuestRun;
      readonly real: GuestRun;
      readonly serial: string;
      readonly problems: readonly SessionProblem[];
    }
  /** The script is wrong. */
  | { readonly kind: 'problems'; readonly problems: readonly SessionProblem[] }
  /** gcc or the linker does not take what the model takes. */
  | { readonly kind: 'not built'; readonly message: string }
  /** An option is wrong: its attribute, and a sentence. */
  | { readonly kind: 'usage'; readonly attribute: string; readonly message: string }
  /** The model is wrong. */
  | { readonly kind: 'internal'; readonly message: string }
  /** Xen itself has stopped. */
  | { readonly kind: 'xen stopped'; readonly serial: string };

/** Runs the script on both. @throws RealXenUnavailable */
export async function verify(request: VerifyRequest, files: RealXenFiles): Promise<Verification> {
  const config = configOf(request);
  const options = readOptions(config);
  if ('attribute' in options) return { kind: 'usage', ...options };
  if (options.memoryBytes < LEAST_DOMAIN_BYTES || options.memoryBytes > MOST_DOMAIN_BYTES)
    return {
      kind: 'usage',
      attribute: 'memory',
      message: 'memory: give 8MiB to 1GiB to a script that also runs on real Xen.',
    };
  const creation = Session.create(config);
  if (creation.kind === 'error') return { ...creation, kind: 'usage' };
  if (creation.kind === 'problems') return creation;
  const source = kernelSource(request, options, imageBytes(creation.session));
  const folder = mkdtempSync(join(tmpdir(), 'xenscope-verify-'));
  const remove = (): void => {
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', remove); // an interrupt from the keyboard leaves without coming back here
  try {
    return await onBoth(request, config, source, files, folder, creation.problems);
  } catch (error) {
    if (error instanceof KernelNotBuilt) return { kind: 'not built', message: error.message };
    throw error;
  } finally {
    process.removeListener('exit', remove);
    remove();
  }
}

async function onBoth(
  request: VerifyRequest,
  config: SessionConfig,
  source: KernelSource,
  files: RealXenFiles,
  folder: string,
  problems: readonly SessionProblem[],
): Promise<Verification> {
  const image = await buildKernel(source, folder);
  const log = new LogBook();
  const isHopeless = hopelessTest(source);
  const { memoryBytes } = optionsOf(config);
  const run = await runKernel(files, image.path, {
    memoryBytes,
    patienceMs: request.patienceMs,
    watch: (record) => {
      log.add(record);
      return !isHopeless(record);
    },
  });
  if (run.end === 'xen') return { kind: 'xen stopped', serial: run.serial };
  const startOfDay = { frames: run.start.frames, imageBytes: image.bytes };
  const creation = Session.create({
    ...config,
    memory: run.start.nrPages * PAGE_SIZE,
    machine: run.start.machineFrames * PAGE_SIZE,
    startOfDay,
  });
  if (creation.kind !== 'session')
    throw new Error('verify: the model could not be built like the real domain');
  const { session } = creation;
  const [vcpu] = session.machine.domains[0]?.vcpus ?? [];
  if (vcpu === undefined) throw new Error('verify: the model has no vCPU');
  const real = await describeReal(log, run, {
    image,
    vcpu,
    pathOf: namedAs(request.program.path),
    libraryFolders: [resolve(request.host.headers.root), startupFolder()],
    nameOf: (fn) => (source.handler !== null && fn === HANDLER_STUB ? HANDLER : fn),
  });
  const model = await runModel(session, real);
  if (model.internal !== null) return { kind: 'internal', message: model.internal };
  const comparison = compareRuns(model, real, correspondence(run.start, source.link.virtBase, image.bytes));
  return { kind: 'compared', xen: run.version, comparison, model, real, serial: run.serial, problems };
}

/** The handler that the shipped program around a handler script installs. */
const HANDLER_STUB = '__xenscope_page_fault';

function configOf(request: VerifyRequest): SessionConfig {
  const { program, host, includePaths, prelude, memory, entry, fault, maxStatements } = request;
  return {
    ...{ programs: [program], host, includePaths, prelude, memory, entry, fault, maxStatements },
    role: 'hardware',
    journal: false,
  };
}

function optionsOf(config: SessionConfig): RunOptions {
  const options = readOptions(config);
  if ('attribute' in options) throw new Error(`verify: ${options.message}`);
  return options;
}

const imageBytes = (session: Session): number => {
  const image = session.machine.domains[0]?.layout?.parts.find(({ name }) => name === 'kernel image');
  return (image?.to ?? 0) * PAGE_SIZE;
};

function kernelSource(request: VerifyRequest, { fault }: RunOptions, bytes: number): KernelSource {
  const { program, includePaths, prelude, optimize } = request;
  const host = { ...request.host, includePaths };
  const { unit } = compileUnit(program, host, DATA_MODELS.x86_64, { prelude });
  const { headers } = kindOf(program, host, prelude);
  const replaced = replacedFunctions(unit, host.headers);
  const entry = entryOf(unit, request.entry);
  const access = { va: fault.va, kind: ACCESS_KINDS[fault.kind], user: fault.user };
  return {
    ...{ path: program.path, includePaths, optimize, imageBytes: bytes },
    headers:
      replaced.length === 0 ? headers : [...new Set([...headers, ...shippedFiles(unit, host.headers)])],
    replaced,
    link: linkOf(unit, entry),
    handler: entry === null && functionNamed(unit, HANDLER) !== null ? access : null,
    entry: entry === null ? HANDLER_ENTRY : entryCall(entry),
  };
}

/** Functions of the script whose names shipped headers use as those of functions. */
function replacedFunctions({ functions }: TranslationUnit, { root, files }: SourceHost['headers']): string[] {
  const own = functions.filter(({ range }) => !range.file.startsWith(`${root}/`)).map(({ name }) => name);
  const texts = [...files].filter(([name]) => name.endsWith('.h')).map(([, text]) => text);
  return own.filter((name) =>
    texts.some((text) => new RegExp(`^__XENSCOPE_LIBRARY .*\\b${name}\\(`, 'm').test(text)),
  );
}

/** The shipped headers that a script includes anywhere: all come in front when it replaces functions of theirs. */
const shippedFiles = ({ files }: TranslationUnit, { root }: SourceHost['headers']): string[] =>
  files.flatMap((file) =>
    file.startsWith(`${root}/`) && file.endsWith('.h') ? [file.slice(root.length + 1)] : [],
  );

function linkOf(unit: TranslationUnit, entry: FunctionSymbol | null): ImageLink {
  const { virtBase, order, textOffset } = LAYOUTS[unit.linkage];
  const base = virtBase ?? ABIS.x86_64.virtBase;
  const sharedInfo = unit.scope.symbols.get('shared_info');
  const parts = entry === null ? [] : generate(unit, entry).parts;
  const endOf = (part: string): number =>
    Number((parts.find(({ name }) => name === part)?.to ?? base) - base);
  return {
    ...{ virtBase: base, textOffset, textEnd: endOf('text'), readOnlyEnd: endOf('read-only data') },
    stackBehind: order[0] === 'text' ? STACK_BYTES : 0,
    namesSharedInfo: sharedInfo?.kind === 'variable' && sharedInfo.storage === 'provided',
  };
}

/** kernel_main of handler-main.c. */
const HANDLER_ENTRY: EntryCall = { name: 'kernel_main', parameters: ['start_info'], returns: 'status' };

/** As the model's entry stub calls it. */
function entryCall({ name, type }: FunctionSymbol): EntryCall {
  const firstPointer = type.parameters.findIndex(({ kind }) => kind === 'pointer');
  const { returns } = type;
  return {
    name,
    parameters: type.parameters.map((_, i) => (i === firstPointer ? 'start_info' : 'zero')),
    returns: returns.kind !== 'integer' ? 'nothing' : returns.bytes === 8 ? 'flag' : 'status',
  };
}

/** A handler script whose handler does not help would fault for ever, on Xen as on the model. */
function hopelessTest({ handler }: KernelSource): (record: LogRecord) => boolean {
  const watch = new RefaultWatch();
  return (record) => {
    if (handler === null || record.kind !== 'fault') return false;
    const { vector, errorCode, cr2, rsp } = record;
    const fault = {
      seq: 0,
      domain: 0,
      vcpu: 0,
      vector,
      errorCode,
      file: null,
      line: null,
      deliveredTo: HANDLER,
    };
    return watch.isHopeless({ ...fault, cr2: `0x${cr2.toString(16)}` }, Number(BigInt.asIntN(32, rsp)));
  };
}

/** Files as the user named them: the script, and others from the present folder. */
function namedAs(script: string): (file: string) => string {
  return (file) => {
    if (resolve(file) === resolve(script)) return script;
    const path = relative(process.cwd(), resolve(file));
    return path.startsWith('..') ? file : path;
  };
}

function correspondence({ frames }: RealStart, virtBase: bigint, bytes: number): Correspondence {
  const pages = bytes / PAGE_SIZE;
  return {
    image: { from: virtBase, to: virtBase + BigInt(bytes) },
    imageFrames: new Set(Array.from(frames.subarray(0, pages), BigInt)),
  };
}
