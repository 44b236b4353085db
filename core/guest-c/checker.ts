/**
 * The checker's state: what is known while a unit is read. The parser recognises the text and calls the checker's parts
 * (`checker-*.ts`), which give every expression its type and build the tree.
 */
import type {
  Expression,
  Fix,
  FunctionSymbol,
  Label,
  Lvalue,
  NamedSymbol,
  SourceRange,
  Storage,
  CaseLabel,
  VariableSymbol,
} from './tree.ts';
import type {
  CType,
  DataModel,
  IntegerName,
  IntegerType,
  Member,
  RecordDefinition,
  RecordType,
} from './types.ts';
import type { ProblemList } from './source.ts';
import { ERROR_TYPE, alignOf, arrayOf, integerType, sizeOf, unqualified } from './types.ts';
import { OpenScope } from './scopes.ts';

/** An expression before its lvalue conversion (6.3.2.1): a value, an object, or a function's name. */
export type Operand =
  | { readonly kind: 'value'; readonly value: Expression }
  | { readonly kind: 'object'; readonly object: Lvalue; readonly stringLiteral?: boolean }
  | { readonly kind: 'function'; readonly symbol: FunctionSymbol; readonly range: SourceRange };

/** What holds while one function's body is read. */
export interface FunctionState {
  readonly symbol: FunctionSymbol;
  readonly labels: LabelState[];
  /** By name: the function's own labels, then those of the blocks around the current statement that declare some. */
  readonly labelScopes: Map<string, LabelState>[];
  /** Arrays of variable length that are visible at the current statement, in order of declaration. */
  readonly arrays: VariableSymbol[];
  readonly switches: SwitchState[];
  /** Loops, and loops or switches, around the current statement. */
  loops: number;
  breakables: number;
  /** Names already reported as undeclared here. */
  readonly undeclared: Set<string>;
  /** Number of errors before its body: a function with mistakes is not searched for what is unused or missing. */
  readonly errorsBefore: number;
}

export interface LabelState {
  readonly label: Label;
  defined: boolean;
  used: boolean;
}

export interface SwitchState {
  readonly type: IntegerType;
  readonly cases: CaseLabel[];
  defaultCase: CaseLabel | null;
}

/** What a name in the text stands for. */
export type ReferenceTarget =
  | NamedSymbol
  | { readonly kind: 'tag'; readonly type: RecordType }
  | { readonly kind: 'member'; readonly member: Member; readonly record: RecordDefinition };

/** A use or declaration of a name, for editors. */
export interface Reference {
  readonly range: SourceRange;
  readonly target: ReferenceTarget;
}

export class Checker {
  readonly model: DataModel;
  readonly problems: ProblemList;
  readonly statics: VariableSymbol[];
  readonly functions: FunctionSymbol[];
  readonly references: Reference[];
  /** Variables whose value or address has been used. */
  readonly usedVariables: Set<VariableSymbol>;
  /** Locals that something gives a value to. */
  readonly assigned: Set<VariableSymbol>;
  /** Objects and functions declared at file scope, to be looked through at the end. */
  readonly externals: (VariableSymbol | FunctionSymbol)[];
  /** Objects declared at file scope without extern and without a value: defined at the end at the latest. */
  readonly tentative: Set<VariableSymbol>;
  readonly definedStatics: Set<VariableSymbol>;
  /** By function (null: outside all), what is used there and where first. */
  readonly usesIn: Map<FunctionSymbol | null, Map<VariableSymbol | FunctionSymbol, SourceRange>>;
  /** At the end: everything that is used by something that is itself needed. */
  readonly reached: Map<VariableSymbol | FunctionSymbol, SourceRange>;
  /** Functions whose bodies could not be read to the end. */
  readonly brokenFunctions: Set<FunctionSymbol>;
  /** Errors that count only when their function is used: headers are full of inline functions that nobody calls. */
  readonly deferred: {
    readonly owner: FunctionSymbol;
    readonly id: string;
    readonly range: SourceRange;
    readonly message: string;
  }[];
  /** Records with mistakes among their members: what they lack is not said. */
  readonly brokenRecords: Set<RecordDefinition>;
  /** Undeclared names that stood where a type must be. */
  readonly unknownTypes: Set<string>;
  scope: OpenScope;
  function: FunctionState | null;
  /** Locals made outside any function body: those of a debugger's expression. */
  readonly looseLocals: VariableSymbol[];
  /** In a debugger's expression: a variable kept in a register cannot be given an address any more. */
  readonly frozenStorage: boolean;
  /** Folder of the shipped headers with its slash, '' for none. */
  private readonly shippedRoot: string;

