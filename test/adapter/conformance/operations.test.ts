/** Operation lists: what a line means, which mistakes are told, and what the model answers. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../../adapter/cli/cli.ts';
import { formatOperation } from '../../../adapter/conformance/format.ts';
import { parseOperation } from '../../../adapter/conformance/operations.ts';

/** Runs `xenscope ops` on a list. */
async function ops(lines: readonly string[], ...options: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'xenscope-ops-'));
  const file = join(folder, 'list.jsonl');
  writeFileSync(file, lines.join('\n'));
  let out = '';
  let err = '';
  const status = await runCli(['ops', file, ...options], {
    out: (text) => (out += text),
    err: (text) => (err += text.replace(file, 'LIST')),
  });
  rmSync(folder, { recursive: true });
  const answers = out.split('\n').filter((line) => line !== '');
  return { status, err, answers: answers.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

const PIN_L1 = '{"op":"mmuext","cmd":0,"p":"0x400"}';

describe('xenscope ops', () => {
  it('answers each operation with one line', async () => {
    const { status, answers } = await ops([
      PIN_L1,
      PIN_L1,
      '',
      '# a remark',
      '{"op":"load","va":"0x400000"}',
    ]);
    expect(status).toBe(0);
    expect(answers).toEqual([
      { rc: 0, done: 1 },
      { rc: -22, done: 0, rule: 'pin.twice' },
      { rc: 0, done: 0, fault: { vector: 14, errorCode: 0, cr2: '0x400000' } },
    ]);
  });

  it('shows the frames that are asked for', async () => {
    const { answers } = await ops([PIN_L1], '--frames', '0x400-0x401');
    expect(answers[0]?.['frames']).toEqual({
      '0x400': { type: 'l1', typeCount: 1, refCount: 2, pinned: true, validated: true, allocated: true },
      '0x401': { type: 'none', typeCount: 0, refCount: 1, pinned: false, validated: false, allocated: true },
    });
  });

  it('begins with the linear mapping of 4 MiB and with pages from 0x400 on that hold nothing', async () => {
    const { answers } = await ops([
      '{"op":"load","va":"0x3ffff8"}',
      '{"op":"peek","p":"0x400","index":511}',
      '{"op":"m2p","p":"0x3fff"}',
    ]);
    expect(answers.map((answer) => answer['value'])).toEqual(['0x0', '0x0', '0x3fff']);
  });

  it('keeps the state of a page that was given back while it is mapped', async () => {
    const list = [
      '{"op":"va_map","va":"0x300000","pte":"0x401063","flags":2}',
      '{"op":"decrease","p":"0x401","order":0}',
      '{"op":"va_map","va":"0x300000","pte":0,"flags":2}',
      '{"op":"populate","p":"0x401","order":0}',
    ];
    const { answers } = await ops(list, '--frames', '0x401');
    expect(answers.map((answer) => answer['rc'])).toEqual([0, 1, 0, 1]);
    expect(
      answers.map((answer) => (answer['frames'] as Record<string, { refCount: number }>)['0x401']),
    ).toMatchObject([
      { refCount: 2, type: 'writable', typeCount: 1 },
      { refCount: 1, type: 'writable', typeCount: 1, allocated: false },
      { refCount: 0, type: 'none' },
      { refCount: 1, type: 'none', allocated: true },
    ]);
  });

  it('takes what other editors write: a byte order mark, carriage returns, remarks that are indented', async () => {
    const { status, answers } = await ops([
      '\uFEFF{"op":"m2p","p":"0x400"}\r',
      '  # a remark\r',
      '\r',
      '\t{"op":"m2p","p":1025}\r',
    ]);
    expect(status).toBe(0);
    expect(answers.map((answer) => answer['value'])).toEqual(['0x400', '0x401']);
  });

  it('carries out every operation of the contract', async () => {
    const rows: readonly (readonly [string, Record<string, unknown>])[] = [
      ['"mmuext","cmd":0,"p":"0x400"', { rc: 0, done: 1 }],
      ['"mmu_update","p":"0x400","index":3,"pte":"0x401063","cmd":0', { rc: 0, done: 1 }],
      [
        '"mmu_update","reqs":[{"p":"0x400","index":4,"pte":"0x401061","cmd":0},{"p":"0x400","index":5,"pte":"0x400063","cmd":0}]',
        { rc: -16, done: 1, rule: 'l1e.writable-type' },
      ],
      ['"mmu_update","p":"0x400","index":0,"pte":"0x1234","cmd":1', { rc: 0, done: 1 }],
      ['"m2p","p":"0x400"', { rc: 0, done: 0, value: '0x1234' }],
      ['"mmu_update","p":"0x400","index":3,"pte":"0x401003","cmd":2', { rc: 0, done: 1 }],
      ['"peek","p":"0x400","index":3', { rc: 0, done: 0, value: '0x10000000401067' }],
      ['"mmuext","cmd":7,"va":"0x300000"', { rc: 0, done: 1 }],
      ['"mmuext","cmd":0,"p":"0x402","fd":5', { rc: -3, done: 0, rule: 'foreign.unknown' }],
      ['"fill","p":"0x402","value":"0x77"', { rc: 0, done: 0 }],
      ['"mmuext","cmd":17,"p":"0x403","arg2":"0x402"', { rc: 0, done: 1 }],
      ['"peek","p":"0x403","index":511', { rc: 0, done: 0, value: '0x77' }],
      ['"poke","p":"0x403","index":1,"pte":"0x10"', { rc: 0, done: 0 }],
      ['"va_map","va":"0x300000","pte":"0x403063","flags":2', { rc: 0, done: 0 }],
      ['"load","va":"0x300008"', { rc: 0, done: 0, value: '0x10' }],
      ['"store","va":"0x300008","pte":"0x12"', { rc: 0, done: 0 }],
      [
        '"store","va":"0x400000","pte":0',
        { rc: 0, done: 0, fault: { vector: 14, errorCode: 2, cr2: '0x400000' } },
      ],
      ['"exchange","p":"0x403"', { rc: -22, done: 0, rule: 'exchange.frame' }],
      ['"exchange","p":"0x404"', { rc: 0, done: 1 }],
      ['"decrease","p":"0x404","order":0', { rc: 1, done: 1 }],
      ['"populate","p":"0x404","order":0', { rc: 1, done: 1 }],
      ['"grant_setup","frames":1', { rc: 0, done: 0, status: 0 }],
      ['"grant_set","ref":8,"p":"0x404","flags":1,"domid":0', { rc: 0, done: 0 }],
      ['"grant_map","ref":8,"va":"0x301000","flags":2,"dom":0', { rc: 0, done: 0, status: 0, handle: 0 }],
      [
        '"grant_map","ref":8,"p":"0x400","index":9,"flags":6,"dom":0',
        { rc: 0, done: 0, status: 0, handle: 1 },
      ],
      [
        '"grant_map","ref":8,"va":"0x301000","flags":2,"dom":32752',
        { rc: 0, done: 0, status: -2, rule: 'grant.domain' },
      ],
      ['"grant_unmap","va":"0x301000","handle":0', { rc: 0, done: 0, status: 0 }],
      ['"grant_unmap","p":"0x400","index":9,"handle":1', { rc: 0, done: 0, status: 0 }],
      ['"hypercall","nr":17,"args":[0,0]', { rc: 0x4_0011, done: 0 }],
      [
        '"mmu_update","p":"0x300000000","index":0,"pte":"0x1","cmd":0,"raw":true',
        { rc: -22, done: 0, rule: 'mmu_update.table-owner' },
      ],
    ];
    const { status, answers } = await ops(rows.map(([fields]) => `{"op":${fields}}`));
    expect(status).toBe(0);
    expect(answers).toEqual(rows.map(([, answer]) => answer));
  });

  it('a store to an L1 table whose last entry is writable is a fault, though the tables above are read-only', async () => {
    const { answers } = await ops([
      '{"op":"mmuext","cmd":0,"p":"0x400"}',
      '{"op":"poke","p":"0x401","index":9,"pte":"0x400027"}',
      '{"op":"poke","p":"0x402","index":1,"pte":"0x401067"}',
      '{"op":"poke","p":"0x402","index":2,"pte":"0x402025"}',
      '{"op":"mmuext","cmd":2,"p":"0x402"}',
      '{"op":"mmu_update","p":"boot.l4","index":1,"pte":"0x402067","cmd":0}',
      '{"note":"L4 1, L3 2 (the L3 itself), L2 1 (its L2), L1 9: the L1 table","op":"store","va":"0x8080209000","pte":0}',
      '{"note":"the same page read-only: Xen carries the store out","op":"va_map","va":"0x300000","pte":"0x400021","flags":2}',
      '{"op":"store","va":"0x300000","pte":0}',
    ]);
    expect(answers.map((answer) => answer['rc'])).toEqual(Array(9).fill(0));
    expect(answers.at(-3)?.['fault']).toMatchObject({ vector: 14, errorCode: 3, cr2: '0x8080209000' });
    expect(answers.at(-1)?.['fault']).toBeUndefined();
  });

  it.each([
    ['x', 'not JSON'],
    ['[]', 'is no object'],
    ['{"p":1}', 'has no "op"'],
    ['{"op":"toString"}', 'is no operation'],
    ['{"op":"peek","p":1}', 'peek lacks "index"'],
    ['{"op":"peek","p":-1,"index":0}', '"p" is -1'],
    ['{"op":"peek","p":1.5,"index":0}', '"p" is 1.5'],
    ['{"op":"peek","p":"boot.l5","index":0}', '"p" is "boot.l5"'],
    ['{"op":"peek","p":1,"index":512}', 'give 0 to 511'],
    ['{"op":"fill","p":"400","value":0}', 'hexadecimal string'],
    ['{"op":"fill","p":1,"value":9007199254740993}', 'hexadecimal string'],
    ['{"op":"mmuext","cmd":"0x100000000"}', 'more than 32 bits'],
    ['{"op":"mmuext","cmd":7,"p":1,"va":1}', 'both'],
    ['{"op":"mmu_update","p":1}', 'mmu_update lacks "index"'],
    ['{"op":"mmu_update","reqs":[{"p":1}]}', '"reqs"[0] lacks "index"'],
    ['{"op":"mmu_update","reqs":[],"p":1}', 'of a single request'],
    ['{"op":"decrease","p":1,"order":0,"raww":true}', 'no field "raww"'],
    ['{"op":"grant_map","ref":8,"flags":2,"dom":0}', 'needs a place'],
    ['{"op":"grant_set","ref":8,"p":1,"flags":1,"domid":0}', 'use grant_setup first'],
    ['{"op":"exchange","p":"0x100000"}', 'give a PFN below'],
  ])('tells the mistake in %s in one sentence with its line', async (line, part) => {
    const { status, err, answers } = await ops(['', line]);
    expect(status).toBe(2);
    expect(answers).toEqual([]);
    expect(err).toContain(part);
    expect(err).toMatch(/^xenscope: LIST: line 2: .*\.\n$/);
  });

  it.each(['x', '0x401-0x400', '1-2-3', '0x4000', ''])('tells a mistake in --frames %s', async (frames) => {
    const { status, err } = await ops([PIN_L1], '--frames', frames);
    expect(status).toBe(2);
    expect(err).toMatch(/^xenscope: --frames.*\n$/);
  });

  it('tells that a list cannot be read', async () => {
    let err = '';
    const status = await runCli(['ops', '/nonexistent.jsonl'], {
      out: () => {},
      err: (text) => (err += text),
    });
    expect([status, err]).toEqual([
      2,
      'xenscope: /nonexistent.jsonl: cannot be read (ENOENT): give the path of a list.\n',
    ]);
  });
});

describe('an operation as text', () => {
  it.each([
    '{"op":"mmu_update","p":"0x400","index":3,"pte":"0x67","to":"boot.l3","cmd":2,"fd":32752}',
    '{"op":"mmu_update","reqs":[{"p":"0x1","index":0,"pte":"0x0","cmd":0},{"p":"0x2","index":1,"pte":"0x0","cmd":0}]}',
    '{"op":"grant_map","ref":8,"flags":2,"dom":0,"p":"0x400","index":4}',
    '{"op":"load","va":"0xffff800000000000","raw":true}',
  ])('comes back as it was: %s', (line) => {
    expect(JSON.parse(formatOperation(parseOperation(line)))).toEqual(JSON.parse(line));
  });
});
