int total_pages;

struct frame { int type, count; };

static int helper(int count, struct frame *f)
{
    totl_pages = count;
    undefined_name += 1;
    undefined_name += 2;
    helpr(1, f);
    f->tpye = 3;
    f.count = 1;
    (*f)->count = 1;
    count.x = 1;
    goto nowhere;
unused:
    return f->count;
}

pte_t entry;
foo *pointer;

int declared_only(int);
extern int object_only;

int main(void)
{
    return helper(1, 0) + declared_only(2) + object_only;
}
