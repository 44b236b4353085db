/** What is said of stops at breakpoints that are more than a place: data, hypercalls, disagreements. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Disagreement, Stop } from '../../core/timeline/types.ts';
import type { DataHit } from '../../core/timeline/watches.ts';
import { formatHex } from '../../core/units.ts';

export type StopText = Pick<DebugProtocol.StoppedEvent['body'], 'reason' | 'description' | 'text'>;
type StopOf<K extends Stop['kind']> = Extract<Stop, { readonly kind: K }>;

export function hypercallStop({ name, returned }: StopOf<'hypercall'>): StopText {
  const description =
    returned === null
      ? `Paused before hypercall ${name}`
      : `Paused after hypercall ${name}, which returned ${returned.rc}`;
  return { reason: 'function breakpoint', description };
}

export function dataStop({ hits, during }: StopOf<'data'>): StopText {
  const [first] = hits;
  const description = first === undefined ? 'Data breakpoint' : hitTitle(first);
  return {
    reason: 'data breakpoint',
    description,
    text: hits.map((hit) => hitSentence(hit, during)).join('\n'),
  };
}

/** The text of a stop, and behind it what data breakpoints have met at the same place. */
export function withData(told: StopText, { data }: Pick<Stop, 'data'>): StopText {
  if (data === undefined || data.length === 0) return told;
  const sentences = data.map((hit) => hitSentence(hit, null));
  return { ...told, text: [...(told.text === undefined ? [] : [told.text]), ...sentences].join('\n') };
}

export function disagreementStop({ entries }: StopOf<'disagreement'>): StopText {
  return {
    reason: 'exception',
    description: 'P2M and M2P disagree',
    text: entries.slice(0, MAX_TOLD).map(disagreementSentence).join('\n'),
  };
}

export function auditStop({ messages }: StopOf<'audit'>): StopText {
  return { reason: 'exception', description: 'Audit broken', text: messages.slice(0, MAX_TOLD).join('\n') };
}

/** Sentences in one stop. */
const MAX_TOLD = 8;

const hitTitle = ({ what, access, old, now }: DataHit): string =>
  access === 'change' ? `${what}: ${old} -> ${now}` : `${what} was ${ACCESS_WORDS[access]}`;

const ACCESS_WORDS = { read: 'read', write: 'written', change: 'changed' } as const;

const BY_WORDS: Readonly<Record<DataHit['by'], string>> = {
  guest: 'by a guest instruction',
  mmu: "by the guest's MMU, which sets the A and D bits",
  hypervisor: 'by Xen',
};

/** What was accessed, by whom, and what it was before. */
export function hitSentence({ what, access, by, old, now }: DataHit, during: string | null): string {
  const call = by === 'hypervisor' && during !== null ? `, in ${during}` : '';
  const values = access === 'change' ? `: ${old} -> ${now}` : `; it is ${now}`;
  return `${what} was ${ACCESS_WORDS[access]} ${BY_WORDS[by]}${call}${values}.`;
}

export function disagreementSentence({ domain, pfn, mfn, m2p }: Disagreement): string {
  const back = m2p === null ? 'is invalid' : `says pfn ${formatHex(m2p)}`;
  return `The P2M of d${domain} says that pfn ${formatHex(pfn)} is mfn ${formatHex(mfn)}, but the M2P entry of that frame ${back}.`;
}
