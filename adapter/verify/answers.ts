/** Where Xen writes its answers into the structures of x86_64 guests: public/grant_table.h, public/event_channel.h. */

import { GRANT_LAYOUTS } from '../../core/hypervisor/grant-layouts.ts';

interface GrantAnswer {
  readonly bytes: bigint;
  readonly status: bigint;
  readonly handle?: bigint;
  /** The operation answers with a list of frames. */
  readonly frames?: true;
}

const { map, unmap, replace, setup, transfer, copy, querySize, swap } = GRANT_LAYOUTS[8];

const row = ({ bytes, status }: { bytes: number; status: { offset: number } }): GrantAnswer => ({
  bytes: BigInt(bytes),
  status: BigInt(status.offset),
});

/** By command of grant_table_op. */
export const GRANT_ANSWERS: readonly (GrantAnswer | undefined)[] = [
  { ...row(map), handle: BigInt(map.handle.offset) },
  row(unmap),
  { ...row(setup), frames: true },
  undefined,
  row(transfer),
  row(copy),
  row(querySize),
  row(replace),
  undefined,
  undefined,
  undefined,
  row(swap),
];

/** Offset of the port that an event-channel operation answers with, by command. */
export const EVENT_LAYOUTS: readonly (bigint | undefined)[] = [
  8n, // bind_interdomain
  8n, // bind_virq
  undefined,
  undefined,
  undefined,
  undefined,
  4n, // alloc_unbound
  4n, // bind_ipi
];
