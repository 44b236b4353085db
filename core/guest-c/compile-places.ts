/** Objects: where an lvalue lies, and the loads, stores, copies and clearings of what lies there. */

import { Op, Slot } from './bytecode.ts';
import type { FunctionContext, Register } from './compile-context.ts';
import { valueOf, valueInto, recordAddress } from './compile-expressions.ts';
import { constantInto } from './compile-constants.ts';
import type { Expression, Initialiser, Lvalue, VariableSymbol } from './tree.ts';
import type { BitField, CType } from './types.ts';

/** Where an object lies. */
export type Place =
  | { readonly kind: 'register'; readonly register: Register }
  /** At the address in a register plus an offset. */
  | { readonly kind: 'memory'; readonly base: Register; readonly offset: number }
  /** In the image, at an object plus an offset. */
  | { readonly kind: 'image'; readonly symbol: VariableSymbol; readonly offset: number };

/** A place, and the bits of it when it is a bit-field. */
export interface Target {
  readonly place: Place;
  readonly bitField: BitField | undefined;
}

interface AccessOps {
  readonly load: readonly [unsigned: number, signed: number];
  readonly store: number;
}
type OpsByBytes = Readonly<Record<1 | 2 | 4 | 8, AccessOps>>;

const PAIR_OPS: OpsByBytes = {
  1: { load: [Op.l8u, Op.l8s], store: Op.s8 },
  2: { load: [Op.l16u, Op.l16s], store: Op.s16 },
  4: { load: [Op.l32, Op.l32], store: Op.s32 },
  8: { load: [Op.l64, Op.l64], store: Op.s64 },
};
const WORD_OPS: OpsByBytes = {
  1: { load: [Op.wl8u, Op.wl8s], store: Op.ws8 },
  2: { load: [Op.wl16u, Op.wl16s], store: Op.ws16 },
  4: { load: [Op.wl32, Op.wl32], store: Op.ws32 },
  8: { load: [Op.wl64, Op.wl64], store: Op.ws64 },
};
const IMAGE_OPS: OpsByBytes = {
  1: { load: [Op.gl8u, Op.gl8s], store: Op.gs8 },
  2: { load: [Op.gl16u, Op.gl16s], store: Op.gs16 },
  4: { load: [Op.gl32, Op.gl32], store: Op.gs32 },
  8: { load: [Op.gl64, Op.gl64], store: Op.gs64 },
};

/** Copies and clearings up to this many bytes are written out; longer ones loop. */
const UNROLLED_BYTES = 128;
const MAX_OFFSET = 0x4000_0000;

/** Finds an lvalue; registers taken for its address stay taken. */
export function placeOf(context: FunctionContext, lvalue: Lvalue): Target {
  switch (lvalue.kind) {
    case 'variable':
      return whole(variablePlace(context, lvalue.symbol));
    case 'deref':
      return whole(pointedTo(context, lvalue.pointer));
    case 'member': {
      const object = placeOf(context, lvalue.object);
      return { place: shifted(object.place, lvalue.member.offset), bitField: lvalue.member.bitField };
    }
    case 'compoundLiteral': {
      const place = variablePlace(context, lvalue.symbol);
      initialise(context, place, lvalue.symbol.type, lvalue.initialiser);
      return whole(place);
    }
    case 'temporary': {
      const place = variablePlace(context, lvalue.symbol);
      storeValue(context, whole(place), lvalue.symbol.type, lvalue.value);
      return whole(place);
    }
  }
}

export function variablePlace(context: FunctionContext, symbol: VariableSymbol): Place {
  const own = context.locations.get(symbol);
  const outer = own === undefined ? context.outer : null;
  const location = own ?? outer?.locations.get(symbol);
  if (location === undefined || location.kind === 'static') return { kind: 'image', symbol, offset: 0 };
  const window = outer?.window ?? 0;
  switch (location.kind) {
    case 'register':
      return { kind: 'register', register: location.slot + window };
    case 'frame':
      return { kind: 'memory', base: Slot.fp + window, offset: location.offset };
    case 'indirect':
      return { kind: 'memory', base: location.slot + window, offset: 0 };
  }
}

