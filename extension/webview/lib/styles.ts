/** The look of every view. Colours are the theme's variables and nothing else, so that any theme fits. */

import { css } from 'lit';

/** Size of the numbers: the editor's font, one step smaller than the interface's. */
const numbers = css`
  font-family: var(--vscode-editor-font-family, monospace);
  font-size: calc(var(--vscode-font-size, 13px) - 1px);
`;

/** A changed value is underlined, which also works in print and for those who do not see the colour. */
const changed = css`
  .was {
    text-decoration: underline;
    text-decoration-thickness: 2px;
    text-underline-offset: 2px;
    text-decoration-color: var(--vscode-editorGutter-modifiedBackground);
  }
`;

const codicons = css`
  .codicon {
    font: normal normal normal 16px/1 codicon;
    display: inline-block;
    text-rendering: auto;
    text-align: center;
    -webkit-font-smoothing: antialiased;
    user-select: none;
  }
  .codicon-chevron-right::before {
    content: '\\eab6';
  }
  .codicon-chevron-down::before {
    content: '\\eab4';
  }
`;

export const gridStyles = css`
  :host {
    display: block;
    overflow: hidden;
    min-height: 0;
  }
  .grid {
    display: grid;
    grid-template-rows: auto minmax(0, 1fr);
    height: 100%;
    outline: none;
    ${numbers}
  }
  .scroller {
    overflow: hidden auto;
    scrollbar-gutter: stable;
    position: relative;
  }
  .rows {
    position: relative;
    contain: layout style;
    min-width: 100%;
  }
  .row {
    display: grid;
    grid-template-columns: var(--tracks);
    column-gap: 1.4ch;
    height: 20px;
    line-height: 20px;
    padding: 0 10px 0 9px;
    border-left: 3px solid transparent;
    box-sizing: border-box;
    white-space: pre;
  }
  .rows .row {
    position: absolute;
    left: 0;
    right: 0;
    top: 0;
    cursor: default;
    user-select: none;
  }
  .row > span {
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .end {
    text-align: right;
  }
  .header {
    overflow: hidden;
    scrollbar-gutter: stable;
    border-bottom: 1px solid var(--vscode-panelSection-border, var(--vscode-widget-border, transparent));
  }
  /* The tracks are measured in the font of the numbers, so only the words have the interface's. */
  .header span {
    color: var(--vscode-descriptionForeground);
    font-family: var(--vscode-font-family);
    font-size: calc(var(--vscode-font-size, 13px) - 2px);
  }
  .row.changed {
    border-left-color: var(--vscode-editorGutter-modifiedBackground);
  }
  .row.dim {
    color: var(--vscode-disabledForeground);
  }
  .rows .row:hover {
    background: var(--vscode-list-hoverBackground);
  }
  .row.active {
    background: var(--vscode-list-inactiveSelectionBackground);
    outline: 1px dotted var(--vscode-contrastActiveBorder, transparent);
    outline-offset: -1px;
  }
  .grid:focus .row.active {
    background: var(--vscode-list-activeSelectionBackground);
    color: var(--vscode-list-activeSelectionForeground);
    outline: 1px solid var(--vscode-list-focusOutline, transparent);
    outline-offset: -1px;
  }
  .grid:focus .row.active .quiet {
    color: inherit;
  }
  .grid:focus .row.active a {
    color: inherit;
  }
  .row.wrong .mark {
    color: var(--vscode-errorForeground);
  }
  .quiet {
    color: var(--vscode-descriptionForeground);
  }
  .key {
    color: var(--vscode-symbolIcon-numberForeground, inherit);
  }
  a {
    color: inherit;
    text-decoration: none;
    cursor: pointer;
  }
  a:hover {
    color: var(--vscode-textLink-foreground);
    text-decoration: underline;
  }
  .indent {
    display: inline-block;
  }
  .twistie {
    width: 16px;
    vertical-align: text-bottom;
    cursor: pointer;
  }
  .word.chosen {
    outline: 1px solid var(--vscode-focusBorder);
    outline-offset: 1px;
  }
  .empty {
    font-family: var(--vscode-font-family);
    color: var(--vscode-descriptionForeground);
    padding: 4px 12px;
    margin: 0;
    white-space: normal;
  }
  ${changed}
  ${codicons}
`;

export const viewStyles = css`
  :host {
    display: grid;
    grid-template-rows: auto minmax(0, 1fr) auto;
    height: 100vh;
    color: var(--vscode-foreground);
    font-family: var(--vscode-font-family);
    font-size: var(--vscode-font-size);
  }
  .toolbar {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 4px 6px;
    padding: 4px 10px 5px 12px;
  }
  .toolbar vscode-single-select {
    width: auto;
    min-width: 8ch;
    flex: none;
  }
  .toolbar vscode-textfield {
    width: auto;
    min-width: 8ch;
    flex: 1 1 8ch;
  }
  .toolbar vscode-checkbox {
    flex: none;
  }
  .status {
    padding: 1px 12px 3px;
    min-height: 18px;
    line-height: 18px;
    color: var(--vscode-descriptionForeground);
    font-size: calc(var(--vscode-font-size, 13px) - 1px);
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .status a {
    color: var(--vscode-textLink-foreground);
    cursor: pointer;
  }
  .status.error {
    color: var(--vscode-errorForeground);
    white-space: normal;
  }
  .welcome {
    grid-row: 1 / -1;
    padding: 8px 20px;
    color: var(--vscode-descriptionForeground);
  }
`;
