/** The hypercalls and their sub-operations as rows: each argument with its kind and a value that Xen accepts. */

import type { Field } from '../../../../core/abi/index.ts';
import { A, D, P, RW } from '../../../../core/pte.ts';
import { DOMID } from '../../../../core/units.ts';
import { FIRST_REF, HOST_MAP } from '../grant-guest.ts';
import type { Kind, Stage } from './stage.ts';

/** A value that Xen accepts in a field. */
type Good = bigint | number | ((stage: Stage) => bigint | number);

export interface FieldRow {
  readonly name: string;
  readonly kind: Kind;
  readonly good: Good;
  /** Its place in the structure at the scratch page; an argument of the call itself has none. */
  readonly at: ((stage: Stage) => Field) | null;
}

export interface Operation {
  readonly name: string;
  readonly nr: number;
  readonly fields: readonly FieldRow[];
  /** The arguments of the call, from the values of the fields by name. */
  readonly args: (values: Values, stage: Stage) => readonly (bigint | number)[];
  /** Where an element of a list has its status. */
  readonly status: ((stage: Stage) => Field) | null;
}

export type Values = Readonly<Record<string, bigint>>;

const argument = (name: string, kind: Kind, good: Good): FieldRow => ({ name, kind, good, at: null });
const member = (name: string, kind: Kind, good: Good, at: Field | ((stage: Stage) => Field)): FieldRow => ({
  name,
  kind,
  good,
  at: typeof at === 'function' ? at : () => at,
});
const field = (offset: number, bytes: Field['bytes']): Field => ({ offset, bytes });
/** The n-th word of the guest's size. */
const word =
  (index: number) =>
  ({ guest }: Stage): Field =>
    field(index * guest.abi.wordBytes, guest.abi.wordBytes);

const scratch: Good = ({ guest }) => guest.scratch;
/** A second buffer, for lists and results. */
const buffer: Good = ({ guest }) => guest.scratch + 1024n;
const data: Good = ({ guest }) => guest.dFrame;
const dataVa: Good = ({ guest }) => guest.kva(guest.d);
const SELF = DOMID.SELF;
const LEAF_FLAGS = BigInt(P | RW | A | D);
const entry: Good = ({ guest }) => (BigInt(guest.dFrame) << 12n) | LEAF_FLAGS;
const POINTER = argument('pointer', 'pointer', scratch);

const operation = (
  name: string,
  nr: number,
  fields: readonly FieldRow[],
  args: Operation['args'] = (values) =>
    fields.filter(({ at }) => at === null).map((each) => values[each.name] ?? 0n),
  status: Operation['status'] = null,
): Operation => ({ name, nr, fields, args, status });

/** A hypercall with a command and a pointer to a structure. */
const withStructure = (
  name: string,
  nr: number,
  command: number,
  members: readonly FieldRow[],
  status: Operation['status'] = null,
): Operation => operation(name, nr, [POINTER, ...members], ({ pointer = 0n }) => [command, pointer], status);

const two = 0xffff_ffffn;
/** A 64-bit value among the arguments: 32-bit guests pass two words. */
const wide = ({ guest }: Stage, value: bigint): readonly bigint[] =>
  guest.abi.wordBytes === 8 ? [value] : [value & two, value >> 32n];

const batch = [
  POINTER,
  argument('count', 'count', 1),
  argument('pdone', 'pointer', buffer),
  argument('domid', 'domain', SELF),
];

const mmuUpdate = operation('mmu_update', 1, [
  ...batch,
  member('ptr', 'address', ({ guest, leaf }) => guest.entryAddress(leaf.table, leaf.slot), field(0, 8)),
  member('val', 'entry', entry, field(8, 8)),
]);

