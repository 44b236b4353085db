/**
 * The whole trace of each example, compared with the one kept beside this file. A missing golden fails. After a change
 * that is meant, look at the difference and write them anew with
 *
 *   UPDATE_GOLDEN=1 npx vitest run test/golden
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isRecord } from '../../adapter/dap/arguments.ts';
import { xenscope } from '../support/cli.ts';
import { EXAMPLES, type Example } from '../support/examples.ts';
import { Normaliser } from './normalise.ts';

const ABIS = ['x86_64', 'x86_32p', 'x86_32'] as const;
const UPDATE = process.env['UPDATE_GOLDEN'] === '1';

/** The report of a run without what differs between machines and library versions. */
async function traceOf(example: Example, abi: string, layout: string): Promise<unknown> {
  const { stdout, stderr } = await xenscope(
    'run',
    '--json',
    '--abi',
    abi,
    '--layout',
    layout,
    ...example.files,
  );
  const report: unknown = JSON.parse(stdout);
  if (!isRecord(report)) throw new Error(`the report is no object: ${stderr}`);
  const { statements, ...rest } = report;
  expect(statements).toEqual(expect.any(Number));
  return new Normaliser(abi).value(rest);
}

describe.each(ABIS)('traces on %s', (abi) => {
  const examples = EXAMPLES.filter(({ abis }) => abis.includes(abi));

  it.each(examples)('$name', async (example) => {
    const file = join(import.meta.dirname, `${example.name}.${abi}.golden.json`);
    const trace = await traceOf(example, abi, 'scattered:1');
    if (UPDATE) writeFileSync(file, `${JSON.stringify(trace, null, 1)}\n`);
    expect(existsSync(file), `${file} is missing; UPDATE_GOLDEN=1 writes it`).toBe(true);
    expect(trace).toEqual(JSON.parse(readFileSync(file, 'utf8')));
  });

  it.each(examples)('$name is the same wherever its frames lie', async (example) => {
    expect(await traceOf(example, abi, 'scattered:2')).toEqual(await traceOf(example, abi, 'scattered:3'));
  });
});
