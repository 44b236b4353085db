/** continue, next, stepIn, stepOut, pause: letting the guest run, and telling the client how it stopped. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { ExitInfo, StopTest } from '../../core/timeline/types.ts';
import { describeError } from '../../core/hypervisor/errno.ts';
import { styled } from './ansi.ts';
import { type RequestArguments, RequestError } from './arguments.ts';
import { type Context, type RequestRow, type RequestRows, debuggeeOf } from './context.ts';
import type { Debuggee, RunResult, Standing } from './debuggee.ts';
import { staleSentence } from './exceptions.ts';
import { sendOutput } from './output.ts';
import { auditStop, dataStop, disagreementStop, hypercallStop, withData } from './stop-texts.ts';

type Names = 'continue' | 'next' | 'stepIn' | 'stepOut' | 'pause';

export const EXECUTION: RequestRows<Names> = {
  continue: {
    when: ['stopped'],
    handle(context, args) {
      if (args.all['threadId'] !== undefined) threadVcpu(debuggeeOf(context), args);
      goLater(context, { kind: 'continue' });
      return { allThreadsContinued: true };
    },
  },
  next: step('over'),
  stepIn: step('into'),
  stepOut: step('out'),
  pause: {
    when: ['running', 'stopped'],
    handle(context) {
      // A guest that has just stopped by itself is what the user wants.
      if (context.life.kind === 'running') context.life.debuggee.pause();
      return undefined;
    },
  },
};

/** The vCPU of the thread that a request names. */
export function threadVcpu(debuggee: Debuggee, args: RequestArguments): number {
  const vcpu = args.integer('threadId', 1) - 1;
  if (debuggee.session.vcpus().some((summary) => summary.vcpu === vcpu)) return vcpu;
  throw new RequestError(`There is no thread ${vcpu + 1}.`);
}

const GRANULARITIES = ['statement', 'line', 'instruction'] as const;

function step(how: 'into' | 'over' | 'out'): RequestRow<undefined> {
  return {
    when: ['stopped'],
    handle(context, args) {
      const vcpu = threadVcpu(debuggeeOf(context), args);
      const target = how === 'into' ? args.optionalInteger('targetId') : undefined;
      const granularity = args.optionalWord('granularity', GRANULARITIES) ?? 'statement';
      const { frames } = debuggeeOf(context);
      const test: StopTest = {
        kind: 'step',
        vcpu,
        // The smallest step there is goes into what is called, and from line to line inside Xen.
        how: granularity === 'instruction' && how === 'over' ? 'into' : how,
        ...(target === undefined ? {} : { target: frames.stepTarget(target) }),
      };
      goLater(context, test, granularity === 'line' && how !== 'out' ? 'to another line' : 'once');
      return undefined;
    },
  };
}

/** How often a test is to hold. */
type Repeat = 'once' | 'to another line';

/** Runs after the response has gone out, so that the client knows the guest runs before it hears of the stop. */
function goLater(context: Context, test: StopTest, repeat: Repeat = 'once'): void {
  const debuggee = debuggeeOf(context);
  context.life = { kind: 'running', debuggee };
  context.afterResponse(() => {
    startRunning(context, debuggee, test, repeat);
  });
}

/** Lets the guest run and tells the client how that ends. */
export function startRunning(
  context: Context,
  debuggee: Debuggee,
  test: StopTest | 'from the start',
  repeat: Repeat = 'once',
): void {
  startMoving(context, debuggee, runToNews(context, debuggee, test, repeat));
}

/** Tells the client how a movement ends that has begun. */
export function startMoving(context: Context, debuggee: Debuggee, movement: Promise<RunResult>): void {
  context.life = { kind: 'running', debuggee };
  movement.then(
    (result) => {
      tellResult(context, debuggee, result);
    },
    (error: unknown) => {
      tellInternalError(context, debuggee, error);
    },
  );
}

async function runToNews(
  context: Context,
  debuggee: Debuggee,
  test: StopTest | 'from the start',
  repeat: Repeat,
): Promise<RunResult> {
  const onSlice = () => {
    sendOutput(context, debuggee);
  };
  if (test !== 'from the start') {
    // Past its end the guest only has its exit left to tell.
    return repeat === 'once' ? debuggee.go(test, onSlice) : debuggee.goToOtherLine(test, onSlice);
  }
  const { stopOnEntry, noDebug } = debuggee.options;
  if (!stopOnEntry || noDebug) return debuggee.go({ kind: 'continue' }, onSlice);
  return debuggee.runToEntry(onSlice);
}

