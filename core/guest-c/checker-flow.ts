/**
 * Whether the end of a statement can be reached, as far as its form tells: for "can end without returning".
 */
import type { Expression, Statement } from './tree.ts';

/** True unless the statement certainly leaves by return, goto, an endless loop or a function that never returns. */
export function endIsReachable(statement: Statement): boolean {
  switch (statement.kind) {
    case 'return':
    case 'goto':
    case 'break':
    case 'continue':
      return false;
    case 'block':
      return blockEndIsReachable(statement.body);
    case 'if':
      return (
        statement.otherwise === null || endIsReachable(statement.then) || endIsReachable(statement.otherwise)
      );
    case 'while':
      return !isTrue(statement.condition) || breaks(statement.body);
    case 'doWhile':
      return !isTrue(statement.condition) || breaks(statement.body);
    case 'for':
      return (statement.condition !== null && !isTrue(statement.condition)) || breaks(statement.body);
    case 'switch':
      return statement.defaultCase === null || breaks(statement.body) || endIsReachable(statement.body);
    case 'expression':
      return !neverReturns(statement.expression);
    case 'declare':
    case 'empty':
    case 'label':
    case 'case':
      return true;
  }
}

/** A label in the middle can be jumped to, so only what follows the last one decides. */
function blockEndIsReachable(body: readonly Statement[]): boolean {
  let reachable = true;
  for (const statement of body) {
    if (startsWithLabel(statement)) reachable = true;
    if (reachable) reachable = endIsReachable(statement);
  }
  return reachable;
}

function startsWithLabel(statement: Statement): boolean {
  if (statement.kind === 'label' || statement.kind === 'case') return true;
  const first = statement.kind === 'block' ? statement.body[0] : undefined;
  return first !== undefined && startsWithLabel(first);
}

const isTrue = (condition: Expression): boolean => condition.kind === 'constant' && condition.value !== 0n;

function neverReturns(expression: Expression): boolean {
  switch (expression.kind) {
    case 'call':
      return (
        'name' in expression.callee && expression.callee.kind === 'function' && expression.callee.noReturn
      );
    case 'builtin':
      return expression.name === 'exit' || expression.name === 'trap' || expression.name === 'unreachable';
    case 'convert':
      return neverReturns(expression.operand);
    case 'comma':
      return neverReturns(expression.left) || neverReturns(expression.right);
    case 'statementExpression':
      return (
        !endIsReachable(expression.block) || (expression.result !== null && neverReturns(expression.result))
      );
    default:
      return false;
  }
}

/** Whether a `break` inside leaves this body's own loop or switch. */
function breaks(statement: Statement): boolean {
  switch (statement.kind) {
    case 'break':
      return true;
    case 'block':
      return statement.body.some(breaks);
    case 'if':
      return breaks(statement.then) || (statement.otherwise !== null && breaks(statement.otherwise));
    default:
      return false;
  }
}
