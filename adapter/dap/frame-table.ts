/** Numbers for the stack frames told to the client, unique over all threads, valid until the guest runs again. */

import type { Session } from '../../core/timeline/session.ts';
import type { Frame } from '../../core/timeline/types.ts';
import { type RequestArguments, RequestError } from './arguments.ts';
import type { Debuggee } from './debuggee.ts';

export class FrameTable {
  private readonly session: Session;
  private readonly frames: Map<number, Frame>;
  private readonly stacks: Map<number, readonly { readonly id: number; readonly frame: Frame }[]>;
  /** Grows over the whole session, so that a number from before a run never names a frame after it. */
  private nextId: number;

  constructor(session: Session) {
    this.session = session;
    this.frames = new Map();
    this.stacks = new Map();
    this.nextId = 1;
  }

  forget(): void {
    this.frames.clear();
    this.stacks.clear();
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

  /** The frame that the client names. */
  frame(id: number): Frame {
    const frame = this.frames.get(id);
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
