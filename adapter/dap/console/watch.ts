/** Console commands for data breakpoints: watch, unwatch, watches; `last` uses the same way of naming places. */

import {
  FRAME_FACTS,
  MAX_WATCHED_BYTES,
  type WatchedPlace,
  placeLabel,
} from '../../../core/timeline/watch-places.ts';
import type { DataAccess } from '../../../core/timeline/watches.ts';
import { formatFrame, formatHex, highWord, lowWord, mfn } from '../../../core/units.ts';
import { RequestError, parseNumeral } from '../arguments.ts';
import { bytesAt } from '../data-breakpoints.ts';
import { factNamed } from '../data-id.ts';
import { type CommandAnswer, type CommandRow, type CommandSite, frameNumberIn, numberIn } from './command.ts';

const ACCESS_WORDS: Readonly<Record<string, DataAccess>> = {
  '-r': 'read',
  '-w': 'write',
  '-a': 'access',
};

export const WATCH: readonly CommandRow[] = [
  {
    name: 'watch',
    usage:
      'watch [-r|-w|-a] EXPR | frame MFN FACT | pte MFN SLOT | entry VA LEVEL | p2m PFN | m2p MFN | ADDRESS BYTES',
    help: `stops when it changes (-r: is read, -w: is written, -a: either); FACT is one of ${Object.keys(FRAME_FACTS).join(' ')}; \`if CONDITION\` may follow`,
    run: watch,
  },
  {
    name: 'unwatch',
    usage: 'unwatch N',
    help: 'removes a data breakpoint that `watch` has made',
    run: ({ debuggee }, rest) => {
      const id = parseNumeral(rest);
      if (id === null || !debuggee.breakpoints.remove(Number(id)))
        throw new RequestError(`There is no data breakpoint ${rest.trim()}; \`watches\` lists them.`);
      return { summary: `Data breakpoint ${id} is removed.` };
    },
  },
  {
    name: 'watches',
    usage: 'watches',
    help: 'the data breakpoints that `watch` has made',
    run: ({ debuggee }) => {
      const list = debuggee.breakpoints.ofConsole();
      const lines = list.map(({ id, wanted: { target, condition }, hits }) => {
        const name = target.kind === 'data' ? (target.name ?? placeLabel(target.place)) : '?';
        const when = condition === undefined ? '' : ` if ${condition}`;
        return `${id}. ${name}${when}, hit ${hits.countAt(debuggee.session.position)} times`;
      });
      return { lines, summary: `${list.length} data breakpoints of the console` };
    },
  },
];

function watch(site: CommandSite, rest: string): CommandAnswer {
  const [, flag = '', body = '', condition] = /^\s*(-[rwa])?\s*(.*?)(?:\s+if\s+(.+))?\s*$/s.exec(rest) ?? [];
  const { place, name } = placeNamed(site, body);
  const access = ACCESS_WORDS[flag] ?? 'change';
  if (place.kind !== 'bytes' && access !== 'change')
    throw new RequestError(`${name} can be watched for changes only.`);
  const set = site.debuggee.breakpoints.add({ target: { kind: 'data', place, access, name }, condition });
  if (!set.verified) throw new RequestError(set.message ?? `${name} cannot be watched.`);
  const note = set.message === undefined ? '' : ` ${set.message}`;
  return { summary: `Data breakpoint ${set.id} on ${name}; \`unwatch ${set.id}\` removes it.${note}` };
}

/** A place, by one of the forms of `watch`, and what to call it. */
export function placeNamed(
  site: CommandSite,
  text: string,
): { readonly place: WatchedPlace; readonly name: string } {
  const words = text.trim().split(/\s+/);
  for (const { pattern, place } of FORMS) {
    if (pattern.test(text.trim())) return place(site, words);
  }
  if (text.trim() === '') throw new RequestError('Say what to watch; `help watch` tells how.');
  const { debuggee, frame } = site;
  if (frame === undefined) throw new RequestError('There is no frame in which to read the expression.');
  const found = debuggee.session.watchedPlace(text, frame);
  if ('problem' in found) throw new RequestError(found.problem);
  return { place: found, name: text.trim() };
}

interface Form {
  readonly pattern: RegExp;
  readonly place: (
    site: CommandSite,
    words: readonly string[],
  ) => { readonly place: WatchedPlace; readonly name: string };
}

