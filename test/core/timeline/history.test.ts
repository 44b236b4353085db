/** Going back: steps, several vCPUs, edits, what changed last, and little memory. */

import { describe, expect, it } from 'vitest';
import { position } from '../../../core/timeline/position.ts';
import type { Session } from '../../../core/timeline/session.ts';
import { NO_FILTERS, type Stop, type StopTest } from '../../../core/timeline/types.ts';
import { SCRIPT, go, lineOf, sessionOf } from './scripts.ts';
import { wholeState } from './whole-state.ts';

function back(session: Session, test: StopTest = { kind: 'continue' }): Stop {
  for (;;) {
    const stop = session.back(test, 1000);
    if (stop.kind !== 'budget') return stop;
  }
}

function seek(session: Session, place: number): void {
  while (session.seek(position(place), 1000).kind === 'budget');
}

const step = (how: 'into' | 'over' | 'out', vcpu = 0): StopTest => ({ kind: 'step', vcpu, how });

const LINES = [
  'static volatile unsigned long cell;',
  'static int inner(int n) { return n + 1; }',
  'static int outer(int n)',
  '{',
  '    int sum = inner(n);',
  '    sum += inner(sum) + inner(n);',
  '    return sum;',
  '}',
  'int main(void)',
  '{',
  '    int total = 0;',
  '    for (int i = 0; i < 50; i++) {',
  '        total += outer(i) + inner(i);',
  '        if (i == 30)',
  '            cell = total;',
  '    }',
  '    printk("%d\\n", total);',
  '    return 0;',
  '}',
];
const TEXT = LINES.join('\n');
const lineWith = (text: string): number => LINES.findIndex((line) => line.includes(text)) + 1;

function entered(text = TEXT, options: Parameters<typeof sessionOf>[1] = {}): Session {
  const session = sessionOf(text, { stepIntoXen: false, ...options });
  session.setFilters(NO_FILTERS);
  session.runToEntry(1_000_000);
  return session;
}

describe('steps back', () => {
  it.each(['into', 'over'] as const)('%s undo the same steps forwards, place by place', (how) => {
    const session = entered();
    const places: [number, string][] = [[session.position, wholeState(session)]];
    for (let i = 0; i < 60; i++) {
      expect(go(session, step(how)).kind).toBe('step');
      places.push([session.position, wholeState(session)]);
    }
    for (const [at, state] of places.slice(0, -1).reverse()) {
      expect(back(session, step(how)).kind).toBe('step');
      expect(session.position).toBe(at);
      expect(wholeState(session)).toBe(state);
    }
  });

  it('over: two calls in one statement are not mistaken for each other', () => {
    const session = entered();
    session.setBreakpoints([{ kind: 'line', id: 1, file: SCRIPT, line: lineWith('inner(sum) + inner(n)') }]);
    go(session);
    session.setBreakpoints([]);
    go(session, step('into'));
    go(session, step('into'));
    expect(lineOf(session)).toBe(lineWith('static int inner'));
    back(session, step('over'));
    expect(lineOf(session)).toBe(lineWith('inner(sum) + inner(n)'));
  });

  it('out lead to the call, and from the outermost function to the start', () => {
    const session = entered();
    session.setBreakpoints([{ kind: 'function', id: 1, name: 'inner' }]);
    go(session);
    session.setBreakpoints([]);
    back(session, step('out'));
    expect(lineOf(session)).toBe(lineWith('int sum = inner'));
    back(session, step('out'));
    expect(lineOf(session)).toBe(lineWith('total += outer'));
    expect(back(session, step('out')).kind).toBe('start');
    expect(lineOf(session)).toBe(lineWith('int total'));
    expect(back(session, step('over')).kind).toBe('start');
    expect(session.position).toBe(session.start);
  });
});

