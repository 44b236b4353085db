import { describe, expect, it } from 'vitest';
import { MessageReader, encodeMessage } from '../../../adapter/dap/framing.ts';

function reader() {
  const messages: unknown[] = [];
  const garbage: string[] = [];
  const read = new MessageReader(
    (message) => messages.push(message),
    (problem) => garbage.push(problem),
  );
  return {
    messages,
    garbage,
    push: (text: string) => {
      read.push(Buffer.from(text));
    },
  };
}

describe('framing of messages', () => {
  it('reads back what it wrote, also beyond ASCII', () => {
    const { messages, push } = reader();
    push(encodeMessage({ text: 'Überlauf' }));
    expect(messages).toEqual([{ text: 'Überlauf' }]);
  });

  it('takes bytes in any portions', () => {
    const { messages, push } = reader();
    for (const byte of encodeMessage({ a: 1 }) + encodeMessage({ b: 2 })) push(byte);
    expect(messages).toEqual([{ a: 1 }, { b: 2 }]);
  });

  it('skips a body that is no JSON and goes on', () => {
    const { messages, garbage, push } = reader();
    push(`Content-Length: 3\r\n\r\n{a:${encodeMessage({ b: 2 })}`);
    expect(messages).toEqual([{ b: 2 }]);
    expect(garbage).toHaveLength(1);
  });

  it('skips a header without a length and goes on', () => {
    const { messages, garbage, push } = reader();
    push(`Hello: world\r\n\r\n${encodeMessage({ b: 2 })}`);
    expect(messages).toEqual([{ b: 2 }]);
    expect(garbage).toHaveLength(1);
  });

  it('does not hoard bytes that never become a header', () => {
    const { garbage, push } = reader();
    push('x'.repeat(10_000));
    expect(garbage).toHaveLength(1);
  });
});
