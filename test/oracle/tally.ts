/** What a random run did, counted. */

export interface Tally {
  operations: number;
  episodes: number;
  /** How often each operation was made, and each rule of the model refused one. */
  readonly operationCounts: Map<string, number>;
  readonly ruleCounts: Map<string, number>;
}

export const emptyTally = (): Tally => ({
  operations: 0,
  episodes: 0,
  operationCounts: new Map(),
  ruleCounts: new Map(),
});

export const countIn = (counts: Map<string, number>, name: string): void =>
  void counts.set(name, (counts.get(name) ?? 0) + 1);
