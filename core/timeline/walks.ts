/**
 * Stepping inside Xen: the walk that a session is in, how steps and breakpoints move it, and how it begins and ends.
 * While it lasts the session stands before the hypercall, at the position of that; the state is that of the line.
 */

import type { Vm } from '../guest-c/vm.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { hypercallName } from '../hypervisor/hypercalls.ts';
import type { ConditionTest } from './event-stops.ts';
import type { DollarValues } from './dollar-names.ts';
import type { Guest } from './guest.ts';
import type { Position as WalkPosition } from './hypercall-trace.ts';
import { HypercallWalk, type WalkDirection } from './hypercall-walk.ts';
import { type PendingHypercall, describeArguments } from './hypercall-text.ts';
import { LISTING_PREFIX, listingsOf } from './listing.ts';
import type { BreakpointPlace, BreakpointSpec, JsonObject, Stop, StopTest, VcpuNumber } from './types.ts';
import { WalkView, argumentRows } from './walk-view.ts';

type SpotSpec = Extract<BreakpointSpec, { readonly kind: 'line' | 'function' }>;

/** A breakpoint in a listing: on a line, or on the first line that a function comes to. */
interface Spot {
  readonly spec: SpotSpec;
  readonly accepts: (position: WalkPosition) => boolean;
}

interface Inside {
  readonly walk: HypercallWalk;
  readonly view: WalkView;
  readonly guest: Guest;
  readonly vm: Vm;
  readonly vcpu: VcpuNumber;
  /** Where the walk stands once the run has come to its stop: until then the state is that before the call. */
  goal: number;
}

/** What Xen is about to do for a guest: a hypercall or a fault. */
export interface WalkEntry {
  readonly guest: Guest;
  readonly vm: Vm;
  readonly vcpu: VcpuNumber;
  readonly name: string;
  /** Its arguments, decoded. */
  readonly args: () => JsonObject;
  /** Does it, the processor's own part included. */
  readonly work: () => void;
}

/** A hypercall as something to walk through. */
export function hypercallEntry(
  hypervisor: Hypervisor,
  guest: Guest,
  vm: Vm,
  vcpu: VcpuNumber,
  call: PendingHypercall,
): WalkEntry {
  const args = call.args.slice();
  return {
    guest,
    vm,
    vcpu,
    name: hypercallName(call.nr),
    args: () => describeArguments({ ...call, args }),
    work: () => {
      vm.skip();
      hypervisor.hypercall(vm.vcpu, call.nr, args);
    },
  };
}

/** The page fault at which the processor stands. */
export function faultEntry(hypervisor: Hypervisor, guest: Guest, vm: Vm, vcpu: VcpuNumber): WalkEntry {
  const { fault } = vm.mmu;
  const told = { ...fault };
  return {
    guest,
    vm,
    vcpu,
    name: 'page fault',
    args: () => ({}),
    work: () => {
      try {
        hypervisor.deliverPageFault(vm.vcpu);
      } finally {
        Object.assign(fault, told);
      }
    },
  };
}

export class Walks {
  private readonly hypervisor: Hypervisor;
  private readonly holds: ConditionTest;
  private inside: Inside | null = null;
  private spots: readonly Spot[] = [];

  constructor(hypervisor: Hypervisor, holds: ConditionTest) {
    this.hypervisor = hypervisor;
    this.holds = holds;
  }

  get isInside(): boolean {
    return this.inside !== null;
  }

  /** The vCPU that is inside a hypercall; null when none is. */
  get vcpu(): VcpuNumber | null {
    return this.inside?.vcpu ?? null;
  }

  /** Whether a hypercall can meet a breakpoint of a listing. */
  get hasSpots(): boolean {
    return this.spots.length > 0;
  }

  /** What is to be shown of the hypervisor for a vCPU; null when that is not inside a hypercall. */
  viewOf(vcpu: VcpuNumber): WalkView | null {
    return this.inside?.vcpu === vcpu ? this.inside.view : null;
  }

