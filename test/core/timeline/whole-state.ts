/** Everything that a session is at a place, to be compared: cells, processors, records. */

import type { Session } from '../../../core/timeline/session.ts';

/** A text of all that is not as when nothing had happened; equal texts are equal states. */
export function wholeState(session: Session): string {
  const { turns, statements, otherMoments, rests, exit, exits, vms } = session['execution'].snapshot();
  const parts: unknown[] = [statements, otherMoments, rests, exit, exits, turns.current, turns.quantumLeft];
  for (const { windows, ...registers } of vms) parts.push(registers, hash(windows));
  parts.push(session.hypercallLog.length, session.faultLog.length, session.console.length);
  parts.push([...session['execution'].recorder.snapshot().partial]);
  session.machine.store.forEachPiece((name, first, words) => {
    const sum = hash(words);
    if (!isAsMade(words, sum)) parts.push(`${name}+${first}:${sum}`);
  });
  return JSON.stringify(parts);
}

/** Storage that is there because of a later time holds what it held when it was made. */
function isAsMade(words: Int32Array, sum: number): boolean {
  if (sum === words.length || sum === FRESH_TLB || sum === FRESH_REGISTERS) return true;
  return words[0] !== 0 && words.every((word) => word === words[0]);
}

/** The number of words when all of them are zero. */
function hash(words: Int32Array): number {
  let sum = words.length;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as number;
    if (word !== 0) sum = (Math.imul(sum ^ word, 0x01000193) + i) | 0;
  }
  return sum;
}

function fresh(fill: (words: Int32Array) => void): number {
  const words = new Int32Array(4096);
  fill(words);
  return hash(words);
}
const FRESH_TLB = fresh((words) => {
  for (let i = 0; i < 1024; i += 4) words[i] = -1;
});
const FRESH_REGISTERS = fresh((words) => {
  words[64] = -1;
  words[65] = -1;
});
