#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connector_call.h"
#include "scim_json.h"

/* What an answer means to apps that say it in the body. */

static json_t *
parse(const char *text)
{
    json_t *value = scim_json_read(text, strlen(text),
        &scim_json_request_limits, NULL);

    assert_non_null(value);
    return value;
}


static int
status_of(const char *rules, int status, const char *body)
{
    int           meant;
    scim_app_t    app = { 0 };
    http_answer_t answer = {
        .result = HTTP_ANSWERED, .status = status, .body = body,
        .body_len = strlen(body), .next = "", .problem = ""
    };

    app.connector = json_pack("{so}", "answer", parse(rules));
    meant = connector_status(&app, &answer);
    json_decref(app.connector);
    return meant;
}

#define SLACK "{\"ok\":\"/ok\",\"code\":\"/error\"," \
    "\"exists\":[\"already_in_team\"],\"absent\":[\"user_not_found\"]," \
    "\"wait\":[\"ratelimited\"]}"
#define TIKTOK "{\"ok\":\"/code\",\"equals\":0,\"code\":\"/code\"," \
    "\"wait\":[40100]}"
#define META "{\"code\":\"/error/code\",\"exists\":[3914]}"


static void
two_hundred_with_an_error(void **state)
{
    (void) state;
    assert_int_equal(status_of(SLACK, 200, "{\"ok\":true}"), 200);
    assert_int_equal(status_of(SLACK, 200,
        "{\"ok\":false,\"error\":\"already_in_team\"}"), 409);
    assert_int_equal(status_of(SLACK, 200,
        "{\"ok\":false,\"error\":\"user_not_found\"}"), 404);
    assert_int_equal(status_of(SLACK, 200,
        "{\"ok\":false,\"error\":\"ratelimited\"}"), 429);
    assert_int_equal(status_of(SLACK, 200,
        "{\"ok\":false,\"error\":\"other\"}"), 422);
    assert_int_equal(status_of(SLACK, 200, "{\"ok\":false}"), 422);
    assert_int_equal(status_of(SLACK, 200, "{}"), 422);
    /* a code beside a success means nothing */
    assert_int_equal(status_of(SLACK, 200,
        "{\"ok\":true,\"error\":\"already_in_team\"}"), 200);
}


static void
codes_that_are_numbers(void **state)
{
    (void) state;
    assert_int_equal(status_of(TIKTOK, 200, "{\"code\":0}"), 200);
    assert_int_equal(status_of(TIKTOK, 200, "{\"code\":40100}"), 429);
    assert_int_equal(status_of(TIKTOK, 200, "{\"code\":40002}"), 422);
}


static void
codes_beside_a_status_of_failure(void **state)
{
    (void) state;
    assert_int_equal(status_of(META, 400,
        "{\"error\":{\"code\":3914}}"), 409);
    assert_int_equal(status_of(META, 400, "{\"error\":{\"code\":1}}"), 400);
    assert_int_equal(status_of(META, 200, "{\"id\":\"1\"}"), 200);
    /* the app failed: what it says about itself is not to be believed */
    assert_int_equal(status_of(META, 500,
        "{\"error\":{\"code\":3914}}"), 500);
}


static void
bodies_that_say_nothing(void **state)
{
    (void) state;
    assert_int_equal(status_of(SLACK, 204, ""), 204);
    assert_int_equal(status_of(SLACK, 200, "<html>"), 502);
    assert_int_equal(status_of(META, 200, "<html>"), 200);
    assert_int_equal(status_of("{}", 200, "{\"ok\":false}"), 200);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_hundred_with_an_error),
        cmocka_unit_test(codes_that_are_numbers),
        cmocka_unit_test(codes_beside_a_status_of_failure),
        cmocka_unit_test(bodies_that_say_nothing)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
