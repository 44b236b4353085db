/** Problems of a script as gcc prints them, so that terminals, VS Code and other programs link them. */

import type { SessionProblem } from '../../core/timeline/types.ts';

/** `a.guest.c:31:5: error: message`, without a line feed. */
export function formatProblem(problem: SessionProblem): string {
  const { file, line, column, severity, message } = problem;
  return `${file}:${line}:${column}: ${severity}: ${message}`;
}

export const isError = (problem: SessionProblem): boolean => problem.severity === 'error';

/** `1 error`, `3 errors`. */
export function countErrors(problems: readonly SessionProblem[]): string {
  const count = problems.filter(isError).length;
  return `${count} error${count === 1 ? '' : 's'}`;
}
