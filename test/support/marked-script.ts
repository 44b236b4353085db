/**
 * Guest scripts for debugging tests: a comment `@name` at the end of a line names the line, so that a test speaks of
 * "the line marked call" and not of a number.
 */

export interface MarkedScript {
  readonly text: string;
  /** The line (from 1) that carries the mark, as a number for requests and as text for comparing. */
  line(mark: string): number;
  at(mark: string): string;
}

export function markedScript(text: string): MarkedScript {
  const lines = text.split('\n');
  const line = (mark: string): number => {
    const index = lines.findIndex((each) => each.includes(`/* @${mark} */`));
    if (index < 0) throw new Error(`no line is marked @${mark}`);
    return index + 1;
  };
  return { text, line, at: (mark) => `${line(mark)}` };
}