const mmuext = (name: string, command: number, arg1: Kind, good: Good, arg2: Kind = 'pointer'): Operation =>
  operation(
    `mmuext_op ${name}`,
    26,
    [
      ...batch,
      member('arg1', arg1, good, ({ guest }) => guest.abi.mmuextOp.arg1),
      member('arg2', arg2, arg2 === 'frame' ? data : buffer, ({ guest }) => guest.abi.mmuextOp.arg2),
    ],
    ({ pointer = 0n, count = 0n, pdone = 0n, domid = 0n }, { guest }) => {
      guest.mustStore(guest.scratch, 4, BigInt(command));
      return [pointer, count, pdone, domid];
    },
  );

const mmuextOps: readonly Operation[] = [
  ...['PIN_L1', 'PIN_L2', 'PIN_L3', 'PIN_L4'].map((name, i) => mmuext(name, i, 'frame', data)),
  mmuext('UNPIN', 4, 'frame', ({ guest }) => guest.root),
  mmuext('NEW_BASEPTR', 5, 'frame', ({ guest }) => guest.root),
  mmuext('TLB_FLUSH_LOCAL', 6, 'virtual', 0),
  mmuext('INVLPG_LOCAL', 7, 'virtual', dataVa),
  mmuext('TLB_FLUSH_MULTI', 8, 'virtual', 0),
  mmuext('INVLPG_MULTI', 9, 'virtual', dataVa),
  mmuext('TLB_FLUSH_ALL', 10, 'virtual', 0),
  mmuext('INVLPG_ALL', 11, 'virtual', dataVa),
  mmuext('FLUSH_CACHE', 12, 'virtual', 0),
  mmuext('SET_LDT', 13, 'virtual', dataVa, 'count'),
  mmuext('NEW_USER_BASEPTR', 15, 'frame', 0),
  mmuext('CLEAR_PAGE', 16, 'frame', data),
  mmuext('COPY_PAGE', 17, 'frame', data, 'frame'),
  mmuext('FLUSH_CACHE_GLOBAL', 18, 'virtual', 0),
  mmuext('MARK_SUPER', 19, 'frame', data),
  mmuext('UNMARK_SUPER', 20, 'frame', data),
];

/** The fields of a struct xen_memory_reservation, `base` of them in. */
function reservation(prefix: string, index: 0 | 1, list: Good, frame: FieldRow | null): FieldRow[] {
  const at =
    (name: 'extentStart' | 'nrExtents' | 'extentOrder' | 'memFlags' | 'domid') =>
    ({ guest }: Stage): Field => {
      const { memoryReservation: layout } = guest.abi;
      return { ...layout[name], offset: layout[name].offset + index * layout.bytes };
    };
  return [
    member(`${prefix}extent_start`, 'pointer', list, at('extentStart')),
    member(`${prefix}nr_extents`, 'count', 1, at('nrExtents')),
    member(`${prefix}extent_order`, 'number', 0, at('extentOrder')),
    member(`${prefix}mem_flags`, 'number', 0, at('memFlags')),
    member(`${prefix}domid`, 'domain', SELF, at('domid')),
    ...(frame === null ? [] : [frame]),
  ];
}

const MEMORY_OP = 12;
const listed = (good: Good, offset = 1024): FieldRow =>
  member(`frame`, 'frame', good, ({ guest }) => field(offset, guest.abi.wordBytes));
