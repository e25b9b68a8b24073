#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scim_filter.h"

/* RFC 7644 section 3.4.2.2 over one user and one group, by tables. */
/* as much work as it takes */
#define WORK &(scim_filter_work_t) { 0, SIZE_MAX }
#define CORE  "urn:ietf:params:scim:schemas:core:2.0:"
#define ENT   "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define BADGE "urn:example:extension:badge:1.+0:User"

static const char badge[] =
    "{\"schemas\":[\"" CORE "Schema\"],\"id\":\"" BADGE "\",\"attributes\":["
    "{\"name\":\"level\",\"type\":\"integer\"},"
    "{\"name\":\"weight\",\"type\":\"decimal\"},"
    "{\"name\":\"since\",\"type\":\"dateTime\"},"
    "{\"name\":\"code\",\"type\":\"string\",\"caseExact\":true},"
    "{\"name\":\"pin\",\"type\":\"string\",\"returned\":\"never\"},"
    "{\"name\":\"tags\",\"type\":\"string\",\"multiValued\":true},"
    "{\"name\":\"doors\",\"type\":\"complex\",\"multiValued\":true,"
    "\"subAttributes\":[{\"name\":\"floor\",\"type\":\"integer\"},"
    "{\"name\":\"open\",\"type\":\"boolean\"}]}]}";

static const char user_text[] =
    "{\"schemas\":[\"" CORE "User\",\"" ENT "\"],"
    "\"id\":\"u1\",\"externalId\":\"Ext-1\",\"userName\":\"Ann.Lee\","
    "\"displayName\":\"\xc3\x84nne\",\"active\":true,"
    "\"name\":{\"givenName\":\"Ann\",\"familyName\":\"Lee \\\"L\\\"\"},"
    "\"profileUrl\":\"https://x/Ann\","
    "\"emails\":[{\"value\":\"ann@work.example\",\"type\":\"work\","
    "\"primary\":true},{\"value\":\"lee@home.example\",\"type\":\"home\"}],"
    "\"groups\":[{\"value\":\"g1\",\"display\":\"Ads\"}],"
    "\"x509Certificates\":[{\"value\":\"QUJD\"}],"
    "\"" ENT "\":{\"department\":\"Ads\",\"manager\":{\"value\":\"m1\"}},"
    "\"" BADGE "\":{\"level\":9007199254740993,\"weight\":1.5,"
    "\"since\":\"2026-01-02T03:04:05.500Z\",\"code\":\"aB\",\"pin\":\"1\","
    "\"tags\":[\"Red\",\"blue\"],\"doors\":[{\"floor\":3,\"open\":false}]},"
    "\"meta\":{\"resourceType\":\"User\",\"version\":\"W/\\\"5\\\"\","
    "\"created\":\"2026-01-02T03:04:05.678Z\","
    "\"lastModified\":\"2026-02-02T03:04:05.678Z\"}}";

static const char group_text[] =
    "{\"id\":\"g1\",\"displayName\":\"Ads\",\"members\":["
    "{\"value\":\"u1\",\"type\":\"User\"},{\"value\":\"g2\","
    "\"type\":\"Group\"}]}";

typedef struct {
    const char *filter;
    bool        matches;
} match_t;

static scim_schemas_t             *schemas;
static const scim_resource_type_t *user, *group;
static json_t                     *ann, *ads;


static int
start(void **state)
{
    size_t             count = scim_embedded_schema_count;
    scim_schema_file_t files[32];

    (void) state;
    memcpy(files, scim_embedded_schemas, count * sizeof(files[0]));
    files[count] = (scim_schema_file_t) { "badge", badge, strlen(badge) };
    schemas = scim_schemas_new(files, count + 1, NULL);
    user = scim_resource_type_find(schemas, "User", 4);
    group = scim_resource_type_find(schemas, "Group", 5);
    ann = json_loads(user_text, 0, NULL);
    ads = json_loads(group_text, 0, NULL);
    return schemas && user && group && ann && ads ? 0 : -1;
}


static int
stop(void **state)
{
    (void) state;
    json_decref(ann);
    json_decref(ads);
    scim_schemas_free(schemas);
    return 0;
}


static bool
matches(const scim_resource_type_t *type, const json_t *resource,
    const char *text)
{
    bool           result;
    scim_error_t   error = { 0 };
    scim_filter_t *filter = scim_filter_parse(type, text, strlen(text), NULL,
        &error);

    if (filter == NULL) {
        fail_msg("%s: %s", text, error.detail);
    }
    result = scim_filter_match(filter, resource, WORK);
    scim_filter_free(filter);
    return result;
}


