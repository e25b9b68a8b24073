#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "connector_example.h"

/* Lists of members: their pages, and what is not a whole list. */

static void
a_list_that_fails_leaves_an_unknown_invite_unknown(void **state)
{
    example_t *f = *state;

    f->base.task.unknown = true;
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-1\","
        "\"email\":\"bo@example.com\"}],\"next\":\"2\"}");
    mock_app_answer(f->base.app, 500, "", "oops");
    example_run(f, OUTCOME_UNKNOWN);
    assert_int_equal(mock_app_count(f->base.app), 2);
    assert_string_equal(f->body, "oops");
}


/* Every answer in which a list is not a whole list. */
static void
a_broken_page_never_reads_as_nobody(void **state)
{
    example_t  *f = *state;
    const char *pages[] = {
        "{}", "[]", "{\"members\":{}}", "{\"members\":[{\"id\":\"1\"",
        "not json", "", "{\"members\":[{\"email\":\"bo@example.com\"}]}",
        "{\"members\":[7]}", "{\"members\":[],\"next\":{}}",
        "{\"members\":[],\"next\":[\"2\"]}", "{\"members\":[],\"next\":true}"
    };

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    f->repeat = sizeof(pages) / sizeof(pages[0]) - 1;
    for (size_t i = 0; i <= f->repeat; i++) {
        mock_app_answer(f->base.app, 200, "", pages[i]);
    }
    example_run(f, OUTCOME_RETRY);
}


static void
cursors_in_a_circle_fail_the_list(void **state)
{
    example_t *f = *state;
    char       page[128];

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    /* 1 2 3 4 2 3 4 2 ...: found while it goes round, whatever its length */
    for (int i = 1; i <= 8; i++) {
        int next = i < 4 ? i + 1 : (i - 1) % 3 + 2;

        snprintf(page, sizeof(page), "{\"members\":[{\"id\":\"m-%d\","
            "\"email\":\"bo@example.com\"}],\"next\":\"%d\"}", i, next);
        mock_app_answer(f->base.app, 200, "", page);
        if (i == 7) {
            break;
        }
    }
    example_run(f, OUTCOME_RETRY);
    assert_non_null(strstr(f->reason, "circle"));
}


static void
pages_by_number_end_at_their_total(void **state)
{
    example_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    example_change(f, "list", "{\"method\":\"GET\",\"path\":"
        "\"/Users?startIndex=${page.start}&count=2\",\"items\":\"/Resources\","
        "\"total\":\"/totalResults\",\"map\":{\"id\":\"/id\","
        "\"email\":\"/emails/0/value\"}}");
    mock_app_answer(f->base.app, 200, "", "{\"totalResults\":3,\"Resources\":["
        "{\"id\":\"1\",\"emails\":[{\"value\":\"a@example.com\"}]},"
        "{\"id\":\"2\",\"emails\":[{\"value\":\"b@example.com\"}]}]}");
    mock_app_answer(f->base.app, 200, "", "{\"totalResults\":3,\"Resources\":["
        "{\"id\":\"3\",\"emails\":[{\"value\":\"ana@example.com\"}]}]}");
    mock_app_answer(f->base.app, 204, "", "");
    example_run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0,
        "GET /v1/Users?startIndex=1&count=2 "));
    assert_true(mock_app_is(f->base.app, 1,
        "GET /v1/Users?startIndex=3&count=2 "));
    assert_true(mock_app_is(f->base.app, 2, "DELETE /v1/members/3 "));
}


static void
an_app_that_ignores_the_page_number_is_found_out(void **state)
{
    example_t  *f = *state;
    const char *page = "{\"members\":[{\"id\":\"1\","
        "\"email\":\"a@example.com\"}]}";

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    example_change(f, "list", "{\"method\":\"GET\",\"path\":\"/m?page="
        "${page.number}\",\"items\":\"/members\",\"map\":{\"id\":\"/id\","
        "\"email\":\"/email\"}}");
    mock_app_answer(f->base.app, 200, "", page);
    mock_app_answer(f->base.app, 200, "", page);
    example_run(f, OUTCOME_RETRY);
}


static void
a_link_to_a_next_page_that_is_not_followed_fails_the_list(void **state)
{
    example_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    example_change(f, "list", "{\"method\":\"GET\",\"path\":\"/m\","
        "\"items\":\"\",\"map\":{\"id\":\"/id\",\"email\":\"/email\"}}");
    mock_app_answer(f->base.app, 200,
        "Link: <https://a/?page=2>; rel=\"next\", "
        "<https://a/?page=9>; rel=\"last\"\r\n", "[]");
    example_run(f, OUTCOME_RETRY);
}


