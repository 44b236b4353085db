int twice;
char twice;
int once(void);
char once(void);
int defined(void) { return 1; }
int defined(void) { return 2; }
int with_value = 1;
int with_value = 2;
typedef int number;
typedef long number;
enum { RED, GREEN, RED };
struct point { int x, x; };
struct point { int y; };
union point *wrong_keyword;
struct s { void nothing; int f(int); int bits : 40; int zero : 0; char *p : 3; struct s inside; int flexible[]; int last; };
long short both;
unsigned void nonsense;
static extern int two_storages;
int negative[-1];
int huge[0x7fffffff][16];
int of_length(int n) { int a[2][n]; return a[0][0]; }
int unsized[];
int parameters(int a, int a) { return a; }
_Static_assert(sizeof(int) == 8, "ints are narrow");
_Static_assert(1, "fine");
_Static_assert(twice, "not constant");
int locals(void)
{
    int local;
    int local;
    int unused, used = 1;
    static int kept = used;
    register int r = 1;
    return local + r;
}
__attribute__((aligned(3))) int odd;
int *address = &with_value + 1, *none = &local_of_nobody;
