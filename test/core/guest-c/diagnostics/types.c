struct s { int x; } s;
struct unknown;
struct unknown incomplete;
void *v;
int *ip;
char *cp;
const char *ccp;
unsigned long ul;
int array[3];

int conversions(struct unknown *u)
{
    ip = 5;
    ip = ul;
    ul = ip;
    ip = cp;
    cp = ccp;
    ip = v;
    v = ip;
    ip = 0;
    s = 5;
    ul = s;
    array = ip;
    5 = ul;
    u->x = 1;
    *ul = 3;
    ul[1] = 3;
    ip & 7;
    ul = ip & 7;
    ul = ip + ip;
    ul = s + 1;
    ul = -s;
    ul = !s;
    if (s)
        return 1;
    if (ul = 3)
        return 2;
    ul == 3;
    return ip == ul || ip == cp;
}

const int fixed = 3;
void changes(const struct s *p)
{
    fixed = 4;
    p->x = 3;
    p++;
    &fixed;
    ip = &5;
    ul = (struct s)5;
    ul = (int)ip;
    ul = 1 << 32;
    ul = 1UL << 32;
    ul = ul / 0;
    array[3] = array[4];
}

void nothing(void);
int values(void)
{
    int i = nothing();
    nothing() + 1;
    return nothing();
}
