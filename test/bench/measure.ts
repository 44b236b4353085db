/** Measuring: the calibration loop that makes figures comparable between machines, and medians of repeated runs. */

const CALIBRATION_STORES = 2_000_000;

/** Pages that the calibration loop stores to: 16 MiB. */
const pages = Array.from({ length: 4096 }, () => new Int32Array(1024));

/**
 * Random 8-byte stores over 16 MiB of typed arrays (4096 pages), in nanoseconds a store. Every figure of the bench is
 * also given as a multiple of it, taken in the same process just before.
 */
export function calibrate(): number {
  let seed = 12345;
  const start = performance.now();
  for (let i = 0; i < CALIBRATION_STORES; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    const page = pages[seed >>> 20] as Int32Array;
    const word = (seed >>> 10) & 1022;
    page[word] = i;
    page[word + 1] = seed;
  }
  return ((performance.now() - start) * 1e6) / CALIBRATION_STORES;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Reports the median of `runs` timed runs of `perRun` operations after one warm-up, each beside a calibration. */
export function calibrated(name: string, runs: number, perRun: number, work: () => void): void {
  if (runs > 1) work();
  calibrate();
  const times: number[] = [];
  const multiples: number[] = [];
  for (let i = 0; i < runs; i++) {
    const unit = calibrate();
    const start = performance.now();
    work();
    const nanoseconds = ((performance.now() - start) * 1e6) / perRun;
    times.push(nanoseconds);
    multiples.push(nanoseconds / unit);
  }
  line(name, humanRate(median(times)), `${median(multiples).toFixed(1)} stores`);
}

export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(Math.floor((sorted.length * percent) / 100), sorted.length - 1)] ?? Number.NaN;
}

/** Reports a figure that is no time. */
export const reportText = (name: string, text: string): void => line(name, text, '');

/** Reports figures that were taken elsewhere. */
export function report(name: string, nanoseconds: number, calibration: number): void {
  line(name, humanRate(nanoseconds), `${(nanoseconds / calibration).toFixed(1)} stores`);
}

/** Reports the memory that what `make` returns holds on to. */
export function reportBytes(name: string, make: () => object): void {
  const before = heldBytes();
  const held = make();
  const bytes = heldBytes() - before;
  if (Object.keys(held).length === 0) throw new Error('bench: nothing was made');
  line(name, `${(bytes / 1e6).toFixed(0)} MB`, '');
}

function heldBytes(): number {
  // Array buffers are let go one collection after their owners.
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function humanRate(nanoseconds: number): string {
  const rate = 1e9 / nanoseconds;
  if (rate >= 1e6) return `${(rate / 1e6).toFixed(1)} M/s`;
  return rate >= 1e3 ? `${(rate / 1e3).toFixed(1)} k/s` : `${(nanoseconds / 1e6).toFixed(1)} ms`;
}

const line = (name: string, human: string, multiple: string): void =>
  console.log(`${name.padEnd(44)} ${human.padStart(12)} ${multiple.padStart(20)}`.trimEnd());