const memoryOps: readonly Operation[] = [
  withStructure('memory_op increase_reservation', MEMORY_OP, 0, reservation('', 0, buffer, null)),
  withStructure('memory_op decrease_reservation', MEMORY_OP, 1, reservation('', 0, buffer, listed(data))),
  withStructure('memory_op maximum_ram_page', MEMORY_OP, 2, []),
  withStructure('memory_op current_reservation', MEMORY_OP, 3, [
    member('domid', 'domain', SELF, field(0, 2)),
  ]),
  withStructure('memory_op maximum_reservation', MEMORY_OP, 4, [
    member('domid', 'domain', SELF, field(0, 2)),
  ]),
  withStructure('memory_op machphys_mfn_list', MEMORY_OP, 5, [
    member('max_extents', 'count', 1, field(0, 4)),
    member('extent_start', 'pointer', buffer, word(1)),
  ]),
  withStructure('memory_op populate_physmap', MEMORY_OP, 6, reservation('', 0, buffer, listed(7))),
  ...[7, 15, 23].map((command) =>
    withStructure(`memory_op ${command} (physmap)`, MEMORY_OP, command, [
      member('domid', 'domain', SELF, field(0, 2)),
      member('space', 'number', 0, field(4, 4)),
    ]),
  ),
  ...[9, 10].map((command) =>
    withStructure(`memory_op ${command} (memory map)`, MEMORY_OP, command, [
      member('nr_entries', 'count', 4, field(0, 4)),
      member('buffer', 'pointer', buffer, word(1)),
    ]),
  ),
  withStructure('memory_op exchange', MEMORY_OP, 11, [
    ...reservation(
      'in.',
      0,
      buffer,
      listed(({ spare }) => spare.frame),
    ),
    ...reservation('out.', 1, ({ guest }) => guest.scratch + 2048n, {
      ...listed(({ spare }) => spare.page, 2048),
      name: 'page',
    }),
    member('nr_exchanged', 'count', 0, ({ guest }) =>
      field(2 * guest.abi.memoryReservation.bytes, guest.abi.wordBytes),
    ),
  ]),
  withStructure('memory_op machphys_mapping', MEMORY_OP, 12, []),
  withStructure('memory_op set_memory_map', MEMORY_OP, 13, []),
  withStructure('memory_op maximum_gpfn', MEMORY_OP, 14, [member('domid', 'domain', SELF, field(0, 2))]),
];

const GRANT = 20;
/** A command of grant_table_op; `members` from the structure's layout. */
const grantOp = (
  name: string,
  command: number,
  members: readonly FieldRow[],
  status: Operation['status'],
): Operation =>
  operation(
    `grant_table_op ${name}`,
    GRANT,
    [POINTER, argument('count', 'count', 1), ...members],
    ({ pointer = 0n, count = 0n }) => [command, pointer, count],
    status,
  );
const layoutOf = ({ guest }: Stage) => guest.layouts;
const neighbour: Good = ({ other }) => other.domain.id;

