/** `? EXPR`: an expression with hypercalls tried out, told and taken back. */

import { describeError } from '../../../core/hypervisor/errno.ts';
import type { FrameChange, TriedCall } from '../../../core/timeline/trial.ts';
import type { JsonValue, RefusalRecord } from '../../../core/timeline/types.ts';
import { formatFrame, mfn } from '../../../core/units.ts';
import { RequestError } from '../arguments.ts';
import type { CommandAnswer, CommandRow, CommandSite } from './command.ts';

/** Changes told in lines; the rest is in the detail. */
const MAX_LINES = 12;

export const WHAT_IF: readonly CommandRow[] = [
  {
    name: '?',
    usage: '? HYPERVISOR_...(...)',
    help: 'tries an expression with hypercalls: accepted or refused, and what it would change; nothing is changed',
    run: tryOut,
  },
];

function tryOut({ debuggee, frame }: CommandSite, rest: string): CommandAnswer {
  if (rest.trim() === '')
    throw new RequestError('Say what to try: ? HYPERVISOR_mmu_update(&req, 1, NULL, DOMID_SELF)');
  if (frame === undefined) throw new RequestError('There is no frame in which to evaluate.');
  const { evaluation, calls, refusals, changes } = debuggee.session.tryOut(rest, frame);
  const detail: JsonValue = {
    hypercalls: calls.map((call) => ({ ...call })),
    refused: refusals.map(({ rule, errno, message, evidence }) => ({ rule, errno, message, evidence })),
    changes: changes.map((change) => ({ ...change, mfn: formatFrame(mfn(change.mfn)) })),
  };
  if (evaluation.kind === 'problem' && refusals.length === 0) throw new RequestError(evaluation.message);
  return {
    lines: [...refusals.flatMap(refusalLines), ...changeLines(changes)],
    summary: `${outcome(calls, refusals)} (nothing is changed)`,
    detail,
  };
}

function outcome(calls: readonly TriedCall[], refusals: readonly RefusalRecord[]): string {
  const [call] = calls;
  const [refusal] = refusals;
  if (refusal !== undefined)
    return `${call?.name ?? 'It'} would be refused: ${describeError(refusal.errno)}, ${refusal.rule}`;
  if (call === undefined) return 'It makes no hypercall';
  const results = calls.map(({ name, rc }) => `${name} = ${rc}`).join(', ');
  return calls.some(({ rc }) => rc < 0) ? `It would fail: ${results}` : `It would be accepted: ${results}`;
}

const refusalLines = ({ message, usualCause, remedy }: RefusalRecord): string[] => [
  message,
  `Usual cause: ${usualCause}`,
  `What to do: ${remedy}`,
];

function changeLines(changes: readonly FrameChange[]): string[] {
  const lines = changes.map(
    ({ mfn: frame, what, old, now }) =>
      `  ${what} of mfn ${formatFrame(mfn(frame))} would go from ${old} to ${now}`,
  );
  const more = lines.length - MAX_LINES;
  return more <= 0 ? lines : [...lines.slice(0, MAX_LINES), `  and ${more} changes more`];
}
