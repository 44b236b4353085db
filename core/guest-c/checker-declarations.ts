/**
 * Declarations (C11 6.7): what a name may be declared as, again or anew, and whether what is used is defined.
 */
import type { Checker } from './checker.ts';
import type { FunctionSymbol, NamedSymbol, SourceRange, VariableSymbol } from './tree.ts';
import type { CType, FunctionType } from './types.ts';
import type { FormatAttribute } from './checker-formats.ts';
import { PROVIDED_OBJECTS } from './tree.ts';
import { OpenScope } from './scopes.ts';
import { alignOf, declarationOf, typeName } from './types.ts';
import { isReadOnly, sameType } from './checker.ts';
import { warnUnusedFunctions } from './checker-warnings.ts';

/** The storage word of a declaration; null for none. */
export type StorageWord = 'typedef' | 'extern' | 'static' | 'auto' | 'register' | null;

/** Objects larger than this cannot be in any guest. */
const MAX_OBJECT_BYTES = 0x1000_0000;

export function fileScope(checker: Checker): OpenScope {
  let scope = checker.scope;
  while (scope.parent instanceof OpenScope) scope = scope.parent;
  return scope;
}

const related = (symbol: NamedSymbol): { range: SourceRange; message: string }[] => [
  { range: symbol.range, message: `'${symbol.name}' was declared here before.` },
];

/** Whether a script's declaration may take the place of that one (see Checker.givesWay). */
const overrides = (checker: Checker, earlier: NamedSymbol | undefined, range: SourceRange): boolean =>
  earlier !== undefined && checker.givesWay(earlier.range.file, range.file);

/** Reports that the name is taken. */
function conflict(checker: Checker, range: SourceRange, earlier: NamedSymbol, name: string): void {
  const text = `'${name}' is already declared here as something else. Choose another name.`;
  checker.problems.error('redeclared', range, text, related(earlier));
}

export function declareTypedef(checker: Checker, name: string, type: CType, range: SourceRange): void {
  const earlier = checker.scope.symbols.get(name);
  const isSame = earlier?.kind === 'typedef' && sameType(earlier.type, type);
  const isOverride = !isSame && overrides(checker, earlier, range);
  if (earlier !== undefined && !isSame && !isOverride) {
    conflict(checker, range, earlier, name);
    return;
  }
  if (isSame) return;
  const symbol = { kind: 'typedef', name, type, range } as const;
  checker.scope.symbols.set(name, symbol);
  checker.refer(range, symbol);
}

export function declareEnumerator(
  checker: Checker,
  name: string,
  value: bigint,
  type: CType,
  range: SourceRange,
): void {
  const earlier = checker.scope.symbols.get(name);
  if (earlier !== undefined && !overrides(checker, earlier, range)) {
    conflict(checker, range, earlier, name);
    return;
  }
  const symbol = { kind: 'enumerator', name, type, value, range } as const;
  checker.scope.symbols.set(name, symbol);
  checker.refer(range, symbol);
}

/** What __attribute__ says about a function. */
export interface FunctionAttributes {
  readonly noReturn: boolean;
  readonly unused: boolean;
  readonly mustUse: boolean;
  readonly format: FormatAttribute | null;
}

export interface FunctionDeclaration {
  readonly name: string;
  readonly type: FunctionType;
  readonly isStatic: boolean;
  readonly attributes: FunctionAttributes;
  /** A body follows. */
  readonly isDefinition: boolean;
  readonly range: SourceRange;
}

/** Declares a function, or finds it when it is declared already. */
export function declareFunction(checker: Checker, declaration: FunctionDeclaration): FunctionSymbol {
  const { name, type, range } = declaration;
  const file = fileScope(checker);
  const earlier = checker.scope.symbols.get(name) ?? file.symbols.get(name);
  const isSame = earlier?.kind === 'function' && sameType(earlier.type, type);
  const isSecond = declaration.isDefinition && earlier?.kind === 'function' && earlier.body !== null;
  const isOverride = !isSame && overrides(checker, earlier, range);
  if (earlier?.kind === 'function' && !isOverride) {
    if (isSecond && overrides(checker, earlier, range)) forgetDefinition(checker, earlier, declaration);
    checker.refer(range, earlier);
    mergeFunction(checker, earlier, declaration);
    return earlier;
  }
  const symbol: FunctionSymbol = {
    kind: 'function',
    name,
    type,
    body: null,
    parameters: [],
    locals: [],
    used: false,
    isStatic: declaration.isStatic,
    noReturn: declaration.attributes.noReturn,
    format: declaration.attributes.format,
    mustUse: declaration.attributes.mustUse,
    maybeUnused: declaration.attributes.unused,
    range,
    end: null,
  };
  if (earlier !== undefined && !isOverride) conflict(checker, range, earlier, name);
  else {
    file.symbols.set(name, symbol);
    checker.refer(range, symbol);
    checker.externals.push(symbol);
  }
  return symbol;
}

