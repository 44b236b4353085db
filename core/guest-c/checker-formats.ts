/**
 * Calls of printing functions (`__attribute__((format(printf, m, n)))`): the conversions in a literal format against the
 * arguments, as gcc's -Wformat.
 */
import type { Checker } from './checker.ts';
import type { Expression, Fix, SourceRange } from './tree.ts';
import type { CType, IntegerName } from './types.ts';
import { typeName } from './types.ts';

/** Which argument is the format, and which the first that it speaks of (0: none, a va_list); counted from 1. */
export interface FormatAttribute {
  readonly format: number;
  readonly first: number;
}

interface Conversion {
  /** Place of the whole conversion in the format. */
  readonly at: number;
  readonly text: string;
  /** Number of `*`: widths and precisions that are arguments. */
  readonly stars: number;
  readonly length: string;
  readonly letter: string;
}

const CONVERSION = /%([-+ #0]*)(\*|\d+)?(?:\.(\*|\d*))?(hh|h|ll|l|z|t|j|L|q)?(.?)/gs;
const INTEGER_LETTERS = 'diouxX';

/** Checks one call; `args` have been converted and promoted. */
export function checkFormat(
  checker: Checker,
  { format, first }: FormatAttribute,
  args: readonly Expression[],
  call: SourceRange,
): void {
  const literal = args[format - 1];
  const text = literal === undefined ? null : literalText(literal);
  if (literal === undefined || text === null || first === 0) return;
  const found = conversions(text);
  const given = args.slice(first - 1);
  let next = 0;
  for (const conversion of found) {
    for (let star = 0; star < conversion.stars; star++) {
      const width = given[next++];
      if (width !== undefined && width.type.kind === 'integer' && width.type.bytes !== 4)
        warn(checker, conversion, width, 'a width of type int');
    }
    const value = given[next++];
    if (value !== undefined) checkValue(checker, conversion, value, literal.range);
  }
  const last = found.at(-1);
  if (next > given.length && last !== undefined) {
    const there = given.length === 0 ? 'none' : String(given.length);
    const message = `The format wants ${next} argument${next === 1 ? '' : 's'} behind it, but finds ${there}.`;
    checker.warning('format-arguments', literal.range, message);
  }
  if (given.length > next) {
    const message = `The format has no conversion for this argument. Write one, or leave the argument out.`;
    checker.warning('format-extra', given[next]?.range ?? call, message);
  }
}

/** The bytes of a string literal as text, one character a byte. */
function literalText(expression: Expression): string | null {
  if (expression.kind === 'convert') return literalText(expression.operand);
  if (expression.kind !== 'address' || expression.of.kind !== 'variable') return null;
  const { symbol } = expression.of;
  const [entry] = symbol.initialiser?.entries ?? [];
  if (symbol.name !== '' || entry?.kind !== 'bytes') return null;
  return String.fromCharCode(...entry.data.subarray(0, Math.min(entry.data.length - 1, MAX_FORMAT)));
}

/** What lies behind so many characters of a format is not looked at. */
const MAX_FORMAT = 4000;

function conversions(text: string): Conversion[] {
  return [...text.matchAll(CONVERSION)].flatMap((match) => {
    const [whole, , width, precision, length = '', letter = ''] = match;
    if (letter === '%') return [];
    const stars = (width === '*' ? 1 : 0) + (precision === '*' ? 1 : 0);
    return [{ at: match.index, text: whole, stars, length, letter }];
  });
}

function checkValue(checker: Checker, conversion: Conversion, value: Expression, literal: SourceRange): void {
  const { letter, length } = conversion;
  const { type } = value;
  if (type.kind === 'error') return;
  if (INTEGER_LETTERS.includes(letter) && letter !== '') {
    const wanted = integerOf(checker, length);
    if (type.kind === 'integer' && family(type.name) === family(wanted)) return;
    const right = type.kind === 'integer' ? lengthOf(type.name) : null;
    const better =
      right === null ? suggestion(type) : conversion.text.slice(0, -1 - length.length) + right + letter;
    warn(checker, conversion, value, `'${wanted}'`, better, literal);
  } else if (letter === 'c') {
    if (type.kind !== 'integer' || type.bytes > 4) warn(checker, conversion, value, "'int'");
  } else if (letter === 's') {
    if (!isText(type)) warn(checker, conversion, value, "'char *'", suggestion(type), literal);
  } else if (letter === 'p') {
    if (type.kind !== 'pointer') warn(checker, conversion, value, "'void *'", suggestion(type), literal);
  } else if (letter === '') {
    checker.warning('format', literal, "The format ends behind a '%'. Write '%%' for a percent sign.");
  } else if ('aAeEfFgG'.includes(letter)) {
    checker.warning(
      'format',
      literal,
      `'${conversion.text}' prints floating point, which a kernel has none of.`,
    );
  } else {
    checker.warning('format', literal, `'${conversion.text}' is no conversion that printk knows.`);
  }
}

/** The type that a length in front of `d` stands for. */
const LENGTHS: ReadonlyMap<string, IntegerName> = new Map<string, IntegerName>([
  ['hh', 'int'],
  ['h', 'int'],
  ['', 'int'],
  ['l', 'long'],
  ['ll', 'long long'],
  ['q', 'long long'],
]);

function integerOf(checker: Checker, length: string): IntegerName {
  const isWide = checker.model.wordBytes === 8;
  if (length === 'z' || length === 't') return isWide ? 'long' : 'int';
  if (length === 'j') return isWide ? 'long' : 'long long';
  return LENGTHS.get(length) ?? 'int';
}

const family = (name: IntegerName): string => {
  const bare = name.replace('unsigned ', '').replace('signed ', '');
  return bare === 'char' || bare === 'short' || bare === '_Bool' ? 'int' : bare;
};

const lengthOf = (name: IntegerName): string =>
  family(name) === 'long' ? 'l' : family(name) === 'long long' ? 'll' : '';

const isText = (type: CType): boolean =>
  type.kind === 'pointer' && type.to.kind === 'integer' && type.to.bytes === 1;

/** A conversion that prints the type. */
function suggestion(type: CType): string | null {
  if (type.kind === 'pointer') return isText(type) ? '%s' : '%p';
  if (type.kind !== 'integer') return null;
  return `%${lengthOf(type.name)}${type.signed ? 'd' : 'x'}`;
}

function warn(
  checker: Checker,
  conversion: Conversion,
  value: Expression,
  wanted: string,
  better: string | null = null,
  literal?: SourceRange,
): void {
  const advice = better === null ? '' : ` Write '${better}'.`;
  const text = `'${conversion.text}' wants ${wanted}, but this is '${typeName(value.type)}'.${advice}`;
  const fix = better === null || literal === undefined ? undefined : replacement(conversion, better, literal);
  checker.problems.warning('format', value.range, text, undefined, fix);
}

/** Puts another conversion into the literal; an editor looks whether the old one stands there (escapes move it). */
function replacement({ at, text }: Conversion, better: string, literal: SourceRange): Fix | undefined {
  if (literal.inMacro === true || literal.line !== literal.endLine) return undefined;
  const { file, line } = literal;
  const column = literal.column + 1 + at;
  const range = { file, line, column, endLine: line, endColumn: column + text.length };
  return { title: `Write '${better}'`, edits: [{ range, text: better, replaces: text }] };
}
