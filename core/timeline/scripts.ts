/**
 * From a script's text to a program: front end, choice of the entry function (contracts section 1), compiler. A script
 * that defines only a fault handler gets the shipped program around it.
 */

import { functionNamed, generate } from '../guest-c/compile.ts';
import { compileUnit } from '../guest-c/front.ts';
import type { SourceHost as FrontHost } from '../guest-c/preprocessor.ts';
import type { Program } from '../guest-c/program.ts';
import type { FunctionSymbol, Problem, TranslationUnit } from '../guest-c/tree.ts';
import { formatHex } from '../units.ts';
import type { FaultAccess, RunOptions } from './options.ts';
import type { ProgramSource, SessionConfig, SessionProblem } from './types.ts';

/** The entry functions by rank: the first that exists is called. */
const ENTRIES = ['kernel_main', 'start_kernel', 'app_main', 'test_main', 'main'] as const;
/** What a handler script defines, and nothing to start. */
export const HANDLER = 'page_fault_handler';
const HANDLER_PROGRAM = 'handler-main.c';
/** XTF's entry function, and the shipped program around it. */
const TEST = 'test_main';
const TEST_PROGRAM = 'xtf-main.c';
/** A header made for the run, which tells the handler's program what to access. */
const FAULT_HEADER = 'xenscope-fault.h';
export const ACCESS_KINDS: Readonly<Record<FaultAccess['kind'], number>> = { read: 0, write: 1, exec: 2 };

export interface CompiledScript {
  /** Null when there are errors among the problems. */
  readonly program: Program | null;
  readonly problems: readonly SessionProblem[];
  /** The user's first function: where a run that stops at the entry stops. */
  readonly entryName: string;
}

/** Compiles one script. Problems of the configuration come as problems at the script's first line. */
export function compileScript(
  source: ProgramSource,
  config: SessionConfig,
  options: RunOptions,
): CompiledScript {
  const host = hostOf(config, options);
  const front = (after: readonly string[]) =>
    compileUnit(source, host, options.model, { prelude: config.prelude ?? true, after });
  let { unit, problems } = front([]);
  let entry = entryOf(unit, config.entry);
  let entryName = entry?.name ?? '';
  if (entry === null && config.entry === undefined && defines(unit, HANDLER)) {
    ({ unit, problems } = front([FAULT_HEADER, HANDLER_PROGRAM]));
    entry = entryOf(unit, undefined);
    entryName = HANDLER;
  } else if (entry?.name === TEST && unit.linkage === 'xtf' && config.entry === undefined) {
    ({ unit, problems } = front([TEST_PROGRAM]));
    entry = entryOf(unit, undefined);
    entryName = TEST;
  }
  const told = (entryName === HANDLER ? aboutHandler(problems, unit) : problems).map(sessionProblem);
  const failed = told.some((problem) => problem.severity === 'error');
  if (failed) return { program: null, problems: told, entryName };
  if (entry === null) return { program: null, problems: [...told, noEntry(source, config.entry)], entryName };
  return { program: generate(unit, entry), problems: told, entryName };
}

/**
 * What is wrong with the call of the user's handler is said at the handler, not in the shipped program, which the user
 * has not written. A parameter of another scalar type gets the address converted, without a word.
 */
function aboutHandler(problems: readonly Problem[], unit: TranslationUnit): readonly Problem[] {
  const range = functionNamed(unit, HANDLER)?.range;
  return problems.flatMap((problem): Problem[] => {
    if (range === undefined || !problem.file.endsWith(HANDLER_PROGRAM)) return [problem];
    if (problem.severity !== 'error') return [];
    const { file, line, column, endLine, endColumn } = range;
    const message = `The machine calls ${HANDLER} with one argument, the address of the fault; write ${HANDLER}(unsigned long virt_addr).`;
    return [{ ...problem, id: 'handler-signature', file, line, column, endLine, endColumn, message }];
  });
}

/** The function that a run begins with: the one named, or the first of ENTRIES that there is. */
export function entryOf(unit: TranslationUnit, wanted: string | undefined): FunctionSymbol | null {
  if (wanted !== undefined) return functionNamed(unit, wanted);
  for (const name of ENTRIES) {
    const found = functionNamed(unit, name);
    if (found !== null) return found;
  }
  return null;
}

const defines = (unit: TranslationUnit, name: string): boolean => functionNamed(unit, name) !== null;

function hostOf(config: SessionConfig, { fault }: RunOptions): FrontHost {
  const { host } = config;
  const text = [
    `#define XENSCOPE_FAULT_VA ${formatHex(fault.va)}UL`,
    `#define XENSCOPE_FAULT_KIND ${ACCESS_KINDS[fault.kind]}`,
    `#define XENSCOPE_FAULT_USER ${fault.user ? 1 : 0}`,
    '',
  ].join('\n');
  return {
    read: (path) => host.read(path),
    includePaths: config.includePaths ?? [],
    headers: { root: host.headers.root, files: new Map([...host.headers.files, [FAULT_HEADER, text]]) },
  };
}

function noEntry(source: ProgramSource, wanted: string | undefined): SessionProblem {
  const message =
    wanted === undefined
      ? `The script defines neither ${ENTRIES.join(', ')} nor ${HANDLER}; define one, or name the entry function with \`entry\`.`
      : `The script defines no function ${wanted}, which \`entry\` names.`;
  return {
    id: 'no-entry',
    severity: 'error',
    file: source.path,
    line: 1,
    column: 1,
    endLine: 1,
    endColumn: 1,
    message,
  };
}

const sessionProblem = ({
  id,
  severity,
  file,
  line,
  column,
  endLine,
  endColumn,
  message,
}: Problem): SessionProblem => ({ id, severity, file, line, column, endLine, endColumn, message });
