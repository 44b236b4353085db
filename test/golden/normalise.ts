/**
 * Reports made comparable: machine frames and addresses in the kernel image get names in order of appearance, so that a
 * golden trace tells which hypercall names which frame, and does not change when the image grows or frames lie elsewhere.
 *
 *   0x5ad067             <frame 3>|0x67        an entry, or an address in the frame
 *   mfn 005ad            mfn <frame 3>
 *   0xffffffff80018000   <kernel 1>
 */

/** Machine frames of the runs' machines; the numbers below are Xen's first MiB. */
const FRAMES = { from: 0x100n, to: 0x4000n };
/** How much of the kernel's addresses counts as image. */
const IMAGE_BYTES = 64n * 1024n * 1024n;
const VIRT_BASES: Readonly<Record<string, bigint>> = {
  x86_64: 0xffff_ffff_8000_0000n,
  x86_32p: 0xc000_0000n,
  x86_32: 0xc000_0000n,
};
/** Members that hold a frame number as it is, not an entry (`arg1` is that of an mmuext_op). */
const FRAME_MEMBERS =
  /^(mfn|frame|table|pfn|arg1|extents|source.ref_or_gmfn|dest.ref_or_gmfn|.*Mfn|.*Frame)$/;

export class Normaliser {
  private readonly virtBase: bigint;
  private readonly names: Map<string, string>;

  constructor(abi: string) {
    const virtBase = VIRT_BASES[abi];
    if (virtBase === undefined) throw new Error(`normalise: no virtBase for ${abi}`);
    this.virtBase = virtBase;
    this.names = new Map();
  }

  /** A copy of plain data with every text in it normalised. */
  value(value: unknown, member = ''): unknown {
    if (typeof value === 'string') return this.text(value, member);
    if (Array.isArray(value)) return value.map((item) => this.value(item, member));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.value(item, name)]));
  }

  private text(text: string, member: string): string {
    // Where a fault was is part of the story, not of the layout.
    if (member === 'cr2' && BigInt(text) < this.virtBase) return text;
    const isFrame = FRAME_MEMBERS.test(member) && /^0x[0-9a-f]+$/.test(text);
    if (isFrame) return this.frameNumber(BigInt(text)) ?? this.number(text);
    return text.replaceAll(
      /\b(mfn|pfn) ([0-9a-f]{5,})\b|\b0x[0-9a-f]+\b|\b[0-9a-f]{16}\b|\b[0-9a-f]{8}\b/g,
      (whole, kind?: string, digits?: string) => {
        if (kind !== undefined && digits !== undefined)
          return `${kind} ${this.frameNumber(BigInt(`0x${digits}`)) ?? digits}`;
        return whole.startsWith('0x') ? this.number(whole) : this.printedAddress(whole);
      },
    );
  }

  /** What a guest prints with %p. */
  private printedAddress(digits: string): string {
    const value = BigInt(`0x${digits}`);
    return this.isInKernel(value) ? this.name('kernel', value) : digits;
  }

  private isInKernel(value: bigint): boolean {
    return value >= this.virtBase && value < this.virtBase + IMAGE_BYTES;
  }

  /** An address or entry. */
  private number(text: string): string {
    const value = BigInt(text);
    if (this.isInKernel(value)) return this.name('kernel', value);
    // A 64-bit word that a 32-bit guest's entries were read as: two of them.
    if (this.virtBase < 1n << 32n && value >> 32n !== 0n) {
      const [high, low] = [value >> 32n, value & 0xffff_ffffn];
      return `${this.number(`0x${high.toString(16)}`)} ${this.number(`0x${low.toString(16)}`)}`;
    }
    const frame = (value >> 12n) & 0xff_ffff_ffffn;
    if (frame < FRAMES.from || frame >= FRAMES.to) return text;
    const flags = value & 0xfff0_0000_0000_0fffn;
    return `${this.name('frame', frame)}|0x${flags.toString(16)}`;
  }

  /** A number that stands for a frame; null for numbers that are no frame of the machine. */
  private frameNumber(value: bigint): string | null {
    if (value >= FRAMES.from && value < FRAMES.to) return this.name('frame', value);
    const address = value << 12n;
    if (this.isInKernel(address)) return this.name('kernel page', value);
    const shifted = value >> 12n;
    const isAddress = shifted >= FRAMES.from && shifted < FRAMES.to;
    return isAddress ? `${this.name('frame', shifted)}|0x${(value & 0xfffn).toString(16)}` : null;
  }

  private name(kind: string, value: bigint): string {
    const key = `${kind} ${value.toString(16)}`;
    const known = this.names.get(key);
    if (known !== undefined) return known;
    const count = [...this.names.keys()].filter((each) => each.startsWith(`${kind} `)).length;
    const name = `<${kind} ${count + 1}>`;
    this.names.set(key, name);
    return name;
  }
}