/** The place that a pointer names; constant offsets become part of the place. */
function pointedTo(context: FunctionContext, pointer: Expression): Place {
  if (pointer.kind === 'address') {
    const { place } = placeOf(context, pointer.of);
    if (place.kind !== 'register') return place;
  }
  if (
    pointer.kind === 'convert' &&
    pointer.type.kind === 'pointer' &&
    pointer.operand.type.kind === 'pointer'
  )
    return pointedTo(context, pointer.operand);
  if (pointer.kind === 'pointerAdd' && pointer.index.kind === 'constant') {
    const bytes = pointer.index.value * BigInt(pointer.scale);
    if (bytes > -MAX_OFFSET && bytes < MAX_OFFSET)
      return shifted(pointedTo(context, pointer.pointer), Number(bytes));
  }
  return { kind: 'memory', base: valueOf(context, pointer), offset: 0 };
}

/** The address of a place in registers taken for it. */
export function addressInto(context: FunctionContext, place: Place, into: Register): void {
  const { emitter, is64 } = context;
  switch (place.kind) {
    case 'register':
      throw new Error('compile.addressInto: the object lives in a register');
    case 'memory':
      if (place.offset === 0) emitter.emit(is64 ? Op.qmov : Op.mov, into, place.base);
      else emitter.emit(is64 ? Op.qaddi : Op.addi, into, place.base, place.offset);
      return;
    case 'image': {
      const pc = is64 ? emitter.emit(Op.qldi, into) : emitter.emit(Op.ldi, into);
      emitter.fix(pc, 2, place.symbol, 'address', place.offset);
    }
  }
}

/** Loads a scalar. */
export function loadInto(context: FunctionContext, target: Target, type: CType, into: Register): void {
  const { bitField } = target;
  if (bitField !== undefined) return loadBitField(context, target.place, bitField, type, into);
  const { bytes, signed } = scalarShape(context, type);
  rawLoad(context, target.place, bytes, signed, into);
}

/** Stores a scalar that is in registers. */
export function storeFrom(context: FunctionContext, target: Target, type: CType, from: Register): void {
  const { bitField } = target;
  if (bitField !== undefined) return storeBitField(context, target.place, bitField, type, from);
  rawStore(context, target.place, scalarShape(context, type).bytes, from);
}

/** Stores the value of an expression: scalars, records, and strings into arrays. */
export function storeValue(context: FunctionContext, target: Target, type: CType, value: Expression): void {
  const { top } = context;
  if (type.kind === 'record' || type.kind === 'array') {
    const from: Place = { kind: 'memory', base: recordAddress(context, value), offset: 0 };
    const bytes = Math.min(context.bytesOf(type), context.bytesOf(value.type));
    copy(context, target.place, from, bytes);
  } else if (target.place.kind === 'register') {
    valueInto(context, value, target.place.register);
  } else {
    storeFrom(context, target, type, valueOf(context, value));
  }
  context.top = top;
}

/** Gives an auto object its start value. */
export function initialise(
  context: FunctionContext,
  place: Place,
  type: CType,
  initialiser: Initialiser,
): void {
  if (initialiser.zeroFirst) {
    if (place.kind === 'register') constantInto(context, 0n, context.wordsOf(type), place.register);
    else clear(context, place, context.bytesOf(type));
  }
  for (const entry of initialiser.entries) {
    const target: Target = { place: shifted(place, entry.offset), bitField: entry.bitField };
    storeValue(context, target, entry.type, entry.value);
  }
}

