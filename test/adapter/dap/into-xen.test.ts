/** Stepping into a hypercall: targets, frames of Xen's, listings, operands, back out again. */

import { describe, expect, it } from 'vitest';
import { DapClient } from '../../support/dap-client.ts';
import { markedScript } from '../../support/marked-script.ts';
import { scriptFolder } from '../../support/scripts.ts';

const folder = scriptFolder();

/** Links an L1 table into an empty slot of the L2 table, after one update that Xen refuses. */
const LINK = markedScript(`
static uint64_t table[512] __attribute__((aligned(4096)));
static uint64_t page[512] __attribute__((aligned(4096)));

static uint64_t make_read_only(void *where)
{
    uint64_t frame = virt_to_mfn((unsigned long)where);

    HYPERVISOR_update_va_mapping((unsigned long)where, mfn_to_pte(frame, PT_PAGE_FLAGS & ~_PAGE_RW), UVMF_INVLPG); /* @read only */
    return frame;
}

int kernel_main(start_info_t *info)
{
    struct mmu_update requests[2]; /* @first */
    unsigned int done = 0;
    int rc;

    table[0] = mfn_to_pte(virt_to_mfn((unsigned long)page), PT_PAGE_FLAGS); /* @fill */
    requests[0].ptr = (virt_to_mfn((unsigned long)page) << PAGE_SHIFT) | MMU_MACHPHYS_UPDATE;
    requests[0].val = 77;
    requests[1].ptr = (virt_to_mfn(info->pt_base) << PAGE_SHIFT) + 8;
    requests[1].val = mfn_to_pte(virt_to_mfn((unsigned long)table), L2_PROT);
    rc = HYPERVISOR_mmu_update(requests, 2, &done, DOMID_SELF); /* @refused */
    make_read_only(table); /* @make */
    rc = HYPERVISOR_mmu_update(requests, 1, &done, DOMID_SELF); /* @accepted */
    printk("rc %d, done %u\\n", rc, done); /* @after */
    return 0; /* @last */
}
`);
const link = folder.write('link.guest.c', LINK.text);

/** An editor that stands at a line of the script. */
async function at(mark: string, filters: readonly string[] = []): Promise<DapClient> {
  const editor = new DapClient();
  await editor.launch({ program: link }, { lines: [LINK.line(mark)], filters });
  await editor.stops();
  await editor.continues();
  expect(await editor.stops()).toMatchObject({ at: LINK.at(mark) });
  return editor;
}

const names = async (editor: DapClient): Promise<string[]> =>
  (await editor.ask('stackTrace', { threadId: 1 })).stackFrames.map(({ name }) => name);

/** The text of the line at which the innermost frame stands. */
async function line(editor: DapClient): Promise<string> {
  const { stackFrames } = await editor.ask('stackTrace', { threadId: 1 });
  const [frame] = stackFrames;
  const sourceReference = frame?.source?.sourceReference ?? 0;
  const { content } = await editor.ask('source', { source: frame?.source, sourceReference });
  return (content.split('\n')[(frame?.line ?? 1) - 1] ?? '').trim();
}

describe('stepping into a hypercall', () => {
  it('stands at the first line of Xen, above the frames of the guest', async () => {
    const editor = await at('refused');
    await editor.step('stepIn');
    expect(await names(editor)).toEqual(['do_mmu_update', '[mmu_update: in Xen 4.17]', 'kernel_main']);
    expect(await line(editor)).toMatch(/^int do_mmu_update\(ureqs, count, pdone, foreigndom\)/);
    expect(await editor.scope('Operands')).toMatchObject({ count: '2' });
  });

  it('steps over lines of Xen, and back, the state with them', async () => {
    const editor = await at('refused');
    await editor.step('stepIn');
    const lines = [await line(editor)];
    for (let i = 0; i < 5; i++) {
      await editor.step('next');
      lines.push(await line(editor));
    }
    expect(lines.slice(1)).toEqual([
      expect.stringMatching(/^the list can be the guest's or -EFAULT;/),
      expect.stringMatching(/^tableOwner = /),
      expect.stringMatching(/^pageOwner = get_pg_owner/),
      expect.stringMatching(/^copy \{ ptr, val \} of request i/),
      expect.stringMatching(/^command = low bits of ptr;/),
    ]);
  });
});
