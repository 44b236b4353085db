/** Event upcalls, several vCPUs and several domains, as scripts see them. */

import { describe, expect, it } from 'vitest';
import { Session } from '../../../core/timeline/session.ts';
import { NO_FILTERS } from '../../../core/timeline/types.ts';
import { go, host, ran, sessionOf } from './scripts.ts';

const ABIS = ['x86_64', 'x86_32p', 'x86_32'] as const;

/** Scripts that run together, a domain each, to their end. */
function together(texts: readonly string[], abi: string): Session {
  const programs = texts.map((text, i) => ({ path: `s${i + 1}.guest.c`, text }));
  const creation = Session.create({ programs, host, abi, maxStatements: 5_000_000 });
  if (creation.kind !== 'session') throw new Error(JSON.stringify(creation));
  const { session } = creation;
  session.setFilters(NO_FILTERS);
  go(session);
  return session;
}

const IPI = `
  static int bind_ipi(unsigned int vcpu) {
    struct evtchn_bind_ipi op = { .vcpu = vcpu };
    return HYPERVISOR_event_channel_op(EVTCHNOP_bind_ipi, &op) != 0 ? -1 : (int)op.port;
  }
`;

describe.each(ABIS)('events on %s', (abi) => {
  it('a handler runs at the end of the hypercall that raised the event, and the code goes on as it was', () => {
    const session = ran(
      `${IPI}
      static volatile int seen;
      static void handler(evtchn_port_t port, struct cpu_user_regs *regs) { seen += port; }
      int main(void) {
        int port, before, rc;
        init_events();
        port = bind_ipi(0);
        bind_evtchn(port, handler);
        before = 41;
        rc = notify_remote_via_evtchn(port);
        printk("%d %d %d\\n", before + 1, rc, seen == port);
        disable_events();
        notify_remote_via_evtchn(port);
        printk("%d\\n", seen == port);
        enable_events();
        printk("%d\\n", seen == 2 * port);
        return 0;
      }`,
      { abi },
    );
    expect(session.console).toEqual(['42 0 1', '1', '1']);
    expect(session.exit).toMatchObject({ status: 0 });
    expect(session.audit()).toEqual([]);
  });

  it('an event without a callback ends the domain', () => {
    const session = ran(
      `${IPI}
      int main(void) {
        int port = bind_ipi(0);
        enable_events();
        notify_remote_via_evtchn(port);
        return 0;
      }`,
      { abi },
    );
    expect(session.exit).toMatchObject({ kind: 'crashed' });
    expect(session.exit?.reason).toContain('no event callback is installed');
  });

  it('a second vCPU runs in turn with the first, and both see one memory', () => {
    const session = ran(
      `static volatile int turn;
      static vcpu_guest_context_t context;
      static void second(void) {
        while (turn != 1) ;
        turn = 2;
        stop_vcpu(1);
      }
      int main(void) {
        unsigned long stack = alloc_page() + PAGE_SIZE;
        if (start_vcpu(1, second, stack, &context) != 0) return 1;
        turn = 1;
        while (turn != 2) ;
        while (HYPERVISOR_vcpu_op(VCPUOP_is_up, 1, NULL)) HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
        return 0;
      }`,
      { abi },
    );
    expect(session.exit).toMatchObject({ status: 0 });
    expect(session.vcpus().map(({ domain, index }) => [domain, index])).toEqual([
      [1, 0],
      [1, 1],
    ]);
    expect(session.audit()).toEqual([]);
  });

  it('a second vCPU keeps a stale translation until its TLB is flushed', () => {
    const session = ran(
      `static volatile int step;
      static volatile unsigned long *page;
      static vcpu_guest_context_t context;
      static void second(void) {
        page[0] = 1;
        step = 1;
        while (step != 2) ;
        page[0] = 2;  /* through the translation that the TLB still holds */
        step = 3;
        stop_vcpu(1);
      }
      int main(void) {
        unsigned long va = alloc_page(), other = alloc_page();
        unsigned long stack = alloc_page() + PAGE_SIZE;
        volatile unsigned long *alias = (volatile unsigned long *)other;
        HYPERVISOR_update_va_mapping(other, mfn_to_pte(virt_to_mfn(va), L1_PROT), UVMF_INVLPG);
        page = (volatile unsigned long *)va;
        if (start_vcpu(1, second, stack, &context) != 0) return 1;
        while (step != 1) ;
        HYPERVISOR_update_va_mapping(va, 0, UVMF_INVLPG | UVMF_LOCAL);
        step = 2;
        while (step != 3) ;
        printk("%lu\\n", alias[0]);
        return 0;
      }`,
      { abi },
    );
    expect(session.console).toEqual(['2']);
    expect(session.exit).toMatchObject({ status: 0 });
  });

  it('two domains wake each other, turn by turn', () => {
    const script = (peer: number, offers: boolean) => `
      static volatile int count;
      static void handler(evtchn_port_t port, struct cpu_user_regs *regs) { count++; }
      int main(void) {
        int port;
        init_events();
        port = ${offers ? `evtchn_alloc_unbound(${peer})` : `evtchn_bind_interdomain(${peer}, 3)`};
        if (port < 0) return 1;
        bind_evtchn(port, handler);
        count = 0;
        for (int i = 1; i <= 5; i++) {
          ${offers ? '' : 'notify_remote_via_evtchn(port);'}
          wait_event(count >= i);
          ${offers ? 'notify_remote_via_evtchn(port);' : ''}
        }
        printk("%d events\\n", count);
        return 0;
      }`;
    const session = together([script(2, true), script(1, false)], abi);
    expect(session.exit).toMatchObject({ status: 0 });
    expect([...session.console].sort()).toEqual([
      '(d1) 5 events',
      expect.stringMatching(/^\(d2\) [56] events$/),
    ]);
    expect(session.audit()).toEqual([]);
  });

  it('a poll with a timeout ends when nobody else has anything to do; without one it is for ever', () => {
    const poll = (timeout: number) =>
      ran(
        `${IPI}
        int main(void) {
          evtchn_port_t port = bind_ipi(0);
          struct sched_poll arg = { .nr_ports = 1, .timeout = ${timeout} };
          set_xen_guest_handle(arg.ports, &port);
          return HYPERVISOR_sched_op(SCHEDOP_poll, &arg);
        }`,
        { abi },
      );
    expect(poll(1000).exit).toMatchObject({ status: 0 });
    expect(poll(0).exit).toMatchObject({ kind: 'limit' });
  });
});

describe('a step over a hypercall', () => {
  it('does not stop in the event handler that runs meanwhile', () => {
    const session = sessionOf(
      `${IPI}
      static volatile int seen;
      static void handler(evtchn_port_t port, struct cpu_user_regs *regs) { seen++; }
      int main(void) {
        int port;
        init_events();
        port = bind_ipi(0);
        bind_evtchn(port, handler);
        notify_remote_via_evtchn(port);
        return seen - 1;
      }`,
    );
    session.runToEntry(100_000);
    for (let i = 0; i < 4; i++) go(session, { kind: 'step', vcpu: 0, how: 'over' });
    expect(session.stack(0)[0]?.name).toBe('main');
    go(session);
    expect(session.exit).toMatchObject({ status: 0 });
  });
});
