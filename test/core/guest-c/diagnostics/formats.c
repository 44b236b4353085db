/* Formats against their arguments, as gcc's -Wformat. */
typedef unsigned long long u64;
int printk(const char *format, ...) __attribute__((format(printf, 1, 2)));
int sprintk(char *to, const char *format, ...) __attribute__((format(__printf__, 2, 3)));
int vprintk(const char *format, __builtin_va_list args) __attribute__((format(printf, 1, 0)));
enum colour { RED, GREEN };
int main(void)
{
    unsigned long word = 1;
    u64 wide = 2;
    char *text = "text", buffer[8];
    short narrow = 3;
    enum colour colour = RED;
    printk("fine %d %u %hd %hhx %c %lx %llu %s %p %% %zu %5d %*d %.*s %#lx %jd\n", 1, 2u, narrow, 'x', 'y', word, wide,
           text, text, sizeof word, 3, 4, 5, 6, buffer, word, (long)1);
    printk("fine %d %x %s\n", colour, narrow, buffer);
    printk("%d %lx %s\n", word, 5, word);
    printk("%d\n", wide);
    printk("%llx\n", word);
    printk("%p %d %c\n", word, text, wide);
    printk("%d %d\n", 1);
    printk("%d\n");
    printk("done\n", 1, 2);
    printk("%*d\n", word, 1);
    printk("%f %y %", 1, 2);
    sprintk(buffer, "%s", 1);
    vprintk("%d %d\n", 0);
    printk(text, 1);
    return 0;
}