static void
check_table(const scim_resource_type_t *type, const json_t *resource,
    const match_t *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (matches(type, resource, table[i].filter) != table[i].matches) {
            fail_msg("%s: %s", table[i].filter,
                table[i].matches ? "does not match" : "matches");
        }
    }
}

#define CHECK_USER(table) \
    check_table(user, ann, table, sizeof(table) / sizeof(table[0]))


static void
texts_compare_as_the_schema_says(void **state)
{
    static const match_t table[] = {
        { "userName eq \"ANN.lee\"", true },
        { "userName eq \"ann\"", false },
        { "userName ne \"ann\"", true },
        { "userName ne \"ann.LEE\"", false },
        { "userName co \"N.L\"", true },
        { "userName sw \"ann\"", true },
        { "userName sw \"lee\"", false },
        { "userName ew \".LEE\"", true },
        { "userName ew \"ann\"", false },
        { "userName gt \"ann.led\"", true },
        { "userName gt \"Ann.Lee\"", false },
        { "userName ge \"Ann.Lee\"", true },
        { "userName lt \"ann.leea\"", true },
        { "userName le \"ann.le\"", false },
        { "userName co \"\"", true },
        { "displayName eq \"\xc3\xa4NNE\"", true },
        { "displayName eq \"A\\u0308nne\"", true },
        { "externalId eq \"Ext-1\"", true },
        { "externalId eq \"ext-1\"", false },
        { "id eq \"U1\"", false },
        { "profileUrl sw \"https://x/A\"", true },
        { "profileUrl sw \"https://x/a\"", false },
        { BADGE ":code eq \"aB\"", true },
        { BADGE ":code eq \"ab\"", false },
        { "name.familyName eq \"Lee \\\"L\\\"\"", true },
        { "x509Certificates.value eq \"QUJD\"", true },
        { "x509Certificates eq \"qujd\"", false }
    };

    (void) state;
    CHECK_USER(table);
}


static void
other_types_compare_by_value(void **state)
{
    static const match_t table[] = {
        { "active eq true", true },
        { "active eq \"True\"", true },
        { "active ne true", false },
        { BADGE ":level eq 9007199254740993", true },
        { BADGE ":level eq 9007199254740992", false },
        { BADGE ":level gt 9007199254740992", true },
        { BADGE ":level lt 9.1e15", true },
        { BADGE ":weight eq 1.50", true },
        { BADGE ":weight gt 1", true },
        { BADGE ":weight le 1.4", false },
        { BADGE ":since eq \"2026-01-02T04:04:05.5+01:00\"", true },
        { BADGE ":since gt \"2026-01-02\"", true },
        { BADGE ":since lt 2026-01-02T03:04:05", false },
        { BADGE ":doors.floor ge 3", true },
        { BADGE ":doors[floor eq 3 and open eq false]", true },
        { BADGE ":doors[floor eq 3 and open eq true]", false },
        { BADGE ":tags eq \"red\"", true },
        { BADGE ":tags eq \"green\"", false },
        { BADGE ":tags ne \"red\"", true }
    };

    (void) state;
    CHECK_USER(table);
}


static void
not_and_or_bind_in_this_order(void **state)
{
    static const match_t table[] = {
        { "id pr or title pr and title pr", true },
        { "(id pr or title pr) and title pr", false },
        { "title pr and title pr or id pr", true },
        { "not (title pr) and id pr", true },
        { "not (title pr and id pr)", true },
        { "not (id pr) or id pr", true },
        { "not (not (id pr))", true },
        { "not(title pr)", true },
        { "((((id pr))))", true },
        { "ID PR AND NOT (TITLE PR) Or title Pr", true },
        { "  id   pr  and\tactive  eq  true ", true }
    };

    (void) state;
    CHECK_USER(table);
}


