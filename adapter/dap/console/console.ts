/**
 * The commands of the debug console, beside C expressions. `:walk p` is always the command. Without the colon a C object
 * of the same name wins where the text can be C (`frame`, `frame.x = 1`), and the command where it cannot (`frame 0x12`).
 */

import type { JsonValue } from '../../../core/timeline/types.ts';
import { RequestError } from '../arguments.ts';
import type { CommandAnswer, CommandRow } from './command.ts';
import { GO } from './go.ts';
import { LOOK } from './look.ts';
import { WATCH } from './watch.ts';
import { WHAT_IF } from './what-if.ts';

const HELP: CommandRow = {
  name: 'help',
  usage: 'help [COMMAND]',
  help: 'what there is to type here',
  run: (_, rest) => help(rest.trim()),
};

export const COMMANDS: readonly CommandRow[] = [...LOOK, ...GO, ...WATCH, ...WHAT_IF, HELP];

/** A command as it was typed. */
export interface TypedCommand {
  readonly row: CommandRow;
  readonly rest: string;
}

/** The command that a text is; null for C. `isName`: whether a C object of that name is visible. */
export function commandIn(text: string, isName: (name: string) => boolean): TypedCommand | null {
  const [, colon = '', name = '', rest = ''] = /^\s*(:?)\s*(\?|[a-z][a-z0-9]*)(.*)$/s.exec(text) ?? [];
  const row = COMMANDS.find((one) => one.name === name);
  if (row === undefined) {
    if (colon === '') return null;
    throw new RequestError(`There is no command ${name === '' ? text.trim() : name}; \`help\` lists them.`);
  }
  if (colon !== '' || name === '?') return { row, rest };
  // What may follow a name in C is an operator; what follows a command is a word, behind a blank.
  const isWord = /^\s+[\w&*("'$+-]/.test(rest);
  if (rest.trim() !== '' && !/^\s/.test(rest)) return null;
  if (isName(name) && !/^\s+\w/.test(rest)) return null;
  return rest.trim() === '' || isWord ? { row, rest } : null;
}

function help(name: string): CommandAnswer {
  const rows = name === '' ? COMMANDS : COMMANDS.filter((row) => row.name === name);
  if (rows.length === 0) throw new RequestError(`There is no command ${name}; \`help\` lists them.`);
  const detail: JsonValue = Object.fromEntries(rows.map(({ usage, help: text }) => [usage, text]));
  return {
    lines: rows.map(({ usage, help: text }) => `${usage}\n    ${text}`),
    summary:
      'Everything else is C, evaluated in the selected frame; a colon before a word makes it a command.',
    detail,
  };
}
