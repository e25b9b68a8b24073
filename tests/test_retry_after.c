#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "retry_after.h"

#define NOW 1700000000000 /* 2023-11-14T22:13:20Z */
#define DATE "Tue, 14 Nov 2023 22:13:20 GMT"


static void
every_form_of_the_header_has_its_wait(void **state)
{
    const struct {
        const char *value;
        const char *date; /* of the answer */
        int64_t     wait;
    } cases[] = {
        { NULL, NULL, -1 },
        { "", NULL, -1 },
        { "7", NULL, 7000 },
        { " 7 ", NULL, 7000 },
        { "+7", NULL, 7000 },
        { "0", NULL, 1000 },
        { "-5", NULL, 1000 },
        { "1.5", NULL, 1500 },
        { "2.", NULL, 2000 },
        { "0.2", NULL, 1000 },
        { "3600", NULL, 3600000 },
        { "3601", NULL, 3600000 },
        { "99999999999999999999999999", NULL, 3600000 },
        { "1700000030", NULL, 30000 },
        { "1700000030.5", NULL, 30500 },
        { "1699999999", NULL, 1000 },
        { "1700000030000", NULL, 30000 },
        { "Tue, 14 Nov 2023 22:13:50 GMT", NULL, 30000 },
        { "Tuesday, 14-Nov-23 22:13:50 GMT", NULL, 30000 },
        { "Tue Nov 14 22:13:50 2023", NULL, 30000 },
        { "Tue, 14 Nov 2023 22:13:00 GMT", NULL, 1000 },
        { "Tue, 14 Nov 2033 22:13:00 GMT", NULL, 3600000 },
        { "Sun, 06 Nov 1994 08:50:07 GMT", "Sun, 06 Nov 1994 08:49:37 GMT",
          30000 },
        { "Tue, 14 Nov 2023 22:13:50 GMT", DATE, 30000 },
        { "784111807", "Sun, 06 Nov 1994 08:49:37 GMT", 30000 },
        { "Tue, 14 Nov 2023 22:13:50 GMT", "garbage", 30000 },
        { "soon", NULL, -1 },
        { "7 seconds", NULL, -1 },
        { "7s", NULL, -1 },
        { "1e3", NULL, -1 },
        { "0x10", NULL, -1 },
        { "-", NULL, -1 },
        { "Nov2*2000000000;", NULL, -1 },
        { ".5", NULL, -1 },
        { "Tue, 99 Foo 2023", NULL, -1 }
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t wait = retry_after_ms(cases[i].value, cases[i].date, NOW);

        if (wait != cases[i].wait) {
            fail_msg("\"%s\": %lld, not %lld",
                cases[i].value ? cases[i].value : "(none)",
                (long long) wait, (long long) cases[i].wait);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_the_header_has_its_wait)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
