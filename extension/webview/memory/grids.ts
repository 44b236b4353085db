/** The two tables of the Memory panel: rows of bytes, and entries of a page table. */

import { html, type TemplateResult } from 'lit';
import type { TableEntryRow } from '../../../adapter/protocol.ts';
import { flagSlots } from '../lib/flags.ts';
import { frame, padded } from '../lib/format.ts';
import type { Column, GridView } from '../lib/grid.ts';
import { rowContext } from '../lib/row-context.ts';
import { byteChanged, rowBytes, type ByteRow } from './byte-rows.ts';
import { rowAddress, type Space } from './location.ts';

interface ByteGridOwner {
  /** Hexadecimal digits of a virtual address. */
  digits(): number;
  wordBytes(): number;
  space(): Space;
  /** The word of the active row that keys act on. */
  word(): number;
  isActive(row: ByteRow): boolean;
  follow(row: ByteRow, word: number): void;
  moveWord(steps: number): void;
}

export function byteGrid(owner: ByteGridOwner): GridView<ByteRow> {
  return {
    label: 'Bytes',
    empty: () => 'There is no memory here.',
    get columns() {
      return byteColumns(owner);
    },
    look: (row) => ({
      changed: row.bytes ? row.bytes.some((_byte, at) => byteChanged(row, at)) : false,
      dim: row.bytes === null,
      label: describe(row, owner),
      context: rowContext({ xenscopeIsTable: false, text: describe(row, owner) }),
    }),
    activate: (row) => owner.follow(row, owner.word()),
    sideways: (steps) => owner.moveWord(steps),
  };
}

/** Upper bounds, to leave out the text where it would be cut: a digit of the usual size, and all gaps of a row. */
const digitPixels = 7.3;
const gapPixels = 48;

function byteColumns(owner: ByteGridOwner): readonly Column<ByteRow>[] {
  const size = owner.wordBytes();
  const words = rowBytes / size;
  const addressWidth = rowAddress({ space: owner.space(), address: 0n }, owner.digits()).length + 1;
  const bytesWidth = words * (3 * size - 1) + 2 * (words - 1) + 1;
  return [
    {
      id: 'address',
      title: 'Address',
      hint: 'Address of the first byte of the row',
      width: `${addressWidth}ch`,
      cell: ({ address }) =>
        html`<span class="quiet">${rowAddress({ space: owner.space(), address }, owner.digits())}</span>`,
    },
    {
      id: 'bytes',
      title: 'Bytes',
      hint: 'Sixteen bytes; Left and Right choose a word, Enter follows it',
      width: `${bytesWidth}ch`,
      cell: (row) => renderWords(row, owner),
    },
    {
      id: 'text',
      title: 'Text',
      hint: 'The same bytes as ASCII',
      from: (addressWidth + bytesWidth + rowBytes) * digitPixels + gapPixels,
      width: 'minmax(0, 1fr)',
      cell: ({ bytes }) => html`<span class="quiet">${bytes ? [...bytes].map(ascii).join('') : ''}</span>`,
    },
  ];
}

interface EntryGridOwner {
  digits(): number;
  level(): number | undefined;
  follow(entry: TableEntryRow): void;
}

export function entryGrid(owner: EntryGridOwner): GridView<TableEntryRow> {
  return {
    label: 'Page-table entries',
    empty: () => 'Reading the table ...',
    columns: [
      {
        id: 'slot',
        title: 'Slot',
        hint: 'Place of the entry in its table',
        width: '10ch',
        cell: ({ slot }) => `L${owner.level() ?? ''}[0x${slot.toString(16)}]`,
      },
      {
        id: 'pte',
        title: 'Entry',
        hint: 'The entry as the processor reads it; Enter follows it',
        width: '18ch',
        cell: ({ pte, changed }) =>
          html`<span class=${changed ? 'was' : ''}>${padded(pte, owner.digits())}</span>`,
      },
      {
        id: 'mfn',
        title: 'MFN',
        hint: 'Machine frame that the entry names',
        width: '7ch',
        cell: ({ mfn, pte }) => (isZero(pte) ? '' : frame(mfn)),
      },
      {
        id: 'pfn',
        title: 'PFN',
        hint: "The same frame in its owner's numbering",
        width: '7ch',
        cell: ({ pfn }) => (pfn === null ? '' : frame(pfn)),
      },
      {
        id: 'flags',
        title: 'Flags',
        hint: 'P present, RW writable, US user, A accessed, D dirty, NX no execute',
        width: 'minmax(0, 1fr)',
        cell: ({ flags, xen }) =>
          html`${flagSlots(flags)}${xen ? html` <span class="quiet">Xen</span>` : ''}`,
      },
    ],
    look: (entry) => ({
      changed: entry.changed,
      dim: !entry.present,
      label: `slot ${entry.slot}, entry ${entry.pte}, ${entry.flags}${entry.changed ? ', changed' : ''}`,
      context: rowContext({
        mfn: entry.present ? entry.mfn : undefined,
        pfn: entry.pfn ?? undefined,
        xenscopeIsTable: entry.present && entry.childLevel > 0,
        text: `slot 0x${entry.slot.toString(16)} pte ${entry.pte} ${entry.flags}`,
      }),
    }),
    activate: (entry) => owner.follow(entry),
  };
}

/** The bytes of a row in words, the word that keys act on marked. */
function renderWords(row: ByteRow, owner: ByteGridOwner): TemplateResult {
  const size = owner.wordBytes();
  const words = Array.from({ length: rowBytes / size }, (_unused, word) => {
    const chosen = owner.isActive(row) && owner.word() === word;
    const click = (event: MouseEvent) => {
      if (event.ctrlKey || event.metaKey) owner.follow(row, word);
      else owner.moveWord(word - owner.word());
    };
    return html`<span
      class=${chosen ? 'word chosen' : 'word'}
      title="Ctrl+click follows the word as an address"
      @click=${click}
      >${Array.from({ length: size }, (_byte, at) => renderByte(row, word * size + at, at === size - 1))}</span
    >`;
  });
  return html`${words.map((word, index) => (index === 0 ? word : html`${'  '}${word}`))}`;
}

function renderByte(row: ByteRow, at: number, last: boolean): TemplateResult {
  const { bytes } = row;
  const text = bytes === undefined ? '  ' : bytes === null ? '··' : hexByte(bytes[at] ?? 0);
  const changed = byteChanged(row, at);
  const tone = bytes && bytes[at] === 0 && !changed ? 'quiet' : changed ? 'was' : '';
  const before = changed && row.before ? `was ${hexByte(row.before[at] ?? 0)}` : '';
  return html`<span class=${tone} title=${before}>${text}</span>${last ? '' : ' '}`;
}

function describe(row: ByteRow, owner: ByteGridOwner): string {
  return `${rowAddress({ space: owner.space(), address: row.address }, owner.digits())}: ${plain(row)}`;
}

function plain({ bytes }: ByteRow): string {
  if (bytes === undefined) return '';
  return bytes === null ? 'cannot be read' : [...bytes].map(hexByte).join(' ');
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

function ascii(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
}

function isZero(pte: string): boolean {
  return BigInt(pte) === 0n;
}
