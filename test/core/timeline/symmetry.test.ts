/** Forward and backward are one: whichever way a place is come to, the whole state there is the same. */

import { describe, expect, it } from 'vitest';
import type { Position } from '../../../core/timeline/position.ts';
import { Session } from '../../../core/timeline/session.ts';
import { NO_FILTERS, type StopTest } from '../../../core/timeline/types.ts';
import { randomNumbers, randomProgram } from './random-programs.ts';
import { type Options, go, host } from './scripts.ts';
import { wholeState } from './whole-state.ts';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const PLACES = 200;

function sessionsOf(seed: number, options: Options = {}): Session {
  const programs = [{ path: 'random.guest.c', text: randomProgram(seed) }];
  if (seed % 3 === 0) programs.push({ path: 'other.guest.c', text: randomProgram(seed + 100) });
  const abi = (['x86_64', 'x86_32p', 'x86_32'] as const)[seed % 3] ?? 'x86_64';
  const creation = Session.create({
    programs,
    host,
    abi,
    memory: '2MiB',
    maxStatements: 5_000_000,
    ...options,
  });
  if (creation.kind !== 'session') throw new Error(JSON.stringify(creation));
  creation.session.setFilters(NO_FILTERS);
  return creation.session;
}

/** Comes to places as a user does, in slices of chance and by steps, and tells what the state is there. */
function* forwardPlaces(
  session: Session,
  random: (below: number) => number,
  gap: number,
): Generator<Position> {
  for (;;) {
    const stop = session.run({ kind: 'continue' }, 1 + random(gap));
    if (stop.kind !== 'budget') return;
    for (let slice = 0; slice < 2; slice++) {
      const into: StopTest = { kind: 'step', vcpu: session['execution'].turns.number, how: 'into' };
      if (go(session, into).kind !== 'step') return;
    }
    yield session.position;
  }
}

function seek(session: Session, place: number): void {
  while (session.seek(place as Position, 5000).kind === 'budget');
}

describe.each(SEEDS)('random program %d', (seed) => {
  const random = randomNumbers(seed);
  const forward = sessionsOf(seed);
  const reference = new Map<Position, string>();
  const gap = Math.max(Math.floor(forwardEnd(seed).end / (PLACES / 2)), 1);
  for (const place of forwardPlaces(forward, random, gap)) {
    reference.set(place, wholeState(forward));
    if (reference.size === PLACES) break;
  }
  const places = [...reference.keys()];

  it('comes to many places', () => {
    expect(places.length).toBeGreaterThan(30);
  });

  it('is the same at each of them after seeking there in any order', () => {
    // Every other with so little memory for history that checkpoints are taken out again.
    const session = sessionsOf(seed, { historyMemory: seed % 2 === 0 ? '256MiB' : '1MiB' });
    go(session);
    const shuffled = places
      .map((place) => [random(1e9), place] as const)
      .sort(([a], [b]) => a - b)
      .map(([, place]) => place);
    for (const place of shuffled) {
      seek(session, place);
      expect(session.position).toBe(place);
      if (wholeState(session) !== reference.get(place))
        expect(wholeState(session).split(',')).toEqual(reference.get(place)?.split(','));
    }
    seek(session, session.end);
    expect(session.exit).toEqual(forwardEnd(seed).exit);
    expect(session.console).toEqual(forwardEnd(seed).console);
    expect(session.audit()).toEqual([]);
  }, 240_000);
});

const ends = new Map<number, Session>();
function forwardEnd(seed: number): Session {
  const found = ends.get(seed) ?? sessionsOf(seed);
  ends.set(seed, found);
  if (found.exit === null) go(found);
  return found;
}
