/* Mistakes inside macros are told at the outermost call. */
#define ADD(a, b) ((a) + (b))
#define USES_UNDECLARED(x) ADD(x, undeclared_by_macro)
#define NO_SEMICOLON(x) x = x + 1
#define SELF SELF
int f(int a)
{
    a = USES_UNDECLARED(a);
    a = ADD(a, unknown_argument);
    a = ADD(a, "text");
    NO_SEMICOLON(a)
    SELF = 1;
    return ADD(a);
}
#if UNDEFINED_MACRO > 1
#else garbage
#endif
#define ADD(a, b) a
#ifdef
#endif
int g(void) { return __LINE__ + sizeof(__func__) + ADD(1, 2); }
