static int two(int a, char *b)
{
    return a + *b;
}
static int at_least(const char *format, ...)
{
    return *format;
}
static void none(void)
{
}
int (*pointer)(int);

int main(void)
{
    two(1);
    two(1, 2);
    two(1, "x", 3);
    two("a", "b");
    at_least();
    at_least("x", 1, 2);
    none(1);
    pointer(1, 2);
    5();
    return (two)(1, "x") + (*pointer)(1) + none;
}

int no_value(int a)
{
    if (a)
        return;
}

void some_value(void)
{
    return 3;
}

int can_end(int a)
{
    switch (a) {
    case 1:
        return 1;
    default:
        while (1)
            ;
    }
}

int cannot(int a)
{
    if (a)
        return 1;
    else
        for (;;)
            if (a)
                break;
}
