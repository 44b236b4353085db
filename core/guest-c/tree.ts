/**
 * The typed tree: the contract between the front end (preprocessor, parser, checker) and the compiler to bytecode.
 *
 * What the compiler may rely on, for a unit whose problems hold no error:
 * - Every implicit conversion is a `convert` node; operands of a `binary` have the same type (but for shifts, whose
 *   right operand has its own promoted type, and comparisons of pointers, which compare addresses without sign).
 * - Reading an object is a `load`; arrays have become addresses (`address`, a pointer to the first element), function
 *   names `functionAddress`. `a[i]` and `p->m` are `deref` of `pointerAdd`, and `member` of `deref`.
 * - sizeof, offsetof, _Alignof and enumerators are constants. Constant values are wrapped to their type: negative
 *   for signed types only, pointers unsigned. Integer constant expressions may or may not be folded further.
 * - `long` has the word's size. Types of values are never arrays, functions or qualified; `long long` exists on 32-bit.
 * - The expression types of records (`load`, `assign`, `call`, `conditional`, `comma`, `statementExpression`) stand for
 *   whole objects that are copied.
 * - A node object occurs once in the tree, apart from symbols, labels, types and `oldValue`.
 * - Ranges are in the user's text: for text that a macro made, the outermost macro call (`inMacro` is then set).
 *
 * With errors among the problems the tree is for editors only: do not generate code from it.
 */
import type { Linkage } from './linkage.ts';
import type { CType, DataModel, FunctionType, Member } from './types.ts';
import type { FormatAttribute } from './checker-formats.ts';
import type { Macro } from './preprocessor-macros.ts';

/** A place in a source file. Lines and columns count from 1; the end is just behind the last character. */
export interface SourceRange {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  /** The text was made by a macro; the range is that of the outermost call. */
  readonly inMacro?: true;
}

/** One message about the user's text. */
export interface Problem {
  /** Stable and unique to the kind of message, such as `undeclared` or `pp.include-not-found`. */
  readonly id: string;
  readonly severity: 'error' | 'warning';
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  /** One plain sentence: what is wrong and, where it helps, what to do. */
  readonly message: string;
  /** Other places that belong to it: an earlier declaration, the macro's definition. */
  readonly related?: readonly { readonly range: SourceRange; readonly message: string }[];
  /** Edits that mend it, where there is one obvious way. */
  readonly fix?: Fix;
}

/** What an editor may do about a problem. */
export interface Fix {
  /** What it does, for a menu: "Insert ';'". */
  readonly title: string;
  /** In the text's order, without overlap; an empty range is an insertion. */
  readonly edits: readonly {
    readonly range: SourceRange;
    readonly text: string;
    /** What must stand there now, where that is not certain. */
    readonly replaces?: string;
  }[];
}

// ---- symbols and scopes ------------------------------------------------------------------------------------------

/**
 * static: one object for the whole run (file scope, `static` locals, string literals, compound literals at file scope).
 * auto, parameter: one per call. provided: no definition in the unit, the compiler places it (see PROVIDED_OBJECTS).
 */
export type Storage = 'static' | 'auto' | 'parameter' | 'provided';

export interface VariableSymbol {
  readonly kind: 'variable';
  /** Empty for string literals, compound literals and temporaries of the front end. */
  readonly name: string;
  /** Complete, except for provided objects. */
  type: CType;
  storage: Storage;
  /**
   * False: a scalar that is only ever read and written whole by its name, so it may live in a register. True for
   * arrays and records too. Always true for static storage.
   */
  addressTaken: boolean;
  /** In bytes: at least the type's, more by __attribute__((aligned)). */
  align: number;
  /** Static objects that are never written: string literals and `const` objects. */
  readOnly: boolean;
  /** Static storage only; null: all zero (`.bss`). */
  initialiser: StaticInitialiser | null;
  /** An array of variable length, of which this is the pointer to it: the variable with its size in bytes. */
  arrayBytes?: VariableSymbol;
  /** The function that a local belongs to, null at file scope. */
  readonly owner: FunctionSymbol | null;
  /** The name where it is declared. */
  readonly range: SourceRange;
}

