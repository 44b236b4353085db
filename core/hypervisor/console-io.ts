/** HYPERVISOR_console_io (18): Xen's own console, which only the hardware domain may use (facts 8.3). */

import type { Vcpu } from '../machine/vcpu.ts';
import { copyFromGuest, isGuestAddress } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';
import { decodeText } from './text.ts';

const CONSOLEIO_WRITE = 0;
const CONSOLEIO_READ = 1;
/** Xen copies the text in pieces; a model's script has no need of more than this at once. */
const MAX_BYTES = 1 << 20;
const MAX_INT = 0x7fff_ffff;

export function consoleIo(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const command = args[0] as number;
  const count = (args[2] as number) >>> 0;
  const addressLo = args[4] as number;
  const addressHi = args[5] as number;
  if (vcpu.domain.role !== 'hardware') return refuse(hv, 'console_io.permission', {});
  met(hv, 'console_io.permission');
  if (command === CONSOLEIO_READ) {
    if (count > MAX_INT) return refuse(hv, 'console_io.count', { count });
    met(hv, 'console_io.count');
    return 0;
  }
  if (command !== CONSOLEIO_WRITE) return refuse(hv, 'console_io.command', { command });
  met(hv, 'console_io.command');
  const isReadable = count <= MAX_BYTES && isGuestAddress(hv.abi, addressLo, addressHi);
  const bytes = isReadable ? copyFromGuest(vcpu, addressLo, addressHi, count) : null;
  if (bytes === null) return refuse(hv, 'console_io.buffer', { count, addressLo, addressHi });
  met(hv, 'console_io.buffer');
  hv.observer?.consoleWritten?.(vcpu.domain, decodeText(bytes));
  return 0;
}
