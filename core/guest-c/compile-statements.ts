/** Statements to instructions. Where execution stops for the user is told in tree.ts at `Statement`. */

import { Op, Slot } from './bytecode.ts';
import { constantInto, fitting } from './compile-constants.ts';
import type { FunctionContext, Register } from './compile-context.ts';
import type { Target } from './compile-emitter.ts';
import { effectOf, valueInto, valueOf } from './compile-expressions.ts';
import { jumpWhen } from './compile-operators.ts';
import { initialise, storeValue, variablePlace, whole } from './compile-places.ts';
import type {
  BlockStatement,
  CaseLabel,
  DoWhileStatement,
  ForStatement,
  IfStatement,
  ReturnStatement,
  SourceRange,
  Statement,
  SwitchStatement,
  WhileStatement,
} from './tree.ts';

/** Case values of the switch being compiled, innermost last. */
type CaseTargets = Map<CaseLabel, Target>;
const openSwitches = new WeakMap<FunctionContext, CaseTargets[]>();

export function compileStatement(context: FunctionContext, statement: Statement): void {
  const { top, frameTop } = context;
  compileKind(context, statement);
  context.top = top;
  context.frameTop = frameTop;
}

/** The statements of a block and then `last`, in the block's scope. */
export function compileBlockBody(context: FunctionContext, block: BlockStatement, last: () => void): void {
  const { scope } = context;
  context.scope = block.scope;
  for (const statement of block.body) compileStatement(context, statement);
  last();
  context.scope = scope;
}

/** The body of a function, and its return at the closing brace. */
export function compileBody(context: FunctionContext, body: BlockStatement, end: SourceRange | null): void {
  compileBlockBody(context, body, () => {
    if (body.body.at(-1)?.kind === 'return') return;
    begin(context, end ?? body.range);
    context.emitter.emit(Op.ret);
  });
}

function compileKind(context: FunctionContext, statement: Statement): void {
  const { emitter } = context;
  switch (statement.kind) {
    case 'block':
      return compileBlockBody(context, statement, () => undefined);
    case 'empty':
      return;
    case 'expression':
      begin(context, statement.range);
      return effectOf(context, statement.expression);
    case 'declare':
      if (statement.initialiser === null) return;
      begin(context, statement.range);
      return initialise(
        context,
        variablePlace(context, statement.symbol),
        statement.symbol.type,
        statement.initialiser,
      );
    case 'if':
      return compileIf(context, statement);
    case 'while':
      return compileWhile(context, statement);
    case 'doWhile':
      return compileDoWhile(context, statement);
    case 'for':
      return compileFor(context, statement);
    case 'switch':
      return compileSwitch(context, statement);
    case 'case':
      return emitter.place(caseTarget(context, statement.label));
    case 'label':
      return emitter.place(context.labelTarget(statement.label));
    case 'goto':
      begin(context, statement.range);
      return emitter.jump(context.labelTarget(statement.label));
    case 'break':
      begin(context, statement.range);
      return emitter.jump(innermost(context.breaks, 'break'));
    case 'continue':
      begin(context, statement.range);
      return emitter.jump(innermost(context.continues, 'continue'));
    case 'return':
      begin(context, statement.range);
      return compileReturn(context, statement);
  }
}

function compileIf(context: FunctionContext, statement: IfStatement): void {
  const { emitter } = context;
  const otherwise = emitter.target();
  begin(context, statement.condition.range);
  jumpWhen(context, statement.condition, 'false', otherwise);
  compileStatement(context, statement.then);
  if (statement.otherwise === null) return emitter.place(otherwise);
  const end = emitter.target();
  emitter.jump(end);
  emitter.place(otherwise);
  compileStatement(context, statement.otherwise);
  emitter.place(end);
}

function compileWhile(context: FunctionContext, statement: WhileStatement): void {
  const { emitter } = context;
  const again = emitter.target();
  const end = emitter.target();
  emitter.place(again);
  begin(context, statement.condition.range);
  jumpWhen(context, statement.condition, 'false', end);
  loopBody(context, statement.body, end, again);
  emitter.jump(again);
  emitter.place(end);
}

function compileDoWhile(context: FunctionContext, statement: DoWhileStatement): void {
  const { emitter } = context;
  const again = emitter.target();
  const test = emitter.target();
  const end = emitter.target();
  emitter.place(again);
  loopBody(context, statement.body, end, test);
  emitter.place(test);
  // `do { ... } while (0)` never goes round, so its condition is no place to stop; it is how macros are written.
  if (!isZero(statement)) {
    begin(context, statement.condition.range);
    jumpWhen(context, statement.condition, 'true', again);
  }
  emitter.place(end);
}

const isZero = ({ condition }: DoWhileStatement): boolean =>
  condition.kind === 'constant' && condition.value === 0n;

function compileFor(context: FunctionContext, statement: ForStatement): void {
  const { emitter, scope } = context;
  const again = emitter.target();
  const step = emitter.target();
  const end = emitter.target();
  context.scope = statement.scope;
  for (const start of statement.start) compileStatement(context, start);
  emitter.place(again);
  begin(context, statement.condition?.range ?? statement.range);
  if (statement.condition !== null) jumpWhen(context, statement.condition, 'false', end);
  loopBody(context, statement.body, end, step);
  emitter.place(step);
  if (statement.step !== null) {
    begin(context, statement.step.range);
    effectOf(context, statement.step);
  }
  emitter.jump(again);
  emitter.place(end);
  context.scope = scope;
}

