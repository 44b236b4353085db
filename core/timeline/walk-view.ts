/** What a debugger shows while it stands inside a hypercall: the hypervisor's frames, their operands, frames' states. */

import { describeError, errnoName } from '../hypervisor/errno.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import type { Facts } from '../hypervisor/refusal.ts';
import { errnoOf, ruleOf } from '../hypervisor/rules.ts';
import { FrameFlag, PAGE_TYPE_NAMES } from '../machine/frames.ts';
import { entryFrame } from '../pte.ts';
import { type Mfn, formatFrame, highWord, lowWord } from '../units.ts';
import type { Activation, Position } from './hypercall-trace.ts';
import type { HypercallWalk } from './hypercall-walk.ts';
import { type Operand, operandsOf } from './operands.ts';
import { describeChanges, ownerText } from './walk-changes.ts';

/** A frame of the hypervisor's in the stack. */
export interface XenFrame {
  /** Place in the stack; 0 is the innermost. */
  readonly index: number;
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** A row of a scope; `children` open it. */
export interface XenRow {
  readonly name: string;
  readonly text: string;
  readonly entry?: bigint;
  readonly mfn?: Mfn;
  readonly children?: readonly XenRow[];
}

export interface XenScope {
  readonly name: 'Operands' | 'Frames' | 'Changes';
  /** Made when they are looked at: in a long hypercall they take a while. */
  readonly rows: () => readonly XenRow[];
}

export class WalkView {
  private readonly hypervisor: Hypervisor;
  private readonly walk: HypercallWalk;
  /** Name of the hypercall. */
  readonly name: string;
  /** The arguments of the hypercall itself, decoded. */
  private readonly args: readonly XenRow[];

  constructor(hypervisor: Hypervisor, walk: HypercallWalk, name: string, args: readonly XenRow[]) {
    this.hypervisor = hypervisor;
    this.walk = walk;
    this.name = name;
    this.args = args;
  }

  frames(): readonly XenFrame[] {
    return this.walk.frames().map(({ activation, line }, index) => ({
      index,
      name: activation.fn.name,
      file: activation.fn.file,
      line,
    }));
  }

  scopes(index: number): readonly XenScope[] {
    const activation = this.walk.frames()[index]?.activation;
    if (activation === undefined) return [];
    const line = index === 0 ? this.lineRows() : [];
    return [
      { name: 'Operands', rows: () => [...line, ...this.operandRows(activation)] },
      { name: 'Frames', rows: () => this.frameRows(activation) },
      { name: 'Changes', rows: () => this.changeRows() },
    ];
  }

