/** HYPERVISOR_xen_version (17): the queries that guests make at start (facts 8.3). */

import type { Vcpu } from '../machine/vcpu.ts';
import { PAGE_SIZE } from '../units.ts';
import { copyToGuest, isNull, readField, writeField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';
import { encodeText } from './text.ts';

const XENVER_VERSION = 0;
const XENVER_EXTRAVERSION = 1;
const XENVER_CAPABILITIES = 3;
const XENVER_PLATFORM_PARAMETERS = 5;
const XENVER_GET_FEATURES = 6;
const XENVER_PAGESIZE = 7;

const EXTRAVERSION_BYTES = 16;
const CAPABILITIES_BYTES = 1024;
/** Feature bit 11: the domain is dom0. */
const FEATURE_DOM0 = 1 << 11;

export function xenVersion(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const command = args[0] as number;
  const addressLo = args[2] as number;
  const addressHi = args[3] as number;
  const written = (success: boolean): number =>
    success ? accepted(hv) : refuse(hv, 'xen_version.argument', { command, addressLo, addressHi });
  switch (command) {
    case XENVER_VERSION:
      return hv.ruleSet.version;
    case XENVER_EXTRAVERSION:
      return written(copyText(vcpu, addressLo, addressHi, hv.ruleSet.extraVersion, EXTRAVERSION_BYTES));
    case XENVER_CAPABILITIES:
      return written(copyText(vcpu, addressLo, addressHi, `${hv.abi.startInfo.magic} `, CAPABILITIES_BYTES));
    case XENVER_PLATFORM_PARAMETERS: {
      const start = hv.abi.wordBytes === 8 && hv.options.debug ? 0n : hv.abi.xenHole.from;
      const field = { offset: 0, bytes: hv.abi.wordBytes };
      const lo = Number(BigInt.asIntN(32, start));
      const hi = Number(BigInt.asIntN(32, start >> 32n));
      return written(writeField(vcpu, addressLo, addressHi, field, lo, hi));
    }
    case XENVER_GET_FEATURES: {
      if (!readField(vcpu, addressLo, addressHi, { offset: 0, bytes: 4 })) return written(false);
      const isFirst = vcpu.mmu.lo === 0;
      const features = hv.ruleSet.features | (vcpu.domain.role === 'hardware' ? FEATURE_DOM0 : 0);
      const field = { offset: 4, bytes: 4 } as const;
      return written(writeField(vcpu, addressLo, addressHi, field, isFirst ? features : 0, 0));
    }
    case XENVER_PAGESIZE:
      if (isNull(addressLo, addressHi)) return PAGE_SIZE;
      return refuse(hv, 'xen_version.pagesize', { addressLo, addressHi });
    default:
      return refuse(hv, 'xen_version.command', { command });
  }
}

function accepted(hv: Hypervisor): number {
  met(hv, 'xen_version.argument');
  return 0;
}

function copyText(vcpu: Vcpu, lo: number, hi: number, text: string, bytes: number): boolean {
  const padded = new Uint8Array(bytes);
  padded.set(encodeText(text).subarray(0, bytes - 1));
  return copyToGuest(vcpu, lo, hi, padded);
}
