/* What guest C does not cover is said where it stands, with what to do instead. */
float ratio;
double half(double x) { return x / 2; }
int scaled = 1.5;
__int128 wide;
static __thread int per_thread;
_Atomic int atomic;
int f(int n)
{
    unsigned long flags;
    int (*variable)[n];
    int started[n] = { 0 };
    int twice(int x) { return 2 * x; }
    __asm__ __volatile__("" ::: "memory");
    asm volatile("pause");
    asm volatile("pushf; pop %0" : "=r"(flags));
    void *label = &&here;
here:
    return (*variable)[0] + started[0] + twice(1);
}
asm(".globl x");
register unsigned long sp asm("rsp");
wchar_t *text = L"wide";
