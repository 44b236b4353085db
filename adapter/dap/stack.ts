/** threads and stackTrace: vCPUs and their frames, with a labelled boundary where a trap came in. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { formatHex } from '../../core/units.ts';
import type { Frame } from '../../core/timeline/types.ts';
import { RequestError } from './arguments.ts';
import { toClientColumn, toClientLine } from './client-traits.ts';
import { type Context, LAUNCHED, type RequestRows, STANDING, debuggeeOf } from './context.ts';
import type { Debuggee } from './debuggee.ts';
import { sourceOf } from './sources.ts';
import { listingSource } from './xen.ts';

export const STACK: RequestRows<'threads' | 'stackTrace'> = {
  threads: {
    when: LAUNCHED,
    handle(context) {
      const vcpus = debuggeeOf(context).session.vcpus();
      return {
        threads: vcpus.map(({ vcpu, domain, index, state }) => ({
          id: vcpu + 1,
          name: `d${domain}v${index}${state === 'running' ? '' : ` (${state})`}`,
        })),
      };
    },
  },

  stackTrace: {
    when: STANDING,
    handle(context, args) {
      const debuggee = debuggeeOf(context);
      const vcpu = args.integer('threadId', 1) - 1;
      if (!debuggee.session.vcpus().some((summary) => summary.vcpu === vcpu)) {
        throw new RequestError(`There is no thread ${vcpu + 1}.`);
      }
      const frames = stackFrames(context, debuggee, vcpu);
      const start = args.optionalInteger('startFrame') ?? 0;
      const levels = args.optionalInteger('levels') ?? 0;
      return {
        stackFrames: frames.slice(start, levels === 0 ? undefined : start + levels),
        totalFrames: frames.length,
      };
    },
  },
};

function stackFrames(context: Context, debuggee: Debuggee, vcpu: number): DebugProtocol.StackFrame[] {
  const guest = debuggee.frames.stack(vcpu).flatMap(({ id, frame }) => {
    const shown = stackFrame(context, id, frame);
    return frame.trap ? [shown, boundary(id, '[trap delivered by Xen]')] : [shown];
  });
  return [...xenFrames(context, debuggee, vcpu), ...guest];
}

/** The hypervisor's own frames, while the vCPU is inside a hypercall. */
function xenFrames({ traits }: Context, debuggee: Debuggee, vcpu: number): DebugProtocol.StackFrame[] {
  const { session } = debuggee;
  const stack = debuggee.frames.xenStack(vcpu);
  const outermost = stack.at(-1);
  if (outermost === undefined) return [];
  const frames = stack.map(({ id, frame }) => ({
    id,
    name: frame.name,
    source: listingSource(session.xen, frame.file),
    line: toClientLine(traits, frame.line),
    column: toClientColumn(traits, 1),
  }));
  const name = session.xenView(vcpu)?.name ?? '';
  return [...frames, boundary(outermost.id, `[${name}: in Xen ${session.xen}]`)];
}

function stackFrame({ traits }: Context, id: number, frame: Frame): DebugProtocol.StackFrame {
  const { name, place, rip } = frame;
  const instructionPointerReference = `va:${formatHex(rip)}`;
  if (place === null) {
    return { id, name, line: 0, column: 0, presentationHint: 'subtle', instructionPointerReference };
  }
  return {
    id,
    name,
    source: sourceOf(traits, place.file, place),
    line: toClientLine(traits, place.line),
    column: toClientColumn(traits, place.column),
    endLine: toClientLine(traits, place.endLine),
    endColumn: toClientColumn(traits, place.endColumn),
    instructionPointerReference,
    ...(place.library ? { presentationHint: 'subtle' as const } : {}),
  };
}

/** Stands between a trap handler and the code that it interrupted, or Xen and its caller. Its id is no frame's. */
const boundary = (frameId: number, name: string): DebugProtocol.StackFrame => ({
  id: -frameId,
  name,
  line: 0,
  column: 0,
  presentationHint: 'label',
});
