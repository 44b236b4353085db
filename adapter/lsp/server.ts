/** The language server as a program: over Node's messages when VS Code starts it, else over standard input and output. */

import { readFileSync } from 'node:fs';
import { createConnection } from 'vscode-languageserver/node';
import { shippedHeaders } from '../host/headers.ts';
import { serve } from './language-server.ts';

/** Pause after the last key before a script is checked. */
const DELAY_MS = 150;

const channels = ['--stdio', '--node-ipc', '--socket', '--pipe'];
const isChosen = process.argv.some((argument) => channels.some((channel) => argument.startsWith(channel)));
const connection = isChosen ? createConnection() : createConnection(process.stdin, process.stdout);

serve(connection, { headers: shippedHeaders(), read: readText, delay: DELAY_MS });
connection.listen();

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