export interface FunctionSymbol {
  readonly kind: 'function';
  readonly name: string;
  type: FunctionType;
  /** Null until defined. A function that is called or whose address is used is defined, a builtin apart. */
  body: BlockStatement | null;
  parameters: readonly VariableSymbol[];
  /** Every auto object of the body in order, also those of inner blocks, temporaries and compound literals; not the parameters. */
  locals: VariableSymbol[];
  /** Called or its address used from somewhere. An unused `static inline` of a header may be left out. */
  used: boolean;
  isStatic: boolean;
  noReturn: boolean;
  /** Declared with __attribute__((format(printf, ...))). */
  format: FormatAttribute | null;
  /** Declared with __attribute__((warn_unused_result)). */
  mustUse: boolean;
  /** Inline or declared unused: nothing is said when nobody calls it. */
  maybeUnused: boolean;
  /** The name where it is declared; of the definition when there is one. */
  range: SourceRange;
  /** The closing brace of the body: where a function that just ends returns. */
  end: SourceRange | null;
}

export interface TypedefSymbol {
  readonly kind: 'typedef';
  readonly name: string;
  readonly type: CType;
  readonly range: SourceRange;
}

export interface EnumeratorSymbol {
  readonly kind: 'enumerator';
  readonly name: string;
  readonly type: CType;
  readonly value: bigint;
  readonly range: SourceRange;
}

export type NamedSymbol = VariableSymbol | FunctionSymbol | TypedefSymbol | EnumeratorSymbol;

/** Names of one block (or of the file: `parent` null). A name hides the outer one from its declaration on. */
export interface Scope {
  readonly parent: Scope | null;
  readonly symbols: ReadonlyMap<string, NamedSymbol>;
  /** struct, union and enum tags: the type each names. */
  readonly tags: ReadonlyMap<string, CType>;
  /** Null at file scope. */
  readonly owner: FunctionSymbol | null;
}

/** Objects that a script may declare `extern` and that the compiler places, as a linker script would. */
export const PROVIDED_OBJECTS = [
  '_text',
  '_etext',
  '_erodata',
  '_edata',
  '_end',
  'stack',
  'shared_info',
] as const;

// ---- the unit ------------------------------------------------------------------------------------------------------

export interface TranslationUnit {
  /** Path of the script. */
  readonly file: string;
  readonly model: DataModel;
  readonly linkage: Linkage;
  /** Functions with a body, in order of definition. */
  readonly functions: readonly FunctionSymbol[];
  /** Every object of static storage, also static locals and string literals, in order of first appearance. */
  readonly statics: readonly VariableSymbol[];
  /** File scope: find `kernel_main` and others here by name. */
  readonly scope: Scope;
  /** Every file read, the script first. */
  readonly files: readonly string[];
  /** Macros as they stand at the end, for expressions of the debugger. */
  readonly macros: ReadonlyMap<string, Macro>;
}

// ---- static data ---------------------------------------------------------------------------------------------------

/** Start value of a static object: the entries in ascending order, without overlap; bytes between are zero. */
export interface StaticInitialiser {
  /** What the object takes: its type's size, or more when a flexible array at its end has a start value. */
  readonly bytes: number;
  readonly entries: readonly StaticEntry[];
}

export type StaticEntry =
  /** A little-endian integer. Bit-fields have been merged into their units. */
  | {
      readonly kind: 'integer';
      readonly offset: number;
      readonly bytes: 1 | 2 | 4 | 8;
      readonly value: bigint;
    }
  /** Address of an object or function plus a number of bytes; `bytes` is the word's size. */
  | {
      readonly kind: 'address';
      readonly offset: number;
      readonly bytes: 4 | 8;
      readonly symbol: VariableSymbol | FunctionSymbol;
      readonly addend: bigint;
    }
  /** The bytes of a string literal in an array of characters. */
  | { readonly kind: 'bytes'; readonly offset: number; readonly data: Uint8Array };

// ---- statements ------------------------------------------------------------------------------------------------------

/**
 * Where execution stops for the user: `expression`, `declare` (when it has an initialiser), `return`, `goto`, `break` and
 * `continue` at their own range; `if`, `while`, `doWhile`, `for` and `switch` at their condition's (or value's) range, a
 * `for` also at its step's. `block`, `label`, `case`, `empty` are no stops.
 */
