/**
 * `$rc`, `$mfn`, `$old` in the conditions of breakpoints: names that are no C, replaced by their values before the
 * rest is read as a C expression. A name that the event at hand has not (`$va` of an mmu_update) makes the condition
 * false there; a name that no event has is its author's mistake.
 */

/** Values of the names that an event has. */
export type DollarValues = Readonly<Partial<Record<DollarName, bigint>>>;

/** Every name that a condition can use beside registers, and what it stands for. */
export const DOLLAR_NAMES = {
  rc: 'result of the hypercall; the breakpoint stops after the call',
  done: 'requests that a batch completed; the breakpoint stops after the call',
  op: 'operation: MMUEXT_*, XENMEM_*, MMU_* (the low bits of ptr)',
  mfn: 'machine frame that the request is about',
  pfn: 'its pseudo-physical frame',
  va: 'virtual address',
  old: 'entry, word or count before',
  new: 'entry, word or count after',
  level: 'level of the table that is written, 1 to 4',
  table: 'machine frame of that table',
  index: 'place of the request in its batch, from 0',
  vector: 'trap vector',
  error: 'error code of a trap',
} as const satisfies Readonly<Record<string, string>>;
export type DollarName = keyof typeof DOLLAR_NAMES;

const isDollarName = (name: string): name is DollarName => Object.hasOwn(DOLLAR_NAMES, name);

/** Names that are known only when the hypercall has returned. */
export const needsResult = (condition: string | undefined): boolean => /\$(rc|done)\b/.test(condition ?? '');

/** A condition ready to be read as C; or why it is false, or wrong. */
export type Substituted =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'problem'; readonly message: string };

/**
 * Replaces the names of a condition. `rule` is the broken rule of a refused hypercall, for `$rule == "mmuext.*"`, in
 * which `*` stands for any text; `register` gives registers by name.
 */
export function substitute(
  condition: string,
  values: DollarValues,
  given: { readonly rule?: string; readonly register?: (name: string) => bigint | null } = {},
): Substituted {
  let absent = false;
  let unknown: string | null = null;
  const ruled = condition.replaceAll(
    /\$rule\s*(==|!=)\s*"([^"]*)"/g,
    (_, operator: string, pattern: string) => {
      if (given.rule === undefined) absent = true;
      const matches = globTest(pattern)(given.rule ?? '');
      return matches === (operator === '==') ? '1' : '0';
    },
  );
  const text = ruled.replaceAll(/\$(\w+)/g, (_, name: string) => {
    const value = isDollarName(name) ? values[name] : (given.register?.(name) ?? undefined);
    if (value === undefined && isDollarName(name)) absent = true;
    else if (value === undefined) unknown ??= name;
    return literal(value ?? 0n);
  });
  if (unknown !== null) return { kind: 'problem', message: unknownName(unknown) };
  return absent ? { kind: 'absent' } : { kind: 'text', text };
}

/** An expression with the values that a stop has; other names, such as registers, are left as they are. */
export function withDollars(expression: string, values: DollarValues): string {
  return expression.replaceAll(/\$(\w+)/g, (whole, name: string) => {
    const value = isDollarName(name) ? values[name] : undefined;
    return value === undefined ? whole : literal(value);
  });
}

function unknownName(name: string): string {
  if (name === 'rule') return '$rule is compared with a text: $rule == "mmuext.*".';
  const names = Object.keys(DOLLAR_NAMES).map((one) => `$${one}`);
  return `There is no $${name}; conditions know ${names.join(', ')}, $rule and the registers.`;
}

/** A number as C writes it, of a type that holds it. */
export function literal(value: bigint): string {
  if (value < 0n) return `(${value}L)`;
  return value < 0x8000_0000n ? String(value) : `0x${value.toString(16)}ULL`;
}

/** `*` in a pattern stands for any text. */
export function globTest(pattern: string): (text: string) => boolean {
  const escaped = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const expression = new RegExp(`^${escaped.join('.*')}$`);
  return (text) => expression.test(text);
}