/**
 * A script has a function of the library of its own, with the same type: then there is one function of that name, the
 * script's, also for what was read before and for the library itself, as where a program is linked with a library.
 */
function forgetDefinition(checker: Checker, symbol: FunctionSymbol, { isStatic }: FunctionDeclaration): void {
  symbol.body = null;
  symbol.parameters = [];
  symbol.locals = [];
  symbol.end = null;
  symbol.isStatic = isStatic;
  checker.functions.splice(checker.functions.indexOf(symbol), 1);
  checker.usesIn.delete(symbol);
  for (let i = checker.deferred.length - 1; i >= 0; i--)
    if (checker.deferred[i]?.owner === symbol) checker.deferred.splice(i, 1);
}

function mergeFunction(checker: Checker, symbol: FunctionSymbol, declaration: FunctionDeclaration): void {
  if (!sameType(symbol.type, declaration.type)) {
    const text = `'${symbol.name}' was declared as '${declarationOf(symbol.type, symbol.name)}', but here it is '${declarationOf(declaration.type, symbol.name)}'.`;
    checker.problems.error('conflicting-types', declaration.range, text, related(symbol));
  } else if (symbol.type.unprototyped && symbol.body === null) symbol.type = declaration.type;
  const { attributes } = declaration;
  symbol.noReturn ||= attributes.noReturn;
  symbol.mustUse ||= attributes.mustUse;
  symbol.maybeUnused ||= attributes.unused;
  symbol.format ??= attributes.format;
}

export interface VariableDeclaration {
  readonly name: string;
  readonly type: CType;
  readonly storage: StorageWord;
  readonly align: number;
  readonly range: SourceRange;
  readonly hasInitialiser: boolean;
}

/** Declares an object at file scope, or one that a block calls `extern`. */
export function declareFileVariable(checker: Checker, declaration: VariableDeclaration): VariableSymbol {
  const { name, type, range, storage } = declaration;
  const file = fileScope(checker);
  const earlier = file.symbols.get(name);
  const isSame = earlier?.kind === 'variable' && sameType(earlier.type, type);
  const isSecond = declaration.hasInitialiser && earlier?.kind === 'variable' && earlier.initialiser !== null;
  const isOverride = (!isSame || isSecond) && overrides(checker, earlier, range);
  if (earlier !== undefined && earlier.kind !== 'variable' && !isOverride)
    conflict(checker, range, earlier, name);
  if (earlier?.kind === 'variable' && !isOverride) {
    checker.refer(range, earlier);
    mergeVariable(checker, earlier, declaration);
    return earlier;
  }
  const isProvided = storage === 'extern' && PROVIDED_OBJECTS.some((provided) => provided === name);
  const symbol = checker.variable(name, type, isProvided ? 'provided' : 'static', range);
  const placed = { ...symbol, owner: null, align: Math.max(symbol.align, declaration.align) };
  if (earlier === undefined || isOverride) {
    file.symbols.set(name, placed);
    checker.refer(range, placed);
    checker.externals.push(placed);
  }
  return placed;
}

function mergeVariable(checker: Checker, symbol: VariableSymbol, declaration: VariableDeclaration): void {
  if (!sameType(symbol.type, declaration.type)) {
    const text = `'${symbol.name}' was declared as '${typeName(symbol.type)}', but here it is '${typeName(declaration.type)}'.`;
    checker.problems.error('conflicting-types', declaration.range, text, related(symbol));
  } else if (declaration.hasInitialiser && symbol.initialiser !== null) {
    checker.problems.error(
      'redefined',
      declaration.range,
      `'${symbol.name}' is given a value a second time.`,
      related(symbol),
    );
  } else if (symbol.type.kind === 'array' && symbol.type.length === null) symbol.type = declaration.type;
  symbol.align = Math.max(symbol.align, declaration.align);
}

