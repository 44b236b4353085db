/**
 * The front end: a script's text becomes a typed tree, or problems at their places. Never throws for a user's mistake.
 */
import type { Expression, Problem, Scope, TranslationUnit, VariableSymbol } from './tree.ts';
import type { DataModel } from './types.ts';
import type { Inclusion, MacroUse, SourceHost } from './preprocessor.ts';
import type { Reference } from './checker.ts';
import { Checker } from './checker.ts';
import { checkKinds } from './checker-kinds.ts';
import { kindOf } from './linkage.ts';
import { OpenScope } from './scopes.ts';
import { Parser } from './parser.ts';
import { ProblemList } from './source.ts';
import { preprocess, preprocessExpression } from './preprocessor.ts';

export interface CompileOptions {
  /** Includes <xenscope.h> in front, as by gcc's -include. */
  readonly prelude: boolean;
  /** Shipped headers included behind the script: the glue of handler scripts. */
  readonly after?: readonly string[];
}

export interface FrontResult {
  readonly unit: TranslationUnit;
  /** In order of the text within each file. When one is an error, the unit is for editors only. */
  readonly problems: readonly Problem[];
  /** What an editor wants to know besides. */
  readonly index: EditorIndex;
}

/** Where names are used and declared. */
export interface EditorIndex {
  readonly references: readonly Reference[];
  readonly macroUses: readonly MacroUse[];
  readonly inclusions: readonly Inclusion[];
}

/** Compiles one script to its typed tree. */
export function compileUnit(
  main: { readonly path: string; readonly text: string },
  host: SourceHost,
  model: DataModel,
  options: CompileOptions,
): FrontResult {
  const list = new ProblemList();
  const { linkage, headers: before } = kindOf(main, host, options.prelude);
  const preprocessed = preprocess(main, host, model, { before, after: options.after ?? [] }, list);
  const shippedRoot = host.headers.root === '' ? '' : `${host.headers.root}/`;
  const checker = new Checker(model, list, new OpenScope(null, null), { frozenStorage: false, shippedRoot });
  new Parser(checker, preprocessed.tokens).unit();
  const unit: TranslationUnit = {
    file: main.path,
    model,
    linkage,
    functions: checker.functions,
    statics: checker.statics,
    scope: checker.scope,
    files: preprocessed.files.map((file) => file.path),
    macros: preprocessed.macros,
  };
  checkKinds(unit, list, shippedRoot);
  const problems = withoutConsequences(list.problems);
  const { macroUses, inclusions } = preprocessed;
  const index = { references: checker.references, macroUses, inclusions };
  return { unit, problems: sorted(problems, unit.files), index };
}

export interface ExpressionResult {
  /** Null when there are errors among the problems. */
  readonly expression: Expression | null;
  readonly problems: readonly Problem[];
  /** Auto objects that the expression brings along: temporaries and compound literals. */
  readonly locals: readonly VariableSymbol[];
  /** Static objects that it brings along: string literals. */
  readonly statics: readonly VariableSymbol[];
}

/**
 * Reads an expression of the debugger's user in a scope of the unit, with the unit's macros. Its symbols are the unit's own.
 */
export function parseExpression(text: string, scope: Scope, unit: TranslationUnit): ExpressionResult {
  const list = new ProblemList();
  const tokens = preprocessExpression(text, unit.macros, list);
  const inner = new OpenScope(scope, scope.owner);
  const checker = new Checker(unit.model, list, inner, { frozenStorage: true, shippedRoot: '' });
  const expression = new Parser(checker, tokens).singleExpression();
  const usable = expression !== null && !list.hasErrors;
  return {
    expression: usable ? expression : null,
    problems: list.problems,
    locals: checker.looseLocals,
    statics: checker.statics,
  };
}

/** Without a header nearly everything behind it is undeclared: then only what the preprocessor found is said, as gcc does. */
function withoutConsequences(problems: readonly Problem[]): readonly Problem[] {
  const lacksHeader = problems.some((problem) => problem.id === 'pp.include-not-found');
  return lacksHeader ? problems.filter((problem) => problem.id.startsWith('pp.')) : problems;
}

/** By file in order of reading, then by place. */
function sorted(problems: readonly Problem[], files: readonly string[]): Problem[] {
  const order = new Map(files.map((file, i) => [file, i]));
  const rank = (problem: Problem): number => order.get(problem.file) ?? files.length;
  return [...problems].sort((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
}
