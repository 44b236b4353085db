/** Colours of the lines that the adapter itself puts out, for clients that show them. */

import type { ClientTraits } from './client-traits.ts';

const CODES = { error: '31', warning: '33', note: '36', good: '32' } as const;

/** A text in the colour of what it means; as it is for a client that knows no colours. */
export function styled(traits: ClientTraits, meaning: keyof typeof CODES, text: string): string {
  return traits.supportsAnsiStyling ? `\u001b[${CODES[meaning]}m${text}\u001b[0m` : text;
}
