/**
 * What is C, but most often not meant: warnings about single operations, as gcc's -Wall and a little more gives them. Where
 * a macro made the text nothing is said, for a macro serves many places.
 */
import type { Checker } from './checker.ts';
import type { ComparisonOp, Expression, FunctionSymbol, SourceRange } from './tree.ts';
import type { CType, IntegerType } from './types.ts';
import { typeName } from './types.ts';

/** Whether the comparison always holds or never: the type of one side cannot have the other's value. */
export function warnDecided(
  checker: Checker,
  op: ComparisonOp,
  left: Expression,
  right: Expression,
  range: SourceRange,
): void {
  if (range.inMacro === true || checker.isShipped(range.file)) return;
  const isSwapped = left.kind === 'constant';
  const [value, bound] = isSwapped ? [right, left] : [left, right];
  if (bound.kind !== 'constant' || value.kind === 'constant' || value.type.kind !== 'integer') return;
  const { low, high } = valuesOf(value.type);
  const isWide = value.type.bytes >= 4;
  if (isWide && (value.type.signed || bound.value !== 0n)) return;
  const result = decided(isSwapped ? MIRRORED[op] : op, low, high, bound.value);
  if (result === null) return;
  const text = `This is always ${result ? 'true' : 'false'}: '${typeName(value.type)}' holds ${low} to ${high}.`;
  checker.warning('comparison-decided', range, text);
}

const MIRRORED: { readonly [op in ComparisonOp]: ComparisonOp } = {
  '==': '==',
  '!=': '!=',
  '<': '>',
  '>': '<',
  '<=': '>=',
  '>=': '<=',
};

function valuesOf(type: IntegerType): { low: bigint; high: bigint } {
  const bits = BigInt(type.name === '_Bool' ? 1 : type.bytes * 8);
  if (!type.signed) return { low: 0n, high: (1n << bits) - 1n };
  return { low: -(1n << (bits - 1n)), high: (1n << (bits - 1n)) - 1n };
}

/** `x op bound` for every x from low to high, or null when it differs. */
function decided(op: ComparisonOp, low: bigint, high: bigint, bound: bigint): boolean | null {
  switch (op) {
    case '==':
      return bound < low || bound > high ? false : null;
    case '!=':
      return bound < low || bound > high ? true : null;
    case '<':
      return high < bound ? true : low >= bound ? false : null;
    case '<=':
      return high <= bound ? true : low > bound ? false : null;
    case '>':
      return low > bound ? true : high <= bound ? false : null;
    case '>=':
      return low >= bound ? true : high < bound ? false : null;
  }
}

/** A constant that its new type cannot hold, whether one reads that signed or unsigned. */
export function warnLostBits(checker: Checker, value: Expression, to: CType): void {
  if (value.kind !== 'constant' || to.kind !== 'integer' || to.name === '_Bool') return;
  const bits = BigInt(to.bytes * 8);
  if (value.value >= -(1n << (bits - 1n)) && value.value < 1n << bits) return;
  const kept = to.signed
    ? BigInt.asIntN(to.bytes * 8, value.value)
    : BigInt.asUintN(to.bytes * 8, value.value);
  const text = `'${typeName(to)}' does not hold ${shown(value.value)}: it becomes ${shown(kept)}.`;
  checker.warning('constant-overflow', value.range, text);
}

const shown = (value: bigint): string => (value > 0xffffn ? `0x${value.toString(16)}` : String(value));

/** The address of an object that is gone when the function has returned. */
export function warnLocalAddress(checker: Checker, value: Expression, range: SourceRange): void {
  const inner = value.kind === 'convert' ? value.operand : value;
  if (inner.kind !== 'address' || inner.of.kind !== 'variable') return;
  const { symbol } = inner.of;
  if (symbol.storage !== 'auto' && symbol.storage !== 'parameter') return;
  const text = `This is the address of '${symbol.name}', which is gone when the function returns. Make it static.`;
  checker.warning('return-local', range, text);
}

const BITWISE: ReadonlySet<string> = new Set(['&', '|', '^']);
const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '>', '<=', '>=']);

/**
 * `flags & MASK == 0` compares first. `op` is the operator, `bare` the operator of an operand without parentheses of its
 * own (null: none).
 */
export function warnPrecedence(checker: Checker, op: string, bare: string | null, operand: Expression): void {
  if (bare === null || operand.range.inMacro === true) return;
  const isBitwise = BITWISE.has(op) && COMPARISONS.has(bare);
  const isShift = (op === '<<' || op === '>>') && (bare === '+' || bare === '-');
  if (!isBitwise && !isShift) return;
  const { file, line, column, endLine, endColumn } = operand.range;
  const text = `'${bare}' is done before '${op}' here. Put what belongs together in parentheses.`;
  checker.problems.warning('precedence', operand.range, text, undefined, {
    title: `Put '${bare}' in parentheses`,
    edits: [
      { range: { file, line, column, endLine: line, endColumn: column }, text: '(' },
      { range: { file, line: endLine, column: endColumn, endLine, endColumn }, text: ')' },
    ],
  });
}

/** At a function's end: locals that are read, but that nothing ever gives a value. */
export function warnUninitialised(checker: Checker, symbol: FunctionSymbol): void {
  const uses = checker.usesIn.get(symbol);
  for (const local of symbol.locals) {
    const isScalar = local.type.kind === 'integer' || local.type.kind === 'pointer';
    if (local.name === '' || !isScalar || local.addressTaken || checker.assigned.has(local)) continue;
    const use = uses?.get(local);
    if (use === undefined || use.inMacro === true) continue;
    const text = `'${local.name}' is used here, but nothing gives it a value.`;
    const related = [{ range: local.range, message: `'${local.name}' is declared here.` }];
    checker.problems.warning('uninitialised', use, text, related);
  }
}

/** At the unit's end: static functions of the script that nobody calls. */
export function warnUnusedFunctions(checker: Checker): void {
  for (const symbol of checker.functions) {
    const isOwn = symbol.range.inMacro !== true && !checker.isShipped(symbol.range.file);
    if (!symbol.isStatic || symbol.used || symbol.maybeUnused || !isOwn) continue;
    checker.warning('unused-function', symbol.range, `The function '${symbol.name}' is not used.`);
  }
}
