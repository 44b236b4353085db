/**
 * Source files, places in them, and the list that collects what is to be said about them.
 */
import type { Fix, Problem, SourceRange } from './tree.ts';

/** One file's text. Offsets count UTF-16 units from 0, as editors do. */
export class SourceFile {
  readonly path: string;
  readonly text: string;
  private lineStarts: Int32Array | null;

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
    this.lineStarts = null;
  }

  /** The place of an offset: line and column count from 1. */
  position(offset: number): { line: number; column: number } {
    const starts = (this.lineStarts ??= findLineStarts(this.text));
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  }

  range(offset: number, end: number): SourceRange {
    const from = this.position(offset);
    const to = this.position(end);
    return { file: this.path, line: from.line, column: from.column, endLine: to.line, endColumn: to.column };
  }
}

function findLineStarts(text: string): Int32Array {
  const starts: number[] = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return Int32Array.from(starts);
}

/** More errors than this help nobody: the rest is cut off. */
const MAX_ERRORS = 200;

/**
 * Collects problems; at one place the first message of an id is kept, and where the preprocessor found a mistake nothing else
 * is said.
 */
export class ProblemList {
  readonly problems: Problem[];
  private readonly seen: Set<string>;
  private readonly preprocessorErrors: Set<string>;
  private errors: number;

  constructor() {
    this.problems = [];
    this.seen = new Set();
    this.preprocessorErrors = new Set();
    this.errors = 0;
  }

  get hasErrors(): boolean {
    return this.errors > 0;
  }

  /** So many errors that reading on is of no use. */
  get isFull(): boolean {
    return this.errors >= MAX_ERRORS;
  }

  get errorCount(): number {
    return this.errors;
  }

  error(id: string, range: SourceRange, message: string, related?: Problem['related'], fix?: Fix): void {
    this.errors++;
    if (this.errors === MAX_ERRORS) {
      this.add(
        'too-many-errors',
        'error',
        range,
        'Too many errors, the rest is not shown. Correct the first ones.',
      );
    } else if (this.errors < MAX_ERRORS) {
      this.add(id, 'error', range, message, related, fix);
    }
  }

  warning(id: string, range: SourceRange, message: string, related?: Problem['related'], fix?: Fix): void {
    this.add(id, 'warning', range, message, related, fix);
  }

  private add(
    id: string,
    severity: Problem['severity'],
    range: SourceRange,
    message: string,
    related?: Problem['related'],
    fix?: Fix,
  ): void {
    const { file, line, column, endLine, endColumn } = range;
    const at = `${file}\0${line}\0${column}`;
    const key = `${id}\0${at}`;
    if (this.seen.has(key) || this.preprocessorErrors.has(at)) return;
    this.seen.add(key);
    if (severity === 'error' && id.startsWith('pp.')) this.preprocessorErrors.add(at);
    const place = { file, line, column, endLine, endColumn };
    this.problems.push({
      id,
      severity,
      ...place,
      message,
      ...(related === undefined ? {} : { related }),
      ...(fix === undefined ? {} : { fix }),
    });
  }
}