static void
what_has_no_value_is_only_unequal(void **state)
{
    static const match_t table[] = {
        { "title pr", false },
        { "title eq \"x\"", false },
        { "title ne \"x\"", true },
        { "title gt \"\"", false },
        { "title co \"\"", false },
        { "title eq null", true },
        { "title ne null", false },
        { "userName eq null", false },
        { "userName ne null", true },
        { "name pr", true },
        { "name.middleName pr", false },
        { "addresses pr", false },
        { "emails pr", true },
        { "emails.primary pr", true },
        { "emails.primary eq null", false },
        { "emails.primary ne null", true },
        { "emails.display eq null", true },
        { "emails[display pr]", false },
        { "ims[type eq \"x\"]", false },
        { "not (ims[type eq \"x\"])", true },
        { "urn:nobody:knows:2.0:User:x pr", false },
        { "urn:nobody:knows:2.0:User:x eq \"1\"", false },
        { "urn:nobody:knows:2.0:User:x ne \"1\"", true },
        { "urn:nobody:knows:2.0:User:x[y eq \"1\" or not (z pr)]", false },
        { "urn:nobody:knows:2.0:User:x[y eq null].z ne \"1\"", false },
        { "not (urn:nobody:knows:2.0:User:x[y pr])", true },
        { CORE "Group:members[value eq \"u1\"]", false }
    };

    (void) state;
    CHECK_USER(table);
}


static void
several_values_match_by_any_and_value_paths_by_one(void **state)
{
    static const match_t table[] = {
        { "emails co \"WORK\"", true },
        { "emails.value eq \"lee@home.example\"", true },
        { "emails.type eq \"work\" and emails.value sw \"lee\"", true },
        { "emails[type eq \"work\" and value sw \"lee\"]", false },
        { "emails[type eq \"work\" and value sw \"ann\"]", true },
        { "emails[not (type eq \"work\")]", true },
        { "emails[type eq \"work\" or type eq \"home\"]", true },
        { "emails[ ( type eq \"x\" or primary eq true ) and value pr ]",
          true },
        { "emails[type eq \"work\"].value eq \"ann@work.example\"", true },
        { "emails[type eq \"home\"].value eq \"ann@work.example\"", false },
        { "emails[primary eq \"True\"].type eq \"work\"", true },
        { "emails.type ne \"work\"", true },
        { "not (emails.type eq \"work\")", false },
        { "groups.value eq \"g1\"", true },
        { "groups eq \"g1\"", true },
        { "groups[display eq \"ads\"]", true },
        { "name[givenName eq \"ann\"]", true },
        { "name[givenName eq \"bob\"]", false },
        { "schemas eq \"" ENT "\"", true },
        { "schemas eq \"" CORE "Group\"", false }
    };

    (void) state;
    CHECK_USER(table);
}


static void
paths_may_have_urns_and_lead_into_meta(void **state)
{
    static const match_t table[] = {
        { CORE "User:userName sw \"ann\"", true },
        { CORE "User:name.givenName eq \"ANN\"", true },
        { ENT ":department eq \"ads\"", true },
        { ENT ":manager.value eq \"m1\"", true },
        { ENT ":manager eq \"m1\"", true },
        { ENT ":manager[value eq \"m1\"]", true },
        { "URN:IETF:params:scim:schemas:extension:ENTERPRISE:2.0:User:"
          "Department pr", true },
        { ENT " pr", true },
        { "not (URN:IETF:params:scim:schemas:extension:ENTERPRISE:2.0:user "
          "pr)", false },
        { CORE "User pr", true },
        { BADGE " pr", false },
        { "urn:example:none:1.0:User:x pr", false },
        { "urn:example:none:1.0:User:x ne \"a\"", true },
        { "urn:example:none:1.0:User:x eq null", true },
        { "meta.resourceType eq \"User\"", true },
        { "meta.resourceType eq \"user\"", false },
        { "meta.created gt \"2026-01-01T00:00:00Z\"", true },
        { "meta.lastModified ge 2026-02-03", false },
        { "meta.version eq \"W/\\\"5\\\"\"", true },
        { "meta pr", true }
    };
    static const match_t members[] = {
        { "members.value eq \"u1\"", true },
        { "members eq \"g2\"", true },
        { "members[value eq \"u1\" and type eq \"Group\"]", false },
        { "members.value eq \"u2\"", false }
    };

    (void) state;
    CHECK_USER(table);
    check_table(group, ads, members, 4);
}


static void
sloppy_spellings_of_known_clients_are_read(void **state)
{
    static const match_t table[] = {
        { "userName eq Ann.Lee", true },
        { "userName eq 'ann.lee'", true },
        { "userName eq\"ann.lee\"", true },
        { "emails[value eq\"ann@work.example\"]", true },
        { "(userName eq Ann.Lee)", true },
        { "meta.resourceType eq User", true },
        { "meta.created gt 2015-04-02", true },
        { "USERNAME Eq \"ann.lee\"", true },
        { "emails[emails.type eq \"work\"]", true }
    };

    (void) state;
    CHECK_USER(table);
}


