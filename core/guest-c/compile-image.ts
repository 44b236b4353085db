/** Static objects: their addresses behind the text, and the bytes that start of day loads. */

import type { GuestImage } from '../hypervisor/types.ts';
import { PAGE_SIZE } from '../units.ts';
import { STACK_BYTES } from './program.ts';
import type { FunctionSymbol, StaticInitialiser, TranslationUnit, VariableSymbol } from './tree.ts';
import { sizeOf } from './types.ts';

/** A stretch of the image. */
interface Part {
  readonly name: string;
  readonly from: bigint;
  readonly to: bigint;
}

export interface PlacedStatics {
  readonly addresses: Map<VariableSymbol, bigint>;
  readonly parts: readonly Part[];
  /** The end of the image, a multiple of the page size. */
  readonly end: bigint;
}

type PartName = 'read-only data' | 'data' | 'zeroed data';
const PARTS: readonly PartName[] = ['read-only data', 'data', 'zeroed data'];

const partOf = (symbol: VariableSymbol): PartName =>
  symbol.initialiser === null ? 'zeroed data' : symbol.readOnly ? 'read-only data' : 'data';

/** Gives every static object its address; `start` is the offset of the first from the virtual base. */
export function placeStatics(unit: TranslationUnit, virtBase: bigint, start: number): PlacedStatics {
  const addresses = new Map<VariableSymbol, bigint>();
  const parts: Part[] = [];
  const provided = new Map<string, bigint>([
    ['_text', virtBase + BigInt(STACK_BYTES)],
    ['_etext', virtBase + BigInt(start)],
  ]);
  let at = start;
  for (const name of PARTS) {
    // Read-only data and data begin on pages of their own, so that a guest may map them with different rights.
    if (name !== 'zeroed data') at = roundUp(at, PAGE_SIZE);
    const from = at;
    for (const symbol of unit.statics) {
      if (symbol.storage !== 'static' || partOf(symbol) !== name) continue;
      at = roundUp(at, Math.max(symbol.align, 1));
      addresses.set(symbol, virtBase + BigInt(at));
      at += sizeOf(symbol.type, unit.model) ?? 0;
    }
    parts.push({ name, from: virtBase + BigInt(from), to: virtBase + BigInt(at) });
    if (name === 'read-only data') provided.set('_erodata', virtBase + BigInt(at));
    if (name === 'data') provided.set('_edata', virtBase + BigInt(at));
  }
  provided.set('_end', virtBase + BigInt(at));
  for (const symbol of providedSymbols(unit)) {
    const address = provided.get(symbol.name);
    if (address !== undefined) addresses.set(symbol, address);
  }
  return { addresses, parts, end: virtBase + BigInt(roundUp(at, PAGE_SIZE)) };
}

/** Objects of the script that the compiler places: at file scope, or declared inside functions. */
function providedSymbols(unit: TranslationUnit): VariableSymbol[] {
  const found = unit.statics.filter((symbol) => symbol.storage === 'provided');
  for (const symbol of unit.scope.symbols.values()) {
    if (symbol.kind === 'variable' && symbol.storage === 'provided') found.push(symbol);
  }
  return found;
}

/** The image: zeros but for the objects with start values. */
export function buildImage(
  unit: TranslationUnit,
  virtBase: bigint,
  placed: PlacedStatics,
  addressOf: (symbol: VariableSymbol | FunctionSymbol) => bigint,
): GuestImage {
  const segments: { offset: number; bytes: Uint8Array; name: string }[] = [];
  for (const part of placed.parts) {
    if (part.name === 'zeroed data' || part.from === part.to) continue;
    const bytes = new Uint8Array(Number(part.to - part.from));
    for (const symbol of unit.statics) {
      const address = placed.addresses.get(symbol);
      if (address === undefined || symbol.initialiser === null) continue;
      if (address < part.from || address >= part.to) continue;
      write(bytes, Number(address - part.from), symbol.initialiser, addressOf);
    }
    segments.push({ offset: Number(part.from - virtBase), bytes, name: part.name });
  }
  return { size: Number(placed.end - virtBase), segments, entry: STACK_BYTES };
}

function write(
  into: Uint8Array,
  at: number,
  initialiser: StaticInitialiser,
  addressOf: (symbol: VariableSymbol | FunctionSymbol) => bigint,
): void {
  for (const entry of initialiser.entries) {
    switch (entry.kind) {
      case 'bytes':
        into.set(entry.data, at + entry.offset);
        break;
      case 'integer':
        writeInteger(into, at + entry.offset, entry.bytes, entry.value);
        break;
      case 'address':
        writeInteger(into, at + entry.offset, entry.bytes, addressOf(entry.symbol) + entry.addend);
    }
  }
}

function writeInteger(into: Uint8Array, at: number, bytes: number, value: bigint): void {
  for (let i = 0; i < bytes; i++) into[at + i] = Number((value >> BigInt(i * 8)) & 0xffn);
}

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;
