/** scopes, variables, setVariable: locals, globals, registers, the hypercall at hand, start_info. */

import { ABIS, type AbiName } from '../../core/abi/index.ts';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type {
  Frame,
  HypercallRecord,
  JsonObject,
  JsonValue,
  NamedValue,
  Value,
} from '../../core/timeline/types.ts';
import type { Radix } from '../../core/timeline/values.ts';
import { formatHex } from '../../core/units.ts';
import { type RequestArguments, RequestError, parseNumeral } from './arguments.ts';
import { type Context, type RequestRows, STANDING, debuggeeOf } from './context.ts';
import type { Debuggee } from './debuggee.ts';
import { decodedChildren, decodedNode } from './decoded.ts';
import type { VariableNode } from './variable-table.ts';
import { type EditedMemory, stateEdited } from './edits.ts';
import { frameFor } from './frame-table.ts';
import { rowChildren, xenScopes } from './xen.ts';

/** Nodes that stand for objects of the guest. */
type ObjectNode = Extract<VariableNode, { readonly frame: Frame }>;

/** The most children told at once when the client names no range. */
const MAX_CHILDREN = 4096;

export const VARIABLES: RequestRows<'scopes' | 'variables' | 'setVariable' | 'setExpression'> = {
  scopes: {
    when: STANDING,
    handle(context, args) {
      const debuggee = debuggeeOf(context);
      // The label between a handler and what it interrupted has no variables.
      const id = args.integer('frameId', Number.MIN_SAFE_INTEGER);
      const xen = debuggee.frames.xenFrame(id);
      if (xen !== undefined) return { scopes: xenScopes(debuggee, xen) };
      return { scopes: id < 0 ? [] : scopesOf(debuggee, debuggee.frames.frame(id)) };
    },
  },

  variables: {
    when: STANDING,
    async handle(context, args) {
      const debuggee = debuggeeOf(context);
      const node = debuggee.variables.node(args.integer('variablesReference', 1));
      if (node.kind === 'rows') return { variables: rowChildren(debuggee, node) };
      const isDecoded = node.kind === 'entry' || node.kind === 'frame';
      const variables = isDecoded
        ? await decodedChildren(debuggee, node)
        : childrenOf(context, debuggee, node, args);
      return { variables };
    },
  },

  setVariable: {
    when: ['stopped'],
    handle(context, args) {
      const debuggee = debuggeeOf(context);
      const node = debuggee.variables.node(args.integer('variablesReference', 1));
      const name = args.text('name');
      if (!('frame' in node)) throw new RequestError(`${name} is shown for reading and cannot be changed.`);
      const target = namedValues(debuggee, node, null).find((child) => child.name === name);
      if (target === undefined) throw new RequestError(`There is no variable ${name} here.`);
      return assign(context, target.evaluateName, node.frame, args);
    },
  },

  setExpression: {
    when: ['stopped'],
    handle: (context, args) =>
      assign(context, args.text('expression'), frameFor(debuggeeOf(context), args), args),
  },
};

/** The expression of a child, and the frame in which it is one; null for what is no object of the guest. */
export function expressionOf(
  debuggee: Debuggee,
  node: VariableNode,
  name: string,
): { readonly expression: string; readonly frame: Frame } | null {
  if (!('frame' in node)) return null;
  const target = namedValues(debuggee, node, null).find((child) => child.name === name);
  return target === undefined ? null : { expression: target.evaluateName, frame: node.frame };
}

/** Gives what an expression names the value of the request's argument `value`, and tells what it then holds. */
function assign(context: Context, target: string, frame: Frame, args: RequestArguments): DescribedValue {
  const debuggee = debuggeeOf(context);
  const memory = memoryOf(debuggee, target, frame);
  const result = debuggee.session.assign(target, args.text('value'), frame);
  if (result.kind === 'problem') throw new RequestError(result.message);
  stateEdited(context, debuggee, memory);
  return describeValue(context, debuggee, result.value, { frame, radix: radixOf(args) });
}

