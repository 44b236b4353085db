import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { xenscope } from '../../support/cli.ts';
import { scriptFolder } from '../../support/scripts.ts';

const folder = scriptFolder();
const sound = folder.write('sound.guest.c', 'int main(void)\n{\n    return 0;\n}\n');
const broken = folder.write(
  'broken.guest.c',
  'int main(void)\n{\n    int x = absent;\n    x = 1 +;\n    return nothing(x);\n}\n',
);

describe('xenscope check', () => {
  it('is silent and exits 0 for a sound script', async () => {
    expect(await xenscope('check', sound)).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it("lists all errors in gcc's format and exits 1", async () => {
    const { status, stdout } = await xenscope('check', broken);
    expect(status).toBe(1);
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toMatch(/broken\.guest\.c:3:13: error: .*absent/);
    expect(lines[1]).toMatch(/broken\.guest\.c:4:12: error: /);
    for (const line of lines) expect(line).toMatch(/^[^:]+:\d+:\d+: (error|warning|note): /);
  });

  it('prints one object with --json', async () => {
    const { status, stdout } = await xenscope('check', '--json', broken);
    expect(status).toBe(1);
    const report: unknown = JSON.parse(stdout);
    expect(report).toMatchObject({
      version: 1,
      problems: [{ severity: 'error', line: 3, column: 13 }, { line: 4 }, { line: 5 }],
    });
  });

  it('searches the folders of -I', async () => {
    folder.write('extra.h', '#define ANSWER 42\n');
    const script = folder.write(
      'includes.guest.c',
      '#include <extra.h>\nint main(void) { return ANSWER - 42; }\n',
    );
    expect((await xenscope('check', script)).stdout).toMatch(/extra\.h/);
    expect(await xenscope('check', '-I', folder.path, script)).toMatchObject({ status: 0 });
  });

  it.each(['x86_64', 'x86_32'])('accepts the examples for %s', async (abi) => {
    const examples = ['page-fault', 'wiki-2006', 'wiki-handler'].map((name) => `examples/${name}.guest.c`);
    const { status, stdout } = await xenscope('check', '--abi', abi, ...examples);
    expect(stdout).not.toMatch(/: error: /);
    expect(status).toBe(0);
  });
});

describe('usage errors: one sentence on stderr, nothing on stdout, exit 2', () => {
  it.each([
    ['no file', ['check'], /missing required argument 'file'/],
    ['an unknown command', ['frobnicate'], /unknown command 'frobnicate'/],
    ['an unknown option', ['check', '--frobnicate', sound], /unknown option '--frobnicate'/],
    ['an unknown ABI', ['check', '--abi', 'arm64', sound], /--abi: there is no ABI arm64/],
    ['a missing file', ['check', join(folder.path, 'nowhere.c')], /nowhere\.c does not exist/],
    ['a folder', ['check', folder.path], /is not a file/],
    ['no file to run', ['run'], /missing required argument 'file'/],
    ['statements below 1', ['run', '--max-statements', '0', sound], /--max-statements/],
    ['a port that is none', ['dap', '--server', '99999'], /--server.*65535/],
  ])('%s', async (_what, args, sentence) => {
    const { status, stdout, stderr } = await xenscope(...args);
    expect(stderr).toMatch(sentence);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  it('no command at all prints the help on stderr', async () => {
    const { status, stderr } = await xenscope();
    expect(status).toBe(2);
    expect(stderr).toMatch(/Usage: xenscope/);
  });
});

describe('help', () => {
  it.each([[[]], [['run']], [['ops']], [['check']], [['dap']], [['lsp']]])(
    'xenscope %s --help exits 0',
    async (command) => {
      const { status, stdout, stderr } = await xenscope(...command, '--help');
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toMatch(/Usage: xenscope/);
    },
  );

  it('offers no command that does not work yet', async () => {
    const { stdout } = await xenscope('--help');
    expect(stdout).not.toMatch(/\bexplain\b/);
  });
});
