/** `xenscope run`: guest scripts from start to end, without an editor (contracts.md, section 1). */

import { Session } from '../../core/timeline/session.ts';
import { type ExitInfo, NO_FILTERS } from '../../core/timeline/types.ts';
import { readPrograms, recordingHost } from '../host/files.ts';
import { countErrors, formatProblem } from '../host/problems.ts';
import type { Output, RunFlags } from './cli.ts';
import { compileReport, runReport } from './report.ts';
import { describeFault, describeHypercall, describeRefusal } from './trace.ts';

/** Statements between two looks at what was printed. */
const SLICE = 1_000_000;
const COMPILE_STATUS = 2;
const INTERNAL_STATUS = 5;

/** Runs the scripts and returns the exit status. */
export async function runCommand(files: readonly string[], flags: RunFlags, output: Output): Promise<number> {
  const read = readPrograms(files);
  if ('error' in read) return usageError(output, read.error);
  const { include, json, trace, ...rest } = flags;
  const creation = Session.create({
    ...rest,
    includePaths: include,
    trace: trace === true,
    programs: read.programs,
    host: recordingHost(),
    journal: false,
  });
  if (creation.kind === 'error') return usageError(output, optionSentence(creation));
  for (const problem of creation.problems) output.err(`${formatProblem(problem)}\n`);
  if (creation.kind === 'problems') {
    if (json === true) output.out(toText(compileReport(flags, creation.problems)));
    else output.err(`xenscope: ${countErrors(creation.problems)}; nothing was run\n`);
    return COMPILE_STATUS;
  }
  return json === true
    ? runQuietly(creation.session, flags, output)
    : runAloud(creation.session, trace === true, output);
}

/** Runs to the end, then prints the report. */
async function runQuietly(session: Session, flags: RunFlags, output: Output): Promise<number> {
  const exit = await finish(session, () => undefined);
  const report = runReport(session, exit, { checks: flags.trace === true });
  output.out(toText(report));
  return report.exit.status;
}

/** Runs and tells as it goes: what the guests print, what Xen refuses, and with `--trace` every hypercall. */
async function runAloud(session: Session, trace: boolean, output: Output): Promise<number> {
  // Stopping in front of every hypercall puts what the guests print in its place among them.
  if (trace) session.setBreakpoints([{ kind: 'hypercall', id: 1, pattern: '*' }]);
  let lines = 0;
  let calls = 0;
  let faults = 0;
  const tell = () => {
    for (const record of session.hypercallLog.slice(calls)) {
      if (trace) output.out(describeHypercall(record));
      else if (record.refusal !== null) output.err(describeRefusal(record, record.refusal));
    }
    calls = session.hypercallLog.length;
    if (trace) for (const fault of session.faultLog.slice(faults)) output.out(describeFault(fault));
    faults = session.faultLog.length;
    for (const line of session.console.slice(lines)) output.out(`${line}\n`);
    lines = session.console.length;
  };
  const exit = await finish(session, tell);
  const audit = session.audit();
  for (const { message } of audit) output.err(`xenscope: the model is wrong: ${message}\n`);
  if (exit.kind !== 'finished' || exit.isUnexpected === true)
    output.err(`xenscope: ${exit.kind}: ${exit.reason}\n`);
  return audit.length > 0 ? INTERNAL_STATUS : exit.status;
}

/** Runs until the guests have ended; `tell` is called at every pause. */
async function finish(session: Session, tell: () => void): Promise<ExitInfo> {
  session.setFilters(NO_FILTERS);
  for (;;) {
    const stop = session.run({ kind: 'continue' }, SLICE);
    tell();
    if (session.exit !== null) return session.exit;
    // Leaves room for an interrupt from the keyboard.
    if (stop.kind === 'budget') await new Promise((resolve) => setImmediate(resolve));
  }
}

function usageError(output: Output, sentence: string): number {
  output.err(`xenscope: ${sentence.replace(/\.?$/, '')}.\n`);
  return COMPILE_STATUS;
}

/** The core names attributes as launch configurations do; here they are options. */
export function optionSentence({
  attribute,
  message,
}: {
  readonly attribute: string;
  readonly message: string;
}): string {
  const option = `--${attribute.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const named = new RegExp(`^\`?${attribute}\`?:? `);
  return named.test(message)
    ? message.replace(named, (start) => start.replace(attribute, option))
    : `${option}: ${message}`;
}

const toText = (report: object): string => `${JSON.stringify(report, null, 2)}\n`;
