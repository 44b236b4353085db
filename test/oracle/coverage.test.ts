/**
 * Each rule that the compared domain can break is broken by a list, and so its error is confirmed by a real Xen. The
 * lists are carried out on the model alone here, to see which rules they meet.
 */

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ModelPort } from '../../adapter/conformance/model-port.ts';
import { parseOperations } from '../../adapter/conformance/operations.ts';
import { OperationRunner } from '../../adapter/conformance/runner.ts';
import { allRules } from '../../core/hypervisor/rules.ts';
import { UNCOMPARED_RULES } from './uncompared-rules.ts';

const LISTS = join(import.meta.dirname, 'lists');

/** The rules that refuse an operation of one of the lists. */
function brokenByLists(): Set<string> {
  const broken = new Set<string>();
  const model = new ModelPort();
  for (const name of readdirSync(LISTS)) {
    model.reset();
    const runner = new OperationRunner(model);
    for (const { operation } of parseOperations(readFileSync(join(LISTS, name), 'utf8'))) {
      const { rule } = runner.run(operation);
      if (rule !== undefined) broken.add(rule);
    }
  }
  return broken;
}

it('every rule is broken by a list, or there is a reason why it cannot be', () => {
  const broken = brokenByLists();
  const excused = new Set(Object.values(UNCOMPARED_RULES).flat());
  const ids = allRules().map(({ id }) => id);
  expect(ids.filter((id) => !broken.has(id) && !excused.has(id))).toEqual([]);
  expect([...excused].filter((id) => broken.has(id))).toEqual([]);
});
