/** setBreakpoints, setFunctionBreakpoints, breakpointLocations. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { SourcePlace } from '../../core/timeline/types.ts';
import { type RequestArguments, RequestError } from './arguments.ts';
import type { SetBreakpoint, WantedBreakpoint } from './breakpoint-table.ts';
import { fromClientLine, toClientColumn, toClientLine } from './client-traits.ts';
import { type Context, LAUNCHED, type RequestRows, debuggeeOf } from './context.ts';
import { coreFile, sourceOf } from './sources.ts';
import { isListing, listingOf, listingSource } from './xen.ts';

type Names = 'setBreakpoints' | 'setFunctionBreakpoints' | 'breakpointLocations';

/** No source has more lines. */
const MAX_LINE = 10_000_000;

export const BREAKPOINTS: RequestRows<Names> = {
  setBreakpoints: {
    when: LAUNCHED,
    handle(context, args) {
      const { traits } = context;
      const file = fileOf(context, args.object('source'));
      const wanted = readEach(args, (breakpoint): Target => {
        const column = breakpoint.optionalInteger('column');
        const line = fromClientLine(traits, breakpoint.integer('line', 0, MAX_LINE));
        const at = column === undefined ? {} : { column: traits.columnsStartAt1 ? column : column + 1 };
        return { kind: 'line', file, line, ...at };
      });
      const set = debuggeeOf(context).breakpoints.setInFile(file, wanted);
      return { breakpoints: set.map((breakpoint) => describeBreakpoint(context, breakpoint)) };
    },
  },

  setFunctionBreakpoints: {
    when: LAUNCHED,
    handle(context, args) {
      const wanted = readEach(args, (breakpoint) => ({ kind: 'name', name: breakpoint.text('name').trim() }));
      const set = debuggeeOf(context).breakpoints.setOnNames(wanted);
      return { breakpoints: set.map((breakpoint) => describeBreakpoint(context, breakpoint)) };
    },
  },

  breakpointLocations: {
    when: LAUNCHED,
    handle(context, args) {
      const { traits } = context;
      const file = fileOf(context, args.object('source'));
      const line = fromClientLine(traits, args.integer('line', 0, MAX_LINE));
      const endLine = args.optionalInteger('endLine', 0, MAX_LINE);
      const last = endLine === undefined ? line : fromClientLine(traits, endLine);
      const places = debuggeeOf(context).session.places(file, line, last);
      return { breakpoints: places.map((place) => range(context, place)) };
    },
  },
};

/** The core's name of the file or listing that a source names. */
const fileOf = (context: Context, source: RequestArguments): string =>
  listingOf(debuggeeOf(context).session.xen, source) ?? coreFile(context.traits, source.text('path'));

type Target = WantedBreakpoint['target'];

/** The breakpoints of a request, in order; one that is not to be understood says so in its own place. */
export function readEach(
  args: RequestArguments,
  target: (breakpoint: RequestArguments) => Target,
): WantedBreakpoint[] {
  return args.objects('breakpoints').map((breakpoint) => {
    try {
      return { target: target(breakpoint), ...refinements(breakpoint) };
    } catch (error) {
      if (error instanceof RequestError) return { target: { kind: 'refused', why: error.message } };
      throw error;
    }
  });
}

/** Condition, hit count and log message; VS Code sends empty strings for those not given. */
function refinements(breakpoint: RequestArguments): Omit<WantedBreakpoint, 'target'> {
  const given = (name: string) => {
    const text = breakpoint.optionalText(name)?.trim();
    return text === '' ? undefined : text;
  };
  return {
    condition: given('condition'),
    hitCondition: given('hitCondition'),
    logMessage: given('logMessage'),
  };
}

export function describeBreakpoint(context: Context, breakpoint: SetBreakpoint): DebugProtocol.Breakpoint {
  const { id, verified, message, place } = breakpoint;
  return {
    id,
    verified,
    ...(verified ? {} : { reason: 'failed' as const }),
    ...(message === undefined ? {} : { message }),
    ...(place === undefined ? {} : { source: sourceAt(context, place), ...range(context, place) }),
  };
}

const sourceAt = (context: Context, place: SourcePlace): DebugProtocol.Source =>
  isListing(place.file)
    ? listingSource(debuggeeOf(context).session.xen, place.file)
    : sourceOf(context.traits, place.file, place);

function range({ traits }: Context, place: SourcePlace): DebugProtocol.BreakpointLocation {
  return {
    line: toClientLine(traits, place.line),
    column: toClientColumn(traits, place.column),
    endLine: toClientLine(traits, place.endLine),
    endColumn: toClientColumn(traits, place.endColumn),
  };
}