function loopBody(context: FunctionContext, body: Statement, toBreak: Target, toContinue: Target): void {
  context.breaks.push(toBreak);
  context.continues.push(toContinue);
  compileStatement(context, body);
  context.breaks.pop();
  context.continues.pop();
}

// ---- switch ------------------------------------------------------------------------------------------------------------

/** A binary search over the sorted cases, then the body with the cases' labels in it. */
function compileSwitch(context: FunctionContext, statement: SwitchStatement): void {
  const { emitter, top } = context;
  const end = emitter.target();
  const targets: CaseTargets = new Map();
  for (const label of statement.cases) targets.set(label, emitter.target());
  let other = end;
  if (statement.defaultCase !== null) {
    other = emitter.target();
    targets.set(statement.defaultCase, other);
  }
  begin(context, statement.value.range);
  const words = context.wordsOf(statement.value.type);
  const signed = statement.value.type.kind === 'integer' && statement.value.type.signed;
  const value = valueOf(context, statement.value);
  const sorted = [...statement.cases].sort((x, y) => (x.low < y.low ? -1 : 1));
  search({ context, value, wide: words === 2, signed, targets, other }, sorted);
  context.top = top;
  const open = openSwitches.get(context) ?? [];
  openSwitches.set(context, open);
  open.push(targets);
  context.breaks.push(end);
  compileStatement(context, statement.body);
  context.breaks.pop();
  open.pop();
  emitter.place(end);
}

interface Search {
  readonly context: FunctionContext;
  readonly value: Register;
  readonly wide: boolean;
  readonly signed: boolean;
  readonly targets: CaseTargets;
  readonly other: Target;
}

function search(how: Search, cases: readonly CaseLabel[]): void {
  const { emitter } = how.context;
  const middle = cases[cases.length >> 1];
  if (middle === undefined) return emitter.jump(how.other);
  const below = cases.slice(0, cases.length >> 1);
  const above = cases.slice((cases.length >> 1) + 1);
  const target = how.targets.get(middle) ?? how.other;
  if (middle.low === middle.high) {
    compareJump(how, 'equal', middle.low, target);
  } else {
    const past = emitter.target();
    compareJump(how, 'less', middle.low, past);
    compareJump(how, 'notMore', middle.high, target);
    emitter.place(past);
  }
  if (below.length === 0) return search(how, above);
  const up = emitter.target();
  compareJump(how, 'notLess', middle.low, up);
  search(how, below);
  emitter.place(up);
  search(how, above);
}

type CaseTest = 'equal' | 'less' | 'notLess' | 'notMore';

/** With a constant operand where it fits, else in registers; `notMore` always in registers. */
function compareJump(how: Search, test: CaseTest, value: bigint, to: Target): void {
  const { context, wide, signed } = how;
  const { emitter, top } = context;
  const constant = test === 'notMore' ? null : fitting(value, wide ? 2 : 1);
  if (constant !== null) {
    const rows = {
      equal: [Op.jeqi, Op.jeqi, Op.qjeqi, Op.qjeqi],
      less: [Op.jltui, Op.jlti, Op.qjltui, Op.qjlti],
      notLess: [Op.jgeui, Op.jgei, Op.qjgeui, Op.qjgei],
      notMore: [],
    };
    emitter.jumpIf(rows[test][(wide ? 2 : 0) + (signed ? 1 : 0)] ?? Op.undefined, how.value, constant, to);
    return;
  }
  const register = context.take(wide ? 2 : 1);
  constantInto(context, value, wide ? 2 : 1, register);
  const less = wide ? (signed ? Op.qjlt : Op.qjltu) : signed ? Op.jlt : Op.jltu;
  const notMore = wide ? (signed ? Op.qjle : Op.qjleu) : signed ? Op.jle : Op.jleu;
  if (test === 'equal') emitter.jumpIf(wide ? Op.qjeq : Op.jeq, how.value, register, to);
  else if (test === 'less') emitter.jumpIf(less, how.value, register, to);
  else if (test === 'notMore') emitter.jumpIf(notMore, how.value, register, to);
  else emitter.jumpIf(notMore, register, how.value, to);
  context.top = top;
}

function caseTarget(context: FunctionContext, label: CaseLabel): Target {
  for (const targets of openSwitches.get(context) ?? []) {
    const target = targets.get(label);
    if (target !== undefined) return target;
  }
  throw new Error('compile.case: outside its switch');
}

// ---- the rest ----------------------------------------------------------------------------------------------------------

function compileReturn(context: FunctionContext, statement: ReturnStatement): void {
  const { value } = statement;
  if (value !== null && value.type.kind === 'record') {
    const place = { kind: 'memory', base: context.resultAddress, offset: 0 } as const;
    storeValue(context, whole(place), value.type, value);
  } else if (value !== null && value.type.kind !== 'void') {
    valueInto(context, value, Slot.first);
  }
  context.emitter.emit(Op.ret);
}

function begin(context: FunctionContext, range: SourceRange): void {
  context.beginStatement(context, range, context.scope);
}

function innermost(targets: readonly Target[], what: string): Target {
  const target = targets.at(-1);
  if (target === undefined) throw new Error(`compile.${what}: outside a loop`);
  return target;
}
