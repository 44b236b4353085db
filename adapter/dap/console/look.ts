/** Console commands that look: walk, frame, refs, p2m, hypercalls, audit, why. */

import { referencesTo, type Reference } from '../../../core/source/references.ts';
import type { FrameRow, Walk } from '../../../core/source/machine-source.ts';
import { describeError } from '../../../core/hypervisor/errno.ts';
import type { HypercallRecord, JsonObject, JsonValue } from '../../../core/timeline/types.ts';
import { formatFrame, formatHex, mfn, pfn, virtualAddress } from '../../../core/units.ts';
import { RequestError, parseNumeral } from '../arguments.ts';
import type { Debuggee } from '../debuggee.ts';
import { explainRefusal } from '../exceptions.ts';
import { type CommandAnswer, type CommandRow, type CommandSite, frameNumberIn, numberIn } from './command.ts';

/** Rows that a list shows when nobody says how many. */
const DEFAULT_ROWS = 20;
const MAX_ROWS = 1000;
const NO_FILTER = { changedOnly: false, pinnedOnly: false };

export const LOOK: readonly CommandRow[] = [
  {
    name: 'walk',
    usage: 'walk VA',
    help: 'the page walk of an address, level by level, and the frame at its end',
    run: (site, rest) => walk(site, numberIn(site, rest, 'address')),
  },
  {
    name: 'frame',
    usage: 'frame MFN',
    help: 'what Xen knows of a machine frame: owner, type, counts, M2P',
    run: async ({ debuggee, ...site }, rest) => {
      const row = await frameRow(debuggee, frameNumberIn({ debuggee, ...site }, rest, 'mfn'));
      return { summary: frameText(row), detail: frameDetail(row) };
    },
  },
  {
    name: 'refs',
    usage: 'refs MFN',
    help: 'everything that refers to a machine frame: entries, pins, roots, grants',
    run: async (site, rest) => refs(site.debuggee, frameNumberIn(site, rest, 'mfn')),
  },
  {
    name: 'p2m',
    usage: 'p2m PFN',
    help: 'the P2M entry of a page, beside what the M2P says of its frame',
    run: (site, rest) => p2m(site, frameNumberIn(site, rest, 'pfn')),
  },
  {
    name: 'hypercalls',
    usage: 'hypercalls [N]',
    help: 'the last N hypercalls (20), with their results and the lines that made them',
    run: ({ debuggee }, rest) => hypercalls(debuggee, rowsIn(rest)),
  },
  {
    name: 'audit',
    usage: 'audit',
    help: 'recounts every reference and compares with the frame table',
    run: ({ debuggee }) => audit(debuggee),
  },
  {
    name: 'why',
    usage: 'why [N]',
    help: 'why the last hypercall was refused (or number N), and what refers to the frame in question',
    run: (site, rest) => why(site.debuggee, rest),
  },
];

async function walk({ debuggee }: CommandSite, va: bigint): Promise<CommandAnswer> {
  if (va >= 1n << 64n) throw new RequestError(`${formatHex(va)} has more than 64 bits.`);
  const domain = debuggee.domainOf(debuggee.focus());
  const found = await debuggee.source.walk({ domain, va: virtualAddress(va) });
  if ('unknown' in found) throw new RequestError(found.unknown);
  const steps = found.steps.map(
    ({ level, slot, tableMfn, pte, flags, present }) =>
      `L${level} slot ${formatHex(slot)} of mfn ${formatFrame(mfn(tableMfn))}: ${present ? `${pte} (${flags})` : `${pte}, not present`}`,
  );
  const end = walkEnd(found);
  const at = found.maddr === null ? null : Number(BigInt(found.maddr) >> 12n);
  const row = at === null ? null : await frameRow(debuggee, at).catch(() => null);
  return {
    lines: [...steps, ...(row === null ? [] : [frameText(row)])],
    summary: `${found.va} of d${domain}: ${end}`,
    detail: {
      va: found.va,
      steps: found.steps.map((step) => ({ ...step })),
      maddr: found.maddr,
      fault: found.fault,
      ...(row === null ? {} : { frame: frameDetail(row) }),
    },
  };
}

