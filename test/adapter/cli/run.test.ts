import { describe, expect, it } from 'vitest';
import { xenscope } from '../../support/cli.ts';
import { scriptFolder } from '../../support/scripts.ts';
import { CALLS, CRASH, FAULT, LOOP, REFUSED } from '../dap/scripts.ts';

const folder = scriptFolder();
const scripts = {
  finished: folder.write('calls.guest.c', CALLS.text),
  failed: folder.write('failed.guest.c', 'int main(void) { return 7; }\n'),
  assertion: folder.write('assertion.guest.c', 'int main(void) { assert(1 == 2); return 0; }\n'),
  compile: folder.write('broken.guest.c', 'int main(void) { return absent; }\n'),
  crashed: folder.write('crash.guest.c', CRASH.text),
  limit: folder.write('loop.guest.c', LOOP.text),
  idle: folder.write('idle.guest.c', 'page_fault_handler(virt_addr)\n{\n}\n'),
  nested: folder.write(
    'nested.guest.c',
    'void page_fault_handler(unsigned long virt_addr)\n{\n    *(volatile int *)0x5000 = 1;\n}\n',
  ),
  refused: folder.write('refused.guest.c', REFUSED.text),
  fault: folder.write('fault.guest.c', FAULT.text),
};

async function report(...args: string[]) {
  const { status, stdout } = await xenscope('run', '--json', ...args);
  return { status, json: JSON.parse(stdout) as Record<string, unknown> };
}

describe.each(['x86_64', 'x86_32'])('exit status on %s', (abi) => {
  it.each([
    ['finished', 0, 'finished', []],
    ['failed', 1, 'failed', []],
    ['assertion', 1, 'failed', []],
    ['compile', 2, 'compile', []],
    ['crashed', 3, 'crashed', []],
    ['limit', 4, 'limit', ['--max-statements', '100000']],
    ['idle', 1, 'failed', []],
  ] as const)('%s is %i', async (script, status, kind, options) => {
    const result = await report('--abi', abi, ...options, scripts[script]);
    expect(result.json['exit']).toMatchObject({ status, kind });
    expect(result.status).toBe(status);
    expect(result.json['audit']).toEqual([]);
  });
});

describe('a handler script whose access never completes', () => {
  it('ends by itself and says so', async () => {
    const { stderr } = await xenscope('run', scripts.idle);
    expect(stderr).toMatch(
      /failed: page_fault_handler returned 100 times, but the access to 0x400000 never completed/,
    );
  });
});

describe('a handler script whose access is mapped already', () => {
  it('says that its handler was never called', async () => {
    const { stderr, status } = await xenscope('run', '--fault', '0xffffffff80000000,read', scripts.idle);
    expect(stderr).toMatch(
      /finished: page_fault_handler was never called: the address of the access is mapped already/,
    );
    expect(status).toBe(0);
  });
});

describe('a hypercall that the model lacks', () => {
  it('returns -ENOSYS and is told as such, by name', async () => {
    const path = folder.write(
      'lacks.guest.c',
      'int main(void)\n{\n    return HYPERVISOR_physdev_op(0, NULL) == -ENOSYS ? 0 : 1;\n}\n',
    );
    const { stderr, status } = await xenscope('run', path);
    expect(stderr).toMatch(/Xen has the hypercall physdev_op, but this model does not have it yet\./);
    expect(status).toBe(0);
  });
});

describe('a handler script whose handler faults itself', () => {
  it.each(['x86_64', 'x86_32p', 'x86_32'])('crashes the %s domain when its stack is full', async (abi) => {
    const { status, json } = await report('--abi', abi, scripts.nested);
    expect(status).toBe(3);
    expect(json['exit']).toMatchObject({
      kind: 'crashed',
      reason: expect.stringMatching(
        /exception frame of vector 14 cannot be written to the kernel stack/,
      ) as string,
    });
  });
});

