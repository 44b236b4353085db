/** The records of startup/log.h as data. */

export const LOG_MAGIC = 0x676f_6c6e_6578_6373n;
export const LOG_PAGES = 64;
export const LOG_PAGE_BYTES = 4096;

/** Offsets in the control page. */
export const Control = {
  magic: 0,
  go: 8,
  written: 16,
  read: 24,
  startInfo: 32,
  root: 40,
  machineFrames: 48,
  frames: 56,
} as const;

const NOT_TOLD = 0xffff_ffffn;
const Kind = { call: 1, return: 2, fault: 3, end: 4 } as const;

/** Guest memory as it stood. */
export interface Blob {
  readonly address: bigint;
  readonly bytes: Uint8Array;
}

export type LogRecord =
  | {
      readonly kind: 'call';
      readonly nr: number;
      readonly args: readonly bigint[];
      /** Where the calls that led here go on, innermost first. */
      readonly trace: readonly bigint[];
      readonly memory: readonly Blob[];
    }
  | {
      readonly kind: 'return';
      readonly rc: bigint;
      /** Requests carried out, where Xen was asked to say. */
      readonly done: number | null;
      readonly memory: readonly Blob[];
    }
  | {
      readonly kind: 'fault';
      readonly vector: number;
      readonly errorCode: number;
      readonly cr2: bigint;
      readonly rip: bigint;
      readonly rsp: bigint;
      readonly handler: bigint;
      readonly trace: readonly bigint[];
    }
  | { readonly kind: 'end'; readonly status: number };

/** Collects the bytes of the ring and gives the records that are complete. */
export class LogReader {
  private pending = new Uint8Array(0);

  /** Adds bytes; returns the records that they complete. */
  add(bytes: Uint8Array): LogRecord[] {
    const all = new Uint8Array(this.pending.length + bytes.length);
    all.set(this.pending);
    all.set(bytes, this.pending.length);
    const view = new DataView(all.buffer);
    const records: LogRecord[] = [];
    let at = 0;
    while (at + 8 <= all.length) {
      const length = view.getUint32(at, true);
      if (length < 8 || at + length > all.length) break;
      records.push(readRecord(new Words(all.subarray(at, at + length))));
      at += length;
    }
    this.pending = all.slice(at);
    return records;
  }
}

function readRecord(words: Words): LogRecord {
  const kind = Number(words.next() >> 32n);
  switch (kind) {
    case Kind.call: {
      const nr = Number(words.next());
      const args = Array.from({ length: 6 }, () => words.next());
      return { kind: 'call', nr, args, trace: readList(words), memory: readBlobs(words) };
    }
    case Kind.return: {
      const rc = BigInt.asIntN(64, words.next());
      const done = words.next();
      return {
        kind: 'return',
        rc,
        done: done === NOT_TOLD ? null : Number(done),
        memory: readBlobs(words),
      };
    }
    case Kind.fault: {
      const [vector, errorCode] = [Number(words.next()), Number(words.next())];
      const [cr2, rip, rsp, handler] = [words.next(), words.next(), words.next(), words.next()];
      return { kind: 'fault', vector, errorCode, cr2, rip, rsp, handler, trace: readList(words) };
    }
    case Kind.end:
      return { kind: 'end', status: Number(BigInt.asIntN(32, words.next())) };
    default:
      throw new Error(`verify.log: ${kind} is no kind of record`);
  }
}

function readList(words: Words): bigint[] {
  const count = Number(words.next());
  return Array.from({ length: count }, () => words.next());
}

function readBlobs(words: Words): Blob[] {
  const blobs: Blob[] = [];
  while (!words.atEnd) {
    const address = words.next();
    blobs.push({ address, bytes: words.bytes(Number(words.next())) });
  }
  return blobs;
}

/** The words of one record. */
class Words {
  private readonly data: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(data: Uint8Array) {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.length);
  }

  get atEnd(): boolean {
    return this.at >= this.data.length;
  }

  next(): bigint {
    const value = this.view.getBigUint64(this.at, true);
    this.at += 8;
    return value;
  }

  bytes(count: number): Uint8Array {
    const found = this.data.slice(this.at, this.at + count);
    this.at += (count + 7) & ~7;
    return found;
  }
}