/** Copies bytes between objects that are the same or do not overlap. */
export function copy(context: FunctionContext, to: Place, from: Place, bytes: number): void {
  const { top } = context;
  if (bytes <= UNROLLED_BYTES) {
    const value = context.take(2);
    for (const [offset, size] of pieces(bytes)) {
      rawLoad(context, shifted(from, offset), size, 'unsigned', value);
      rawStore(context, shifted(to, offset), size, value);
    }
  } else {
    const whole8 = bytes - (bytes % 8);
    const source = pointerTo(context, from);
    const target = pointerTo(context, to);
    const value = context.take(2);
    loop(context, whole8, [source, target], () => {
      rawLoad(context, { kind: 'memory', base: source, offset: 0 }, 8, 'unsigned', value);
      rawStore(context, { kind: 'memory', base: target, offset: 0 }, 8, value);
    });
    copy(context, shifted(to, whole8), shifted(from, whole8), bytes % 8);
  }
  context.top = top;
}

function clear(context: FunctionContext, place: Place, bytes: number): void {
  const { top } = context;
  const zero = context.take(2);
  context.emitter.emit(Op.qldi, zero, 0, 0);
  if (bytes <= UNROLLED_BYTES) {
    for (const [offset, size] of pieces(bytes)) rawStore(context, shifted(place, offset), size, zero);
  } else {
    const whole8 = bytes - (bytes % 8);
    const target = pointerTo(context, place);
    loop(context, whole8, [target], () => {
      rawStore(context, { kind: 'memory', base: target, offset: 0 }, 8, zero);
    });
    clear(context, shifted(place, whole8), bytes % 8);
  }
  context.top = top;
}

/** Runs `body` once for every 8 of `bytes`, moving the pointers on. */
function loop(
  context: FunctionContext,
  bytes: number,
  pointers: readonly Register[],
  body: () => void,
): void {
  const { emitter, is64 } = context;
  const left = context.take(1);
  emitter.emit(Op.ldi, left, bytes);
  const again = emitter.target();
  emitter.place(again);
  body();
  for (const pointer of pointers) emitter.emit(is64 ? Op.qaddi : Op.addi, pointer, pointer, 8);
  emitter.emit(Op.addi, left, left, -8);
  emitter.jumpOn(Op.jnz, left, again);
}

function pointerTo(context: FunctionContext, place: Place): Register {
  const register = context.take(context.pointerWords);
  addressInto(context, place, register);
  return register;
}

export const whole = (place: Place): Target => ({ place, bitField: undefined });

export function shifted(place: Place, offset: number): Place {
  if (offset === 0) return place;
  if (place.kind === 'register') throw new Error('compile.shifted: a part of an object in a register');
  return { ...place, offset: place.offset + offset };
}

type Signedness = 'signed' | 'unsigned';

/** Bytes and extension of a scalar in memory. */
function scalarShape(context: FunctionContext, type: CType): { bytes: 1 | 2 | 4 | 8; signed: Signedness } {
  if (type.kind === 'integer') return { bytes: type.bytes, signed: type.signed ? 'signed' : 'unsigned' };
  return { bytes: context.model.wordBytes, signed: 'unsigned' };
}

function rawLoad(
  context: FunctionContext,
  place: Place,
  bytes: 1 | 2 | 4 | 8,
  signed: Signedness,
  into: Register,
): void {
  const { emitter } = context;
  switch (place.kind) {
    case 'register':
      if (place.register !== into) emitter.emit(bytes === 8 ? Op.qmov : Op.mov, into, place.register);
      return;
    case 'memory':
      emitter.emit(opsOf(context)[bytes].load[signed === 'signed' ? 1 : 0], into, place.base, place.offset);
      return;
    case 'image': {
      const pc = emitter.emit(IMAGE_OPS[bytes].load[signed === 'signed' ? 1 : 0], into);
      emitter.fix(pc, 2, place.symbol, 'address', place.offset);
    }
  }
}

