/**
 * The attributes of a run, checked: what the user wrote becomes a machine, domains and an access, or one sentence that
 * names the attribute and what is allowed.
 */

import { type Abi, ABIS, type AbiName } from '../abi/index.ts';
import { Machine } from '../machine/machine.ts';
import type { DomainRole } from '../machine/domain.ts';
import type { HypervisorOptions, MemoryLayout } from '../hypervisor/types.ts';
import { RULE_SETS } from '../hypervisor/rule-sets.ts';
import type { XenVersion } from '../hypervisor/rules.ts';
import { DATA_MODELS, type DataModel } from '../guest-c/types.ts';
import { PAGE_SIZE } from '../units.ts';
import { isCanonical } from '../walk.ts';
import type { SessionConfig } from './types.ts';

/** A configuration that can be run. */
export interface RunOptions {
  readonly abi: Abi;
  readonly model: DataModel;
  readonly hypervisor: HypervisorOptions;
  readonly memoryBytes: number;
  readonly machineFrames: number;
  readonly layout: MemoryLayout;
  readonly role: DomainRole;
  readonly fault: FaultAccess;
  /** Infinity: none. */
  readonly maxStatements: number;
  /** Bytes for checkpoints and the differences between them. */
  readonly historyBytes: number;
}

/** The access that a handler script is about. */
export interface FaultAccess {
  readonly va: bigint;
  readonly kind: 'read' | 'write' | 'exec';
  readonly user: boolean;
}

/** One sentence about one attribute. */
export interface AttributeError {
  readonly attribute: string;
  readonly message: string;
}

/** The first that runs an ABI's guests is its default. */
const XEN_VERSIONS: readonly XenVersion[] = ['4.17', '3.0.4'];

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const TIB = 1024 ** 4;
const PIB = 1024 ** 5;
const DEFAULT_MEMORY = 16 * MIB;
const LEAST_MEMORY = 1 * MIB;
const MOST_MEMORY = 64 * GIB;
const MOST_MACHINE = 1 * TIB;
const DEFAULT_HISTORY = 256 * MIB;
const LEAST_HISTORY = 1 * MIB;
const MOST_HISTORY = 8 * GIB;
const DEFAULT_FAULT: FaultAccess = { va: 0x40_0000n, kind: 'write', user: false };

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 1024,
  KB: 1024,
  KIB: 1024,
  M: MIB,
  MB: MIB,
  MIB,
  G: GIB,
  GB: GIB,
  GIB,
  T: TIB,
  TB: TIB,
  TIB,
  P: PIB,
  PB: PIB,
  PIB,
};

/** Thrown inside this file alone, and turned into its result. */
class WrongAttribute extends Error {
  readonly attribute: string;

  constructor(attribute: string, message: string) {
    super(`${attribute}: ${message}`);
    this.attribute = attribute;
  }
}

/** Checks a configuration; the programs' texts are not looked at. */
export function readOptions(config: SessionConfig): RunOptions | AttributeError {
  try {
    if (config.programs.length === 0) throw new WrongAttribute('program', 'name at least one guest script.');
    const name = readAbi(config.abi);
    const xen = readXen(config.xen, name);
    const abi = RULE_SETS[xen].abis[name];
    if (abi === undefined) throw new Error(`options: Xen ${xen} has no guests of ${name}`);
    const mostMachine = Math.min(MOST_MACHINE, abi.maxMachineFrames * PAGE_SIZE);
    const memoryBytes = readSize('memory', config.memory, {
      least: LEAST_MEMORY,
      most: Math.min(MOST_MEMORY, mostMachine),
      byDefault: DEFAULT_MEMORY,
    });
    return {
      abi,
      model: DATA_MODELS[abi.name],
      hypervisor: readHypervisor(config, xen),
      memoryBytes,
      machineFrames: readMachine(config, abi, memoryBytes, mostMachine),
      layout: layoutOf(config),
      role: readRole(config.role),
      fault: readFault(config.fault, abi),
      maxStatements: readLimit(config.maxStatements),
      historyBytes: readSize('historyMemory', config.historyMemory, {
        least: LEAST_HISTORY,
        most: MOST_HISTORY,
        byDefault: DEFAULT_HISTORY,
      }),
    };
  } catch (error) {
    if (error instanceof WrongAttribute) return { attribute: error.attribute, message: error.message };
    throw error;
  }
}