const walkEnd = ({ maddr, fault }: Walk): string =>
  maddr === null ? (fault ?? 'not mapped') : `machine address ${maddr}`;

/** The frame table's row of a frame, or the sentence that there is none. */
export async function frameRow({ source }: Debuggee, frame: number): Promise<FrameRow> {
  const { rows } = await source.frames({ from: frame, count: 1, filter: NO_FILTER });
  const [row] = rows;
  if (row?.mfn !== frame)
    throw new RequestError(`mfn ${formatFrame(mfn(frame))} is beyond the memory of this machine.`);
  return row;
}

function frameText(row: FrameRow): string {
  const states = (['validated', 'pinned'] as const).filter((state) => row[state]);
  const parts = [
    `owner ${row.ownerName}`,
    `type ${row.type}`,
    `type count ${row.typeCount}`,
    `reference count ${row.refCount}`,
    ...states,
    row.m2p === null ? 'M2P invalid' : `M2P pfn ${formatHex(row.m2p)}`,
    ...(row.role === undefined ? [] : [row.role]),
  ];
  return `mfn ${formatFrame(mfn(row.mfn))}: ${parts.join(', ')}`;
}

function frameDetail(row: FrameRow): JsonObject {
  const { mfn: frame, m2p: back, role, ...rest } = row;
  return {
    mfn: formatHex(frame),
    ...rest,
    m2p: back === null ? null : formatHex(back),
    ...(role === undefined ? {} : { role }),
  };
}

async function refs(debuggee: Debuggee, frame: number): Promise<CommandAnswer> {
  const row = await frameRow(debuggee, frame);
  const found = referencesTo(debuggee.session.hypervisor, mfn(frame));
  return {
    lines: [frameText(row), ...found.map(referenceText)],
    summary: referencesSummary(frame, found),
    detail: found.map((reference): JsonValue => ({ ...reference, entry: entryDetail(reference) })),
  };
}

const entryDetail = ({ entry }: Reference): JsonValue =>
  entry === undefined ? null : { ...entry, table: formatHex(entry.table), slot: formatHex(entry.slot) };

const referenceText = ({ text, usesType, count }: Reference): string =>
  `  ${count === 1 ? '' : `${count} times `}${text}${usesType ? ' [uses its type]' : ''}`;

function referencesSummary(frame: number, found: readonly Reference[]): string {
  const sum = (list: readonly Reference[]): number => list.reduce((total, { count }) => total + count, 0);
  const uses = sum(found.filter(({ usesType }) => usesType));
  return `mfn ${formatFrame(mfn(frame))}: ${sum(found)} references, ${uses} of them uses of its type`;
}

async function p2m({ debuggee }: CommandSite, index: number): Promise<CommandAnswer> {
  const domain = debuggee.domainOf(debuggee.focus());
  const found = await debuggee.source.p2m({
    domain,
    from: pfn(index),
    count: 1,
    filter: { changedOnly: false },
  });
  if ('unknown' in found) throw new RequestError(found.unknown);
  const [row] = found.rows;
  if (row?.pfn !== index)
    throw new RequestError(
      `The P2M of d${domain} has ${found.total} entries; pfn ${formatHex(index)} is behind its end.`,
    );
  const named = row.mfn === null ? 'invalid' : `mfn ${formatFrame(mfn(row.mfn))} (${row.owner})`;
  const back = row.m2p === null ? 'invalid' : `pfn ${formatHex(row.m2p)}`;
  return {
    summary: `pfn ${formatHex(index)} of d${domain}: ${named}, M2P ${back}: ${P2M_WORDS[row.state]}`,
    detail: {
      pfn: formatHex(row.pfn),
      mfn: row.mfn === null ? null : formatHex(row.mfn),
      m2p: row.m2p === null ? null : formatHex(row.m2p),
      owner: row.owner,
      state: row.state,
    },
  };
}

