/** evaluate: hovers and watches without side effects, the debug console with them. */

import type { Evaluation } from '../../core/timeline/types.ts';
import { RequestError } from './arguments.ts';
import { type RequestRows, STANDING, debuggeeOf } from './context.ts';
import { stateEdited } from './edits.ts';
import { frameFor } from './frame-table.ts';
import { describeValue, radixOf } from './variables.ts';
import { xenOperand } from './xen.ts';

export const EVALUATE: RequestRows<'evaluate'> = {
  evaluate: {
    when: STANDING,
    handle(context, args) {
      const debuggee = debuggeeOf(context);
      const operand = xenOperand(debuggee, args);
      if (operand !== null) return operand;
      const frame = frameFor(debuggee, args);
      // Only what the user typed as a command may change the guest.
      const mayChange = args.optionalText('context') === 'repl' && context.life.kind === 'stopped';
      const result: Evaluation = debuggee.session.evaluate(args.text('expression'), frame, {
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
