/** Flags of an entry in fixed places, so that they can be compared down a column. */

/** The flags that nearly every entry is judged by; each keeps its place when it is clear. */
const places = ['P', 'RW', 'US', 'A', 'D'] as const;

/** `P RW US A D NX` with a blank where one of the first five is clear. */
export function flagSlots(flags: string): string {
  const set = flags.split(' ').filter((flag) => flag !== '-');
  const fixed = places.map((name) => (set.includes(name) ? name : ' '.repeat(name.length)));
  const others = set.filter((flag) => !places.some((name) => name === flag));
  return [...fixed, ...others].join(' ').trimEnd();
}
