/**
 * Random operations that reach deep states: tables of all levels are built out of a small pool of pages, linked,
 * pinned, made recursive, loaded as roots, granted, given back, exchanged and taken again. What is chosen depends on the
 * states that the pages have, so that most operations are nearly right, and some are wrong in every way that has a name.
 */

import type { Operation } from '../../../adapter/conformance/operations.ts';
import type { Outcome } from '../../../adapter/conformance/runner.ts';
import type { Random } from '../random.ts';
import { otherOperations } from './calls.ts';
import { Context, type Family, type Glance, type Kind } from './context.ts';
import { grantOperations } from './grants.ts';
import { memoryOperations } from './memory.ts';
import { tableOperations } from './tables.ts';

export { POOL, type Glance } from './context.ts';

/** Moods change now and then: what is often done and what never, so that some states build up. */
const MOODS = [0, 1, 2, 2, 4] as const;
const MOOD_OPERATIONS = 300;

export class Generator {
  private readonly context: Context;
  private readonly families: readonly Family[];
  private kinds: readonly Kind[] = [];
  private made = 0;

  constructor(random: Random, glance: Glance) {
    this.context = new Context(random, glance);
    this.families = [tableOperations, memoryOperations, grantOperations, otherOperations].map((family) =>
      family(this.context),
    );
  }

  next(): Operation {
    if (this.made++ % MOOD_OPERATIONS === 0) this.changeMood();
    return this.context.nextQueued() ?? this.context.random.weighted(this.kinds)();
  }

  private changeMood(): void {
    const { random } = this.context;
    this.kinds = this.families.flatMap(({ kinds }) =>
      kinds.map(([weight, make]): Kind => [weight * random.pick(MOODS), make]),
    );
  }

  /** Tells what an operation gave. */
  learn(operation: Operation, outcome: Outcome): void {
    for (const family of this.families) family.learn?.(operation, outcome);
  }
}
