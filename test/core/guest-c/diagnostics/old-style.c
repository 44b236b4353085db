/* The wiki page writes its handler as old C does. */
page_fault_handler(virt_addr) {
    return virt_addr;
}
int older(a, b, c)
    int a;
    char *b;
{
    return a + *b + c;
}
static untyped;
call_at_file_level(1);
