/**
 * Follows address kinds (kinds.ts) through a checked unit and warns where a value of one kind goes where another is wanted.
 *
 * Names give the first kinds: typedefs, members of Xen's structures, hypercalls and the usual helpers. From there kinds flow
 * through variables, members, arguments and results, whatever their types: a variable has a kind when every value that is
 * assigned to it has that kind. The order of statements plays no part, so facts only ever grow less certain, and the
 * passes come to an end. Functions of the shipped headers are not looked into: their names say what they do.
 */
import type {
  AssignExpression,
  BinaryExpression,
  CallExpression,
  ConvertExpression,
  Expression,
  FunctionSymbol,
  Initialiser,
  Lvalue,
  MemberLvalue,
  Scope,
  SourceRange,
  Statement,
  TranslationUnit,
  UpdateExpression,
  VariableSymbol,
} from './tree.ts';
import type { CType, Member, RecordDefinition } from './types.ts';
import type { ProblemList } from './source.ts';
import { ABIS } from '../abi/index.ts';
import { type KindOperand, type KindValue, type MaybeKind, combined, joined, ofKind } from './kind-values.ts';
import {
  type Kind,
  type Wrapping,
  KINDS,
  KINDS_OF_FUNCTION,
  KIND_OF_MEMBER,
  KIND_OF_OBJECT,
  KIND_OF_SHIPPED_TYPEDEF,
  KIND_OF_TYPEDEF,
  TABLES,
  conversion,
  isAcceptable,
  isOtherSpace,
  remedy,
} from './kinds.ts';
import { findMember } from './layout.ts';

/** Something that keeps values: kinds are inferred for it. */
type Holder = VariableSymbol | FunctionSymbol | Member;

/** `slot * sizeof(entry)`, `va & ~PAGE_MASK`: what is added to an address to reach something behind it. */
const OFFSET_OPERATORS: ReadonlySet<string> = new Set(['*', '&', '%']);

/** Chains of assignments longer than this are not followed to their end. */
const MAX_PASSES = 8;

/** Adds the unit's mistakes with address kinds to the list. `shippedRoot`: the folder of the shipped headers with its slash. */
export function checkKinds(unit: TranslationUnit, problems: ProblemList, shippedRoot: string): void {
  const isShipped = (file: string): boolean => shippedRoot !== '' && file.startsWith(shippedRoot);
  const functions = unit.functions.filter((symbol) => !isShipped(symbol.range.file));
  const flow = new KindFlow(unit, isShipped);
  for (let pass = 0; pass < MAX_PASSES && flow.runs(functions, null); pass++);
  flow.runs(functions, problems);
}

class KindFlow {
  private readonly unit: TranslationUnit;
  private readonly isShipped: (file: string) => boolean;
  private readonly memberKinds: ReadonlyMap<Member, NamedMember>;
  private readonly m2pStart: bigint;
  private readonly typedefKinds: Map<string, Kind | null>;
  private readonly facts: Map<Holder, KindValue | null>;
  /** Old values of the updates around the current expression. */
  private readonly oldValues: MaybeKind[];
  private current: FunctionSymbol | null;
  private changed: boolean;
  /** Null while facts are being gathered. */
  private problems: ProblemList | null;

  constructor(unit: TranslationUnit, isShipped: (file: string) => boolean) {
    this.unit = unit;
    this.isShipped = isShipped;
    this.memberKinds = namedMembers(unit.scope);
    this.m2pStart = ABIS[unit.model.abi].m2pWindow.start;
    this.typedefKinds = new Map();
    this.facts = new Map();
    this.oldValues = [];
    this.current = null;
    this.changed = false;
    this.problems = null;
  }

  /** Goes through the functions once; whether something new was learnt. */
  runs(functions: readonly FunctionSymbol[], problems: ProblemList | null): boolean {
    this.changed = false;
    this.problems = problems;
    for (const symbol of functions) {
      this.current = symbol;
      if (symbol.body !== null) this.statement(symbol.body);
    }
    return this.changed;
  }

  // ---- what names say ----------------------------------------------------------------------------------------------

  private kindOfType(type: CType): Kind | null {
    const { alias } = type;
    if (alias === undefined || type.kind !== 'integer') return null;
    const known = this.typedefKinds.get(alias);
    if (known !== undefined) return known;
    const declared = this.unit.scope.symbols.get(alias);
    const shipped = declared !== undefined && this.isShipped(declared.range.file);
    const kind =
      KIND_OF_TYPEDEF.get(alias) ?? (shipped ? KIND_OF_SHIPPED_TYPEDEF.get(alias) : undefined) ?? null;
    this.typedefKinds.set(alias, kind);
    return kind;
  }

