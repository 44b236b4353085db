/** What the pointer on a name tells: its declaration in C, the comment above it, and what Xen's rules say. */

import type { Hover, Position } from 'vscode-languageserver';
import { MarkupKind } from 'vscode-languageserver';
import type { ReferenceTarget } from '../../core/guest-c/checker.ts';
import type { Macro } from '../../core/guest-c/preprocessor-macros.ts';
import type { SourceRange } from '../../core/guest-c/tree.ts';
import type { DataModel, RecordDefinition } from '../../core/guest-c/types.ts';
import { declarationOf, sizeOf, typeName } from '../../core/guest-c/types.ts';
import type { Compilation } from './compilations.ts';
import { constantText, errnoText, hypercallText } from './hover-texts.ts';
import type { NameAt } from './name-at.ts';
import { declarationOfName, nameAt } from './name-at.ts';
import { rangeOf } from './positions.ts';

const MOST_MEMBERS = 24;

/** The hover at a place of the script, null where there is nothing to tell. */
export function hoverAt(
  compilation: Compilation,
  position: Position,
  read: (path: string) => string | undefined,
): Hover | null {
  const found = nameAt(compilation, position);
  if (found === null) return null;
  const { name, code } = described(found, compilation.unit.model);
  const declared = declarationOfName(found);
  const comment = declared === null || found.kind === 'file' ? null : commentAt(declared, read);
  const interfaceText = hypercallText(name) ?? constantText(name) ?? errnoText(name);
  const parts = [code === null ? null : `\`\`\`c\n${code}\n\`\`\``, comment, interfaceText];
  const value = parts.filter((part) => part !== null).join('\n\n');
  return value === ''
    ? null
    : { contents: { kind: MarkupKind.Markdown, value }, range: rangeOf(found.range) };
}

function described(found: NameAt, model: DataModel): { name: string; code: string | null } {
  switch (found.kind) {
    case 'file':
      return { name: '', code: `#include "${found.path}"` };
    case 'macro':
      return { name: found.macro.name, code: macroCode(found.macro) };
    case 'target':
      return targetCode(found.target, model);
  }
}

/** The definition as one line, as far as it is short. */
function macroCode({ name, parameters, variadic, body }: Macro): string {
  const list =
    parameters === null
      ? ''
      : `(${parameters.join(', ').replace('__VA_ARGS__', variadic ? '...' : '__VA_ARGS__')})`;
  const text = body.map((token, i) => (i > 0 && token.space ? ' ' : '') + token.text).join('');
  return `#define ${name}${list} ${text.length > 200 ? `${text.slice(0, 197)}...` : text}`;
}

function targetCode(target: ReferenceTarget, model: DataModel): { name: string; code: string } {
  switch (target.kind) {
    case 'tag':
      return { name: target.type.record.tag ?? '', code: recordCode(target.type.record) };
    case 'member': {
      const { member, record } = target;
      const name = member.name ?? '';
      const bits = member.bitField === undefined ? '' : ` : ${member.bitField.width}`;
      const place = `/* offset ${member.offset} of ${record.keyword} ${record.tag ?? ''} */`;
      return { name, code: `${declarationOf(member.type, name)}${bits}; ${place}` };
    }
    case 'enumerator':
      return { name: target.name, code: `${target.name} = ${target.value}` };
    case 'typedef': {
      const bytes = sizeOf(target.type, model);
      const size = bytes === null ? '' : ` /* ${bytes} bytes */`;
      return { name: target.name, code: `typedef ${declarationOf(target.type, target.name)};${size}` };
    }
    case 'function':
      return { name: target.name, code: `${functionCode(target)};` };
    case 'variable':
      return {
        name: target.name,
        code: `${target.storage === 'static' ? 'static ' : ''}${declarationOf(target.type, target.name)};`,
      };
  }
}

/** The prototype with the parameters' names, where the definition is known. */
function functionCode(target: ReferenceTarget & { kind: 'function' }): string {
  const { type, name, parameters } = target;
  if (parameters.length !== type.parameters.length || parameters.length === 0)
    return declarationOf(type, name);
  const named = parameters.map((parameter) => declarationOf(parameter.type, parameter.name));
  const list = type.variadic ? [...named, '...'] : named;
  return declarationOf(type.returns, `${name}(${list.join(', ')})`);
}

function recordCode(record: RecordDefinition): string {
  const head = `${record.keyword} ${record.tag ?? ''}`.trim();
  if (!record.complete) return `${head};`;
  const shown = record.members.slice(0, MOST_MEMBERS).map((member) => {
    const bits = member.bitField === undefined ? '' : ` : ${member.bitField.width}`;
    const text =
      member.name === null ? `${typeName(member.type)} { ... }` : declarationOf(member.type, member.name);
    return `    ${text}${bits}; /* ${member.offset} */`;
  });
  const rest = record.members.length > MOST_MEMBERS ? ['    ...'] : [];
  return [`${head} { /* ${record.bytes} bytes */`, ...shown, ...rest, '};'].join('\n');
}

/** The comment that belongs to a declaration: behind it on its line, or ending on the line above. */
function commentAt(declared: SourceRange, read: (path: string) => string | undefined): string | null {
  const lines = read(declared.file)?.split('\n');
  const line = lines?.[declared.line - 1];
  if (lines === undefined || line === undefined) return null;
  const behind = /\/\*\s*(.*?)\s*\*\/\s*$|\/\/\s*(.*)$/.exec(line.slice(declared.column - 1));
  const text = behind?.[1] ?? behind?.[2] ?? commentAbove(lines, declared.line - 2);
  return text === null || text === '' ? null : text;
}

function commentAbove(lines: readonly string[], last: number): string | null {
  if (lines[last]?.trimEnd().endsWith('*/') !== true) return null;
  let first = last;
  while (first > 0 && !(lines[first] ?? '').includes('/*')) first--;
  const opening = (lines[first] ?? '').trimStart();
  if (!opening.startsWith('/*')) return null;
  const text = lines
    .slice(first, last + 1)
    .join('\n')
    .trim()
    .replace(/^\/\*+/, '')
    .replace(/\*\/$/, '');
  return text
    .split('\n')
    .map((line) => line.replace(/^\s*\*? ?/, '').trimEnd())
    .join('\n')
    .trim();
}