  // ---- beginning and ending ----------------------------------------------------------------------------------------------

  /**
   * Begins the walk through a hypercall that is about to be made; `settle` then goes to where it stands. Null when
   * nothing of it can be walked through, or no line of it has a breakpoint.
   */
  begin(
    entry: WalkEntry,
    where: 'first line' | 'last line' | 'first breakpoint' | 'last breakpoint',
  ): Stop | null {
    const walk = this.record(entry);
    if (walk === null) return null;
    const inside = this.enter(entry, walk);
    const last = walk.positions.length - 1;
    const { vcpu } = entry;
    let stop: Stop | null = { kind: 'step', vcpu, inXen: true };
    if (where === 'last line') walk.moveTo(last);
    if (where === 'first breakpoint') stop = this.spotStop(inside, 0) ?? this.goToSpot(inside, 'forward');
    if (where === 'last breakpoint') {
      walk.moveTo(last);
      stop = this.spotStop(inside, last) ?? this.goToSpot(inside, 'backward');
    }
    inside.goal = walk.at;
    walk.moveTo(0);
    if (stop === null) this.inside = null;
    return stop;
  }

  /** Begins the walk at its first line, if every line of it passes the test; else null, with nothing changed. */
  beginIfAll(entry: WalkEntry, test: (position: WalkPosition) => boolean): Stop | null {
    const stop = this.begin(entry, 'first line');
    if (stop !== null && this.inside?.walk.positions.every(test) === true) return stop;
    this.leave();
    return null;
  }

  /** The run has come to its stop: goes to the line at which the walk begins. */
  settle(): void {
    this.inside?.walk.moveTo(this.inside.goal);
  }

  /** Everything is as before the hypercall, and the session outside. */
  leave(): void {
    this.inside?.walk.leave();
    this.inside = null;
  }

  /** Runs the hypercall for its trace; all of it is taken back. */
  private record({ vm, work }: WalkEntry): HypercallWalk | null {
    const { pc } = vm;
    const walk = HypercallWalk.record(this.hypervisor, work);
    vm.pc = pc;
    return walk;
  }

  private enter({ guest, vm, vcpu, name, args }: WalkEntry, walk: HypercallWalk): Inside {
    const view = new WalkView(this.hypervisor, walk, name, argumentRows(args()));
    this.inside = { walk, view, guest, vm, vcpu, goal: 0 };
    return this.inside;
  }

  // ---- moving ------------------------------------------------------------------------------------------------------------

  /** Goes as the test says; null when that leads out: the walk is left then. */
  go(test: StopTest, direction: WalkDirection): Stop | null {
    const { inside } = this;
    if (inside === null) return null;
    const stop = test.kind === 'step' ? this.step(inside, test, direction) : this.goToSpot(inside, direction);
    if (stop === null) this.leave();
    return stop;
  }

  private step(
    inside: Inside,
    test: Extract<StopTest, { readonly kind: 'step' }>,
    direction: WalkDirection,
  ): Stop | null {
    const { walk, vcpu } = inside;
    if (test.vcpu !== vcpu) return null;
    const target = walk.target(test.how, direction);
    const spot = test.how === 'into' ? null : this.goToSpot(inside, direction, target);
    if (spot !== null) return spot;
    if (typeof target !== 'number') return null;
    walk.moveTo(target);
    return { kind: 'step', vcpu, inXen: true };
  }

  /** The nearest breakpoint before the walk comes to `until`; null, not moved, when there is none. */
  private goToSpot(
    inside: Inside,
    direction: WalkDirection,
    until: number | 'before' | 'after' = 'after',
  ): Stop | null {
    if (this.spots.length === 0) return null;
    const { walk } = inside;
    const origin = walk.at;
    for (;;) {
      const next = walk.find(direction, (position) => this.spotsAt(position).length > 0);
      if (typeof next !== 'number') break;
      if (typeof until === 'number' && (direction === 'forward' ? next >= until : next <= until)) break;
      walk.moveTo(next);
      const stop = this.spotStop(inside, next);
      if (stop !== null) return stop;
    }
    walk.moveTo(origin);
    return null;
  }

