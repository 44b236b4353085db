/** dataBreakpointInfo, setDataBreakpoints: stops at accesses to objects, entries, frames. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { FRAME_FACTS, type WatchedPlace, placeLabel } from '../../core/timeline/watch-places.ts';
import type { DataAccess } from '../../core/timeline/watches.ts';
import { formatHex } from '../../core/units.ts';
import type { RequestArguments } from './arguments.ts';
import { describeBreakpoint, readEach } from './breakpoints.ts';
import { LAUNCHED, type RequestRows, STANDING, debuggeeOf } from './context.ts';
import { factNamed, formatDataId, parseDataId } from './data-id.ts';
import type { Debuggee } from './debuggee.ts';
import { frameFor } from './frame-table.ts';
import { parseMemoryReference } from './memory-reference.ts';
import { expressionOf } from './variables.ts';

/** Bytes that are watched at an address when nobody says how many: an entry, a word. */
const DEFAULT_BYTES = 8;

/** DAP's "write" is what people call a change; a frame's facts are not read by guests. */
const ACCESS_TYPES: readonly DebugProtocol.DataBreakpointAccessType[] = ['read', 'write', 'readWrite'];
const ACCESS_OF: { readonly [type in DebugProtocol.DataBreakpointAccessType]: DataAccess } = {
  read: 'read',
  write: 'change',
  readWrite: 'access',
};

export const DATA_BREAKPOINTS: RequestRows<'dataBreakpointInfo' | 'setDataBreakpoints'> = {
  dataBreakpointInfo: {
    when: STANDING,
    handle(context, args) {
      const found = placeFor(debuggeeOf(context), args);
      if ('problem' in found) return { dataId: null, description: found.problem };
      const { place, name } = found;
      const dataId = formatDataId(place);
      if (name !== null) debuggeeOf(context).breakpoints.dataNames.set(dataId, name);
      return {
        dataId,
        description: name ?? placeLabel(place),
        accessTypes: place.kind === 'bytes' ? [...ACCESS_TYPES] : ['write'],
        // Addresses of machine frames are the same in each run; those of objects move when the script is edited.
        canPersist: place.kind === 'frame' || (place.kind === 'bytes' && place.space !== 'va'),
      };
    },
  },

  setDataBreakpoints: {
    when: LAUNCHED,
    handle(context, args) {
      const wanted = readEach(args, (breakpoint) => {
        const id = breakpoint.text('dataId');
        const place = parseDataId(id);
        const access = ACCESS_OF[breakpoint.optionalWord('accessType', ACCESS_TYPES) ?? 'write'];
        if (place === null) return { kind: 'refused', why: `${id} names nothing that can be watched here.` };
        const name = debuggeeOf(context).breakpoints.dataNames.get(id);
        return { kind: 'data', place, access, ...(name === undefined ? {} : { name }) };
      });
      const set = debuggeeOf(context).breakpoints.setOnData(wanted);
      return { breakpoints: set.map((breakpoint) => describeBreakpoint(context, breakpoint)) };
    },
  },
};

/** What can be watched, and what to call it. */
type Found = { readonly place: WatchedPlace; readonly name: string | null } | { readonly problem: string };

function placeFor(debuggee: Debuggee, args: RequestArguments): Found {
  const name = args.text('name').trim();
  if (args.flag('asAddress')) return bytesAt(debuggee, name, args.optionalInteger('bytes', 1, 1 << 20));
  const reference = args.optionalInteger('variablesReference');
  if (reference !== undefined && reference > 0) {
    const node = debuggee.variables.node(reference);
    if (node.kind === 'frame') return factOf(node.mfn, name);
    const target = expressionOf(debuggee, node, name);
    if (target === null) return { problem: `${name} is shown for reading and cannot be watched.` };
    return objectAt(debuggee, target.expression, target.frame, name);
  }
  return objectAt(debuggee, name, frameFor(debuggee, args), name);
}

function objectAt(
  { session }: Debuggee,
  expression: string,
  frame: Parameters<Debuggee['session']['watchedPlace']>[1],
  name: string,
): Found {
  const place = session.watchedPlace(expression, frame);
  return 'problem' in place ? place : { place, name };
}

function factOf(mfn: number, name: string): Found {
  const fact = factNamed(name);
  if (fact !== null) return { place: { kind: 'frame', mfn, fact }, name: null };
  const known = Object.keys(FRAME_FACTS).join(', ');
  return { problem: `${name} of a frame cannot be watched; what can is ${known}.` };
}

/** Bytes at an address in one of the three spaces. */
export function bytesAt(debuggee: Debuggee, text: string, bytes: number | undefined): Found {
  const where = parseMemoryReference(text);
  if (where === null)
    return { problem: `${text} is no address: write 0x8000, va:0x8000, pfn:0x12+0x8 or mfn:0x1a3+0x18.` };
  const vcpu = where.thread === null ? debuggee.focus() : where.thread - 1;
  const size = bytes ?? DEFAULT_BYTES;
  const place = { kind: 'bytes', space: where.space, vcpu, address: where.address, bytes: size } as const;
  return { place: { ...place, shown: 'hex' }, name: `${size} bytes at ${formatHex(where.address)}` };
}