  /** An operand, frame or change by its name, for the debug console and hovers. */
  named(index: number, name: string): XenRow | undefined {
    for (const { rows } of this.scopes(index)) {
      const found = rows().find((row) => row.name === name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** What the line at which it stands will do. */
  private lineRows(): readonly XenRow[] {
    const { check, result } = this.walk.here;
    if (check !== null) return [{ name: `check ${check.rule}`, text: this.checkText(this.walk.here) }];
    if (result === undefined || result === null) return [];
    return [{ name: 'returns', text: resultText(result) }];
  }

  private checkText({ check, facts }: Position): string {
    if (check === null) return '';
    if (check.outcome === 'met') return 'is kept';
    const errno = errnoOf(check.rule, this.hypervisor.options.xen);
    const { refusal } = this.walk;
    const isTold = refusal?.rule === check.rule;
    const sentence = isTold ? refusal.message : filled(ruleOf(check.rule).sentence, facts ?? {});
    return `is broken${errno === null ? '' : `, ${describeError(errno)}`}: ${sentence}`;
  }

  /** Operands and what lines have told since, and by how much the present line changes them. */
  private operandRows(activation: Activation): readonly XenRow[] {
    const own = this.factsOf(activation);
    const told = new Map(operandsOf(own.before).map((operand) => [operand.name, operand]));
    const rows: XenRow[] = activation.parent === null ? [...this.args] : [];
    for (const operand of operandsOf({ ...own.before, ...own.line })) {
      const was = told.get(operand.name);
      rows.push(operandRow(operand, was === undefined || was.text === operand.text ? null : was.text));
    }
    return rows;
  }

  private factsOf(activation: Activation): { readonly before: Facts; readonly line: Facts } {
    const { positions, at } = this.walk;
    let before: Facts = activation.facts;
    for (let i = 0; i < at; i++) {
      const position = positions[i];
      if (position?.activation === activation && position.facts !== null)
        before = { ...before, ...position.facts };
    }
    const { here } = this.walk;
    return { before, line: here.activation === activation ? (here.facts ?? {}) : {} };
  }

  /** The state of each frame that an operand names: before the call, now, after it. */
  private frameRows(activation: Activation): readonly XenRow[] {
    const { before, line } = this.factsOf(activation);
    const mfns = new Set<Mfn>();
    for (const { frame, entry, name } of operandsOf({ ...before, ...line })) {
      if (frame !== null) mfns.add(frame);
      else if (entry !== null && (entry & 1n) !== 0n && name !== 'oldEntry')
        mfns.add(entryFrame(lowWord(entry), highWord(entry)));
    }
    const { walk } = this;
    const known = [...mfns].filter((frame) => this.hypervisor.frames.has(frame));
    const look = () => known.map((frame) => this.stateOf(frame));
    const [olds, nows, ends] = [walk.peek(0, look), look(), walk.peek(walk.positions.length, look)];
    return known.map((frame, i) => {
      const [old, now, end] = [olds[i] ?? {}, nows[i] ?? {}, ends[i] ?? {}];
      const fields = Object.keys(now).map((name) => ({
        name,
        text: beforeNowAfter(old[name] ?? '', now[name] ?? '', end[name] ?? ''),
      }));
      const text = `${now['type']}, type count ${now['type count']}, references ${now['reference count']}`;
      return { name: `mfn ${formatFrame(frame)}`, text, mfn: frame, children: fields };
    });
  }

  private stateOf(frame: Mfn): Readonly<Record<string, string>> {
    const { frames } = this.hypervisor;
    const has = (flag: number) => (frames.hasFlag(frame, flag) ? 'yes' : 'no');
    return {
      owner: ownerText(frames.owner.get(frame)),
      type: PAGE_TYPE_NAMES[frames.type.get(frame)] ?? 'none',
      'type count': String(frames.typeCount.get(frame)),
      'reference count': String(frames.refCount.get(frame)),
      pinned: has(FrameFlag.pinned),
      validated: has(FrameFlag.validated),
    };
  }

  private changeRows(): readonly XenRow[] {
    const { walk, hypervisor } = this;
    const group = (name: string, from: number, to: number): XenRow => {
      const children = describeChanges(hypervisor, walk, from, to);
      const text = children.length === 0 ? 'nothing' : children.map((each) => each.name).join(', ');
      return { name, text: text.length > 100 ? `${text.slice(0, 100)}...` : text, children };
    };
    return [group('this line', walk.at, walk.at + 1), group('so far', 0, walk.at)];
  }
}

function resultText(result: number): string {
  const name = errnoName(result);
  return name === null ? String(result) : `${result} (${describeError(name)})`;
}

function operandRow({ name, text, frame, entry }: Operand, was: string | null): XenRow {
  return {
    name,
    text: was === null ? text : `${was} → ${text}`,
    ...(frame === null ? {} : { mfn: frame }),
    ...(entry === null ? {} : { entry }),
  };
}

/** `0 → 1`, and what it will be at the end where that is something else. */
function beforeNowAfter(old: string, now: string, end: string): string {
  const soFar = old === now ? now : `${old} → ${now}`;
  return end === now ? soFar : `${soFar} (at the end: ${end})`;
}

/** A rule's sentence with the facts at hand. */
function filled(sentence: string, facts: Facts): string {
  const told = new Map(operandsOf(facts).map(({ name, text }) => [name, text.replace(/^mfn /, '')]));
  return sentence.replace(/\{(\w+)\}/g, (_, name: string) => told.get(name) ?? name);
}

/** Decoded arguments as rows. */
export function argumentRows(args: unknown): readonly XenRow[] {
  if (typeof args !== 'object' || args === null) return [];
  return Object.entries(args as Record<string, unknown>).map(([name, value]) => {
    if (typeof value !== 'object' || value === null) return { name, text: String(value) };
    const children = argumentRows(value);
    const text = Array.isArray(value)
      ? `[${value.length}]`
      : children.map((row) => `${row.name} ${row.text}`).join(', ');
    return { name, text, children };
  });
}