export type Statement =
  | BlockStatement
  | EmptyStatement
  | ExpressionStatement
  | DeclareStatement
  | IfStatement
  | WhileStatement
  | DoWhileStatement
  | ForStatement
  | SwitchStatement
  | CaseStatement
  | LabelStatement
  | GotoStatement
  | BreakStatement
  | ContinueStatement
  | ReturnStatement;

interface StatementBase {
  readonly range: SourceRange;
}

export interface BlockStatement extends StatementBase {
  readonly kind: 'block';
  readonly scope: Scope;
  readonly body: readonly Statement[];
}

export interface EmptyStatement extends StatementBase {
  readonly kind: 'empty';
}

export interface ExpressionStatement extends StatementBase {
  readonly kind: 'expression';
  /** Its value, if any, is dropped. */
  readonly expression: Expression;
}

/** An auto object comes to life. Without an initialiser it keeps whatever its place held. */
export interface DeclareStatement extends StatementBase {
  readonly kind: 'declare';
  readonly symbol: VariableSymbol;
  readonly initialiser: Initialiser | null;
}

export interface IfStatement extends StatementBase {
  readonly kind: 'if';
  /** Any scalar: true when not zero. So in every `condition` below. */
  readonly condition: Expression;
  readonly then: Statement;
  readonly otherwise: Statement | null;
}

export interface WhileStatement extends StatementBase {
  readonly kind: 'while';
  readonly condition: Expression;
  readonly body: Statement;
}

export interface DoWhileStatement extends StatementBase {
  readonly kind: 'doWhile';
  readonly body: Statement;
  readonly condition: Expression;
}

export interface ForStatement extends StatementBase {
  readonly kind: 'for';
  /** Holds what `start` declares. */
  readonly scope: Scope;
  /** Declarations or one expression, before the loop. */
  readonly start: readonly Statement[];
  readonly condition: Expression | null;
  readonly step: Expression | null;
  readonly body: Statement;
}

/** Jumps to the case that holds the value, else to `defaultCase`, else behind. Labels stand in the body as `case` statements. */
export interface SwitchStatement extends StatementBase {
  readonly kind: 'switch';
  /** Promoted integer; the cases' bounds have been converted to its type. */
  readonly value: Expression;
  readonly cases: readonly CaseLabel[];
  readonly defaultCase: CaseLabel | null;
  readonly body: Statement;
}

/** Values low..high, both included (GNU ranges); `default` has low and high 0 and is only in `defaultCase`. */
export interface CaseLabel {
  readonly low: bigint;
  readonly high: bigint;
  readonly range: SourceRange;
}

export interface CaseStatement extends StatementBase {
  readonly kind: 'case';
  readonly label: CaseLabel;
}

/** Jump target, by identity. */
export interface Label {
  readonly name: string;
  readonly range: SourceRange;
}

export interface LabelStatement extends StatementBase {
  readonly kind: 'label';
  readonly label: Label;
}

export interface GotoStatement extends StatementBase {
  readonly kind: 'goto';
  readonly label: Label;
}

export interface BreakStatement extends StatementBase {
  readonly kind: 'break';
}

export interface ContinueStatement extends StatementBase {
  readonly kind: 'continue';
}

export interface ReturnStatement extends StatementBase {
  readonly kind: 'return';
  /** Converted to the function's type; null in a function returning void (an expression of type void becomes a statement before it). */
  readonly value: Expression | null;
}

/**
 * Start value of an auto object. When `zeroFirst`, all its bytes are cleared before the entries are stored, in order.
 * A scalar has one entry at offset 0.
 */
export interface Initialiser {
  readonly zeroFirst: boolean;
  readonly entries: readonly InitialiserEntry[];
}

export interface InitialiserEntry {
  readonly offset: number;
  /** The member's or element's type: a scalar, a record, or an array of characters whose value is a `load` of a string literal. */
  readonly type: CType;
  readonly bitField?: Member['bitField'];
  /** The member that it is the start value of; absent for elements and whole objects. */
  readonly member?: Member;
  readonly value: Expression;
}

// ---- expressions ------------------------------------------------------------------------------------------------------

interface ExpressionBase {
  readonly range: SourceRange;
  /** Unqualified type of the value. */
  readonly type: CType;
}

