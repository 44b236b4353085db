import { describe, expect, test } from 'vitest';
import type { Session } from '../../../core/timeline/session.ts';
import { type Options, SCRIPT, go, lineOf, ran, sessionOf } from './scripts.ts';

/** Line numbers of the text count from its first line. */
const STEPS = `static int twice(int x)
{
    int y = x * 2;
    return y;
}

int kernel_main(void)
{
    int a = 1;
    a = twice(a);
    for (int i = 0; i < 2; i++)
        a += i;
    printk("%d\\n", a);
    a = twice(twice(a));
    return a - 12;
}
`;

function atEntry(text: string, options: Options = {}): Session {
  const session = sessionOf(text, options);
  let stop = session.runToEntry(100_000);
  while (stop.kind === 'budget') stop = session.runToEntry(100_000);
  expect(stop.kind).toBe('step');
  return session;
}

function walk(session: Session, how: 'into' | 'over' | 'out', steps: number): (string | number)[] {
  const lines: (string | number)[] = [];
  for (let i = 0; i < steps; i++) {
    const stop = go(session, { kind: 'step', vcpu: 0, how });
    if (stop.kind !== 'step') return [...lines, stop.kind];
    lines.push(lineOf(session) ?? -1);
  }
  return lines;
}

describe('stepping', () => {
  test('a run to the entry stops at the first statement of the entry function', () => {
    const session = atEntry(STEPS);
    expect(lineOf(session)).toBe(9);
    expect(session.stack(0).map(({ name }) => name)).toEqual(['kernel_main']);
  });

  test('over: a call is one step, loops go through condition, body and step', () => {
    const session = atEntry(STEPS);
    expect(walk(session, 'over', 20)).toEqual([10, 11, 11, 12, 11, 11, 12, 11, 11, 13, 14, 15, 'exited']);
    expect(session.exit?.status).toBe(0);
  });

  test('into: the callee, each time it is called; functions of the library are skipped', () => {
    const session = atEntry(STEPS);
    const lines = walk(session, 'into', 30);
    expect(lines.slice(0, 5)).toEqual([10, 3, 4, 11, 11]);
    expect(lines.slice(-8)).toEqual([13, 14, 3, 4, 3, 4, 15, 'exited']);
  });

  test('out: back to the caller, then to the end', () => {
    const session = atEntry(STEPS);
    expect(walk(session, 'into', 2)).toEqual([10, 3]);
    expect(session.stack(0).map(({ name, place }) => [name, place?.line])).toEqual([
      ['twice', 3],
      ['kernel_main', 10],
    ]);
    expect(walk(session, 'out', 2)).toEqual([11, 'exited']);
  });

  test('a step in slices of one statement is the same step', () => {
    const session = atEntry(STEPS);
    const lines: (number | undefined)[] = [];
    for (let slices = 0; lines.length < 3 && slices < 500; slices++) {
      const stop = session.run({ kind: 'step', vcpu: 0, how: 'over' }, 1);
      if (stop.kind === 'step') lines.push(lineOf(session));
    }
    expect(lines).toEqual([10, 11, 11]);
  });

  test('a step into a statement that faults stops in the handler; out of it, behind the statement', () => {
    const session = atEntry(
      `
static void on_fault(struct cpu_user_regs *regs)
{
    exit_guest(0);
}
int kernel_main(void)
{
    struct trap_info t[] = { { 14, 0, FLAT_KERNEL_CS, (unsigned long)on_fault }, { 0 } };
    HYPERVISOR_set_trap_table(t);
    *(int *)8 = 1;
    return 0;
}`,
      { stepIntoXen: false },
    );
    expect(walk(session, 'into', 3)).toEqual([9, 10, 4]);
    const frames = session.stack(0);
    expect(frames.map(({ name, trap }) => [name, trap])).toEqual([
      ['on_fault', true],
      ['kernel_main', false],
    ]);
    expect(frames[1]?.place?.line).toBe(10);
  });

  test('statements of one macro call are one step', () => {
    const session = atEntry(`
#define TWO(a, b) do { a = 1; b = 2; } while (0)
int kernel_main(void)
{
    int x = 0, y = 0;
    TWO(x, y);
    return x + y - 3;
}`);
    expect(walk(session, 'over', 5)).toEqual([5, 6, 7, 'exited']);
  });
});

