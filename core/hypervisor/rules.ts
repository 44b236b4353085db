/**
 * Every check of Xen's that can refuse, one row each: the sentence in our words, the errno of each rule set, the Xen
 * function it stands for, the line Xen prints and whether a release build prints it, the usual cause, the remedy.
 *
 * The row is the explanation in the debugger, the line of the listing that is stepped through, the reference text and
 * the unit of test coverage. `{name}` in a sentence is filled from the evidence of the refusal. An errno of null
 * means that the domain is crashed instead. Facts sections 3.10 to 3.18, 4, 7, 8, 11 and field notes E.3, E.4.
 */

import { entryRules } from './rules-entries.ts';
import { callRules } from './rules-calls.ts';
import { eventRules } from './rules-events.ts';
import { exchangeRules } from './rules-exchange.ts';
import { grantRules } from './rules-grants.ts';
import { mmuextRules } from './rules-mmuext.ts';
import type { Rule, XenVersion } from './rule.ts';
import type { ErrorName } from './errno.ts';

export type { Rule, XenVersion } from './rule.ts';

export const RULES = {
  ...entryRules,
  ...mmuextRules,
  ...callRules,
  ...eventRules,
  ...exchangeRules,
  ...grantRules,
};

export type RuleId = keyof typeof RULES;

/** The row of a rule. */
export const ruleOf = (id: RuleId): Rule => RULES[id];

/** All rows with their ids, in the order of this file: for the reference documentation and the coverage test. */
export const allRules = (): { readonly id: RuleId; readonly rule: Rule }[] =>
  (Object.keys(RULES) as RuleId[]).map((id) => ({ id, rule: RULES[id] }));

/** The error that a rule set returns for a rule; null when it crashes the domain instead. */
export const errnoOf = (id: RuleId, xen: XenVersion): ErrorName | null => RULES[id].errno[xen];

/** A sentence with its `{placeholders}` filled; a placeholder without evidence stays readable as its own name. */
export function fillSentence(sentence: string, evidence: Readonly<Record<string, string | number>>): string {
  return sentence.replace(/\{(\w+)\}/g, (_, name: string) => String(evidence[name] ?? name));
}
