import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DapClient } from '../../support/dap-client.ts';
import { scriptFolder } from '../../support/scripts.ts';

const folder = scriptFolder();

async function initialized(): Promise<DapClient> {
  const client = new DapClient();
  await client.ask('initialize', { adapterID: 'xenscope' });
  return client;
}

describe('requests that cannot be answered get one sentence', () => {
  it('an unknown request is named', async () => {
    const client = await initialized();
    expect(await client.refused('makeCoffee')).toBe('Xenscope does not know the request `makeCoffee`.');
  });

  it('names of methods of objects are no requests', async () => {
    const client = await initialized();
    expect(await client.refused('toString')).toMatch(/does not know/);
  });

  it('a request before initialize is told what is missing', async () => {
    const client = new DapClient();
    expect(await client.refused('launch', { program: 'a.guest.c' })).toMatch(/send `initialize` first/);
  });

  it('initialize twice is refused', async () => {
    const client = await initialized();
    expect(await client.refused('initialize', {})).toMatch(/already initialized/);
  });

  it.each(['continue', 'next', 'stackTrace', 'setBreakpoints', 'threads', 'xenscope/machine', 'pause'])(
    '%s before launch is refused',
    async (command) => {
      const client = await initialized();
      expect(await client.refused(command, {})).toBe(
        `\`${command}\` is not possible: no guest has been launched yet.`,
      );
    },
  );

  it('messages that are no requests are told and do no harm', async () => {
    const client = await initialized();
    client.send({ type: 'response' });
    client.send({ notAnObject: 7 });
    expect(client.output('stderr').split('\n')).toHaveLength(3);
    await client.ask('disconnect');
    expect(await client.refused('launch', {})).toMatch(/the session is over/);
  });
});

describe('a thread that is none', () => {
  it.each(['continue', 'next', 'stepIn', 'stepOut', 'stackTrace'])('%s names it', async (command) => {
    const program = folder.write('thread.guest.c', 'int main(void) { return 0; }\n');
    const client = new DapClient();
    await client.launch({ program });
    await client.stops();
    expect(await client.refused(command, { threadId: 77 })).toBe('There is no thread 77.');
  });
});

describe('launch attributes that are wrong', () => {
  const script = folder.write('sound.guest.c', 'int main(void) { return 0; }\n');

  it.each([
    ['no program', {}, /program/],
    ['a program that is no path', { program: 7 }, /program/],
    [
      'a missing file',
      { program: join(folder.path, 'nowhere.guest.c') },
      /program: .*nowhere\.guest\.c does not exist/,
    ],
    ['a folder', { program: folder.path }, /is not a file/],
    ['an unknown ABI', { program: script, abi: 'arm64' }, /abi.*x86_64/],
    ['an unknown Xen', { program: script, xen: '5.0' }, /xen.*4\.17/],
    ['a size of 0', { program: script, memory: 0 }, /memory/],
    ['a size of 1 PiB', { program: script, memory: '1PiB' }, /memory/],
    ['a size that is no size', { program: script, memory: 'much' }, /memory/],
    ['a machine of 1 PiB', { program: script, machine: '1PiB' }, /machine/],
    ['an entry that is not there', { program: script, entry: 'nobody' }, /nobody/],
    ['a fault without an address', { program: script, fault: 'there' }, /fault/],
    ['a layout of no kind', { program: script, layout: 'spiral' }, /layout.*scattered/],
    ['a role of no kind', { program: script, role: 'king' }, /role.*domU/],
    ['statements below 1', { program: script, maxStatements: 0 }, /maxStatements/],
    ['a flag that is none', { program: script, stopOnEntry: 'yes' }, /stopOnEntry/],
  ])('%s: one sentence that names it', async (_what, attributes, sentence) => {
    const client = await initialized();
    const message = await client.refused('launch', attributes);
    expect(message).toMatch(sentence);
    expect(message.split('\n')).toHaveLength(1);
    const { error } = client.received.at(-1)?.body as { readonly error: { readonly showUser: boolean } };
    expect(error.showUser, 'in a message box').toBe(true);
    // A second try with sound attributes works in the same session.
    await client.ask('launch', { program: script });
  });
});