#define BY_LINK "{\"method\":\"GET\",\"path\":\"/m\",\"items\":\"\"," \
    "\"next\":\"Link\",\"map\":{\"id\":\"/id\",\"email\":\"/email\"}}"

static void
links_to_next_pages_are_followed(void **state)
{
    char       link[256];
    example_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    example_change(f, "list", BY_LINK);
    snprintf(link, sizeof(link), "Link: <http://127.0.0.1:%u/v1/m?page=1>; "
        "rel=\"first\", <http://127.0.0.1:%u/v1/m?page=2>; rel=\"next\"\r\n",
        mock_app_port(f->base.app), mock_app_port(f->base.app));
    mock_app_answer(f->base.app, 200, link,
        "[{\"id\":\"1\",\"email\":\"x@example.com\"}]");
    mock_app_answer(f->base.app, 200, "Link: </v1/m?page=1>; rel=\"prev\"\r\n",
        "[{\"id\":\"2\",\"email\":\"ana@example.com\"}]");
    mock_app_answer(f->base.app, 204, "", "");
    example_run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 1, "GET /v1/m?page=2 HTTP"));
    assert_true(mock_app_is(f->base.app, 2, "DELETE /v1/members/2 HTTP"));
}


static void
a_link_to_another_host_is_not_followed(void **state)
{
    example_t  *f = *state;
    const char *links[] = {
        "Link: <http://127.0.0.1:1/m?page=2>; rel=\"next\"\r\n",
        "Link: <//example.com/m>; rel=next\r\n",
        "Link: <https://example.com/m>; rel=next\r\n"
    };

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    f->repeat = 2;
    example_change(f, "list", BY_LINK);
    for (int i = 0; i < 3; i++) {
        mock_app_answer(f->base.app, 200, links[i], "[]");
    }
    example_run(f, OUTCOME_RETRY);
    assert_int_equal(mock_app_count(f->base.app), 3);
}


static void
links_that_go_in_a_circle_fail_the_list(void **state)
{
    example_t  *f = *state;
    const char *link = "Link: </v1/m?page=2>; rel=\"next\"\r\n";

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    example_change(f, "list", BY_LINK);
    mock_app_answer(f->base.app, 200, link, "[]");
    mock_app_answer(f->base.app, 200, link, "[]");
    example_run(f, OUTCOME_RETRY);
    assert_int_equal(mock_app_count(f->base.app), 2);
}


static void
a_person_is_found_without_the_whole_list(void **state)
{
    example_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    example_change(f, "find", "{\"method\":\"GET\",\"path\":\"/search?q="
        "${user.email}\",\"items\":\"/found\",\"map\":{\"id\":\"/id\","
        "\"email\":\"/email\"}}");
    mock_app_answer(f->base.app, 200, "", "{\"found\":[{\"id\":\"8\",\"email\":"
        "\"ana@example.com.evil.org\"},{\"id\":\"9\",\"email\":"
        "\"ana@example.com\"}]}");
    mock_app_answer(f->base.app, 204, "", "");
    mock_app_answer(f->base.app, 200, "", "{\"found\":[]}");
    example_run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0,
        "GET /v1/search?q=Ana%40Example.com HTTP"));
    assert_true(mock_app_is(f->base.app, 1, "DELETE /v1/members/9 HTTP"));
}


static void
pages_by_offset_begin_where_the_last_one_ended(void **state)
{
    example_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    example_change(f, "list", "{\"method\":\"GET\",\"path\":\"/m?skip="
        "${page.offset}\",\"items\":\"\",\"map\":{\"id\":\"/id\","
        "\"email\":\"/email\"}}");
    mock_app_answer(f->base.app, 200, "",
        "[{\"id\":\"1\",\"email\":\"x@example.com\"},"
        "{\"id\":\"2\",\"email\":\"y@example.com\"}]");
    mock_app_answer(f->base.app, 200, "", "[]");
    example_run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0, "GET /v1/m?skip=0 HTTP"));
    assert_true(mock_app_is(f->base.app, 1, "GET /v1/m?skip=2 HTTP"));
}


#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, example_setup, example_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_list_that_fails_leaves_an_unknown_invite_unknown),
        CASE(a_broken_page_never_reads_as_nobody),
        CASE(cursors_in_a_circle_fail_the_list),
        CASE(pages_by_number_end_at_their_total),
        CASE(an_app_that_ignores_the_page_number_is_found_out),
        CASE(a_link_to_a_next_page_that_is_not_followed_fails_the_list),
        CASE(links_to_next_pages_are_followed),
        CASE(a_link_to_another_host_is_not_followed),
        CASE(links_that_go_in_a_circle_fail_the_list),
        CASE(a_person_is_found_without_the_whole_list),
        CASE(pages_by_offset_begin_where_the_last_one_ended)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
