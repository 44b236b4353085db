/**
 * Which events stop a run: hypercall breakpoints before and after a call, and the exception filters. Everything here
 * is a question about the event at hand and changes nothing, so that it has one answer whichever way the cursor comes.
 */

import { audit } from '../hypervisor/audit.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { hypercallName } from '../hypervisor/hypercalls.ts';
import type { Vm } from '../guest-c/vm.ts';
import type { Mark } from '../state/store.ts';
import type { DomainId } from '../units.ts';
import { disagreementsIn, disagreementsSince } from './agreement.ts';
import type { BreakpointTable } from './breakpoints.ts';
import { type CallRequest, callRequests } from './call-values.ts';
import type { DollarValues } from './dollar-names.ts';
import type { Guest } from './guest.ts';
import { MAX_WATCHED_BYTES } from './watch-places.ts';
import type { DataHit, DataSpec } from './watches.ts';
import { type PendingHypercall, describeArguments } from './hypercall-text.ts';
import {
  type BreakpointSpec,
  type ConditionProblem,
  type Disagreement,
  type ExceptionFilters,
  type FaultRecord,
  type FilterName,
  type HypercallRecord,
  NO_FILTERS,
  type Stop,
} from './types.ts';

/** What a condition is asked about, beside the frame in which its C is read. */
export interface ConditionContext {
  readonly guest: Guest;
  readonly vm: Vm;
  /** Where names are looked up: at a hypercall in the user's own frame, not in the library's. */
  readonly frame: 'innermost' | 'user';
  readonly values: DollarValues;
  /** The broken rule, when a hypercall was refused. */
  readonly rule?: string;
}

/** Whether a condition holds; a text says why that cannot be told, and counts as a yes, so that its author sees it. */
export type ConditionTest = (condition: string | undefined, context: ConditionContext) => boolean | string;

/** A hypercall about to be made or just made. */
export interface HypercallEvent {
  readonly guest: Guest;
  readonly vm: Vm;
  readonly call: PendingHypercall;
  /** Null when nobody will ask. */
  readonly requests: readonly CallRequest[] | null;
}

/** Where a run may stop: in a guest, on a vCPU, and behind which hypercall, if it is one. */
export interface StoppingAt {
  readonly guest: Guest;
  readonly vm: Vm;
  readonly vcpu: number;
  readonly during: string | null;
}

const PAGE_FAULT = 14;
/** Ids below those of breakpoints: what the filters watch for themselves. */
const FIRST_P2M_ID = -1;

export class EventStops {
  filters: ExceptionFilters = { ...NO_FILTERS, refused: true, crashed: true };
  private readonly hypervisor: Hypervisor;
  private readonly breakpoints: BreakpointTable;
  private readonly holds: ConditionTest;
  /** The number of a domain's first vCPU; null when the domain runs no script. */
  private readonly vcpuOf: (domain: DomainId) => number | null;

  constructor(
    hypervisor: Hypervisor,
    breakpoints: BreakpointTable,
    holds: ConditionTest,
    vcpuOf: (domain: DomainId) => number | null,
  ) {
    this.hypervisor = hypervisor;
    this.vcpuOf = vcpuOf;
    this.breakpoints = breakpoints;
    this.holds = holds;
  }

  /** The requests of a call, when a breakpoint or a filter will ask about them. */
  requestsOf(call: PendingHypercall): readonly CallRequest[] | null {
    const { refused, silent } = this.filters;
    const isAsked =
      this.breakpoints.watchesHypercalls || typeof refused === 'object' || typeof silent === 'object';
    return isAsked ? callRequests(this.hypervisor.machine, call) : null;
  }

  /** The breakpoint stop in front of a call. */
  beforeHypercall(event: HypercallEvent, vcpu: number): Stop | null {
    const met = this.meeting(event, 'before', null);
    if (met.ids.length === 0) return null;
    const { call } = event;
    const told = { name: hypercallName(call.nr), args: describeArguments(call), returned: null };
    return { kind: 'hypercall', vcpu, ...met, ...told };
  }

  /** Where the journal stands before a call, if somebody will ask what the call has changed. */
  markBeforeHypercall(): Mark | null {
    return this.filters.disagree === false ? null : this.hypervisor.machine.store.mark();
  }

  /** The stop behind a call; `mark` is that of `markBeforeHypercall`. */
  afterHypercall(
    event: HypercallEvent,
    vcpu: number,
    record: HypercallRecord,
    mark: Mark | null,
  ): Stop | null {
    const met = this.meeting(event, 'after', record);
    if (met.ids.length > 0)
      return { kind: 'hypercall', vcpu, ...met, name: record.name, args: record.args, returned: record };
    return this.refused(event, vcpu, record) ?? this.disagreeing(event, vcpu, mark) ?? this.audited(vcpu);
  }

