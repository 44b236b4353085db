/**
 * The wire format of the Debug Adapter Protocol on a stream: `Content-Length: N`, an empty line, N bytes of JSON.
 *
 * Bytes that are no message are told once, as one sentence, and skipped up to the next header; they never end the
 * connection.
 */

const HEADER_END = '\r\n\r\n';
/** The longest message taken; no request of the protocol comes near it. */
const MAX_MESSAGE = 16 * 1024 * 1024;
/** The longest header taken before the bytes count as garbage. */
const MAX_HEADER = 4096;

/** Frames one message. */
export function encodeMessage(message: object): string {
  const json = JSON.stringify(message);
  return `Content-Length: ${Buffer.byteLength(json, 'utf8')}${HEADER_END}${json}`;
}

/** Splits a stream of bytes into messages, whatever way the bytes arrive. */
export class MessageReader {
  private pending: Buffer;
  private bodyLength: number | null;
  private readonly onMessage: (message: unknown) => void;
  private readonly onGarbage: (problem: string) => void;

  constructor(onMessage: (message: unknown) => void, onGarbage: (problem: string) => void) {
    this.pending = Buffer.alloc(0);
    this.bodyLength = null;
    this.onMessage = onMessage;
    this.onGarbage = onGarbage;
  }

  push(bytes: Buffer): void {
    this.pending = this.pending.length === 0 ? bytes : Buffer.concat([this.pending, bytes]);
    while (this.bodyLength === null ? this.takeHeader() : this.takeBody(this.bodyLength));
  }

  private takeHeader(): boolean {
    const end = this.pending.indexOf(HEADER_END);
    if (end < 0) {
      if (this.pending.length <= MAX_HEADER) return false;
      this.pending = Buffer.alloc(0);
      this.onGarbage('The bytes received are no message of the Debug Adapter Protocol: no header found.');
      return false;
    }
    const header = this.pending.toString('latin1', 0, end);
    this.pending = this.pending.subarray(end + HEADER_END.length);
    const length = /(?:^|\r\n|\n)content-length:\s*(\d{1,9})\s*(?:\r\n|$)/i.exec(header)?.[1];
    if (length === undefined || Number(length) > MAX_MESSAGE) {
      this.onGarbage('A message header has no usable Content-Length, so the header was skipped.');
    } else {
      this.bodyLength = Number(length);
    }
    return true;
  }

  private takeBody(length: number): boolean {
    if (this.pending.length < length) return false;
    const text = this.pending.toString('utf8', 0, length);
    this.pending = this.pending.subarray(length);
    this.bodyLength = null;
    const message = parseJson(text);
    if (message === undefined) this.onGarbage('A message body is not JSON, so the message was skipped.');
    else this.onMessage(message);
    return true;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
