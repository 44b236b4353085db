/** `xenscope check`: diagnostics in gcc's format (contracts.md, section 3). */

import { compileUnit } from '../../core/guest-c/front.ts';
import type { Problem } from '../../core/guest-c/tree.ts';
import { DATA_MODELS, type AbiName } from '../../core/guest-c/types.ts';
import { readPrograms, recordingHost } from '../host/files.ts';
import { formatProblem, isError } from '../host/problems.ts';
import type { CheckFlags, Output } from './cli.ts';

const ERRORS_STATUS = 1;
const USAGE_STATUS = 2;

/** Checks the scripts, each by itself, and returns the exit status. */
export function checkCommand(files: readonly string[], flags: CheckFlags, output: Output): number {
  const abi = flags.abi ?? 'x86_64';
  if (!isAbi(abi)) {
    output.err(
      `xenscope: --abi: there is no ABI ${abi}; the ABIs are ${Object.keys(DATA_MODELS).join(', ')}.\n`,
    );
    return USAGE_STATUS;
  }
  const read = readPrograms(files);
  if ('error' in read) {
    output.err(`xenscope: ${read.error}.\n`);
    return USAGE_STATUS;
  }
  const host = { ...recordingHost(), includePaths: flags.include ?? [] };
  const problems = read.programs.flatMap(
    (program) => compileUnit(program, host, DATA_MODELS[abi], { prelude: flags.prelude }).problems,
  );
  if (flags.json === true) output.out(`${JSON.stringify({ version: 1, problems }, null, 2)}\n`);
  else for (const problem of problems) output.out(textOf(problem));
  return problems.some(isError) ? ERRORS_STATUS : 0;
}

/** A problem, and the places that belong to it, a line each. */
function textOf(problem: Problem): string {
  const related = (problem.related ?? []).map(({ range, message }) =>
    formatProblem({ ...range, severity: 'note', message }),
  );
  return [formatProblem(problem), ...related].map((line) => `${line}\n`).join('');
}

const isAbi = (name: string): name is AbiName => Object.hasOwn(DATA_MODELS, name);
