/**
 * What static objects hold before the start: an initialiser's entries become bytes and addresses.
 */
import type { Checker } from './checker.ts';
import type { CType } from './types.ts';
import type {
  Initialiser,
  InitialiserEntry,
  StaticEntry,
  StaticInitialiser,
  VariableSymbol,
} from './tree.ts';
import { staticValue } from './checker-constants.ts';

/** Zero bytes between data that are worth a new entry. */
const GAP = 16;

/** The static form of an initialiser, null when all is zero. Says which value is not known before the start. */
export function staticInitialiser(
  checker: Checker,
  type: CType,
  initialiser: Initialiser,
): StaticInitialiser | null {
  const size = checker.sizeOf(type) ?? 0;
  const ends = initialiser.entries.map((entry) => entry.offset + (checker.sizeOf(entry.type) ?? 0));
  const image = new StaticImage(
    checker,
    ends.reduce((most, end) => Math.max(most, end), size),
    size,
  );
  for (const entry of initialiser.entries) image.store(entry);
  return image.result();
}

class StaticImage {
  private readonly checker: Checker;
  private readonly bytes: Uint8Array;
  private readonly typeBytes: number;
  private readonly addresses: Map<number, StaticEntry & { kind: 'address' }>;

  constructor(checker: Checker, bytes: number, typeBytes: number) {
    this.checker = checker;
    this.bytes = new Uint8Array(bytes);
    this.typeBytes = typeBytes;
    this.addresses = new Map();
  }

  store(entry: InitialiserEntry): void {
    const { value, offset, type } = entry;
    const size = this.checker.sizeOf(type) ?? 0;
    for (const at of this.addresses.keys()) if (at >= offset && at < offset + size) this.addresses.delete(at);
    if (value.kind === 'load' && value.from.kind === 'variable' && value.from.symbol.name === '') {
      this.copy(value.from.symbol, offset, size);
      return;
    }
    const known = staticValue(this.checker, value);
    if (known === null || (known.symbol !== null && entry.bitField !== undefined)) {
      const text =
        'A static object must start with a constant: a number, or the address of a static object or function.';
      this.checker.error('not-constant', value.range, text);
    } else if (known.symbol !== null) {
      const bytes = this.checker.model.wordBytes;
      this.addresses.set(offset, {
        kind: 'address',
        offset,
        bytes,
        symbol: known.symbol,
        addend: known.addend,
      });
    } else if (entry.bitField !== undefined) {
      const { shift, width, unitBytes } = entry.bitField;
      const mask = ((1n << BigInt(width)) - 1n) << BigInt(shift);
      const unit = this.read(offset, unitBytes);
      this.write(offset, unitBytes, (unit & ~mask) | ((known.addend << BigInt(shift)) & mask));
    } else this.write(offset, size, known.addend);
  }

  /** A string or compound literal's own data. */
  private copy(symbol: VariableSymbol, offset: number, size: number): void {
    const image = this.bytes.subarray(offset, offset + size);
    image.fill(0);
    for (const entry of symbol.initialiser?.entries ?? []) {
      if (entry.kind === 'bytes')
        image.set(entry.data.subarray(0, image.length - entry.offset), entry.offset);
      else if (entry.kind === 'integer') this.write(offset + entry.offset, entry.bytes, entry.value);
      else this.addresses.set(offset + entry.offset, { ...entry, offset: offset + entry.offset });
    }
    const place = this.checker.statics.lastIndexOf(symbol);
    if (place >= 0 && symbol.readOnly && !this.checker.usedVariables.has(symbol))
      this.checker.statics.splice(place, 1);
  }

  private read(offset: number, bytes: number): bigint {
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[offset + i] ?? 0);
    return value;
  }

  private write(offset: number, bytes: number, value: bigint): void {
    for (let i = 0; i < bytes; i++) this.bytes[offset + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  }

  result(): StaticInitialiser | null {
    const entries: StaticEntry[] = [...this.addresses.values()];
    const { bytes } = this;
    for (let at = 0; at < bytes.length;) {
      if (bytes[at] === 0) at++;
      else {
        const end = this.endOfRun(at);
        entries.push({ kind: 'bytes', offset: at, data: bytes.slice(at, end) });
        at = end;
      }
    }
    if (entries.length === 0 && bytes.length === this.typeBytes) return null;
    return { bytes: bytes.length, entries: entries.sort((a, b) => a.offset - b.offset) };
  }

  /** Behind the last byte of a run: there an address lies, or GAP zeros follow. */
  private endOfRun(start: number): number {
    let end = start + 1;
    for (let at = start + 1; at < this.bytes.length && at - end < GAP; at++) {
      if (this.addresses.has(at)) break;
      if (this.bytes[at] !== 0) end = at + 1;
    }
    return end;
  }
}
