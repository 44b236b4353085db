/**
 * `xenscope verify` on a real Xen: every example that one domain can run is equal there and on the model, and the
 * command tells apart what can go wrong.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { provideRealXen } from '../../../adapter/real-xen/provide.ts';
import { EXAMPLES } from '../../support/examples.ts';
import { type CliResult, xenscope } from '../../support/cli.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const CACHE = join(ROOT, '.cache', 'oracle');
const INSTALL_MILLISECONDS = 600_000;

/** Examples that domain 0 alone cannot run, each with the reason. */
const SKIPPED: Readonly<Record<string, string>> = {
  'grant-share': 'two domains share a page: each script waits for the other',
};

let folder = '';

beforeAll(() => {
  provideRealXen(CACHE);
  process.env['XENSCOPE_CACHE'] = CACHE;
  folder = mkdtempSync(join(tmpdir(), 'verify-test-'));
}, INSTALL_MILLISECONDS);

afterAll(() => {
  delete process.env['XENSCOPE_CACHE'];
  rmSync(folder, { recursive: true, force: true });
});

let scripts = 0;

/** Verifies a script given as text. */
async function verify(text: string, ...options: readonly string[]): Promise<CliResult> {
  const path = join(folder, `script-${++scripts}.guest.c`);
  writeFileSync(path, text);
  return xenscope('verify', ...options, path);
}

interface Report {
  readonly scripts: readonly {
    readonly differences: readonly { readonly kind: string; readonly subject: string }[];
    readonly compared: { readonly hypercalls: number; readonly faults: number; readonly lines: number };
    readonly real: RunReport;
    readonly model: RunReport;
  }[];
}

interface RunReport {
  readonly end: { readonly kind: string; readonly status: number | null };
  readonly console: readonly string[];
  readonly hypercalls: readonly {
    readonly name: string;
    readonly rc: number;
    readonly done: number | null;
    readonly line: number | null;
    readonly answer: Readonly<Record<string, unknown>>;
  }[];
  readonly faults: readonly {
    readonly vector: number;
    readonly errorCode: number;
    readonly cr2: string | null;
    readonly handler: string;
    readonly line: number | null;
  }[];
}

/** The one script of a report. */
async function report(text: string, ...options: readonly string[]): Promise<Report['scripts'][number]> {
  const { stdout, stderr } = await verify(text, '--json', ...options);
  const [only] = (JSON.parse(stdout === '' ? '{"scripts":[]}' : stdout) as Report).scripts;
  if (only === undefined) throw new Error(`no report: ${stderr}`);
  expect(only.differences).toEqual([]);
  return only;
}

describe.concurrent('the examples', () => {
  const own = EXAMPLES.filter(({ name, abis }) => abis.includes('x86_64') && SKIPPED[name] === undefined);

  it.each(own)('$name is equal on real Xen', async ({ files }) => {
    const { status, stdout } = await xenscope(
      'verify',
      ...files.map((file) => relative(process.cwd(), file)),
    );
    expect(stdout).toContain('equal on Xen 4.17');
    expect(status).toBe(0);
  });

  it.each(Object.keys(SKIPPED))('%s is rightly left out: alone it comes to no end', async (name) => {
    const example = EXAMPLES.find((one) => one.name === name);
    expect(example, `SKIPPED names ${name}, which is no example`).toBeDefined();
    expect(example?.files.length).toBeGreaterThan(1);
    for (const file of example?.files ?? []) {
      const run = await xenscope('run', '--role', 'hardware', '--max-statements', '1000000', file);
      expect(run.status).not.toBe(0);
    }
  });
});