function readAbi(given = 'x86_64'): AbiName {
  const abi = Object.values(ABIS).find(({ name }) => name === given);
  if (abi === undefined)
    throw new WrongAttribute('abi', `${quoted(given)} is unknown; use x86_64, x86_32p or x86_32.`);
  return abi.name;
}

const versionsFor = (abi: string): readonly XenVersion[] =>
  XEN_VERSIONS.filter((xen) => Object.keys(RULE_SETS[xen].abis).includes(abi));

/** The hypervisor that guests of an ABI get when none is named. */
export const defaultXen = (abi: string): XenVersion => versionsFor(abi)[0] ?? '4.17';

function readXen(version: string | undefined, abi: AbiName): XenVersion {
  const allowed = versionsFor(abi);
  if (version === undefined) return defaultXen(abi);
  const found = allowed.find((one) => one === version);
  if (found !== undefined) return found;
  if (version === '4.17')
    throw new WrongAttribute(
      'xen',
      '4.17 runs no x86_32 guests, for 2-level page tables ended with Xen 3.2; use 3.0.4 with this ABI.',
    );
  throw new WrongAttribute('xen', `${quoted(version)} is unknown; use ${allowed.join(' or ')}.`);
}

function readHypervisor(config: SessionConfig, xen: XenVersion): HypervisorOptions {
  return {
    xen,
    debug: readChoice('xenBuild', config.xenBuild, ['release', 'debug']) === 'debug',
    linearPageTables: config.linearPageTables ?? true,
    l1tf: readL1tf(config.l1tf, xen),
  };
}

function readL1tf(given: string | undefined, xen: XenVersion): HypervisorOptions['l1tf'] {
  const policy = readChoice('l1tf', given, ['ignored', 'crash']);
  if (policy === 'crash' && xen !== '4.17')
    throw new WrongAttribute('l1tf', 'crash is a policy of 4.17; Xen 3.0.4 is older than that flaw.');
  return policy;
}

/** One of the values, the first by default. */
function readChoice<T extends string>(
  attribute: string,
  given: string | undefined,
  [first, second]: readonly [T, T],
): T {
  if (given === undefined || given === first) return first;
  if (given === second) return second;
  throw new WrongAttribute(attribute, `${quoted(given)} is unknown; use ${first} or ${second}.`);
}

interface SizeRange {
  readonly least: number;
  readonly most: number;
  readonly byDefault: number;
}

function readSize(attribute: string, given: string | number | undefined, range: SizeRange): number {
  if (given === undefined || given === '') return range.byDefault;
  const bytes = typeof given === 'number' ? given : parseSize(given);
  const allowed = `give a size from ${formatSize(range.least)} to ${formatSize(range.most)}, such as ${formatSize(range.byDefault)}.`;
  if (bytes === null || !Number.isFinite(bytes))
    throw new WrongAttribute(attribute, `${quoted(String(given))} is no size; ${allowed}`);
  if (bytes < range.least || bytes > range.most)
    throw new WrongAttribute(
      attribute,
      `${String(given)} is too ${bytes < range.least ? 'small' : 'large'}; ${allowed}`,
    );
  return Math.floor(bytes / PAGE_SIZE) * PAGE_SIZE;
}

/** Bytes of a text as `16MiB`, `64 M` or `65536`; null when it is none. */
export function parseSize(text: string): number | null {
  const match = /^\s*(0x[0-9a-f]+|\d+(?:\.\d+)?)\s*([kmgtp]?i?b?)\s*$/i.exec(text);
  const unit = UNITS[match?.[2]?.toUpperCase() ?? ''];
  return match?.[1] === undefined || unit === undefined ? null : Number(match[1]) * unit;
}

