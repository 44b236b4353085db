/** The custom requests of protocol.ts: what the views beside the editor show. */

import { DOMID, type DomainId, domainId, formatHex, mfn, pfn, virtualAddress } from '../../core/units.ts';
import type { MachineSource } from '../../core/source/machine-source.ts';
import { type RequestArguments, RequestError, parseNumeral } from './arguments.ts';
import { type Context, LAUNCHED, type RequestRows, STANDING, debuggeeOf } from './context.ts';
import { frameFor } from './frame-table.ts';
import { formatMemoryReference, parseMemoryReference } from './memory-reference.ts';

type Names =
  | 'xenscope/machine'
  | 'xenscope/table'
  | 'xenscope/frames'
  | 'xenscope/p2m'
  | 'xenscope/walk'
  | 'xenscope/resolve'
  | 'xenscope/hypercalls';

/** The most rows that one answer holds (`MaxRows` of protocol.ts). */
export const MAX_ROWS = 1024;
const FRAME_TYPES = ['none', 'l1', 'l2', 'l3', 'l4', 'seg_desc', 'shared', 'writable'] as const;
const P2M_STATES = ['ok', 'invalid', 'm2p-disagrees', 'foreign'] as const;
const MAX_FRAME = 2 ** 40;

export const VIEWS: RequestRows<Names> = {
  'xenscope/machine': {
    when: STANDING,
    handle: (context) => sourceFor(context).summary(),
  },

  'xenscope/table': {
    when: STANDING,
    handle(context, args) {
      const frame = args.optionalInteger('mfn', 0, MAX_FRAME);
      const level = args.optionalInteger('level', 1, 4);
      return sourceFor(context).table({
        domain: domainFor(context, args),
        mfn: frame === undefined ? null : mfn(frame),
        level: level === 1 || level === 2 || level === 3 || level === 4 ? level : null,
        base: virtualAddress(args.optionalNumeral('base') ?? 0n),
        ...rows(args),
        presentOnly: args.flag('presentOnly'),
      });
    },
  },

  'xenscope/frames': {
    when: STANDING,
    handle(context, args) {
      const filter = args.optionalObject('filter');
      const owner =
        filter?.all['owner'] === 'free' ? 'free' : filter?.optionalInteger('owner', 0, DOMID.IDLE);
      const type = filter?.optionalWord('type', FRAME_TYPES);
      return sourceFor(context).frames({
        ...rows(args),
        filter: {
          ...(owner === undefined ? {} : { owner: owner === 'free' ? owner : domainId(owner) }),
          ...(type === undefined ? {} : { type }),
          changedOnly: filter?.flag('changed') ?? false,
          pinnedOnly: filter?.flag('pinned') ?? false,
        },
      });
    },
  },

  'xenscope/p2m': {
    when: STANDING,
    handle(context, args) {
      const filter = args.optionalObject('filter');
      const state = filter?.optionalWord('state', P2M_STATES);
      const { from, count } = rows(args);
      return sourceFor(context).p2m({
        domain: domainFor(context, args),
        from: pfn(from),
        count,
        filter: { ...(state === undefined ? {} : { state }), changedOnly: filter?.flag('changed') ?? false },
      });
    },
  },

  'xenscope/walk': {
    when: STANDING,
    handle(context, args) {
      const va = parseNumeral(args.text('va').replace(/^va:/, ''));
      if (va === null || va >= 1n << 64n) {
        throw new RequestError('The argument `va` must be an address such as "0x400000".');
      }
      return sourceFor(context).walk({ domain: domainFor(context, args), va: virtualAddress(va) });
    },
  },

  'xenscope/resolve': {
    when: STANDING,
    handle(context, args) {
      const text = args.text('text').trim();
      const reference = parseMemoryReference(text);
      if (reference !== null) {
        const memoryReference = formatMemoryReference(reference.space, reference.address);
        return { memoryReference, label: memoryReference };
      }
      return resolveExpression(context, args, text);
    },
  },

  'xenscope/hypercalls': {
    when: LAUNCHED,
    handle(context, args) {
      const { hypercallLog } = debuggeeOf(context).session;
      const { from, count } = rows(args);
      return {
        total: hypercallLog.length,
        rows: hypercallLog.slice(from, from + count).map((record) => ({
          seq: record.seq,
          domain: record.domain,
          vcpu: record.vcpu,
          name: record.name,
          summary: summarise(record.args),
          rc: String(record.rc),
          refused: record.refusal !== null,
          rule: record.refusal?.rule ?? null,
          file: record.file,
          line: record.line,
        })),
      };
    },
  },
};

const sourceFor = (context: Context): MachineSource => debuggeeOf(context).source;

/** Where the rows begin and how many are wanted, bounded. */
const rows = (args: RequestArguments): { readonly from: number; readonly count: number } => ({
  from: args.integer('from', 0, MAX_FRAME),
  count: Math.min(args.integer('count', 0), MAX_ROWS),
});

/** The domain that the request names, or that of the vCPU that stands. */
function domainFor(context: Context, args: RequestArguments): DomainId {
  const debuggee = debuggeeOf(context);
  const named = args.optionalInteger('domain', 0, DOMID.IDLE);
  return named === undefined ? debuggee.domainOf(debuggee.focus()) : domainId(named);
}

/** A symbol or C expression: where the object is, what the pointer points to, or the number as an address. */
function resolveExpression(
  context: Context,
  args: RequestArguments,
  text: string,
): { readonly memoryReference: string; readonly label: string } | { readonly unknown: string } {
  const debuggee = debuggeeOf(context);
  const result = debuggee.session.evaluate(text, frameFor(debuggee, args), { sideEffects: 'none' });
  if (result.kind === 'problem') return { unknown: result.message };
  const { memoryReference, text: shown } = result.value;
  if (memoryReference !== null) return { memoryReference, label: `${text} = ${shown}` };
  const number = parseNumeral(shown);
  if (number === null) return { unknown: `${text} has no address.` };
  return { memoryReference: `va:${formatHex(number)}`, label: `${text} = ${shown}` };
}

/** Arguments on one line, the first of a list only. */
function summarise(args: Readonly<Record<string, unknown>>): string {
  return Object.entries(args)
    .map(([name, value]) =>
      typeof value === 'object' ? `${name}: ${JSON.stringify(value)}` : `${name}: ${value}`,
    )
    .join(', ')
    .slice(0, 200);
}
