/** The events at which VS Code can be told to stop, one row each; a condition is C with the names of dollar-names.ts. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import {
  type ExceptionFilters,
  type FilterName,
  type FilterSetting,
  NO_FILTERS,
} from '../../core/timeline/types.ts';
import type { RequestArguments } from './arguments.ts';

interface FilterRow {
  readonly filter: FilterName;
  readonly label: string;
  readonly description: string;
  readonly isDefault: boolean;
  /** An example of a condition; null where a condition has nothing to ask about. */
  readonly condition: string | null;
}

export const EXCEPTION_FILTERS: readonly FilterRow[] = [
  {
    filter: 'refused',
    label: 'Hypercall refused',
    description: 'Stops at each hypercall that Xen refuses and tells which rule was broken.',
    isDefault: true,
    condition: '$rc == -22 && $level == 1, or the rule: mmuext_op.*',
  },
  {
    filter: 'silent',
    label: 'Hypercall refused silently',
    description: 'Stops at each refusal about which the Xen of this run prints nothing.',
    isDefault: false,
    condition: '$rc == -22 && $level == 1, or the rule: mmuext_op.*',
  },
  {
    filter: 'crashed',
    label: 'Domain crash',
    description: 'Stops when Xen crashes the domain, before the session ends.',
    isDefault: true,
    condition: null,
  },
  {
    filter: 'fault',
    label: 'Page fault delivered',
    description:
      'Stops where the guest faulted when Xen delivers the fault; the next step enters its handler.',
    isDefault: false,
    condition: '$va >= 0x400000 && ($error & 2)',
  },
  {
    filter: 'trap',
    label: 'Other trap delivered',
    description: 'Stops where the guest raised #GP, #UD, #DE or another trap when Xen delivers it.',
    isDefault: false,
    condition: '$vector == 13',
  },
  {
    filter: 'stale',
    label: 'Stale translation used',
    description:
      'Stops before an access that the TLB would lead to a frame which the page tables no longer map: a flush is missing. Slower.',
    isDefault: false,
    condition: null,
  },
  {
    filter: 'disagree',
    label: 'P2M and M2P disagree',
    description:
      'Stops behind a hypercall or a store to the P2M that leaves an entry of the P2M which the M2P does not confirm.',
    isDefault: false,
    condition: '$pfn == 0x12',
  },
  {
    filter: 'audit',
    label: 'Audit broken',
    description:
      'Recounts all references after every hypercall and stops when the frame table is wrong. Slow.',
    isDefault: false,
    condition: null,
  },
];

export const FILTER_DESCRIPTIONS: DebugProtocol.ExceptionBreakpointsFilter[] = EXCEPTION_FILTERS.map(
  ({ filter, label, description, isDefault, condition }) => ({
    filter,
    label,
    description,
    default: isDefault,
    ...(condition === null
      ? {}
      : { supportsCondition: true, conditionDescription: `For example: ${condition}` }),
  }),
);

/** What was asked for, and what became of each filter, in the order asked. */
export interface ReadFilters {
  readonly filters: ExceptionFilters;
  readonly breakpoints: DebugProtocol.Breakpoint[];
}

/** Reads the arguments of setExceptionBreakpoints; an unknown filter is told in its own place. */
export function readFilters(args: RequestArguments): ReadFilters {
  const wanted = [
    ...args.texts('filters').map((name) => ({ name, condition: '' })),
    ...args.objects('filterOptions').map((option) => ({
      name: option.text('filterId'),
      condition: option.optionalText('condition')?.trim() ?? '',
    })),
  ];
  let filters = NO_FILTERS;
  const breakpoints = wanted.map(({ name, condition }): DebugProtocol.Breakpoint => {
    const row = EXCEPTION_FILTERS.find(({ filter }) => filter === name);
    if (row === undefined) return { verified: false, message: unknownFilter(name) };
    const setting: FilterSetting = condition === '' || row.condition === null ? true : { condition };
    filters = { ...filters, [row.filter]: setting };
    if (condition === '' || row.condition !== null) return { verified: true };
    return { verified: true, message: `${row.label} takes no condition: it stops always.` };
  });
  return { filters, breakpoints };
}

function unknownFilter(name: string): string {
  const known = EXCEPTION_FILTERS.map(({ filter }) => filter).join(', ');
  return `There is no exception filter ${name}; the filters are ${known}.`;
}

export const DEFAULT_FILTERS: ExceptionFilters = {
  ...NO_FILTERS,
  ...Object.fromEntries(EXCEPTION_FILTERS.map(({ filter, isDefault }) => [filter, isDefault])),
};
