struct s { int a, b; struct { char c[2]; } in; };
struct s too_many = { 1, 2, { "a" }, 4 };
struct s no_such = { .z = 1 };
struct s not_array = { [0] = 1 };
int array[2] = { 1, 2, 3 };
int outside[2] = { [2] = 1 };
int member[2] = { .a = 1 };
char text[2] = "abcd";
int scalar = { 1, 2 };
int from_value = array[0];
int *from_array = array;
int no_list[2] = 5;
struct s record = 5;
struct f { int n; int rest[]; } flexible = { 1, { 2, 3 } };
int reversed[4] = { [3 ... 1] = 1 };
int f(int n)
{
    int range[4] = { [0 ... 3] = n };
    struct f no_room = { 1, { 2, 3 } };
    struct s fine = { n, .in.c = { 1, n } };
    return range[0] + fine.a + no_room.n;
}
