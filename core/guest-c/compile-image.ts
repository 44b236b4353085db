/** The image's parts: where each lies, the addresses of static objects, and the bytes that start of day loads. */

import type { GuestImage } from '../hypervisor/types.ts';
import { type VirtualAddress, PAGE_SIZE, virtualAddress } from '../units.ts';
import type { Linkage } from './linkage.ts';
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
  readonly stackTop: bigint;
  /** The end of the image, a multiple of the page size. */
  readonly end: bigint;
}

type DataName = 'read-only data' | 'data' | 'zeroed data';
type PartName = DataName | 'kernel stack' | 'text';
/** Parts with start values. The text is executed from elsewhere (program.ts). */
const HAS_BYTES: ReadonlySet<string> = new Set<PartName>(['read-only data', 'data']);
/** Where the library maps the shared info page. A script that maps it itself gets a page for it. */
const SHARED_INFO_PAGE = '__xenscope_shared_info_page';
const STACK_LOWEST: readonly PartName[] = ['kernel stack', 'text', 'read-only data', 'data', 'zeroed data'];
const TEXT_LOWEST: readonly PartName[] = ['text', 'read-only data', 'kernel stack', 'data', 'zeroed data'];

interface Layout {
  /** Null: the ABI's. */
  readonly virtBase: VirtualAddress | null;
  /** The parts, ascending. */
  readonly order: readonly PartName[];
  /** Where the first instruction lies, from the virtual base. */
  readonly textOffset: number;
}

const ZERO = virtualAddress(0n);
export const LAYOUTS: Readonly<Record<Linkage, Layout>> = {
  default: { virtBase: null, order: STACK_LOWEST, textOffset: STACK_BYTES },
  minios: { virtBase: ZERO, order: TEXT_LOWEST, textOffset: PAGE_SIZE },
  xtf: { virtBase: ZERO, order: TEXT_LOWEST, textOffset: 1024 * 1024 },
};

const dataNameOf = (symbol: VariableSymbol): DataName =>
  symbol.initialiser === null ? 'zeroed data' : symbol.readOnly ? 'read-only data' : 'data';

/** Gives every part of the image and every static object its address. */
export function placeParts(
  unit: TranslationUnit,
  virtBase: bigint,
  layout: Layout,
  textBytes: number,
): PlacedStatics {
  const addresses = new Map<VariableSymbol, bigint>();
  const parts: Part[] = [];
  const provided = new Map<string, bigint>();
  const wanted = providedSymbols(unit);
  const hasSharedInfoPage = unit.statics.some(({ name }) => name === SHARED_INFO_PAGE);
  const wantsSharedInfoPage = !hasSharedInfoPage && wanted.some(({ name }) => name === 'shared_info');
  let stackTop = virtBase;
  let at = 0;
  for (const name of layout.order) {
    // Each but the zeros begins on a page of its own, so that a guest may map them with different rights.
    if (name !== 'zeroed data') at = roundUp(at, PAGE_SIZE);
    const from = at;
    if (name === 'text') at = layout.textOffset + textBytes;
    if (name === 'kernel stack') {
      provided.set('stack', virtBase + BigInt(at));
      at += STACK_BYTES;
      stackTop = virtBase + BigInt(at);
    }
    for (const symbol of unit.statics) {
      if (symbol.storage !== 'static' || dataNameOf(symbol) !== name) continue;
      at = roundUp(at, Math.max(symbol.align, 1));
      addresses.set(symbol, virtBase + BigInt(at));
      if (symbol.name === SHARED_INFO_PAGE) provided.set('shared_info', virtBase + BigInt(at));
      at += symbol.initialiser?.bytes ?? sizeOf(symbol.type, unit.model) ?? 0;
    }
    if (name === 'zeroed data' && wantsSharedInfoPage) {
      at = roundUp(at, PAGE_SIZE);
      provided.set('shared_info', virtBase + BigInt(at));
      at += PAGE_SIZE;
    }
    parts.push({ name, from: virtBase + BigInt(from), to: virtBase + BigInt(at) });
    if (name === 'text') {
      provided.set('_text', virtBase + BigInt(from));
      provided.set('_etext', virtBase + BigInt(at));
    }
    if (name === 'read-only data') provided.set('_erodata', virtBase + BigInt(at));
    if (name === 'data') provided.set('_edata', virtBase + BigInt(at));
  }
  provided.set('_end', virtBase + BigInt(at));
  for (const symbol of wanted) {
    const address = provided.get(symbol.name);
    if (address !== undefined) addresses.set(symbol, address);
  }
  return { addresses, parts, stackTop, end: virtBase + BigInt(roundUp(at, PAGE_SIZE)) };
}

/** Objects of the script that the compiler places: at file scope, or declared inside functions. */
function providedSymbols(unit: TranslationUnit): VariableSymbol[] {
  const found = unit.statics.filter((symbol) => symbol.storage === 'provided');
  for (const symbol of unit.scope.symbols.values()) {
    if (symbol.kind === 'variable' && symbol.storage === 'provided') found.push(symbol);
  }
  return found;
}

/** The image: zeros but for the objects with start values. `entry` is the offset of the first instruction. */
export function buildImage(
  unit: TranslationUnit,
  virtBase: VirtualAddress,
  placed: PlacedStatics,
  entry: number,
  addressOf: (symbol: VariableSymbol | FunctionSymbol) => bigint,
): GuestImage {
  const segments: { offset: number; bytes: Uint8Array; name: string }[] = [];
  for (const part of placed.parts) {
    if (!HAS_BYTES.has(part.name) || part.from === part.to) continue;
    const bytes = new Uint8Array(Number(part.to - part.from));
    for (const symbol of unit.statics) {
      const address = placed.addresses.get(symbol);
      if (address === undefined || symbol.initialiser === null) continue;
      if (address < part.from || address >= part.to) continue;
      write(bytes, Number(address - part.from), symbol.initialiser, addressOf);
    }
    segments.push({ offset: Number(part.from - virtBase), bytes, name: part.name });
  }
  return { size: Number(placed.end - virtBase), segments, entry, virtBase };
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