/** The memory of what an expression names; undefined for an object in a register. */
function memoryOf({ session }: Debuggee, target: string, frame: Frame): EditedMemory | undefined {
  const object = session.evaluate(target, frame, { sideEffects: 'none' });
  const size = session.evaluate(`sizeof(${target})`, frame, { sideEffects: 'none' });
  if (object.kind === 'problem' || size.kind === 'problem' || object.value.address === null) return undefined;
  const bytes = Number(parseNumeral(size.value.text.split(' ')[0] ?? '') ?? 0n);
  return { memoryReference: `va:${formatHex(object.value.address)}`, offset: 0, count: bytes };
}

function scopesOf(debuggee: Debuggee, frame: Frame): DebugProtocol.Scope[] {
  const { variables } = debuggee;
  const scopes: DebugProtocol.Scope[] = [
    {
      name: 'Locals',
      presentationHint: 'locals',
      variablesReference: variables.add({ kind: 'locals', frame }),
      expensive: false,
    },
  ];
  const globals = debuggee.session.globals(frame);
  if (globals.length > 0) {
    const variablesReference = variables.add({ kind: 'globals', frame });
    scopes.push({ name: 'Globals', variablesReference, expensive: globals.length > 200 });
  }
  const call = hypercallAtHand(debuggee, frame);
  if (call !== null) {
    const variablesReference = variables.add({ kind: 'json', json: call });
    scopes.push({ name: 'Hypercall', variablesReference, expensive: false });
  }
  const startInfo = debuggee.session.evaluate('start_info', frame, { sideEffects: 'none' });
  if (startInfo.kind === 'value' && startInfo.value.namedChildren > 0) {
    const variablesReference = variables.add({ kind: 'value', value: startInfo.value, frame });
    scopes.push({ name: 'start_info', variablesReference, expensive: false });
  }
  scopes.push({
    name: 'Registers',
    presentationHint: 'registers',
    variablesReference: variables.add({ kind: 'registers', frame }),
    expensive: false,
  });
  return scopes;
}

/** The hypercall that is about to be made, or else the last one that the frame's vCPU made. */
function hypercallAtHand({ session, standing }: Debuggee, frame: Frame): JsonObject | null {
  if (standing?.kind === 'hypercall' && standing.returned === null && standing.vcpu === frame.vcpu) {
    return { hypercall: standing.name, state: 'not yet made', args: standing.args };
  }
  const vcpu = session.vcpus().find((summary) => summary.vcpu === frame.vcpu);
  const last = session.hypercallLog.findLast(
    (record) => record.domain === vcpu?.domain && record.vcpu === vcpu.index,
  );
  return last === undefined ? null : describeHypercall(last);
}

/** A hypercall as the Variables view opens it. */
function describeHypercall(record: HypercallRecord): JsonObject {
  const { refusal } = record;
  return {
    hypercall: record.name,
    seq: record.seq,
    args: record.args,
    rc: record.rc,
    ...(record.done === null ? {} : { done: record.done }),
    ...(refusal === null
      ? {}
      : {
          refused: {
            rule: refusal.rule,
            errno: refusal.errno,
            message: refusal.message,
            evidence: refusal.evidence,
          },
        }),
  };
}

function childrenOf(
  context: Context,
  debuggee: Debuggee,
  node: ObjectNode | Extract<VariableNode, { readonly kind: 'json' }>,
  args: RequestArguments,
): DebugProtocol.Variable[] {
  const filter = args.optionalWord('filter', ['indexed', 'named']);
  const start = args.optionalInteger('start') ?? 0;
  const given = args.optionalInteger('count') ?? 0;
  const range = { start, count: given === 0 ? MAX_CHILDREN : Math.min(given, MAX_CHILDREN) };
  if (node.kind === 'json') {
    return jsonChildren(node.json)
      .slice(range.start, range.start + range.count)
      .map(([name, value]) => describeJson(debuggee, name, value));
  }
  if (filter === 'named' && node.kind === 'value' && node.value.indexedChildren > 0) return [];
  const shown = { frame: node.frame, radix: radixOf(args) };
  return namedValues(debuggee, node, range).map(({ name, evaluateName, value }) => ({
    name,
    evaluateName,
    ...describeValue(context, debuggee, value, shown),
  }));
}

