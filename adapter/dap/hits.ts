/**
 * The hits of one breakpoint: the positions of the run at which it held, ascending. Its n-th hit is the n-th of them, so
 * that a hit count means the same place whether the cursor comes forwards or backwards, and counts no place twice.
 */

/** Positions kept; of a breakpoint that is hit more often only the number of the earliest is. */
const MAX_POSITIONS = 1 << 20;

export class Hits {
  private positions: number[] = [];
  private dropped = 0;
  private printedUpTo = -1;

  /** Which hit the one at a position is, counted from 1; notes it if it is new. */
  rankAt(position: number): number {
    const index = this.indexOf(position);
    if (this.positions[index] !== position) this.positions.splice(index, 0, position);
    const rank = this.dropped + index + 1;
    if (this.positions.length > MAX_POSITIONS) {
      this.dropped += MAX_POSITIONS / 2;
      this.positions.splice(0, MAX_POSITIONS / 2);
    }
    return rank;
  }

  /** Hits up to a position. */
  countAt(position: number): number {
    return this.dropped + this.indexOf(position + 1);
  }

  /** Whether a log message is due at a position: once, and only as the run goes on. */
  isNews(position: number): boolean {
    if (position <= this.printedUpTo) return false;
    this.printedUpTo = position;
    return true;
  }

  /** An edit has made what came after a position another future. */
  forgetAfter(position: number): void {
    this.positions.length = this.indexOf(position + 1);
    this.printedUpTo = Math.min(this.printedUpTo, position);
  }

  /** The first index whose position is not before the given one. */
  private indexOf(position: number): number {
    let low = 0;
    let high = this.positions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.positions[middle] as number) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
