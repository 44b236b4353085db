/**
 * Declarations in blocks (C11 6.7) and initialisers as they are written.
 */
import type { Statement } from './tree.ts';
import type { Declarator } from './parser-declarators.ts';
import type { Attributes, Specifiers } from './parser-specifiers.ts';
import type { CType } from './types.ts';
import type { Designator, ParsedInitialiser, ParsedItem } from './checker-initialisers.ts';
import { Panic } from './parser-cursor.ts';
import { type Token, TokenKind } from './lexer.ts';
import { RecordParser } from './parser-records.ts';
import { buildInitialiser } from './checker-initialisers.ts';
import {
  checkComplete,
  declareFileVariable,
  declareFunction,
  declareLocal,
  declareTypedef,
  defineStatic,
} from './checker-declarations.ts';
import { declareVariableArray, isVariableArray } from './checker-arrays.ts';
import { valueOf } from './checker-conversions.ts';
import { operandRange } from './checker.ts';
import { staticInitialiser } from './checker-statics.ts';

export const ASM_WORDS: ReadonlySet<string> = new Set(['asm', '__asm', '__asm__']);

export abstract class DeclarationParser extends RecordParser {
  protected declaration(body: Statement[]): void {
    if (this.is('_Static_assert')) {
      this.staticAssert();
      return;
    }
    const startIndex = this.at;
    const first = this.token;
    const specifiers = this.is('__auto_type') ? null : this.specifiers();
    if (specifiers === null) {
      this.autoType(body);
      return;
    }
    if (this.semicolonForgotten() || this.accept(';')) return;
    for (let start = first; ; start = this.token) {
      const declarator = this.declarator(specifiers.type);
      if (declarator.type.kind === 'function' && (this.is('{') || declarator.oldStyle)) {
        const name = declarator.name;
        if (!declarator.oldStyle && this.nestedFunction(first, name)) return;
        const text = `The function '${name?.text ?? ''}' begins inside another one. A '}' is missing before it.`;
        this.checker.error('syntax', (name ?? this.token).range, text);
        throw new Panic(startIndex);
      }
      this.localDeclarator(specifiers, declarator, start, body);
      if (!this.accept(',')) break;
    }
    this.expectSoft(';', 'after the declaration');
  }

  private variableArrayStart(): void {
    const start = this.next();
    this.initialiser();
    const text = 'An array of variable length cannot have a start value. Use memset or a loop.';
    this.checker.error('variable-length-initialiser', this.rangeFrom(start), text);
  }

  /** GNU's function inside a function, passed over. One that begins in the first column more likely lacks a `}` before it. */
  private nestedFunction(first: Token, name: Token | null): boolean {
    if (first.first && first.file.position(first.offset).column === 1) return false;
    const text = `A function inside a function is not supported. Move '${name?.text ?? ''}' in front of this one.`;
    this.checker.error('unsupported.nested-function', (name ?? first).range, text);
    if (name !== null) this.checker.function?.undeclared.add(name.text);
    this.skipBalanced('{', '}');
    return true;
  }

  /** Declares a type name or a function and returns null; for an object, returns its attributes and declares nothing. */
  protected unlessObject(specifiers: Specifiers, name: Token, type: CType): Attributes | null {
    const attributes = { ...specifiers.attributes };
    this.asmLabel();
    this.attributes(attributes);
    const { range, text } = name;
    if (specifiers.storage === 'typedef') {
      declareTypedef(this.checker, text, type, range);
      return null;
    }
    if (type.kind !== 'function') return attributes;
    const isStatic = specifiers.storage === 'static';
    declareFunction(this.checker, { name: text, type, isStatic, isDefinition: false, attributes, range });
    return null;
  }

