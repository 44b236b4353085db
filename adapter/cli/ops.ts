/** `xenscope ops`: a list of operations on a freshly built domain of the model (docs/operations.md). */

import { readFileSync } from 'node:fs';
import type { FrameRecord } from '../conformance/guest-port.ts';
import { DomainStopped, ModelPort } from '../conformance/model-port.ts';
import { OperationMistake, parseOperations, readNumber } from '../conformance/operations.ts';
import { outcomeLine } from '../conformance/output.ts';
import { OperationRunner } from '../conformance/runner.ts';
import type { OpsFlags, Output } from './cli.ts';

const USAGE_STATUS = 2;
const CRASHED_STATUS = 3;
const INTERNAL_STATUS = 5;

/** Carries out the list and returns the exit status; nothing is carried out when a line has a mistake. */
export function opsCommand(file: string, flags: OpsFlags, output: Output): number {
  try {
    return runList(file, flags, output);
  } catch (error) {
    if (!(error instanceof OperationMistake)) throw error;
    output.err(`xenscope: ${error.message}.\n`);
    return USAGE_STATUS;
  }
}

function runList(file: string, flags: OpsFlags, output: Output): number {
  const list = inFile(file, () => parseOperations(readList(file)));
  const port = new ModelPort();
  const runner = new OperationRunner(port);
  const shown = flags.frames === undefined ? null : parseFrames(flags.frames, port.nrPages);
  const status = inFile(file, () => {
    for (const { line, operation } of list) {
      try {
        const outcome = runner.run(operation);
        output.out(`${outcomeLine(outcome, shown === null ? undefined : statesOf(runner, shown))}\n`);
      } catch (error) {
        if (error instanceof OperationMistake) throw new OperationMistake(`line ${line}: ${error.message}`);
        if (!(error instanceof DomainStopped)) throw error;
        output.err(`xenscope: ${file}: line ${line}: the domain has stopped: ${error.message}\n`);
        return CRASHED_STATUS;
      }
    }
    return 0;
  });
  const problems = port.audit();
  for (const problem of problems) output.err(`xenscope: the model is wrong: ${JSON.stringify(problem)}\n`);
  return problems.length > 0 ? INTERNAL_STATUS : status;
}

function readList(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new OperationMistake(`cannot be read (${code ?? 'unknown error'}): give the path of a list`);
  }
}

/** Puts the name of the list in front of a mistake. */
function inFile<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof OperationMistake) throw new OperationMistake(`${file}: ${error.message}`);
    throw error;
  }
}

/** The PFNs of `--frames`: numbers and ranges, separated by commas. */
function parseFrames(text: string, nrPages: number): readonly bigint[] {
  return text.split(',').flatMap((part) => {
    const ends = part.split('-').map((end) => readNumber(asNumber(end.trim()), '--frames', 64));
    const [first, last = first] = ends;
    if (ends.length > 2 || first === undefined || last === undefined || last < first)
      throw new OperationMistake(`--frames: "${part}" is no PFN and no range: write for example 0x400-0x40f`);
    if (last >= BigInt(nrPages))
      throw new OperationMistake(`--frames: the domain has only the PFNs below 0x${nrPages.toString(16)}`);
    return Array.from({ length: Number(last - first) + 1 }, (_, i) => first + BigInt(i));
  });
}

const asNumber = (text: string): string | number => (/^\d+$/.test(text) ? Number(text) : text);

const statesOf = (
  runner: OperationRunner,
  shown: readonly bigint[],
): ReadonlyMap<string, FrameRecord | null> =>
  new Map(shown.map((pfn) => [`0x${pfn.toString(16)}`, runner.frameState(pfn)]));
