/** Guest programs made of chance: loops, calls, recursion, stores, hypercalls good and bad, faults, further vCPUs. */

/** A generator of whole numbers below a bound, the same for the same seed. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const FUNCTIONS = 4;

/** The text of a program that ends after some ten thousand statements. */
export function randomProgram(seed: number): string {
  const random = randomNumbers(seed * 2654435761);
  const withVcpu = random(2) === 0;
  const functions = Array.from({ length: FUNCTIONS }, (_, i) => functionText(random, i));
  return `
static volatile unsigned long table[64], bits;
static unsigned long faults, pages[4];
static vcpu_guest_context_t context;
static volatile int second_done;

static void on_page_fault(struct cpu_user_regs *regs)
{
    faults++;
    HYPERVISOR_update_va_mapping(read_cr2() & PAGE_MASK, mfn_to_pte(virt_to_mfn(pages[0]), L1_PROT), UVMF_INVLPG);
}

static const trap_info_t traps[] = {
    { 14, 0, FLAT_KERNEL_CS, (unsigned long)on_page_fault },
    { 0 },
};

static void touch_hole(int n)
{
    volatile unsigned long *hole = (volatile unsigned long *)pages[3];
    HYPERVISOR_update_va_mapping(pages[3], 0, UVMF_INVLPG);
    hole[n & 7] = n;
    bits += hole[n & 7];
}

static int deep(int n)
{
    int garbage[3];
    garbage[n % 3] = n;
    if (n <= 0)
        return garbage[0] & 1;
    return deep(n - 1) + garbage[n % 3];
}
${functions.map((_, i) => `static int f${i}(int n);`).join('\n')}
${functions.join('\n')}
${withVcpu ? SECOND : ''}
int main(void)
{
    int rounds;
    for (int i = 0; i < 4; i++)
        pages[i] = alloc_page();
    HYPERVISOR_set_trap_table(traps);
${withVcpu ? '    { unsigned long stack = alloc_page() + PAGE_SIZE; if (start_vcpu(1, second, stack, &context)) return 9; }' : ''}
    for (rounds = 0; rounds < ${80 + random(80)}; rounds++) {
        printk("round %d: %lu\\n", rounds, bits & 0xff);
${Array.from({ length: 3 }, () => `        bits += f${random(FUNCTIONS)}(rounds + ${random(9)});`).join('\n')}
        touch_hole(rounds);
    }
${withVcpu ? '    while (!second_done) HYPERVISOR_sched_op(SCHEDOP_yield, NULL);' : ''}
    printk("end %lu %lu\\n", bits & 0xffff, faults);
    return 0;
}
`;
}

const SECOND = `
static void second(void)
{
    for (int i = 0; i < 9000; i++) {
        table[i & 31] ^= i;
        if ((i & 1023) == 7)
            HYPERVISOR_mmuext_op(0, 0, 0, DOMID_SELF);
    }
    second_done = 1;
    stop_vcpu(1);
}
`;

type Random = (below: number) => number;

function functionText(random: Random, index: number): string {
  const count = 2 + random(4);
  const statements = Array.from({ length: count }, () => `    ${statement(random, index)}`);
  return `static int f${index}(int n)\n{\n    int a = n, b = ${random(100)};\n${statements.join('\n')}\n    return a ^ b;\n}`;
}

function statement(random: Random, index: number): string {
  const kinds: (() => string)[] = [
    () => `for (int i = 0; i < ${20 + random(200)}; i++) { table[i & 63] += a; a = a * 3 + b; }`,
    () => `for (int i = 0; i < ${5 + random(20)}; i++) b += deep(i % ${2 + random(9)});`,
    () => `if (a & ${1 << random(4)}) b++; else a -= b;`,
    () => `table[${random(64)}] = (unsigned long)a << ${random(30)};`,
    () => (index === 0 ? `a++;` : `a += f${random(index)}(b & 15);`),
    () =>
      `b += HYPERVISOR_update_va_mapping(pages[1], mfn_to_pte(virt_to_mfn(pages[${random(3)}]), L1_PROT), UVMF_INVLPG);`,
    () => `b += HYPERVISOR_update_va_mapping(pages[2], mfn_to_pte(${random(4000)}, L1_PROT), 0);`,
    () => `*(volatile unsigned long *)(pages[1] + ${random(500) * 8}) = a;`,
    () => `memset((void *)pages[0], a, ${random(512)});`,
    () => `touch_hole(a);`,
    () => `a ^= (int)HYPERVISOR_sched_op(SCHEDOP_yield, NULL);`,
    () => `printk("%d %d\\n", a & 7, ${random(100)});`,
  ];
  return (kinds[random(kinds.length)] as () => string)();
}
