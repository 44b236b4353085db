/**
 * The file level (C11 6.9): declarations and function definitions, and what is checked when a function is complete.
 */
import type { BlockStatement, Expression, FunctionSymbol, VariableSymbol } from './tree.ts';
import type { Declarator, ParsedParameter } from './parser-declarators.ts';
import type { Specifiers } from './parser-specifiers.ts';
import type { FunctionState } from './checker.ts';
import type { CType, FunctionType } from './types.ts';
import { Panic } from './parser-cursor.ts';
import { StatementParser } from './parser-statements.ts';
import { type Token, TokenKind } from './lexer.ts';
import {
  checkComplete,
  declareFileVariable,
  declareFunction,
  defineStatic,
  finishUnit,
} from './checker-declarations.ts';
import { endIsReachable } from './checker-flow.ts';
import { isError } from './checker.ts';
import { warnUninitialised } from './checker-warnings.ts';
import { staticInitialiser } from './checker-statics.ts';
import { typeName, unqualified } from './types.ts';
import { valueOf } from './checker-conversions.ts';

export class Parser extends StatementParser {
  /** Reads the whole unit into the checker. */
  unit(): void {
    while (!this.atEnd && !this.checker.problems.isFull) this.recoveringDeclaration();
    finishUnit(this.checker);
  }

  /** Reads one expression that is all the text; null after a mistake. For the debugger. */
  singleExpression(): Expression | null {
    try {
      const value = valueOf(this.checker, this.expression());
      if (this.token.kind !== TokenKind.end) this.unexpected("the expression's end");
      return value;
    } catch (error) {
      if (!(error instanceof Panic)) throw error;
      return null;
    }
  }

  /** One declaration; after a mistake the next one. */
  private recoveringDeclaration(): void {
    const start = this.at;
    const { scope } = this.checker;
    try {
      this.externalDeclaration();
    } catch (error) {
      if (!(error instanceof Panic)) throw error;
      if (this.checker.function !== null) this.checker.brokenFunctions.add(this.checker.function.symbol);
      this.checker.function = null;
      this.checker.scope = scope;
      if (error.resumeAtFile !== null) this.at = Math.max(error.resumeAtFile, start + 1);
      else this.skipDeclaration();
      if (this.at === start) this.next();
    }
  }

  private externalDeclaration(): void {
    const { token } = this;
    if (this.accept(';')) return;
    if (token.is('_Static_assert')) {
      this.staticAssert();
      return;
    }
    if (token.is('asm') || token.is('__asm__') || token.is('__asm')) this.fileAsm(token);
    if (token.is('}')) this.fail('syntax', token.range, "This '}' closes nothing.");
    this.checkBeginning(token);
    const specifiers = this.specifiers();
    if (this.semicolonForgotten() || this.accept(';')) return;
    for (let first = true; ; first = false) {
      const declarator = this.declarator(specifiers.type);
      if (first && this.startsFunctionBody(declarator)) {
        this.functionDefinition(specifiers, declarator);
        return;
      }
      if (specifiers.implicitInt) this.notADeclaration(token);
      this.fileDeclarator(specifiers, declarator);
      if (!this.accept(',')) break;
    }
    this.expectSoft(';', 'after the declaration');
  }

  private fileAsm(token: Token): never {
    this.fail('unsupported.asm', token.range, 'Assembly outside functions is not supported. Leave it out.');
  }

  /** A declaration begins with a type; a name may begin a function of old C. */
  private checkBeginning(token: Token): void {
    if (this.startsType(token) || token.is('__attribute__') || token.is('__extension__')) return;
    if (this.name === null) this.unexpected('a declaration');
    if (this.peek(1).is('(') && (this.peek(2).kind === TokenKind.identifier || this.peek(2).is(')'))) return;
    if (this.looksLikeType()) return;
    this.notADeclaration(token);
  }

  private notADeclaration(token: Token): never {
    this.fail(
      'syntax',
      token.range,
      `'${token.text}' begins no declaration, and statements can only stand inside functions.`,
    );
  }

  private startsFunctionBody(declarator: Declarator): boolean {
    if (declarator.type.kind !== 'function' || declarator.parameters === null) return false;
    return this.is('{') || (declarator.oldStyle && this.startsType(this.token));
  }

  private fileDeclarator(specifiers: Specifiers, declarator: Declarator): void {
    const { name } = declarator;
    const type = this.ofFixedLength(declarator.type);
    if (name === null || isError(type)) {
      if (this.accept('=')) this.skipStatement();
      return;
    }
    const { storage } = specifiers;
    const { range } = name;
    const attributes = this.unlessObject(specifiers, name, type);
    if (attributes === null) return;
    const hasInitialiser = this.is('=');
    const declaration = { name: name.text, type, storage, align: attributes.align, range, hasInitialiser };
    const symbol = declareFileVariable(this.checker, declaration);
    if (!hasInitialiser) {
      if (storage !== 'extern') this.checker.tentative.add(symbol);
      return;
    }
    const built = this.initialiserFor(type, 'static');
    symbol.type = built.type;
    if (checkComplete(this.checker, built.type, symbol.name, range)) {
      symbol.initialiser = staticInitialiser(this.checker, built.type, built.initialiser);
    }
    defineStatic(this.checker, symbol);
  }

  // ---- functions -------------------------------------------------------------------------------------------------