const FORMS: readonly Form[] = [
  {
    pattern: /^frame\s+\S+\s+\S/,
    place: (site, [, frame = '', ...fact]) => {
      const known = factNamed(fact.join(' '));
      if (known === null)
        throw new RequestError(
          `A frame has no ${fact.join(' ')}; watch one of ${Object.keys(FRAME_FACTS).join(', ')}.`,
        );
      const place = { kind: 'frame', mfn: frameNumberIn(site, frame, 'mfn'), fact: known } as const;
      return { place, name: placeLabel(place) };
    },
  },
  {
    pattern: /^pte\s+\S+\s+\S+$/,
    place: (site, [, frame = '', slotText = '']) => {
      const table = frameNumberIn(site, frame, 'mfn');
      const slot = Number(parseNumeral(slotText) ?? -1n);
      const { entryBytes } = site.debuggee.session.machine.abi;
      if (slot < 0 || slot >= 4096 / entryBytes)
        throw new RequestError(`A page table has no slot ${slotText}.`);
      const address = (BigInt(table) << 12n) + BigInt(slot * entryBytes);
      const place = machineBytes(address, entryBytes);
      return { place, name: `slot 0x${slot.toString(16)} of mfn ${formatFrame(mfn(table))}` };
    },
  },
  {
    pattern: /^entry\s+\S+\s+[1-4]$/,
    place: (site, [, where = '', levelText = '']) => {
      const va = numberIn(site, where, 'address');
      const level = Number(levelText);
      const { debuggee } = site;
      const { machine } = debuggee.session;
      const vcpu = machine.domain(debuggee.domainOf(debuggee.focus()))?.vcpus[0];
      const walk = vcpu?.mmu.probe(lowWord(va), highWord(va));
      const { entryBytes, rootLevel } = machine.abi;
      if (walk === undefined || level < walk.level || level > rootLevel)
        throw new RequestError(`The walk of ${formatHex(va)} comes to no table of level ${level}.`);
      const [table = 0, slot = 0] = [walk.tables[level - 1], walk.slots[level - 1]];
      const place = machineBytes((BigInt(table) << 12n) + BigInt(slot * entryBytes), entryBytes);
      return { place, name: `L${level} entry of ${formatHex(va)}` };
    },
  },
  {
    pattern: /^p2m\s+\S+$/,
    place: (site, [, page = '']) => {
      const index = frameNumberIn(site, page, 'pfn');
      const { debuggee } = site;
      const domain = debuggee.session.machine.domain(debuggee.domainOf(debuggee.focus()));
      if (domain?.layout === undefined || domain.layout === null || index >= domain.nrPages)
        throw new RequestError(`The P2M has no entry for pfn 0x${index.toString(16)}.`);
      const { wordBytes } = domain.abi;
      const address = domain.layout.p2mList + BigInt(index * wordBytes);
      const vcpu = debuggee.focus();
      const place = { kind: 'bytes', space: 'va', vcpu, address, bytes: wordBytes, shown: 'hex' } as const;
      return { place, name: `P2M entry of pfn 0x${index.toString(16)}` };
    },
  },
  {
    pattern: /^m2p\s+\S+$/,
    place: (site, [, frame = '']) => {
      const number = frameNumberIn(site, frame, 'mfn');
      const { machine } = site.debuggee.session;
      if (number >= machine.maxPage)
        throw new RequestError(`The M2P has no entry for mfn 0x${number.toString(16)}.`);
      const { wordBytes } = machine.abi;
      const address = (BigInt(machine.m2pBase) << 12n) + BigInt(number * wordBytes);
      return {
        place: { ...machineBytes(address, wordBytes), shown: 'hex' },
        name: `M2P entry of mfn ${formatFrame(mfn(number))}`,
      };
    },
  },
  {
    pattern: /^(?:(?:va|mfn|pfn):\S+|0x\S+)\s+\S+$/i,
    place: ({ debuggee }, [where = '', size = '']) => {
      const bytes = parseNumeral(size);
      if (bytes === null || bytes < 1n || bytes > BigInt(MAX_WATCHED_BYTES))
        throw new RequestError(`${size} is no number of bytes from 1 to ${MAX_WATCHED_BYTES}.`);
      const found = bytesAt(debuggee, where, Number(bytes));
      if ('problem' in found) throw new RequestError(found.problem);
      return { place: found.place, name: found.name ?? placeLabel(found.place) };
    },
  },
];

const machineBytes = (address: bigint, bytes: number) =>
  ({ kind: 'bytes', space: 'mfn', vcpu: 0, address, bytes, shown: 'entry' }) as const;
