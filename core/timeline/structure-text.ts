/**
 * The structures that hypercalls take by pointer, as data for the log: one row a command, with the fields that the guest
 * fills in. Layouts: Xen's public headers (facts 5.2, 8.4).
 */

import type { Field } from '../abi/index.ts';
import { GRANT_LAYOUTS } from '../hypervisor/grant-layouts.ts';
import type { JsonObject, JsonValue } from './types.ts';

/** A field is shown as a number, or (addresses, frames, flags) in hexadecimal. */
type Shown = 'number' | 'hex';
type FieldRow = readonly [name: string, field: Field, shown: Shown];

interface StructureRow {
  readonly bytes: number;
  readonly fields: readonly FieldRow[];
}

/** The structure of a grant operation, by command name; undefined for commands without one. */
export function grantStructure(command: string, wordBytes: 4 | 8): StructureRow | undefined {
  const { map, unmap, replace, setup, transfer, copy, querySize, setVersion, getVersion, swap } =
    GRANT_LAYOUTS[wordBytes];
  const side = (name: string, { what, domid, offset }: typeof copy.source): readonly FieldRow[] => [
    [`${name}.ref_or_gmfn`, what, 'hex'],
    [`${name}.domid`, domid, 'number'],
    [`${name}.offset`, offset, 'number'],
  ];
  const rows: Readonly<Record<string, StructureRow>> = {
    map_grant_ref: {
      bytes: map.bytes,
      fields: [
        ['host_addr', map.host, 'hex'],
        ['flags', map.flags, 'hex'],
        ['ref', map.ref, 'number'],
        ['dom', map.domid, 'number'],
      ],
    },
    unmap_grant_ref: {
      bytes: unmap.bytes,
      fields: [
        ['host_addr', unmap.host, 'hex'],
        ['dev_bus_addr', unmap.device, 'hex'],
        ['handle', unmap.handle, 'number'],
      ],
    },
    unmap_and_replace: {
      bytes: replace.bytes,
      fields: [
        ['host_addr', replace.host, 'hex'],
        ['new_addr', replace.replacement, 'hex'],
        ['handle', replace.handle, 'number'],
      ],
    },
    setup_table: {
      bytes: setup.bytes,
      fields: [
        ['dom', setup.domid, 'number'],
        ['nr_frames', setup.frames, 'number'],
      ],
    },
    transfer: {
      bytes: transfer.bytes,
      fields: [
        ['mfn', transfer.frame, 'hex'],
        ['domid', transfer.domid, 'number'],
        ['ref', transfer.ref, 'number'],
      ],
    },
    copy: {
      bytes: copy.bytes,
      fields: [
        ...side('source', copy.source),
        ...side('dest', copy.dest),
        ['len', copy.length, 'number'],
        ['flags', copy.flags, 'hex'],
      ],
    },
    query_size: { bytes: querySize.bytes, fields: [['dom', querySize.domid, 'number']] },
    set_version: { bytes: setVersion.bytes, fields: [['version', setVersion.version, 'number']] },
    get_version: { bytes: getVersion.bytes, fields: [['dom', getVersion.domid, 'number']] },
    swap_grant_ref: {
      bytes: swap.bytes,
      fields: [
        ['ref_a', swap.a, 'number'],
        ['ref_b', swap.b, 'number'],
      ],
    },
  };
  return rows[command.replace('GNTTABOP_', '')];
}

const u16 = (offset: number): Field => ({ offset, bytes: 2 });
const u32 = (offset: number): Field => ({ offset, bytes: 4 });
const PORT: StructureRow = { bytes: 4, fields: [['port', u32(0), 'number']] };

const EVENT_STRUCTURES: Readonly<Record<string, StructureRow>> = {
  bind_interdomain: {
    bytes: 12,
    fields: [
      ['remote_dom', u16(0), 'number'],
      ['remote_port', u32(4), 'number'],
    ],
  },
  bind_virq: {
    bytes: 12,
    fields: [
      ['virq', u32(0), 'number'],
      ['vcpu', u32(4), 'number'],
    ],
  },
  close: PORT,
  send: PORT,
  unmask: PORT,
  status: {
    bytes: 24,
    fields: [
      ['dom', u16(0), 'number'],
      ['port', u32(4), 'number'],
    ],
  },
  alloc_unbound: {
    bytes: 8,
    fields: [
      ['dom', u16(0), 'number'],
      ['remote_dom', u16(2), 'number'],
    ],
  },
  bind_ipi: { bytes: 8, fields: [['vcpu', u32(0), 'number']] },
  bind_vcpu: {
    bytes: 8,
    fields: [
      ['port', u32(0), 'number'],
      ['vcpu', u32(4), 'number'],
    ],
  },
};

/** The structure of an event-channel operation, by command name; undefined for commands that the log does not open. */
export const eventStructure = (command: string): StructureRow | undefined =>
  EVENT_STRUCTURES[command.replace('EVTCHNOP_', '')];

/** A structure in guest memory as data; null for fields that cannot be read. */
export function describeStructure(
  { fields }: StructureRow,
  at: bigint,
  read: (address: bigint, bytes: number) => bigint | null,
): JsonObject {
  return Object.fromEntries(
    fields.map(([name, { offset, bytes }, shown]): [string, JsonValue] => {
      const value = read(at + BigInt(offset), bytes);
      if (value === null) return [name, null];
      return [name, shown === 'hex' ? `0x${value.toString(16)}` : Number(value)];
    }),
  );
}
