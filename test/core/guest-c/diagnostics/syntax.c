/* One mistake, one message; what follows is still read. */
int missing_semicolon(int a)
{
    int b = a
    int c = b + 1;
    return c;
}

int missing_parenthesis(int a)
{
    if (a > (1 + 2) {
        return 1;
    }
    return 0;
}

int missing_operand(int a)
{
    a = a + ;
    a = 5;
    return a * ;
}

int stray_words(int a)
{
    a a = 3;
    return a;
}

int wrong_token(int a)
{
    return a @ 3;
}

int unterminated(void)
{
    const char *s = "no end;
    return s[0];
}

struct no_semicolon {
    int x
    int y;
}
int after_struct;

int else_without_if(int a)
{
    else
        a = 1;
    return a;
}

return 5;

int last(void) { return after_struct; }
