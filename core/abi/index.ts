/** The ABI rows by name. */

import type { Abi, AbiName } from './abi.ts';
import { x86_32 } from './x86_32.ts';
import { x86_32p } from './x86_32p.ts';
import { x86_64 } from './x86_64.ts';

export type { Abi, AbiName, Field, FlagMask, LevelRow, XenSlots } from './abi.ts';
export { x86_32pOn32 } from './x86_32p.ts';

/** The ABIs that the model has; which of them a hypervisor runs, and on which row, is in its rule set. */
export const ABIS: { readonly [name in AbiName]: Abi } = { x86_64, x86_32p, x86_32 };
