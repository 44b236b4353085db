int f(int a)
{
    break;
    continue;
    case 1:
    default:
    switch (a) {
    case 1:
    case 2 ... 5:
    case 3:
        a++;
    case 1 + 5:
        break;
    case 9 ... 7:
    default:
    default:
        break;
    case a:
        ;
    }
    switch ("text") {
    }
    if (a)
        int declared = 1;
    do
        a--;
    while (a)
    for (int i = 0; i < 3; i++)
        a += i;
again:
again:
    goto again;
    goto *a;
    return a
}
