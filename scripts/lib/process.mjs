// Child processes that end: every one has a time limit, every one is stopped with its whole group when we stop.

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';

/** Children that still run; each is the leader of its own process group (POSIX), so that its children end with it. */
const running = new Set();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    stopAll();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  });
}
process.on('exit', stopAll);

/** Starts a program in its own process group. `options` are those of `spawn`. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { detached: process.platform !== 'win32', ...options });
  running.add(child);
  child.once('exit', () => running.delete(child));
  child.once('error', () => running.delete(child));
  return child;
}

/** Ends a child and its group: asks first, insists after two seconds. */
export async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  signalGroup(child, 'SIGTERM');
  const insist = setTimeout(() => signalGroup(child, 'SIGKILL'), 2000);
  await ended;
  clearTimeout(insist);
}

/**
 * Runs a program to its end. Returns `{ code, output }`; `output` is what it printed, also shown as it comes unless
 * `quiet`. A program that exceeds `timeoutMs` is ended and counts as failed (code 124).
 */
export function run(command, args, { timeoutMs, quiet, ...options }) {
  const child = start(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const chunks = [];
  const keep = (chunk) => {
    chunks.push(chunk);
    if (!quiet) process.stdout.write(chunk);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return new Promise((resolve) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      void stop(child);
    }, timeoutMs);
    const end = (code) => {
      clearTimeout(timer);
      const output = Buffer.concat(chunks).toString();
      resolve({ code: late ? 124 : code, output });
    };
    child.once('error', (error) => {
      chunks.push(Buffer.from(`${error.message}\n`));
      end(127);
    });
    child.once('close', (code) => end(code ?? 1));
  });
}

/** As `run`, but a failure is an error that names the step and shows the last lines. */
export async function must(what, command, args, options) {
  const { code, output } = await run(command, args, options);
  if (code === 0) return output;
  const tail = options.quiet ? `\n${output.trim().split('\n').slice(-15).join('\n')}` : '';
  throw new Error(`${what} failed (exit ${code}).${tail}`);
}

/** A TCP port of this machine that is free now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

function signalGroup(child, signal) {
  try {
    if (process.platform === 'win32') child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // It has ended by itself.
  }
}

function stopAll() {
  for (const child of running) signalGroup(child, 'SIGTERM');
}
