/**
 * Inline assembly that guests use, as C: what a template of instructions does to its operands. Barriers do nothing here; a
 * template that is in no row is not supported, and the message says what to use instead.
 */
import type { ExpressionText } from './builtin-texts.ts';

/** An operand as the text sees it. */
export interface AsmOperand {
  readonly constraint: string;
  /** Outputs and operands in memory are named by a pointer to them; others by their value. */
  readonly isObject: boolean;
}

export interface AsmStatement {
  /** Instructions separated by '; ', operands as @0 or @b1, registers without their %. */
  readonly template: string;
  readonly operands: readonly AsmOperand[];
}

/** Name of an operand in the texts below. */
export const operandName = (index: number): string => `operand${index}`;

const SIZES: ReadonlyMap<string, string> = new Map([
  ['b', 'unsigned char'],
  ['w', 'unsigned short'],
  ['l', 'unsigned int'],
  ['q', 'unsigned long'],
]);

/** One operand of an instruction of some size. */
class Place {
  private readonly name: string;
  private readonly isObject: boolean;
  private readonly isMemory: boolean;
  private readonly type: string;

  constructor(statement: AsmStatement, index: number, suffix: string) {
    const operand = statement.operands[index];
    this.name = operandName(index);
    this.isObject = operand?.isObject ?? false;
    this.isMemory = operand?.constraint.includes('m') === true && this.isObject;
    this.type = SIZES.get(suffix) ?? `typeof(${this.isObject ? '*' : ''}${this.name})`;
  }

  get value(): string {
    if (this.isMemory) return `(*(volatile ${this.type} *)${this.name})`;
    return `((${this.type})${this.isObject ? '*' : ''}${this.name})`;
  }

  /** Writes of 8 and 16 bits leave the rest of a register as it is; those of 32 bits clear it. */
  set(value: string): string {
    const isPart = this.isMemory || this.type.endsWith('char') || this.type.endsWith('short');
    return isPart
      ? `(*(volatile ${this.type} *)${this.name} = (${this.type})(${value}))`
      : `(*${this.name} = (${this.type})(${value}))`;
  }

  typed(name: string): readonly [string, string] {
    return [name, this.type];
  }
}

type Body = Pick<ExpressionText, 'text' | 'locals'>;
type Rule = (statement: AsmStatement, groups: readonly string[]) => Body | null;

const body = (text: string, ...locals: (readonly [string, string])[]): Body => ({ text, locals });

/** The operand that an output or input with one of these letters is, or null. */
function byRegister({ operands }: AsmStatement, letters: string): string | null {
  const index = operands.findIndex(({ constraint }) =>
    [...constraint].some((letter) => letters.includes(letter)),
  );
  if (index < 0) return null;
  return operands[index]?.isObject === true ? `*${operandName(index)}` : operandName(index);
}

const OPERATORS: ReadonlyMap<string, string> = new Map([
  ['add', '+'],
  ['sub', '-'],
  ['or', '|'],
  ['and', '&'],
  ['xor', '^'],
  ['inc', '+'],
  ['dec', '-'],
]);

/** Behind an instruction that sets flags: an operand becomes 1 when the result was zero. */
function withZeroFlag(
  statement: AsmStatement,
  effect: string,
  result: string,
  flag: string | undefined,
): string {
  if (flag === undefined) return `(void)${effect}`;
  return `(${effect}, (void)${new Place(statement, Number(flag), 'b').set(`${result} == 0`)})`;
}

/** `bts`, `btr`, `btc`, `bt`: a bit of memory, counted from the operand; and what it was, through the carry flag. */
const BIT_CHANGES: ReadonlyMap<string, string> = new Map([
  ['s', '*w | b'],
  ['r', '*w & ~b'],
  ['c', '*w ^ b'],
  ['', '*w'],
]);

function bitOperation(
  statement: AsmStatement,
  [change = '', number = '', at = '', carry, old]: readonly string[],
): Body | null {
  if (statement.operands[Number(at)]?.isObject !== true) return null;
  const [bit, word] = [new Place(statement, Number(number), 'l'), operandName(Number(at))];
  const store = change === '' ? '' : `*w = ${BIT_CHANGES.get(change) ?? ''}, `;
  const value = carry?.startsWith('sbb') === true ? '-t' : 't';
  const result =
    old === undefined
      ? '(void)0'
      : `(void)${new Place(statement, Number(old), carry?.startsWith('sbb') === true ? '' : 'b').set(value)}`;
  const text = `(w = (volatile unsigned int *)${word} + ((int)${bit.value} >> 5), b = 1u << (${bit.value} & 31), t = (*w & b) != 0, ${store}${result})`;
  return body(text, ['w', 'volatile unsigned int *'], ['b', 'unsigned int'], ['t', 'int']);
}

