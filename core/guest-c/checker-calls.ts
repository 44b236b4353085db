/**
 * Calls (C11 6.5.2.2), and the names of calls that are no functions: gcc's builtins and the virtual machine's operations.
 */
import type { Checker, Operand } from './checker.ts';
import type { BuiltinName, Expression, FunctionSymbol, SourceRange } from './tree.ts';
import type { CType, FunctionType, IntegerName } from './types.ts';
import { VOID, pointerTo, typeName, unqualified } from './types.ts';
import { convert, convertAssigned, promote, valueOf } from './checker-conversions.ts';
import { errorValue, isError, valueOperand } from './checker.ts';
import { dereference, update } from './checker-objects.ts';
import { checkFormat } from './checker-formats.ts';
import { constantValue } from './checker-constants.ts';

/** `callee(args)` */
export function call(
  checker: Checker,
  callee: Operand,
  args: readonly Operand[],
  range: SourceRange,
  close: SourceRange,
): Expression {
  if (callee.kind === 'function') {
    const { symbol } = callee;
    return checkedCall(checker, symbol, symbol.type, `'${symbol.name}'`, args, range, close);
  }
  const value = valueOf(checker, callee);
  if (isError(value.type)) return errorValue(range);
  if (value.type.kind !== 'pointer' || value.type.to.kind !== 'function') {
    checker.error(
      'not-function',
      value.range,
      `'${typeName(value.type)}' is no function and cannot be called.`,
    );
    return errorValue(range);
  }
  return checkedCall(checker, value, value.type.to, 'the function', args, range, close);
}

function checkedCall(
  checker: Checker,
  callee: FunctionSymbol | Expression,
  signature: FunctionType,
  name: string,
  args: readonly Operand[],
  range: SourceRange,
  close: SourceRange,
): Expression {
  const { parameters, variadic, unprototyped } = signature;
  const wrongCount = args.length < parameters.length || (args.length > parameters.length && !variadic);
  if (!unprototyped && wrongCount) {
    const wanted = `${variadic ? 'at least ' : ''}${parameters.length} argument${parameters.length === 1 ? '' : 's'}`;
    const text = `${name} takes ${wanted}, but is called with ${args.length}.`;
    checker.problems.error(
      'argument-count',
      close,
      text.charAt(0).toUpperCase() + text.slice(1),
      declaredAt(callee),
    );
    return errorValue(range);
  }
  const values = args.map((argument, i) => {
    const value = valueOf(checker, argument);
    const parameter = parameters[i];
    if (parameter === undefined) return promote(checker, value);
    return convertAssigned(checker, value, parameter, `passing argument ${i + 1} of ${name}`);
  });
  if (values.some((value) => isError(value.type))) return errorValue(range);
  if (values.some((value) => value.type.kind === 'void')) {
    checker.error(
      'void-value',
      range,
      'An argument has type void: the function called for it returns nothing.',
    );
    return errorValue(range);
  }
  if ('parameters' in callee && callee.kind === 'function' && callee.format !== null)
    checkFormat(checker, callee.format, values, range);
  return { kind: 'call', callee, args: values, signature, type: unqualified(signature.returns), range };
}

function declaredAt(
  callee: FunctionSymbol | Expression,
): { range: SourceRange; message: string }[] | undefined {
  return 'parameters' in callee && callee.kind === 'function'
    ? [{ range: callee.range, message: `'${callee.name}' is declared here.` }]
    : undefined;
}

// ---- builtins ----------------------------------------------------------------------------------------------------

interface MachineOperation {
  readonly name: BuiltinName;
  readonly parameters: readonly IntegerName[];
  /** Arguments that may be left out at the end. */
  readonly optional: number;
  readonly returns: IntegerName | 'void';
}

const WORD = 'unsigned long';

/** Name in the source -> operation of the virtual machine. */
const MACHINE_OPERATIONS: ReadonlyMap<string, MachineOperation> = new Map<string, MachineOperation>([
  [
    '__xenscope_hypercall',
    {
      name: 'hypercall',
      parameters: [WORD, WORD, WORD, WORD, WORD, WORD, WORD],
      optional: 6,
      returns: 'long',
    },
  ],
  ['__xenscope_exit', { name: 'exit', parameters: ['int'], optional: 0, returns: 'void' }],
  ['__xenscope_touch', { name: 'touch', parameters: [WORD, 'int', 'int'], optional: 0, returns: 'void' }],
  ['__xenscope_trap_stub', { name: 'trapStub', parameters: ['int'], optional: 0, returns: WORD }],
  ['__xenscope_barrier', { name: 'barrier', parameters: [], optional: 0, returns: 'void' }],
  ['__sync_synchronize', { name: 'barrier', parameters: [], optional: 0, returns: 'void' }],
  ['__builtin_ia32_pause', { name: 'barrier', parameters: [], optional: 0, returns: 'void' }],
  ['__builtin_trap', { name: 'trap', parameters: [], optional: 0, returns: 'void' }],
  ['__builtin_unreachable', { name: 'unreachable', parameters: [], optional: 0, returns: 'void' }],
]);

type BuiltinRule = (checker: Checker, args: readonly Operand[], range: SourceRange) => Expression;

/** Builtins that become other nodes. */
const LOWERED: ReadonlyMap<string, { readonly count: number; readonly lower: BuiltinRule }> = new Map([
  ['__builtin_expect', { count: 2, lower: (c, [value], range) => expectedValue(c, value, range) }],
  ['__builtin_constant_p', { count: 1, lower: (c, [value], range) => isConstant(c, value, range) }],
  ['__builtin_va_start', { count: 2, lower: (c, [list], range) => vaStart(c, list, range) }],
  ['__builtin_va_end', { count: 1, lower: (c, [list], range) => dropped(c, list, range) }],
  ['__builtin_va_copy', { count: 2, lower: (c, [to, from], range) => vaCopy(c, to, from, range) }],
]);

