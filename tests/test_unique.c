#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scim_unique.h"

/*
 * Few values are compared, many are looked up by their text: both must leave
 * the first of equal ones, in order, and nothing before `from` is touched.
 */
static uint32_t random_state = 7643u;


static unsigned
pick(unsigned n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}


/* Equal ones may differ in the order of their members. */
static json_t *
value(void)
{
    int n = (int) pick(7);

    switch (pick(6)) {
    case 0:
        return json_pack("{sisi}", "a", n, "b", 1);
    case 1:
        return json_pack("{sisi}", "b", 1, "a", n);
    case 2:
        return json_sprintf("%d", n);
    case 3:
        return json_integer(n);
    case 4:
        return json_real(n);
    default:
        return json_pack("{s[i]}", "a", n);
    }
}


static json_t *
values(unsigned count)
{
    json_t *array = json_array();

    while (count-- > 0) {
        json_array_append_new(array, value());
    }
    return array;
}


static json_t *
one_by_one(const json_t *array, size_t from)
{
    size_t  i, j;
    json_t *result = json_array(), *element, *other;

    json_array_foreach((json_t *) array, i, element) {
        bool known = false;

        for (j = 0; j < i; j++) {
            other = json_array_get(array, j);
            known = known || json_equal(other, element);
        }
        if (i < from || !known) {
            json_array_append(result, element);
        }
    }
    return result;
}


static void
check(unsigned count, size_t from)
{
    json_t *array = values(count), *expected = one_by_one(array, from);

    assert_true(scim_unique(array, from));
    assert_true(json_equal(array, expected));
    json_decref(array);
    json_decref(expected);
}


static void
the_first_of_equal_values_stays(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 2000; i++) {
        check(pick(12), 0);
        check(17 + pick(60), 0);
    }
}


static void
what_was_there_before_is_not_touched(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 2000; i++) {
        unsigned count = pick(80);

        check(count, pick(count + 3));
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_equal_values_stays),
        cmocka_unit_test(what_was_there_before_is_not_touched)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
