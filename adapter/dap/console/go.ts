/** Console commands that travel in time: seek, last. */

import { formatHex } from '../../../core/units.ts';
import { RequestError } from '../arguments.ts';
import { seek, seekLastChange } from '../travel.ts';
import type { CommandAnswer, CommandRow, CommandSite } from './command.ts';
import { placeNamed } from './watch.ts';

export const GO: readonly CommandRow[] = [
  {
    name: 'seek',
    usage: 'seek N | +N | -N | start | end',
    help: 'goes to a position of the run, or to the start or end of what is known of it',
    run: (site, rest) => seekTo(site, rest.trim()),
  },
  {
    name: 'last',
    usage:
      'last EXPR | frame MFN FACT | pte MFN SLOT | entry VA LEVEL | p2m PFN | m2p MFN | ADDRESS BYTES | refused',
    help: 'goes back to just before the last change of what is named, or to the last refused hypercall',
    run: (site, rest) => (rest.trim() === 'refused' ? lastRefused(site) : lastChange(site, rest)),
  },
];

function seekTo(site: CommandSite, text: string): CommandAnswer {
  mustStand(site);
  const { session } = site.debuggee;
  const target = positionIn(session, text);
  if (target === null)
    throw new RequestError(
      `Say where to: a position from ${session.start} to ${session.end}, +N, -N, start or end; this is ${session.position}.`,
    );
  const nearest = Math.min(Math.max(target, session.start), session.end);
  seek(site.context, nearest);
  const note = nearest === target ? '' : `; ${target} is not in what is known of the run`;
  return { summary: `From position ${session.position} to ${nearest}${note}.` };
}

function positionIn(
  session: { readonly start: number; readonly end: number; readonly position: number },
  text: string,
): number | null {
  if (text === 'start') return session.start;
  if (text === 'end') return session.end;
  const [, sign = '', digits = ''] = /^([+-]?)\s*(\d{1,15})$/.exec(text) ?? [];
  if (digits === '') return null;
  const number = Number(digits);
  if (sign === '') return number;
  return sign === '+' ? session.position + number : session.position - number;
}

function lastRefused(site: CommandSite): CommandAnswer {
  mustStand(site);
  const { session } = site.debuggee;
  const call = session.knownCalls.findLast(
    ({ record, position }) => record.refusal !== null && position < session.position,
  );
  if (call === undefined) throw new RequestError('No hypercall before this place was refused.');
  seek(site.context, call.position);
  return { summary: `To hypercall ${call.record.seq}, ${call.record.name}, which was refused.` };
}

function lastChange(site: CommandSite, rest: string): CommandAnswer {
  mustStand(site);
  const { place, name } = placeNamed(site, rest);
  const cells = site.debuggee.session.cellsOf(place);
  if (place.kind === 'local')
    throw new RequestError(
      `${name} lives in a register, whose changes are not recorded; watch it and go back to the data breakpoint.`,
    );
  if (cells === null)
    throw new RequestError(
      place.kind === 'frame'
        ? `There is no mfn ${formatHex(place.mfn)}.`
        : `${name} is not mapped to memory.`,
    );
  const { context } = site;
  seekLastChange(context, cells, () => {
    context.sendEvent('output', {
      category: 'console',
      output: `${name} has not changed in what is known of the run.\n`,
    });
  });
  return { summary: `Back to the last change of ${name}.` };
}

function mustStand({ context }: CommandSite): void {
  if (context.life.kind !== 'stopped') throw new RequestError('The guest must be stopped to travel in time.');
}