  /** The stop at a trap that Xen has delivered. */
  afterFault(guest: Guest, vm: Vm, vcpu: number, record: FaultRecord): Stop | null {
    const filter = record.vector === PAGE_FAULT ? 'fault' : 'trap';
    if (this.filters[filter] === false) return null;
    const values: DollarValues = {
      vector: BigInt(record.vector),
      ...(record.errorCode === null ? {} : { error: BigInt(record.errorCode) }),
      ...(record.cr2 === null ? {} : { va: BigInt(record.cr2) }),
    };
    const told = this.asks(filter, [{ guest, vm, frame: 'user', values }]);
    return told === null ? null : { kind: 'fault', vcpu, record, ...told };
  }

  /** The line and function breakpoints of a place whose conditions hold. */
  atPlace(specs: readonly BreakpointSpec[], guest: Guest, vm: Vm): Met {
    const context = { guest, vm, frame: 'innermost', values: {} } as const;
    return metOf(specs.map((spec) => ({ spec, answer: this.holds(spec.condition, context) })));
  }

  /** The stop at what data breakpoints have met, with those whose condition holds; `during` names a hypercall. */
  dataStop(met: readonly DataHit[], at: StoppingAt): Stop | null {
    const { guest, vm, vcpu, during } = at;
    const answers = met.flatMap((hit) => {
      const spec = this.breakpoints.data.find(({ id }) => id === hit.id);
      if (spec === undefined) return [];
      const values: DollarValues = { old: hit.oldValue, new: hit.newValue, ...frameOf(hit) };
      const answer = this.holds(spec.condition, { guest, vm, frame: 'innermost', values });
      return [{ hit, spec, answer, values }];
    });
    const holding = metOf(answers);
    if (holding.ids.length === 0) return this.p2mStored(met, at);
    const hits = answers.filter(({ answer }) => answer !== false).map(({ hit }) => hit);
    return { kind: 'data', vcpu, ...holding, hits, during };
  }

  /** What has to be watched for the filters: each domain's P2M. */
  p2mSpecs(): readonly DataSpec[] {
    const { filters, hypervisor } = this;
    if (filters.disagree === false) return [];
    return hypervisor.machine.domains.flatMap(({ id, layout, nrPages, abi }, i): DataSpec[] => {
      const vcpu = this.vcpuOf(id);
      if (layout === null || vcpu === null) return [];
      const bytes = Math.min(nrPages * abi.wordBytes, MAX_WATCHED_BYTES);
      const place = {
        kind: 'bytes',
        space: 'va',
        vcpu,
        address: layout.p2mList,
        bytes,
        shown: 'hex',
      } as const;
      return [{ kind: 'data', id: FIRST_P2M_ID - i, place, access: 'change' }];
    });
  }

  /** The stop at a store to a P2M after which it and the M2P disagree. */
  private p2mStored(met: readonly DataHit[], at: StoppingAt): Stop | null {
    const found = met.flatMap(({ id, place }) =>
      id <= FIRST_P2M_ID && place.kind === 'bytes'
        ? disagreementsIn(this.hypervisor.machine, at.vm.vcpu, place.address, place.bytes)
        : [],
    );
    return this.disagreement(at, found);
  }

  private refused(event: HypercallEvent, vcpu: number, record: HypercallRecord): Stop | null {
    const { refusal } = record;
    if (refusal === null) return null;
    const contexts = this.contexts(event, event.requests ?? [], record);
    const told = this.asks('refused', contexts) ?? (refusal.isPrinted ? null : this.asks('silent', contexts));
    return told === null ? null : { kind: 'refused', vcpu, record, ...told };
  }

  private disagreeing({ guest, vm, call }: HypercallEvent, vcpu: number, mark: Mark | null): Stop | null {
    if (mark === null) return null;
    const { machine } = this.hypervisor;
    const found = disagreementsSince(machine, machine.domains, mark);
    return this.disagreement({ guest, vm, vcpu, during: hypercallName(call.nr) }, found);
  }

  private disagreement({ guest, vm, vcpu, during }: StoppingAt, found: readonly Disagreement[]): Stop | null {
    const contexts = found.map((one) => ({
      guest,
      vm,
      frame: 'user' as const,
      values: { pfn: BigInt(one.pfn), mfn: BigInt(one.mfn) },
    }));
    const told = found.length === 0 ? null : this.asks('disagree', contexts);
    return told === null ? null : { kind: 'disagreement', vcpu, entries: found, during, ...told };
  }

