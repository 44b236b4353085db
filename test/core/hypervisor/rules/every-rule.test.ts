/**
 * Each rule is triggered: there is a recipe for every row (the compiler asks for it), and each recipe, on every ABI and
 * hypervisor that has the rule, breaks that very rule and gives the guest that rule's error.
 */

import { describe, expect, it } from 'vitest';
import { audit } from '../../../../core/hypervisor/audit.ts';
import { errorNumber } from '../../../../core/hypervisor/errno.ts';
import { type RuleId, allRules, errnoOf } from '../../../../core/hypervisor/rules.ts';
import { CONFIGURATIONS } from '../guest.ts';
import { callRecipes } from './recipes-calls.ts';
import { entryRecipes } from './recipes-entries.ts';
import { eventRecipes, exchangeRecipes } from './recipes-events.ts';
import { grantRecipes } from './recipes-grants.ts';
import { mmuextRecipes } from './recipes-mmuext.ts';
import { type Configuration, type Recipe, Scene } from './scene.ts';

const RECIPES: { readonly [id in RuleId]: Recipe } = {
  ...entryRecipes,
  ...mmuextRecipes,
  ...callRecipes,
  ...eventRecipes,
  ...exchangeRecipes,
  ...grantRecipes,
};

describe.each<Configuration>([...CONFIGURATIONS])('rules on $abi under Xen $xen', (where) => {
  const present = allRules().filter(({ id }) => RECIPES[id].on?.(where) ?? true);

  it.each(present)('$id', ({ id }) => {
    const { make, returns } = RECIPES[id];
    const [guest, result] = make(new Scene(where));
    const { state } = guest.domain;
    if (result === null) {
      expect(state).toMatchObject({ kind: 'crashed', crash: { rule: id } });
    } else {
      const refusal = guest.hv.lastRefusal;
      expect(refusal?.rule).toBe(id);
      expect(refusal?.message).not.toMatch(/[{}]|undefined|NaN/);
      const errno = errnoOf(id, where.xen);
      expect(errno).not.toBeNull();
      if (errno !== null) expect(result).toBe(returns?.(where) ?? errorNumber(errno));
    }
    if (id !== 'type.count-overflow' && id !== 'grant.no-handle') expect(audit(guest.hv)).toEqual([]);
  });
});

describe('the recipes', () => {
  it('are one for each rule, and each is made on one ABI at least', () => {
    const made = allRules().filter(({ id }) =>
      CONFIGURATIONS.some((where) => RECIPES[id].on?.(where) ?? true),
    );
    expect(made.map(({ id }) => id)).toEqual(allRules().map(({ id }) => id));
    expect(Object.keys(RECIPES)).toHaveLength(allRules().length);
  });
});
