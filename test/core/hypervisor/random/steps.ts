/** What a careless guest may do, as fast-check arbitraries: mostly plausible, often wrong, sometimes hostile. */

import fc from 'fast-check';

/** Pages of its own that the guest works on; indexes from here on name special frames (careless.ts). */
export const PAGES = 8;
export const SPECIAL_FRAMES = 8;

export type Step =
  | { kind: 'update'; table: number; slot: number; target: number; flags: number; command: number }
  | { kind: 'vaMapping'; page: number; target: number; flags: number; flush: number }
  | { kind: 'mmuext'; command: number; target: number; second: number }
  | { kind: 'memory'; command: 0 | 1 | 6; target: number }
  | { kind: 'store'; page: number; slot: number; target: number; flags: number; width: 1 | 2 | 4 | 8 }
  | { kind: 'exchange'; page: number; slot: number; target: number; flags: number; hits: boolean }
  | { kind: 'table'; page: number; level: number }
  | { kind: 'root'; target: number; slot: number }
  | { kind: 'gdt'; targets: readonly number[] }
  | { kind: 'descriptor'; target: number; index: number; descriptor: bigint }
  | { kind: 'ldt'; page: number; entries: number }
  | { kind: 'segment'; selector: number }
  | { kind: 'assist'; command: 0 | 1; type: number }
  | { kind: 'hostile'; nr: number; args: readonly number[] };

/** Arguments that hostile calls are made of, by index; see careless.ts for the values. */
export const HOSTILE_VALUES = 16;

const target = fc.oneof(
  { weight: 8, arbitrary: fc.nat(PAGES - 1) },
  { weight: 1, arbitrary: fc.integer({ min: PAGES, max: PAGES + SPECIAL_FRAMES - 1 }) },
);
const page = fc.nat(PAGES - 1);
const flags = fc.constantFrom(0x67, 0x63, 0x61, 0x65, 0x21, 0x27, 0x1, 0x0, 0xe7, 0x167, 0x77, 0x227);
const slot = fc.oneof(fc.nat(3), fc.constantFrom(255, 256, 258, 271, 272, 300, 428, 511));
const descriptor = fc.constantFrom(
  0n,
  0x00cf_9200_0000_ffffn,
  0x00cf_9a00_0000_ffffn,
  0x00af_9a00_0000_ffffn,
  0x0000_8900_0000_0067n,
  0x0000_8c00_0010_1234n,
  0x0000_8c00_e008_1234n,
);

/** Every hypercall but those that end the run at once: iret, sched_op (shutdown), and its older form. */
const hostileNumber = fc.integer({ min: 0, max: 42 }).filter((nr) => nr !== 23 && nr !== 29 && nr !== 6);

const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });
const kind = <K extends Step['kind']>(name: K) => fc.constant(name);

export const step: fc.Arbitrary<Step> = fc.oneof(
  weighted(
    6,
    fc.record({
      kind: kind('update'),
      table: target,
      slot,
      target,
      flags,
      command: fc.constantFrom(0, 0, 0, 2, 3, 1, 4),
    }),
  ),
  weighted(
    5,
    fc.record({ kind: kind('vaMapping'), page, target, flags, flush: fc.constantFrom(0, 1, 2, 6) }),
  ),
  weighted(
    5,
    fc.record({
      kind: kind('mmuext'),
      command: fc.constantFrom(0, 1, 2, 3, 4, 4, 5, 6, 10, 13, 15, 16, 17, 14),
      target,
      second: target,
    }),
  ),
  weighted(1, fc.record({ kind: kind('memory'), command: fc.constantFrom(0, 1, 6), target })),
  weighted(
    4,
    fc.record({
      kind: kind('store'),
      page,
      slot: fc.nat(3),
      target,
      flags,
      width: fc.constantFrom(8, 8, 8, 4, 2, 1),
    }),
  ),
  weighted(
    1,
    fc.record({ kind: kind('exchange'), page, slot: fc.nat(3), target, flags, hits: fc.boolean() }),
  ),
  weighted(2, fc.record({ kind: kind('table'), page, level: fc.constantFrom(1, 1, 2, 3, 4) })),
  weighted(1, fc.record({ kind: kind('root'), target, slot })),
  weighted(1, fc.record({ kind: kind('gdt'), targets: fc.array(target, { maxLength: 3 }) })),
  weighted(1, fc.record({ kind: kind('descriptor'), target, index: fc.nat(3), descriptor })),
  weighted(1, fc.record({ kind: kind('ldt'), page, entries: fc.constantFrom(0, 4, 512, 1024, 9000) })),
  weighted(
    1,
    fc.record({ kind: kind('segment'), selector: fc.constantFrom(0, 0x7, 0xb, 0xf, 0x17, 0xe02b, 0xe00b) }),
  ),
  weighted(
    1,
    fc.record({
      kind: kind('assist'),
      command: fc.constantFrom(0, 0, 1),
      type: fc.constantFrom(0, 2, 2, 3, 5, 32),
    }),
  ),
  weighted(
    1,
    fc.record({
      kind: kind('hostile'),
      nr: hostileNumber,
      args: fc.array(fc.nat(HOSTILE_VALUES - 1), { minLength: 5, maxLength: 5 }),
    }),
  ),
);
