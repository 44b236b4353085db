/** One view's page in a plain browser tab, connected to a fake session by the extension's own channel. */

import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import { Channel } from '../../extension/views/channel.ts';
import type { FromView, Moment, Place, ViewName } from '../../extension/webview/messages.ts';
import type { FakeSession } from './fake-session.ts';

/** The variables of a dark theme that the views use. */
const theme = {
  'font-family': 'system-ui, "DejaVu Sans", sans-serif',
  'font-size': '13px',
  'editor-font-family': '"DejaVu Sans Mono", monospace',
  foreground: '#cccccc',
  descriptionForeground: '#9d9d9d',
  disabledForeground: '#cccccc80',
  errorForeground: '#f85149',
  focusBorder: '#0078d4',
  'panelSection-border': '#2b2b2b',
  'editor-background': '#181818',
  'list-hoverBackground': '#2a2d2e',
  'list-activeSelectionBackground': '#04395e',
  'list-activeSelectionForeground': '#ffffff',
  'list-inactiveSelectionBackground': '#37373d',
  'editorGutter-modifiedBackground': '#0078d4',
  'textLink-foreground': '#4daafc',
  'settings-textInputBackground': '#313131',
  'settings-textInputForeground': '#cccccc',
  'input-background': '#313131',
  'input-foreground': '#cccccc',
  'input-placeholderForeground': '#989898',
  'settings-dropdownBackground': '#313131',
  'settings-dropdownForeground': '#cccccc',
  'settings-dropdownBorder': '#3c3c3c',
  'settings-checkboxBackground': '#313131',
  'settings-checkboxBorder': '#3c3c3c',
} as const;

export class WebviewPage {
  readonly page: Page;
  readonly shown: Place[] = [];
  private readonly session: FakeSession;
  private readonly channel: Channel;

  /** Opens `view` in the page and waits until it has drawn. */
  static async open(page: Page, view: ViewName, session: FakeSession): Promise<WebviewPage> {
    const bundle = await bundleOf(view);
    return WebviewPage.load(page, view, session, bundle);
  }

  private static async load(
    page: Page,
    view: ViewName,
    session: FakeSession,
    bundle: { readonly script: string; readonly style: string },
  ): Promise<WebviewPage> {
    const listeners = new Set<(message: FromView) => void>();
    const shown = new WebviewPage(page, session, {
      onDidReceiveMessage(listener) {
        listeners.add(listener);
        return { dispose: () => listeners.delete(listener) };
      },
      postMessage: (message) =>
        page.evaluate(`window.postMessage(${JSON.stringify(message)}, '*')`).then(
          () => true,
          () => false,
        ),
    });
    await page.exposeFunction('xenscopeToHost', (message: FromView) => {
      for (const listener of listeners) listener(message);
    });
    const variables = Object.entries(theme).map(([name, value]) => `--vscode-${name}: ${value};`);
    await page.setContent(
      `<!DOCTYPE html><html lang="en"><style>:root { ${variables.join('')} } body { margin: 0; background: #181818; }</style>
       <style>${bundle.style}</style><body><xs-${view}></xs-${view}></body></html>`,
    );
    await page.evaluate(vsCodeApi);
    await page.addScriptTag({ content: bundle.script });
    return shown;
  }

  private constructor(page: Page, session: FakeSession, messages: ConstructorParameters<typeof Channel>[0]) {
    this.page = page;
    this.session = session;
    const moment = () => this.moment;
    this.channel = new Channel(
      messages,
      {
        get moment() {
          return moment();
        },
        ask: (name, args) => session.ask(name, args),
      },
      { show: (place) => this.shown.push(place), title: () => undefined },
    );
  }

  get moment(): Moment {
    return { kind: 'session', session: 'fake', stop: this.session.stop };
  }

  /** The session steps, and the view is told. */
  step(): void {
    this.session.step();
    this.channel.moment(this.moment);
  }

  show(place: Place): void {
    this.channel.show(place);
  }

  /** The rows that are drawn, each as its cells' text joined by a space. */
  async rows(): Promise<string[]> {
    const rows = await this.page.locator('[role="rowgroup"] .rows [role="row"]:not(.loading)').all();
    const texts = await Promise.all(rows.map((row) => row.innerText()));
    return texts.map((text) => text.replaceAll(/\s+/g, ' ').trim());
  }
}

/** What VS Code gives to the script of a webview, run in the page. */
const vsCodeApi = `{
  let state;
  window.acquireVsCodeApi = () => ({
    postMessage: (message) => void window.xenscopeToHost(message),
    getState: () => state,
    setState: (next) => { state = next; },
  });
}`;

async function bundleOf(view: ViewName): Promise<{ script: string; style: string }> {
  const { outputFiles } = await build({
    entryPoints: [`extension/webview/${view}/main.ts`],
    bundle: true,
    write: false,
    outdir: 'unused',
    format: 'iife',
    loader: { '.ttf': 'dataurl' },
    logLevel: 'silent',
  });
  const text = (ending: string) => outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? '';
  return { script: text('.js'), style: text('.css') };
}
