/** The run on the model, as the hardware domain and with the frames that real Xen gave: in the words of run.ts. */

import { byPageTables, integerOf, readBytes } from '../../core/timeline/guest-memory.ts';
import type { ReadInteger } from '../../core/timeline/hypercall-text.ts';
import type { Session } from '../../core/timeline/session.ts';
import { type ExitInfo, type HypercallRecord, NO_FILTERS } from '../../core/timeline/types.ts';
import type { Vcpu } from '../../core/machine/vcpu.ts';
import { joinWords } from '../../core/units.ts';
import { describeAnswer, describeCall, doneIn, type RawHypercall } from './decode.ts';
import type { DeliveredFault, GuestRun, MadeHypercall, Place, RunEnd } from './run.ts';

export interface ModelRun extends GuestRun {
  /** The model itself is wrong: a broken invariant. */
  readonly internal: string | null;
}

const IRET = 23;
const MEMORY_OP = 12;
const SLICE = 1_000_000;

type Made = Omit<MadeHypercall, 'place' | 'refusal'>;

/** Runs the session to its end; the frames that real Xen has taken meanwhile are taken here, too. */
export async function runModel(session: Session, real: GuestRun): Promise<ModelRun> {
  const made = recordHypercalls(session, real);
  session.setFilters(NO_FILTERS);
  // As far as real Xen went, and a little further: that is enough when it was stopped on its way.
  const enough = real.end.kind === 'limit' ? real.hypercalls.length + 1 : Infinity;
  while (session.exit === null && made.length < enough) {
    const stop = session.run({ kind: 'continue' }, SLICE);
    // Leaves room for an interrupt from the keyboard.
    if (stop.kind === 'budget') await new Promise((resolve) => setImmediate(resolve));
  }
  const own = session.hypercallLog.filter(({ name }) => name !== 'iret');
  const [broken] = session.audit();
  return {
    hypercalls: made.map((call, i) => ({ ...call, ...told(own[i]) })),
    faults: session.faultLog.flatMap(
      ({ vector, errorCode, cr2, deliveredTo, file, line }): DeliveredFault[] =>
        // A handler outside the script's image is entered without the stubs, where the recorder cannot see it.
        deliveredTo === null || deliveredTo.startsWith('0x')
          ? []
          : [{ vector, errorCode, cr2, handler: deliveredTo, place: placeOf(file, line) }],
    ),
    console: session.console,
    end: endOf(session.exit),
    internal: session.exit?.kind === 'internal' ? session.exit.reason : (broken?.message ?? null),
  };
}

/** Notes every hypercall as it is made and as it returns. */
function recordHypercalls(session: Session, real: GuestRun): readonly Made[] {
  const made: Made[] = [];
  const { hypervisor } = session;
  let raw: RawHypercall | null = null;
  let asked: Pick<Made, 'name' | 'operations' | 'args'> | null = null;
  hypervisor.observer = {
    ...hypervisor.observer,
    hypercallEntered: (vcpu, nr, args) => {
      if (nr === IRET) return;
      const read = reader(session, vcpu);
      raw = { nr, args: wordsOf(args), before: read, after: read };
      asked = describeCall(vcpu, raw);
      hypervisor.heap.expect(nr === MEMORY_OP ? framesOf(real.hypercalls[made.length]) : []);
    },
    hypercallReturned: (_, nr, rc, done) => {
      if (nr === IRET || raw === null || asked === null) return;
      made.push({ ...asked, rc, done: doneIn(raw) ?? done, answer: describeAnswer(raw) });
    },
  };
  return made;
}

/** Frames that a call of memory_op has brought. */
function framesOf(call: MadeHypercall | undefined): number[] {
  const frames = call?.name === 'memory_op' ? call.answer['frames'] : undefined;
  return Array.isArray(frames) ? frames.map(Number) : [];
}

function told(record: HypercallRecord | undefined): Pick<MadeHypercall, 'place' | 'refusal'> {
  if (record === undefined) return { place: null };
  const place = placeOf(record.file, record.line);
  if (record.refusal === null) return { place };
  return { place, refusal: { rule: record.refusal.rule, message: record.refusal.message } };
}

const placeOf = (file: string | null, line: number | null): Place | null =>
  file === null || line === null ? null : { file, line };

function endOf(exit: ExitInfo | null): RunEnd {
  if (exit === null) return { kind: 'limit', status: null, reason: 'stopped where real Xen was' };
  const { kind, reason } = exit;
  switch (kind) {
    case 'finished':
      return { kind, status: 0, reason };
    case 'failed': {
      // The sentence ends with what the script has returned, where it has returned.
      const status = /(?:returned|status) (-?\d+)$/.exec(reason)?.[1];
      return { kind, status: status === undefined ? null : Number(status), reason };
    }
    case 'crashed':
      return { kind, status: null, reason };
    case 'limit':
      return { kind, status: null, reason, isWaiting: /waits for an event/.test(reason) };
    case 'internal':
      return { kind: 'limit', status: null, reason };
  }
}

const wordsOf = (args: Int32Array): bigint[] =>
  Array.from({ length: 6 }, (_, i) => joinWords(args[i * 2] ?? 0, args[i * 2 + 1] ?? 0));

function reader({ machine }: Session, vcpu: Vcpu): ReadInteger {
  const translate = byPageTables(machine, vcpu);
  return (address, bytes) => {
    const read = readBytes(machine, translate, address, bytes);
    return read.length < bytes ? null : integerOf(read);
  };
}