/* ---- refusals ---- */

typedef struct {
    const char *filter;
    const char *detail;
} refusal_t;


static void
assert_refused(const char *text, size_t len, const char *detail)
{
    scim_error_t error = { 0 };

    assert_null(scim_filter_parse(user, text, len, NULL, &error));
    assert_int_equal(error.status, 400);
    assert_int_equal(error.type, SCIM_ERROR_INVALID_FILTER);
    if (strstr(error.detail, detail) == NULL) {
        fail_msg("\"%.40s\": \"%s\" lacks \"%s\"", text, error.detail,
            detail);
    }
}


static void
what_is_no_filter_is_refused_at_its_position(void **state)
{
    static const refusal_t table[] = {
        { "", "a condition expected at position 0" },
        { "   ", "a condition expected at position 3" },
        { "userName", "an operator expected at position 8" },
        { "userName ", "an operator expected at position 9" },
        { "userName eq", "a value expected at position 11" },
        { "userName zz \"x\"", "an operator expected at position 9" },
        { "userName eq \"x", "unterminated string at position 12" },
        { "userName eq \"\\x\"", "bad string at position 12" },
        { "userName eq 'x", "unterminated string at position 12" },
        { "userName eq a\001", "control character" },
        { "userName eq \"x\" userName", "unexpected text at position 16" },
        { "(userName pr", "')' expected at position 12" },
        { "userName pr)", "unexpected text at position 11" },
        { "userName pr and", "a condition expected at position 15" },
        { "or userName pr", "attribute at position 0" },
        { "not userName pr", "'(' expected after not at position 0" },
        { "()", "an attribute expected at position 1" },
        { "nosuch eq \"x\"", "unknown attribute at position 0" },
        { "name.nosuch eq \"x\"", "unknown sub-attribute at position 0" },
        { "id pr and nosuch pr", "unknown attribute at position 10" },
        { ENT ":nosuch pr", "unknown attribute" },
        { ENT " eq \"x\"", "a schema has no value to compare" },
        { ENT "[value eq \"x\"]", "'[' not allowed here" },
        { ENT ": pr", "unknown attribute" },
        { "urn:example:none: pr", "unknown attribute" },
        { ": pr", "unknown attribute at position 0" },
        { ":x pr", "unknown attribute at position 0" },
        { "title eq {\"a\":1}", "a value expected at position 9" },
        { "title eq [1]", "a value expected at position 9" },
        { "title eq (a)", "a value expected at position 9" },
        { "emails[", "a condition expected at position 7" },
        { "emails[type eq \"x\"", "']' expected" },
        { "emails[nosuch pr]", "unknown sub-attribute at position 7" },
        { "emails[type[value pr]]", "'[' not allowed here" },
        { "emails[type pr].nosuch pr", "unknown sub-attribute" },
        { "emails.type[value pr]", "'[' not allowed here" },
        { "urn:nobody:knows:x[y]", "an operator expected" },
        { "urn:nobody:knows:x[y pr", "']' expected" },
        { "urn:nobody:knows:x[y[z pr]]", "'[' not allowed here" },
        { "\xff pr", "an attribute expected at position 0" }
    };

    (void) state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_refused(table[i].filter, strlen(table[i].filter),
            table[i].detail);
    }
    assert_refused("userName eq a\0b", 15, "control character");
}


static void
comparisons_that_make_no_sense_are_refused(void **state)
{
    static const refusal_t table[] = {
        { "active gt true", "operator does not fit" },
        { "active co \"t\"", "operator does not fit" },
        { "active eq \"yes\"", "value does not fit the attribute's type at "
          "position 10" },
        { "active eq 1", "value does not fit" },
        { "userName eq 5", "value does not fit" },
        { BADGE ":level eq \"1\"", "value does not fit" },
        { BADGE ":level co 1", "operator does not fit" },
        { BADGE ":since eq \"soon\"", "value does not fit" },
        { BADGE ":since sw \"2026\"", "operator does not fit" },
        { "x509Certificates.value gt \"a\"", "operator does not fit" },
        { "name eq \"x\"", "a complex attribute cannot be compared" },
        { "addresses co \"x\"", "a complex attribute cannot be compared" },
        { "userName gt null", "null can only be compared by eq and ne" },
        { "password eq \"x\"", "never returned" },
        { BADGE ":pin sw \"1\"", "never returned" }
    };

    (void) state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_refused(table[i].filter, strlen(table[i].filter),
            table[i].detail);
    }
}