describe('several vCPUs', () => {
  const TWO = `
    static vcpu_guest_context_t context;
    static volatile int done, turns;
    static void second(void) {
      for (int i = 0; i < 40000; i++) turns++;
      done = 1;
      stop_vcpu(1);
    }
    int main(void) {
      unsigned long stack = alloc_page() + PAGE_SIZE;
      if (start_vcpu(1, second, stack, &context) != 0) return 1;
      while (!done) HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
      return 0;
    }`;

  it('come and go with the time in which they are', () => {
    const session = entered(TWO);
    const before = session.position;
    go(session);
    expect(session.vcpus()).toHaveLength(2);
    seek(session, before);
    expect(session.vcpus()).toHaveLength(1);
    go(session);
    expect(session.exit).toMatchObject({ status: 0 });
    expect(session.vcpus()).toHaveLength(2);
    expect(session.audit()).toEqual([]);
  });

  it('a step of the other one gives it the turn, which is repeated so', () => {
    const session = entered(TWO);
    session.setBreakpoints([{ kind: 'function', id: 1, name: 'second' }]);
    go(session);
    session.setBreakpoints([]);
    for (let i = 0; i < 3; i++) go(session, step('into', 0));
    for (let i = 0; i < 3; i++) go(session, step('into', 1));
    const [at, state] = [session.position, wholeState(session)];
    seek(session, session.start);
    seek(session, at);
    expect(wholeState(session)).toBe(state);
    go(session);
    expect(session.exit).toMatchObject({ status: 0 });
  });
});

describe('an edit', () => {
  const line = lineWith('printk');

  it('in the past begins another future, and is there again when it is passed', () => {
    const session = entered();
    go(session);
    expect(session.console).toEqual(['5150']);
    const end = session.end;
    session.setBreakpoints([{ kind: 'line', id: 1, file: SCRIPT, line }]);
    expect(back(session).kind).toBe('breakpoint');
    const place = session.position;
    const [frame] = session.stack(0);
    if (frame === undefined) throw new Error('no frame');
    session.evaluate('total + 1', frame, { sideEffects: 'keep' });
    expect(session.end, 'looking changes nothing').toBe(end);
    session.evaluate('total = 7', frame, { sideEffects: 'keep' });
    expect(session.end).toBe(place);
    go(session);
    expect(session.console).toEqual(['7']);
    const state = wholeState(session);

    session.setBreakpoints([]);
    seek(session, session.start);
    go(session);
    expect(wholeState(session), 'the edit is part of the run').toBe(state);
    seek(session, place - 1);
    expect(session.stack(0).length).toBeGreaterThan(0);
    seek(session, place);
    expect(lineOf(session)).toBe(line);
  });

  it('that prints says so once, in the past too', () => {
    const session = entered();
    go(session);
    session.setBreakpoints([{ kind: 'line', id: 1, file: SCRIPT, line }]);
    back(session);
    const [frame] = session.stack(0);
    if (frame === undefined) throw new Error('no frame');
    session.evaluate('printk("here\\n")', frame, { sideEffects: 'keep' });
    expect(session.console).toEqual(['here']);
    go(session);
    expect(session.console).toEqual(['here', '5150']);
  });
});

describe('the last change', () => {
  it('of a word is found, and before it none', () => {
    const session = entered();
    const { machine } = session;
    go(session);
    const read = session.setBreakpoints([
      { kind: 'line', id: 1, file: SCRIPT, line: lineWith('cell = total') },
    ]);
    expect(read[0]?.verified).toBe(true);
    const cells = cellsOf(session, 'cell');
    const travel = session.seekLastChange(cells, Infinity);
    expect(travel).toMatchObject({ kind: 'arrived' });
    expect(lineOf(session)).toBe(lineWith('cell = total'));
    expect(session.seekLastChange(cells, Infinity)).toEqual({ kind: 'arrived', result: null });
    expect(lineOf(session), 'nothing has moved').toBe(lineWith('cell = total'));
    expect(machine.domains).toHaveLength(1);
  });
});

function cellsOf(session: Session, name: string): ReadonlySet<number> {
  seek(session, session.end - 40);
  const [frame] = session.stack(0);
  if (frame === undefined) throw new Error('no frame');
  const value = session.evaluate(`&${name}`, frame, { sideEffects: 'none' });
  const address = value.kind === 'value' ? BigInt(/0x[0-9a-f]+/.exec(value.value.text)?.[0] ?? '0') : 0n;
  const vcpu = session['execution'].at(0)?.vm.vcpu;
  const leaf = vcpu?.mmu.probe(Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n)));
  if (leaf === undefined) throw new Error('not mapped');
  const slot = session.machine.memory.slotOf(leaf.frame);
  const word = Number((address & 0xfffn) >> 2n);
  seek(session, session.end);
  return new Set([slot * 1024 + word, slot * 1024 + word + 1]);
}
