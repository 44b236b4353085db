/**
 * #define lines (C11 6.10.3): parameters, body, and when two definitions are the same.
 */
import type { Macro } from './preprocessor-macros.ts';
import { type ProblemList } from './source.ts';
import { type Token, TokenKind } from './lexer.ts';

/** The macro that a #define line makes; reports why it makes none. */
export function parseDefinition(name: Token, rest: readonly Token[], problems: ProblemList): Macro | null {
  const open = rest[1];
  const isFunction = open?.is('(') === true && !open.space;
  if (!isFunction)
    return checkedBody(
      {
        name: name.text,
        definition: name,
        parameters: null,
        variadic: false,
        body: rest.slice(1),
      },
      problems,
    );
  const close = rest.findIndex((token, index) => index > 1 && token.is(')'));
  const list = close < 0 ? null : parseParameters(rest.slice(2, close));
  if (list === null) {
    const text = `The parameters of macro '${name.text}' are no list of names in parentheses.`;
    problems.error('pp.macro-parameters', name.range, text);
    return null;
  }
  return checkedBody({ name: name.text, definition: name, ...list, body: rest.slice(close + 1) }, problems);
}

/** Reports a body in which `#` or `##` has no operand. */
function checkedBody(macro: Macro, problems: ProblemList): Macro | null {
  const { body, parameters } = macro;
  const first = body[0];
  const last = body[body.length - 1];
  const edge = first?.is('##') === true ? first : last?.is('##') === true ? last : undefined;
  if (edge !== undefined) {
    problems.error('pp.paste-at-edge', edge.range, "'##' cannot stand at either end of a macro.");
    return null;
  }
  if (parameters === null) return macro;
  const lonely = body.find((token, index) => {
    const operand = body[index + 1]?.text ?? '';
    return token.is('#') && !parameters.includes(operand) && !(macro.variadic && operand === '__VA_OPT__');
  });
  if (lonely === undefined) return macro;
  problems.error('pp.stringise', lonely.range, "'#' in a macro must be followed by one of its parameters.");
  return null;
}

/** The names between a macro's parentheses; null when they are no proper list. */
function parseParameters(tokens: readonly Token[]): { parameters: string[]; variadic: boolean } | null {
  const parameters: string[] = [];
  if (tokens.length === 0) return { parameters, variadic: false };
  for (let i = 0; ; i++) {
    const token = tokens[i];
    const next = tokens[i + 1];
    if (token === undefined) return null;
    if (token.is('...')) {
      parameters.push('__VA_ARGS__');
      return next === undefined ? { parameters, variadic: true } : null;
    }
    if (token.kind !== TokenKind.identifier || parameters.includes(token.text)) return null;
    parameters.push(token.text);
    if (next === undefined) return { parameters, variadic: false };
    if (next.is('...')) return tokens.length === i + 2 ? { parameters, variadic: true } : null;
    if (!next.is(',')) return null;
    i++;
  }
}

/** Whether a second definition changes nothing (6.10.3, 2). */
export function sameMacro(a: Macro, b: Macro): boolean {
  const sameParameters = (a.parameters?.join() ?? null) === (b.parameters?.join() ?? null);
  if (!sameParameters || a.variadic !== b.variadic || a.body.length !== b.body.length) return false;
  return a.body.every((token, i) => {
    const other = b.body[i];
    return token.text === other?.text && (i === 0 || token.space === other.space);
  });
}
