/** The checks of a traced hypercall as lines: what was checked, in which function of Xen's, and whether it held. */

import { type CheckTracer } from '../hypervisor/types.ts';
import { PAGE_TYPE_NAMES } from '../machine/frames.ts';
import { ruleOf } from '../hypervisor/rules.ts';
import { formatFrame, mfn } from '../units.ts';

/** A tracer that hands each check on as a line of text. */
export const checkTexts = (add: (line: string) => void): CheckTracer => ({
  checked: (rule, outcome) => {
    add(`${outcome} ${rule} (${ruleOf(rule).xenFunction})`);
  },
  validating: (frame, type) => {
    add(`validating mfn ${formatFrame(mfn(frame))} as ${PAGE_TYPE_NAMES[type] ?? 'none'}`);
  },
});
