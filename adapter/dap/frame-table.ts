/** Numbers for the stack frames told to the client, unique over all threads, valid until the guest runs again. */

import type { Session } from '../../core/timeline/session.ts';
import type { Frame, StepTarget } from '../../core/timeline/types.ts';
import type { XenFrame } from '../../core/timeline/walk-view.ts';
import { type RequestArguments, RequestError } from './arguments.ts';
import type { Debuggee } from './debuggee.ts';

/** A frame of the hypervisor's, above those of the guest. */
export interface XenFrameRow {
  readonly id: number;
  readonly vcpu: number;
  readonly frame: XenFrame;
}

export class FrameTable {
  private readonly session: Session;
  private readonly frames: Map<number, Frame>;
  private readonly stacks: Map<number, readonly { readonly id: number; readonly frame: Frame }[]>;
  private readonly xenFrames: Map<number, XenFrameRow>;
  private readonly xenStacks: Map<number, readonly XenFrameRow[]>;
  private readonly stepTargets: Map<number, StepTarget>;
  /** Grows over the whole session, so that a number from before a run never names a frame after it. */
  private nextId: number;

  constructor(session: Session) {
    this.session = session;
    this.frames = new Map();
    this.stacks = new Map();
    this.xenFrames = new Map();
    this.xenStacks = new Map();
    this.stepTargets = new Map();
    this.nextId = 1;
  }

  forget(): void {
    this.frames.clear();
    this.stacks.clear();
    this.xenFrames.clear();
    this.xenStacks.clear();
    this.stepTargets.clear();
  }

  /** The hypervisor's frames while the vCPU is inside a hypercall, innermost first. */
  xenStack(vcpu: number): readonly XenFrameRow[] {
    const known = this.xenStacks.get(vcpu);
    if (known !== undefined) return known;
    const frames = this.session.xenView(vcpu)?.frames() ?? [];
    const stack = frames.map((frame) => ({ id: this.nextId++, vcpu, frame }));
    for (const row of stack) this.xenFrames.set(row.id, row);
    this.xenStacks.set(vcpu, stack);
    return stack;
  }

  xenFrame(id: number): XenFrameRow | undefined {
    return this.xenFrames.get(id);
  }

  /** Numbers for what a step into can be told to go into. */
  setStepTargets(
    targets: readonly StepTarget[],
  ): readonly { readonly id: number; readonly to: StepTarget }[] {
    const numbered = targets.map((to) => ({ id: this.nextId++, to }));
    for (const { id, to } of numbered) this.stepTargets.set(id, to);
    return numbered;
  }

  stepTarget(id: number): StepTarget {
    const target = this.stepTargets.get(id);
    if (target === undefined) throw new RequestError(`There is no step-in target ${id} here.`);
    return target;
  }

  /** The stack of a vCPU, innermost frame first. */
  stack(vcpu: number): readonly { readonly id: number; readonly frame: Frame }[] {
    const known = this.stacks.get(vcpu);
    if (known !== undefined) return known;
    const stack = this.session.stack(vcpu).map((frame) => ({ id: this.nextId++, frame }));
    for (const { id, frame } of stack) this.frames.set(id, frame);
    this.stacks.set(vcpu, stack);
    return stack;
  }

  /** The frame that the client names; for one of the hypervisor's the user's own, which has made the hypercall. */
  frame(id: number): Frame {
    const xen = this.xenFrames.get(id);
    const frame = xen === undefined ? this.frames.get(id) : this.topOfUser(xen.vcpu);
    if (frame === undefined) {
      throw new RequestError(`There is no stack frame ${id}; the guest has run since it was told.`);
    }
    return frame;
  }

  /** The innermost frame of a vCPU, if it has one. */
  top(vcpu: number): Frame | undefined {
    return this.stack(vcpu)[0]?.frame;
  }

  /** The innermost frame in the user's own text, or else the innermost of all. */
  topOfUser(vcpu: number): Frame | undefined {
    const stack = this.stack(vcpu);
    return (stack.find(({ frame }) => frame.place?.library === false) ?? stack[0])?.frame;
  }
}

/** The frame that the request names, or the user's innermost one. */
export function frameFor(debuggee: Debuggee, args: RequestArguments): Frame {
  const id = args.optionalInteger('frameId', Number.MIN_SAFE_INTEGER);
  if (id !== undefined && id > 0) return debuggee.frames.frame(id);
  const frame = debuggee.frames.topOfUser(debuggee.focus());
  if (frame === undefined) throw new RequestError('There is no stack frame in which to evaluate.');
  return frame;
}
