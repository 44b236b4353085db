/**
 * Operation lists: one JSON object a line, each an operation that a guest carries out, with frames named by the PFN
 * they have in the P2M. This file reads a line into an operation or into one sentence that says what is wrong with it.
 *
 * Each operation has one row of fields; what the fields mean is in docs/operations.md and in `OperationRunner`.
 */

/** A frame: a PFN, or one that has a name because its PFN differs between machines or it has none. */
export type FrameName = bigint | FrameAlias;

/** The tables of the boot mapping of the first 4 MiB; l1.1 maps the upper half. */
export const BOOT_TABLES = ['boot.l4', 'boot.l3', 'boot.l2', 'boot.l1.0', 'boot.l1.1'] as const;
export type BootTable = (typeof BOOT_TABLES)[number];
/**
 * Frames that are not ordinary pages of the domain: its shared info page, one of Xen's M2P, a free one, one of the
 * first MiB that is no RAM, and one past the end of memory.
 */
export const OTHER_FRAMES = ['shared_info', 'xen.m2p', 'free', 'vga', 'nowhere'] as const;
/** The first pages of the grant table, once `grant_setup` has told where they are. */
export const GRANT_FRAMES = ['grant.0', 'grant.1'] as const;
export type GrantFrame = (typeof GRANT_FRAMES)[number];
export type FrameAlias = BootTable | (typeof OTHER_FRAMES)[number] | GrantFrame;
const ALIASES: readonly string[] = [...BOOT_TABLES, ...OTHER_FRAMES, ...GRANT_FRAMES];

export interface MmuRequest {
  readonly p: FrameName;
  readonly index: number;
  readonly pte: bigint;
  /** Takes the place of the frame in `pte`, for tables whose PFN differs between machines. */
  readonly to?: FrameName;
  readonly cmd: number;
}

/**
 * A 64-bit argument or word of data of `hypercall`: a number, or what a list cannot know as a number: a machine frame, an
 * entry that names one, the machine address of an entry, the address of the data itself.
 */
export type Word =
  | bigint
  | { readonly frame: FrameName }
  | { readonly pte: bigint; readonly to?: FrameName }
  | { readonly table: FrameName; readonly index: number; readonly cmd?: number }
  | { readonly data: number };

/** Frames that a hypercall gets from Xen: when it has changed this word of the data, the word names the first of them. */
export interface Taking {
  readonly word: number;
  /** The PFN that they get in the P2M, and the order of their number. */
  readonly p: FrameName;
  readonly order: number;
}

/** Where a grant mapping goes: a virtual address, or an entry of an L1 table. */
export type GrantPlace = { readonly va: bigint } | { readonly p: FrameName; readonly index: number };

interface Common {
  /** Frame numbers are machine frames. */
  readonly raw: boolean;
}

export type Operation = Common &
  (
    | { readonly op: 'mmu_update'; readonly requests: readonly MmuRequest[]; readonly fd?: number }
    | {
        readonly op: 'mmuext';
        readonly cmd: number;
        readonly p?: FrameName;
        readonly va?: bigint;
        readonly arg2?: bigint;
        readonly fd?: number;
      }
    | {
        readonly op: 'va_map';
        readonly va: bigint;
        readonly pte: bigint;
        readonly to?: FrameName;
        readonly flags: bigint;
      }
    | { readonly op: 'decrease' | 'populate'; readonly p: FrameName; readonly order: number }
    | { readonly op: 'exchange' | 'm2p'; readonly p: FrameName }
    | { readonly op: 'fill'; readonly p: FrameName; readonly value: bigint }
    | {
        readonly op: 'poke';
        readonly p: FrameName;
        readonly index: number;
        readonly pte: bigint;
        readonly to?: FrameName;
      }
    | { readonly op: 'peek'; readonly p: FrameName; readonly index: number }
    | { readonly op: 'store'; readonly va: bigint; readonly pte: bigint; readonly to?: FrameName }
    | { readonly op: 'load'; readonly va: bigint }
    | { readonly op: 'grant_setup'; readonly frames: number }
    | {
        readonly op: 'grant_set';
        readonly ref: number;
        readonly p: FrameName;
        readonly flags: number;
        readonly domid: number;
      }
    | {
        readonly op: 'grant_map';
        readonly ref: number;
        readonly place: GrantPlace;
        readonly flags: number;
        readonly dom: number;
      }
    | { readonly op: 'grant_unmap'; readonly place: GrantPlace; readonly handle: number }
    | {
        readonly op: 'hypercall';
        readonly nr: number;
        readonly args: readonly Word[];
        readonly data?: readonly Word[];
        /** Words of the data that are reported as they are afterwards. */
        readonly show?: readonly number[];
        readonly takes?: Taking;
      }
  );

