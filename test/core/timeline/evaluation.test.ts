import { describe, expect, test } from 'vitest';
import type { Session } from '../../../core/timeline/session.ts';
import type { Frame, NamedValue } from '../../../core/timeline/types.ts';
import { SCRIPT, go, sessionOf } from './scripts.ts';

const TEXT = `struct node { int key; struct node *next; unsigned flags : 3; int rest : 5; };
enum color { RED, GREEN = 5 };
static struct node list[3] = { { 1, &list[1], 5, -2 }, { 2, &list[2] }, { 3, 0 } };
static int counter;
static const char *greeting = "hello";
static int bump(int by) { counter += by; return counter; }
static long long scale(long long value, struct node n)
{
    long long result = value * n.key;
    int taken = 3, *pointer = &taken;
    enum color shade = GREEN;
    char name[6] = "abc";
    {
        int value = 9;
        taken += value;
        counter++;
    }
    return result + *pointer + shade + name[0];
}
int kernel_main(void)
{
    long long got = scale(1LL << 33, list[1]);
    return got == 0;
}
int spin(void) { for (;;) ; }
`;

function stopped(line: number, abi: string): Session {
  const session = sessionOf(TEXT, { abi });
  session.setBreakpoints([{ kind: 'line', id: 1, file: SCRIPT, line }]);
  expect(go(session).kind).toBe('breakpoint');
  return session;
}

function top(session: Session): Frame {
  const [frame] = session.stack(0);
  if (frame === undefined) throw new Error('no frame');
  return frame;
}

function text(session: Session, expression: string, frame = top(session)): string {
  const result = session.evaluate(expression, frame, { sideEffects: 'none' });
  return result.kind === 'value' ? result.value.text : result.message;
}

/** What a value opens to; a missing one fails the test. */
function opened(session: Session, value: NamedValue | undefined): readonly NamedValue[] {
  if (value === undefined) throw new Error('no such value');
  return session.children(value.value);
}

const shown = (values: readonly NamedValue[]): Record<string, string> =>
  Object.fromEntries(values.map(({ name, value }) => [name, value.text]));

