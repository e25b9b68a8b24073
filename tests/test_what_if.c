#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "what_if.h"

/* A dry run, one person at a time. */
#define TEAM_1_EDITOR "[{\"type\":\"team\",\"id\":\"1\",\"role\":" \
    "\"collaborator\",\"accessRole\":\"editor\"}]"

static scim_app_t    app;
static plan_app_t    apps[1];
static plan_grant_t  grants[1];
static plan_source_t sources[2];
static plan_facts_t  facts;
static what_if_t     what_if;
static what_if_row_t row;


static void
define(const char *more)
{
    char text[512];

    scim_app_free(&app);
    snprintf(text, sizeof(text), "{\"id\":\"a\",\"name\":\"A\","
        "\"accessRoles\":[\"viewer\",\"editor\",\"admin\"],"
        "\"defaultAccessRole\":\"viewer\",\"settleSeconds\":5,"
        "\"guard\":{\"count\":2,\"percent\":20},\"connector\":{\"type\":"
        "\"http\",\"invite\":{},\"role\":{},\"remove\":{}}%s}", more);
    assert_true(scim_app_read(text, strlen(text), &app));
}


/* Ann, an editor by team 1, who is in the app. */
static int
fresh(void **state)
{
    (void) state;
    define("");
    grants[0] = (plan_grant_t) { .app = "a", .state = GRANT_INVITED,
        .access_role = "editor", .applied_role = "editor",
        .sources = TEAM_1_EDITOR, .member_id = "m1", .email = "ann@e.com",
        .user_name = "ann", .task = "", .task_kind = "", .task_state = "",
        .kept = "" };
    sources[0] = (plan_source_t) { "a", "team:1", false, "editor" };
    apps[0] = (plan_app_t) { "a", &app, true, false };
    facts = (plan_facts_t) { .exists = true, .active = true,
        .email = "ann@e.com", .user_name = "ann", .sources = sources,
        .source_count = 1, .grants = grants, .grant_count = 1, .apps = apps,
        .app_count = 1, .now = 1000000 };
    what_if = (what_if_t) { .app = "a", .definition = &app,
        .access_role = "" };
    return 0;
}


static int
end(void **state)
{
    (void) state;
    scim_app_free(&app);
    return 0;
}


static what_t
look(long long place)
{
    assert_true(what_if_person(&what_if, &facts, place, &row));
    return row.what;
}


static void
put(const char *subject, const char *access_role)
{
    what_if.subject = subject;
    what_if.access_role = access_role;
}


/* Nobody has it yet. */
static void
nobody(void)
{
    facts.source_count = facts.grant_count = facts.app_count = 0;
}


static void
a_share_that_changes_nothing(void **state)
{
    (void) state;
    put("team:1", "editor");
    assert_int_equal(look(0), WHAT_NOTHING);
}


static void
a_stronger_share_is_another_role(void **state)
{
    (void) state;
    put("user:u", "admin");
    assert_int_equal(look(0), WHAT_ROLE);
    assert_string_equal(row.old_access_role, "editor");
    assert_string_equal(row.access_role, "admin");
    assert_string_equal(row.share, "user:u");
    put("user:u", "viewer");
    assert_int_equal(look(0), WHAT_SOURCES);
}


static void
a_share_that_is_changed_replaces_itself(void **state)
{
    (void) state;
    put("team:1", "");
    assert_int_equal(look(0), WHAT_ROLE);
    assert_string_equal(row.access_role, "viewer");
}


/* Also before it has settled. */
static void
the_last_share_is_a_removal(void **state)
{
    (void) state;
    put("team:1", "");
    what_if.unshared = true;
    assert_int_equal(look(0), WHAT_REMOVE);
    assert_true(row.guarded);
    assert_int_equal(what_if.losses, 1);
    assert_false(what_if_held(&what_if));
}


static void
the_guard_holds_too_many(void **state)
{
    (void) state;
    put("team:1", "");
    what_if.unshared = true;
    for (int i = 0; i < 3; i++) {
        look(0);
    }
    assert_int_equal(what_if_limit(&what_if), 2);
    assert_true(what_if_held(&what_if));
    what_if.base = 100; /* twenty of them may go */
    assert_false(what_if_held(&what_if));
    what_if.leaving = 18; /* and these are going already */
    assert_true(what_if_held(&what_if));
    what_if.leaving = 0;
    what_if.hold = true;
    assert_true(what_if_held(&what_if));
}


static void
the_last_owner_is_for_a_person(void **state)
{
    (void) state;
    put("team:1", "");
    what_if.unshared = true;
    apps[0].last_owner = true;
    assert_int_equal(look(0), WHAT_MANUAL);
    assert_int_equal(what_if.losses, 0);
}


static void
seats_go_to_the_line_first(void **state)
{
    (void) state;
    nobody();
    define(",\"seats\":10");
    put("team:2", "viewer");
    what_if.seats_in_use = 7;
    what_if.waiting = 1;
    assert_int_equal(look(0), WHAT_INVITE);
    assert_int_equal(look(0), WHAT_INVITE);
    assert_int_equal(look(0), WHAT_WAIT); /* the third seat is taken */
    assert_int_equal(row.after, GRANT_WAITLISTED);
}


static void
one_seat_more_is_for_who_is_first_in_line(void **state)
{
    (void) state;
    define(",\"seats\":8");
    grants[0].state = GRANT_WAITLISTED;
    grants[0].applied_role = grants[0].member_id = "";
    what_if.seats_in_use = 7;
    what_if.waiting = 2;
    assert_int_equal(look(1), WHAT_INVITE);
    assert_int_equal(look(2), WHAT_NOTHING);
}


static void
a_deleted_app_is_not_called(void **state)
{
    (void) state;
    what_if.deleted = true;
    assert_int_equal(look(0), WHAT_FORGET);
    assert_false(row.guarded);
}


static void
who_is_not_active_gets_nothing(void **state)
{
    (void) state;
    nobody();
    facts.active = false;
    put("team:2", "viewer");
    assert_int_equal(look(0), WHAT_NOTHING);
}


int
main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        CASE(a_share_that_changes_nothing),
        CASE(a_stronger_share_is_another_role),
        CASE(a_share_that_is_changed_replaces_itself),
        CASE(the_last_share_is_a_removal),
        CASE(the_guard_holds_too_many),
        CASE(the_last_owner_is_for_a_person),
        CASE(seats_go_to_the_line_first),
        CASE(one_seat_more_is_for_who_is_first_in_line),
        CASE(a_deleted_app_is_not_called),
        CASE(who_is_not_active_gets_nothing)
    };

    return cmocka_run_group_tests_name("what if", tests, NULL, end);
}
