/** Text of guests: bytes, of which those outside ASCII are shown as Latin-1, for a guest's console has no encoding. */

export function decodeText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) if (byte !== 0) text += String.fromCharCode(byte);
  return text;
}

/** The bytes of a string; characters outside Latin-1 become a question mark. */
export const encodeText = (text: string): Uint8Array =>
  Uint8Array.from(text, (character) => {
    const code = character.charCodeAt(0);
    return code < 256 ? code : 0x3f;
  });