export type OperationName = Operation['op'];

/** The kinds of fields and the values that each takes. */
type FieldKind =
  | 'word'
  | 'u32'
  | 'u16'
  | 'command'
  | 'slot'
  | 'order'
  | 'frame'
  | 'requests'
  | 'args'
  | 'data'
  | 'indexes'
  | 'taking'
  | 'flag'
  | 'text';

interface FieldRow {
  readonly kind: FieldKind;
  readonly optional?: true;
}

const required = (kind: FieldKind): FieldRow => ({ kind });
const optional = (kind: FieldKind): FieldRow => ({ kind, optional: true });

const ENTRY = { p: required('frame'), index: required('slot') } as const;
const VALUE = { pte: required('word'), to: optional('frame') } as const;
const EXTENT = { p: required('frame'), order: required('order') } as const;
const PLACE = { va: optional('word'), p: optional('frame'), index: optional('slot') } as const;
const REQUEST: Fields = { ...ENTRY, ...VALUE, cmd: required('command') };
const TAKING: Fields = { word: required('slot'), ...EXTENT };
const COMMON: Fields = { raw: optional('flag'), note: optional('text') };

type Fields = { readonly [name: string]: FieldRow };

const FIELDS: { readonly [op in OperationName]: Fields } = {
  mmu_update: { fd: optional('u32'), reqs: optional('requests'), ...optionals(REQUEST) },
  mmuext: {
    cmd: required('u32'),
    p: optional('frame'),
    va: optional('word'),
    arg2: optional('word'),
    fd: optional('u32'),
  },
  va_map: { va: required('word'), ...VALUE, flags: required('word') },
  decrease: EXTENT,
  populate: EXTENT,
  exchange: { p: required('frame') },
  m2p: { p: required('frame') },
  fill: { p: required('frame'), value: required('word') },
  poke: { ...ENTRY, ...VALUE },
  peek: ENTRY,
  store: { va: required('word'), ...VALUE },
  load: { va: required('word') },
  grant_setup: { frames: required('u32') },
  grant_set: { ref: required('u32'), p: required('frame'), flags: required('u16'), domid: required('u16') },
  grant_map: { ref: required('u32'), ...PLACE, flags: required('u32'), dom: required('u16') },
  grant_unmap: { ...PLACE, handle: required('u32') },
  hypercall: {
    nr: required('u32'),
    args: required('args'),
    data: optional('data'),
    show: optional('indexes'),
    takes: optional('taking'),
  },
};

export const OPERATION_NAMES = Object.keys(FIELDS) as readonly OperationName[];

/** A user's mistake in an operation: one sentence without the place. */
export class OperationMistake extends Error {}

const BYTE_ORDER_MARK = /^\uFEFF/;

/**
 * Reads a list: an operation for each line that is not empty and does not begin with `#`. Throws an OperationMistake
 * whose message begins with the number of the line.
 */
