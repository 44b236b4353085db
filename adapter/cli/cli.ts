/**
 * The command line: which commands and options there are. What they do lies in a file per command, loaded when it is
 * asked for, so that a debug adapter starts without the rest.
 */

import { Command, CommanderError, InvalidArgumentError } from 'commander';

/** Where a command writes: results, problems. */
export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** Exit status of usage errors. */
const USAGE = 2;

/** Runs one command line (without the program's name); returns the exit status. */
export async function runCli(args: readonly string[], output: Output): Promise<number> {
  let status = 0;
  const program = buildProgram(output, (result) => {
    status = result;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : USAGE;
  }
  return status;
}

function buildProgram(output: Output, setStatus: (status: number) => void): Command {
  const program = new Command('xenscope')
    .description('Runs, checks and debugs guest scripts on a model of the Xen PV memory interface.')
    .exitOverride()
    .configureOutput({
      writeOut: output.out,
      writeErr: output.err,
      outputError: (text, write) => {
        write(text.replace(/^error: /, 'xenscope: '));
      },
    })
    .showSuggestionAfterError(false)
    .helpCommand(false);

  const run = program
    .command('run')
    .description('run guest scripts without an editor, one domain each')
    .argument('<file...>', 'guest scripts, d1, d2, ...')
    .option('--entry <name>', 'entry function (default: kernel_main, or the first usual name there is)')
    .option('--fault <access>', 'for a handler script: VA[,read|write|exec][,user]')
    .option('--max-statements <n>', 'stop after so many statements', positiveInteger)
    .option('--trace', 'list each hypercall and its checks')
    .option('--json', 'print one JSON object');
  machineOptions(run).action(async (files: string[], options: RunFlags) => {
    const { runCommand } = await import('./run.ts');
    setStatus(await runCommand(files, options, output));
  });

  const check = program
    .command('check')
    .description("check guest scripts; diagnostics in gcc's format")
    .argument('<file...>', 'guest scripts')
    .option('--json', 'print one JSON object');
  languageOptions(check).action(async (files: string[], options: CheckFlags) => {
    const { checkCommand } = await import('./check.ts');
    setStatus(checkCommand(files, options, output));
  });

  program
    .command('ops')
    .description('carry out a list of operations on a freshly built domain (one JSON object a line)')
    .argument('<file>', 'the list; - for standard input')
    .option('--frames <list>', 'show the frames of these PFNs after each operation, such as 0x400-0x40f')
    .action(async (file: string, options: OpsFlags) => {
      const { opsCommand } = await import('./ops.ts');
      setStatus(opsCommand(file, options, output));
    });

  const verifying = program
    .command('verify')
    .description('compare guest scripts, hypercall by hypercall, on a real Xen under QEMU and on the model')
    .argument('<file...>', 'guest scripts, each by itself, as the hardware domain')
    .option('--entry <name>', 'entry function (default: kernel_main, or the first usual name there is)')
    .option('--fault <access>', 'for a handler script: VA[,read|write|exec][,user]')
    .option('--memory <size>', 'memory of the domain, from 8MiB to 1GiB (default: 16MiB)')
    .option('-O, --optimize <level>', "gcc's optimisation: 0, 1, 2 or s (default: 0)")
    .option('--timeout <seconds>', 'how long the script may run on Xen (default: 30)', positiveInteger)
    .option('--max-statements <n>', 'how long it may run on the model (default: 100000000)', positiveInteger)
    .option('--xen-log', "print what came over the machine's serial line")
    .option('--json', 'print one JSON object');
  languageOptions(verifying).action(async (files: string[], options: VerifyFlags) => {
    const { verifyCommand } = await import('./verify.ts');
    setStatus(await verifyCommand(files, options, output));
  });

  program
    .command('dap')
    .description('debug adapter for any client of the Debug Adapter Protocol, on standard input and output')
    .option('--server <port>', 'listen on a port of this machine instead (0: any free one)', port)
    .action(async (options: { readonly server?: number }) => {
      const { dapCommand } = await import('./dap.ts');
      setStatus(await dapCommand(options.server ?? null, output));
    });

  program
    .command('lsp')
    .description('language server for guest scripts')
    .requiredOption('--stdio', 'talk on standard input and output')
    .action(async () => {
      const { lspCommand } = await import('./lsp.ts');
      setStatus(lspCommand(output));
    });

  return program;
}

/** Options about the language a script is written in. */
export interface LanguageFlags {
  readonly abi?: string;
  readonly include?: readonly string[];
  readonly prelude: boolean;
}

export interface CheckFlags extends LanguageFlags {
  readonly json?: true;
}

export interface OpsFlags {
  readonly frames?: string;
}

export interface VerifyFlags extends LanguageFlags {
  readonly entry?: string;
  readonly fault?: string;
  readonly memory?: string;
  readonly optimize?: string;
  readonly timeout?: number;
  readonly maxStatements?: number;
  readonly xenLog?: true;
  readonly json?: true;
}

/** Options of `run`; texts are checked by the core, which knows what is allowed. */
export interface RunFlags extends LanguageFlags {
  readonly xen?: string;
  readonly memory?: string;
  readonly machine?: string;
  readonly layout?: string;
  readonly role?: string;
  readonly xenBuild?: string;
  readonly linearPageTables: boolean;
  readonly l1tf?: string;
  readonly entry?: string;
  readonly fault?: string;
  readonly maxStatements?: number;
  readonly trace?: true;
  readonly json?: true;
}

const languageOptions = (command: Command): Command =>
  command
    .option('--abi <name>', 'x86_64, x86_32p or x86_32 (default: x86_64)')
    .option('-I, --include <folder>', 'search a folder for #include (repeatable)', collect)
    .option('--no-prelude', 'do not include <xenscope.h> in front of the script');

const machineOptions = (command: Command): Command =>
  languageOptions(command)
    .option('--xen <version>', "the hypervisor's rules: 4.17 or 3.0.4 (default: 4.17; 3.0.4 for x86_32)")
    .option('--memory <size>', 'memory of each domain, such as 16MiB (default: 16MiB)')
    .option('--machine <size>', 'memory of the machine (default: what the domains need)')
    .option(
      '--layout <layout>',
      'how PFNs map to MFNs: contiguous or scattered[:SEED] (default: scattered:1)',
    )
    .option('--role <role>', 'domU or hardware, the privileged domain (default: domU)')
    .option('--xen-build <build>', 'release or debug, which prints more (default: release)')
    .option('--no-linear-page-tables', "Xen's boot option pv-linear-pt=0")
    .option('--l1tf <policy>', 'entries without P that L1TF could use: ignored or crash (default: ignored)');

function collect(folder: string, folders: readonly string[] = []): readonly string[] {
  return [...folders, folder];
}

function positiveInteger(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (value < 1 || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('Give a whole number above 0.');
  return value;
}

function port(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : -1;
  if (value < 0 || value > 65535) throw new InvalidArgumentError('Give a port from 0 to 65535.');
  return value;
}