describe.concurrent('what is compared', () => {
  it('results, requests done and the lines of the calls', async () => {
    const { real, model } = await report(`
      int kernel_main(void) {
        unsigned long page = alloc_page();
        struct mmu_update updates[3];
        unsigned int done = 77;
        for (int i = 0; i < 3; i++) {
          updates[i].ptr = mfn_to_maddr(virt_to_mfn(page)) + i * 8;
          updates[i].val = 0;
        }
        updates[1].ptr = (uint64_t)1 << 50;
        HYPERVISOR_mmu_update(updates, 3, &done, DOMID_SELF);
        return done;
      }`);
    const [, call] = real.hypercalls;
    expect(call).toMatchObject({ name: 'mmu_update', line: 11 });
    expect(model.hypercalls[1]).toMatchObject({ rc: call?.rc, done: call?.done, line: 11 });
    expect(call?.rc).toBeLessThan(0);
    expect(real.end).toEqual({ kind: 'failed', status: call?.done, reason: expect.any(String) as string });
  });

  it('what a call writes into its structures', async () => {
    const { real } = await report(`
      int kernel_main(void) {
        struct multicall_entry calls[2] = { { .op = __HYPERVISOR_xen_version }, { .op = 1000 } };
        return HYPERVISOR_multicall(calls, 2);
      }`);
    expect(real.hypercalls[1]?.answer).toEqual({ results: [0x4_0011, -38] });
  });

  it('faults with their error codes, addresses and handlers, also in handlers', async () => {
    const { real } = await report(`
      static int depth;
      static void page_fault(struct cpu_user_regs *regs) {
        if (depth++ == 0) *(volatile char *)0x500000;
        exit_guest(depth);
      }
      static void divide(struct cpu_user_regs *regs) { *(volatile int *)0x400000 = regs->entry_vector; }
      int kernel_main(void) {
        volatile int zero = 0;
        struct trap_info traps[] = {
          { .vector = 0, .cs = FLAT_KERNEL_CS, .address = (unsigned long)divide },
          { .vector = 14, .cs = FLAT_KERNEL_CS, .address = (unsigned long)page_fault },
          { .address = 0 },
        };
        HYPERVISOR_set_trap_table(traps);
        return 5 / zero; /* of 1 / zero gcc makes a comparison */
      }`);
    expect(real.faults).toMatchObject([
      { vector: 0, cr2: null, handler: 'divide', line: 16 },
      { vector: 14, errorCode: 2, cr2: '0x400000', handler: 'page_fault', line: 7 },
      { vector: 14, errorCode: 0, cr2: '0x500000', handler: 'page_fault', line: 4 },
    ]);
    expect(real.end).toMatchObject({ kind: 'failed', status: 2 });
  });

  it('the console, with static data, recursion and large arrays as the script has them', async () => {
    const { real } = await report(`
      static int table[] = { 3, 1, 4, 1, 5 };
      static const char *const names[] = { "pi", "e" };
      static char zeros[70000];
      static long factorial(int n) { return n < 2 ? 1 : n * factorial(n - 1); }
      int main(void) {
        int squares[300];
        long sum = 0;
        for (int i = 0; i < 300; i++) squares[i] = i * i;
        for (int i = 0; i < 70000; i++) sum += zeros[i] + squares[i % 300] + table[i % 5];
        printk("%s %ld %ld", names[0], factorial(20), sum);
        printk(" and %p\\nnext line\\n", (void *)&sum);
        return 0;
      }`);
    expect(real.console[0]).toMatch(/^pi 2432902008176640000 \d+ and [0-9a-f]{16}$/);
    expect(real.console[1]).toBe('next line');
  });

  it.each([
    ['read', 0],
    ['write', 2],
    ['exec', 16],
    ['read,user', 4],
    ['write,user', 6],
    ['exec,user', 20],
  ])('a handler script with an access of kind %s', async (kind, errorCode) => {
    const text = readFileSync(join(ROOT, 'examples/wiki-handler.guest.c'), 'utf8');
    const { real } = await report(text, '--fault', `0x400000,${kind}`);
    expect(real.faults[0]).toMatchObject({ cr2: '0x400000', errorCode, handler: 'page_fault_handler' });
    expect(real.end.kind).toBe('finished');
  });

  it.each(['0', '1', '2', 's'])('a script that gcc compiles with -O%s', async (level) => {
    const text = readFileSync(join(ROOT, 'examples/page-fault.guest.c'), 'utf8');
    const { compared } = await report(text, '-O', level);
    expect(compared).toMatchObject({ faults: 1, lines: 3 });
  });
});

describe.concurrent('kernels of other kinds', () => {
  it('one that is linked from address 0 on, as Mini-OS is', async () => {
    const { real } = await report(`
      #include <mini-os/mm.h>
      int kernel_main(start_info_t *si) {
        printk("%d %d\\n", (unsigned long)&_text == 0, virt_to_pfn(si) == (unsigned long)si / PAGE_SIZE);
        return 0;
      }`);
    expect(real.console).toEqual(['1 1']);
  });

  it('one whose image begins at 1 MiB, as those of XTF do', async () => {
    const { real } = await report(
      `void test_main(void) { printk("%d\\n", (unsigned long)test_main >> 20 == 1); }`,
    );
    expect(real.console).toEqual(['1']);
  });

  it('one without the prelude', async () => {
    const { real } = await report(
      `int main(void) { char text[] = "bare\\n"; return (int)__xenscope_hypercall(18, 0UL, 5UL, (unsigned long)text); }`,
      '--no-prelude',
    );
    expect(real.console).toEqual(['bare']);
  });

  it('one of the size of mm.c, with functions of the library’s names', async () => {
    const kernel = 'test/core/guest-c/kernel-code/kernel';
    const { status, stdout } = await xenscope('verify', '-I', `${kernel}/include`, `${kernel}/memory.c`);
    expect(stdout).toMatch(/: \d\d hypercalls, 0 faults, 8 lines of console; finished: equal/);
    expect(status).toBe(0);
  });
});

