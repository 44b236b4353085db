/**
 * What every view has in common: it follows the moment, knows the machine, asks again when the state has moved, and
 * tells a failure in its status line.
 */

import '@vscode-elements/elements/dist/vscode-checkbox/index.js';
import '@vscode-elements/elements/dist/vscode-icon/index.js';
import '@vscode-elements/elements/dist/vscode-option/index.js';
import '@vscode-elements/elements/dist/vscode-single-select/index.js';
import '@vscode-elements/elements/dist/vscode-textfield/index.js';
import '@vscode-elements/elements/dist/vscode-toolbar-button/index.js';
import '@vscode/codicons/dist/codicon.css';
import './grid.ts';
import { html, LitElement, type CSSResultGroup, type TemplateResult } from 'lit';
import type { DomainSummary, MachineSummary, Unknown } from '../../../adapter/protocol.ts';
import type { Moment, Place } from '../messages.ts';
import { Cancelled, Host } from './host.ts';
import { viewStyles } from './styles.ts';

export abstract class View extends LitElement {
  static override readonly styles: CSSResultGroup = viewStyles;
  static override readonly properties = {
    moment: { state: true },
    machine: { state: true },
    failure: { state: true },
    revision: { state: true },
  };
  declare protected moment: Moment;
  declare protected machine: MachineSummary | undefined;
  /** Why something is not shown, for the status line. */
  declare protected failure: string | undefined;
  /** Counts changes of the rows. */
  declare protected revision: number;
  protected readonly host = new Host();
  /** The session shown last, also after its end. */
  private session: string | undefined;
  /** Cancels what was asked for the moment that has passed. */
  private requests = new AbortController();

  constructor() {
    super();
    this.moment = { kind: 'none' };
    this.revision = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.host.onMoment = (moment) => void this.follow(moment);
    this.host.onShow = (place) => this.go(place);
    this.host.ready();
  }

  /** The state has moved, or there is a new session: ask again for what is in sight. */
  protected abstract refresh(signal: AbortSignal, machine: MachineSummary): Promise<void>;

  /** Another session: what was remembered of the state does not count any more. */
  protected abstract forget(): void;

  /** Show a place that another view named. */
  protected abstract go(place: Place): void;

  /** The view without a session. */
  protected abstract readonly welcome: string;

  protected abstract renderView(machine: MachineSummary): TemplateResult;

  protected override render(): TemplateResult {
    if (this.machine) return this.renderView(this.machine);
    return html`<p class="welcome">${this.failure ?? this.welcome}</p>`;
  }

  protected renderStatus(text: unknown): TemplateResult {
    return html`<div class=${this.failure ? 'status error' : 'status'} role="status">
      ${this.failure ?? text}
    </div>`;
  }

  /** Signal of the present moment, for requests that the user starts. */
  protected get signal(): AbortSignal {
    return this.requests.signal;
  }

  /** Runs something that may fail, and tells the failure. */
  protected async attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof Cancelled) return;
      this.failure = error instanceof Error ? error.message : String(error);
    }
  }

  protected changed(): void {
    this.revision++;
  }

  private async follow(moment: Moment): Promise<void> {
    this.requests.abort();
    this.requests = new AbortController();
    this.moment = moment;
    this.failure = undefined;
    if (moment.kind === 'none') {
      this.machine = undefined;
      this.host.title('');
      return;
    }
    if (this.session !== undefined && this.session !== moment.session) {
      this.forget();
      this.machine = undefined;
    }
    this.session = moment.session;
    const { signal } = this.requests;
    await this.attempt(async () => {
      const asked = this.host
        .request('xenscope/machine', {}, signal)
        .then((machine) => (this.machine = machine));
      // What a machine is made of stays: only the first stop has to wait for it.
      const machine = this.machine ?? (await asked);
      await Promise.all([asked, this.refresh(signal, machine)]);
      this.changed();
    });
  }
}

/** The answer, or an error with the reason why there is none. */
export function known<T extends object>(answer: T | Unknown): T {
  if ('unknown' in answer) throw new Error(answer.unknown);
  return answer;
}

/** The domain chosen by number, or the first. */
export function domainOf(machine: MachineSummary, chosen: number | null): DomainSummary | undefined {
  return machine.domains.find(({ domain }) => domain === chosen) ?? machine.domains[0];
}

/** How many rows of a view have changed, as a switch that shows only those. */
export function changedCount(
  found: { readonly rows: readonly object[]; readonly next: number | null } | undefined,
  onlyChanged: boolean,
  toggle: () => void,
): unknown {
  if (!found || found.rows.length === 0) return '';
  const number = `${found.rows.length}${found.next === null ? '' : ' or more'}`;
  const hint = onlyChanged ? 'Show the others too' : 'Show only these';
  return html`; ${link(`${number} changed`, hint, toggle)}`;
}

/** A choice of domain, only where there is one to make. */
export function domainSelect(
  machine: MachineSummary,
  chosen: number | null,
  choose: (domain: number) => void,
): TemplateResult | undefined {
  if (machine.domains.length < 2) return undefined;
  const change = (event: Event) => choose(Number((event.target as HTMLSelectElement).value));
  return html`<vscode-single-select .label=${'Domain'} @change=${change}>
    ${machine.domains.map(
      ({ domain, name }) =>
        html`<vscode-option value=${domain} ?selected=${domain === domainOf(machine, chosen)?.domain}
          >${name}</vscode-option
        >`,
    )}
  </vscode-single-select>`;
}

/** A box that takes an address or a frame; Enter goes there. */
export function goBox(options: {
  readonly label: string;
  /** What the empty box says, where there is no room for the label. */
  readonly placeholder?: string;
  readonly hint: string;
  go(text: string): void;
}): TemplateResult {
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== 'Enter') return;
    const text = (event.target as HTMLInputElement).value.trim();
    if (text !== '') options.go(text);
  };
  return html`<vscode-textfield
    .label=${options.label}
    title=${options.hint}
    placeholder=${options.placeholder ?? options.label}
    @keydown=${onKey}
    ><vscode-icon slot="content-before" name="search" aria-hidden="true"></vscode-icon
  ></vscode-textfield>`;
}

/** Text of a cell that has a place to go to. */
export function link(text: string, hint: string, go: () => void): TemplateResult {
  const click = (event: Event) => {
    event.stopPropagation();
    go();
  };
  return html`<a title=${hint} @click=${click}>${text}</a>`;
}