  private kindOfSymbol(symbol: VariableSymbol): Kind | null {
    const isFileScope = symbol.owner === null && symbol.name !== '';
    return (
      (isFileScope ? KIND_OF_OBJECT.get(symbol.name) : undefined) ?? this.kindOfType(elementType(symbol.type))
    );
  }

  private kindOfMember(member: Member): Kind | null {
    return this.memberKinds.get(member)?.kind ?? this.kindOfType(elementType(member.type));
  }

  private parameterKind(callee: FunctionSymbol | null, type: CType | undefined, index: number): Kind | null {
    const named = callee === null ? undefined : KINDS_OF_FUNCTION.get(callee.name);
    if (named !== undefined) return named.parameters[index] ?? null;
    return type === undefined ? null : this.kindOfType(type);
  }

  private resultKind(callee: FunctionSymbol | null, returns: CType): Kind | null {
    const named = callee === null ? undefined : KINDS_OF_FUNCTION.get(callee.name);
    return named?.returns ?? this.kindOfType(returns);
  }

  // ---- what is learnt ----------------------------------------------------------------------------------------------

  private learn(holder: Holder, value: MaybeKind, from: SourceRange): void {
    const before = this.facts.get(holder);
    const after = joined(before, value);
    if (after === undefined || (before !== undefined && before?.kind === after?.kind)) return;
    this.facts.set(holder, after === null ? null : { ...after, from });
    this.changed = true;
  }

  private held(holder: Holder, declared: Kind | null): MaybeKind {
    const fact = this.facts.get(holder);
    if (declared === null) return fact;
    return fact === null ? null : ofKind(declared);
  }

  /**
   * A value goes into something. Where the kind is declared the value is held against it; but a variable of an address
   * type may first take the frame that is shifted next.
   */
  private store(
    holder: Holder,
    declared: Kind | null,
    value: MaybeKind,
    place: string,
    at: SourceRange,
  ): void {
    if (declared === null) this.learn(holder, value, at);
    else if (value !== null && value !== undefined && !isOtherSpace(value.kind, declared)) {
      if (value.kind !== declared && !isAcceptable(value.kind, declared)) this.learn(holder, null, at);
    } else this.want(declared, value, place, at);
  }

  // ---- what is said ------------------------------------------------------------------------------------------------

  /** A value of that kind is wanted here. */
  private want(wanted: Kind, value: MaybeKind, place: string, at: SourceRange): void {
    const { problems } = this;
    if (problems === null || value === null || value === undefined || isAcceptable(value.kind, wanted))
      return;
    if (this.isShipped(at.file)) return;
    const id = isOtherSpace(value.kind, wanted) ? 'kind.wrong-space' : 'kind.wrong-shape';
    const flags = value.hasFlags ? ' with flags in it' : '';
    const advice = remedy(value.kind, wanted);
    const text = `This is ${KINDS[value.kind].name}${flags}, but ${place} wants ${KINDS[wanted].name}. ${advice}`;
    const related =
      value.from === null || samePlace(value.from, at)
        ? undefined
        : [{ range: value.from, message: `It became ${KINDS[value.kind].name} here.` }];
    const way = value.hasFlags ? null : conversion(value.kind, wanted);
    problems.warning(id, at, text.trimEnd(), related, way === null ? undefined : this.fix(way, at));
  }

  /** The repair, when the names it takes are there. */
  private fix(way: Wrapping, at: SourceRange): ReturnType<typeof wrapFix> | undefined {
    const names = way.join('').match(/[A-Za-z_]\w*/g) ?? [];
    const { scope, macros } = this.unit;
    const known = names.every(
      (name) => name === 'unsigned' || name === 'long' || scope.symbols.has(name) || macros.has(name),
    );
    return known && at.inMacro !== true ? wrapFix(way, at) : undefined;
  }

  // ---- statements --------------------------------------------------------------------------------------------------