export type Expression =
  | ConstantExpression
  | LoadExpression
  | AddressExpression
  | FunctionAddressExpression
  | ConvertExpression
  | UnaryExpression
  | BinaryExpression
  | PointerAddExpression
  | PointerDifferenceExpression
  | LogicalExpression
  | ConditionalExpression
  | CommaExpression
  | AssignExpression
  | UpdateExpression
  | OldValueExpression
  | CallExpression
  | BuiltinExpression
  | LetExpression
  | StatementExpression;

/** Type integer or pointer. */
export interface ConstantExpression extends ExpressionBase {
  readonly kind: 'constant';
  readonly value: bigint;
}

/** The value in an object: scalar, record, or (only as an initialiser entry) array of characters. */
export interface LoadExpression extends ExpressionBase {
  readonly kind: 'load';
  readonly from: Lvalue;
}

/** Address of an object: `&x`, or an array that became a pointer to its first element. Never of a bit-field. */
export interface AddressExpression extends ExpressionBase {
  readonly kind: 'address';
  readonly of: Lvalue;
}

export interface FunctionAddressExpression extends ExpressionBase {
  readonly kind: 'functionAddress';
  readonly symbol: FunctionSymbol;
}

/**
 * From `operand.type` to `type`: integer to integer (cut, or extended by the sign of `operand.type`), scalar to _Bool (not
 * zero), between pointers and integers (as between unsigned word and the integer; a narrower integer is extended by its
 * own sign), anything to void (the value is dropped).
 */
export interface ConvertExpression extends ExpressionBase {
  readonly kind: 'convert';
  readonly operand: Expression;
  /** The type by its typedef name, when it is written as a cast to one. The types may then be the same. */
  readonly castTo?: CType;
}

/** `-` and `~` in the operand's (promoted) type; `!` of any scalar gives an int. */
export interface UnaryExpression extends ExpressionBase {
  readonly kind: 'unary';
  readonly op: '-' | '~' | '!';
  readonly operand: Expression;
}

export type ArithmeticOp = '+' | '-' | '*' | '/' | '%' | '&' | '|' | '^' | '<<' | '>>';
export type ComparisonOp = '==' | '!=' | '<' | '>' | '<=' | '>=';

/**
 * Signed overflow wraps; `/` and `%` by zero (and the most negative by -1) raise #DE as on the machine; a shift count is
 * taken modulo the width as x86 does; `>>` of signed is arithmetic. Comparisons give an int; their operands are both
 * integers of one type or both pointers.
 */
export interface BinaryExpression extends ExpressionBase {
  readonly kind: 'binary';
  readonly op: ArithmeticOp | ComparisonOp;
  readonly left: Expression;
  readonly right: Expression;
}

/** pointer + index * scale, modulo the word. `index` is a signed long; subtraction is a negated index. */
export interface PointerAddExpression extends ExpressionBase {
  readonly kind: 'pointerAdd';
  readonly pointer: Expression;
  readonly index: Expression;
  /** Bytes of an element; 1 for void and functions (GNU), may be 0 for an empty record. */
  readonly scale: number;
}

/** (left - right) / scale, a signed long. */
export interface PointerDifferenceExpression extends ExpressionBase {
  readonly kind: 'pointerDifference';
  readonly left: Expression;
  readonly right: Expression;
  /** At least 1. */
  readonly scale: number;
}

/** Operands are scalars; the result is the int 0 or 1; the right one is evaluated only when it decides. */
export interface LogicalExpression extends ExpressionBase {
  readonly kind: 'logical';
  readonly op: '&&' | '||';
  readonly left: Expression;
  readonly right: Expression;
}

/** Both branches have the expression's type (which may be void or a record). */
export interface ConditionalExpression extends ExpressionBase {
  readonly kind: 'conditional';
  readonly condition: Expression;
  readonly then: Expression;
  readonly otherwise: Expression;
}

export interface CommaExpression extends ExpressionBase {
  readonly kind: 'comma';
  readonly left: Expression;
  readonly right: Expression;
}

/** Stores `value` (of the target's type) and yields it; for a bit-field the value cut to its width. */
export interface AssignExpression extends ExpressionBase {
  readonly kind: 'assign';
  readonly target: Lvalue;
  readonly value: Expression;
}

/**
 * `x op= e`, `++x`, `x--`: finds the target once, loads it as `old`, evaluates `value` (of the target's type, in which `old`
 * occurs as itself), stores it, and yields the new or the old value.
 */
