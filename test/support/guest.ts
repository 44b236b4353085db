/** Runs a guest script given as text, headless, and hands back what it did. */

import { expect } from 'vitest';
import { Session } from '../../core/timeline/session.ts';
import {
  type ExitInfo,
  type FaultRecord,
  type HypercallRecord,
  NO_FILTERS,
  type SessionConfig,
} from '../../core/timeline/types.ts';
import { recordingHost } from '../../adapter/host/files.ts';

export interface GuestRun {
  readonly exit: ExitInfo;
  readonly console: readonly string[];
  readonly hypercalls: readonly HypercallRecord[];
  /** The hypercalls that Xen refused, in order. */
  readonly refused: readonly HypercallRecord[];
  readonly faults: readonly FaultRecord[];
}

export type GuestOptions = Omit<SessionConfig, 'programs' | 'host'>;

/** Every statement of a test's script is run in slices of this many. */
const SLICE = 1_000_000;
const DEFAULT_LIMIT = 5_000_000;

/** Runs to the end. The audit of the machine afterwards must be empty. */
export function runGuest(text: string, options: GuestOptions = {}): GuestRun {
  const created = Session.create({
    programs: [{ path: 'test.guest.c', text }],
    host: recordingHost(),
    maxStatements: DEFAULT_LIMIT,
    ...options,
  });
  if (created.kind !== 'session') throw new Error(JSON.stringify(created, null, 1));
  const { session } = created;
  session.setFilters(NO_FILTERS);
  while (session.exit === null) session.run({ kind: 'continue' }, SLICE);
  expect(session.audit()).toEqual([]);
  return {
    exit: session.exit,
    console: session.console,
    hypercalls: session.hypercallLog,
    refused: session.hypercallLog.filter((call) => call.refusal !== null),
    faults: session.faultLog,
  };
}
