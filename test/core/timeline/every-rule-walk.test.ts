/** Whatever breaks a rule can be walked through: every check of it is a line, and the walk ends as the call does. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Hypervisor } from '../../../core/hypervisor/hypervisor.ts';
import { type RuleId, allRules } from '../../../core/hypervisor/rules.ts';
import { HypercallWalk } from '../../../core/timeline/hypercall-walk.ts';
import { callRecipes } from '../hypervisor/rules/recipes-calls.ts';
import { entryRecipes } from '../hypervisor/rules/recipes-entries.ts';
import { eventRecipes, exchangeRecipes } from '../hypervisor/rules/recipes-events.ts';
import { grantRecipes } from '../hypervisor/rules/recipes-grants.ts';
import { mmuextRecipes } from '../hypervisor/rules/recipes-mmuext.ts';
import { type Configuration, type Recipe, Scene } from '../hypervisor/rules/scene.ts';

const RECIPES: { readonly [id in RuleId]: Recipe } = {
  ...entryRecipes,
  ...mmuextRecipes,
  ...callRecipes,
  ...eventRecipes,
  ...exchangeRecipes,
  ...grantRecipes,
};
const CONFIGURATIONS: readonly Configuration[] = [
  { abi: 'x86_64', xen: '4.17' },
  { abi: 'x86_32p', xen: '3.0.4' },
];

interface Seen {
  readonly unlisted: readonly string[];
  readonly broken: readonly RuleId[];
  /** Cells that a walk and the call left with different words. */
  readonly different: number;
}

let seen: Seen[] = [];
const { hypercall, deliverPageFault } = Hypervisor.prototype;

/** Walks through the work before it is done. */
function walked<T>(hv: Hypervisor, work: () => T): T {
  if (hv.tracer !== null) return work();
  const walk = HypercallWalk.record(hv, work);
  const ends = walk?.changes(0, walk.positions.length) ?? new Map<number, { readonly now: number }>();
  const result = work();
  const { store } = hv.machine;
  seen.push({
    unlisted: walk?.unlisted ?? ['nothing to walk through'],
    broken: walk?.positions.flatMap(({ check }) => (check?.outcome === 'broken' ? [check.rule] : [])) ?? [],
    different: [...ends].filter(([cell, { now }]) => store.word(cell) !== now).length,
  });
  return result;
}

beforeAll(() => {
  Hypervisor.prototype.hypercall = function (vcpu, nr, args) {
    walked(this, () => hypercall.call(this, vcpu, nr, args.slice()));
  };
  Hypervisor.prototype.deliverPageFault = function (vcpu) {
    const fault = { ...vcpu.mmu.fault };
    return walked(this, () => {
      Object.assign(vcpu.mmu.fault, fault);
      return deliverPageFault.call(this, vcpu);
    });
  };
});

afterAll(() => {
  Object.assign(Hypervisor.prototype, { hypercall, deliverPageFault });
});

describe.each(CONFIGURATIONS)('on $abi under Xen $xen', (where) => {
  const present = allRules().filter(({ id }) => RECIPES[id].on?.(where) ?? true);

  it.each(present)('$id', ({ id }) => {
    seen = [];
    RECIPES[id].make(new Scene(where));
    expect(seen.flatMap(({ unlisted }) => unlisted)).toEqual([]);
    expect(seen.map(({ different }) => different)).toEqual(seen.map(() => 0));
    if (seen.length > 0) expect(seen.flatMap(({ broken }) => broken)).toContain(id);
  });
});
