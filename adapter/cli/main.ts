/** The program `xenscope`: runs the command line and leaves with its exit status. */

import { runCli } from './cli.ts';

// A reader that has seen enough (`xenscope run ... | head`) is no reason for a stack trace.
process.stdout.on('error', () => {
  process.exit(0);
});

runCli(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
}).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`xenscope: internal error: ${reason}\n`);
    process.exitCode = 5;
  },
);