describe('a handler of another type', () => {
  it.each(['void page_fault_handler(void) {}', 'void page_fault_handler(unsigned long a, int b) {}'])(
    '%s is an error at its own place',
    async (text) => {
      const { status, stderr } = await xenscope('run', folder.write('arity.guest.c', `${text}\n`));
      expect(status).toBe(2);
      expect(stderr).toMatch(/arity\.guest\.c:1:6: error: .*with one argument, the address of the fault/);
      expect(stderr).not.toMatch(/handler-main/);
    },
  );

  it('may take the address as a pointer', async () => {
    const text =
      'void page_fault_handler(void *address)\n{\n    exit_guest(address != (void *)0x400000);\n}\n';
    const { status, stderr } = await xenscope('run', folder.write('pointer.guest.c', text));
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });
});

describe('the JSON report', () => {
  it('has exactly the members of the contract', async () => {
    const { json } = await report(scripts.finished);
    expect(Object.keys(json)).toEqual([
      'version',
      'abi',
      'xen',
      'exit',
      'console',
      'statements',
      'hypercalls',
      'faults',
      'audit',
    ]);
    expect(json).toMatchObject({ version: 1, abi: 'x86_64', xen: '4.17', console: ['sum 20 of 4096 pages'] });
  });

  it('names rules and errors of the hypervisor that fits the ABI', async () => {
    const { json } = await report('--abi', 'x86_32', scripts.finished);
    expect(json).toMatchObject({ abi: 'x86_32', xen: '3.0.4' });
  });

  it('tells a refused hypercall with its rule, and others without', async () => {
    const { json } = await report(scripts.refused);
    const calls = json['hypercalls'] as Record<string, unknown>[];
    expect(calls.map(({ seq }) => seq)).toEqual(calls.map((_, index) => index + 1));
    const refused = calls.filter((call) => 'refusal' in call);
    expect(refused).toEqual([
      {
        seq: expect.any(Number) as number,
        domain: 1,
        vcpu: 0,
        name: 'mmu_update',
        file: scripts.refused,
        line: REFUSED.line('refused'),
        args: expect.objectContaining({ count: 1 }) as object,
        rc: -22,
        done: 0,
        refusal: {
          rule: 'mmu_update.table-owner',
          errno: 'EINVAL',
          message: expect.any(String) as string,
          xenPrints: expect.any(String) as string,
          xenPrintsInRelease: false,
          evidence: expect.any(Object) as object,
        },
      },
    ]);
  });

  it('tells a delivered fault', async () => {
    const { json } = await report(scripts.fault);
    expect(json['faults']).toEqual([
      {
        seq: 1,
        domain: 1,
        cr2: expect.stringMatching(/^0xffffffff8/) as string,
        errorCode: 2,
        file: scripts.fault,
        line: FAULT.line('touch'),
        deliveredTo: 'on_fault',
      },
    ]);
  });

  it('lists what is wrong with a script, and still is an object', async () => {
    const { json } = await report(scripts.compile);
    expect(json).toMatchObject({ hypercalls: [], problems: [{ severity: 'error', line: 1 }] });
  });

  it('has the checks of each hypercall with --trace', async () => {
    const { json } = await report('--trace', scripts.refused);
    const calls = json['hypercalls'] as Record<string, unknown>[];
    for (const call of calls) expect(call['checks']).toEqual(expect.any(Array));
  });
});

