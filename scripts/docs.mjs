// `npm run docs`: writes docs/rules.md from the rows of the rules.

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { outputFiles } = await build({
  entryPoints: [`${root}core/hypervisor/rules-reference.ts`],
  bundle: true,
  format: 'esm',
  write: false,
});
const [bundle] = outputFiles;
const { rulesReference } = await import(
  `data:text/javascript;base64,${Buffer.from(bundle.contents).toString('base64')}`
);
writeFileSync(`${root}docs/rules.md`, rulesReference());
