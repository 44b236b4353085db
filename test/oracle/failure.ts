/** A difference that was found, with the list that leads to it. */

import { formatOperation } from '../../adapter/conformance/format.ts';
import type { Operation } from '../../adapter/conformance/operations.ts';
import type { Mismatch } from './compare.ts';

export interface Failure {
  /** The operations up to and with the one that showed the difference. */
  readonly list: readonly Operation[];
  readonly mismatch: Mismatch;
}

/** The list, ready to be kept as a file, and what differs after it. */
export function toldFailure({ list, mismatch }: Failure): string {
  const what = `# ${mismatch.what}: model ${mismatch.model}, real ${mismatch.real}`;
  return [...list.map(formatOperation), what].join('\n');
}
