/** From text to checked tree and to bytecode: a unit as large as Mini-OS's mm.c, with the headers that it includes. */

import { recordingHost } from '../../adapter/host/files.ts';
import { functionNamed, generate } from '../../core/guest-c/compile.ts';
import { compileUnit } from '../../core/guest-c/front.ts';
import { DATA_MODELS } from '../../core/guest-c/types.ts';
import { programs } from '../core/guest-c/random-programs.ts';
import { calibrated } from './measure.ts';

/** Five random programs: about 30 KB, as mm.c has. */
const TEXT = programs([1, 2, 3, 4, 5]);

export function benchFront(): void {
  const host = { includePaths: [], ...recordingHost() };
  const front = (): ReturnType<typeof compileUnit> =>
    compileUnit({ path: 'bench.guest.c', text: TEXT }, host, DATA_MODELS.x86_64, { prelude: true });
  const size = `${Math.round(TEXT.length / 1024)} KB`;
  calibrated(`preprocess, parse and check ${size} and the headers, first time`, 1, 1, front);
  calibrated(`preprocess, parse and check ${size} and the headers, again`, 15, 1, front);
  const { unit } = front();
  const entry = functionNamed(unit, 'kernel_main');
  if (entry === null) throw new Error('bench: the program has no kernel_main');
  calibrated('the same to bytecode', 15, 1, () => void generate(unit, entry));
}
