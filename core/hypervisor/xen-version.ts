/** HYPERVISOR_xen_version (17): the queries that guests make at start (facts 8.3). */

import type { Vcpu } from '../machine/vcpu.ts';
import { PAGE_SIZE } from '../units.ts';
import { copyToGuest, isNull, readField, writeField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';
import { encodeText } from './text.ts';

const XENVER_VERSION = 0;
const XENVER_EXTRAVERSION = 1;
const XENVER_COMPILE_INFO = 2;
const XENVER_CAPABILITIES = 3;
const XENVER_CHANGESET = 4;
const XENVER_PLATFORM_PARAMETERS = 5;
const XENVER_GET_FEATURES = 6;
const XENVER_PAGESIZE = 7;
const XENVER_GUEST_HANDLE = 8;
const XENVER_COMMANDLINE = 9;

/** Texts of fixed length, one after the other. */
type Texts = readonly (readonly [text: string, bytes: number])[];

/** What each of these queries copies to the guest. */
const TEXTS: { readonly [command: number]: (hv: Hypervisor, vcpu: Vcpu) => Texts } = {
  [XENVER_EXTRAVERSION]: (hv) => [[hv.ruleSet.extraVersion, 16]],
  // Compiler, user, domain and date of the build.
  [XENVER_COMPILE_INFO]: () => [
    ['a model of Xen', 64],
    ['xenscope', 16],
    ['', 32],
    ['', 32],
  ],
  [XENVER_CAPABILITIES]: (hv) => [[`${hv.abi.startInfo.magic} `, 1024]],
  [XENVER_CHANGESET]: () => [['unavailable', 64]],
  [XENVER_COMMANDLINE]: (_, { domain }) => [[domain.role === 'hardware' ? '' : '<denied>', 1024]],
};
const HANDLE_BYTES = 16;
/** Feature bit 11: the domain is dom0. */
const FEATURE_DOM0 = 1 << 11;

export function xenVersion(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const command = args[0] as number;
  const addressLo = args[2] as number;
  const addressHi = args[3] as number;
  const written = (success: boolean): number =>
    success ? accepted(hv) : refuse(hv, 'xen_version.argument', { command, addressLo, addressHi });
  if (command > hv.ruleSet.lastVersionQuery) return refuse(hv, 'xen_version.command', { command });
  const texts = TEXTS[command];
  if (texts !== undefined) return written(copyToGuest(vcpu, addressLo, addressHi, inFields(texts(hv, vcpu))));
  switch (command) {
    case XENVER_VERSION:
      return hv.ruleSet.version;
    case XENVER_GUEST_HANDLE: {
      const handle = new Uint8Array(HANDLE_BYTES);
      handle[HANDLE_BYTES - 1] = vcpu.domain.id;
      return written(copyToGuest(vcpu, addressLo, addressHi, handle));
    }
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

/** Each text in a field of its length, ended by 0. */
function inFields(texts: Texts): Uint8Array {
  const fields = new Uint8Array(texts.reduce((sum, [, bytes]) => sum + bytes, 0));
  let at = 0;
  for (const [text, bytes] of texts) {
    fields.set(encodeText(text).subarray(0, bytes - 1), at);
    at += bytes;
  }
  return fields;
}