/** Functions of the library that gcc knows by a `__builtin_` name. */
const LIBRARY: ReadonlySet<string> = new Set([
  'memcpy',
  'memmove',
  'memset',
  'memcmp',
  'strlen',
  'strcmp',
  'strncmp',
  'strchr',
  'strcpy',
  'strncpy',
]);

/** The library function behind `__builtin_memcpy` and its like, null for other names. */
export function libraryName(name: string): string | null {
  const bare = name.startsWith('__builtin_') ? name.slice('__builtin_'.length) : '';
  return LIBRARY.has(bare) ? bare : null;
}

export const isBuiltin = (name: string): boolean => MACHINE_OPERATIONS.has(name) || LOWERED.has(name);

/** Names of every builtin with a call's form, for completion and "did you mean". */
export function builtinCall(
  checker: Checker,
  name: string,
  args: readonly Operand[],
  range: SourceRange,
): Expression {
  const lowered = LOWERED.get(name);
  if (lowered !== undefined) {
    return args.length === lowered.count
      ? lowered.lower(checker, args, range)
      : wrongCount(checker, name, lowered.count, args, range);
  }
  const operation = MACHINE_OPERATIONS.get(name);
  if (operation === undefined) throw new Error(`builtinCall: no builtin ${name}`);
  const { parameters, optional, returns } = operation;
  if (args.length > parameters.length || args.length < parameters.length - optional) {
    return wrongCount(checker, name, parameters.length - optional, args, range);
  }
  const values = args.map((argument, i) => {
    const value = valueOf(checker, argument);
    const type = checker.integer(parameters[i] ?? 'int');
    return value.type.kind === 'pointer'
      ? convert(checker, value, type)
      : convertAssigned(checker, value, type, `passing argument ${i + 1} of '${name}'`);
  });
  if (values.some((value) => isError(value.type))) return errorValue(range);
  const type = returns === 'void' ? VOID : checker.integer(returns);
  return { kind: 'builtin', name: operation.name, args: values, type, range };
}

function wrongCount(
  checker: Checker,
  name: string,
  wanted: number,
  args: readonly Operand[],
  range: SourceRange,
): Expression {
  checker.error(
    'argument-count',
    range,
    `'${name}' takes ${wanted} arguments, but is called with ${args.length}.`,
  );
  return errorValue(range);
}

function expectedValue(checker: Checker, value: Operand | undefined, range: SourceRange): Expression {
  if (value === undefined) return errorValue(range);
  return convertAssigned(
    checker,
    valueOf(checker, value),
    checker.integer('long'),
    "the argument of '__builtin_expect'",
  );
}

function isConstant(checker: Checker, operand: Operand | undefined, range: SourceRange): Expression {
  const value = operand === undefined ? null : constantValue(valueOf(checker, operand));
  return { kind: 'constant', value: value === null ? 0n : 1n, type: checker.integer('int'), range };
}

function dropped(checker: Checker, operand: Operand | undefined, range: SourceRange): Expression {
  if (operand === undefined) return errorValue(range);
  return { kind: 'convert', operand: valueOf(checker, operand), type: VOID, range };
}

// ---- variable arguments ------------------------------------------------------------------------------------------

/** The type of va_list: a pointer to the next argument, as on i386. */
export const vaListType = (checker: Checker): CType => ({
  ...pointerTo(checker.integer('char')),
  alias: '__builtin_va_list',
});

function vaStart(checker: Checker, list: Operand | undefined, range: SourceRange): Expression {
  const owner = checker.function?.symbol;
  if (owner?.type.variadic !== true) {
    checker.error('va-start', range, "va_start is used in a function without '...'.");
    return errorValue(range);
  }
  const type = pointerTo(checker.integer('char'));
  const area: Expression = { kind: 'builtin', name: 'variadicArea', args: [], type, range };
  return stored(checker, list, area, range);
}

function vaCopy(
  checker: Checker,
  to: Operand | undefined,
  from: Operand | undefined,
  range: SourceRange,
): Expression {
  return from === undefined ? errorValue(range) : stored(checker, to, valueOf(checker, from), range);
}

function stored(
  checker: Checker,
  list: Operand | undefined,
  value: Expression,
  range: SourceRange,
): Expression {
  if (list?.kind !== 'object' || isError(value.type)) {
    checker.error('va-list', range, 'This is no va_list variable.');
    return errorValue(range);
  }
  const assignment: Expression = {
    kind: 'assign',
    target: list.object,
    value: convert(checker, value, list.object.type),
    type: unqualified(list.object.type),
    range,
  };
  return { kind: 'convert', operand: assignment, type: VOID, range };
}

/** `va_arg(list, type)`: reads at the list and moves it behind the argument, which takes whole words. */
export function vaArg(checker: Checker, list: Operand, type: CType, range: SourceRange): Operand {
  const bytes = checker.sizeOf(type);
  if (isError(type)) return valueOperand(errorValue(range));
  if (bytes === null || type.kind === 'array' || (type.kind === 'integer' && type.bytes < 4)) {
    const text = `'${typeName(type)}' cannot be an argument behind '...'; small integers are passed as int.`;
    checker.error('va-arg', range, text);
    return valueOperand(errorValue(range));
  }
  const words = Math.ceil(bytes / checker.model.wordBytes) * checker.model.wordBytes;
  const step: Expression = { kind: 'constant', value: BigInt(words), type: checker.integer('int'), range };
  const before = update(checker, list, '+', step, 'old', range);
  if (isError(before.type)) return valueOperand(before);
  return dereference(checker, convert(checker, before, pointerTo(type)), range);
}