  constructor(
    model: DataModel,
    problems: ProblemList,
    scope: OpenScope,
    options: { readonly frozenStorage: boolean; readonly shippedRoot: string },
  ) {
    this.model = model;
    this.problems = problems;
    this.statics = [];
    this.functions = [];
    this.references = [];
    this.usedVariables = new Set();
    this.assigned = new Set();
    this.externals = [];
    this.tentative = new Set();
    this.definedStatics = new Set();
    this.usesIn = new Map();
    this.reached = new Map();
    this.brokenFunctions = new Set();
    this.deferred = [];
    this.brokenRecords = new Set();
    this.unknownTypes = new Set();
    this.scope = scope;
    this.function = null;
    this.looseLocals = [];
    this.frozenStorage = options.frozenStorage;
    this.shippedRoot = options.shippedRoot;
  }

  error(id: string, range: SourceRange, message: string, fix?: Fix): void {
    this.problems.error(id, range, message, undefined, fix);
  }

  warning(id: string, range: SourceRange, message: string, fix?: Fix): void {
    this.problems.warning(id, range, message, undefined, fix);
  }

  /** The type of that name: `this.int('unsigned long')`. */
  integer(name: IntegerName): IntegerType {
    return integerType(name, this.model);
  }

  sizeOf(type: CType): number | null {
    return sizeOf(type, this.model);
  }

  openScope(): void {
    this.scope = new OpenScope(this.scope, this.function?.symbol ?? this.scope.owner);
  }

  closeScope(): void {
    const { parent } = this.scope;
    if (!(parent instanceof OpenScope))
      throw new Error('Checker.closeScope: the file scope cannot be closed');
    this.scope = parent;
  }

  /**
   * Whether a script may take a name for itself: what a shipped header declared gives way, and the header's own code goes
   * on with its own meaning.
   */
  givesWay(earlierFile: string, file: string): boolean {
    const { shippedRoot } = this;
    return shippedRoot !== '' && earlierFile.startsWith(shippedRoot) && !file.startsWith(shippedRoot);
  }

  isShipped(file: string): boolean {
    return this.shippedRoot !== '' && file.startsWith(this.shippedRoot);
  }

  /** Notes for editors what the name at that place is. */
  refer(range: SourceRange, target: ReferenceTarget): void {
    this.references.push({ range, target });
  }

  /** Notes a use of a function or object in the current function. */
  noteUse(symbol: VariableSymbol | FunctionSymbol, range: SourceRange): void {
    const user = this.function?.symbol ?? null;
    let uses = this.usesIn.get(user);
    if (uses === undefined) this.usesIn.set(user, (uses = new Map()));
    if (!uses.has(symbol)) uses.set(symbol, range);
    if (symbol.kind === 'variable') this.usedVariables.add(symbol);
  }

  /** A nameless auto object: a temporary, a compound literal. */
  temporary(type: CType, range: SourceRange): VariableSymbol {
    const symbol = this.variable('', type, 'auto', range);
    const locals = this.function?.symbol.locals ?? this.looseLocals;
    locals.push(symbol);
    return symbol;
  }

