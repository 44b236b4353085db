/** Layouts of the structures of grant_table_op (facts 5.2), by the guest's word: public/grant_table.h compiled. */

import type { Field } from '../abi/index.ts';

const u16 = (offset: number): Field => ({ offset, bytes: 2 });
const u32 = (offset: number): Field => ({ offset, bytes: 4 });
const u64 = (offset: number): Field => ({ offset, bytes: 8 });

const shared = {
  map: {
    bytes: 32,
    host: u64(0),
    flags: u32(8),
    ref: u32(12),
    domid: u16(16),
    status: u16(18),
    handle: u32(20),
    device: u64(24),
  },
  unmap: { bytes: 24, host: u64(0), device: u64(8), handle: u32(16), status: u16(20) },
  replace: { bytes: 24, host: u64(0), replacement: u64(8), handle: u32(16), status: u16(20) },
  querySize: { bytes: 16, domid: u16(0), frames: u32(4), maxFrames: u32(8), status: u16(12) },
  setVersion: { bytes: 4, version: u32(0) },
  getVersion: { bytes: 8, domid: u16(0), version: u32(4) },
  swap: { bytes: 12, a: u32(0), b: u32(4), status: u16(8) },
} as const;

export const GRANT_LAYOUTS = {
  8: {
    ...shared,
    setup: { bytes: 24, domid: u16(0), frames: u32(4), status: u16(8), list: u64(16) },
    transfer: { bytes: 24, frame: u64(0), domid: u16(8), ref: u32(12), status: u16(16) },
    copy: {
      bytes: 40,
      source: { what: u64(0), domid: u16(8), offset: u16(10) },
      dest: { what: u64(16), domid: u16(24), offset: u16(26) },
      length: u16(32),
      flags: u16(34),
      status: u16(36),
    },
  },
  4: {
    ...shared,
    setup: { bytes: 16, domid: u16(0), frames: u32(4), status: u16(8), list: u32(12) },
    transfer: { bytes: 16, frame: u32(0), domid: u16(4), ref: u32(8), status: u16(12) },
    copy: {
      bytes: 24,
      source: { what: u32(0), domid: u16(4), offset: u16(6) },
      dest: { what: u32(8), domid: u16(12), offset: u16(14) },
      length: u16(16),
      flags: u16(18),
      status: u16(20),
    },
  },
} as const;
