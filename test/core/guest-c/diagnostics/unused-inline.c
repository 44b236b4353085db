/* What an inline function cannot do here matters only when somebody calls it. */
static inline void unused(void) { asm volatile("cli"); missing(); }
static inline void used(void) { asm volatile("sti"); }
int f(void)
{
    used();
    return 0;
}
