/**
 * What a traced hypercall went through, as lines: the functions of Xen's with their operands, indented as they call each
 * other, and in each what was checked, in which function, and whether it held.
 */

import type { Facts } from '../hypervisor/refusal.ts';
import { ruleOf } from '../hypervisor/rules.ts';
import type { Tracer } from '../hypervisor/trace.ts';
import { operandsOf } from './operands.ts';

/** A tracer that hands each check on as a line of text. */
export function checkTexts(add: (line: string) => void): Tracer {
  let depth = 0;
  const tell = (text: string) => {
    add('  '.repeat(depth) + text);
  };
  return {
    entered: (name, facts) => {
      tell(`${name}(${show(facts)})`);
      depth++;
    },
    left: (result) => {
      depth = Math.max(depth - 1, 0);
      if (result !== null && result < 0) tell(`  = ${result}`);
    },
    checked: (rule, outcome) => {
      tell(`${outcome} ${rule} (${ruleOf(rule).xenFunction})`);
    },
    did: (_, facts) => {
      const { i, count, ...rest } = facts ?? {};
      if (i !== undefined && count !== undefined) tell(`${Number(i) + 1} of ${count}: ${show(rest)}`);
    },
  };
}

const show = (facts: Facts): string =>
  operandsOf(facts)
    .map(({ name, text }) => `${name} ${text}`)
    .join(', ');
