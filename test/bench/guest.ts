/** Guest statements per second: a loop of stores, loads and arithmetic on entries, as kernels fill page tables. */

import { recordingHost } from '../../adapter/host/files.ts';
import { Session } from '../../core/timeline/session.ts';
import type { BreakpointSpec } from '../../core/timeline/types.ts';
import { calibrated } from './measure.ts';

const STATEMENTS = 3_000_000;
const SCRIPT = `
static unsigned long table[1536];
static void never(void) { }
int kernel_main(void)
{
    unsigned long mfn = 0x1000, sum = 0;
    for (;;) {
        for (int i = 0; i < 512; i++) {
            unsigned long entry = ((mfn + i) << 12) | 0x67;
            table[i] = entry;
            unsigned long back = table[i];
            if (back & 2)
                sum += back >> 12;
        }
    }
    never();
    return (int)sum;
}
`;

const DATA = { kind: 'data', id: 1, access: 'access' } as const;

/** What is set and never met while the loop runs. */
const SETTINGS: readonly {
  readonly name: string;
  readonly specs: (session: Session) => readonly BreakpointSpec[];
}[] = [
  { name: 'without breakpoints', specs: () => [] },
  { name: 'with breakpoints set', specs: () => [{ kind: 'function', id: 1, name: 'never' }] },
  {
    name: 'with a data breakpoint on a frame',
    specs: () => [{ ...DATA, place: { kind: 'frame', mfn: 0x1000, fact: 'type' } }],
  },
  { name: 'with a data breakpoint on memory', specs: (session) => [besideTable(session, 8192n)] },
  { name: 'with a data breakpoint on the page in use', specs: (session) => [besideTable(session, 16n)] },
];

export function benchStatements(): void {
  for (const { name, specs } of SETTINGS) {
    const created = Session.create({
      programs: [{ path: 'bench.guest.c', text: SCRIPT }],
      host: recordingHost(),
    });
    if (created.kind !== 'session')
      throw new Error(`bench: the script does not compile: ${JSON.stringify(created)}`);
    const { session } = created;
    session.runToEntry(STATEMENTS);
    session.setBreakpoints(specs(session));
    calibrated(`guest statements, ${name}`, 5, STATEMENTS, () => {
      const stop = session.run({ kind: 'continue' }, STATEMENTS);
      if (stop.kind !== 'budget') throw new Error(`bench: the loop stopped with ${stop.kind}`);
    });
  }
}

/** Eight bytes behind the table that the loop uses. */
function besideTable(session: Session, distance: bigint): BreakpointSpec {
  const [frame] = session.stack(0);
  const table = frame && session.evaluate('table', frame, { sideEffects: 'none' });
  if (table?.kind !== 'value' || table.value.address === null) throw new Error('bench: there is no table');
  const address = table.value.address + 4096n + distance;
  return { ...DATA, place: { kind: 'bytes', space: 'va', vcpu: 0, address, bytes: 8, shown: 'hex' } };
}