function namedValues(
  { session }: Debuggee,
  node: ObjectNode,
  range: { readonly start: number; readonly count: number } | null,
): readonly NamedValue[] {
  switch (node.kind) {
    case 'locals':
      return session.locals(node.frame);
    case 'globals':
      return session.globals(node.frame);
    case 'registers':
      return session.registers(node.frame).flatMap((register) => nameOnAbi(register, session.abi));
    case 'value':
      return range === null ? session.children(node.value) : session.children(node.value, range);
  }
}

/** Registers under the names of the guest's ABI; none for those that it has not. */
function nameOnAbi(register: NamedValue, abi: AbiName): NamedValue[] {
  if (ABIS[abi].wordBytes === 8) return [register];
  if (/^r\d+$/.test(register.name)) return [];
  const name = register.name.replace(/^r/, 'e');
  return [{ ...register, name, evaluateName: `$${name}` }];
}

/** How the request wants integers written. */
export const radixOf = (args: RequestArguments): Radix =>
  args.optionalObject('format')?.flag('hex') === true ? 'hexadecimal' : 'natural';

export type DescribedValue = Pick<
  DebugProtocol.Variable,
  'value' | 'type' | 'variablesReference' | 'namedVariables' | 'indexedVariables' | 'memoryReference'
>;

/** A value of the guest as the client wants it. */
export function describeValue(
  { traits }: Context,
  debuggee: Debuggee,
  value: Value,
  { frame, radix }: { readonly frame: Frame; readonly radix: Radix },
): DescribedValue {
  const { namedChildren, indexedChildren } = value;
  const opens = namedChildren + indexedChildren > 0;
  const decoded = opens ? null : decodedNode(value);
  const node: VariableNode | null = opens ? { kind: 'value', value, frame } : decoded;
  return {
    value: debuggee.session.written(value, radix).text,
    ...(traits.supportsVariableType ? { type: value.type } : {}),
    variablesReference: node === null ? 0 : debuggee.variables.add(node),
    ...(namedChildren === 0 ? {} : { namedVariables: namedChildren }),
    ...(indexedChildren === 0 ? {} : { indexedVariables: indexedChildren }),
    ...(value.memoryReference === null ? {} : { memoryReference: value.memoryReference }),
  };
}

const jsonChildren = (json: JsonObject | readonly JsonValue[]): [string, JsonValue][] =>
  isList(json) ? json.map((value, index) => [String(index), value]) : Object.entries(json);

function describeJson(debuggee: Debuggee, name: string, json: JsonValue): DebugProtocol.Variable {
  const readOnly = { presentationHint: { attributes: ['readOnly'] } };
  if (typeof json !== 'object' || json === null) {
    return { name, value: json === null ? '-' : String(json), variablesReference: 0, ...readOnly };
  }
  const count = jsonChildren(json).length;
  return {
    name,
    value: isList(json) ? `[${count}]` : summary(json),
    variablesReference: count === 0 ? 0 : debuggee.variables.add({ kind: 'json', json }),
    ...readOnly,
  };
}

/** The plain members of an object on one line. */
const summary = (json: JsonObject): string =>
  Object.entries(json)
    .filter(([, value]) => typeof value !== 'object')
    .map(([name, value]) => `${name}: ${value}`)
    .join(', ');

const isList = (json: JsonValue): json is readonly JsonValue[] => Array.isArray(json);