/** Makes the object exist: it is complete and gets its place among the statics. */
export function defineStatic(checker: Checker, symbol: VariableSymbol): void {
  if (!checkComplete(checker, symbol.type, symbol.name, symbol.range)) return;
  symbol.align = Math.max(symbol.align, alignOf(symbol.type, checker.model));
  symbol.readOnly = isReadOnly(symbol.type);
  // The script has one of its own after all.
  if (symbol.storage === 'provided') symbol.storage = 'static';
  if (!checker.definedStatics.has(symbol)) {
    checker.definedStatics.add(symbol);
    checker.statics.push(symbol);
  }
}

/** Declares a local object in the current block. */
export function declareLocal(checker: Checker, declaration: VariableDeclaration): VariableSymbol {
  const { name, type, storage, range } = declaration;
  const earlier = checker.scope.symbols.get(name);
  if (earlier !== undefined) {
    checker.problems.error(
      'redeclared',
      range,
      `'${name}' is already declared in this block.`,
      related(earlier),
    );
  }
  const symbol = checker.variable(name, type, storage === 'static' ? 'static' : 'auto', range);
  symbol.align = Math.max(symbol.align, declaration.align);
  checker.scope.symbols.set(name, symbol);
  checker.refer(range, symbol);
  if (storage !== 'static') (checker.function?.symbol.locals ?? checker.looseLocals).push(symbol);
  return symbol;
}

/** Whether objects of the type can exist; says why not. */
export function checkComplete(checker: Checker, type: CType, name: string, range: SourceRange): boolean {
  if (type.kind === 'error') return false;
  const bytes = checker.sizeOf(type);
  if (bytes === null) {
    const why =
      type.kind === 'array' ? 'the length of the array is not given' : `'${typeName(type)}' is not defined`;
    checker.error(
      'incomplete-type',
      range,
      `'${name}' cannot exist: ${type.kind === 'void' ? 'void has no values' : why}.`,
    );
    return false;
  }
  if (bytes <= MAX_OBJECT_BYTES) return true;
  checker.error('too-large', range, `'${name}' would have ${bytes} bytes; the most is ${MAX_OBJECT_BYTES}.`);
  return false;
}

/**
 * At the end of the unit: objects declared without `extern` are made, and whatever is reachable from the unit's own
 * functions and data must be defined.
 */
export function finishUnit(checker: Checker): void {
  for (const symbol of checker.tentative) defineStatic(checker, symbol);
  markUsed(checker);
  warnUnusedFunctions(checker);
  for (const { owner, id, range, message } of checker.deferred) {
    if (owner.used) checker.error(id, range, message);
  }
  for (const symbol of checker.externals) {
    const use = checker.reached.get(symbol);
    if (use === undefined) continue;
    const missing =
      symbol.kind === 'function'
        ? symbol.body === null && !checker.brokenFunctions.has(symbol)
        : symbol.storage === 'static' && !checker.definedStatics.has(symbol);
    if (!missing) continue;
    const what = symbol.kind === 'function' ? 'Function' : 'Object';
    const text = `${what} '${symbol.name}' is declared but never defined. Write its definition, or include the file that has it.`;
    checker.problems.error('undefined', use, text, related(symbol));
  }
}

/** Follows uses from everything that is not a static function that nobody uses. */
function markUsed(checker: Checker): void {
  const queue: (FunctionSymbol | null)[] = [null, ...checker.functions.filter((symbol) => !symbol.isStatic)];
  const visited = new Set<FunctionSymbol | null>(queue);
  for (let from = queue.pop(); from !== undefined; from = queue.pop()) {
    if (from !== null) from.used = true;
    for (const [symbol, range] of checker.usesIn.get(from) ?? []) {
      if (!checker.reached.has(symbol)) checker.reached.set(symbol, range);
      if (symbol.kind === 'function' && !visited.has(symbol)) {
        visited.add(symbol);
        queue.push(symbol);
      }
    }
  }
}
