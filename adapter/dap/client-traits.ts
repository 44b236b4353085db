/** What the client of the debug adapter said about itself in `initialize`, and the conversions that follow from it. */

import { fileURLToPath, pathToFileURL } from 'node:url';
import type { RequestArguments } from './arguments.ts';

export interface ClientTraits {
  readonly linesStartAt1: boolean;
  readonly columnsStartAt1: boolean;
  /** Whether paths cross the wire as `file:` URIs. */
  readonly pathsAreUris: boolean;
  readonly supportsVariableType: boolean;
  readonly supportsMemoryReferences: boolean;
  readonly supportsAnsiStyling: boolean;
  readonly supportsInvalidatedEvent: boolean;
  readonly supportsMemoryEvent: boolean;
  readonly supportsProgressReporting: boolean;
}

export function readClientTraits(args: RequestArguments): ClientTraits {
  return {
    linesStartAt1: args.all['linesStartAt1'] !== false,
    columnsStartAt1: args.all['columnsStartAt1'] !== false,
    pathsAreUris: args.optionalWord('pathFormat', ['path', 'uri']) === 'uri',
    supportsVariableType: args.flag('supportsVariableType'),
    supportsMemoryReferences: args.flag('supportsMemoryReferences'),
    supportsAnsiStyling: args.flag('supportsANSIStyling'),
    supportsInvalidatedEvent: args.flag('supportsInvalidatedEvent'),
    supportsMemoryEvent: args.flag('supportsMemoryEvent'),
    supportsProgressReporting: args.flag('supportsProgressReporting'),
  };
}

/** Traits of a client that has said nothing: the protocol's defaults. */
export const DEFAULT_TRAITS: ClientTraits = {
  linesStartAt1: true,
  columnsStartAt1: true,
  pathsAreUris: false,
  supportsVariableType: false,
  supportsMemoryReferences: false,
  supportsAnsiStyling: false,
  supportsInvalidatedEvent: false,
  supportsMemoryEvent: false,
  supportsProgressReporting: false,
};

export const toClientLine = (traits: ClientTraits, line: number): number =>
  traits.linesStartAt1 ? line : line - 1;
export const fromClientLine = (traits: ClientTraits, line: number): number =>
  traits.linesStartAt1 ? line : line + 1;
export const toClientColumn = (traits: ClientTraits, column: number): number =>
  traits.columnsStartAt1 ? column : column - 1;
export const toClientPath = (traits: ClientTraits, path: string): string =>
  traits.pathsAreUris ? pathToFileURL(path).href : path;
export const fromClientPath = (traits: ClientTraits, path: string): string =>
  traits.pathsAreUris && path.startsWith('file:') ? fileURLToPath(path) : path;
