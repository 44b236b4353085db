/* C, but most often not meant. */
static int never(void) { return 1; }
static inline int quiet(void) { return 1; }
static int spared(void) __attribute__((unused));
static int spared(void) { return 1; }
int status(void) __attribute__((warn_unused_result));
int status(void) { return 0; }
int decided(unsigned u, unsigned char c, signed char s, _Bool b)
{
    if (u < 0) return 1;
    if (u >= 0) return 2;
    if (0 > u) return 3;
    if (c == 300 || c != -1 || c < 256) return 4;
    if (s > 127 || s == 127) return 5;
    if (u > 5 || u == 0 || c == 255 || b == 2) return 6;
    return 0;
}
int precedence(int flags, int mask)
{
    if (flags & mask == 0) return 1;
    if (flags == 0 | mask) return 2;
    if ((flags & mask) == 0 && flags << 1 == 2) return 3;
    return flags << mask + 1;
}
int *local(int parameter)
{
    int here[2];
    static int fine[2];
    if (parameter == 1) return here;
    if (parameter == 2) return &parameter;
    return fine;
}
int values(int given)
{
    int lost, kept, read, *pointer;
    char c = 300;
    unsigned char byte = -1, full = 255;
    unsigned int entry = 0x8000000000000025UL;
    short count = 'ab';
    int *p = &read;
    if (given) kept = 1;
    given == 3;
    given;
    *p;
    *(volatile int *)p;
    status();
    (void)status();
    if (given == 7);
    if (given == 8)
        ;
    return lost + kept + c + byte + full + entry + count + *pointer;
}