describe('breakpoints', () => {
  test('on a line with a statement, and from a line without one on the next that has one', () => {
    const session = sessionOf(STEPS);
    const places = session.setBreakpoints([
      { kind: 'line', id: 1, file: SCRIPT, line: 4 },
      { kind: 'line', id: 2, file: SCRIPT, line: 6 },
      { kind: 'line', id: 3, file: SCRIPT, line: 99 },
      { kind: 'function', id: 4, name: 'twice' },
      { kind: 'function', id: 5, name: 'thrice' },
    ]);
    expect(places.map(({ id, verified, place }) => [id, verified, place?.line])).toEqual([
      [1, true, 4],
      [2, true, 9],
      [3, false, undefined],
      [4, true, 3],
      [5, false, undefined],
    ]);
    expect(go(session)).toEqual({ kind: 'breakpoint', vcpu: 0, ids: [2] });
    expect(go(session)).toEqual({ kind: 'breakpoint', vcpu: 0, ids: [4] });
    expect(go(session)).toEqual({ kind: 'breakpoint', vcpu: 0, ids: [1] });
    session.setBreakpoints([]);
    expect(go(session).kind).toBe('exited');
  });

  test('with a condition it stops only where the condition holds', () => {
    const session = sessionOf(STEPS);
    session.setBreakpoints([{ kind: 'line', id: 1, file: SCRIPT, line: 12, condition: 'i == 1 && a > 0' }]);
    expect(go(session).kind).toBe('breakpoint');
    const [frame] = session.stack(0);
    expect(frame && session.evaluate('i', frame, { sideEffects: 'none' })).toMatchObject({
      value: { text: '1' },
    });
    expect(go(session).kind).toBe('exited');
  });

  test('in a function of the library', () => {
    const session = sessionOf(STEPS);
    session.setBreakpoints([{ kind: 'function', id: 1, name: 'printk' }]);
    expect(go(session).kind).toBe('breakpoint');
    expect(session.stack(0).map(({ name, place }) => [name, place?.library])).toEqual([
      ['printk', true],
      ['kernel_main', false],
    ]);
  });

  const CALLS = `
static char page[4096] __attribute__((aligned(4096)));
int kernel_main(void)
{
    struct mmuext_op op[2] = { { .cmd = MMUEXT_TLB_FLUSH_LOCAL }, { .cmd = MMUEXT_PIN_L1_TABLE } };
    op[1].arg1.mfn = virt_to_mfn(page);
    HYPERVISOR_mmuext_op(op, 1, NULL, DOMID_SELF);
    HYPERVISOR_mmuext_op(op + 1, 1, NULL, DOMID_SELF);
    return 0;
}`;

  test('on a hypercall by name, in either spelling, before it is made', () => {
    for (const pattern of ['mmuext_op', 'HYPERVISOR_mmuext_op', 'mmu*']) {
      const session = sessionOf(CALLS);
      expect(session.setBreakpoints([{ kind: 'hypercall', id: 7, pattern }])).toEqual([
        { id: 7, verified: true },
      ]);
      const made = session.hypercallLog.length;
      expect(go(session)).toMatchObject({ kind: 'hypercall', ids: [7], name: 'mmuext_op' });
      expect(session.hypercallLog.length).toBe(made + 1);
      expect(lineOf(session)).toBe(7);
      expect(go(session)).toMatchObject({ kind: 'hypercall' });
      expect(lineOf(session)).toBe(8);
    }
  });

  test('on a sub-operation', () => {
    const session = sessionOf(CALLS);
    session.setBreakpoints([{ kind: 'hypercall', id: 1, pattern: 'mmuext_op:MMUEXT_PIN_*' }]);
    expect(go(session)).toMatchObject({ kind: 'hypercall', args: { op: [{ cmd: 'MMUEXT_PIN_L1_TABLE' }] } });
    expect(lineOf(session)).toBe(8);
  });

  test('on a name that no hypercall has it says so', () => {
    const session = sessionOf(CALLS);
    const [place] = session.setBreakpoints([{ kind: 'hypercall', id: 1, pattern: 'frobnicate' }]);
    expect(place).toMatchObject({ verified: false, message: 'No hypercall is called frobnicate.' });
  });

  test('a refused hypercall stops at the statement of the guest that made it', () => {
    const session = sessionOf(CALLS);
    const stop = go(session);
    expect(stop).toMatchObject({ kind: 'refused', record: { name: 'mmuext_op', line: 8 } });
    expect(lineOf(session)).toBe(8);
    expect(session.stack(0)[0]?.name).toBe('kernel_main');
    expect(go(session, { kind: 'step', vcpu: 0, how: 'over' }).kind).toBe('step');
    expect(lineOf(session)).toBe(9);
  });
});

describe('ends', () => {
  test('an endless loop honours the limit of statements, and pauses after each slice', () => {
    const session = sessionOf('int kernel_main(void) { for (;;) ; }', { maxStatements: 1_000_000 });
    expect(session.run({ kind: 'continue' }, 10_000)).toEqual({ kind: 'budget' });
    expect(lineOf(session)).toBe(1);
    expect(go(session)).toMatchObject({ kind: 'limit', exit: { status: 4, kind: 'limit' } });
    expect(session.statements).toBe(1_000_000);
    expect(session.exit?.reason).toBe(`the limit of 1000000 statements was reached at ${SCRIPT}:1`);
  });

  test.each([
    ['int kernel_main(void) { return 0; }', 0, 'kernel_main has finished'],
    ['int kernel_main(void) { return 3; }', 1, 'kernel_main returned 3'],
    ['void kernel_main(void) { }', 0, 'kernel_main has finished'],
    ['int main(void) { assert(1 == 2); return 0; }', 1, 'the script has ended itself with status 1'],
    ['int main(void) { HYPERVISOR_shutdown(0); return 4; }', 0, 'the domain has powered off'],
    [
      'int main(void) { HYPERVISOR_shutdown(3); return 0; }',
      3,
      'the domain has shut down with reason 3 (crash)',
    ],
  ])('%s ends with status %i', (text, status, reason) => {
    expect(ran(text).exit).toMatchObject({ status, reason });
  });

  test('a guest that waits for an event that cannot come is told from one that runs', () => {
    const session = ran('int main(void) { HYPERVISOR_sched_op(SCHEDOP_block, 0); return 0; }');
    expect(session.exit).toMatchObject({ status: 4, kind: 'limit' });
    expect(session.exit?.reason).toMatch(/every vCPU of d1 waits for an event/);
  });
});
