/* A '}' is missing: the next function begins inside, and is read as one. */
int first(int a)
{
    if (a) {
        a = 1;

    return a;
}

int second(int a)
{
    return undeclared_here;
}

int third(void)
{
    return second(1) + first(2);
}
