/**
 * Launch configurations: F5 on a guest script needs no launch.json, and the Run and Debug list offers one configuration
 * for each ABI. What the attributes mean, and which values are allowed, the adapter says.
 */

import { isAbsolute, join } from 'node:path';
import {
  debug,
  DebugConfigurationProviderTriggerKind,
  window,
  type DebugConfiguration,
  type ExtensionContext,
  type TextDocument,
  type WorkspaceFolder,
} from 'vscode';
import type { AbiName } from '../../adapter/protocol.ts';

/** The ABIs offered without a launch.json, with what people call them. */
const abis: readonly { readonly abi: AbiName; readonly label: string }[] = [
  { abi: 'x86_64', label: '64-bit guest' },
  { abi: 'x86_32p', label: '32-bit guest with PAE' },
  { abi: 'x86_32p', label: '32-bit PAE guest' },
  { abi: 'x86_32', label: '32-bit guest without PAE' },
];

/** What makes a file that is only `.c` a guest script: Xen's headers, our library, or a fault handler of the wiki's kind. */
const guestScript = /#\s*include\s*[<"](?:xen\/|xenscope\.h)|\bHYPERVISOR_\w+\s*\(|\bpage_fault_handler\s*\(/;

export function registerConfigurations(context: ExtensionContext): void {
  context.subscriptions.push(
    debug.registerDebugConfigurationProvider('xenscope', {
      resolveDebugConfiguration: (_folder, config) => resolve(config),
      resolveDebugConfigurationWithSubstitutedVariables: withAbsolutePaths,
    }),
    debug.registerDebugConfigurationProvider(
      'xenscope',
      { provideDebugConfigurations: () => abis.map(({ abi, label }) => forAbi(abi, label)) },
      DebugConfigurationProviderTriggerKind.Dynamic,
    ),
  );
}

/** A configuration that debugs `program` with the default of every attribute. */
export function configurationFor(program: string): DebugConfiguration {
  return { type: 'xenscope', request: 'launch', name: 'Debug guest script', program };
}

/** Whether the document is a script for us: by its language, or a C file that uses Xen's interface. */
export function isGuestScript(document: TextDocument): boolean {
  if (document.languageId === 'xenscope-c') return true;
  return document.languageId === 'c' && guestScript.test(document.getText());
}

function forAbi(abi: AbiName, label: string): DebugConfiguration {
  return { ...configurationFor('${file}'), name: `Debug this script as a ${label} (${abi})`, abi };
}

/** Fills in what F5 without a launch.json leaves empty. Null ends the launch; the user has been told why. */
function resolve(config: DebugConfiguration): DebugConfiguration | null {
  const isEmpty = !config.type && !config.request && !config.name;
  if (!isEmpty) return config;
  const document = window.activeTextEditor?.document;
  if (document && isGuestScript(document)) return configurationFor('${file}');
  void window.showErrorMessage(
    'Xenscope debugs guest scripts: open a file named *.guest.c, or a C file that includes <xenscope.h>, and press F5 there.',
  );
  return null;
}

function withAbsolutePaths(
  folder: WorkspaceFolder | undefined,
  config: DebugConfiguration,
): DebugConfiguration {
  const absolute = (path: unknown): unknown =>
    typeof path === 'string' && path !== '' && !isAbsolute(path) && folder
      ? join(folder.uri.fsPath, path)
      : path;
  const each = (value: unknown): unknown => (Array.isArray(value) ? value.map(absolute) : absolute(value));
  return {
    // In the editor one wants to look at a guest that has failed, and to step back from there.
    stopOnExit: 'failure',
    ...config,
    program: each(config['program']),
    ...(config['includePath'] === undefined ? {} : { includePath: each(config['includePath']) }),
  };
}
