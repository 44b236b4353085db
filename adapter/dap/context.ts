/**
 * What a request handler is given: the client's traits, where the session stands in its life, and the way to send
 * events. Handlers live in a file per subject; `requests.ts` lists them.
 */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { CustomEvents, CustomRequests } from '../protocol.ts';
import type { RequestArguments } from './arguments.ts';
import type { ClientTraits } from './client-traits.ts';
import type { Debuggee } from './debuggee.ts';

/** Where a session stands. Each request names the kinds in which it can be answered. */
export type LifeCycle =
  | { readonly kind: 'new' }
  | { readonly kind: 'initialized' }
  /** Launched; breakpoints are being set; nothing has run. */
  | { readonly kind: 'configuring'; readonly debuggee: Debuggee }
  | { readonly kind: 'running'; readonly debuggee: Debuggee }
  | { readonly kind: 'stopped'; readonly debuggee: Debuggee }
  /** The guest has come to its end; what it left can still be looked at. */
  | { readonly kind: 'ended'; readonly debuggee: Debuggee }
  | { readonly kind: 'disconnected' };

export type LifeKind = LifeCycle['kind'];

export interface Context {
  traits: ClientTraits;
  life: LifeCycle;
  sendEvent<K extends keyof EventBodies>(event: K, body: EventBodies[K]): void;
  /** Does something right after the response of the present request has been sent. */
  afterResponse(action: () => void): void;
  /** The client has said goodbye: nothing will be asked any more. */
  leave(): void;
}

/** Events that the adapter sends, with their bodies. */
export interface EventBodies extends CustomEvents {
  readonly initialized: undefined;
  readonly stopped: DebugProtocol.StoppedEvent['body'];
  readonly continued: DebugProtocol.ContinuedEvent['body'];
  readonly exited: DebugProtocol.ExitedEvent['body'];
  readonly terminated: undefined;
  readonly output: DebugProtocol.OutputEvent['body'];
  readonly invalidated: DebugProtocol.InvalidatedEvent['body'];
  readonly memory: DebugProtocol.MemoryEvent['body'];
  readonly progressStart: DebugProtocol.ProgressStartEvent['body'];
  readonly progressUpdate: DebugProtocol.ProgressUpdateEvent['body'];
  readonly progressEnd: DebugProtocol.ProgressEndEvent['body'];
}

/** Requests that the adapter answers, with the bodies of their responses. */
export interface ResponseBodies {
  readonly initialize: DebugProtocol.Capabilities;
  readonly launch: undefined;
  readonly configurationDone: undefined;
  readonly disconnect: undefined;
  readonly terminate: undefined;
  readonly restart: undefined;
  readonly setBreakpoints: DebugProtocol.SetBreakpointsResponse['body'];
  readonly setFunctionBreakpoints: DebugProtocol.SetFunctionBreakpointsResponse['body'];
  readonly setExceptionBreakpoints: DebugProtocol.SetExceptionBreakpointsResponse['body'];
  readonly dataBreakpointInfo: DebugProtocol.DataBreakpointInfoResponse['body'];
  readonly setDataBreakpoints: DebugProtocol.SetDataBreakpointsResponse['body'];
  readonly breakpointLocations: DebugProtocol.BreakpointLocationsResponse['body'];
  readonly continue: DebugProtocol.ContinueResponse['body'];
  readonly next: undefined;
  readonly stepIn: undefined;
  readonly stepInTargets: DebugProtocol.StepInTargetsResponse['body'];
  readonly stepOut: undefined;
  readonly stepBack: undefined;
  readonly reverseContinue: undefined;
  readonly pause: undefined;
  readonly threads: DebugProtocol.ThreadsResponse['body'];
  readonly stackTrace: DebugProtocol.StackTraceResponse['body'];
  readonly scopes: DebugProtocol.ScopesResponse['body'];
  readonly variables: DebugProtocol.VariablesResponse['body'];
  readonly setVariable: DebugProtocol.SetVariableResponse['body'];
  readonly gotoTargets: DebugProtocol.GotoTargetsResponse['body'];
  readonly goto: undefined;
  readonly restartFrame: undefined;
  readonly cancel: undefined;
  readonly setExpression: DebugProtocol.SetExpressionResponse['body'];
  readonly completions: DebugProtocol.CompletionsResponse['body'];
  readonly evaluate: DebugProtocol.EvaluateResponse['body'];
  readonly exceptionInfo: DebugProtocol.ExceptionInfoResponse['body'];
  readonly source: DebugProtocol.SourceResponse['body'];
  readonly loadedSources: DebugProtocol.LoadedSourcesResponse['body'];
  readonly readMemory: NonNullable<DebugProtocol.ReadMemoryResponse['body']>;
  readonly writeMemory: NonNullable<DebugProtocol.WriteMemoryResponse['body']>;
  readonly 'xenscope/machine': CustomRequests['xenscope/machine'][1];
  readonly 'xenscope/table': CustomRequests['xenscope/table'][1];
  readonly 'xenscope/frames': CustomRequests['xenscope/frames'][1];
  readonly 'xenscope/p2m': CustomRequests['xenscope/p2m'][1];
  readonly 'xenscope/walk': CustomRequests['xenscope/walk'][1];
  readonly 'xenscope/resolve': CustomRequests['xenscope/resolve'][1];
  readonly 'xenscope/hypercalls': CustomRequests['xenscope/hypercalls'][1];
  readonly 'xenscope/stepBack': CustomRequests['xenscope/stepBack'][1];
  readonly 'xenscope/seek': CustomRequests['xenscope/seek'][1];
  readonly 'xenscope/history': CustomRequests['xenscope/history'][1];
}

export type RequestName = keyof ResponseBodies;

/** One kind of request: when it can be answered, and how. */
export interface RequestRow<Body> {
  readonly when: readonly LifeKind[];
  /** Why it cannot be answered at other times, where the general reason would mislead. */
  readonly otherwise?: string;
  readonly handle: (context: Context, args: RequestArguments) => Body | Promise<Body>;
}

export type RequestRows<K extends RequestName = RequestName> = {
  readonly [name in K]: RequestRow<ResponseBodies[name]>;
};

/** Kinds in which there is a guest to look at that does not move. */
export const STANDING = ['configuring', 'stopped', 'ended'] as const satisfies readonly LifeKind[];
/** Kinds in which there is a guest. */
export const LAUNCHED = ['configuring', 'running', 'stopped', 'ended'] as const satisfies readonly LifeKind[];

/** The guest of a session that has one; rows' `when` makes sure of it. */
export function debuggeeOf(context: Context): Debuggee {
  if (!('debuggee' in context.life))
    throw new Error('debuggeeOf: a request row admits a session without a guest');
  return context.life.debuggee;
}
