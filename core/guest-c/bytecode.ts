/**
 * The guest processor's instructions: fixed, four 32-bit words each (operation and three operands a, b, c).
 *
 * A register is a word of the running function's window, named by its offset from the window's start. A 64-bit value
 * is a pair of registers, low word first, named by the first. Values narrower than 32 bits are kept extended by
 * their sign to one register. Operations on one word have plain names, those on pairs begin with `q`. Each
 * instruction stands for four bytes of guest text, makes at most one access to guest memory that changes something
 * (`call` apart, which may be repeated), and changes no register unless it completes: a faulting one can simply be
 * run again.
 *
 * Window:
 *   0    MAGIC + index of the function      4    instruction to return to, or FOREIGN
 *   1    the caller's window                5 6  rsp before the function took its stack frame (lo, hi)
 *   2 3  frame pointer: lowest address of   7    1 when entered by a trap or iret, not by a call
 *        the function's memory locals       8..  arguments, then locals, then temporaries; the result in 8 (and 9)
 */

export const WORDS_PER_INSTRUCTION = 4;
/** Bytes of guest text that an instruction stands for. */
export const INSTRUCTION_BYTES = 4;

/** Registers of a window. */
export const Slot = { fn: 0, caller: 1, fp: 2, returnPc: 4, entrySp: 5, foreign: 7, first: 8 } as const;
export const WINDOW_MAGIC = 0x5a00_0000;
/** `Slot.returnPc` of a window that was not entered by a call. */
export const FOREIGN = -1;

/** Numbers of the operations. In the comments `pc` operands are instruction numbers, `imm` signed 32-bit numbers. */
export const Op = {
  /** Statement a begins: counted, and where steps stop. `breakpoint` is a `stmt` that stops the run. */
  stmt: 0,
  breakpoint: 1,
  jmp: 2, // pc a
  call: 3, // pc a, the callee's window at offset b
  callr: 4, // address in a (word or pair by the ABI), window at b
  ret: 5,
  enter: 6, // function a, stack frame of b bytes, aligned to c
  /** The hypercall whose number and six arguments lie from register a on, each in c registers; `rax` fetches the result. */
  hypercall: 7,
  rax: 8, // a
  qrax: 9, // a
  halt: 10, // status in a
  exit: 11, // status in a
  undefined: 12, // raises #UD
  touch: 13, // address pair a, kind b, user c
  trapEnter: 14, // vector a: builds struct cpu_user_regs from the bounce frame
  trapReturn: 15, // iret with the structure whose address is in a
  start: 16, // start_info's address to a, rsp to the image's own stack

  mov: 17, // a = b
  ldi: 18, // a = imm b
  qmov: 19,
  qldi: 20, // a = lo b, hi c
  qsext: 21, // pair a = word b
  qzext: 22,
  sext8: 23,
  sext16: 24,

  add: 25, // a = b op c
  sub: 26,
  mul: 27,
  and: 28,
  or: 29,
  xor: 30,
  shl: 31,
  shr: 32,
  sar: 33,
  divs: 34,
  divu: 35,
  mods: 36,
  modu: 37,
  addi: 38, // a = b op imm c
  muli: 39,
  andi: 40,
  ori: 41,
  xori: 42,
  shli: 43,
  shri: 44,
  sari: 45,
  neg: 46,
  not: 47,
  addsh: 48, // a = b + (register c & 0xffff << c >>> 16)

  qadd: 49,
  qsub: 50,
  qmul: 51,
  qand: 52,
  qor: 53,
  qxor: 54,
  qshl: 55, // count in word c
  qshr: 56,
  qsar: 57,
  qdivs: 58,
  qdivu: 59,
  qmods: 60,
  qmodu: 61,
  qaddi: 62,
  qmuli: 63,
  qandi: 64,
  qori: 65,
  qxori: 66,
  qshli: 67,
  qshri: 68,
  qsari: 69,
  qneg: 70,
  qnot: 71,
  qaddsh: 72,

  eq: 73, // word a = b op c, 0 or 1
  ne: 74,
  lt: 75,
  le: 76,
  ltu: 77,
  leu: 78,
  eqz: 79, // a = b == 0
  nez: 80,
  qeq: 81,
  qne: 82,
  qlt: 83,
  qle: 84,
  qltu: 85,
  qleu: 86,
  qeqz: 87,
  qnez: 88,

  jz: 89, // a, pc b
  jnz: 90,
  qjz: 91,
  qjnz: 92,
  jeq: 93, // a op b, pc c
  jne: 94,
  jlt: 95,
  jle: 96,
  jltu: 97,
  jleu: 98,
  jeqi: 99, // a op imm b, pc c
  jnei: 100,
  jlti: 101,
  jgei: 102,
  jltui: 103,
  jgeui: 104,
  qjeq: 105,
  qjne: 106,
  qjlt: 107,
  qjle: 108,
  qjltu: 109,
  qjleu: 110,
  qjeqi: 111,
  qjnei: 112,
  qjlti: 113,
  qjgei: 114,
  qjltui: 115,
  qjgeui: 116,

  /** Loads: a from the address in pair b plus imm c. */
  l8u: 117,
  l8s: 118,
  l16u: 119,
  l16s: 120,
  l32: 121,
  l64: 122,
  /** Stores: b to the address in pair a plus imm c. */
  s8: 123,
  s16: 124,
  s32: 125,
  s64: 126,
  /** The same with a 32-bit address in one register. */
  wl8u: 127,
  wl8s: 128,
  wl16u: 129,
  wl16s: 130,
  wl32: 131,
  wl64: 132,
  ws8: 133,
  ws16: 134,
  ws32: 135,
  ws64: 136,
  /** Loads of a from, and stores of a to, the image's address with low word b. */
  gl8u: 137,
  gl8s: 138,
  gl16u: 139,
  gl16s: 140,
  gl32: 141,
  gl64: 142,
  gs8: 143,
  gs16: 144,
  gs32: 145,
  gs64: 146,
  /** rsp = a (word or pair by the ABI): the stack grows by an array of variable length. */
  stack: 147,
} as const;
export type OpName = keyof typeof Op;

const NAMES = new Map<number, OpName>((Object.keys(Op) as OpName[]).map((name) => [Op[name], name]));

/** The operation's name, for listings and invariant messages. */
export const opName = (op: number): string => NAMES.get(op) ?? `op ${op}`;

/** Instructions as text, one a line: for tests and for people who read bytecode. */
export function disassemble(code: Int32Array, from: number, to: number): string {
  const lines: string[] = [];
  for (let pc = from; pc < to; pc++) {
    const [op = 0, a = 0, b = 0, c = 0] = code.subarray(pc * 4, pc * 4 + 4);
    lines.push(`${String(pc).padStart(5)}  ${opName(op).padEnd(10)} ${a}, ${b}, ${c}`);
  }
  return lines.join('\n');
}