describe.concurrent('how a script ends', () => {
  it.each([
    ['returns', 'return 0;', 'finished'],
    ['returns a number', 'return 3;', 'failed'],
    ['fails an assertion', 'assert(0 == 1);', 'failed'],
    ['powers off', 'HYPERVISOR_shutdown(SHUTDOWN_poweroff);', 'finished'],
    ['asks for a reboot', 'HYPERVISOR_shutdown(SHUTDOWN_reboot);', 'finished'],
    ['says that it has crashed', 'HYPERVISOR_shutdown(SHUTDOWN_crash);', 'crashed'],
    ['faults without a handler', '*(volatile int *)0x1000 = 1;', 'crashed'],
    [
      'faults after a call with unreadable requests',
      'HYPERVISOR_mmu_update((void *)0x123456000UL, 2, NULL, DOMID_SELF); *(volatile int *)0x1000 = 1;',
      'crashed',
    ],
  ])('it %s', async (_, statement, kind) => {
    const { real, model } = await report(
      `int kernel_main(void) { printk("begun\\n"); ${statement} return 0; }`,
    );
    expect(real.end.kind).toBe(kind);
    expect(model.end.kind).toBe(kind);
    expect(real.console[0]).toBe('begun');
  });

  it.each([
    ['computes for ever', 'for (;;) ;', 'neither came to an end'],
    ['prints for ever', 'for (;;) printk("again\\n");', 'neither came to an end'],
    ['waits for ever', 'block_for_events();', 'both wait for an event that does not come'],
  ])('it %s: a limit is reached', async (_, statement, sentence) => {
    const { status, stdout } = await verify(
      `int kernel_main(void) { ${statement} return 0; }`,
      ...['--timeout', '1', '--max-statements', '300000'],
    );
    expect(stdout).toContain(sentence);
    expect(status).toBe(4);
  });

  it('a handler that does not help is called no more than on the model', async () => {
    const { compared } = await report('void page_fault_handler(unsigned long address) { }');
    expect(compared.faults).toBe(101);
  });
});

describe.concurrent('what is wrong is told', () => {
  it('a difference, at its line, with both sides', async () => {
    // The time of day differs from one run to the next, on real Xen alone.
    const { status, stdout } = await verify(`
      int kernel_main(void) {
        printk("%u\\n", HYPERVISOR_shared_info->wc_sec != 0);
        return 0;
      }`);
    expect(stdout).toMatch(/console line 1: text: model "0", Xen 4\.17\.\d+ "1"/);
    expect(stdout).toMatch(/1 difference from Xen/);
    expect(status).toBe(1);
  });

  it('errors of the script', async () => {
    const { status, stderr } = await verify('int kernel_main(void) { return missing; }');
    expect(stderr).toMatch(/script-\d+\.guest\.c:1:\d+: error: .*missing/);
    expect(status).toBe(2);
  });

  it.each([
    ['a file that does not exist', ['/nowhere.guest.c'], 'does not exist'],
    ['an ABI that this Xen has not', ['--abi', 'x86_32p'], '--abi'],
    ['a level that gcc has not', ['-O', '9'], '-O'],
    ['too much memory', ['--memory', '64GiB'], 'memory'],
  ])('%s', async (_, options, word) => {
    const { status, stderr } = await verify('int kernel_main(void) { return 0; }', ...options);
    expect(stderr).toContain(word);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(status).toBe(2);
  });

  it('several scripts: each is told, and the worst counts', async () => {
    const good = join(folder, 'good.guest.c');
    writeFileSync(good, 'int kernel_main(void) { return 0; }');
    const { status, stdout, stderr } = await verify('int kernel_main(void) { return x; }', good);
    expect(stdout).toContain('good.guest.c: 1 hypercall, 0 faults, 0 lines of console; finished: equal');
    expect(stderr).toMatch(/script-\d+\.guest\.c: 1 error/);
    expect(status).toBe(2);
  });
});