  private functionDefinition(specifiers: Specifiers, declarator: Declarator): void {
    const { name } = declarator;
    if (name === null) this.unexpected('the name of a function');
    if (specifiers.implicitInt) this.warnImplicitInt(name);
    const parameters = declarator.oldStyle
      ? this.oldStyleParameters(declarator)
      : (declarator.parameters ?? []);
    const type = this.definedType(declarator, parameters);
    const isStatic = specifiers.storage === 'static';
    const { attributes } = specifiers;
    const symbol = declareFunction(this.checker, {
      name: name.text,
      type,
      isStatic,
      isDefinition: true,
      attributes,
      range: name.range,
    });
    if (symbol.body !== null) {
      const related = [{ range: symbol.range, message: 'It is defined here.' }];
      this.checker.problems.error(
        'redefined',
        name.range,
        `Function '${name.text}' is defined a second time.`,
        related,
      );
    }
    symbol.type = type;
    symbol.range = name.range;
    this.functionBody(symbol, parameters, name, specifiers.implicitInt);
  }

  private warnImplicitInt(name: Token): void {
    const text = `'${name.text}' has no return type, so it is int. Write one.`;
    this.checker.warning('implicit-int', name.range, text);
  }

  /** The declarations between an identifier list and the body. An undeclared parameter is an unsigned long. */
  private oldStyleParameters(declarator: Declarator): ParsedParameter[] {
    const types = new Map<string, CType>();
    while (!this.is('{') && this.startsType(this.token)) {
      const specifiers = this.specifiers();
      do {
        const { name, type } = this.declarator(specifiers.type);
        if (name !== null) types.set(name.text, type);
      } while (this.accept(','));
      this.expect(';', 'after the parameter');
    }
    return (declarator.parameters ?? []).map(({ name }) => {
      const declared = types.get(name?.text ?? '');
      if (declared === undefined && name !== null) {
        this.checker.warning(
          'implicit-type',
          name.range,
          `Parameter '${name.text}' has no type and is taken as unsigned long.`,
        );
      }
      return { name, type: declared ?? this.checker.integer('unsigned long') };
    });
  }

  private definedType(declarator: Declarator, parameters: readonly ParsedParameter[]): FunctionType {
    const { type } = declarator;
    if (type.kind !== 'function') throw new Error('Parser.definedType: the declarator is no function');
    if (!declarator.oldStyle) return type.unprototyped ? { ...type, unprototyped: false } : type;
    const types = parameters.map((parameter) => unqualified(parameter.type ?? this.checker.integer('int')));
    return { ...type, parameters: types, unprototyped: false };
  }

  private functionBody(
    symbol: FunctionSymbol,
    parameters: readonly ParsedParameter[],
    name: Token,
    implicitInt: boolean,
  ): void {
    const state: FunctionState = {
      symbol,
      labels: [],
      labelScopes: [new Map()],
      arrays: [],
      switches: [],
      loops: 0,
      breakables: 0,
      undeclared: new Set(),
      errorsBefore: this.checker.problems.errorCount,
    };
    this.checker.function = state;
    this.checker.openScope();
    symbol.parameters = parameters.map((parameter) => this.parameterSymbol(parameter, name));
    const open = this.token;
    this.expect('{', "before the function's body");
    const body = this.blockBody(open);
    symbol.body = body;
    symbol.end = this.previous.range;
    this.checker.closeScope();
    this.checkFunction(state, body, implicitInt);
    this.checker.function = null;
    this.checker.functions.push(symbol);
  }

  private parameterSymbol(parameter: ParsedParameter, place: Token): VariableSymbol {
    const { name } = parameter;
    const type = parameter.type ?? this.checker.integer('unsigned long');
    const range = (name ?? place).range;
    const symbol = this.checker.variable(name?.text ?? '', type, 'parameter', range);
    if (name === null) return symbol;
    checkComplete(this.checker, type, name.text, range);
    if (this.checker.scope.symbols.has(name.text)) {
      this.checker.error('redeclared', range, `There already is a parameter '${name.text}'.`);
    }
    this.checker.scope.symbols.set(name.text, symbol);
    this.checker.refer(range, symbol);
    return symbol;
  }

  private checkFunction(state: FunctionState, body: BlockStatement, implicitInt: boolean): void {
    const { symbol } = state;
    for (const { label, defined, used } of state.labels) {
      if (!defined)
        this.checker.error('no-label', label.range, `There is no label '${label.name}' in '${symbol.name}'.`);
      else if (!used)
        this.checker.warning('unused-label', label.range, `The label '${label.name}' is not used.`);
    }
    if (this.checker.problems.errorCount > state.errorsBefore) return;
    const { returns } = symbol.type;
    const mustReturn = returns.kind !== 'void' && symbol.name !== 'main' && !symbol.noReturn && !implicitInt;
    if (mustReturn && endIsReachable(body) && symbol.end !== null) {
      const text = `'${symbol.name}' can end without returning a value ('${typeName(returns)}').`;
      this.checker.warning('missing-return', symbol.end, text);
    }
    warnUninitialised(this.checker, symbol);
    for (const local of symbol.locals) {
      if (local.name === '' || this.checker.usedVariables.has(local)) continue;
      this.checker.warning('unused-variable', local.range, `The variable '${local.name}' is not used.`);
    }
  }
}