function rawStore(context: FunctionContext, place: Place, bytes: 1 | 2 | 4 | 8, from: Register): void {
  const { emitter } = context;
  switch (place.kind) {
    case 'register':
      if (place.register !== from) emitter.emit(bytes === 8 ? Op.qmov : Op.mov, place.register, from);
      return;
    case 'memory':
      emitter.emit(opsOf(context)[bytes].store, place.base, from, place.offset);
      return;
    case 'image': {
      const pc = emitter.emit(IMAGE_OPS[bytes].store, from);
      emitter.fix(pc, 2, place.symbol, 'address', place.offset);
    }
  }
}

const opsOf = (context: FunctionContext): OpsByBytes => (context.is64 ? PAIR_OPS : WORD_OPS);

/** The unit is loaded and the field shifted to the top and back, which extends it by its sign. */
function loadBitField(
  context: FunctionContext,
  place: Place,
  field: BitField,
  type: CType,
  into: Register,
): void {
  const { emitter, top } = context;
  const wide = field.unitBytes === 8;
  const unit = context.take(2);
  rawLoad(context, place, field.unitBytes, 'unsigned', unit);
  const bits = wide ? 64 : 32;
  const signed = type.kind === 'integer' && type.signed;
  emitter.emit(wide ? Op.qshli : Op.shli, unit, unit, bits - field.shift - field.width);
  const right = wide ? (signed ? Op.qsari : Op.qshri) : signed ? Op.sari : Op.shri;
  emitter.emit(right, unit, unit, bits - field.width);
  moveBetween(context, unit, wide ? 2 : 1, into, context.wordsOf(type), signed);
  context.top = top;
}

/** The unit is loaded, the field's bits replaced, the unit stored: only the last step changes memory. */
function storeBitField(
  context: FunctionContext,
  place: Place,
  field: BitField,
  type: CType,
  from: Register,
): void {
  const { emitter, top } = context;
  const wide = field.unitBytes === 8;
  const words = wide ? 2 : 1;
  const unit = context.take(2);
  const bits = context.take(2);
  const mask = context.take(2);
  const ones = ((1n << BigInt(field.width)) - 1n) << BigInt(field.shift);
  rawLoad(context, place, field.unitBytes, 'unsigned', unit);
  constantInto(context, ~ones, words, mask);
  emitter.emit(wide ? Op.qand : Op.and, unit, unit, mask);
  moveBetween(context, from, context.wordsOf(type), bits, words, false);
  emitter.emit(wide ? Op.qshli : Op.shli, bits, bits, field.shift);
  constantInto(context, ones, words, mask);
  emitter.emit(wide ? Op.qand : Op.and, bits, bits, mask);
  emitter.emit(wide ? Op.qor : Op.or, unit, unit, bits);
  rawStore(context, place, field.unitBytes, unit);
  context.top = top;
}

/** The value of a bit-field after storing `from` in it: cut to its width, extended by its sign. */
export function cutToField(context: FunctionContext, field: BitField, type: CType, register: Register): void {
  const { emitter } = context;
  const wide = context.wordsOf(type) === 2;
  const signed = type.kind === 'integer' && type.signed;
  const unused = (wide ? 64 : 32) - field.width;
  emitter.emit(wide ? Op.qshli : Op.shli, register, register, unused);
  emitter.emit(
    wide ? (signed ? Op.qsari : Op.qshri) : signed ? Op.sari : Op.shri,
    register,
    register,
    unused,
  );
}

/** Moves a value between registers of different width. */
function moveBetween(
  context: FunctionContext,
  from: Register,
  fromWords: number,
  into: Register,
  intoWords: number,
  signed: boolean,
): void {
  const { emitter } = context;
  if (intoWords === 1) emitter.emit(Op.mov, into, from);
  else if (fromWords === 2) emitter.emit(Op.qmov, into, from);
  else emitter.emit(signed ? Op.qsext : Op.qzext, into, from);
}

/** Offsets and sizes of the pieces that make up a number of bytes. */
function* pieces(bytes: number): Generator<readonly [number, 1 | 2 | 4 | 8]> {
  let at = 0;
  for (const size of [8, 4, 2, 1] as const) {
    for (; at + size <= bytes; at += size) yield [at, size];
  }
}