describe.each(['x86_64', 'x86_32'])('on %s', (abi) => {
  test('locals are those of the frame and statement, inner ones hiding outer ones', () => {
    const session = stopped(16, abi);
    const [inner, outer] = session.stack(0);
    expect(inner && shown(session.locals(inner))).toMatchObject({
      value: '9',
      taken: '12',
      shade: 'GREEN (5)',
      name: '"abc"',
      result: '17179869184',
    });
    expect(outer && Object.keys(shown(session.locals(outer)))).toEqual(['got']);
    expect(outer?.place?.line).toBe(22);
  });

  test('records, pointers and arrays open', () => {
    const session = stopped(16, abi);
    const frame = top(session);
    const node = session.locals(frame).find(({ name }) => name === 'n');
    expect(node?.value.type).toBe('struct node');
    const members = opened(session, node);
    expect(members.map(({ name, evaluateName }) => [name, evaluateName])).toEqual([
      ['key', 'n.key'],
      ['next', 'n.next'],
      ['flags', 'n.flags'],
      ['rest', 'n.rest'],
    ]);
    expect(members[1]?.value.text).toMatch(/^0x[0-9a-f]+ <list\+\d+>$/);
    expect(shown(opened(session, members[1]))).toMatchObject({ key: '3', next: 'NULL' });
    const list = session.evaluate('list', frame, { sideEffects: 'none' });
    if (list.kind !== 'value') throw new Error(list.message);
    expect(list.value.indexedChildren).toBe(3);
    const [, second] = session.children(list.value, { start: 0, count: 2 });
    expect(second?.evaluateName).toBe('list[1]');
    const [first] = session.children(list.value);
    expect(shown(opened(session, first))).toMatchObject({ key: '1', flags: '5', rest: '-2' });
  });

  test('expressions see the variables of their frame and run functions of the script', () => {
    const session = stopped(16, abi);
    expect(text(session, 'value * 2 + taken')).toBe('30');
    expect(text(session, 'n.next->key + list[0].flags')).toBe('8');
    expect(text(session, '*pointer')).toBe('12');
    expect(text(session, 'scale(2, list[2]) + 0')).toBe('120');
    expect(text(session, 'greeting')).toMatch(/^0x[0-9a-f]+.* "hello"$/);
    expect(text(session, 'strlen("four") == 4')).toBe('1');
    expect(text(session, 'shade == GREEN ? (struct node){ 7 }.key : 0')).toBe('7');
    expect(text(session, 'sizeof(list) / sizeof(list[0])')).toBe('3');
    expect(text(session, 'got', session.stack(0)[1])).toMatch(/^-?\d+$/);
    expect(text(session, '$rip')).toMatch(/^0x[0-9a-f]+$/);
  });

  test('what an expression changes is taken back, or kept when asked', () => {
    const session = stopped(16, abi);
    const frame = top(session);
    expect(text(session, 'bump(40)')).toBe('40');
    expect(text(session, 'counter')).toBe('0');
    expect(text(session, 'value = 100')).toBe('100');
    expect(text(session, 'value')).toBe('9');
    expect(session.evaluate('bump(2)', frame, { sideEffects: 'keep' })).toMatchObject({
      value: { text: '2' },
    });
    expect(session.assign('value', '50', frame)).toMatchObject({ kind: 'value' });
    expect(session.assign('list[0].rest', '-5', frame)).toMatchObject({ kind: 'value' });
    expect([text(session, 'counter'), text(session, 'value'), text(session, 'list[0].rest')]).toEqual([
      '2',
      '50',
      '-5',
    ]);
    const before = session.hypercallLog.length;
    expect(text(session, 'HYPERVISOR_mmuext_op(0, 0, 0, 0x7ff0)')).toBe('0');
    expect(session.hypercallLog.length).toBe(before);
    session.setBreakpoints([]);
    expect(go(session)).toMatchObject({ kind: 'exited', exit: { status: 0 } });
    expect(session.audit()).toEqual([]);
  });

  test('an expression that cannot be evaluated says why, and the run goes on', () => {
    const session = stopped(16, abi);
    expect(text(session, 'unknown + 1')).toMatch(/unknown/);
    expect(text(session, '*(int *)16 + 1')).toBe('Page fault at 0x10: it is not mapped.');
    expect(text(session, '1 / (value - 9)')).toBe('The evaluation raised trap 0.');
    expect(text(session, 'spin()')).toMatch(/did not end within|come to its end/);
    expect(text(session, 'exit_guest(3)')).toBe('The evaluation has ended the script.');
    session.setBreakpoints([]);
    expect(go(session)).toMatchObject({ kind: 'exited', exit: { status: 0 } });
  });

  test('memory is read and written by virtual, pseudo-physical and machine address', () => {
    const session = stopped(16, abi);
    const [frame] = session.stack(0);
    const address = BigInt(text(session, '(unsigned long)&counter'));
    expect(frame && session.assign('counter', '0x01020304', frame).kind).toBe('value');
    const words = { virt: BigInt(text(session, 'VIRT_BASE')), pfn: 0n, mfn: 0n };
    words.pfn = address - words.virt;
    const mfn = BigInt(text(session, '(unsigned long)virt_to_mfn(&counter)').replace(/ .*/, ''));
    words.mfn = (mfn << 12n) | (address & 0xfffn);
    for (const [space, at] of [
      ['va', address],
      ['pfn', words.pfn],
      ['mfn', words.mfn],
    ] as const) {
      expect(session.readMemory(space, 0, at, 4)).toEqual({
        kind: 'bytes',
        bytes: Uint8Array.of(4, 3, 2, 1),
        unreadable: 0,
      });
    }
    expect(session.writeMemory('pfn', 0, words.pfn, Uint8Array.of(9))).toBe(1);
    expect(text(session, 'counter & 0xff')).toBe('9');
    expect(session.readMemory('va', 0, 0x10n, 8)).toEqual({
      kind: 'bytes',
      bytes: new Uint8Array(),
      unreadable: 8,
    });
    expect(session.writeMemory('va', 0, 0x10n, Uint8Array.of(1))).toMatchObject({
      problem: expect.any(String),
    });
  });
});

test('globals are the script’s own', () => {
  const session = stopped(16, 'x86_64');
  expect(session.globals(top(session)).map(({ name }) => name)).toEqual(['list', 'counter', 'greeting']);
});
