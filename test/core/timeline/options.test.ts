import { describe, expect, test } from 'vitest';
import { Session } from '../../../core/timeline/session.ts';
import type { SessionConfig } from '../../../core/timeline/types.ts';
import { parseSize } from '../../../core/timeline/options.ts';
import { SCRIPT, host, ran, sessionOf } from './scripts.ts';

const MAIN = 'int kernel_main(void) { return 0; }';

function refused(options: Partial<SessionConfig>): string {
  const creation = Session.create({ programs: [{ path: SCRIPT, text: MAIN }], host, ...options });
  return creation.kind === 'error' ? `${creation.attribute}| ${creation.message}` : creation.kind;
}

describe('a wrong attribute is refused in one sentence that names it and what is allowed', () => {
  test.each<[Partial<SessionConfig>, RegExp]>([
    [{ abi: 'arm' }, /^abi\| abi: “arm” is unknown; use x86_64/],
    [{ abi: 'x86_32', xen: '4.17' }, /^xen\| xen: 4\.17 runs no x86_32 guests.*3\.0\.4/],
    [{ xen: '5' }, /^xen\| .*use 4\.17 or 3\.0\.4/],
    [{ memory: 0 }, /^memory\| memory: 0 is too small; give a size from 1MiB to 64GiB, such as 16MiB\.$/],
    [{ memory: '1PiB' }, /^memory\| memory: 1PiB is too large; give a size from 1MiB to 64GiB/],
    [{ memory: 2 ** 50 }, /^memory\| .* is too large; give a size from 1MiB to 64GiB/],
    [{ memory: NaN }, /^memory\| /],
    [{ memory: -1 }, /too small/],
    [{ machine: '2TiB' }, /^machine\| .*too large; give a size from .* to 1TiB/],
    [{ machine: '1MiB' }, /^machine\| .*too small/],
    [{ abi: 'x86_32', machine: '8GiB' }, /^machine\| .*to 4GiB/],
    [{ abi: 'x86_32', memory: '8GiB' }, /^memory\| .*to 4GiB/],
    [{ layout: 'random' }, /^layout\| .*contiguous, scattered or scattered:SEED/],
    [{ layout: 'scattered:x' }, /^layout\| /],
    [{ role: 'dom0' }, /^role\| .*use domU or hardware/],
    [{ xenBuild: 'fast' }, /^xenBuild\| .*use release or debug/],
    [{ l1tf: 'on' }, /^l1tf\| .*use ignored or crash/],
    [{ l1tf: 'crash', xen: '3.0.4' }, /^l1tf\| .*older than that flaw/],
    [{ fault: 'nowhere' }, /^fault\| .*such as 0x400000,write/],
    [{ fault: '0x400000,jump' }, /^fault\| /],
    [{ fault: '0x1000000000000000' }, /^fault\| .*no address of x86_64/],
    [{ abi: 'x86_32', fault: '0x100000000' }, /^fault\| .*no address of x86_32/],
    [{ maxStatements: 0 }, /^maxStatements\| .*whole number from 1 on/],
    [{ maxStatements: 1.5 }, /^maxStatements\| /],
    [{ programs: [] }, /^program\| /],
  ])('%j', (options, sentence) => {
    expect(refused(options)).toMatch(sentence);
  });

  test('memory that the image and its page tables do not fit', () => {
    const text = 'static char big[2 << 20]; int kernel_main(void) { return big[0]; }';
    const creation = Session.create({ programs: [{ path: SCRIPT, text }], host, memory: '1MiB' });
    expect(creation).toMatchObject({ kind: 'error', attribute: 'memory' });
  });
});

test('options of the hypervisor reach it', () => {
  const { hypervisor } = sessionOf(MAIN, { xenBuild: 'debug', linearPageTables: false, l1tf: 'crash' });
  expect(hypervisor.options).toEqual({ xen: '4.17', debug: true, linearPageTables: false, l1tf: 'crash' });
});

test('every ABI runs under the hypervisor that is its default', () => {
  const versions = (['x86_64', 'x86_32p', 'x86_32'] as const).map((abi) => sessionOf(MAIN, { abi }).xen);
  expect(versions).toEqual(['4.17', '4.17', '3.0.4']);
  expect(sessionOf(MAIN, { abi: 'x86_32p', xen: '3.0.4' }).abi).toBe('x86_32p');
});