  private statement(statement: Statement): void {
    switch (statement.kind) {
      case 'block':
        for (const inner of statement.body) this.statement(inner);
        return;
      case 'expression':
        this.value(statement.expression);
        return;
      case 'declare':
        if (statement.initialiser !== null) this.initialise(statement.symbol, statement.initialiser);
        return;
      case 'if':
        // A chain of `else if` is walked in a loop.
        for (let at: Statement | null = statement; at !== null;) {
          if (at.kind !== 'if') {
            this.statement(at);
            return;
          }
          this.value(at.condition);
          this.statement(at.then);
          at = at.otherwise;
        }
        return;
      case 'while':
      case 'doWhile':
        this.value(statement.condition);
        this.statement(statement.body);
        return;
      case 'for':
        for (const start of statement.start) this.statement(start);
        if (statement.condition !== null) this.value(statement.condition);
        if (statement.step !== null) this.value(statement.step);
        this.statement(statement.body);
        return;
      case 'switch':
        this.value(statement.value);
        this.statement(statement.body);
        return;
      case 'return':
        if (statement.value !== null) this.returned(statement.value);
        return;
      case 'case':
      case 'label':
      case 'goto':
      case 'break':
      case 'continue':
      case 'empty':
        return;
    }
  }

  private returned(expression: Expression): void {
    const value = this.value(expression);
    const { current } = this;
    if (current === null) return;
    const declared = this.resultKind(current, current.type.returns);
    if (declared === null) this.learn(current, value, expression.range);
    else this.want(declared, value, `the result of '${current.name}'`, expression.range);
  }

  private initialise(symbol: VariableSymbol, initialiser: Initialiser): void {
    for (const entry of initialiser.entries) {
      const value = this.value(entry.value);
      const { range } = entry.value;
      if (entry.member !== undefined) this.storeMember(entry.member, value, range);
      else this.store(symbol, this.kindOfSymbol(symbol), value, `'${symbol.name}'`, range);
    }
  }

  private storeMember(member: Member, value: MaybeKind, at: SourceRange): void {
    const named = this.memberKinds.get(member);
    if (named === undefined)
      this.store(member, this.kindOfMember(member), value, `'${member.name ?? ''}'`, at);
    // An M2P update (MMU_MACHPHYS_UPDATE) takes a pseudo-physical frame where other requests take an entry.
    else if (named.kind !== 'pte' || value?.kind !== 'pfn' || value.hasFlags)
      this.want(named.kind, value, named.place, at);
  }

  // ---- expressions -------------------------------------------------------------------------------------------------

  /** Looks through an expression and tells the kind of its value. */
  private value(expression: Expression): MaybeKind {
    switch (expression.kind) {
      case 'constant':
        return undefined;
      case 'load':
        return this.object(expression.from);
      case 'address':
        return this.address(expression.of);
      case 'functionAddress':
        for (const parameter of expression.symbol.parameters) this.learn(parameter, null, expression.range);
        return null;
      case 'convert':
        return this.converted(expression);
      case 'unary':
        this.value(expression.operand);
        return null;
      case 'binary':
        return this.binary(expression);
      case 'pointerAdd':
        this.value(expression.pointer);
        this.value(expression.index);
        return ofKind('vaddr');
      case 'pointerDifference':
      case 'logical':
        this.value(expression.left);
        this.value(expression.right);
        return null;
      case 'conditional':
        this.value(expression.condition);
        return joined(this.value(expression.then), this.value(expression.otherwise));
      case 'comma':
        this.value(expression.left);
        return this.value(expression.right);
      case 'assign':
        return this.assigned(expression);
      case 'update':
        return this.updated(expression);
      case 'oldValue':
        return this.oldValues.at(-1);
      case 'call':
        return this.called(expression);
      case 'builtin':
        for (const arg of expression.args) this.value(arg);
        return null;
      case 'let':
        this.learn(expression.symbol, this.value(expression.value), expression.value.range);
        return this.value(expression.body);
      case 'statementExpression':
        this.statement(expression.block);
        return expression.result === null ? null : this.value(expression.result);
    }
  }

  private operand(expression: Expression): KindOperand {
    const inner = withoutConversions(expression);
    return {
      kind: this.value(expression),
      constant: inner.kind === 'constant' ? inner.value : null,
      isOffset: inner.kind === 'binary' && OFFSET_OPERATORS.has(inner.op),
    };
  }

  private binary({ op, left, right, range }: BinaryExpression): MaybeKind {
    const value = combined(op, this.operand(left), this.operand(right));
    return value === null || value === undefined || value.from !== null ? value : { ...value, from: range };
  }

  private converted({ operand, type, castTo }: ConvertExpression): MaybeKind {
    const value = this.value(operand);
    if (type.kind === 'integer' && operand.type.kind === 'integer') {
      if (type.bytes < 4) return null;
      return castTo === undefined ? value : recast(this.kindOfType(castTo), value);
    }
    if (operand.type.kind === 'pointer') return value ?? ofKind('vaddr');
    if (type.kind === 'pointer' && (value?.kind === 'maddr' || value?.kind === 'pte'))
      this.want('vaddr', value, 'a pointer', operand.range);
    return value;
  }

