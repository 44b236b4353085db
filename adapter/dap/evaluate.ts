/** evaluate: hovers and watches without side effects, the debug console with them and with commands of its own. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { withDollars } from '../../core/timeline/dollar-names.ts';
import type { Evaluation, Frame } from '../../core/timeline/types.ts';
import { type RequestArguments, RequestError } from './arguments.ts';
import { type TypedCommand, commandIn } from './console/console.ts';
import { type Context, type RequestRows, STANDING, debuggeeOf } from './context.ts';
import { stateEdited } from './edits.ts';
import type { Debuggee } from './debuggee.ts';
import { frameFor } from './frame-table.ts';
import { describeValue, radixOf } from './variables.ts';
import { xenOperand } from './xen.ts';

export const EVALUATE: RequestRows<'evaluate'> = {
  evaluate: {
    when: STANDING,
    handle(context, args) {
      const debuggee = debuggeeOf(context);
      const command = commandFor(debuggee, args);
      if (command !== null) return answerCommand(context, debuggee, args, command);
      const operand = xenOperand(debuggee, args);
      if (operand !== null) return operand;
      const frame = frameFor(debuggee, args);
      // Only what the user typed as a command may change the guest.
      const mayChange = args.optionalText('context') === 'repl' && context.life.kind === 'stopped';
      const { standing } = debuggee;
      const values = standing !== null && 'values' in standing ? standing.values : undefined;
      const text = withDollars(args.text('expression'), values ?? {});
      const result: Evaluation = debuggee.session.evaluate(text, frame, {
        sideEffects: mayChange ? 'keep' : 'none',
      });
      if (result.kind === 'problem') throw new RequestError(result.message);
      if (mayChange) stateEdited(context, debuggee);
      const { value, ...rest } = describeValue(context, debuggee, result.value, {
        frame,
        radix: radixOf(args),
      });
      return { result: value, ...rest };
    },
  },
};

/** The console command that the expression is, if it was typed in the debug console. */
function commandFor(debuggee: Debuggee, args: RequestArguments): TypedCommand | null {
  if (args.optionalText('context') !== 'repl') return null;
  const frame = frameIfAny(debuggee, args);
  const isName = (name: string): boolean =>
    frame !== undefined &&
    debuggee.session.names(frame).some((one) => one.name === name && one.kind !== 'macro');
  return commandIn(args.text('expression'), isName);
}

/** The lines go out before the response, which holds the last one and what it opens to. */
async function answerCommand(
  context: Context,
  debuggee: Debuggee,
  args: RequestArguments,
  { row, rest }: TypedCommand,
): Promise<DebugProtocol.EvaluateResponse['body']> {
  const answer = await row.run({ context, debuggee, frame: frameIfAny(debuggee, args) }, rest);
  for (const line of answer.lines ?? [])
    context.sendEvent('output', { category: 'console', output: `${line}\n` });
  const { summary: result, detail } = answer;
  const isEmpty = detail === undefined || Object.keys(detail).length === 0;
  return { result, variablesReference: isEmpty ? 0 : debuggee.variables.add({ kind: 'json', json: detail }) };
}

/** Commands about the machine can be given where there is no frame. */
function frameIfAny(debuggee: Debuggee, args: RequestArguments): Frame | undefined {
  const id = args.optionalInteger('frameId', Number.MIN_SAFE_INTEGER);
  return id !== undefined && id > 0 ? frameFor(debuggee, args) : debuggee.frames.topOfUser(debuggee.focus());
}
