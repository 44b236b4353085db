/** Problems of a script as gcc prints them, so that terminals, VS Code and other programs link them. */

/** What there is to say about a place in a script. */
export interface PlacedMessage {
  readonly severity: 'error' | 'warning' | 'note';
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** `a.guest.c:31:5: error: message`, without a line feed. */
export function formatProblem({ file, line, column, severity, message }: PlacedMessage): string {
  return `${file}:${line}:${column}: ${severity}: ${message}`;
}

export const isError = (problem: Pick<PlacedMessage, 'severity'>): boolean => problem.severity === 'error';

/** `1 error`, `3 errors`. */
export function countErrors(problems: readonly Pick<PlacedMessage, 'severity'>[]): string {
  const count = problems.filter(isError).length;
  return `${count} error${count === 1 ? '' : 's'}`;
}
