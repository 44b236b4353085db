/** Guest statements per second: a loop of stores, loads and arithmetic on entries, as kernels fill page tables. */

import { recordingHost } from '../../adapter/host/files.ts';
import { Session } from '../../core/timeline/session.ts';
import { calibrated } from './measure.ts';

const STATEMENTS = 3_000_000;
const SCRIPT = `
static unsigned long table[512];
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

export function benchStatements(): void {
  for (const breakpoints of [false, true]) {
    const created = Session.create({
      programs: [{ path: 'bench.guest.c', text: SCRIPT }],
      host: recordingHost(),
    });
    if (created.kind !== 'session')
      throw new Error(`bench: the script does not compile: ${JSON.stringify(created)}`);
    const { session } = created;
    if (breakpoints) session.setBreakpoints([{ kind: 'function', id: 1, name: 'never' }]);
    const name = `guest statements, ${breakpoints ? 'with breakpoints set' : 'without breakpoints'}`;
    calibrated(name, 5, STATEMENTS, () => {
      const stop = session.run({ kind: 'continue' }, STATEMENTS);
      if (stop.kind !== 'budget') throw new Error(`bench: the loop stopped with ${stop.kind}`);
    });
  }
}