const grantOps: readonly Operation[] = [
  grantOp(
    'map_grant_ref',
    0,
    [
      member(
        'host_addr',
        'virtual',
        ({ window }) => window,
        (stage) => layoutOf(stage).map.host,
      ),
      member('flags', 'number', HOST_MAP, (stage) => layoutOf(stage).map.flags),
      member('ref', 'count', FIRST_REF, (stage) => layoutOf(stage).map.ref),
      member('dom', 'domain', neighbour, (stage) => layoutOf(stage).map.domid),
    ],
    (stage) => layoutOf(stage).map.status,
  ),
  grantOp(
    'unmap_grant_ref',
    1,
    [
      member(
        'host_addr',
        'virtual',
        ({ mappedAt }) => mappedAt,
        (stage) => layoutOf(stage).unmap.host,
      ),
      member('dev_bus_addr', 'address', 0, (stage) => layoutOf(stage).unmap.device),
      member(
        'handle',
        'count',
        ({ handle }) => handle,
        (stage) => layoutOf(stage).unmap.handle,
      ),
    ],
    (stage) => layoutOf(stage).unmap.status,
  ),
  grantOp(
    'setup_table',
    2,
    [
      member('dom', 'domain', SELF, (stage) => layoutOf(stage).setup.domid),
      member('nr_frames', 'count', 1, (stage) => layoutOf(stage).setup.frames),
      member('frame_list', 'pointer', buffer, (stage) => layoutOf(stage).setup.list),
    ],
    (stage) => layoutOf(stage).setup.status,
  ),
  grantOp(
    'transfer',
    4,
    [
      member(
        'mfn',
        'frame',
        ({ spare }) => spare.frame,
        (stage) => layoutOf(stage).transfer.frame,
      ),
      member('domid', 'domain', neighbour, (stage) => layoutOf(stage).transfer.domid),
      member('ref', 'count', FIRST_REF + 1, (stage) => layoutOf(stage).transfer.ref),
    ],
    (stage) => layoutOf(stage).transfer.status,
  ),
  grantOp(
    'copy',
    5,
    [
      member('source', 'frame', data, (stage) => layoutOf(stage).copy.source.what),
      member('source.domid', 'domain', SELF, (stage) => layoutOf(stage).copy.source.domid),
      member('source.offset', 'number', 0, (stage) => layoutOf(stage).copy.source.offset),
      member(
        'dest',
        'frame',
        ({ guest }) => guest.mFrame,
        (stage) => layoutOf(stage).copy.dest.what,
      ),
      member('dest.domid', 'domain', SELF, (stage) => layoutOf(stage).copy.dest.domid),
      member('dest.offset', 'number', 0, (stage) => layoutOf(stage).copy.dest.offset),
      member('len', 'number', 8, (stage) => layoutOf(stage).copy.length),
      member('flags', 'number', 0, (stage) => layoutOf(stage).copy.flags),
    ],
    (stage) => layoutOf(stage).copy.status,
  ),
  grantOp(
    'query_size',
    6,
    [member('dom', 'domain', SELF, (stage) => layoutOf(stage).querySize.domid)],
    (stage) => layoutOf(stage).querySize.status,
  ),
  grantOp(
    'unmap_and_replace',
    7,
    [
      member(
        'host_addr',
        'virtual',
        ({ mappedAt }) => mappedAt,
        (stage) => layoutOf(stage).replace.host,
      ),
      member('new_addr', 'virtual', dataVa, (stage) => layoutOf(stage).replace.replacement),
      member(
        'handle',
        'count',
        ({ handle }) => handle,
        (stage) => layoutOf(stage).replace.handle,
      ),
    ],
    (stage) => layoutOf(stage).replace.status,
  ),
  grantOp('set_version', 8, [member('version', 'number', 1, field(0, 4))], null),
  grantOp('get_version', 10, [member('dom', 'domain', SELF, field(0, 2))], null),
  grantOp(
    'swap_grant_ref',
    11,
    [
      member('ref_a', 'count', FIRST_REF, (stage) => layoutOf(stage).swap.a),
      member('ref_b', 'count', FIRST_REF + 1, (stage) => layoutOf(stage).swap.b),
    ],
    (stage) => layoutOf(stage).swap.status,
  ),
];

/** Words of 32 bits, as event_channel_op and its like have them. */
const words = (...names: readonly (readonly [name: string, kind: Kind, good: Good])[]): FieldRow[] =>
  names.map(([name, kind, good], i) => member(name, kind, good, field(i * 4, 4)));

const eventOps: readonly Operation[] = (
  [
    ['bind_interdomain', words(['domain', 'domain', neighbour], ['port', 'count', 9])],
    ['bind_virq', words(['virq', 'number', 0], ['vcpu', 'count', 0])],
    ['bind_pirq', words(['pirq', 'number', 0])],
    ['close', words(['port', 'count', 2])],
    ['send', words(['port', 'count', 2])],
    ['status', words(['domain', 'domain', SELF], ['port', 'count', 2])],
    ['alloc_unbound', words(['domains', 'domain', SELF])],
    ['bind_ipi', words(['vcpu', 'count', 0])],
    ['bind_vcpu', words(['port', 'count', 2], ['vcpu', 'count', 0])],
    ['unmask', words(['port', 'count', 2])],
    ['reset', words(['domain', 'domain', SELF])],
  ] as const
).flatMap(([name, members], command) => [withStructure(`event_channel_op ${name}`, 32, command, members)]);

const schedOps: readonly Operation[] = [
  operation('sched_op', 29, [argument('command', 'number', 0), POINTER]),
  withStructure('sched_op shutdown', 29, 2, []),
  withStructure('sched_op poll', 29, 3, [
    member('ports', 'pointer', buffer, word(0)),
    member('nr_ports', 'count', 0, ({ guest }) => field(guest.abi.wordBytes, 4)),
  ]),
  operation('sched_op_compat', 6, [argument('command', 'number', 0), argument('arg', 'number', 0)]),
];

