/** Hit conditions of breakpoints: `5`, `>=5`, `>5`, `<5`, `<=5`, `==5`, `%10`. */

/** Whether the n-th hit (from 1) is one to stop at. */
export type HitTest = (hits: number) => boolean;

const TESTS: { readonly [operator: string]: (hits: number, n: number) => boolean } = {
  // A bare number means "from the n-th hit on", as VS Code's own wording ("break when hit count is met") suggests.
  '': (hits, n) => hits >= n,
  '==': (hits, n) => hits === n,
  '>': (hits, n) => hits > n,
  '>=': (hits, n) => hits >= n,
  '<': (hits, n) => hits < n,
  '<=': (hits, n) => hits <= n,
  '%': (hits, n) => hits % n === 0,
};

export function parseHitCondition(text: string): HitTest | { readonly problem: string } {
  const [, operator = '', digits = ''] = /^\s*(==|>=|<=|>|<|%|)\s*(\d{1,9})\s*$/.exec(text) ?? [];
  const test = TESTS[operator];
  const n = Number(digits);
  if (digits === '' || test === undefined || n === 0) {
    return {
      problem: `The hit condition \`${text}\` is not understood: write 5, ==5, >=5, >5, <=5, <5 or %5.`,
    };
  }
  return (hits) => test(hits, n);
}
