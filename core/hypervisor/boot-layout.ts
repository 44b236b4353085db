/**
 * Where the domain builder puts things, in the domain's own numbering (facts 6.2, 6.3):
 *
 *   virtBase  image | P2M list | start_info | xenstore | console | page tables | boot stack | padding to 4 MiB
 *
 * Everything from virtBase on is mapped linearly: VA = virtBase + PFN * 4096. The page tables come root first, then by
 * descending level; their number depends on the end of the region, which depends on their number.
 */

import type { Abi } from '../abi/index.ts';
import type { DomainRole } from '../machine/domain.ts';
import { PAGE_SIZE } from '../units.ts';

/** PFNs of the parts. */
export interface BootLayout {
  readonly imagePages: number;
  readonly p2mPfn: number;
  readonly p2mPages: number;
  readonly startInfoPfn: number;
  /** Null for the hardware domain, which has neither xenstore nor console ring at its start. */
  readonly storePfn: number | null;
  readonly consolePfn: number | null;
  readonly tablesPfn: number;
  /** Number of tables by level - 1. */
  readonly tables: readonly number[];
  readonly tablePages: number;
  readonly stackPfn: number;
  /** End of the mapped region in pages. */
  readonly mappedPages: number;
}

const ALIGNMENT_PAGES = (4 * 1024 * 1024) / PAGE_SIZE;
const LEAST_PADDING_PAGES = (512 * 1024) / PAGE_SIZE;

export function bootLayout(abi: Abi, role: DomainRole, imageBytes: number, nrPages: number): BootLayout {
  const imagePages = Math.ceil(imageBytes / PAGE_SIZE);
  const p2mPages = Math.ceil((nrPages * abi.wordBytes) / PAGE_SIZE);
  const p2mPfn = imagePages;
  const startInfoPfn = p2mPfn + p2mPages;
  const hasRings = role === 'domU';
  const tablesPfn = startInfoPfn + 1 + (hasRings ? 2 : 0);
  let tablePages = abi.levels.length;
  for (;;) {
    const stackPfn = tablesPfn + tablePages;
    const end = stackPfn + 1 + LEAST_PADDING_PAGES;
    const mappedPages = Math.ceil(end / ALIGNMENT_PAGES) * ALIGNMENT_PAGES;
    const tables = tableCounts(abi, mappedPages);
    const needed = tables.reduce((sum, count) => sum + count, 0);
    if (needed === tablePages)
      return {
        imagePages,
        p2mPfn,
        p2mPages,
        startInfoPfn,
        storePfn: hasRings ? startInfoPfn + 1 : null,
        consolePfn: hasRings ? startInfoPfn + 2 : null,
        tablesPfn,
        tables,
        tablePages,
        stackPfn,
        mappedPages,
      };
    tablePages = needed;
  }
}

/** A PAE root needs an L2 table in its slot 3, for Xen's own mappings. */
const PAE_XEN_SLOT = { from: 0xc000_0000n, last: 0xffff_ffffn } as const;

/** Tables that a region of this many pages from virtBase needs, by level - 1. */
function tableCounts(abi: Abi, pages: number): number[] {
  const first = abi.virtBase;
  const last = abi.virtBase + BigInt(pages) * BigInt(PAGE_SIZE) - 1n;
  return abi.levels.map((row) => {
    if (row.level === abi.rootLevel) return 1;
    const span = BigInt(row.shift) + BigInt(Math.log2(row.slots));
    // The builder fills all slots up to it (xg_dom_x86.c: count_pgtables).
    const reachesXen = abi.rootLevel !== 3 || row.level !== 2 || last >= PAE_XEN_SLOT.from;
    return Number(((reachesXen ? last : PAE_XEN_SLOT.last) >> span) - (first >> span)) + 1;
  });
}
