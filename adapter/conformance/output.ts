/** The lines that `xenscope ops` writes: one JSON object an operation; numbers that can be large as hexadecimal. */

import type { FrameRecord, FrameState } from './guest-port.ts';
import type { Outcome } from './runner.ts';

/** A line of output. `frames`: by name, in the order asked for. */
export function outcomeLine(outcome: Outcome, frames?: ReadonlyMap<string, FrameRecord | null>): string {
  const { rc, done, value, values, fault, status, handle, rule } = outcome;
  return JSON.stringify({
    rc,
    done,
    ...(value === undefined ? {} : { value: hex(value) }),
    ...(values === undefined ? {} : { values: values.map(hex) }),
    ...(fault === undefined ? {} : { fault: faultFields(fault) }),
    ...(status === undefined ? {} : { status }),
    ...(handle === undefined ? {} : { handle }),
    ...(rule === undefined ? {} : { rule }),
    ...(frames === undefined
      ? {}
      : { frames: Object.fromEntries([...frames].map(([name, row]) => [name, row && shown(row)])) }),
  });
}

/** The fields that the output promises, without what only comparisons look at. */
const shown = ({ type, typeCount, refCount, pinned, validated, allocated }: FrameRecord): FrameState => ({
  type,
  typeCount,
  refCount,
  pinned,
  validated,
  allocated,
});

const hex = (value: bigint): string => `0x${value.toString(16)}`;

function faultFields(fault: NonNullable<Outcome['fault']>): Record<string, unknown> {
  const { vector, errorCode, cr2 } = fault;
  return { vector, errorCode, ...(cr2 === undefined ? {} : { cr2: hex(cr2) }) };
}