test('sizes are read with their units', () => {
  expect(['64', '4K', '16MiB', '16 MB', '1.5G', '0x1000', 'x', '1PiB'].map(parseSize)).toEqual([
    64,
    4096,
    16 << 20,
    16 << 20,
    1.5 * 2 ** 30,
    4096,
    null,
    2 ** 50,
  ]);
});

test('a script without an entry function is told so, and which names there are', () => {
  const creation = Session.create({ programs: [{ path: SCRIPT, text: 'int f(void) { return 0; }' }], host });
  expect(creation).toMatchObject({ kind: 'problems', problems: [{ id: 'no-entry', file: SCRIPT, line: 1 }] });
  const named = Session.create({ programs: [{ path: SCRIPT, text: MAIN }], host, entry: 'other' });
  expect(named).toMatchObject({ kind: 'problems', problems: [{ message: expect.stringMatching(/other/) }] });
});

test('the entry function is the first of the known names, or the one asked for', () => {
  const text = 'int main(void) { return 1; } int test_main(void) { return 2; } int mine(void) { return 3; }';
  expect(ran(text).exit?.reason).toBe('test_main returned 2');
  expect(ran(text, { entry: 'mine' }).exit?.reason).toBe('mine returned 3');
});

test('errors of the script come with their places', () => {
  const creation = Session.create({
    programs: [{ path: SCRIPT, text: 'int main(void) {\n  return x;\n}' }],
    host,
  });
  expect(creation).toMatchObject({
    kind: 'problems',
    problems: [{ severity: 'error', file: SCRIPT, line: 2, column: 10 }],
  });
});

test.each(['contiguous', 'scattered', 'scattered:7'])('a domain laid out %s runs and audits', (layout) => {
  const session = ran('int kernel_main(void) { printk("%lx\\n", virt_to_mfn(VIRT_BASE)); return 0; }', {
    layout,
  });
  expect(session.exit?.kind).toBe('finished');
  expect(session.audit()).toEqual([]);
});

test('two scripts are two domains that take turns, the same way each time', () => {
  const text = (name: string) => `
    int kernel_main(void)
    {
        for (int i = 0; i < 3; i++) {
            printk("${name} %d\\n", i);
            HYPERVISOR_sched_op(SCHEDOP_yield, 0);
        }
        return 0;
    }`;
  const run = () => {
    const creation = Session.create({
      programs: [
        { path: 'a.guest.c', text: text('a') },
        { path: 'b.guest.c', text: text('b') },
      ],
      host,
    });
    if (creation.kind !== 'session') throw new Error(creation.kind);
    const { session } = creation;
    while (session.exit === null) session.run({ kind: 'continue' }, 1000);
    expect(session.audit()).toEqual([]);
    return { console: session.console, statements: session.statements, vcpus: session.vcpus() };
  };
  const first = run();
  expect(first.console).toEqual(['(d1) a 0', '(d2) b 0', '(d1) a 1', '(d2) b 1', '(d1) a 2', '(d2) b 2']);
  expect(first.vcpus).toMatchObject([
    { vcpu: 0, domain: 1, program: 'a.guest.c', state: 'finished' },
    { vcpu: 1, domain: 2, program: 'b.guest.c', state: 'finished' },
  ]);
  expect(run()).toEqual(first);
});

test('one domain that crashes does not end the other, and the run ends as the worst of them', () => {
  const creation = Session.create({
    programs: [
      { path: 'a.guest.c', text: 'int kernel_main(void) { *(volatile int *)16 = 1; return 0; }' },
      {
        path: 'b.guest.c',
        text: 'int kernel_main(void) { int i; for (i = 0; i < 50000; i++) ; printk("done\\n"); return 0; }',
      },
    ],
    host,
  });
  if (creation.kind !== 'session') throw new Error(creation.kind);
  const { session } = creation;
  expect(session.run({ kind: 'continue' }, 1e6)).toMatchObject({ kind: 'crashed', vcpu: 0 });
  expect(session.exit).toBeNull();
  expect(session.run({ kind: 'continue' }, 1e6)).toMatchObject({ kind: 'exited', exit: { status: 3 } });
  expect(session.console).toEqual(['(d2) done']);
});

test('without the prelude a script has what it includes', () => {
  const session = sessionOf(
    'typedef unsigned long word; word kernel_main(void) { return sizeof(word) == 9; }',
    {
      prelude: false,
    },
  );
  while (session.exit === null) session.run({ kind: 'continue' }, 1000);
  expect(session.exit.status).toBe(0);
});
