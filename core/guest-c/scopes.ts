/**
 * Names and what they stand for, block by block (C11 6.2.1). Ordinary names and tags are separate name spaces.
 */
import type { FunctionSymbol, NamedSymbol, Scope } from './tree.ts';
import type { CType } from './types.ts';

/** A scope while it is being filled. */
export class OpenScope implements Scope {
  readonly parent: Scope | null;
  readonly owner: FunctionSymbol | null;
  readonly symbols: Map<string, NamedSymbol>;
  readonly tags: Map<string, CType>;

  constructor(parent: Scope | null, owner: FunctionSymbol | null) {
    this.parent = parent;
    this.owner = owner;
    this.symbols = new Map();
    this.tags = new Map();
  }
}

/** What the name means in that scope, innermost first. */
export function lookUp(scope: Scope | null, name: string): NamedSymbol | null {
  for (let at = scope; at !== null; at = at.parent) {
    const symbol = at.symbols.get(name);
    if (symbol !== undefined) return symbol;
  }
  return null;
}

/** The struct, union or enum of that tag. */
export function lookUpTag(scope: Scope | null, tag: string): CType | null {
  for (let at = scope; at !== null; at = at.parent) {
    const type = at.tags.get(tag);
    if (type !== undefined) return type;
  }
  return null;
}

/** The visible name (of that kind only) most like a wrong one, for "did you mean"; null when none is close. */
export function similarName(scope: Scope | null, wrong: string, kind?: NamedSymbol['kind']): string | null {
  const limit = Math.max(1, Math.floor(wrong.length / 4));
  let best: string | null = null;
  let bestDistance = limit + 1;
  for (let at = scope; at !== null; at = at.parent) {
    for (const [name, symbol] of at.symbols) {
      if (kind !== undefined && symbol.kind !== kind) continue;
      if (Math.abs(name.length - wrong.length) >= bestDistance) continue;
      const distance = name.toLowerCase() === wrong.toLowerCase() ? 0.5 : editDistance(name, wrong);
      if (distance < bestDistance) {
        best = name;
        bestDistance = distance;
      }
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours that make one word of the other. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(replaced, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? a.length;
}
