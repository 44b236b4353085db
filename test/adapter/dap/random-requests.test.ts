/**
 * Requests in any order with any arguments: each gets exactly one response, no error response is a stack trace or an
 * internal error, and the session still works afterwards. A failure prints the seed and the requests.
 */

import { describe, expect, it } from 'vitest';
import { DebugAdapter } from '../../../adapter/dap/debug-adapter.ts';
import { REQUESTS } from '../../../adapter/dap/requests.ts';
import { scriptFolder } from '../../support/scripts.ts';
import { CALLS, FAULT, LOOP, REFUSED } from './scripts.ts';

const folder = scriptFolder();
const programs = [CALLS, FAULT, LOOP, REFUSED].map((script, i) => folder.write(`s${i}.guest.c`, script.text));
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const REQUESTS_PER_SEED = 250;

/** Names with which requests read their arguments. */
const NAMES = [
  'threadId', 'frameId', 'variablesReference', 'name', 'value', 'expression', 'context', 'memoryReference', 'count',
  'offset', 'data', 'source', 'breakpoints', 'filters', 'line', 'endLine', 'start', 'filter', 'levels', 'startFrame',
  'from', 'mfn', 'level', 'va', 'text', 'base', 'domain', 'presentOnly', 'abi', 'memory', 'stopOnEntry', 'arguments',
]; // prettier-ignore
const COMMANDS = Object.keys(REQUESTS).filter((name) => name !== 'disconnect');

/** A small generator of numbers, the same everywhere (mulberry32). */
function generator(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n: number) => Math.floor(next() * n);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
  return { below, pick };
}

type Random = ReturnType<typeof generator>;

function randomValue(random: Random, depth: number): unknown {
  const kind = random.below(depth > 2 ? 8 : 11);
  switch (kind) {
    case 0:
      return random.below(4);
    case 1:
      return -random.below(1000);
    case 2:
      return 2 ** random.below(60);
    case 3:
      return random.pick([
        '',
        'sum',
        'va:0x400000',
        'mfn:0x200',
        'pfn:1',
        'info',
        '1 +',
        'locals',
        'repl',
        '\u0000{x}',
      ]);
    case 4:
      return random.pick(programs);
    case 5:
      return random.pick([true, false, null, 1.5]);
    case 6:
      return random.pick([
        'refused',
        'fault',
        'indexed',
        'named',
        'AAAA',
        '0x400000',
        'x86_64',
        'mmu_update',
        '*',
      ]);
    case 7:
      return 1;
    case 8:
      return Array.from({ length: random.below(4) }, () => randomValue(random, depth + 1));
    case 9:
      return { path: random.pick(programs) };
    default:
      return randomArguments(random, depth + 1);
  }
}

function randomArguments(random: Random, depth = 0): Record<string, unknown> {
  const names = Array.from({ length: random.below(6) }, () => random.pick(NAMES));
  return Object.fromEntries(names.map((name) => [name, randomValue(random, depth)]));
}

/** Half of the time the arguments that the request wants, so that the session gets anywhere. */
function argumentsFor(random: Random, command: string): unknown {
  if (random.below(12) === 0) return random.pick<unknown>([undefined, null, 7, 'x', []]);
  const sound = {
    program: random.pick(programs),
    threadId: 1,
    frameId: random.below(8),
    variablesReference: random.below(12),
    source: { path: random.pick(programs) },
    breakpoints: [{ line: random.below(30), name: 'twice' }],
    from: random.below(5000),
    count: random.below(2000),
    maxStatements: 200_000,
  };
  return command === 'launch' || random.below(2) === 0
    ? { ...sound, ...(random.below(4) === 0 ? randomArguments(random) : {}) }
    : randomArguments(random);
}

interface Answer {
  readonly type: string;
  readonly request_seq?: number;
  readonly success?: boolean;
  readonly message?: string;
  readonly body?: { readonly error?: { readonly variables?: { readonly text?: string } } };
}

describe('random requests', () => {
  it.each(SEEDS)('seed %i: one response each, told in one sentence', async (seed) => {
    const random = generator(seed);
    const adapter = new DebugAdapter();
    const answers: Answer[] = [];
    adapter.onDidSendMessage((message) => answers.push(message as Answer));
    const sent: object[] = [];
    const send = async (command: string, args: unknown) => {
      const request = { seq: sent.length + 1, type: 'request', command, arguments: args };
      sent.push(request);
      adapter.handleMessage(request);
      if (random.below(3) > 0) await new Promise((resolve) => setImmediate(resolve));
    };
    await send('initialize', {});
    for (let i = 0; i < REQUESTS_PER_SEED; i++) {
      const command = random.pick(COMMANDS);
      await send(command, argumentsFor(random, command));
      if (i % 50 === 0) await send('launch', { program: random.pick(programs) });
    }
    await send('disconnect', {});
    await new Promise((resolve) => setTimeout(resolve, 50));

    const recipe = `seed ${seed}: ${JSON.stringify(sent.slice(-20))}`;
    const responses = answers.filter(({ type }) => type === 'response');
    const answered = responses.map(({ request_seq }) => request_seq).sort((a = 0, b = 0) => a - b);
    expect(answered, recipe).toEqual(sent.map((_, index) => index + 1));
    for (const response of responses.filter(({ success }) => success === false)) {
      const text = response.body?.error?.variables?.text ?? '';
      expect(text, recipe).not.toMatch(/Internal error|\n\s+at |undefined|\[object/);
      expect(text.length, recipe).toBeGreaterThan(5);
      expect(response.message, recipe).not.toBe('internalError');
    }
  });
});
