/** Going back in time: what the user waits for, and what history costs. */

import { recordingHost } from '../../adapter/host/files.ts';
import { type Position, position } from '../../core/timeline/position.ts';
import { Session } from '../../core/timeline/session.ts';
import { NO_FILTERS, type StopTest } from '../../core/timeline/types.ts';
import { median, percentile, report, reportText } from './measure.ts';

const LONG_RUN = 100_000_000;
const CONDITION_RUN = 10_000_000;
const JUMPS = 200;
const STEPS_EACH = 3;
const SEEK_CELLS = 1_000_000;

const SCRIPT = `
static unsigned long table[4096];
static unsigned long mix(unsigned long a, unsigned long b) { return (a << 3) ^ b; }
int kernel_main(void)
{
    unsigned long sum = 0;
    for (;;) {
        for (int i = 0; i < 4096; i++) {
            table[i] = mix(sum, i);
            sum += table[i] >> 5;
        }
        HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
    }
    return (int)sum;
}
`;

const SWEEP = `
static unsigned long table[1024 * 1024];
int kernel_main(void)
{
    for (;;)
        for (int i = 0; i < 1024 * 1024; i++)
            table[i] += i + 1;
    return 0;
}
`;

export function benchTimeline(calibration: number): void {
  benchLongRun(calibration);
  benchSeek(calibration);
  benchCondition(calibration);
}

function sessionOf(text: string): Session {
  const created = Session.create({
    programs: [{ path: 'bench.guest.c', text }],
    host: recordingHost(),
    memory: '32MiB',
  });
  if (created.kind !== 'session')
    throw new Error(`bench: the script does not compile: ${JSON.stringify(created)}`);
  created.session.setFilters(NO_FILTERS);
  return created.session;
}

function runStatements(session: Session, statements: number): void {
  while (session.statements < statements) session.run({ kind: 'continue' }, statements - session.statements);
}

function seek(session: Session, place: number): void {
  while (session.seek(position(place), 100_000).kind === 'budget');
}

/** Step back at random places of a long run: the first step after a jump there, and the next ones. */
function benchLongRun(calibration: number): void {
  const session = sessionOf(SCRIPT);
  const began = performance.now();
  runStatements(session, LONG_RUN);
  report('statement forwards, with history', ((performance.now() - began) * 1e6) / LONG_RUN, calibration);
  const bytes = session.historyBytes;
  reportText('history, a million statements', `${(bytes / (LONG_RUN / 1e6) / 1e3).toFixed(0)} kB`);
  const over: StopTest = { kind: 'step', vcpu: 0, how: 'over' };
  const steps: number[] = [];
  let seed = 1;
  for (let i = 0; i < JUMPS; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    seek(session, Math.floor((seed / 2 ** 32) * session.end));
    for (let step = 0; step < STEPS_EACH; step++) {
      const from = performance.now();
      const stop = session.back(over, Infinity);
      steps.push((performance.now() - from) * 1e6);
      if (stop.kind !== 'step') throw new Error(`bench: the step back ended with ${stop.kind}`);
    }
  }
  report('step back in 100 M statements, median', median(steps), calibration);
  report('step back in 100 M statements, p99', percentile(steps, 99), calibration);
}

/** There and back over a stretch in which a million words have changed. */
function benchSeek(calibration: number): void {
  const session = sessionOf(SWEEP);
  runStatements(session, 100_000);
  const first = session.position;
  while (session.end - first < 2 * SEEK_CELLS) session.run({ kind: 'continue' }, 100_000);
  const [here, times]: [Position, number[]] = [session.end, []];
  for (let i = 0; i < 6; i++) {
    const from = performance.now();
    seek(session, i % 2 === 0 ? first : here);
    times.push((performance.now() - from) * 1e6);
  }
  report('seek across a million changed words', median(times), calibration);
}

function benchCondition(calibration: number): void {
  const session = sessionOf(SCRIPT);
  runStatements(session, CONDITION_RUN);
  const line = SCRIPT.split('\n').findIndex((text) => text.includes('sched_op')) + 1;
  session.setBreakpoints([{ kind: 'line', id: 1, file: 'bench.guest.c', line, condition: 'sum == 1' }]);
  const began = performance.now();
  const stop = session.back({ kind: 'continue' }, Infinity);
  if (stop.kind !== 'start') throw new Error(`bench: the run back ended with ${stop.kind}`);
  report('back over 10 M statements, with a condition', (performance.now() - began) * 1e6, calibration);
}
