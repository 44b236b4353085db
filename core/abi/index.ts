/** The ABI rows by name. */

import type { Abi, AbiName } from './abi.ts';
import { x86_32 } from './x86_32.ts';
import { x86_64 } from './x86_64.ts';

export type { Abi, AbiName, Field, FlagMask, LevelRow } from './abi.ts';

/** The ABIs that the model has. */
export const ABIS: { readonly [name in AbiName]?: Abi } = { x86_64, x86_32 };