/* `count` times the text, one after the other. */
static char *
repeated(const char *text, size_t count, const char *end)
{
    size_t len = strlen(text);
    char  *out = malloc(len * count + strlen(end) + 1);

    assert_non_null(out);
    for (size_t i = 0; i < count; i++) {
        memcpy(out + i * len, text, len);
    }
    memcpy(out + len * count, end, strlen(end) + 1);
    return out;
}


static void
length_depth_and_size_have_limits(void **state)
{
    char *text;

    (void) state;
    text = repeated(" ", SCIM_FILTER_LEN_MAX, "id pr");
    assert_refused(text, strlen(text), "too long");
    assert_true(matches(user, ann, text + 5));
    free(text);
    text = repeated("(", SCIM_FILTER_DEPTH_MAX + 1, "id pr");
    assert_refused(text, strlen(text), "nested too deep");
    free(text);
    text = repeated("not (", SCIM_FILTER_DEPTH_MAX + 1, "id pr");
    assert_refused(text, strlen(text), "nested too deep");
    free(text);
    text = repeated("id pr or ", SCIM_FILTER_NODE_MAX / 2, "id pr");
    assert_refused(text, strlen(text), "too many conditions");
    assert_true(matches(user, ann, text + 9));
    free(text);
}


/* ---- printing ---- */

static void
printing_gives_the_canonical_spelling(void **state)
{
    static const char *const table[][2] = {
        { "USERNAME EQ 'x'", "userName eq \"x\"" },
        { "(id pr)", "id pr" },
        { "id pr or (title pr or id pr)", "id pr or (title pr or id pr)" },
        { "(id pr or title pr) or id pr", "id pr or title pr or id pr" },
        { "(id pr or title pr) and id pr", "(id pr or title pr) and id pr" },
        { "(id pr and title pr) or id pr", "id pr and title pr or id pr" },
        { "NOT(id pr)", "not (id pr)" },
        { "emails[emails.Type eq work].VALUE sw a",
          "emails[type eq \"work\"].value sw \"a\"" },
        { ENT ":Manager.Value eq \"\\u0061\"", ENT ":manager.value eq \"a\"" },
        { "active eq \"TRUE\"", "active eq true" },
        { BADGE ":weight gt 1.5", BADGE ":weight gt 1.5" }
    };

    (void) state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        scim_buffer_t  out;
        scim_filter_t *filter = scim_filter_parse(user, table[i][0],
            strlen(table[i][0]), NULL, NULL);

        assert_non_null(filter);
        scim_buffer_init(&out, 4096);
        scim_filter_print(filter, &out);
        assert_string_equal(out.data, table[i][1]);
        scim_buffer_free(&out);
        scim_filter_free(filter);
    }
}


static void
value_filters_choose_elements(void **state)
{
    json_t                 *emails = json_object_get(ann, "emails");
    scim_filter_t          *filter;
    const scim_attribute_t *attribute = scim_schema_attribute(user->schema,
        "emails", 6);

    (void) state;
    filter = scim_filter_parse_value(attribute, "type eq \"home\"", 14, NULL,
        NULL);
    assert_non_null(filter);
    assert_false(scim_filter_match_value(filter, json_array_get(emails, 0),
        WORK));
    assert_true(scim_filter_match_value(filter, json_array_get(emails, 1),
        WORK));
    scim_filter_free(filter);
    assert_null(scim_filter_parse_value(attribute, "userName pr", 11, NULL,
        NULL));
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_compare_as_the_schema_says),
        cmocka_unit_test(other_types_compare_by_value),
        cmocka_unit_test(not_and_or_bind_in_this_order),
        cmocka_unit_test(what_has_no_value_is_only_unequal),
        cmocka_unit_test(several_values_match_by_any_and_value_paths_by_one),
        cmocka_unit_test(paths_may_have_urns_and_lead_into_meta),
        cmocka_unit_test(sloppy_spellings_of_known_clients_are_read),
        cmocka_unit_test(what_is_no_filter_is_refused_at_its_position),
        cmocka_unit_test(comparisons_that_make_no_sense_are_refused),
        cmocka_unit_test(length_depth_and_size_have_limits),
        cmocka_unit_test(printing_gives_the_canonical_spelling),
        cmocka_unit_test(value_filters_choose_elements)
    };

    return cmocka_run_group_tests(tests, start, stop);
}