export interface UpdateExpression extends ExpressionBase {
  readonly kind: 'update';
  readonly target: Lvalue;
  readonly old: OldValueExpression;
  readonly value: Expression;
  readonly result: 'new' | 'old';
}

/** Inside an `update`'s value, and the very object that the update names as `old`. */
export interface OldValueExpression extends ExpressionBase {
  readonly kind: 'oldValue';
}

/**
 * Arguments have the parameters' types; those beyond (variadic or without prototype) are promoted. A variadic callee finds
 * the arguments after its named parameters in guest memory, one behind the other from `variadicArea` upwards, each
 * little-endian in as many words of the ABI as it needs.
 */
export interface CallExpression extends ExpressionBase {
  readonly kind: 'call';
  readonly callee: FunctionSymbol | Expression;
  readonly args: readonly Expression[];
  /** The callee's type, also for calls through a pointer. */
  readonly signature: FunctionType;
}

/**
 * Operations of the virtual machine. Argument types:
 * - `hypercall`(unsigned long number, unsigned long argument × 0..6): long. Arguments not given are 0.
 * - `exit`(int status): the script ends. `trap`(): raises #UD (__builtin_trap). `unreachable`(): must not be reached, as trap.
 * - `touch`(unsigned long va, int kind: 0 read 1 write 2 execute, int user): makes that access; a fault goes to the guest.
 * - `trapStub`(int vector): unsigned long address of the entry stub of that vector.
 * - `variadicArea`(): char *, the first argument beyond the named parameters. va_start, va_arg and va_copy have
 *   been lowered to it: va_list is a `char *`, every argument takes whole words.
 * - `stackArray`(unsigned long below, unsigned long bytes): the place of an array of variable length, under the address
 *   `below` (0: under the function's frame), to which the stack pointer moves. It is given back when the function returns.
 * - `barrier`(): nothing (compiler and memory barriers, pause).
 */
export type BuiltinName =
  | 'hypercall'
  | 'exit'
  | 'trap'
  | 'unreachable'
  | 'touch'
  | 'trapStub'
  | 'variadicArea'
  | 'stackArray'
  | 'barrier';

export interface BuiltinExpression extends ExpressionBase {
  readonly kind: 'builtin';
  readonly name: BuiltinName;
  readonly args: readonly Expression[];
}

/** Stores `value` in the temporary `symbol` (an auto object, never addressTaken), then evaluates `body`. For `a ?: b`. */
export interface LetExpression extends ExpressionBase {
  readonly kind: 'let';
  readonly symbol: VariableSymbol;
  readonly value: Expression;
  readonly body: Expression;
}

/** GNU `({ ... })`: runs the block, then `result` (null: void) in its scope. */
export interface StatementExpression extends ExpressionBase {
  readonly kind: 'statementExpression';
  readonly block: BlockStatement;
  readonly result: Expression | null;
}

// ---- lvalues ------------------------------------------------------------------------------------------------------

interface LvalueBase {
  readonly range: SourceRange;
  /** With its qualifiers. */
  readonly type: CType;
}

export type Lvalue = VariableLvalue | DerefLvalue | MemberLvalue | CompoundLiteralLvalue | TemporaryLvalue;

export interface VariableLvalue extends LvalueBase {
  readonly kind: 'variable';
  readonly symbol: VariableSymbol;
}

export interface DerefLvalue extends LvalueBase {
  readonly kind: 'deref';
  readonly pointer: Expression;
}

/** A member of a record object. Members of anonymous members are reached through a `member` for each level. */
export interface MemberLvalue extends LvalueBase {
  readonly kind: 'member';
  readonly object: Lvalue;
  readonly member: Member;
}

/** `(T){ ... }` in a function: each evaluation initialises the auto object `symbol`, then designates it. At file scope it is a `variable`. */
export interface CompoundLiteralLvalue extends LvalueBase {
  readonly kind: 'compoundLiteral';
  readonly symbol: VariableSymbol;
  readonly initialiser: Initialiser;
}

/** A record value that needs an address (`f().member`): stored in the auto object `symbol`, then designates it. */
export interface TemporaryLvalue extends LvalueBase {
  readonly kind: 'temporary';
  readonly symbol: VariableSymbol;
  readonly value: Expression;
}
