/** The reference of the rules as a page of text (docs/rules.md), made from their rows alone. */

import { describeError } from './errno.ts';
import type { Rule, XenVersion } from './rule.ts';
import { allRules } from './rules.ts';

const INTRODUCTION = `# Rules

Every check that can refuse a guest, as the debugger explains it. Words in *italics* stand for what a refusal names.
A release build of Xen prints only what is marked so; a debug build prints all.

This page is made from the rows in core/hypervisor/rules*.ts by \`npm run docs\`; edit those.
`;

const VERSIONS: readonly XenVersion[] = ['4.17', '3.0.4'];

/** The whole page, in the order of the rows; rules that begin with the same word share a heading. */
export function rulesReference(): string {
  const parts = [INTRODUCTION];
  let heading = '';
  for (const { id, rule } of allRules()) {
    const [area = ''] = id.split('.');
    if (area !== heading) {
      heading = area;
      parts.push(`## ${area}\n`);
    }
    parts.push(describe(id, rule));
  }
  return parts.join('\n');
}

function describe(id: string, rule: Rule): string {
  return [
    `### ${id}`,
    '',
    inItalics(rule.sentence),
    '',
    `- Result: ${resultOf(rule)}`,
    `- Checked in: \`${rule.xenFunction}\``,
    `- Xen prints: ${printed(rule)}`,
    `- Usual cause: ${rule.usualCause}`,
    `- What to do: ${rule.remedy}`,
    '',
  ].join('\n');
}

function resultOf({ errno }: Rule): string {
  const told = (version: XenVersion): string => {
    const name = errno[version];
    return name === null ? 'the domain is crashed' : `\`${describeError(name)}\``;
  };
  const [modern = '', old = ''] = VERSIONS.map(told);
  return modern === old ? modern : `${modern} under 4.17, ${old} under 3.0.4`;
}

function printed({ xenPrints, printsInRelease }: Rule): string {
  if (xenPrints === null) return 'nothing';
  return `\`${xenPrints}\`${printsInRelease ? ', also in a release build' : ''}`;
}

const inItalics = (sentence: string): string => sentence.replace(/\{(\w+)\}/g, '*$1*');