describe('text output', () => {
  it('is what the guest prints; refusals go to stderr as diagnostics', async () => {
    const { status, stdout, stderr } = await xenscope('run', scripts.refused);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'rc -22, done 0\n' });
    const [warning, refusal] = stderr.split('\n');
    expect(warning).toMatch(
      /: warning: This is a virtual address, but mmu_update's ptr wants a machine address\./,
    );
    const place = `${scripts.refused}:${REFUSED.line('refused')}`;
    expect(refusal).toMatch(
      new RegExp(`^${place}: note: mmu_update refused with -EINVAL: .*\\[mmu_update\\.`),
    );
  });

  it('with --trace puts hypercalls, faults and what is printed into their order', async () => {
    const { stdout } = await xenscope('run', '--trace', scripts.refused);
    const lines = stdout.split('\n');
    const call = lines.findIndex((line) =>
      /^#\d+ d1v0 .*mmu_update\(.*= -22 \(-EINVAL\), 0 done$/.test(line),
    );
    const printed = lines.indexOf('rc -22, done 0');
    expect(call).toBeGreaterThan(0);
    expect(lines.slice(call).some((line) => /^ {4}refused by mmu_update\.table-owner: /.test(line))).toBe(
      true,
    );
    expect(printed).toBeGreaterThan(call);
  });

  it('with --trace shows faults between the hypercalls', async () => {
    const { stdout } = await xenscope('run', '--trace', scripts.fault);
    expect(stdout).toMatch(
      /update_va_mapping.*\n(.*\n)*![0-9]+ d1v0 .*page fault at 0x.*delivered to on_fault\n(.*\n)*#.*update_va_mapping/,
    );
  });

  it.each([
    ['crashed', /^xenscope: crashed: /m],
    ['failed', /^xenscope: failed: /m],
    ['compile', /1 error; nothing was run/],
  ] as const)('says on stderr why a run %s', async (script, sentence) => {
    const { stderr } = await xenscope('run', scripts[script]);
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

describe('options', () => {
  it.each([
    ['--memory', '0', /^xenscope: --memory: .*MiB/],
    ['--memory', '1PiB', /^xenscope: --memory: /],
    ['--machine', '1PiB', /^xenscope: --machine: /],
    ['--abi', 'arm64', /^xenscope: --abi: .*x86_64/],
    ['--xen', '5.0', /^xenscope: --xen: .*4\.17/],
    ['--layout', 'spiral', /^xenscope: --layout: .*scattered/],
    ['--role', 'king', /^xenscope: --role: .*domU/],
    ['--fault', 'there', /^xenscope: --fault: /],
  ])('%s %s is refused in one sentence', async (option, value, sentence) => {
    const { status, stdout, stderr } = await xenscope('run', option, value, scripts.finished);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('--memory and --layout change the domain', async () => {
    const { stdout } = await xenscope('run', '--memory', '8MiB', '--layout', 'contiguous', scripts.finished);
    expect(stdout).toBe('sum 20 of 2048 pages\n');
  });

  it('--entry names the entry function', async () => {
    const script = folder.write(
      'two.guest.c',
      'int main(void) { return 1; }\nint other(void) { return 0; }\n',
    );
    expect((await xenscope('run', script)).status).toBe(1);
    expect((await xenscope('run', '--entry', 'other', script)).status).toBe(0);
  });

  it('--fault names the access of a handler script', async () => {
    const { json, status } = await report('--fault', '0x123456,read', 'examples/wiki-handler.guest.c');
    expect(status).toBe(0);
    expect(json['faults']).toMatchObject([{ cr2: '0x123456', errorCode: 0 }]);
  });

  it('--role hardware prints by console_io', async () => {
    const { json } = await report('--role', 'hardware', scripts.finished);
    const names = (json['hypercalls'] as { name: string }[]).map(({ name }) => name);
    expect(names).toContain('console_io');
  });

  it('--no-prelude leaves the library out', async () => {
    const script = folder.write('bare.guest.c', 'int main(void) { printk("x"); return 0; }\n');
    expect((await xenscope('run', '--no-prelude', script)).status).toBe(2);
  });

  it('two files are two domains', async () => {
    const { status, json } = await report(scripts.finished, scripts.fault);
    expect(status).toBe(0);
    const domains = new Set((json['hypercalls'] as { domain: number }[]).map(({ domain }) => domain));
    expect(domains).toEqual(new Set([1, 2]));
  });
});