  variable(name: string, type: CType, storage: Storage, range: SourceRange): VariableSymbol {
    return {
      kind: 'variable',
      name,
      type,
      storage,
      addressTaken:
        storage === 'static' || storage === 'provided' || type.kind === 'array' || type.kind === 'record',
      align: alignOf(type, this.model),
      readOnly: isReadOnly(type),
      initialiser: null,
      owner: this.function?.symbol ?? this.scope.owner,
      range,
    };
  }

  /** The static object of a string literal, as an operand: an array of char. */
  stringLiteral(bytes: readonly number[], range: SourceRange): Operand {
    const data = Uint8Array.from([...bytes, 0]);
    const type = arrayOf(this.integer('char'), data.length);
    const symbol = this.variable('', type, 'static', range);
    symbol.readOnly = true;
    symbol.initialiser = { bytes: data.length, entries: [{ kind: 'bytes', offset: 0, data }] };
    this.statics.push(symbol);
    return { kind: 'object', object: { kind: 'variable', symbol, type, range }, stringLiteral: true };
  }
}

/** The fix that puts a text in place of a range; none for what a macro made. */
export function replacing(range: SourceRange, text: string): Fix | undefined {
  return range.inMacro === true ? undefined : { title: `Write '${text}'`, edits: [{ range, text }] };
}

/** Stands for an expression in which a mistake was reported. */
export const errorValue = (range: SourceRange): Expression => ({
  kind: 'constant',
  value: 0n,
  type: ERROR_TYPE,
  range,
});

export const errorOperand = (range: SourceRange): Operand => ({ kind: 'value', value: errorValue(range) });

export const valueOperand = (value: Expression): Operand => ({ kind: 'value', value });

export function operandRange(operand: Operand): SourceRange {
  switch (operand.kind) {
    case 'value':
      return operand.value.range;
    case 'object':
      return operand.object.range;
    case 'function':
      return operand.range;
  }
}

/** The type before conversion: arrays are arrays, functions functions. */
export function operandType(operand: Operand): CType {
  switch (operand.kind) {
    case 'value':
      return operand.value.type;
    case 'object':
      return operand.object.type;
    case 'function':
      return operand.symbol.type;
  }
}

export const isError = (type: CType): boolean => type.kind === 'error';

/** Whether two types are the same, qualifiers and typedef names aside (6.2.7). */
export function sameType(a: CType, b: CType): boolean {
  if (a === b) return true;
  switch (a.kind) {
    case 'integer':
      return b.kind === 'integer' && a.name === b.name;
    case 'pointer':
      return b.kind === 'pointer' && sameQualified(a.to, b.to);
    case 'array':
      return (
        b.kind === 'array' &&
        sameType(a.of, b.of) &&
        (a.length === b.length || a.length === null || b.length === null)
      );
    case 'record':
      return b.kind === 'record' && a.record === b.record;
    case 'function':
      return b.kind === 'function' && sameFunction(a, b);
    case 'void':
    case 'error':
      return a.kind === b.kind;
  }
}

const sameQualified = (a: CType, b: CType): boolean =>
  a.const === b.const && a.volatile === b.volatile && sameType(a, b);

function sameFunction(a: CType & { kind: 'function' }, b: CType & { kind: 'function' }): boolean {
  if (!sameType(a.returns, b.returns)) return false;
  if (a.unprototyped || b.unprototyped) return true;
  if (a.variadic !== b.variadic || a.parameters.length !== b.parameters.length) return false;
  return a.parameters.every((parameter, i) => {
    const other = b.parameters[i];
    return other !== undefined && sameType(parameter, other);
  });
}

/** Whether pointers to the two may be exchanged without a cast, qualifiers aside. */
export const compatibleTargets = (a: CType, b: CType): boolean => sameType(unqualified(a), unqualified(b));

/** The same type, under that typedef's name. */
export const withAlias = (type: CType, alias: string): CType => ({ ...type, alias });

/** `const` on the object itself or on its elements. */
export const isReadOnly = (type: CType): boolean =>
  (type.const && !type.volatile) || (type.kind === 'array' && isReadOnly(type.of));