/** A call of the hypercall page: number in the template, arguments in the registers of the ABI. */
function hypercall(statement: AsmStatement, groups: readonly string[]): Body | null {
  const number = groups.at(-1) ?? '';
  const result = byRegister(statement, 'a');
  const isLong = statement.operands.some(({ constraint }) => constraint.includes('D'));
  const moved = [...statement.template.matchAll(/movq? @(\d+),r(?:10|8|9)/g)].map((match) =>
    operandName(Number(match[1])),
  );
  const letters =
    isLong && !statement.operands.some(({ constraint }) => constraint.includes('b')) ? 'DSd' : 'bcdSD';
  const named = [...letters].map((letter) => byRegister(statement, letter));
  const known = named.slice(0, named.indexOf(null) < 0 ? named.length : named.indexOf(null));
  if (result === null) return null;
  const args = [...known, ...moved].map((arg) => `, (unsigned long)${arg ?? '0'}`);
  return body(`(void)(${result} = __xenscope_hypercall(${number}${args.join('')}))`);
}

const S = '([bwlq]?)';
const ZERO = '(?:; set[ez] @(\\d+))?';

const RULES: readonly (readonly [RegExp, Rule])[] = [
  [/^(|nop|pause|rep nop|mfence|lfence|sfence|addl 0x?0?,0\((?:esp|rsp)\))$/, () => body('(void)0')],
  [/^[$]?addl [$]0,0\((?:esp|rsp)\)$/, () => body('(void)0')],
  [/^ud2$/, () => body('__builtin_trap()')],
  [/^hlt$/, () => body('(void)__xenscope_hypercall(29, 1, 0)')],
  [/^movq? cr2,@(\d+)$/, (_, [to = '']) => body(`(void)(*${operandName(Number(to))} = read_cr2())`)],
  [
    /^invlpg \(?@(\d+)\)?$/,
    (_, [at = '']) =>
      body(
        `(void)__xenscope_hypercall(26, (unsigned long)&(struct mmuext_op){ .cmd = 7, .arg1.linear_addr = (unsigned long)${operandName(Number(at))} }, 1, 0, 0x7ff0)`,
      ),
  ],
  [
    new RegExp(`^xchg${S} @(\\d+),@(\\d+)$`),
    (statement, [suffix = '', a = '', b = '']) => {
      const [first, second] = [
        new Place(statement, Number(a), suffix),
        new Place(statement, Number(b), suffix),
      ];
      return body(
        `(t = ${first.value}, u = ${second.value}, ${first.set('u')}, (void)${second.set('t')})`,
        first.typed('t'),
        second.typed('u'),
      );
    },
  ],
  [
    new RegExp(`^xadd${S} @(\\d+),@(\\d+)$`),
    (statement, [suffix = '', a = '', b = '']) => {
      const [register, memory] = [
        new Place(statement, Number(a), suffix),
        new Place(statement, Number(b), suffix),
      ];
      return body(
        `(t = ${memory.value}, ${memory.set(`t + ${register.value}`)}, (void)${register.set('t')})`,
        memory.typed('t'),
      );
    },
  ],
  [
    new RegExp(`^cmpxchg${S} @(\\d+),@(\\d+)${ZERO}$`),
    (statement, [suffix = '', a = '', b = '', flag]) => {
      const index = statement.operands.findIndex(
        ({ constraint, isObject }) => isObject && constraint.includes('a'),
      );
      if (index < 0) return null;
      const [source, memory, rax] = [a, b, String(index)].map(
        (at) => new Place(statement, Number(at), suffix),
      );
      if (source === undefined || memory === undefined || rax === undefined) return null;
      const effect = `(t = ${memory.value}, f = t == ${rax.value}, f ? (void)${memory.set(source.value)} : (void)${rax.set('t')}`;
      const told = flag === undefined ? ')' : `, (void)${new Place(statement, Number(flag), 'b').set('f')})`;
      return body(effect + told, memory.typed('t'), ['f', 'int']);
    },
  ],
  [
    new RegExp(`^(inc|dec)${S} @(\\d+)${ZERO}$`),
    (statement, [op = '', suffix = '', at = '', flag]) => {
      const place = new Place(statement, Number(at), suffix);
      return body(
        withZeroFlag(statement, place.set(`${place.value} ${OPERATORS.get(op) ?? ''} 1`), place.value, flag),
      );
    },
  ],
  [
    new RegExp(`^(add|sub|or|and|xor)${S} @(\\d+),@(\\d+)${ZERO}$`),
    (statement, [op = '', suffix = '', from = '', to = '', flag]) => {
      const [source, place] = [
        new Place(statement, Number(from), suffix),
        new Place(statement, Number(to), suffix),
      ];
      const value = `${place.value} ${OPERATORS.get(op) ?? ''} ${source.value}`;
      return body(withZeroFlag(statement, place.set(value), place.value, flag));
    },
  ],
  [/^bt([src]?)[lq]? @(\d+),@(\d+)(?:; (sbb[lq]?|setn?c|setb) @(\d+)(?:,@\d+)?)?$/, bitOperation],
  [
    new RegExp(`^(bsf|bsr|tzcnt)${S} @(\\d+),@(\\d+)$`),
    (statement, [op = '', suffix = '', from = '', to = '']) => {
      const [source, target] = [
        new Place(statement, Number(from), suffix),
        new Place(statement, Number(to), suffix),
      ];
      const found = op === 'bsr' ? '63 - __builtin_clzll(t)' : '__builtin_ctzll(t)';
      return body(`(t = ${source.value}, t ? (void)${target.set(found)} : (void)0)`, [
        't',
        'unsigned long long',
      ]);
    },
  ],
  [
    new RegExp(`^bswap${S} @(\\d+)$`),
    (statement, [suffix = '', at = '']) => {
      const place = new Place(statement, Number(at), suffix);
      const swapped = `sizeof(${place.value}) == 8 ? __builtin_bswap64(${place.value}) : __builtin_bswap32(${place.value})`;
      return body(`(void)${place.set(swapped)}`);
    },
  ],
  [/^(?:movq? @\d+,r(?:10|8|9); )*call hypercall_page ?\+ ?\(([^;]+?) ?\* ?32\)$/, hypercall],
];