export function parseOperations(text: string): { readonly line: number; readonly operation: Operation }[] {
  return text
    .replace(BYTE_ORDER_MARK, '')
    .split('\n')
    .flatMap((content, i) => {
      if (/^\s*(#|$)/.test(content)) return [];
      try {
        return [{ line: i + 1, operation: parseOperation(content) }];
      } catch (error) {
        if (error instanceof OperationMistake) throw new OperationMistake(`line ${i + 1}: ${error.message}`);
        throw error;
      }
    });
}

/** Reads one line; throws an OperationMistake. */
export function parseOperation(line: string): Operation {
  const given = parseObject(line);
  const name = given['op'];
  if (name === undefined) throw new OperationMistake('the operation has no "op": give its name');
  const fields =
    typeof name === 'string' && Object.hasOwn(FIELDS, name) ? FIELDS[name as OperationName] : null;
  if (fields === null)
    throw new OperationMistake(`${show(name)} is no operation: use one of ${OPERATION_NAMES.join(', ')}`);
  const values = readFields(given, { op: required('text'), ...fields, ...COMMON }, String(name));
  return { ...shape(name as OperationName, values), raw: values['raw'] === true } as Operation;
}

const NOT_IN_SHAPE: ReadonlySet<string> = new Set(['op', 'raw', 'note']);

/** Brings fields into the form of the operation's type, where that differs from the line's. */
function shape(op: OperationName, values: Record<string, unknown>): Record<string, unknown> {
  const rest = Object.fromEntries(Object.entries(values).filter(([key]) => !NOT_IN_SHAPE.has(key)));
  if (op === 'mmu_update') return { op, ...shapeRequests(rest) };
  if (op === 'grant_map' || op === 'grant_unmap') return { op, ...shapePlace(op, rest) };
  if (op === 'mmuext' && rest['p'] !== undefined && rest['va'] !== undefined)
    throw new OperationMistake('"p" and "va" are both the first argument of mmuext: give one of them');
  return { op, ...rest };
}

function shapeRequests(values: Record<string, unknown>): Record<string, unknown> {
  const { reqs, fd, ...single } = values;
  const common = fd === undefined ? {} : { fd };
  if (reqs !== undefined) {
    if (Object.keys(single).length > 0)
      throw new OperationMistake('mmu_update has "reqs" and fields of a single request: give one of them');
    return { requests: reqs, ...common };
  }
  for (const [name, row] of Object.entries(REQUEST))
    if (row.optional !== true && single[name] === undefined)
      throw new OperationMistake(`mmu_update lacks "${name}": give p, index, pte and cmd, or "reqs"`);
  return { requests: [single], ...common };
}

function shapePlace(op: string, values: Record<string, unknown>): Record<string, unknown> {
  const { va, p, index, ...rest } = values;
  if (va !== undefined && p === undefined && index === undefined) return { ...rest, place: { va } };
  if (va === undefined && p !== undefined && index !== undefined) return { ...rest, place: { p, index } };
  throw new OperationMistake(`${op} needs a place for the mapping: give "va", or "p" and "index"`);
}

function parseObject(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new OperationMistake(`not JSON (${why}): write one object a line`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new OperationMistake(`${show(value)} is no object: write one object a line`);
  return value as Record<string, unknown>;
}

function readFields(given: Record<string, unknown>, fields: Fields, where: string): Record<string, unknown> {
  for (const name of Object.keys(given))
    if (!Object.hasOwn(fields, name))
      throw new OperationMistake(
        `${where} has no field "${name}": it takes ${Object.keys(fields).join(', ')}`,
      );
  const values: Record<string, unknown> = {};
  for (const [name, row] of Object.entries(fields)) {
    const value = given[name];
    if (value !== undefined) values[name] = READERS[row.kind](value, `${where}: "${name}"`);
    else if (row.optional !== true) throw new OperationMistake(`${where} lacks "${name}"`);
  }
  return values;
}

/** The forms of a word that is not plainly a number, each told by its first field. */
const WORD_FORMS: { readonly [field: string]: Fields } = {
  frame: { frame: required('frame') },
  pte: VALUE,
  table: { table: required('frame'), index: required('slot'), cmd: optional('command') },
  data: { data: required('u16') },
};

function readWord(value: unknown, what: string): Word {
  if (typeof value !== 'object' || value === null) return readNumber(value, what, 64);
  const form = Object.keys(WORD_FORMS).find((field) => Object.hasOwn(value, field));
  if (form === undefined)
    throw new OperationMistake(
      `${what} is ${show(value)}: give a number, or an object with one of ${Object.keys(WORD_FORMS).join(', ')}`,
    );
  return readFields(value as Record<string, unknown>, WORD_FORMS[form] as Fields, what) as Word;
}

/** Reads a list of at most so many elements, each by `read`. */
function readList<T>(
  value: unknown,
  what: string,
  limit: number,
  read: (value: unknown, what: string) => T,
): readonly T[] {
  if (!Array.isArray(value)) throw new OperationMistake(`${what} is ${show(value)}: give a list`);
  if (value.length > limit)
    throw new OperationMistake(`${what} has ${value.length} elements: at most ${limit} fit`);
  return value.map((one, i) => read(one, `${what}[${i}]`));
}

const READERS: { readonly [kind in FieldKind]: (value: unknown, what: string) => unknown } = {
  word: (value, what) => readNumber(value, what, 64),
  u32: (value, what) => Number(readNumber(value, what, 32)),
  u16: (value, what) => Number(readNumber(value, what, 16)),
  command: (value, what) => readBelow(value, what, 8),
  slot: (value, what) => readBelow(value, what, 512),
  order: (value, what) => readBelow(value, what, 64),
  frame: (value, what) =>
    typeof value === 'string' && ALIASES.includes(value) ? value : readNumber(value, what, 64),
  requests: (value, what) =>
    readList(value, what, MAX_REQUESTS, (one, which) => {
      if (typeof one !== 'object' || one === null || Array.isArray(one))
        throw new OperationMistake(`${which} is ${show(one)}: give an object`);
      return readFields(one as Record<string, unknown>, REQUEST, which);
    }),
  args: (value, what) => readList(value, what, MAX_ARGUMENTS, readWord),
  data: (value, what) => readList(value, what, MAX_DATA_WORDS, readWord),
  indexes: (value, what) =>
    readList(value, what, MAX_DATA_WORDS, (one, which) => readBelow(one, which, MAX_DATA_WORDS)),
  taking: (value, what) => {
    if (typeof value !== 'object' || value === null)
      throw new OperationMistake(`${what} is ${show(value)}: give an object with word, p and order`);
    return readFields(value as Record<string, unknown>, TAKING, what);
  },
  flag: (value, what) => {
    if (typeof value !== 'boolean')
      throw new OperationMistake(`${what} is ${show(value)}: give true or false`);
    return value;
  },
  text: (value, what) => {
    if (typeof value !== 'string') throw new OperationMistake(`${what} is ${show(value)}: give a text`);
    return value;
  },
};

/** Requests of one mmu_update that fit into the argument pages. */
export const MAX_REQUESTS = 512;
const MAX_ARGUMENTS = 5;
/** Words of data of one hypercall. */
const MAX_DATA_WORDS = 1024;

/** A number: JSON's own where it is exact, or a hexadecimal string. Also used for the PFNs of `--frames`. */
export function readNumber(value: unknown, what: string, bits: number): bigint {
  let number: bigint;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) number = BigInt(value);
  else if (typeof value === 'string' && /^0x[0-9a-f]+$/i.test(value)) number = BigInt(value);
  else
    throw new OperationMistake(
      `${what} is ${show(value)}: give a whole number that is not negative, or a hexadecimal string such as "0x400"`,
    );
  if (number >> BigInt(bits) !== 0n)
    throw new OperationMistake(`${what} is ${show(value)}: it has more than ${bits} bits`);
  return number;
}

function readBelow(value: unknown, what: string, limit: number): number {
  const number = readNumber(value, what, 64);
  if (number >= BigInt(limit))
    throw new OperationMistake(`${what} is ${show(value)}: give 0 to ${limit - 1}`);
  return Number(number);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function optionals(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, row]) => [name, optional(row.kind)]));
}