  private audited(vcpu: number): Stop | null {
    if (this.filters.audit === false) return null;
    const messages = audit(this.hypervisor).map(({ message }) => message);
    return messages.length === 0 ? null : { kind: 'audit', vcpu, messages };
  }

  /** Whether a filter is on and its condition, if it has one, holds in one of the contexts. */
  private asks(filter: FilterName, contexts: readonly ConditionContext[]): Troubled | null {
    const setting = this.filters[filter];
    if (typeof setting === 'boolean') return setting ? {} : null;
    const answers = contexts.map((context) => this.holds(ruleOrCondition(setting.condition), context));
    if (answers.includes(true)) return {};
    const problem = answers.find((answer) => typeof answer === 'string');
    return problem === undefined
      ? null
      : { problems: [{ id: 0, condition: setting.condition, message: problem }] };
  }

  /** The breakpoints that a call meets: a request that their pattern names must hold their condition. */
  private meeting(event: HypercallEvent, when: 'before' | 'after', record: HypercallRecord | null): Met {
    const { guest, vm, call, requests } = event;
    // Start-up code of the library makes hypercalls of its own: nobody's breakpoint means those.
    if (requests === null || guest.userPlace(vm) === null) return NONE_MET;
    const found = this.breakpoints.matching(hypercallName(call.nr), requests, when);
    return metOf(
      found.map(({ spec, requests: named }) => {
        const contexts = this.contexts(event, named, record);
        const answers = contexts.map((one) => this.holds(spec.condition, one));
        const problem = answers.find((answer) => typeof answer === 'string') ?? false;
        const { values } = contexts[answers.indexOf(true)] ?? {};
        return {
          spec,
          answer: answers.includes(true) || problem,
          ...(values === undefined ? {} : { values }),
        };
      }),
    );
  }

  private contexts(
    { guest, vm }: HypercallEvent,
    requests: readonly CallRequest[],
    record: HypercallRecord | null,
  ): ConditionContext[] {
    const rule = record?.refusal?.rule;
    const after: DollarValues = record === null ? {} : resultValues(record);
    const values = requests.length === 0 ? [{}] : requests.map((request) => request.values);
    return values.map((own) => ({
      guest,
      vm,
      frame: 'user' as const,
      values: { ...own, ...after },
      ...(rule === undefined ? {} : { rule }),
    }));
  }
}

/** Whether a stop stands in the library at a hypercall, so that the user's own frame is the one to show. */
export const standsAtCall = (stop: { readonly kind: string; readonly during?: string | null }): boolean =>
  stop.kind === 'hypercall' ||
  stop.kind === 'refused' ||
  stop.kind === 'audit' ||
  typeof stop.during === 'string';

/** Breakpoints that a place or event meets. */
export interface Met extends Troubled {
  readonly ids: readonly number[];
  readonly values?: DollarValues;
}

interface Troubled {
  readonly problems?: readonly ConditionProblem[];
}

const NONE_MET: Met = { ids: [] };

/** What a breakpoint's condition says of a place or event, and the values that it was asked about. */
interface Answered {
  readonly spec: BreakpointSpec;
  readonly answer: boolean | string;
  readonly values?: DollarValues;
}

function metOf(answers: readonly Answered[]): Met {
  const met = answers.filter(({ answer }) => answer !== false);
  const problems = met.flatMap(({ spec: { id, condition = '' }, answer }) =>
    typeof answer === 'string' ? [{ id, condition, message: answer }] : [],
  );
  const values = met.find((one) => one.values !== undefined)?.values;
  return {
    ids: met.map(({ spec }) => spec.id),
    ...(problems.length === 0 ? {} : { problems }),
    ...(values === undefined ? {} : { values }),
  };
}

function resultValues({ rc, done }: HypercallRecord): DollarValues {
  return { rc: BigInt(rc), ...(done === null ? {} : { done: BigInt(done) }) };
}

const frameOf = ({ place }: DataHit): DollarValues =>
  place.kind === 'frame' ? { mfn: BigInt(place.mfn) } : {};

/** A filter's condition may be the pattern of a rule alone: `mmuext.*`. */
function ruleOrCondition(condition: string): string {
  return /^\s*[a-z][\w-]*\.[\w*.-]+\s*$|^\s*[\w.-]*\*[\w*.-]*\s*$/.test(condition)
    ? `$rule == "${condition.trim()}"`
    : condition;
}
