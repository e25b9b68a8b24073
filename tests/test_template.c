#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scim_json.h"
#include "template.h"

static template_values_t
values(void)
{
    template_values_t values = { 0 };

    values.value[SCIM_APP_USER_EMAIL] = "a+b@example.com";
    values.value[SCIM_APP_USER_USER_NAME] = "..";
    values.value[SCIM_APP_USER_ID] = "u-1";
    values.value[SCIM_APP_USER_DISPLAY_NAME] = "\"A\"\\\nn\xc3\xa9";
    values.value[SCIM_APP_USER_GIVEN_NAME] = "";
    values.value[SCIM_APP_GRANT_ROLE] = "collaborator";
    values.value[SCIM_APP_GRANT_ACCESS_ROLE] = "";
    values.value[SCIM_APP_MEMBER_ID] = "a/b?c#d%e";
    values.value[SCIM_APP_PAGE_CURSOR] = "";
    values.value[SCIM_APP_ID] = ".";
    values.value[SCIM_APP_WORKSPACE] = "acme";
    return values;
}


typedef bool (*template_pt)(const char *, template_values_t *,
    scim_buffer_t *);

static void
gives(template_pt template, const char *text, const char *expected)
{
    scim_buffer_t     out;
    template_values_t v = values();

    scim_buffer_init(&out, 4096);
    if (!template(text, &v, &out)) {
        fail_msg("%s: %s", text, v.error);
    }
    assert_string_equal(out.data, expected);
    scim_buffer_free(&out);
}


static void
refuses(template_pt template, const char *text, const char *error)
{
    scim_buffer_t     out;
    template_values_t v = values();

    scim_buffer_init(&out, 4096);
    if (template(text, &v, &out)) {
        fail_msg("%s became %s", text, out.data);
    }
    assert_string_equal(v.error, error);
    scim_buffer_free(&out);
}


static void
values_never_leave_their_place_in_a_path(void **state)
{
    (void) state;
    gives(template_path, "/m/${member.id}/x", "/m/a%2Fb%3Fc%23d%25e/x");
    gives(template_path, "/m/${user.email}", "/m/a%2Bb%40example.com");
    gives(template_path, "/m?a=${member.id}&n=${user.displayName}",
        "/m?a=a%2Fb%3Fc%23d%25e&n=%22A%22%5C%0An%C3%A9");
    gives(template_path, "/m?cursor=${page.cursor}", "/m?cursor=");
    gives(template_path, "/m/x${user.userName}", "/m/x..");
    gives(template_path, "/m?x=${user.userName}", "/m?x=..");
    gives(template_path, "/a//${workspace}/", "/a//acme/");
    gives(template_path, "/$5/$${workspace}/$", "/$5/${workspace}/$");
}


static void
values_that_would_change_a_path_are_refused(void **state)
{
    (void) state;
    refuses(template_path, "/m/${user.userName}",
        "a value cannot stand in the path");
    refuses(template_path, "/m/${app.id}/x",
        "a value cannot stand in the path");
    refuses(template_path, "/m/${app.id}${app.id}?x=1",
        "a value cannot stand in the path");
    refuses(template_path, "/m/%2e${app.id}",
        "a value cannot stand in the path");
    refuses(template_path, "/m/${user.givenName}",
        "a value cannot stand in the path");
    refuses(template_path, "/m/${user.givenName}/x",
        "a value cannot stand in the path");
    refuses(template_path, "/m?r=${grant.accessRole}",
        "grant.accessRole is empty");
    refuses(template_path, "/m/${join.url}", "join.url is not known");
    refuses(template_path, "/m/${nobody}", "a template is broken");
    refuses(template_path, "/m/${user.id", "a template is broken");
}


static void
header_values_hold_no_line_breaks(void **state)
{
    (void) state;
    gives(template_header, "w=${workspace}; e=${user.email}",
        "w=acme; e=a+b@example.com");
    refuses(template_header, "${user.displayName}",
        "user.displayName cannot stand in a header or is too long");
}


static void
bodies_are_filled_in_as_trees(void **state)
{
    const char       *text = "{\"${user.id}\":\"${user.id}\",\"n\":["
        "\"<${user.displayName}>\",7,true,null,1.5,{\"g\":"
        "\"${user.givenName}\"}],\"w\":\"${workspace}${workspace}\"}";
    json_t           *body = scim_json_read(text, strlen(text),
        &scim_json_request_limits, NULL);
    scim_buffer_t     out;
    template_values_t v = values();

    (void) state;
    scim_buffer_init(&out, 4096);
    assert_true(template_body(body, &v, &out));
    assert_string_equal(out.data, "{\"${user.id}\":\"u-1\",\"n\":["
        "\"<\\\"A\\\"\\\\\\nn\xc3\xa9>\",7,true,null,1.5,{\"g\":\"\"}],"
        "\"w\":\"acmeacme\"}");
    /* the definition itself is not touched */
    assert_string_equal(json_string_value(json_object_get(body, "w")),
        "${workspace}${workspace}");

    assert_true(template_uses(body, SCIM_APP_WORKSPACE));
    assert_true(template_uses(body, SCIM_APP_USER_GIVEN_NAME));
    assert_false(template_uses(body, SCIM_APP_MEMBER_ID));
    json_decref(body);
    scim_buffer_free(&out);
}


static void
a_body_with_an_empty_or_unknown_value_is_refused(void **state)
{
    json_t           *body = json_pack("{s:[s]}", "a", "${join.url}");
    scim_buffer_t     out;
    template_values_t v = values();

    (void) state;
    scim_buffer_init(&out, 4096);
    assert_false(template_body(body, &v, &out));
    assert_string_equal(v.error, "join.url is not known");
    json_object_set_new(body, "a", json_string("${grant.accessRole}"));
    assert_false(template_body(body, &v, &out));
    assert_string_equal(v.error, "grant.accessRole is empty");
    json_object_set_new(body, "a", json_string("${user.email}"));
    v.value[SCIM_APP_USER_EMAIL] = "\xff";
    assert_false(template_body(body, &v, &out));
    assert_string_equal(v.error, "a value is not UTF-8");
    json_decref(body);
    scim_buffer_free(&out);
}


static void
what_becomes_too_long_is_refused(void **state)
{
    char              text[64] = "/${user.email}${user.email}";
    scim_buffer_t     out;
    template_values_t v = values();

    (void) state;
    scim_buffer_init(&out, 16);
    assert_false(template_path(text, &v, &out));
    scim_buffer_free(&out);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_never_leave_their_place_in_a_path),
        cmocka_unit_test(values_that_would_change_a_path_are_refused),
        cmocka_unit_test(header_values_hold_no_line_breaks),
        cmocka_unit_test(bodies_are_filled_in_as_trees),
        cmocka_unit_test(a_body_with_an_empty_or_unknown_value_is_refused),
        cmocka_unit_test(what_becomes_too_long_is_refused)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
