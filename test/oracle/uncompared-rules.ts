/** Rules that no list breaks on a real Xen, by the reason why none can. */

import type { RuleId } from '../../core/hypervisor/rules.ts';

export const UNCOMPARED_RULES: { readonly [reason: string]: readonly RuleId[] } = {
  'they bind domains without the privileges of domain 0': [
    'l1e.flags',
    'foreign.unprivileged',
    'mmuext_op.flush-cache',
    'mmuext_op.flush-cache-global',
    'memory_op.privilege',
    'memory_op.no-map',
    'memory_op.machine-map',
    'memory_op.set-map',
    'console_io.permission',
    'exchange.privilege',
    'event_channel_op.privilege',
    'grant.privilege',
    'grant.version-privilege',
  ],
  'they need a second domain': [
    'mmu_update.m2p-table-owner',
    'grant.pinned-by-other',
    'grant.frame-gone',
    'transfer.headroom',
  ],
  'they are about 32-bit guests': [
    'l2e.xen-slot',
    'l3e.closed-slot',
    'l3e.plain-l2',
    'l3e.top-l2',
    'l3.no-top-l2',
    'l3.shared-top-l2',
    'l3.above-4g',
    'mmuext_op.user-root',
    'set_segment_base.abi',
  ],
  'they are about Xen 3.0.4': ['baseptr.fatal', 'exchange.address-bits'],
  'they crash the domain, and with domain 0 the machine': [
    'trap.no-event-callback',
    'trap.no-handler',
    'trap.stack-in-xen',
    'trap.bad-stack',
    'iret.frame',
    'iret.no-user-root',
    'iret.ring',
  ],
  "they need another boot option, another build or another processor than QEMU's": [
    'l1tf.entry',
    'linear.disabled',
    'grant.version-2',
    'grant.implicit-unmap',
  ],
  'they are met at limits that a list does not reach': [
    'type.count-overflow',
    'exchange.no-memory',
    'grant.no-handle',
    'grant.table-memory',
    'event_channel_op.no-port',
  ],
  'the machine has one processor, so domain 0 has one vCPU': [
    'vcpu_op.initialised',
    'vcpu_op.not-initialised',
    'vcpu_op.argument',
    'vcpu_op.address',
  ],
  'they say what the model does not have': ['hypercall.not-modelled', 'event_channel_op.not-modelled'],
};
