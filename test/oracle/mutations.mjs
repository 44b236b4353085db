/**
 * Rules of the model, broken on purpose one at a time: each row replaces a text that its file has exactly once. What
 * `npm test` compares with a real Xen must notice every one of them (`npm run oracle -- --mutations`).
 */

const hypervisor = (name) => `core/hypervisor/${name}.ts`;

export const mutations = [
  {
    name: 'MMU_PT_UPDATE_PRESERVE_AD in upper tables',
    file: hypervisor('entries'),
    text: 'if (preserveAD) newLo |= oldLo & (A | D);\n  hv.memory.writeWord',
    replacement: 'hv.memory.writeWord',
  },
  {
    name: 'MMU_PT_UPDATE_PRESERVE_AD in L1 tables',
    file: hypervisor('entries'),
    text: 'if (preserveAD) newLo |= oldLo & (A | D);\n    memory.writeSlotWord',
    replacement: 'memory.writeSlotWord',
  },
  {
    name: 'an emulated store drops the references of the entry before',
    file: hypervisor('pte-emulation'),
    text: 'putPageFromL1e(hv, oldLo, oldHi);',
    replacement: '',
  },
  {
    name: 'an emulated store takes references',
    file: hypervisor('pte-emulation'),
    text: 'return getPageFromL1e(hv, lo, hi, vcpu.domain, vcpu.domain.id) === 0;',
    replacement: 'return true;',
  },
  {
    name: 'the TLB is flushed when a frame changes its type',
    file: hypervisor('type-system'),
    text: 'if (owner !== undefined) hv.tlb.flushForTypeChange(owner, frame);',
    replacement: '',
  },
  {
    name: 'the TLB is flushed after an update of an upper table',
    file: hypervisor('rule-sets'),
    text: 'flushAfterUpperUpdate: true',
    replacement: 'flushAfterUpperUpdate: false',
  },
  {
    name: 'a table is pinned once only',
    file: hypervisor('mmuext-op'),
    text: "  if (hv.frames.hasFlag(mfn(frame), FrameFlag.pinned)) {\n    const refused = refuse(hv, 'pin.twice'",
    replacement: "  if (frame < 0) {\n    const refused = refuse(hv, 'pin.twice'",
  },
  {
    name: 'a refused second pin drops the reference that it took',
    file: hypervisor('mmuext-op'),
    text: "const refused = refuse(hv, 'pin.twice', { frame });\n    putPageAndType(hv, frame);",
    replacement: "const refused = refuse(hv, 'pin.twice', { frame });",
  },
  {
    name: 'linear entries are not nested',
    file: hypervisor('linear'),
    text: 'const nests = counted && (uses > 0 || own > 0);',
    replacement: 'const nests = false;',
  },
  {
    name: 'linear entries are counted on both sides',
    file: hypervisor('linear'),
    text: 'hv.frames.linearCount.set(frame, linearCount(hv, frame) + 1);',
    replacement: '',
  },
  {
    name: 'a linear entry must be read-only',
    file: hypervisor('linear'),
    text: "if ((lo & RW) !== 0) return refuse(hv, 'linear.writable', facts);",
    replacement: '',
  },
  {
    name: "Xen's slots of a root are closed",
    file: hypervisor('entries'),
    text: 'if (isWithin(xenSlots(hv, table, row), slot))',
    replacement: 'if (slot === 256)',
  },
  {
    name: "Xen's slots of a root may hold anything before it is one",
    file: hypervisor('promotion'),
    text: 'if (isWithin(slots, slot)) continue;\n    const rc = takeEntry',
    replacement: 'const rc = takeEntry',
  },
  {
    name: 'what is exchanged has no reference beside its allocation',
    file: hypervisor('steal-page'),
    text: 'if (frames.refCount.get(frame) !== 1) return false;',
    replacement: 'if (frames.refCount.get(frame) > 2) return false;',
  },
  {
    name: 'an exchange looks at orders before it looks at counts',
    file: hypervisor('memory-exchange'),
    text: 'checkOrders(hv, vcpu, input, output) || checkCounts(hv, input, output, before)\n    :',
    replacement: 'checkCounts(hv, input, output, before) || checkOrders(hv, vcpu, input, output)\n    :',
  },
  {
    name: 'unmapping a grant drops its references',
    file: hypervisor('grant-map'),
    text: 'dropReferences(hv, frame, done);',
    replacement: '',
  },
  {
    name: 'GTF_writing is cleared with the last writer',
    file: hypervisor('grant-map'),
    text: 'clearMarks(table, ref, pin === 0, !readonly && (pin & Pin.writers) === 0);',
    replacement: 'clearMarks(table, ref, pin === 0, pin === 0);',
  },
  {
    name: 'a grant counts its mappings up to 128',
    file: hypervisor('grant-map'),
    text: 'increment << 7',
    replacement: '0',
  },
  {
    name: "MMU_MACHPHYS_UPDATE takes the domain's own frames alone",
    file: hypervisor('mmu-update'),
    text: "if (!ownsPage(hv, frame, pageOwner)) return refuse(hv, 'mmu_update.m2p-owner', { frame, table: frame });",
    replacement: '',
  },
  {
    name: 'a batch tells how many requests were done',
    file: hypervisor('mmu-update'),
    text: 'hv.done = i + 1;',
    replacement: 'hv.done = i;',
  },
  {
    name: 'a batch ends at the request that fails',
    file: hypervisor('mmu-update'),
    text: '    if (rc !== 0) return rc;\n    hv.done',
    replacement: '    hv.done',
  },
  {
    name: 'new references are taken before the old ones are dropped',
    file: hypervisor('entries'),
    text: '    if (!sameReferences) {\n      const rc = getPageFromL1e',
    replacement:
      '    if (!sameReferences) {\n      putPageFromL1e(hv, oldLo, oldHi);\n      const rc = getPageFromL1e',
  },
  {
    name: 'a demoted table drops its children',
    file: hypervisor('type-system'),
    text: 'demote(hv, frame, type);',
    replacement: '',
  },
  {
    name: 'a page that is given back twice loses its allocation once',
    file: hypervisor('memory-op'),
    text: 'if (frames.hasFlag(mfn(frame), FrameFlag.allocated)) {',
    replacement: 'if (frames.refCount.get(frame) > 1) {',
  },
  {
    name: 'a failed validation leaves the type of upper tables',
    file: hypervisor('rule-sets'),
    text: 'failedPromotionKeepsType: true',
    replacement: 'failedPromotionKeepsType: false',
  },
  {
    name: 'a failed update_va_mapping flushes nothing',
    file: hypervisor('rule-sets'),
    text: 'flushAfterFailedVaMapping: false',
    replacement: 'flushAfterFailedVaMapping: true',
  },
  {
    name: 'the old user root is let go',
    file: hypervisor('root'),
    text: "did(hv, 'user-root');\n  if (old !== null) putPageAndType(hv, old);",
    replacement: "did(hv, 'user-root');",
  },
  {
    name: 'a page that is cleared must be able to be writable',
    file: hypervisor('mmuext-op'),
    text: "if (getPageAndType(hv, frame, op.owner, PageType.writable) !== 0)\n    return refuse(hv, 'clear_page.frame', { frame });",
    replacement:
      'if (getPageAndType(hv, frame, op.owner, PageType.writable) !== 0) {\n    hv.pending = null;\n    return 0;\n  }',
  },
  {
    name: 'descriptors of a page in use get the ring of the kernel',
    file: hypervisor('descriptors'),
    text: 'const raised = (hi & ~DPL_MASK) | (dpl << DPL_SHIFT);',
    replacement: 'const raised = hi;',
  },
  {
    name: 'a writable mapping of a table is -EBUSY',
    file: hypervisor('rules-entries'),
    text: "errno: onceEinval('EBUSY'),\n    xenFunction: 'get_page_from_l1e',\n    xenPrints: 'Could not get page type",
    replacement:
      "errno: both('EINVAL'),\n    xenFunction: 'get_page_from_l1e',\n    xenPrints: 'Could not get page type",
  },
];
