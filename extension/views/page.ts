/** The HTML page of a view: one script, one style sheet, the icon font; everything else is forbidden. */

import { randomBytes } from 'node:crypto';
import { Uri, type ExtensionContext, type Webview, type WebviewOptions } from 'vscode';
import type { ViewName } from '../webview/messages.ts';

export function webviewOptions(context: ExtensionContext): WebviewOptions {
  return { enableScripts: true, localResourceRoots: [webviewFolder(context)] };
}

export function pageOf(view: ViewName, webview: Webview, context: ExtensionContext): string {
  const nonce = randomBytes(16).toString('base64');
  const folder = webviewFolder(context);
  const address = (file: string) => webview.asWebviewUri(Uri.joinPath(folder, file)).toString();
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource} 'nonce-${nonce}'`,
    `font-src ${webview.cspSource}`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" nonce="${nonce}" href="${address(`${view}.css`)}" id="vscode-codicon-stylesheet">
<style nonce="${nonce}">body { padding: 0; overflow: hidden; }</style>
<title>${view}</title>
</head>
<body>
<xs-${view}></xs-${view}>
<script nonce="${nonce}" src="${address(`${view}.js`)}"></script>
</body>
</html>`;
}

function webviewFolder(context: ExtensionContext): Uri {
  return Uri.joinPath(context.extensionUri, 'dist', 'webview');
}
