/** evaluate: hovers and watches without side effects, the debug console with them. */

import type { Evaluation, Frame } from '../../core/timeline/types.ts';
import { type RequestArguments, RequestError } from './arguments.ts';
import { type RequestRows, STANDING, debuggeeOf } from './context.ts';
import type { Debuggee } from './debuggee.ts';
import { stateEdited } from './edits.ts';
import { describeValue } from './variables.ts';

export const EVALUATE: RequestRows<'evaluate'> = {
  evaluate: {
    when: STANDING,
    handle(context, args) {
      const debuggee = debuggeeOf(context);
      const frame = frameFor(debuggee, args);
      // Only what the user typed as a command may change the guest.
      const mayChange = args.optionalText('context') === 'repl' && context.life.kind === 'stopped';
      const result: Evaluation = debuggee.session.evaluate(args.text('expression'), frame, {
        sideEffects: mayChange ? 'keep' : 'none',
      });
      if (result.kind === 'problem') throw new RequestError(result.message);
      if (mayChange) stateEdited(context, debuggee);
      const { value, ...rest } = describeValue(context, debuggee, result.value, frame);
      return { result: value, ...rest };
    },
  },
};

/** The frame that the request names, or the user's innermost one. */
export function frameFor(debuggee: Debuggee, args: RequestArguments): Frame {
  const id = args.optionalInteger('frameId', Number.MIN_SAFE_INTEGER);
  if (id !== undefined && id > 0) return debuggee.frames.frame(id);
  const frame = debuggee.frames.topOfUser(debuggee.focus());
  if (frame === undefined) throw new RequestError('There is no stack frame in which to evaluate.');
  return frame;
}
