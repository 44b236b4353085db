/* A type that nobody declared is said once; what is declared with it is not complained about again. */
struct table {
    pte_t entries[4];
    pte_t *next;
    int count;
};
pte_t entry, *pointer;
int walk(pte_t *root, mfn_t);
pte_t make(mfn_t frame, int flags)
{
    pte_t made = frame | flags;
    return made;
}
int f(struct table *t)
{
    pte_t local = t->entries[0];
    foo *p = 0;
    bar value;
    value = t->missing + walk(t->next, 3);
    return local.x + p->y + t->count + make(1, 2);
}
unsigned long casts(void *p, unsigned long u)
{
    unknown_t *q = (unknown_t *)p;
    q = (other_t *)p;
    return (size_type)u + sizeof(u) + (another)5 + *(q + 1);
}
