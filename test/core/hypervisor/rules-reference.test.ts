import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { allRules } from '../../../core/hypervisor/rules.ts';
import { rulesReference } from '../../../core/hypervisor/rules-reference.ts';

describe('docs/rules.md', () => {
  it('is what the rows make it: `npm run docs` writes it anew', () => {
    const page = readFileSync(new URL('../../../docs/rules.md', import.meta.url), 'utf8');
    expect(page).toBe(rulesReference());
  });

  it('has every rule, and no placeholder in braces outside what Xen prints', () => {
    const page = rulesReference();
    for (const { id } of allRules()) expect(page).toContain(`### ${id}\n`);
    expect(page.replaceAll(/`[^`]*`/g, '')).not.toMatch(/\{\w+\}/);
  });
});
