/** Commands around a debug session: run and debug the open script, and break on a hypercall by its name. */

import {
  commands,
  debug,
  FunctionBreakpoint,
  type Uri,
  window,
  workspace,
  type ExtensionContext,
  type QuickPickItem,
} from 'vscode';
import { configurationFor } from './configurations.ts';

/** Hypercalls of the memory interface and what they are for, as offered by "Break on Hypercall...". */
const hypercalls: readonly QuickPickItem[] = [
  { label: 'HYPERVISOR_mmu_update', description: 'write page-table entries' },
  { label: 'HYPERVISOR_update_va_mapping', description: 'write the L1 entry of an address' },
  { label: 'HYPERVISOR_mmuext_op', description: 'pin, unpin, switch the root, flush' },
  { label: 'mmuext_op:MMUEXT_PIN_*', description: 'pin a page table of any level' },
  { label: 'HYPERVISOR_memory_op', description: 'give back, take or exchange machine frames' },
  { label: 'HYPERVISOR_grant_table_op', description: 'share frames with another domain' },
  { label: 'HYPERVISOR_multicall', description: 'several hypercalls in one' },
  { label: 'HYPERVISOR_set_trap_table', description: 'tell Xen the trap handlers' },
  { label: 'HYPERVISOR_set_gdt', description: 'give Xen the frames of the descriptor table' },
  { label: 'HYPERVISOR_update_descriptor', description: 'write one descriptor' },
  { label: 'HYPERVISOR_stack_switch', description: 'tell Xen the kernel stack' },
  { label: 'HYPERVISOR_iret', description: 'return from a trap' },
  { label: 'HYPERVISOR_vm_assist', description: 'ask for writable page tables and other help' },
  { label: 'HYPERVISOR_sched_op', description: 'yield, block, shut down' },
  { label: 'HYPERVISOR_console_io', description: 'write to the console of Xen' },
];

export function registerCommands(context: ExtensionContext): void {
  context.subscriptions.push(
    commands.registerCommand('xenscope.debug', (uri?: Uri) => launch(uri, { noDebug: false })),
    commands.registerCommand('xenscope.run', (uri?: Uri) => launch(uri, { noDebug: true })),
    commands.registerCommand('xenscope.breakOnHypercall', breakOnHypercall),
  );
}

async function launch(uri: Uri | undefined, { noDebug }: { readonly noDebug: boolean }): Promise<void> {
  const target = uri ?? window.activeTextEditor?.document.uri;
  if (!target) {
    await window.showErrorMessage('No script is open: open a file named *.guest.c first.');
    return;
  }
  const folder = workspace.getWorkspaceFolder(target);
  await debug.startDebugging(folder, configurationFor(target.fsPath), { noDebug });
}

async function breakOnHypercall(): Promise<void> {
  const picked = await window.showQuickPick(hypercalls, {
    title: 'Break on Hypercall',
    placeHolder: 'The guest stops before Xen carries the hypercall out',
    matchOnDescription: true,
  });
  if (!picked) return;
  const exists = debug.breakpoints.some(
    (breakpoint) => breakpoint instanceof FunctionBreakpoint && breakpoint.functionName === picked.label,
  );
  if (!exists) debug.addBreakpoints([new FunctionBreakpoint(picked.label)]);
}
