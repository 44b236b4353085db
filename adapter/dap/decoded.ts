/** Values that mean more than a number: page-table entries and machine frames, opened as their parts. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { describeFlags, pteFrame, pteHi, pteLo } from '../../core/pte.ts';
import type { FrameRow } from '../../core/source/machine-source.ts';
import type { Value } from '../../core/timeline/types.ts';
import { formatHex, pte } from '../../core/units.ts';
import { parseNumeral } from './arguments.ts';
import type { Debuggee } from './debuggee.ts';

export type DecodedNode =
  { readonly kind: 'entry'; readonly entry: bigint } | { readonly kind: 'frame'; readonly mfn: number };

/** Types of the library whose values are decoded. */
const DECODED_TYPES: Readonly<Record<string, DecodedNode['kind']>> = {
  pteval_t: 'entry',
  pgentry_t: 'entry',
  mfn_t: 'frame',
};

/** What a value can be opened as; null for values that are only numbers. */
export function decodedNode(value: Value): DecodedNode | null {
  const kind = DECODED_TYPES[value.type.replaceAll(/\b(const|volatile)\b/g, '').trim()];
  const number = parseNumeral(value.text.split(' ')[0] ?? '');
  if (kind === undefined || number === null) return null;
  return kind === 'entry' ? { kind, entry: number } : frameNode(number);
}

/** The parts of a decoded value. */
export async function decodedChildren(
  debuggee: Debuggee,
  node: DecodedNode,
): Promise<DebugProtocol.Variable[]> {
  if (node.kind === 'entry') return entryParts(debuggee, node.entry);
  const { rows } = await debuggee.source.frames({
    from: node.mfn,
    count: 1,
    filter: { changedOnly: false, pinnedOnly: false },
  });
  const [row] = rows;
  return row === undefined ? [part('frame', 'beyond the memory of this machine')] : frameParts(row);
}

function entryParts(debuggee: Debuggee, entry: bigint): DebugProtocol.Variable[] {
  const word = pte(entry);
  const frame = pteFrame(word);
  return [
    part('flags', describeFlags(pteLo(word), pteHi(word), 1)),
    {
      ...part('mfn', formatHex(frame)),
      variablesReference: debuggee.variables.add({ kind: 'frame', mfn: frame }),
      memoryReference: `mfn:${formatHex(frame)}`,
    },
  ];
}

function frameParts(row: FrameRow): DebugProtocol.Variable[] {
  const states = (['allocated', 'validated', 'pinned'] as const).filter((state) => row[state]);
  return [
    part('owner', row.ownerName),
    part('type', row.type),
    part('type count', `${row.typeCount}`),
    part('reference count', `${row.refCount}`),
    part('state', states.length === 0 ? '-' : states.join(', ')),
    part('M2P', row.m2p === null ? 'invalid' : `pfn ${formatHex(row.m2p)}`),
    ...(row.role === undefined ? [] : [part('role', row.role)]),
  ];
}

function frameNode(number: bigint): DecodedNode | null {
  return number <= BigInt(Number.MAX_SAFE_INTEGER) ? { kind: 'frame', mfn: Number(number) } : null;
}

const part = (name: string, value: string): DebugProtocol.Variable => ({
  name,
  value,
  variablesReference: 0,
  presentationHint: { kind: 'virtual', attributes: ['readOnly'] },
});