function tellResult(context: Context, debuggee: Debuggee, result: RunResult): void {
  // The client may have ended or restarted the session meanwhile.
  if (result.kind === 'abandoned' || context.life.kind !== 'running' || context.life.debuggee !== debuggee)
    return;
  if (result.kind === 'exited') {
    sendOutput(context, debuggee);
    tellExit(context, result.exit);
    endSession(context, debuggee);
    return;
  }
  sendOutput(context, debuggee);
  context.life = { kind: 'stopped', debuggee };
  context.sendEvent('stopped', stoppedBody(debuggee, result.standing));
  context.sendEvent('xenscope/stateChanged', { stop: debuggee.stops });
}

function tellExit(context: Context, exit: ExitInfo): void {
  const sound = exit.kind === 'finished';
  context.sendEvent('output', {
    category: sound ? 'console' : 'important',
    output: `${styled(context.traits, sound ? 'good' : 'error', `The guest ${EXIT_WORDS[exit.kind]}: ${exit.reason}`)}\n`,
  });
  context.sendEvent('exited', { exitCode: exit.status });
}

const EXIT_WORDS: { readonly [kind in ExitInfo['kind']]: string } = {
  finished: 'finished',
  failed: 'reported failure',
  crashed: 'was crashed by Xen',
  limit: 'was ended at a limit',
  internal: 'met an error of the model itself',
};

/** Tells the client that there is nothing more to run. */
export function endSession(context: Context, debuggee: Debuggee): void {
  sendOutput(context, debuggee);
  context.life = { kind: 'ended', debuggee };
  context.sendEvent('terminated', undefined);
}

function tellInternalError(context: Context, debuggee: Debuggee, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  context.sendEvent('output', {
    category: 'important',
    output: `Internal error of Xenscope while the guest ran: ${reason}\n`,
  });
  context.sendEvent('exited', { exitCode: 5 });
  endSession(context, debuggee);
}

function stoppedBody(debuggee: Debuggee, standing: Standing): DebugProtocol.StoppedEvent['body'] {
  return {
    threadId: debuggee.focus() + 1,
    allThreadsStopped: true,
    ...(debuggee.hitBreakpoints.length === 0 ? {} : { hitBreakpointIds: [...debuggee.hitBreakpoints] }),
    ...withData(reasonOf(standing), 'data' in standing ? standing : {}),
  };
}

/** Reason, title and text of a stop. */
function reasonOf(
  standing: Standing,
): Pick<DebugProtocol.StoppedEvent['body'], 'reason' | 'description' | 'text'> {
  switch (standing.kind) {
    case 'goto':
      return { reason: 'goto', description: `Position ${standing.position}` };
    case 'ending':
      return {
        reason: 'pause',
        description: 'The guest has ended; go back from here, or continue to end the session',
        text: `The guest ${EXIT_WORDS[standing.exit.kind]}: ${standing.exit.reason}`,
      };
    case 'start':
      return { reason: 'entry', description: 'Start of history' };
    case 'entry':
    case 'step':
    case 'pause':
    case 'breakpoint':
      return { reason: standing.kind };
    case 'hypercall':
      return hypercallStop(standing);
    case 'data':
      return dataStop(standing);
    case 'disagreement':
      return disagreementStop(standing);
    case 'audit':
      return auditStop(standing);
    case 'refused': {
      const { name, refusal } = standing.record;
      return {
        reason: 'exception',
        description: `${name} refused: ${refusal === null ? '' : describeError(refusal.errno)}`,
        ...(refusal === null ? {} : { text: refusal.message }),
      };
    }
    case 'fault': {
      const at = standing.record.cr2 === null ? '' : ` at ${standing.record.cr2}`;
      return { reason: 'exception', description: `Fault delivered to the guest${at}` };
    }
    case 'stale':
      return {
        reason: 'exception',
        description: `Stale translation of ${standing.record.address} used`,
        text: staleSentence(standing.record),
      };
    case 'crashed':
      return { reason: 'exception', description: 'Domain crashed', text: standing.exit.reason };
    case 'limit':
      return { reason: 'exception', description: 'Limit reached', text: standing.exit.reason };
    case 'internal':
      return { reason: 'exception', description: 'The model is wrong', text: standing.exit.reason };
  }
}
