/** `xenscope verify`: scripts on real Xen under QEMU and on the model, compared (contracts of docs, section 5). */

import { homedir } from 'node:os';
import { join } from 'node:path';
import { readPrograms, recordingHost } from '../host/files.ts';
import { countErrors, formatProblem } from '../host/problems.ts';
import { type RealXenFiles, provideRealXen } from '../real-xen/provide.ts';
import { RealXenUnavailable } from '../real-xen/real-xen-unavailable.ts';
import { OPTIMIZE_LEVELS, type OptimizeLevel } from '../verify/build.ts';
import { STATUS, jsonOf, statusOf, textOf } from '../verify/report.ts';
import { type Verification, type VerifyRequest, verify } from '../verify/verify.ts';
import { optionSentence } from './run.ts';
import type { Output, VerifyFlags } from './cli.ts';

const DEFAULT_STATEMENTS = 100_000_000;
const DEFAULT_SECONDS = 30;
/** A worse status outweighs a better one. */
const SEVERITY: readonly number[] = [
  STATUS.equal,
  STATUS.limit,
  STATUS.different,
  STATUS.notCompared,
  STATUS.internal,
];

/** Compares the scripts one after the other and returns the exit status. */
export async function verifyCommand(
  paths: readonly string[],
  flags: VerifyFlags,
  output: Output,
): Promise<number> {
  const optimize = OPTIMIZE_LEVELS.find((level) => level === (flags.optimize ?? '0'));
  if (optimize === undefined) return usage(output, `-O: use ${OPTIMIZE_LEVELS.join(', ')}`);
  if ((flags.abi ?? 'x86_64') !== 'x86_64')
    return usage(output, '--abi: the Xen that verify runs has no 32-bit PV guests; use x86_64');
  const read = readPrograms(paths);
  if ('error' in read) return usage(output, read.error);
  const requests = read.programs.map((program) => requestOf(program, flags, optimize));
  const files = provide(output);
  if (files === null) return STATUS.notCompared;
  let worst = 0;
  const reports = [];
  for (const request of requests) {
    const result = await verifyOne(request, files, output);
    if (result === null) return STATUS.notCompared;
    const { path } = request.program;
    if (flags.json === true) reports.push(jsonOf(path, result));
    else tell(path, result, output);
    if (flags.xenLog === true && 'serial' in result) output.err(result.serial);
    const status = statusOf(result);
    if (SEVERITY.indexOf(status) > SEVERITY.indexOf(worst)) worst = status;
  }
  if (flags.json === true)
    output.out(`${JSON.stringify({ version: 1, status: worst, scripts: reports }, null, 2)}\n`);
  return worst;
}

function requestOf(
  program: VerifyRequest['program'],
  flags: VerifyFlags,
  optimize: OptimizeLevel,
): VerifyRequest {
  const { memory, entry, fault } = flags;
  return {
    ...{ program, optimize, memory, entry, fault, prelude: flags.prelude },
    host: recordingHost(),
    includePaths: flags.include ?? [],
    maxStatements: flags.maxStatements ?? DEFAULT_STATEMENTS,
    patienceMs: (flags.timeout ?? DEFAULT_SECONDS) * 1000,
  };
}

function tell(path: string, result: Verification, { out, err }: Output): void {
  switch (result.kind) {
    case 'compared':
      for (const problem of result.problems) err(`${formatProblem(problem)}\n`);
      out(textOf(path, result));
      return;
    case 'problems':
      for (const problem of result.problems) err(`${formatProblem(problem)}\n`);
      err(`xenscope: ${path}: ${countErrors(result.problems)}; nothing was run\n`);
      return;
    case 'not built':
      err(`${result.message}\nxenscope: ${path}: gcc does not take the script, which the model takes\n`);
      return;
    case 'usage':
      err(`xenscope: ${optionSentence(result)}\n`);
      return;
    case 'internal':
      err(`xenscope: ${path}: the model is wrong: ${result.message}\n`);
      return;
    case 'xen stopped':
      err(
        `${result.serial}\nxenscope: ${path}: Xen itself has stopped, which no guest should bring about: that may be a defect of Xen's, for its maintainers to hear of first\n`,
      );
  }
}

/** The comparison, or null after a sentence about what is missing. */
async function verifyOne(
  request: VerifyRequest,
  files: RealXenFiles,
  output: Output,
): Promise<Verification | null> {
  try {
    return await verify(request, files);
  } catch (error) {
    if (!(error instanceof RealXenUnavailable)) throw error;
    output.err(`xenscope: ${error.message}\n`);
    return null;
  }
}

function provide({ err }: Output): RealXenFiles | null {
  try {
    return provideRealXen(cacheFolder(), (text) => {
      err(`xenscope: ${text}\n`);
    });
  } catch (error) {
    if (!(error instanceof RealXenUnavailable)) throw error;
    err(`xenscope: ${error.message}\n`);
    return null;
  }
}

/** Where the hypervisor is kept once it was fetched. */
function cacheFolder(): string {
  const { XENSCOPE_CACHE, XDG_CACHE_HOME } = process.env;
  return XENSCOPE_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'xenscope');
}

function usage(output: Output, sentence: string): number {
  output.err(`xenscope: ${sentence.replace(/\.?$/, '')}.\n`);
  return STATUS.notCompared;
}
