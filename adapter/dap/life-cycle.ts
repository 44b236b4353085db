/** initialize, launch, configurationDone, restart, terminate, disconnect: the life of a session. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { Session } from '../../core/timeline/session.ts';
import type { SessionProblem } from '../../core/timeline/types.ts';
import { readPrograms, recordingHost } from '../host/files.ts';
import { countErrors, formatProblem, isError } from '../host/problems.ts';
import { styled } from './ansi.ts';
import { type RequestArguments, RequestError } from './arguments.ts';
import { readClientTraits, toClientColumn, toClientLine } from './client-traits.ts';
import { COMPLETION_TRIGGERS } from './completions.ts';
import { type Context, LAUNCHED, type RequestRows, debuggeeOf } from './context.ts';
import { Debuggee } from './debuggee.ts';
import { FILTER_DESCRIPTIONS } from './exception-filters.ts';
import { endSession, startRunning } from './execution.ts';
import { readLaunchAttributes } from './launch-attributes.ts';
import { sourceOf } from './sources.ts';

/** What the adapter can do; each member has a transcript test. */
const CAPABILITIES: DebugProtocol.Capabilities = {
  supportsConfigurationDoneRequest: true,
  supportsFunctionBreakpoints: true,
  supportsConditionalBreakpoints: true,
  supportsHitConditionalBreakpoints: true,
  supportsLogPoints: true,
  supportsBreakpointLocationsRequest: true,
  supportsDataBreakpoints: true,
  supportsDataBreakpointBytes: true,
  supportsStepInTargetsRequest: true,
  supportsStepBack: true,
  supportsGotoTargetsRequest: true,
  supportsRestartFrame: true,
  supportsSteppingGranularity: true,
  supportsCancelRequest: true,
  supportsEvaluateForHovers: true,
  supportsClipboardContext: true,
  supportsExceptionInfoRequest: true,
  supportsSetVariable: true,
  supportsANSIStyling: true,
  supportsSetExpression: true,
  supportsValueFormattingOptions: true,
  supportsCompletionsRequest: true,
  completionTriggerCharacters: COMPLETION_TRIGGERS,
  supportsReadMemoryRequest: true,
  supportsWriteMemoryRequest: true,
  supportsLoadedSourcesRequest: true,
  supportsDelayedStackTraceLoading: true,
  supportsRestartRequest: true,
  supportsTerminateRequest: true,
  supportsExceptionFilterOptions: true,
  exceptionBreakpointFilters: FILTER_DESCRIPTIONS,
};

type Names = 'initialize' | 'launch' | 'configurationDone' | 'restart' | 'terminate' | 'disconnect';

export const LIFE_CYCLE: RequestRows<Names> = {
  initialize: {
    when: ['new'],
    otherwise: 'the session is already initialized',
    handle(context, args) {
      context.traits = readClientTraits(args);
      context.life = { kind: 'initialized' };
      return CAPABILITIES;
    },
  },

  launch: {
    when: ['initialized'],
    handle(context, args) {
      context.life = { kind: 'configuring', debuggee: launch(context, args) };
      context.afterResponse(() => {
        context.sendEvent('initialized', undefined);
      });
      return undefined;
    },
  },

  configurationDone: {
    when: ['configuring'],
    handle(context) {
      const debuggee = debuggeeOf(context);
      context.afterResponse(() => {
        startRunning(context, debuggee, 'from the start');
      });
      return undefined;
    },
  },

  restart: {
    when: LAUNCHED,
    handle(context, args) {
      const old = debuggeeOf(context);
      const given = args.optionalObject('arguments');
      const fresh = launch(context, given ?? old.options.attributes);
      fresh.breakpoints.adopt(old.breakpoints);
      fresh.setFilters(old.filters);
      old.abandon();
      context.life = { kind: 'configuring', debuggee: fresh };
      context.afterResponse(() => {
        startRunning(context, fresh, 'from the start');
      });
      return undefined;
    },
  },

  terminate: {
    when: LAUNCHED,
    handle(context) {
      const debuggee = debuggeeOf(context);
      debuggee.abandon();
      context.afterResponse(() => {
        endSession(context, debuggee);
      });
      return undefined;
    },
  },

  disconnect: {
    when: ['new', 'initialized', ...LAUNCHED],
    handle(context) {
      if ('debuggee' in context.life) context.life.debuggee.abandon();
      context.life = { kind: 'disconnected' };
      context.afterResponse(() => {
        context.leave();
      });
      return undefined;
    },
  },
};

/** Builds the guest that the launch attributes describe, or throws the sentence that says why there is none. */
function launch(context: Context, args: RequestArguments): Debuggee {
  const attributes = readLaunchAttributes(args);
  const read = readPrograms(attributes.programs);
  if ('error' in read) throw launchError(`program: ${read.error}.`);
  const host = recordingHost();
  const creation = Session.create({ ...attributes.session, programs: read.programs, host });
  if (creation.kind === 'error') throw launchError(sentenceOf(creation));
  reportProblems(context, creation.problems);
  if (creation.kind === 'problems') throw launchError(compileFailure(creation.problems));
  return new Debuggee(creation.session, {
    stopOnEntry: attributes.stopOnEntry,
    stopOnExit: attributes.stopOnExit,
    noDebug: attributes.noDebug,
    attributes: args,
    scripts: [...read.programs.map(({ path }) => path), ...host.filesRead],
  });
}

const launchError = (message: string): RequestError => new RequestError(message, { showUser: true });

/** The core names the attribute; its sentence may or may not begin with it. */
function sentenceOf(error: { readonly attribute: string; readonly message: string }): string {
  return error.message.includes(error.attribute) ? error.message : `${error.attribute}: ${error.message}`;
}

/** The first error, and how many more there are. */
function compileFailure(problems: readonly SessionProblem[]): string {
  const errors = problems.filter(isError);
  const [first] = errors;
  if (first === undefined) return 'The script cannot be compiled.';
  const more = errors.length === 1 ? '' : ` (${countErrors(errors)} in all, listed in the debug console)`;
  return `${first.file}:${first.line}: ${first.message.replace(/\.$/, '')}${more}.`;
}

/** All problems of the scripts at once, each linked to its place. */
function reportProblems(context: Context, problems: readonly SessionProblem[]): void {
  for (const problem of problems) {
    context.sendEvent('output', {
      category: problem.severity === 'error' ? 'stderr' : 'console',
      output: `${styled(context.traits, problem.severity, formatProblem(problem))}\n`,
      source: sourceOf(context.traits, problem.file, { library: false }),
      line: toClientLine(context.traits, problem.line),
      column: toClientColumn(context.traits, problem.column),
    });
  }
}
