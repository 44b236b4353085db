/**
 * `dataId`s: what a data breakpoint watches, as the text that the client keeps and sends back.
 *
 *   va:0x8000@1,4,signed             bytes: a memory reference, how many, how their value is told
 *   va:0x7ff8@1,8,hex,add@640        bytes of a local of `add`, whose window is 640
 *   mfn:0x1a3+0x18,8,entry
 *   frame:0x1a3,typeCount            a fact of the frame table
 *   local:1,add,sum,640,7,4,signed   a local without an address: vCPU, function, name, window, register, bytes
 */

import {
  FRAME_FACTS,
  type FrameFact,
  MAX_WATCHED_BYTES,
  type ShownAs,
  type WatchedPlace,
  isFrameFact,
} from '../../core/timeline/watch-places.ts';
import { formatHex } from '../../core/units.ts';
import { parseNumeral } from './arguments.ts';
import { formatMemoryReference, parseMemoryReference } from './memory-reference.ts';

const SHOWN: readonly ShownAs[] = ['signed', 'unsigned', 'hex', 'entry'];

export function formatDataId(place: WatchedPlace): string {
  switch (place.kind) {
    case 'frame':
      return `frame:${formatHex(place.mfn)},${place.fact}`;
    case 'local': {
      const { vcpu, functionName, name, base, slot, bytes, shown } = place;
      return `local:${[vcpu, functionName, name, base, slot, bytes, shown].join(',')}`;
    }
    case 'bytes': {
      const { space, address, vcpu, bytes, shown, owner } = place;
      const thread = space === 'mfn' ? '' : `@${vcpu + 1}`;
      const parts = [`${formatMemoryReference(space, address)}${thread}`, bytes, shown];
      return [...parts, ...(owner === undefined ? [] : [`${owner.functionName}@${owner.base}`])].join(',');
    }
  }
}

/** The place that a dataId names; null for a text that is none. */
export function parseDataId(text: string): WatchedPlace | null {
  const [head = '', ...rest] = text.split(',');
  if (head.startsWith('frame:')) return parseFact(head.slice('frame:'.length), rest[0] ?? '');
  if (head.startsWith('local:')) return parseLocal([head.slice('local:'.length), ...rest]);
  return parseBytes(head, rest);
}

export function parseFact(frame: string, fact: string): WatchedPlace | null {
  const mfn = parseNumeral(frame);
  if (mfn === null || mfn >= 1n << 40n || !isFrameFact(fact)) return null;
  return { kind: 'frame', mfn: Number(mfn), fact };
}

function parseBytes(
  reference: string,
  [size = '', shownText = '', ownerText]: readonly string[],
): WatchedPlace | null {
  const where = parseMemoryReference(reference);
  const bytes = Number(size);
  const shown = SHOWN.find((word) => word === shownText);
  if (
    where === null ||
    shown === undefined ||
    !Number.isInteger(bytes) ||
    bytes < 1 ||
    bytes > MAX_WATCHED_BYTES
  )
    return null;
  const vcpu = (where.thread ?? 1) - 1;
  const place = { kind: 'bytes', space: where.space, vcpu, address: where.address, bytes, shown } as const;
  if (ownerText === undefined) return place;
  const [, functionName = '', base = ''] = /^(\w+)@(\d{1,9})$/.exec(ownerText) ?? [];
  return base === '' ? null : { ...place, owner: { vcpu, functionName, base: Number(base) } };
}

function parseLocal(parts: readonly string[]): WatchedPlace | null {
  const [
    vcpuText = '',
    functionName = '',
    name = '',
    baseText = '',
    slotText = '',
    size = '',
    shownText = '',
  ] = parts;
  const [vcpu, base, slot, bytes] = [vcpuText, baseText, slotText, size].map(Number);
  const shown = SHOWN.find((word) => word === shownText);
  const isSound = [vcpu, base, slot, bytes].every((n) => n !== undefined && Number.isInteger(n) && n >= 0);
  if (!isSound || shown === undefined || vcpu === undefined || base === undefined) return null;
  if (slot === undefined || bytes === undefined || bytes < 1 || bytes > 8) return null;
  return { kind: 'local', vcpu, functionName, name, base, slot, bytes, shown };
}

/** The words for facts of a frame, as `watch frame` and the variables of a frame write them. */
export function factNamed(words: string): FrameFact | null {
  const wanted = words.trim().toLowerCase();
  const found = Object.entries(FRAME_FACTS).find(
    ([word, { label }]) => word.toLowerCase() === wanted.replaceAll(/\s/g, '') || label === wanted,
  );
  return found !== undefined && isFrameFact(found[0]) ? found[0] : null;
}
