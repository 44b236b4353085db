/** Files of the machine that the adapter runs on, as the front end of the C compiler wants to read them. */

import { readFileSync, statSync } from 'node:fs';
import type { ProgramSource, SourceHost } from '../../core/timeline/types.ts';
import { shippedHeaders } from './headers.ts';

/** A host that remembers which files were read. */
export interface RecordingHost extends SourceHost {
  /** Paths of the files read so far, in order. */
  readonly filesRead: ReadonlySet<string>;
}

export function recordingHost(): RecordingHost {
  const filesRead = new Set<string>();
  return {
    filesRead,
    headers: shippedHeaders(),
    read(path) {
      const text = readText(path);
      if (text !== undefined) filesRead.add(path);
      return text;
    },
  };
}

/** A script larger than this is no script. */
const MAX_SCRIPT_BYTES = 8 * 1024 * 1024;

/** Reads the scripts of a run; the first that cannot be read is an error: what it is and why not. */
export function readPrograms(
  paths: readonly string[],
): { readonly programs: readonly ProgramSource[] } | { readonly error: string } {
  const programs: ProgramSource[] = [];
  for (const path of paths) {
    const problem = whyUnreadable(path);
    const text = problem === null ? readText(path) : undefined;
    if (text === undefined) return { error: `${path} ${problem ?? 'cannot be read'}` };
    programs.push({ path, text });
  }
  return { programs };
}

function whyUnreadable(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 'does not exist';
  if (!stat.isFile()) return 'is not a file';
  return stat.size > MAX_SCRIPT_BYTES ? 'is larger than 8 MiB, so it is no guest script' : null;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
