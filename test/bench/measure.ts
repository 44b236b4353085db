/** Measuring: the calibration loop that makes figures comparable between machines, and medians of repeated runs. */

/**
 * Random 8-byte stores over 16 MiB of typed arrays (4096 pages), in nanoseconds a store. Every figure of the bench is
 * also given as a multiple of it, taken in the same process just before.
 */
export function calibrate(): number {
  const pages = Array.from({ length: 4096 }, () => new Int32Array(1024));
  const run = (count: number): number => {
    let seed = 12345;
    const start = performance.now();
    for (let i = 0; i < count; i++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
      const page = pages[seed >>> 20] as Int32Array;
      const word = (seed >>> 10) & 1022;
      page[word] = i;
      page[word + 1] = seed;
    }
    return ((performance.now() - start) * 1e6) / count;
  };
  run(2_000_000);
  return median(Array.from({ length: 5 }, () => run(4_000_000)));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Median nanoseconds of one operation, from `runs` timed runs of `perRun` operations after one warm-up. */
export function nanosecondsEach(runs: number, perRun: number, work: () => void): number {
  work();
  const times = Array.from({ length: runs }, () => {
    const start = performance.now();
    work();
    return ((performance.now() - start) * 1e6) / perRun;
  });
  return median(times);
}

/** One line of the report. */
export function report(name: string, nanoseconds: number, calibration: number): void {
  const rate = 1e9 / nanoseconds;
  const human =
    rate >= 1e6
      ? `${(rate / 1e6).toFixed(1)} M/s`
      : rate >= 1e3
        ? `${(rate / 1e3).toFixed(1)} k/s`
        : `${(nanoseconds / 1e6).toFixed(1)} ms`;
  console.log(
    `${name.padEnd(44)} ${human.padStart(12)} ${(nanoseconds / calibration).toFixed(1).padStart(12)} stores`,
  );
}