/** What the statement does, as C; null when it is not supported. */
export function asmText(statement: AsmStatement): Body | null {
  for (const [pattern, rule] of RULES) {
    const match = pattern.exec(statement.template);
    if (match !== null) return rule(statement, match.slice(1));
  }
  return null;
}

/** Instructions that need something else here -> what. */
const INSTEAD: readonly (readonly [RegExp, string])[] = [
  [/\brdtscp?\b/, 'The model has no clock: count what you do instead.'],
  [/\bcpuid\b/, 'The model says nothing of a real processor: leave it out, or ask HYPERVISOR_xen_version.'],
  [
    /\bcr3\b/,
    'Use HYPERVISOR_mmuext_op with MMUEXT_NEW_BASEPTR to load a root, and start_info.pt_base for the first one.',
  ],
  [/\bcr[0248]\b/, 'Control registers belong to Xen: leave it out.'],
  [/^(cli|sti)$/, 'Use the evtchn_upcall_mask of vcpu_info, as PV guests do.'],
  [/\bpushf[lq]?\b|\bpopf[lq]?\b/, 'Flags cannot be read: keep the evtchn_upcall_mask of vcpu_info instead.'],
  [/\bl[gil]dt\b|\bltr\b/, 'Use HYPERVISOR_set_trap_table, HYPERVISOR_set_gdt or MMUEXT_SET_LDT.'],
  [/\biret[lq]?\b/, 'Return from the handler: its entry stub makes the iret hypercall.'],
  [/\brdmsr\b|\bwrmsr\b/, 'The model has no MSRs; for bases of segments use HYPERVISOR_set_segment_base.'],
  [/\b[er][sb]p\b/, 'The stack pointer cannot be named: take the address of a local variable.'],
  [/\brep\b.*\b(stos|movs)/, 'Use memset or memcpy.'],
  [/\bin[bwl]\b|\bout[bwl]\b/, 'A PV guest has no ports: use printk or HYPERVISOR_console_io.'],
  [/\bint3?\b/, 'Use __builtin_trap(), which raises #UD.'],
  [/\bf[a-z]+\b.*|\bldmxcsr\b|\bxmm/, 'The model has no floating-point unit: leave it out.'],
  [/\bcall\b|\bjmp\b/, 'Call a function of C instead.'],
];

/** What to do instead of an instruction that is not supported. */
export function insteadOf(template: string): string {
  return (
    INSTEAD.find(([pattern]) => pattern.test(template))?.[1] ??
    'Use a function of <xenscope.h> or a hypercall.'
  );
}

/** The template as the rules read it: one line, operands as @n, registers bare, without prefixes that change nothing. */
export function normalTemplate(strings: readonly string[], names: ReadonlyMap<string, number>): string {
  return strings
    .join('')
    .replace(/\\[nt]|;/g, ' ; ')
    .replace(/%%/g, '\0')
    .replace(/%[bhwkqlcP]?(\d+)/g, '@$1')
    .replace(/%[bhwkqlcP]?\[(\w+)\]/g, (_, name: string) => `@${names.get(name) ?? 99}`)
    .replaceAll('\0', '')
    .replace(/\block\b/g, ' ')
    .replace(/\s+/g, ' ')
    .replace(/ ?, ?/g, ',')
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .join('; ')
    .replace(/^rep; nop$/, 'rep nop');
}
