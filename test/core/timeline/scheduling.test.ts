/** Whose turn it is: a vCPU runs until it blocks, yields, ends its domain or has had its quantum; always the same way. */

import { describe, expect, it } from 'vitest';
import { Session } from '../../../core/timeline/session.ts';
import { NO_FILTERS } from '../../../core/timeline/types.ts';
import { go, host } from './scripts.ts';

/** Statements of a turn. */
const QUANTUM = 10_000;
const XEN_VERSION = 'xen_version';

/** The domains in the order in which they made their xen_version calls, each turn once, and how the run ended. */
function turns(texts: readonly string[]) {
  const programs = texts.map((text, i) => ({ path: `s${i + 1}.guest.c`, text }));
  const creation = Session.create({ programs, host, maxStatements: 2_000_000 });
  if (creation.kind !== 'session') throw new Error(JSON.stringify(creation));
  const { session } = creation;
  session.setFilters(NO_FILTERS);
  go(session);
  const calls = session.hypercallLog.filter(({ name }) => name === XEN_VERSION).map(({ domain }) => domain);
  return {
    calls,
    turns: calls.filter((domain, i) => domain !== calls[i - 1]),
    exit: session.exit,
  };
}

const tell = `static void tell(void) { HYPERVISOR_xen_version(XENVER_version, NULL); }\n`;
const main = (body: string): string => `${tell}int main(void) {\n${body}\nreturn 0;\n}\n`;
/** Some thousand statements, then a sign of life, again and again. */
const BUSY = main(`
  for (int round = 0; round < 12; round++) {
    for (int i = 0; i < 2000; i++)
      ;
    tell();
  }`);

describe('the turn passes on', () => {
  it('when a quantum is over', () => {
    const { calls, turns: order, exit } = turns([BUSY, BUSY]);
    expect(exit?.kind).toBe('finished');
    expect(calls.filter((domain) => domain === 1)).toHaveLength(12);
    expect(order.length).toBeGreaterThan(4);
    expect(order).toEqual(order.map((_, i) => (i % 2) + 1));
    const longest = Math.max(...runLengths(calls));
    expect(longest * 2000).toBeLessThanOrEqual(QUANTUM);
  });

  it('when a vCPU yields', () => {
    const polite = main(`
      for (int i = 0; i < 3; i++) {
        tell();
        HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
      }`);
    expect(turns([polite, polite, polite]).calls).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3]);
  });

  it('when a vCPU blocks, and not back to it', () => {
    const blocks = main('tell(); HYPERVISOR_sched_op(SCHEDOP_block, NULL); tell();');
    const talks = main('tell(); tell();');
    const { calls, exit } = turns([blocks, talks]);
    expect(calls).toEqual([1, 2, 2]);
    expect(exit).toMatchObject({ kind: 'limit', status: 4 });
    expect(exit?.reason).toMatch(/every vCPU of d1 waits for an event/);
  });

  it('when a domain shuts down', () => {
    const ends = main(
      'struct sched_shutdown s = { .reason = SHUTDOWN_poweroff }; tell(); HYPERVISOR_sched_op(SCHEDOP_shutdown, &s); tell();',
    );
    expect(turns([ends, main('tell();')]).calls).toEqual([1, 2]);
  });

  it('the same way each time', () => {
    const scripts = [BUSY, main('tell(); HYPERVISOR_sched_op(SCHEDOP_yield, NULL); tell();'), BUSY];
    expect(turns(scripts)).toEqual(turns(scripts));
  });
});

/** How often each entry follows itself, in order. */
function runLengths(values: readonly number[]): number[] {
  const lengths: number[] = [];
  values.forEach((value, i) => {
    if (value === values[i - 1]) lengths[lengths.length - 1] = (lengths.at(-1) ?? 0) + 1;
    else lengths.push(1);
  });
  return lengths;
}