  /** The stop at a position, if the condition of a breakpoint there holds. */
  private spotStop({ walk, guest, vm, vcpu }: Inside, position: number): Stop | null {
    const here = walk.positions[position];
    if (here === undefined) return null;
    const values = dollarValues(walk);
    const met = this.spotsAt(here)
      .map(({ spec }) => ({ spec, answer: this.holds(spec.condition, { guest, vm, frame: 'user', values }) }))
      .filter(({ answer }) => answer !== false);
    if (met.length === 0) return null;
    const problems = met.flatMap(({ spec, answer }) =>
      typeof answer === 'string' ? [{ id: spec.id, condition: spec.condition ?? '', message: answer }] : [],
    );
    const ids = met.map(({ spec }) => spec.id);
    return { kind: 'breakpoint', vcpu, ids, inXen: true, ...(problems.length === 0 ? {} : { problems }) };
  }

  private spotsAt(position: WalkPosition): readonly Spot[] {
    return this.spots.filter(({ accepts }) => accepts(position));
  }

  // ---- breakpoints in listings -------------------------------------------------------------------------------------------

  /** Takes the breakpoints on lines of listings and on functions of Xen's; `places` is what the guests' text made of them. */
  setSpots(specs: readonly BreakpointSpec[], places: readonly BreakpointPlace[]): readonly BreakpointPlace[] {
    this.spots = [];
    return specs.map((spec, i) => {
      const place = places[i] ?? { id: spec.id, verified: false };
      if (spec.kind === 'line' && spec.file.startsWith(LISTING_PREFIX)) return this.setLine(spec);
      if (spec.kind !== 'function' || place.verified) return place;
      return this.setFunction(spec) ?? place;
    });
  }

  /** A breakpoint on a line of a listing, or on the line behind it at which one can stand. */
  private setLine(spec: Extract<BreakpointSpec, { readonly kind: 'line' }>): BreakpointPlace {
    const file = spec.file.slice(LISTING_PREFIX.length);
    const line = listingsOf(this.hypervisor.options.xen).standableLine(file, spec.line);
    if (line === null)
      return {
        id: spec.id,
        verified: false,
        message: `No line of Xen's can be stepped to from line ${spec.line} on.`,
      };
    const accepts = (position: WalkPosition) =>
      position.line === line && position.activation.fn.file === file;
    return this.add({ spec, accepts }, file, line);
  }

  /** A breakpoint on a function of Xen's; null when there is none of that name. */
  private setFunction(spec: Extract<BreakpointSpec, { readonly kind: 'function' }>): BreakpointPlace | null {
    const fn = listingsOf(this.hypervisor.options.xen).functionOf(spec.name);
    if (fn === undefined) return null;
    const accepts = ({ activation, isFirst }: WalkPosition) => isFirst && activation.fn === fn;
    return this.add({ spec, accepts }, fn.file, fn.head);
  }

  private add(spot: Spot, file: string, line: number): BreakpointPlace {
    this.spots = [...this.spots, spot];
    const place = {
      file: LISTING_PREFIX + file,
      line,
      column: 1,
      endLine: line,
      endColumn: 1,
      library: false,
    };
    return { id: spot.spec.id, verified: true, place };
  }
}

/** What conditions can use of the line at hand. */
function dollarValues(walk: HypercallWalk): DollarValues {
  const facts = { ...walk.here.activation.facts, ...walk.here.facts };
  const number = (name: string) => {
    const value = facts[name];
    return typeof value === 'number' ? BigInt(value) : undefined;
  };
  const pairs = [
    ['mfn', number('frame')],
    ['table', number('table')],
    ['level', number('level')],
    ['index', number('i')],
  ] as const;
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
}
