// Folders of the project that several scripts name.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** What is installed on first use; git-ignored, safe to delete. */
export const cache = join(root, '.cache');
/** Screenshots and logs of the tests; git-ignored. */
export const artifacts = join(root, 'artifacts');
export const examples = join(root, 'examples');