const versionOps: readonly Operation[] = Array.from({ length: 10 }, (_, command) =>
  withStructure(`xen_version ${command}`, 17, command, []),
);

export const OPERATIONS: readonly Operation[] = [
  operation('set_trap_table', 0, [
    POINTER,
    member('address', 'virtual', dataVa, ({ guest }) => guest.abi.trapInfo.address),
  ]),
  mmuUpdate,
  operation('set_gdt', 2, [
    POINTER,
    argument('entries', 'count', 8),
    member('frame', 'frame', data, word(0)),
  ]),
  operation('stack_switch', 3, [argument('ss', 'number', 0xe02b), argument('sp', 'virtual', dataVa)]),
  operation(
    'set_callbacks',
    4,
    ['first', 'second', 'third'].map((name) => argument(name, 'virtual', dataVa)),
  ),
  operation('fpu_taskswitch', 5, [argument('set', 'number', 0)]),
  ...schedOps,
  operation(
    'update_descriptor',
    10,
    [
      argument('address', 'address', ({ guest }) => BigInt(guest.dFrame) << 12n),
      argument('descriptor', 'entry', 0),
    ],
    ({ address = 0n, descriptor = 0n }, stage) => [...wide(stage, address), ...wide(stage, descriptor)],
  ),
  ...memoryOps,
  operation('memory_op', MEMORY_OP, [argument('command', 'number', 2), POINTER]),
  operation('multicall', 13, [POINTER, argument('count', 'count', 1), member('op', 'number', 17, word(0))]),
  operation(
    'update_va_mapping',
    14,
    [argument('va', 'virtual', dataVa), argument('val', 'entry', entry), argument('flags', 'pointer', 0)],
    ({ va = 0n, val = 0n, flags = 0n }, stage) => [va, ...wide(stage, val), flags | 2n],
  ),
  operation(
    'update_va_mapping_otherdomain',
    22,
    [
      argument('va', 'virtual', dataVa),
      argument('val', 'entry', entry),
      argument('flags', 'pointer', 0),
      argument('domid', 'domain', SELF),
    ],
    ({ va = 0n, val = 0n, flags = 0n, domid = 0n }, stage) => [va, ...wide(stage, val), flags | 2n, domid],
  ),
  operation('event_channel_op_compat', 16, [
    POINTER,
    ...words(['command', 'number', 4], ['port', 'count', 2]),
  ]),
  ...versionOps,
  operation('console_io', 18, [
    argument('command', 'number', 0),
    argument('count', 'count', 6),
    argument('buffer', 'pointer', scratch),
  ]),
  ...grantOps,
  operation('grant_table_op', GRANT, [
    argument('command', 'number', 6),
    POINTER,
    argument('count', 'count', 1),
  ]),
  operation('vm_assist', 21, [argument('command', 'number', 0), argument('type', 'number', 2)]),
  operation('vcpu_op', 24, [
    argument('command', 'number', 3),
    argument('vcpu', 'count', 0),
    argument('context', 'pointer', scratch),
  ]),
  operation(
    'vcpu_op initialise',
    24,
    [argument('vcpu', 'count', 1), argument('context', 'pointer', dataVa)],
    ({ vcpu = 0n, context = 0n }) => [0, vcpu, context],
  ),
  operation('set_segment_base', 25, [argument('which', 'number', 0), argument('base', 'virtual', dataVa)]),
  ...mmuextOps,
  mmuext('14', 14, 'virtual', 0),
  operation('callback_op', 30, [
    argument('command', 'number', 0),
    POINTER,
    member('type', 'number', 0, field(0, 2)),
    member('address', 'virtual', dataVa, ({ guest }) => field(8, guest.abi.wordBytes)),
  ]),
  ...eventOps,
  operation('event_channel_op', 32, [argument('command', 'number', 4), POINTER]),
];
