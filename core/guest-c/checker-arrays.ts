/**
 * Local arrays of variable length (C11 6.7.6.2). The name stands for a pointer to the array, which is put on the stack
 * below the function's frame and the arrays that are visible there: so a loop takes the same place again each time.
 */
import type { Checker, Operand } from './checker.ts';
import type { DeclareStatement, Expression, SourceRange, VariableSymbol } from './tree.ts';
import type { ArrayType, CType } from './types.ts';
import { arrayOf, pointerTo } from './types.ts';
import { binary } from './checker-operators.ts';
import { convert } from './checker-conversions.ts';
import { declareLocal } from './checker-declarations.ts';

export type VariableArrayType = ArrayType & { readonly runtimeLength: Expression };

export const isVariableArray = (type: CType): type is VariableArrayType =>
  type.kind === 'array' && type.runtimeLength !== undefined;

/** Declares the array; the statement computes its size, takes its place and keeps both. */
export function declareVariableArray(
  checker: Checker,
  name: string,
  type: VariableArrayType,
  range: SourceRange,
): DeclareStatement {
  const { runtimeLength, of } = type;
  const pointer = pointerTo(of);
  const below = checker.function?.arrays.at(-1);
  const symbol = declareLocal(checker, {
    name,
    type: pointer,
    storage: null,
    align: 1,
    range,
    hasInitialiser: true,
  });
  const word = checker.integer('unsigned long');
  const bytes = checker.temporary(word, range);
  symbol.arrayBytes = bytes;
  checker.assigned.add(symbol);
  checker.function?.arrays.push(symbol);
  const constant = (value: number): Expression => ({
    kind: 'constant',
    value: BigInt(value),
    type: word,
    range,
  });
  const size = binary(
    checker,
    '*',
    convert(checker, runtimeLength, word),
    constant(checker.sizeOf(of) ?? 1),
    range,
  );
  const base = below === undefined ? constant(0) : convert(checker, load(below, range), word);
  const value: Expression = {
    kind: 'comma',
    left: { kind: 'assign', target: variable(bytes, range), value: size, type: word, range },
    right: { kind: 'builtin', name: 'stackArray', args: [base, load(bytes, range)], type: pointer, range },
    type: pointer,
    range,
  };
  const initialiser = { zeroFirst: false, entries: [{ offset: 0, type: pointer, value }] };
  return { kind: 'declare', symbol, initialiser, range };
}

const variable = (
  symbol: VariableSymbol,
  range: SourceRange,
): { kind: 'variable'; symbol: VariableSymbol; type: CType; range: SourceRange } => ({
  kind: 'variable',
  symbol,
  type: symbol.type,
  range,
});

const load = (symbol: VariableSymbol, range: SourceRange): Expression => ({
  kind: 'load',
  from: variable(symbol, range),
  type: symbol.type,
  range,
});

/** What the name of a variable designates: an array of variable length lies where its pointer points. */
export function namedObject(symbol: VariableSymbol, range: SourceRange): Operand {
  if (symbol.arrayBytes === undefined || symbol.type.kind !== 'pointer')
    return { kind: 'object', object: variable(symbol, range) };
  const type = arrayOf(symbol.type.to, null);
  return { kind: 'object', object: { kind: 'deref', pointer: load(symbol, range), type, range } };
}

/** sizeof an array of variable length; null for every other operand. */
export function variableSize(operand: Operand, range: SourceRange): Expression | null {
  if (operand.kind !== 'object' || operand.object.kind !== 'deref') return null;
  const { pointer, type } = operand.object;
  if (type.kind !== 'array' || pointer.kind !== 'load' || pointer.from.kind !== 'variable') return null;
  const bytes = pointer.from.symbol.arrayBytes;
  return bytes === undefined ? null : load(bytes, range);
}
