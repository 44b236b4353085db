/** Log messages of breakpoints: text in which `{expression}` stands for the expression's value; `{{` is a brace. */

import type { Session } from '../../core/timeline/session.ts';
import { type DollarValues, withDollars } from '../../core/timeline/dollar-names.ts';
import type { Frame } from '../../core/timeline/types.ts';

export interface LogMessage {
  readonly parts: readonly ({ readonly text: string } | { readonly expression: string })[];
}

export function parseLogMessage(message: string): LogMessage | { readonly problem: string } {
  const parts: ({ text: string } | { expression: string })[] = [];
  // A doubled brace, an expression in braces, or text without braces; what is left over is an unclosed brace.
  const pattern = /\{\{|\}\}|\{([^{}]+)\}|[^{}]+/gy;
  let end = 0;
  for (const match of message.matchAll(pattern)) {
    end = match.index + match[0].length;
    if (match[1] !== undefined) parts.push({ expression: match[1] });
    else parts.push({ text: match[0] === '{{' || match[0] === '}}' ? match[0].charAt(0) : match[0] });
  }
  if (end !== message.length) {
    return { problem: `The log message has a brace without its partner at character ${end + 1}.` };
  }
  return { parts };
}

/** The message with the values that its expressions have in `frame`; nothing changes by evaluating them. */
export function formatLog(
  message: LogMessage,
  session: Session,
  frame: Frame | undefined,
  values: DollarValues = {},
): string {
  return message.parts
    .map((part) => ('text' in part ? part.text : valueText(part.expression, session, frame, values)))
    .join('');
}

function valueText(typed: string, session: Session, frame: Frame | undefined, values: DollarValues): string {
  const expression = withDollars(typed, values);
  if (frame === undefined) return '<no frame>';
  const result = session.evaluate(expression, frame, { sideEffects: 'none' });
  return result.kind === 'value' ? result.value.text : `<${result.message}>`;
}
