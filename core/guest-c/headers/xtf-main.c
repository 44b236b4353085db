/* The program around an XTF test: it calls void test_main(void) and ends with what the test has reported. */
#include <xenscope/xtf.h>

int kernel_main(start_info_t *info)
{
    (void)info;
    test_main();
    return __xtf_verdict();
}
