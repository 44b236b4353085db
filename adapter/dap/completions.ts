/** completions: names that the expression being typed in the debug console may go on with. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Frame, VisibleName } from '../../core/timeline/types.ts';
import { COMMANDS } from './console/console.ts';
import { type RequestRows, STANDING, debuggeeOf } from './context.ts';
import type { Debuggee } from './debuggee.ts';
import { frameFor } from './frame-table.ts';

/** Characters after which the client asks again. */
export const COMPLETION_TRIGGERS = ['.', '>', '$', ':'];

/** The most names that one answer holds: the client asks again as more is typed. */
const MAX_NAMES = 500;
const TARGET_KINDS: { readonly [kind in VisibleName['kind']]: DebugProtocol.CompletionItemType } = {
  variable: 'variable',
  function: 'function',
  typedef: 'class',
  enumerator: 'enum',
  macro: 'value',
};

export const COMPLETIONS: RequestRows<'completions'> = {
  completions: {
    when: STANDING,
    handle(context, args) {
      const debuggee = debuggeeOf(context);
      const first = context.traits.columnsStartAt1 ? 1 : 0;
      const line = (args.optionalInteger('line') ?? 1) - (context.traits.linesStartAt1 ? 1 : 0);
      const text = args.text('text').split('\n')[line] ?? '';
      const before = text.slice(0, Math.max(args.integer('column') - first, 0));
      const { typed, names } = continuations(debuggee, frameFor(debuggee, args), before);
      const range = { start: before.length - typed.length + first, length: typed.length };
      return { targets: names.slice(0, MAX_NAMES).map((name) => ({ ...name, ...range })) };
    },
  },
};

type Name = Pick<DebugProtocol.CompletionItem, 'label' | 'type' | 'sortText'>;

/** What may follow a text: members after `.` and `->`, registers after `$`, else names in scope. */
function continuations(
  debuggee: Debuggee,
  frame: Frame,
  before: string,
): { readonly typed: string; readonly names: readonly Name[] } {
  const typed = /\$?\w*$/.exec(before)?.[0] ?? '';
  const head = before.slice(0, before.length - typed.length);
  const access = /(?:\.|->)\s*$/.exec(head);
  const all =
    access === null
      ? typed.startsWith('$')
        ? registers(debuggee, frame)
        : [...commands(head), ...namesInScope(debuggee, frame)]
      : members(debuggee, frame, operandAtEnd(head.slice(0, access.index)));
  return { typed, names: all.filter(({ label }) => label.startsWith(typed)) };
}

/** Commands of the console, where one can begin. */
const commands = (head: string): Name[] =>
  /^\s*:?\s*$/.test(head)
    ? COMMANDS.filter(({ name }) => name !== '?').map(({ name }) => ({
        label: name,
        type: 'keyword',
        sortText: `2${name}`,
      }))
    : [];

/** The user's own names before those of the library. */
const namesInScope = ({ session }: Debuggee, frame: Frame): Name[] =>
  session.names(frame).map(({ name, kind, library }) => ({
    label: name,
    type: TARGET_KINDS[kind],
    sortText: `${library ? '1' : '0'}${name}`,
  }));

const registers = ({ session }: Debuggee, frame: Frame): Name[] =>
  session.registers(frame).map(({ evaluateName }) => ({ label: evaluateName, type: 'variable' }));

/** Members of a structure, or of the one that a pointer points to. */
function members({ session }: Debuggee, frame: Frame, operand: string): Name[] {
  if (operand === '') return [];
  const result = session.evaluate(operand, frame, { sideEffects: 'none' });
  if (result.kind === 'problem' || result.value.indexedChildren > 0) return [];
  return session
    .children(result.value)
    .filter(({ name }) => /^\w+$/.test(name))
    .map(({ name }) => ({ label: name, type: 'field' }));
}

const CLOSERS: Readonly<Record<string, string>> = { ')': '(', ']': '[' };

/** The postfix expression (`a.b[i]->c`, `f(x)`) that ends a text; empty when there is none. */
function operandAtEnd(text: string): string {
  let at = text.trimEnd().length;
  const end = at;
  for (;;) {
    const opener = CLOSERS[text[at - 1] ?? ''];
    if (opener !== undefined) {
      at = openerBefore(text, at - 1, opener);
      if (at < 0) return '';
      continue;
    }
    const name = /(?:\.|->)?\s*\$?\w+$/.exec(text.slice(0, at));
    if (name === null) return text.slice(at, end);
    at = name.index;
    if (!/^(?:\.|->)/.test(name[0])) return text.slice(at, end).trim();
  }
}

/** Where the bracket that closes at `closer` opens; -1 when it never does. */
function openerBefore(text: string, closer: number, opener: string): number {
  let depth = 0;
  for (let at = closer; at >= 0; at--) {
    if (text[at] === text[closer]) depth++;
    else if (text[at] === opener && --depth === 0) return at;
  }
  return -1;
}
