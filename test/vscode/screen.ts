/**
 * What a person sees and does in the window: keys, the text of the workbench, the rows of a view, screenshots. The
 * launcher that drives the browser answers (scripts/test-vscode.mjs); without one (desktop VS Code) there is no screen.
 */

export interface ViewRow {
  /** The cells' text. */
  readonly cells: readonly string[];
  readonly changed: boolean;
  readonly active: boolean;
  /** Text of the cells marked as changed. */
  readonly marked: readonly string[];
}

export interface ScreenActions {
  /** Shows a line to the person who runs the suite. */
  say: [{ readonly text: string }, null];
  press: [{ readonly key: string }, null];
  /** Text of the first element that matches, once there is one with text. */
  text: [{ readonly selector: string }, string];
  click: [{ readonly selector: string }, null];
  /** Rows drawn in the page of a view; of every page of that kind when there are several, the first. */
  rows: [{ readonly view: string }, readonly ViewRow[]];
  /** Text of an element in the page of a view. */
  viewText: [{ readonly view: string; readonly selector: string }, string];
  viewKeys: [{ readonly view: string; readonly selector: string; readonly keys: readonly string[] }, null];
  screenshot: [{ readonly name: string }, null];
}

export class Screen {
  private readonly address: string;

  private constructor(address: string) {
    this.address = address;
  }

  /** The screen of this run, or undefined where nobody drives one. */
  static get current(): Screen | undefined {
    const address = process.env['XENSCOPE_SCREEN'];
    return address === undefined ? undefined : new Screen(address);
  }

  async do<K extends keyof ScreenActions>(
    action: K,
    args: ScreenActions[K][0],
  ): Promise<ScreenActions[K][1]> {
    const response = await fetch(this.address, { method: 'POST', body: JSON.stringify({ action, args }) });
    if (!response.ok) throw new Error(await response.text());
    return (await response.json()) as ScreenActions[K][1];
  }
}

/** Tries until `check` stops throwing; the last error is told. */
export async function eventually<T>(check: () => Promise<T> | T, timeoutMs = 20_000): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
