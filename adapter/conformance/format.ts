/** Writes an operation as its line of a list: the inverse of `parseOperation`. */

import type { MmuRequest, Operation } from './operations.ts';

export function formatOperation(operation: Operation): string {
  const { op, raw, ...fields } = operation;
  return JSON.stringify({ op, ...flat(fields), ...(raw ? { raw } : {}) }, (_, value: unknown) =>
    typeof value === 'bigint' ? `0x${value.toString(16)}` : value,
  );
}

/** Brings the parts that have a form of their own back into the line's fields. */
function flat(fields: Record<string, unknown>): Record<string, unknown> {
  const { requests, place, ...rest } = fields;
  if (place !== undefined) return { ...rest, ...(place as object) };
  if (requests === undefined) return rest;
  const list = requests as readonly MmuRequest[];
  return list.length === 1 ? { ...list[0], ...rest } : { reqs: list, ...rest };
}