  private assigned({ target, value }: AssignExpression): MaybeKind {
    const kind = this.value(value);
    this.storeInto(target, kind, value.range);
    return kind;
  }

  private updated({ target, value, result }: UpdateExpression): MaybeKind {
    const before = this.object(target);
    this.oldValues.push(before);
    const after = this.value(value);
    this.oldValues.pop();
    this.storeInto(target, after, value.range);
    return result === 'old' ? before : after;
  }

  private called({ callee, args, signature, type }: CallExpression): MaybeKind {
    const symbol = 'name' in callee && callee.kind === 'function' ? callee : null;
    if (symbol === null) this.value(callee as Expression);
    args.forEach((arg, i) => {
      const value = this.value(arg);
      const wanted = this.parameterKind(symbol, signature.parameters[i], i);
      const parameter = symbol?.parameters[i];
      const name = symbol === null ? 'the function' : `'${symbol.name}'`;
      if (wanted !== null) this.want(wanted, value, `argument ${i + 1} of ${name}`, arg.range);
      else if (parameter !== undefined) this.learn(parameter, value, arg.range);
    });
    const declared = this.resultKind(symbol, signature.returns);
    if (declared !== null) return ofKind(declared);
    if (type.kind === 'pointer') return ofKind('vaddr');
    return symbol === null || symbol.body === null || this.isShipped(symbol.range.file)
      ? null
      : this.facts.get(symbol);
  }

  // ---- objects -----------------------------------------------------------------------------------------------------

  /** The kind of what lies in an object. */
  private object(object: Lvalue): MaybeKind {
    switch (object.kind) {
      case 'variable':
        return this.variable(object.symbol, object.type);
      case 'member': {
        this.container(object);
        const { member } = object;
        return isPointer(member.type) ? ofKind('vaddr') : this.held(member, this.kindOfMember(member));
      }
      case 'deref':
        return this.element(object.pointer, object.type);
      case 'compoundLiteral':
        this.initialise(object.symbol, object.initialiser);
        return this.variable(object.symbol, object.type);
      case 'temporary':
        this.value(object.value);
        return null;
    }
  }

  private variable(symbol: VariableSymbol, type: CType): MaybeKind {
    const fact = this.held(symbol, this.kindOfSymbol(symbol));
    if (!isPointer(type)) return fact;
    return fact !== null && fact !== undefined && KINDS[fact.kind].shape === 'table' ? fact : ofKind('vaddr');
  }

  /** The object that a member lies in. */
  private container({ object }: MemberLvalue): void {
    if (object.kind === 'member') this.container(object);
    else if (object.kind !== 'variable') this.object(object);
  }

  /** What a pointer points to: by the table that it leads into, the array that it walks, or its type. */
  private element(pointer: Expression, type: CType): MaybeKind {
    const table = this.tableEntry(pointer);
    if (table !== null) {
      this.want(table.index, table.at.kind, `the index of ${table.name}`, table.at.range);
      return ofKind(table.holds);
    }
    const array = arrayOfElement(pointer);
    if (array === null) this.value(pointer);
    else if (pointer.kind === 'pointerAdd') this.value(pointer.index);
    const declared = this.kindOfType(type);
    if (declared !== null) return ofKind(declared);
    if (isPointer(type)) return ofKind('vaddr');
    return array === null ? null : this.facts.get(array);
  }

  /** `table[index]`, where the table is the P2M or the M2P. */
  private tableEntry(
    pointer: Expression,
  ): ((typeof TABLES)[keyof typeof TABLES] & { at: { kind: MaybeKind; range: SourceRange } }) | null {
    const [base, index] = pointer.kind === 'pointerAdd' ? [pointer.pointer, pointer.index] : [pointer, null];
    const value = this.isM2p(base) ? ofKind('m2p') : base.kind === 'address' ? null : this.value(base);
    const table = value?.kind === 'p2m' || value?.kind === 'm2p' ? TABLES[value.kind] : null;
    if (table === null) return null;
    const range = index?.range ?? base.range;
    return { ...table, at: { kind: index === null ? undefined : this.value(index), range } };
  }

  private isM2p(pointer: Expression): boolean {
    return pointer.kind === 'constant' && pointer.value === this.m2pStart;
  }

