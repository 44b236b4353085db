/** gotoTargets, goto, restartFrame, cancel: to another statement, or to the time at which a statement ran. */

import type { Frame, SourcePlace } from '../../core/timeline/types.ts';
import { RequestError } from './arguments.ts';
import { fromClientLine, toClientColumn, toClientLine } from './client-traits.ts';
import { type Context, type RequestRows, debuggeeOf } from './context.ts';
import type { Debuggee } from './debuggee.ts';
import { stateEdited } from './edits.ts';
import { startMoving, threadVcpu } from './execution.ts';
import { coreFile } from './sources.ts';
import { moveLater } from './travel.ts';

type Names = 'gotoTargets' | 'goto' | 'restartFrame' | 'cancel';

/** No source has more lines. */
const MAX_LINE = 10_000_000;

/** How one comes to a line: one target each for the client to choose from. */
const WAYS = {
  travel: { id: 1, label: (line: number) => `Travel back to when line ${line} last ran` },
  jump: { id: 2, label: (line: number) => `Make line ${line} the next statement (nothing between is run)` },
} as const;

export const JUMPS: RequestRows<Names> = {
  gotoTargets: {
    when: ['stopped'],
    handle(context, args) {
      const { traits } = context;
      const { session, jumpTargets } = debuggeeOf(context);
      const file = coreFile(traits, args.object('source').text('path'));
      const line = fromClientLine(traits, args.integer('line', 0, MAX_LINE));
      const [place] = session.places(file, line, line);
      if (place === undefined) return { targets: [] };
      return {
        targets: Object.values(WAYS).map(({ id, label }) => ({
          id: jumpTargets.push({ place, way: id }),
          label: label(line),
          line: toClientLine(traits, place.line),
          column: toClientColumn(traits, place.column),
        })),
      };
    },
  },

  goto: {
    when: ['stopped'],
    handle(context, args) {
      const debuggee = debuggeeOf(context);
      const vcpu = threadVcpu(debuggee, args);
      const target = debuggee.jumpTargets[args.integer('targetId', 1) - 1];
      if (target === undefined)
        throw new RequestError('There is no such place to go to; ask for the places again.');
      if (target.way === WAYS.travel.id) travelTo(context, vcpu, target.place);
      else jump(context, debuggee, vcpu, target.place);
      return undefined;
    },
  },

  restartFrame: {
    when: ['stopped'],
    handle(context, args) {
      const debuggee = debuggeeOf(context);
      const frame = debuggee.frames.frame(args.integer('frameId', 1));
      const start = debuggee.session.startOf(frame);
      if (start === null) throw new RequestError(`The start of ${frame.name} is not known.`);
      restart(context, debuggee, frame, start);
      return undefined;
    },
  },

  cancel: {
    when: ['new', 'initialized', 'configuring', 'running', 'stopped', 'ended'],
    handle({ life }) {
      // Requests are answered as they come; what takes long is a run or a journey, and that can be ended where it is.
      if (life.kind === 'running') life.debuggee.pause();
      return undefined;
    },
  },
};

function travelTo(context: Context, vcpu: number, place: SourcePlace): void {
  moveLater(context, 'Going back to a line', (debuggee, onSlice) =>
    debuggee.goBackTo(place, {
      accepts: (at) => at === vcpu,
      onNone: () => {
        const output = `Line ${place.line} has not run before here.\n`;
        context.sendEvent('output', { category: 'console', output });
      },
      onSlice,
    }),
  );
}

function jump(context: Context, debuggee: Debuggee, vcpu: number, place: SourcePlace): void {
  const problem = debuggee.session.jump(vcpu, place);
  if (problem !== null) throw new RequestError(problem);
  stateEdited(context, debuggee);
  context.afterResponse(() => {
    startMoving(context, debuggee, debuggee.standHere());
  });
}

/** Goes back out of the frame's function and those it has called, and then forward to where the function begins. */
function restart(context: Context, debuggee: Debuggee, frame: Frame, start: SourcePlace): void {
  const stack = debuggee.session.stack(frame.vcpu);
  const depth = stack.length - stack.findIndex(({ id }) => id === frame.id);
  moveLater(context, `Going back to the start of ${frame.name}`, (_, onSlice) =>
    debuggee.restart({ vcpu: frame.vcpu, depth, start }, onSlice),
  );
}
