/** Sources as the client sees them: files of the user, headers that ship with Xenscope. */

import { basename, isAbsolute, join, normalize } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { shippedHeaders } from '../host/headers.ts';
import { RequestError } from './arguments.ts';
import { type ClientTraits, fromClientPath, toClientPath } from './client-traits.ts';
import { LAUNCHED, type RequestRows, debuggeeOf } from './context.ts';
import { listingOf, listingSources, listingText } from './xen.ts';

export const SOURCES: RequestRows<'source' | 'loadedSources'> = {
  source: {
    when: LAUNCHED,
    handle(context, args) {
      const { session } = debuggeeOf(context);
      const listing = listingOf(session.xen, args.optionalObject('source') ?? args);
      if (listing !== null) return { content: listingText(session.xen, listing) ?? '', mimeType: 'text/x-c' };
      const path = args.optionalObject('source')?.optionalText('path');
      if (path === undefined) throw new RequestError('The argument `source` must name a path.');
      const file = fromClientPath(context.traits, path);
      const content = session.librarySource(libraryName(file));
      if (content === undefined) throw new RequestError(`${path} is no header that ships with Xenscope.`);
      return { content, mimeType: 'text/x-c' };
    },
  },

  loadedSources: {
    when: LAUNCHED,
    handle(context) {
      const debuggee = debuggeeOf(context);
      const { scripts } = debuggee.options;
      return {
        sources: [
          ...scripts.map((file) => sourceOf(context.traits, file, { library: false })),
          ...[...shippedHeaders().files.keys()].map((name) =>
            sourceOf(context.traits, join(shippedHeaders().root, name), { library: true }),
          ),
          ...listingSources(debuggee.session.xen),
        ],
      };
    },
  },
};

/** The source of a file; shipped headers are deemphasised, so that VS Code shows the user's own line first. */
export function sourceOf(
  traits: ClientTraits,
  file: string,
  { library }: { readonly library: boolean },
): DebugProtocol.Source {
  const path = library ? libraryPath(file) : file;
  return {
    name: basename(file),
    path: toClientPath(traits, path),
    ...(library ? { presentationHint: 'deemphasize' as const, origin: 'shipped with Xenscope' } : {}),
  };
}

/** Where a shipped header lies on this machine. */
function libraryPath(file: string): string {
  if (isAbsolute(file)) return file;
  return join(shippedHeaders().root, file.replace(/^<(.*)>$/, '$1'));
}

/** The name under which the core knows a shipped header: its path below the headers' folder. */
function libraryName(path: string): string {
  const folder = join(shippedHeaders().root, '/');
  return path.startsWith(folder) ? path.slice(folder.length).replaceAll('\\', '/') : path;
}

/** The core's name of a file that the client names by its path. */
export function coreFile(traits: ClientTraits, path: string): string {
  return libraryName(normalize(fromClientPath(traits, path)));
}