  /** An address may change what lies there: nothing is known of it any more, unless its name tells. */
  private address(object: Lvalue): MaybeKind {
    const holder =
      object.kind === 'variable' ? object.symbol : object.kind === 'member' ? object.member : null;
    if (holder !== null) this.learn(holder, null, object.range);
    this.object(object);
    return ofKind('vaddr');
  }

  private storeInto(target: Lvalue, value: MaybeKind, at: SourceRange): void {
    if (target.kind === 'member') {
      this.container(target);
      this.storeMember(target.member, value, at);
    } else if (target.kind === 'variable') {
      const { symbol } = target;
      this.store(symbol, this.kindOfSymbol(symbol), value, `'${symbol.name}'`, at);
    } else if (target.kind === 'deref') this.storeElement(target.pointer, target.type, value, at);
    else this.object(target);
  }

  private storeElement(pointer: Expression, type: CType, value: MaybeKind, at: SourceRange): void {
    const table = this.tableEntry(pointer);
    if (table !== null) {
      this.want(table.index, table.at.kind, `the index of ${table.name}`, table.at.range);
      this.want(table.holds, value, table.name, at);
      return;
    }
    const array = arrayOfElement(pointer);
    const declared = this.kindOfType(type);
    this.element(pointer, type);
    if (declared !== null) {
      // What a table entry's type is used for besides entries, its shape does not tell: only the other space is wrong.
      if (value !== null && value !== undefined && isOtherSpace(value.kind, declared))
        this.want(declared, value, `an object of type '${type.alias ?? ''}'`, at);
    } else if (array !== null) this.learn(array, value, at);
  }
}

/** A cast widens; only to the same shape in another space it says that the value is meant to be that. */
function recast(to: Kind | null, value: MaybeKind): MaybeKind {
  if (to === null) return value;
  if (value === null || value === undefined)
    return KINDS[to].shape === 'frame' && value === null ? ofKind(to) : value;
  return KINDS[to].shape === KINDS[value.kind].shape ? { ...value, kind: to } : value;
}

function withoutConversions(expression: Expression): Expression {
  return expression.kind === 'convert' ? withoutConversions(expression.operand) : expression;
}

/** The array variable that `array[index]` names an element of. */
function arrayOfElement(pointer: Expression): VariableSymbol | null {
  const base = pointer.kind === 'pointerAdd' ? pointer.pointer : pointer;
  const isArray = base.kind === 'address' && base.of.kind === 'variable' && base.of.type.kind === 'array';
  return isArray && base.of.kind === 'variable' ? base.of.symbol : null;
}

const elementType = (type: CType): CType => (type.kind === 'array' ? elementType(type.of) : type);

const isPointer = (type: CType): boolean => type.kind === 'pointer';

const samePlace = (a: SourceRange, b: SourceRange): boolean =>
  a.file === b.file && a.line === b.line && a.column === b.column;

function wrapFix(
  [before, after]: Wrapping,
  { file, line, column, endLine, endColumn }: SourceRange,
): { title: string; edits: { range: SourceRange; text: string }[] } {
  const start = { file, line, column, endLine: line, endColumn: column };
  const end = { file, line: endLine, column: endColumn, endLine, endColumn };
  return {
    title: `Convert with ${before}...${after}`,
    edits: [
      { range: start, text: before },
      { range: end, text: after },
    ],
  };
}

interface NamedMember {
  readonly kind: Kind;
  /** For messages: "mmu_update's ptr". */
  readonly place: string;
}

/** The members that KIND_OF_MEMBER names, of the structures that the unit has. */
function namedMembers(scope: Scope): ReadonlyMap<Member, NamedMember> {
  const found = new Map<Member, NamedMember>();
  for (const [path, kind] of KIND_OF_MEMBER) {
    const [owner = '', ...names] = path.split('.');
    const named = scope.symbols.get(owner);
    const type = scope.tags.get(owner) ?? (named?.kind === 'typedef' ? named.type : undefined);
    const member = type?.kind === 'record' ? memberAt(type.record, names) : null;
    if (member !== null) found.set(member, { kind, place: `${owner}'s ${names.join('.')}` });
  }
  return found;
}

function memberAt(record: RecordDefinition, [name = '', ...rest]: readonly string[]): Member | null {
  const member = findMember(record.members, name)?.at(-1);
  if (member === undefined) return null;
  if (rest.length === 0) return member;
  return member.type.kind === 'record' ? memberAt(member.type.record, rest) : null;
}
