/**
 * Requests in any order with any arguments: each gets exactly one response, no error response is a stack trace or an
 * internal error, and the session still works afterwards. A failure prints the seed and the requests.
 */

import { describe, expect, it } from 'vitest';
import { isRecord } from '../../../adapter/dap/arguments.ts';
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
  'dataId', 'accessType', 'condition', 'hitCondition', 'logMessage', 'filterOptions', 'filterId', 'asAddress', 'bytes',
  'column', 'targetId', 'how', 'position', 'format', 'granularity',
]; // prettier-ignore
/** What is typed into the debug console, sound and not. */
const TYPED = [
  'help', 'walk 0x400000', 'walk', ':walk &sum', 'why', 'why 3', 'frame 0x200', 'refs 0x200', 'p2m 3', 'hypercalls 5',
  'audit', 'seek 100', 'seek -5', 'seek end', 'seek', 'last sum', 'last refused', 'watch corner.x', 'watch frame 0x200 type',
  'watch -r va:0x400000 8', 'watch pte 0x200 999', 'watches', 'unwatch 1', '? HYPERVISOR_mmu_update(0, 1, 0, DOMID_SELF)',
  '? 1 +', ':nonsense', ':', '?', 'sum = 7', '$rc', '$rax', 'watch sum if $new >', 'frame {', 'help \u0000',
]; // prettier-ignore
const CONDITIONS = [
  '$rc < 0',
  '$new == 7 && sum',
  '$nonsense',
  '1 +',
  '$rule == "*"',
  '',
  'sum == 3',
  'mmuext.*',
  '{',
];
const DATA_IDS = [
  'va:0x400000@1,4,signed', 'mfn:0x200+0x18,8,entry', 'frame:0x200,type', 'frame:0xffffffffff,type', 'va:0x0@99,8,hex',
  'local:0,twice,n,512,7,4,signed', 'local:9,x,y,1,2,3,hex', 'frame:,', 'va:,,', '', 'pfn:0x10@1,4096,hex,twice@3',
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
      return random.pick([true, false, null, 1.5, ...CONDITIONS, ...DATA_IDS]);
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
    breakpoints: [
      {
        line: random.below(30),
        name: random.pick(['twice', '*', 'mmuext_op:MMUEXT_*', 'nonsense']),
        dataId: random.pick(DATA_IDS),
        accessType: random.pick(['read', 'write', 'readWrite']),
        ...(random.below(2) === 0 ? { condition: random.pick(CONDITIONS) } : {}),
        ...(random.below(4) === 0 ? { hitCondition: random.pick(['2', '%2', 'x']) } : {}),
        ...(random.below(4) === 0 ? { logMessage: random.pick(['{sum}', '{', 'turn {n}']) } : {}),
      },
    ],
    name: random.pick(['sum', 'corner.x', 'nonsense', '1 + 1', '0x400000']),
    filterOptions: [
      { filterId: random.pick(['refused', 'fault', 'disagree']), condition: random.pick(CONDITIONS) },
    ],
    expression: random.pick(TYPED),
    context: random.pick(['repl', 'watch', 'hover']),
    text: random.pick(TYPED),
    column: random.below(12),
    position: random.below(5000),
    granularity: random.pick(['statement', 'instruction']),
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

/** What one types and sets while the guest stands. */
const STANDING_COMMANDS = [
  'evaluate', 'evaluate', 'evaluate', 'setDataBreakpoints', 'dataBreakpointInfo', 'setFunctionBreakpoints',
  'setBreakpoints', 'setExceptionBreakpoints', 'completions', 'continue', 'next', 'stepIn', 'stepBack', 'reverseContinue',
  'setVariable', 'setExpression', 'scopes', 'variables', 'stackTrace', 'readMemory', 'writeMemory', 'exceptionInfo',
]; // prettier-ignore

describe('random requests to a standing session', () => {
  it.each(SEEDS.slice(0, 3))('seed %i: are answered, and the session goes on', async (seed) => {
    const random = generator(seed * 7919);
    const adapter = new DebugAdapter();
    const answers: (Answer & { readonly event?: string; readonly command?: string })[] = [];
    adapter.onDidSendMessage((message) => answers.push(message as Answer));
    const sent: object[] = [];
    const moved = (): number =>
      answers.filter(({ event }) => event === 'stopped' || event === 'terminated').length;
    const ask = async (command: string, args: unknown) => {
      const stops = moved();
      const seq = sent.length + 1;
      sent.push({ command, args });
      adapter.handleMessage({ seq, type: 'request', command, arguments: args });
      const mine = () => answers.find((one) => one.type === 'response' && one.request_seq === seq);
      for (let turn = 0; mine() === undefined && turn < 2000; turn++) await nextTurn();
      for (let turn = 0; moved() === stops && turn < 20; turn++) await nextTurn();
      return mine();
    };
    await ask('initialize', {});
    const succeeded = new Set<string>();
    for (let i = 0; i < 120; i++) {
      // A guest that runs is paused; one that has ended begins again.
      if (i % 30 === 0) {
        await ask(i === 0 ? 'launch' : 'restart', { program: random.pick(programs), maxStatements: 200_000 });
        await ask('configurationDone', {});
        for (let turn = 0; turn < 50; turn++) await nextTurn();
      }
      await ask('pause', { threadId: 1 });
      const command = random.pick(STANDING_COMMANDS);
      const given = argumentsFor(random, command);
      // Handles of frames are old after each move; without one the frame that stands is meant.
      const args = isRecord(given) ? { ...given, frameId: undefined } : given;
      const answer = await ask(command, args);
      const recipe = `seed ${seed}: ${JSON.stringify(sent.slice(-12))}`;
      expect(answer, recipe).toBeDefined();
      if (answer?.success === true) succeeded.add(command);
      const text = answer?.body?.error?.variables?.text ?? 'no error';
      expect(text, recipe).not.toMatch(/Internal error|\n\s+at |undefined|\[object/);
    }
    expect(succeeded.size, [...succeeded].join()).toBeGreaterThan(6);
    await ask('disconnect', {});
  });
});

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