const P2M_WORDS = {
  ok: 'they agree',
  invalid: 'no frame',
  'm2p-disagrees': 'they disagree',
  foreign: "the frame is not the domain's",
} as const;

function hypercalls({ session }: Debuggee, count: number): CommandAnswer {
  const shown = session.hypercallLog.slice(-count);
  return {
    lines: shown.map(callText),
    summary: `${session.hypercallLog.length} hypercalls so far`,
    detail: shown.map(callDetail),
  };
}

function callText(record: HypercallRecord): string {
  const where = record.line === null ? '' : `, line ${record.line}`;
  const end = record.refusal === null ? `${record.rc}` : `${record.rc} (${record.refusal.rule})`;
  return `${record.seq}. d${record.domain}v${record.vcpu} ${record.name} = ${end}${where}`;
}

const callDetail = (record: HypercallRecord): JsonValue => ({
  hypercall: record.name,
  seq: record.seq,
  line: record.line,
  args: record.args,
  rc: record.rc,
  done: record.done,
  rule: record.refusal?.rule ?? null,
});

function audit({ session }: Debuggee): CommandAnswer {
  const messages = session.audit().map(({ message }) => message);
  if (messages.length === 0) return { summary: 'The audit finds every count as it should be.' };
  return { lines: messages, summary: `The audit finds ${messages.length} things wrong`, detail: messages };
}

/** The last refusal, or that of a call by its number, and who refers to the frame that it is about. */
async function why(debuggee: Debuggee, rest: string): Promise<CommandAnswer> {
  const record = refusedCall(debuggee, rest.trim());
  const { refusal } = record;
  if (refusal === null) return { summary: `${callText(record)} was not refused.` };
  const frames = framesIn(refusal.evidence);
  const chains = await Promise.all(
    frames.map(async (frame) => {
      const told = await refs(debuggee, frame).catch(() => null);
      return told === null ? [] : [`Now, ${told.summary}:`, ...(told.lines ?? [])];
    }),
  );
  return {
    lines: [explainRefusal(record, refusal), ...chains.flat()],
    summary: `${callText(record)}: ${describeError(refusal.errno)}`,
    detail: {
      rule: refusal.rule,
      errno: refusal.errno,
      message: refusal.message,
      evidence: refusal.evidence,
    },
  };
}

function refusedCall({ session }: Debuggee, number: string): HypercallRecord {
  if (number === '') {
    const last = session.hypercallLog.findLast(({ refusal }) => refusal !== null);
    if (last === undefined) throw new RequestError('No hypercall has been refused so far.');
    return last;
  }
  const found = session.hypercallLog.find(({ seq }) => String(seq) === number);
  if (found === undefined)
    throw new RequestError(`There is no hypercall ${number}; \`hypercalls\` lists them.`);
  return found;
}

/** Frames that the evidence of a refusal names. */
function framesIn(evidence: JsonObject): number[] {
  const named = Object.entries(evidence).flatMap(([name, value]) => {
    if (!/mfn|frame|table|page/i.test(name)) return [];
    if (typeof value === 'number') return [value];
    const number =
      typeof value === 'string' ? parseNumeral(/^[0-9a-f]{5,}$/i.test(value) ? `0x${value}` : value) : null;
    return number === null || number >= 1n << 40n ? [] : [Number(number)];
  });
  return [...new Set(named)].slice(0, 3);
}

function rowsIn(rest: string): number {
  if (rest.trim() === '') return DEFAULT_ROWS;
  const count = parseNumeral(rest);
  if (count === null || count === 0n) throw new RequestError(`${rest.trim()} is no number of rows.`);
  return Number(count < BigInt(MAX_ROWS) ? count : BigInt(MAX_ROWS));
}
