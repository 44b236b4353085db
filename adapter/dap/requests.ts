/** Every request that the adapter answers, by name. */

import { BREAKPOINTS } from './breakpoints.ts';
import type { RequestRows } from './context.ts';
import { COMPLETIONS } from './completions.ts';
import { DATA_BREAKPOINTS } from './data-breakpoints.ts';
import { EVALUATE } from './evaluate.ts';
import { EXCEPTIONS } from './exceptions.ts';
import { EXECUTION } from './execution.ts';
import { JUMPS } from './jumps.ts';
import { LIFE_CYCLE } from './life-cycle.ts';
import { MEMORY } from './memory.ts';
import { SOURCES } from './sources.ts';
import { TRAVEL } from './travel.ts';
import { STACK } from './stack.ts';
import { VARIABLES } from './variables.ts';
import { VIEWS } from './views.ts';
import { XEN } from './xen.ts';

export const REQUESTS: RequestRows = {
  ...LIFE_CYCLE,
  ...BREAKPOINTS,
  ...DATA_BREAKPOINTS,
  ...EXCEPTIONS,
  ...EXECUTION,
  ...TRAVEL,
  ...JUMPS,
  ...STACK,
  ...SOURCES,
  ...VARIABLES,
  ...EVALUATE,
  ...COMPLETIONS,
  ...MEMORY,
  ...VIEWS,
  ...XEN,
};
