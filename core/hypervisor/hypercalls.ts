/** The hypercalls by number (facts 8.2): name and work; `run` is null where Xen has a call that the model has not. */

import type { Vcpu } from '../machine/vcpu.ts';
import { callbackOp, setCallbacks } from './callbacks.ts';
import { consoleIo } from './console-io.ts';
import { eventChannelOp, eventChannelOpCompat } from './event-channel-op.ts';
import { grantTableOp } from './grant-table-op.ts';
import type { Hypervisor } from './hypervisor.ts';
import { iret } from './iret.ts';
import { memoryOp } from './memory-op.ts';
import { mmuUpdate } from './mmu-update.ts';
import { mmuextOp } from './mmuext-op.ts';
import { multicall } from './multicall.ts';
import { schedOp, schedOpCompat } from './sched-op.ts';
import { setGdt } from './set-gdt.ts';
import { setTrapTable } from './trap-table.ts';
import { updateVaMapping, updateVaMappingOtherDomain } from './va-mapping.ts';
import { updateDescriptor } from './update-descriptor.ts';
import { fpuTaskswitch, setSegmentBase, stackSwitch } from './vcpu-settings.ts';
import { vcpuOp } from './vcpu-op.ts';
import { vmAssist } from './vm-assist.ts';
import { xenVersion } from './xen-version.ts';

/** The work of a hypercall: its result, or CONTEXT_SWITCHED. */
export type HypercallWork = (hv: Hypervisor, vcpu: Vcpu, args: Int32Array) => number;

export interface HypercallRow {
  readonly name: string;
  readonly run: HypercallWork | null;
}

const row = (name: string, run: HypercallWork | null = null): HypercallRow => ({ name, run });

export const HYPERCALLS: readonly (HypercallRow | undefined)[] = [
  row('set_trap_table', setTrapTable),
  row('mmu_update', mmuUpdate),
  row('set_gdt', setGdt),
  row('stack_switch', stackSwitch),
  row('set_callbacks', setCallbacks),
  row('fpu_taskswitch', fpuTaskswitch),
  row('sched_op_compat', schedOpCompat),
  row('platform_op'),
  row('set_debugreg'),
  row('get_debugreg'),
  row('update_descriptor', updateDescriptor),
  undefined,
  row('memory_op', memoryOp),
  row('multicall', multicall),
  row('update_va_mapping', updateVaMapping),
  row('set_timer_op'),
  row('event_channel_op_compat', eventChannelOpCompat),
  row('xen_version', xenVersion),
  row('console_io', consoleIo),
  row('physdev_op_compat'),
  row('grant_table_op', grantTableOp),
  row('vm_assist', vmAssist),
  row('update_va_mapping_otherdomain', updateVaMappingOtherDomain),
  row('iret', iret),
  row('vcpu_op', vcpuOp),
  row('set_segment_base', setSegmentBase),
  row('mmuext_op', mmuextOp),
  row('xsm_op'),
  row('nmi_op'),
  row('sched_op', schedOp),
  row('callback_op', callbackOp),
  row('xenoprof_op'),
  row('event_channel_op', eventChannelOp),
  row('physdev_op'),
  row('hvm_op'),
  row('sysctl'),
  row('domctl'),
  row('kexec_op'),
  row('tmem_op'),
  row('argo_op'),
  row('xenpmu_op'),
  row('dm_op'),
  row('hypfs_op'),
  ...[undefined, undefined, undefined, undefined, undefined],
  row('mca'),
];

/** The name of a hypercall, or its number in words when there is none. */
export const hypercallName = (nr: number): string => HYPERCALLS[nr]?.name ?? `hypercall ${nr}`;
