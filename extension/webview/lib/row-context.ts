/** What the context menu of a row is told: the places the row names, and its text. */

import type { RowContext } from '../messages.ts';

export function rowContext(
  row: Omit<RowContext, 'xenscopeHasFrame' | 'xenscopeHasPfn' | 'xenscopeHasWatch'>,
): RowContext {
  return {
    ...row,
    xenscopeHasFrame: row.mfn !== undefined,
    xenscopeHasPfn: row.pfn !== undefined,
    xenscopeHasWatch: row.watch !== undefined,
  };
}