function formatSize(bytes: number): string {
  for (const [name, unit] of [
    ['TiB', TIB],
    ['GiB', GIB],
    ['MiB', MIB],
    ['KiB', 1024],
  ] as const) {
    if (bytes >= unit) return `${+(bytes / unit).toFixed(2)}${name}`;
  }
  return `${bytes} bytes`;
}

/** By default the machine has twice the domains' memory, so that frames lie scattered with free ones between. */
function readMachine(config: SessionConfig, abi: Abi, memoryBytes: number, most: number): number {
  const domainFrames = config.programs.length * (memoryBytes / PAGE_SIZE + 1);
  const least = Machine.framesFor(abi, domainFrames + 16);
  if (least * PAGE_SIZE > most)
    throw new WrongAttribute(
      'memory',
      `${config.programs.length} domains of ${formatSize(memoryBytes)} do not fit a machine of ${abi.name}, which has at most ${formatSize(most)}.`,
    );
  const roomy = Math.min(Machine.framesFor(abi, domainFrames * 2 + 1024), Math.floor(most / PAGE_SIZE));
  const bytes = readSize('machine', config.machine, {
    least: least * PAGE_SIZE,
    most,
    byDefault: roomy * PAGE_SIZE,
  });
  return bytes / PAGE_SIZE;
}

const layoutOf = ({ startOfDay, layout }: SessionConfig): MemoryLayout =>
  startOfDay === undefined ? readLayout(layout) : { kind: 'given', frames: startOfDay.frames };

function readLayout(text = 'scattered:1'): MemoryLayout {
  if (text === 'contiguous') return { kind: 'contiguous' };
  const match = /^scattered(?::(\d{1,9}))?$/.exec(text);
  if (match === null)
    throw new WrongAttribute(
      'layout',
      `${quoted(text)} is unknown; use contiguous, scattered or scattered:SEED with a whole number as SEED.`,
    );
  return { kind: 'scattered', seed: Number(match[1] ?? 1) };
}

function readRole(text = 'domU'): DomainRole {
  if (text === 'domU' || text === 'hardware') return text;
  throw new WrongAttribute('role', `${quoted(text)} is unknown; use domU or hardware.`);
}

function readFault(text: string | undefined, abi: Abi): FaultAccess {
  if (text === undefined || text === '') return DEFAULT_FAULT;
  const form = 'give an address and how it is accessed, such as 0x400000,write or 0x400000,read,user.';
  const [address = '', ...words] = text.split(',').map((part) => part.trim());
  if (!/^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(address))
    throw new WrongAttribute('fault', `${quoted(text)} has no address; ${form}`);
  const va = BigInt(address);
  const isAddress =
    va < 1n << BigInt(abi.wordBytes * 8) && isCanonical(abi, Number(BigInt.asIntN(32, va >> 32n)));
  if (!isAddress) throw new WrongAttribute('fault', `${address} is no address of ${abi.name}; ${form}`);
  const kinds = words.filter((word) => word !== 'user');
  const kind = kinds[0] ?? 'read';
  if (kinds.length > 1 || words.length - kinds.length > 1 || !isKind(kind))
    throw new WrongAttribute('fault', `${quoted(text)} is not understood; ${form}`);
  return { va, kind, user: words.includes('user') };
}

const isKind = (word: string): word is FaultAccess['kind'] =>
  word === 'read' || word === 'write' || word === 'exec';

function readLimit(given: number | undefined): number {
  if (given === undefined) return Infinity;
  if (Number.isSafeInteger(given) && given >= 1) return given;
  throw new WrongAttribute(
    'maxStatements',
    `${String(given)} is not allowed; give a whole number from 1 on.`,
  );
}

const quoted = (text: string): string => `“${text.slice(0, 60)}”`;
