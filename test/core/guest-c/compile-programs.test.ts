import { describe, test } from 'vitest';
import { expectSameAsGcc } from './compile-against-gcc.ts';

const BOTH = ['x86_64', 'x86_32'];

/** Name of what is shown, and the program. */
const PROGRAMS: Readonly<Record<string, string>> = {
  'control flow: loops, break, continue, goto, nested conditions': `
    int kernel_main(void)
    {
        int i, j, n = 0;
        for (i = 0; i < 20; i++) {
            if (i % 3 == 0) continue;
            for (j = i; ; j--) {
                if (j < 0 || (i > 10 && j == 5)) break;
                n += i * j;
            }
            if (n > 3000) goto out;
        }
    out:
        do { n -= 7; } while (n > 100 ? n % 11 : 0);
        while (n-- > 50) if (!(n & 3)) break; else n -= 2;
        printk("%d %d\\n", n, i);
        return 0;
    }`,
  'switch: ranges, fall through, default in the middle, negative and large cases, no match': `
    static int small(int x)
    {
        switch (x) {
        case -5 ... -1: return 1;
        case 3: x += 10; /* fall through */
        case 4: return x;
        default: return -9;
        case 100: case 200: case 300: case 400: case 500: case 600: return x / 100;
        case 0x7fffffff: return 77;
        }
    }
    static int large(unsigned long long x)
    {
        switch (x) {
        case 0x8000000000000000ULL ... 0xffffffffffffffffULL: return 1;
        case 0x100000000ULL: return 2;
        case 5: return 3;
        }
        return 4;
    }
    int kernel_main(void)
    {
        int i;
        for (i = -7; i < 8; i++) printk("%d ", small(i));
        for (i = 100; i <= 700; i += 50) printk("%d ", small(i));
        printk("%d %d\\n", small(0x7fffffff), small(-0x7fffffff - 1));
        printk("%d %d %d %d\\n", large(~0ULL), large(1ULL << 32), large(5), large(6));
        return 0;
    }`,
  'printing: octal with its prefix, intmax_t, the limits of integers': `
    int kernel_main(void)
    {
        printk("[%#o][%#o][%#.4o][%#6o][%#o]\\n", 8, 0, 8, 8, -1);
        printk("[%jd][%ju][%jx]\\n", (intmax_t)-5, (uintmax_t)~0ULL, (uintmax_t)7);
        printk("%d %u %jd %ju\\n", INT32_MIN, UINT32_MAX, (intmax_t)INT64_MIN, (uintmax_t)UINT64_MAX);
        return 0;
    }`,
  'arrays of variable length: in loops that go on early, of records, of rows, as parameters': `
    static int last(int n, int a[n]) { return a[n - 1]; }
    static int sum(int n)
    {
        int k, i, total = 0;
        for (k = 1; k < n; k++) {
            long long a[k];
            int b[k + 1];
            for (i = 0; i < k; i++) a[i] = i;
            b[k] = k;
            if (k % 3 == 0) continue;
            total += a[k - 1] + sizeof a + sizeof(b) / sizeof(b[0]) + last(k + 1, b);
        }
        char rows[n][4];
        rows[n - 1][3] = 7;
        return total + rows[n - 1][3] + sizeof rows;
    }
    int kernel_main(void)
    {
        int n = 3;
        struct { int x; } s[n];
        s[2].x = sum(50);
        printk("%d %d %d\\n", (s + 2)->x, (int)sizeof s, sum(400));
        return 0;
    }`,
  'a flexible array with a start value; labels of a block': `
    struct list { int n; short of[]; };
    static struct list three = { 3, { 1, 2, 3 } };
    static struct list zeros = { 2, { 0, 0, 0, 0, 0, 0, 0, 0 } };
    static int behind = 9;
    #define BELOW(n) ({ __label__ out; int r = 0, i; for (i = 0; i < 10; i++) { if (i == n) goto out; r += i; } out: r; })
    int kernel_main(void)
    {
        zeros.of[7] = 5;
        printk("%d %d %d %d\\n", three.of[2], (int)sizeof three, zeros.of[7], behind);
        printk("%d %d\\n", BELOW(3), BELOW(5));
        return 0;
    }`,
  "gcc's builtins: bits and bytes, with constants too, atomics, overflow, memory": `
    struct s { int a; char b[8]; };
    static int table[__builtin_clz(16) + __builtin_popcount(255) + __builtin_ctzll(1ULL << 40)];
    int kernel_main(void)
    {
        static const unsigned long long values[] = { 1, 0x1234, 0x80000000, 0xffffffff, 0x123400000000ULL, ~0ULL, 1ULL << 63 };
        unsigned i, x = 1;
        unsigned long long y = 5;
        signed char c = 3;
        int r, a = 0x7ffffff0, b = 77, seen = 1;
        unsigned u;
        long long l;
        struct s from = { 1, "abc" }, to;
        for (i = 0; i < sizeof values / sizeof values[0]; i++) {
            unsigned n = values[i];
            if (n) printk("%d %d ", __builtin_clz(n), __builtin_ctz(n));
            printk("%d %d %d %x %x ", __builtin_ffs(n), __builtin_popcount(n), __builtin_parity(n), __builtin_bswap32(n), __builtin_bswap16(n));
            printk("%d %d %d ", __builtin_clzll(values[i]), __builtin_ctzll(values[i]), __builtin_ffsll(values[i]));
            printk("%d %d %llx\\n", __builtin_popcountll(values[i]), __builtin_parityll(values[i]), (unsigned long long)__builtin_bswap64(values[i]));
        }
        printk("%d %d %d\\n", (int)sizeof table, __builtin_ffs(0), __builtin_abs(-3));
        printk("%d %d ", __sync_fetch_and_add(&x, 2), __sync_bool_compare_and_swap(&x, 1, 9));
        printk("%d %d %d\\n", x, __sync_val_compare_and_swap(&x, 3, 4), x);
        printk("%d %d ", __sync_or_and_fetch(&c, 0x70), __sync_fetch_and_nand(&c, 3));
        printk("%d %d\\n", c, __sync_lock_test_and_set(&c, 200));
        printk("%llu %llu ", __atomic_load_n(&y, __ATOMIC_SEQ_CST), __atomic_exchange_n(&y, 7, __ATOMIC_ACQ_REL));
        __atomic_store_n(&y, 1, __ATOMIC_RELEASE);
        __sync_synchronize();
        printk("%d %d %d %llu\\n", __atomic_compare_exchange_n(&x, &seen, 8, 0, 5, 5), seen, c, y);
        printk("%d ", __builtin_add_overflow(a, b, &r)); printk("%d ", r);
        printk("%d ", __builtin_sub_overflow(1u, 2u, &u)); printk("%u ", u);
        printk("%d ", __builtin_mul_overflow(3, 5, &r)); printk("%d ", r);
        printk("%d ", __builtin_mul_overflow(0x7fffffffffffffffLL, 2LL, &l)); printk("%lld ", l);
        printk("%d ", __builtin_add_overflow(-5, 3u, &u)); printk("%u\\n", u);
        __builtin_memcpy(&to, &from, sizeof to);
        __builtin_memset(&from, 0, sizeof from);
        printk("%d %d %d\\n", to.a, __builtin_memcmp(&to, &from, 4) != 0, (int)__builtin_strlen(to.b));
        return 0;
    }`,
  'inline assembly that has a meaning in C: exchanges, bits, counters, hidden values': `
    static unsigned long swap4(volatile unsigned *p, unsigned long x) { asm volatile("xchgl %k0,%1" : "=r"(x) : "m"(*(volatile long *)p), "0"(x) : "memory"); return x; }
    static unsigned long swap1(volatile void *p, unsigned long x) { asm volatile("xchgb %b0,%1" : "=q"(x) : "m"(*(volatile long *)p), "0"(x) : "memory"); return x; }
    static unsigned cas(volatile unsigned *p, unsigned old, unsigned new) { unsigned prev; asm volatile("lock ; cmpxchgl %1,%2" : "=a"(prev) : "r"(new), "m"(*p), "0"(old) : "memory"); return prev; }
    static int clear(int nr, volatile unsigned *a) { int old; asm volatile("lock ; btrl %2,%1\\n\\tsbbl %0,%0" : "=r"(old), "=m"(*a) : "Ir"(nr) : "memory"); return old; }
    static int test(int nr, volatile unsigned *a) { int old; asm volatile("btl %2,%1\\n\\tsbbl %0,%0" : "=r"(old) : "m"(*a), "Ir"(nr)); return old; }
    static void set(int nr, volatile unsigned *a) { asm volatile("lock; btsl %1,%0" : "+m"(*a) : "Ir"(nr) : "memory"); }
    static unsigned first(unsigned w) { asm("bsfl %1,%0" : "=r"(w) : "rm"(w)); return w; }
    static unsigned last(unsigned w) { unsigned r = 99; asm("bsrl %[from],%[to]" : [to] "+r"(r) : [from] "r"(w)); return r; }
    static int fetch(int v, int *p) { asm volatile("lock; xaddl %0, %1" : "+r"(v), "+m"(*p) : : "memory", "cc"); return v; }
    static unsigned char drop(int *p) { unsigned char zero; asm volatile("lock; decl %0; sete %1" : "+m"(*p), "=qm"(zero) : : "memory"); return zero; }
    static unsigned turned(unsigned x) { asm("bswap %0" : "+r"(x)); return x; }
    int kernel_main(void)
    {
        volatile unsigned words[4] = { 0x12345678, 0x80000000, 0, 7 };
        int count = 2, hidden, seven = 7;
        printk("%lx %x ", swap4(&words[0], 0xcafe), words[0]);
        printk("%lx %x ", swap1(&words[0], 0x1234), words[0]);
        printk("%x %x ", cas(&words[3], 7, 9), words[3]); printk("%x %x\\n", cas(&words[3], 7, 8), words[3]);
        printk("%d %d ", clear(31, &words[1]), words[1]); printk("%d %d ", clear(3, words), words[0]);
        set(70, words); printk("%x %d %d\\n", words[2], test(70, words), test(71, words));
        printk("%d %d %d\\n", first(0x50), last(0x50), last(0));
        printk("%d %d ", fetch(5, &count), count); printk("%d %d ", fetch(-6, &count), count);
        printk("%d %d\\n", drop(&count), count);
        asm("" : "=r"(hidden) : "0"(seven));
        asm volatile("addl %1,%0" : "+r"(hidden) : "r"(seven));
        asm volatile("mfence" : : : "memory"); asm volatile("rep; nop");
        printk("%d %x\\n", hidden, turned(0x12345678));
        return 0;
    }`,
  'recursion, mutual recursion and function pointers in tables': `
    static int is_odd(unsigned n);
    static int is_even(unsigned n) { return n == 0 ? 1 : is_odd(n - 1); }
    static int is_odd(unsigned n) { return n == 0 ? 0 : is_even(n - 1); }
    static int ack(int m, int n) { return m == 0 ? n + 1 : n == 0 ? ack(m - 1, 1) : ack(m - 1, ack(m, n - 1)); }
    static int add(int a, int b) { return a + b; }
    static int sub(int a, int b) { return a - b; }
    typedef int (*op)(int, int);
    static const op ops[] = { add, sub, add };
    static op pick(int i) { return ops[i]; }
    int kernel_main(void)
    {
        op f = &add;
        printk("%d %d %d\\n", is_even(10), is_odd(7), ack(2, 3));
        printk("%d %d %d %d\\n", ops[1](5, 3), pick(0)(1, 2), (*f)(4, 5), (f == add) + (f != sub));
        return 0;
    }`,
  'records: passing, returning, copying, nesting, unions, arrays inside': `
    struct point { short x; char tag; long long big; };
    struct line { struct point from, to; int name[5]; };
    union word { unsigned int all; unsigned char byte[4]; struct { unsigned short low, high; }; };
    static struct point make(int x, char tag, long long big) { struct point p = { x, tag, big }; return p; }
    static struct line join(struct point a, struct point b)
    {
        struct line l = { a, b, { 1, 2, [4] = 9 } };
        a.x = 99; /* a copy: the caller's stays */
        return l;
    }
    static long long sum(struct line l, int more) { l.from.x += more; return l.from.x + l.to.big + l.name[4] + l.name[3]; }
    int kernel_main(void)
    {
        struct point a = make(1, 'a', 1LL << 40), b = make(-2, 'b', -5), c;
        struct line l = join(a, b), m;
        struct line lines[3] = { [1] = l };
        union word w;
        c = a; c.big++;
        m = l = lines[1];
        m.to = make(7, 'z', 8);
        printk("%d %c %lld | %d %c %lld\\n", l.from.x, l.from.tag, l.from.big, m.to.x, m.to.tag, m.to.big);
        printk("%lld %lld %d\\n", sum(l, 10), sum(join(b, a), 1), a.x);
        printk("%lld %d\\n", (a.x ? c : b).big, make(3, 'q', 4).x);
        w.all = 0x12345678; w.byte[0] = 0xff;
        printk("%x %x %x\\n", w.all, w.low, w.high);
        struct line *p = &lines[2];
        *p = (struct line){ .to = { .big = 3 }, .name = { [2] = 4 } };
        printk("%lld %d %d\\n", p->to.big, p->name[2], p->from.x);
        return 0;
    }`,
  'bit-fields: signed, unsigned, wide, assignment values, increments': `
    struct bits { unsigned a : 3; int b : 5; unsigned c : 24; unsigned long long d : 40; signed char e : 4; _Bool f : 1; };
    static struct bits g = { 5, -3, 0xabcdef, 0x123456789aULL, -1, 1 };
    int kernel_main(void)
    {
        struct bits x = g, *p = &x;
        int r = (p->a = 13);
        long long s = (x.b = 18);
        printk("%u %d %x %llx %d %d\\n", g.a, g.b, g.c, (unsigned long long)g.d, g.e, g.f);
        printk("%d %lld %u %d\\n", r, s, x.a, x.b);
        x.a++; x.c += 0x10; x.e--; p->d <<= 4; x.f = 4; x.b ^= 7;
        printk("%u %x %d %llx %d %d\\n", x.a, x.c, x.e, (unsigned long long)x.d, x.f, x.b);
        printk("%d %u\\n", x.e++, x.a--);
        printk("%d %u\\n", x.e, x.a);
        return 0;
    }`,
  'variadic functions: integers, wide ones, pointers, a copy of the list, none': `
    static long long total(int n, ...)
    {
        va_list args, again;
        long long sum = 0;
        va_start(args, n);
        va_copy(again, args);
        while (n-- > 0) sum += va_arg(args, int);
        sum += va_arg(args, long long);
        sum += *va_arg(args, int *);
        sum *= 1000;
        sum += va_arg(again, int);
        va_end(args);
        return sum;
    }
    static int none(const char *text, ...) { return text[0]; }
    int kernel_main(void)
    {
        int seven = 7;
        char c = -3;
        printk("%lld %lld %d\\n", total(3, 1, 2, c, 1LL << 33, &seven), total(1, 5, -2LL, &seven), none("x"));
        printk("%d %s %c %5d|%-5d|%05d %x %llx %%\\n", -5, "text", 'c', 42, 42, 42, 0xbeef, 0x123456789abcdefULL);
        return 0;
    }`,
  'initialisers: static and automatic, strings, addresses, nested designators, partial': `
    static int numbers[] = { 1, [5] = 6, 7 };
    static const char *names[] = { "alpha", "be" "ta", 0 };
    static int *where = &numbers[5];
    static char text[8] = "abc", full[3] = "xyz";
    static struct { int a; struct { short b[3]; char *c; } d[2]; } deep = { 1, { { { 2, 3 }, "q" }, { .b[2] = 9 } } };
    static unsigned long long wide = -1;
    static int counter(void) { static int n = 40; return ++n; }
    int kernel_main(void)
    {
        int local[4] = { 1, 2 }, i;
        char word[] = "hello", padded[10] = "hi";
        const char *p = names[1];
        for (i = 0; i < 7; i++) printk("%d ", numbers[i]);
        printk("%s %s %d %s %c\\n", names[0], p + 2, *where, text, full[2]);
        printk("%d %d %s %d %llx\\n", deep.a, deep.d[0].b[1], deep.d[0].c, deep.d[1].b[2], wide);
        printk("%d %d %d %d\\n", local[0] + local[1] + local[2] + local[3], (int)sizeof(word), padded[2] + padded[9], padded[1]);
        counter(); counter();
        printk("%d %s\\n", counter(), word);
        return 0;
    }`,
  'pointers: arithmetic, differences, comparisons, double pointers, side effects once': `
    static int a[10];
    static int calls;
    static int *next(void) { calls++; return &a[calls]; }
    static void swap(int **x, int **y) { int *t = *x; *x = *y; *y = t; }
    int kernel_main(void)
    {
        int *p = a, *q = a + 7, i;
        char bytes[16], *b = bytes;
        struct odd { char c[24]; } odd[5], *o = odd + 4;
        for (i = 0; i < 10; i++) *p++ = i * i;
        p = a + 2;
        printk("%d %d %d %d\\n", (int)(q - p), *(q - 2), p < q, p[-1]);
        *next() += 100;
        *next() = *next() + 1;
        printk("%d %d %d %d\\n", calls, a[1], a[2], a[3]);
        swap(&p, &q);
        printk("%d %d %d\\n", *p, *q, (int)(o - odd));
        for (i = 0; i < 15; i++) *b++ = 'a' + i;
        *b = 0; b -= 3;
        printk("%s %s %c\\n", bytes, b, *--b);
        i = 3;
        a[i++] = 4;
        printk("%d %d\\n", i + 10, a[9]--);
        return a[9] != 80;
    }`,
  'statement expressions, typeof, comma, conditional without middle, compound literals': `
    #define max(a, b) ({ __typeof__(a) x_ = (a); __typeof__(b) y_ = (b); x_ > y_ ? x_ : y_; })
    struct pair { int a, b; };
    static int first(const struct pair *p) { return p->a; }
    static int sum(int *v, int n) { int s = 0; while (n) s += v[--n]; return s; }
    int kernel_main(void)
    {
        int i = 5, n = 0;
        long long w = max(3LL << 33, (long long)i);
        int v = max(i++, 4);
        printk("%lld %d %d %d\\n", w, v, i, (n = 3, n + 1));
        printk("%d %d\\n", n ?: 9, (n - 3) ?: 9);
        printk("%d %d\\n", first(&(struct pair){ 8, 9 }), sum((int[]){ 1, 2, 3, 4 }, 4));
        struct pair made = ({ struct pair t = { i, v }; t.a++; t; });
        printk("%d %d\\n", made.a, made.b);
        return 0;
    }`,
  'logic: short circuits with side effects, conditions of every width': `
    static int n;
    static int hit(int r) { n++; return r; }
    int kernel_main(void)
    {
        long long wide = 1LL << 40;
        char *p = 0;
        unsigned char c = 0;
        _Bool b = wide;
        int r = hit(0) && hit(1) || hit(2) && !hit(0);
        printk("%d %d\\n", r, n);
        if (wide) printk("wide ");
        if (!p) printk("null ");
        if (!(wide & 0xffffffff) && !c--) printk("low %d", c);
        printk(" %d %d %d\\n", b, wide > 0 && wide >> 40 == 1, !!wide + !wide);
        printk("%d %d\\n", (wide ? 3 : 4) == 3, (p ? *p : -1));
        return 0;
    }`,
};

describe('a program prints what it prints under gcc:', () => {
  for (const [name, text] of Object.entries(PROGRAMS)) {
    test(name, () => expectSameAsGcc(text, BOTH), 30_000);
  }
});
