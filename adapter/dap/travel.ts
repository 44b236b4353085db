/** stepBack, reverseContinue, seeking: going back in time, with progress for what takes long. */

import type { StopTest } from '../../core/timeline/types.ts';
import { position } from '../../core/timeline/position.ts';
import { MAX_ROWS } from './views.ts';
import { RequestError } from './arguments.ts';
import { type Context, type RequestRows, debuggeeOf } from './context.ts';
import type { Debuggee, RunResult } from './debuggee.ts';
import { startMoving, threadVcpu } from './execution.ts';
import { Progress } from './progress.ts';

type Names = 'stepBack' | 'reverseContinue' | 'xenscope/stepBack' | 'xenscope/seek' | 'xenscope/history';

const HOW_BACK = ['into', 'over', 'out'] as const;

export const TRAVEL: RequestRows<Names> = {
  stepBack: {
    when: ['stopped'],
    handle(context, args) {
      const vcpu = threadVcpu(debuggeeOf(context), args);
      // The finest granularity goes into what was called; lines and statements are gone over.
      const how = args.optionalText('granularity') === 'instruction' ? 'into' : 'over';
      goBack(context, { kind: 'step', vcpu, how });
      return undefined;
    },
  },
  reverseContinue: {
    when: ['stopped'],
    handle(context) {
      goBack(context, { kind: 'continue' });
      return undefined;
    },
  },
  'xenscope/stepBack': {
    when: ['stopped'],
    handle(context, args) {
      const vcpu = threadVcpu(debuggeeOf(context), args);
      const how = args.optionalWord('how', HOW_BACK);
      if (how === undefined) throw new RequestError('The argument `how` must be into, over or out.');
      goBack(context, { kind: 'step', vcpu, how });
      return undefined;
    },
  },
  'xenscope/seek': {
    when: ['stopped'],
    handle(context, args) {
      seek(context, args.integer('position'));
      return undefined;
    },
  },
  'xenscope/history': {
    when: ['stopped', 'ended'],
    handle(context, args) {
      const { session } = debuggeeOf(context);
      const from = args.integer('from');
      const count = Math.min(args.integer('count'), MAX_ROWS);
      const refusedOnly = args.flag('refusedOnly');
      const known = session.knownCalls.filter(({ record }) => !refusedOnly || record.refusal !== null);
      const rows = known.slice(from, from + count).map(({ record, position: at }) => ({
        seq: record.seq,
        position: at,
        name: record.name,
        domain: record.domain,
        vcpu: record.vcpu,
        refused: record.refusal !== null,
      }));
      return {
        position: session.position,
        start: session.start,
        end: session.end,
        total: known.length,
        rows,
        next: from + rows.length < known.length ? from + rows.length : null,
      };
    },
  },
};

/** Begins to go to a position, after the response. */
export function seek(context: Context, to: number): void {
  const place = position(to);
  moveLater(context, 'Going to another time', (debuggee, onSlice) =>
    debuggee.travel((budget) => debuggee.session.seek(place, budget).kind === 'arrived', onSlice),
  );
}

/** Begins to go to just before the last change of one of the cells; `onNone` is told when there has been none. */
export function seekLastChange(context: Context, cells: ReadonlySet<number>, onNone: () => void): void {
  moveLater(context, 'Looking for the last change', (debuggee, onSlice) =>
    debuggee.travel((budget) => {
      const travel = debuggee.session.seekLastChange(cells, budget);
      if (travel.kind === 'arrived' && travel.result === null) onNone();
      return travel.kind === 'arrived';
    }, onSlice),
  );
}

function goBack(context: Context, test: StopTest): void {
  moveLater(context, 'Going back', (debuggee, onSlice) => debuggee.goBack(test, onSlice));
}

/** Moves after the response has gone out, so that the client hears of the arrival last. */
export function moveLater(
  context: Context,
  title: string,
  move: (debuggee: Debuggee, onSlice: () => void) => Promise<RunResult>,
): void {
  const debuggee = debuggeeOf(context);
  context.life = { kind: 'running', debuggee };
  context.afterResponse(() => {
    const progress = new Progress(context, title);
    const onSlice = () => {
      progress.at(debuggee.session.travelled);
    };
    const movement = move(debuggee, onSlice).finally(() => {
      progress.end();
    });
    startMoving(context, debuggee, movement);
  });
}
