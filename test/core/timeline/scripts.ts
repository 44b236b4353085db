/** Sessions for tests: a script's text in, a session (or its problems) out, with the shipped headers from the tree. */

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Session } from '../../../core/timeline/session.ts';
import { NO_FILTERS, type SessionConfig, type SourceHost, type Stop } from '../../../core/timeline/types.ts';

const ROOT = fileURLToPath(new URL('../../../core/guest-c/headers/', import.meta.url));

export const headers = new Map(
  readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.[ch]$/.test(name))
    .map((name) => [name, readFileSync(join(ROOT, name), 'utf8')]),
);

export const host: SourceHost = { read: () => undefined, headers: { root: '/shipped', files: headers } };

export const SCRIPT = 'test.guest.c';

export type Options = Partial<Omit<SessionConfig, 'programs' | 'host'>>;

/** A session for one script; fails the test with the problems when it does not compile. */
export function sessionOf(text: string, options: Options = {}): Session {
  const creation = Session.create({ programs: [{ path: SCRIPT, text }], host, ...options });
  if (creation.kind === 'session') return creation.session;
  if (creation.kind === 'error') throw new Error(creation.message);
  throw new Error(
    creation.problems
      .map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`)
      .join('\n'),
  );
}

/** Runs on until something other than the end of a slice stops it. */
export function go(session: Session, test: Parameters<Session['run']>[0] = { kind: 'continue' }): Stop {
  for (;;) {
    const stop = session.run(test, 100_000);
    if (stop.kind !== 'budget') return stop;
  }
}

/** Runs a script to its end and returns the session. */
export function ran(text: string, options: Options = {}): Session {
  const session = sessionOf(text, { maxStatements: 5_000_000, ...options });
  session.setFilters(NO_FILTERS);
  go(session);
  return session;
}

/** The line of a stop's innermost frame. */
export function lineOf(session: Session, vcpu = 0): number | undefined {
  return session.stack(vcpu)[0]?.place?.line;
}
