/**
 * Broken programs: tokens of programs drawn at random are dropped, doubled, exchanged or replaced. The front end never
 * throws and always ends; and what it lets pass runs to some end, a crash of the guest among them.
 */

import { describe, expect, it } from 'vitest';
import { TokenKind, lex } from '../../../core/guest-c/lexer.ts';
import { SourceFile } from '../../../core/guest-c/source.ts';
import { NO_FILTERS } from '../../../core/timeline/types.ts';
import { Session } from '../../../core/timeline/session.ts';
import { SCRIPT, go, host } from '../timeline/scripts.ts';
import { Chance } from './front-support.ts';
import { programs } from './random-programs.ts';

/** What random programs do not have: kinds of addresses, assembly, builtins, arrays of variable length, formats. */
const MORE = `
static mmu_update_t req; static mmuext_op_t op;
static unsigned swapped(unsigned *p, unsigned x) { asm volatile("xchgl %0,%1" : "+r"(x), "+m"(*p) : : "memory"); return x; }
static int more(int n)
{
    unsigned long page = alloc_page(), pfn = virt_to_pfn(page), list[n];
    list[0] = pfn_to_mfn(pfn);
    req.ptr = (list[0] << PAGE_SHIFT) | MMU_NORMAL_PT_UPDATE; req.val = mfn_to_pte(list[0], L1_PROT);
    op = (mmuext_op_t){ .cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = page };
    printk("%d %lx %s\\n", HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF), (unsigned long)sizeof list, "text");
    return ({ __label__ out; int r = __builtin_popcount(n); if (r) goto out; r = __sync_fetch_and_add(&n, 1); out: r; }) + (int)swapped((unsigned *)page, 3);
}
int test_main(void) { return more(_Generic(1, int: 4, default: 5)); }
`;

function broken(text: string, chance: Chance): string {
  const tokens = lex(new SourceFile('x', text)).filter((token) => token.kind !== TokenKind.end);
  const words = tokens.map((token) => text.slice(token.offset, token.end));
  const alike = (index: number): string[] => words.filter((_, i) => tokens[i]?.kind === tokens[index]?.kind);
  for (let change = 0; change < 1 + chance.below(3); change++) {
    const at = chance.below(words.length);
    const kind = chance.below(6);
    if (kind === 0) words[at] = '';
    else if (kind === 1) words[at] = `${words[at] ?? ''} ${chance.pick(words)}`;
    else words[at] = chance.pick(alike(at));
  }
  return words.map((word) => (/^[;{}]$/.test(word) ? `${word}\n` : word)).join(' ');
}

/** `ROUNDS=1000` looks further. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 20);

describe('a broken program is refused or runs to some end', () => {
  let ran = 0;

  it.each([31, 32, 33, 34])(
    'made from seed %i',
    (seed) => {
      const chance = new Chance(seed);
      const whole = [programs([seed]), MORE];
      for (let round = 0; round < ROUNDS; round++) {
        const text = broken(chance.pick(whole), chance);
        const run = (): void => {
          const made = Session.create({ programs: [{ path: SCRIPT, text }], host, maxStatements: 3000 });
          if (made.kind !== 'session') return;
          ran++;
          made.session.setFilters(NO_FILTERS);
          go(made.session);
          expect(made.session.exit?.kind).not.toBe('internal');
        };
        expect(run, `seed ${seed}, round ${round}:\n${text}`).not.toThrow();
      }
    },
    240_000,
  );

  it('and some of them do run', () => expect(ran).toBeGreaterThan(3));
});