  private localDeclarator(
    specifiers: Specifiers,
    declarator: Declarator,
    start: Token,
    body: Statement[],
  ): void {
    const name = declarator.name;
    if (name === null) return;
    const { storage } = specifiers;
    if (isVariableArray(declarator.type) && storage === null) {
      if (this.is('=')) this.variableArrayStart();
      body.push(declareVariableArray(this.checker, name.text, declarator.type, name.range));
      return;
    }
    const type = this.ofFixedLength(declarator.type);
    const range = name.range;
    const attributes = this.unlessObject(specifiers, name, type);
    if (attributes === null) return;
    const hasInitialiser = this.is('=');
    const declaration = { name: name.text, type, storage, align: attributes.align, range, hasInitialiser };
    if (storage === 'extern') {
      const symbol = declareFileVariable(this.checker, declaration);
      this.checker.scope.symbols.set(name.text, symbol);
      return;
    }
    const symbol = declareLocal(this.checker, declaration);
    if (attributes.unused) this.checker.usedVariables.add(symbol);
    const isStatic = storage === 'static';
    if (hasInitialiser) this.checker.assigned.add(symbol);
    const built = hasInitialiser ? this.initialiserFor(type, isStatic ? 'static' : 'auto') : null;
    if (built !== null) symbol.type = built.type;
    if (isStatic) {
      if (built !== null) symbol.initialiser = staticInitialiser(this.checker, built.type, built.initialiser);
      defineStatic(this.checker, symbol);
    } else if (checkComplete(this.checker, symbol.type, symbol.name, range)) {
      const initialiser = built?.initialiser ?? null;
      body.push({ kind: 'declare', symbol, initialiser, range: this.rangeFrom(start) });
    }
  }

  /** GNU `__auto_type x = value;` */
  private autoType(body: Statement[]): void {
    this.next();
    const name = this.name ?? this.unexpected('a name');
    this.next();
    this.expect('=', "after the name of an '__auto_type' variable");
    const value = valueOf(this.checker, this.assignment());
    this.expectSoft(';', 'after the declaration');
    const { range } = name;
    const declaration = {
      name: name.text,
      type: value.type,
      storage: null,
      align: 1,
      range,
      hasInitialiser: true,
    };
    const symbol = declareLocal(this.checker, declaration);
    this.checker.assigned.add(symbol);
    const entries = [{ offset: 0, type: value.type, value }];
    body.push({
      kind: 'declare',
      symbol,
      initialiser: { zeroFirst: false, entries },
      range: this.rangeFrom(name),
    });
  }

  /** `asm("name")` behind a declarator. */
  protected asmLabel(): void {
    if (!ASM_WORDS.has(this.token.text) || this.token.kind !== TokenKind.identifier) return;
    const start = this.next();
    this.skipBalanced('(', ')');
    this.checker.error(
      'unsupported.asm',
      this.rangeFrom(start),
      'A name or register given by asm is not supported. Leave it out.',
    );
  }

  // ---- initialisers ----------------------------------------------------------------------------------------------

  /** `= value` or `= { ... }` for an object of that type. */
  protected initialiserFor(
    type: Parameters<typeof buildInitialiser>[1],
    storage: 'static' | 'auto',
  ): ReturnType<typeof buildInitialiser> {
    this.expect('=', 'before the initialiser');
    return buildInitialiser(this.checker, type, this.initialiser(), storage);
  }

  private initialiser(): ParsedInitialiser {
    if (this.is('{')) return this.bracedInitialiser();
    const operand = this.assignment();
    return { kind: 'expression', operand, range: operandRange(operand) };
  }

  protected bracedInitialiser(): ParsedInitialiser {
    return this.nested(() => {
      const open = this.next();
      const items: ParsedItem[] = [];
      while (!this.is('}')) {
        const designators = this.designators();
        items.push({ designators, initialiser: this.initialiser() });
        if (!this.accept(',')) break;
      }
      this.expect('}', 'after the initialisers');
      return { kind: 'list', items, range: this.rangeFrom(open) };
    });
  }

  /** `.name[index] =`, or GNU's old `name:`. */
  private designators(): Designator[] {
    const found: Designator[] = [];
    if (this.name !== null && this.peek(1).is(':')) {
      const name = this.next();
      this.next();
      return [{ kind: 'member', name: name.text, range: name.range }];
    }
    for (;;) {
      const start = this.token;
      if (this.accept('.')) {
        if (this.token.kind !== TokenKind.identifier) this.unexpected('the name of a member');
        const name = this.next();
        found.push({ kind: 'member', name: name.text, range: name.range });
      } else if (this.accept('[')) {
        const low = Number(this.constantExpression('The index') ?? 0n);
        const high = this.accept('...') ? Number(this.constantExpression('The index') ?? 0n) : low;
        this.expect(']', 'after the index');
        found.push({ kind: 'index', low, high, range: this.rangeFrom(start) });
      } else break;
    }
    if (found.length > 0 && !this.accept('=') && !this.is('{')) this.expect('=', 'after the designator');
    return found;
  }
}
