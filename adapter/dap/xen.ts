/** Inside a hypercall: the listings of Xen's functions as sources, the scopes of its frames, and where to step into. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { LISTING_PREFIX, listingsOf } from '../../core/timeline/listing.ts';
import type { StepTarget } from '../../core/timeline/types.ts';
import type { XenRow } from '../../core/timeline/walk-view.ts';
import { formatHex } from '../../core/units.ts';
import type { RequestArguments } from './arguments.ts';
import { RequestError } from './arguments.ts';
import { type RequestRows, debuggeeOf } from './context.ts';
import type { Debuggee } from './debuggee.ts';
import type { DecodedNode } from './decoded.ts';
import type { XenFrameRow } from './frame-table.ts';

/** Numbers of listings as sources begin here; the client keeps them over a restart. */
const FIRST_REFERENCE = 1000;

type Xen = '4.17' | '3.0.4';

// ---- sources -----------------------------------------------------------------------------------------------------------

export const isListing = (file: string): boolean => file.startsWith(LISTING_PREFIX);

/** A listing as the client sees it. */
export function listingSource(xen: Xen, file: string): DebugProtocol.Source {
  const name = file.startsWith(LISTING_PREFIX) ? file.slice(LISTING_PREFIX.length) : file;
  const index = listingsOf(xen).all.findIndex((listing) => listing.file === name);
  return {
    name: `${name} (Xen ${xen})`,
    sourceReference: FIRST_REFERENCE + index,
    origin: 'what Xen does, made from the rules',
  };
}

export const listingSources = (xen: Xen): readonly DebugProtocol.Source[] =>
  listingsOf(xen).all.map(({ file }) => listingSource(xen, file));

/** The listing that a source names by its number: `xen:mm.c`; null when it names none. */
export function listingOf(xen: Xen, source: RequestArguments | undefined): string | null {
  const reference = source?.optionalInteger('sourceReference') ?? 0;
  if (reference < FIRST_REFERENCE) return null;
  const listing = listingsOf(xen).all[reference - FIRST_REFERENCE];
  if (listing === undefined) throw new RequestError(`There is no source ${reference}.`);
  return LISTING_PREFIX + listing.file;
}

export const listingText = (xen: Xen, file: string): string | undefined =>
  listingsOf(xen).text(file.slice(LISTING_PREFIX.length));

// ---- scopes ------------------------------------------------------------------------------------------------------------

/** Rows of a scope of Xen's, as a node that can be opened. */
export interface RowsNode {
  readonly kind: 'rows';
  readonly rows: () => readonly XenRow[];
}

export function xenScopes(debuggee: Debuggee, { vcpu, frame }: XenFrameRow): DebugProtocol.Scope[] {
  const scopes = debuggee.session.xenView(vcpu)?.scopes(frame.index) ?? [];
  return scopes.map(({ name, rows }) => ({
    name,
    ...(name === 'Operands' ? { presentationHint: 'arguments' } : {}),
    variablesReference: debuggee.variables.add({ kind: 'rows', rows }),
    expensive: false,
  }));
}

export const rowChildren = (debuggee: Debuggee, { rows }: RowsNode): DebugProtocol.Variable[] =>
  rows().map((row) => ({
    name: row.name,
    ...(row.children === undefined ? { evaluateName: row.name } : {}),
    ...describeRow(debuggee, row),
    presentationHint: { attributes: ['readOnly'] },
  }));

/** An operand that the client asks for by its name; null when the frame is none of Xen's, or has none of that name. */
export function xenOperand(
  debuggee: Debuggee,
  args: RequestArguments,
): {
  readonly result: string;
  readonly variablesReference: number;
  readonly memoryReference?: string;
} | null {
  const at = debuggee.frames.xenFrame(args.optionalInteger('frameId', Number.MIN_SAFE_INTEGER) ?? 0);
  if (at === undefined) return null;
  const row = debuggee.session.xenView(at.vcpu)?.named(at.frame.index, args.text('expression').trim());
  if (row === undefined) return null;
  const { value, ...rest } = describeRow(debuggee, row);
  return { result: value, ...rest };
}

function describeRow(
  debuggee: Debuggee,
  row: XenRow,
): { readonly value: string; readonly variablesReference: number; readonly memoryReference?: string } {
  const node = nodeOf(row);
  return {
    value: row.text,
    variablesReference: node === null ? 0 : debuggee.variables.add(node),
    ...(row.mfn === undefined ? {} : { memoryReference: `mfn:${formatHex(BigInt(row.mfn) << 12n)}` }),
  };
}

function nodeOf({ children, entry, mfn }: XenRow): RowsNode | DecodedNode | null {
  if (children !== undefined) return children.length === 0 ? null : { kind: 'rows', rows: () => children };
  if (entry !== undefined) return { kind: 'entry', entry };
  return mfn === undefined ? null : { kind: 'frame', mfn };
}

// ---- where to step into ------------------------------------------------------------------------------------------------

export const XEN: RequestRows<'stepInTargets'> = {
  stepInTargets: {
    when: ['stopped'],
    handle(context, args) {
      const debuggee = debuggeeOf(context);
      const id = args.integer('frameId', Number.MIN_SAFE_INTEGER);
      if (id < 0 || debuggee.frames.xenFrame(id) !== undefined) return { targets: [] };
      const targets = debuggee.frames.setStepTargets(debuggee.session.stepTargets(debuggee.frames.frame(id)));
      return { targets: targets.map(({ id: target, to }) => ({ id: target, label: labelOf(to) })) };
    },
  },
};

function labelOf(target: StepTarget): string {
  if (target.kind === 'function') return target.library ? `${target.name} (library)` : target.name;
  return `Xen: ${target.name}${target.through === null ? '' : ` (through ${target.through})`}`;
}
