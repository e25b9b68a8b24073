#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "planner.h"

/* Every transition of a grant, one person and one app at a time. */
#define NOW 1000000

/* "viewer", "editor", "admin", weakest first; settles for five seconds */
static scim_app_t    app, cancelling, roleless, dated, mailed;
static plan_app_t    apps[1];
static plan_grant_t  grants[1];
static plan_source_t sources[8];
static plan_facts_t  facts;
static plan_t        plan;


static void
read_app(const char *type, const char *verbs, scim_app_t *out)
{
    char text[1024];

    snprintf(text, sizeof(text), "{\"id\":\"a\",\"name\":\"A\","
        "\"accessRoles\":[\"viewer\",\"editor\",\"admin\"],"
        "\"defaultAccessRole\":\"viewer\",\"settleSeconds\":5,"
        "\"account\":\"Bot@example.com\",\"connector\":{\"type\":\"%s\","
        "\"invite\":{},\"remove\":{}%s}}", type, verbs);
    assert_true(scim_app_read(text, strlen(text), out));
}


static int
begin(void **state)
{
    (void) state;
    read_app("http", ",\"role\":{}", &app);
    read_app("http", ",\"role\":{},\"cancel\":{}", &cancelling);
    read_app("http", "", &roleless);
    read_app("http", ",\"role\":{},\"cancel\":{},\"remind\":{}},"
        "\"invites\":{\"expireSeconds\":100,\"remindEverySeconds\":30,"
        "\"remindMax\":2,"
        "\"onExpiry\":\"reinvite\",\"reinviteMax\":1", &dated);
    read_app("email", "},\"invites\":{\"expireSeconds\":100", &mailed);
    return 0;
}


static int
end(void **state)
{
    (void) state;
    scim_app_free(&app);
    scim_app_free(&cancelling);
    scim_app_free(&roleless);
    scim_app_free(&dated);
    scim_app_free(&mailed);
    return 0;
}


static int
fresh(void **state)
{
    (void) state;
    memset(grants, 0, sizeof(grants));
    grants[0] = (plan_grant_t) { .app = "a", .access_role = "",
        .applied_role = "", .sources = "", .member_id = "", .email = "",
        .user_name = "", .task = "", .task_kind = "", .task_state = "",
        .kept = "" };
    apps[0] = (plan_app_t) { "a", &app, true, false };
    facts = (plan_facts_t) { .exists = true, .active = true,
        .email = "ann@example.com", .user_name = "ann", .sources = sources,
        .grants = grants, .apps = apps, .app_count = 1, .now = NOW };
    return 0;
}


static int
free_plan(void **state)
{
    (void) state;
    plan_free(&plan);
    return 0;
}


/* ---- to say what is ---- */

static void
share(const char *subject, bool owner, const char *access_role)
{
    sources[facts.source_count++] = (plan_source_t) { "a", subject, owner,
        access_role };
}


#define TEAM_1_EDITOR "[{\"type\":\"team\",\"id\":\"1\",\"role\":" \
    "\"collaborator\",\"accessRole\":\"editor\"}]"

/* An editor by team 1, as far as the grant knows. */
static void
has(grant_state_t state)
{
    facts.grant_count = 1;
    grants[0].state = state;
    grants[0].access_role = "editor";
    grants[0].sources = TEAM_1_EDITOR;
    if (state != GRANT_PENDING && state != GRANT_WAITLISTED
        && state != GRANT_REMOVED)
    {
        grants[0].applied_role = "editor";
        grants[0].member_id = "m1";
        grants[0].email = "ann@example.com";
    }
}


static void
task(const char *kind, const char *state, int attempts, bool unknown)
{
    grants[0].task = "t";
    grants[0].task_kind = kind;
    grants[0].task_state = state;
    grants[0].task_attempts = attempts;
    grants[0].task_unknown = unknown;
}


static void
settled(void)
{
    grants[0].lost_at = NOW - 5000;
}


static const plan_change_t *
planned(void)
{
    plan_free(&plan);
    plan_make(&facts, &plan);
    assert_false(plan.failed);
    return plan.count ? &plan.changes[0] : NULL;
}


static void
expect_nothing(void)
{
    assert_null(planned());
}


static void
expect(grant_state_t state, plan_action_t action, const char *kind)
{
    const plan_change_t *change = planned();

    assert_non_null(change);
    assert_int_equal(plan.count, 1);
    assert_string_equal(grant_state_name(change->state),
        grant_state_name(state));
    assert_int_equal(change->action, action);
    assert_string_equal(change->kind, kind);
}


/* ---- wanted ---- */

static void
somebody_new_is_invited(void **state)
{
    (void) state;
    share("team:1", false, "editor");
    expect(GRANT_PENDING, TASK_NEW, "invite");
    assert_string_equal(plan.changes[0].access_role, "editor");
    assert_string_equal(plan.changes[0].sources, TEAM_1_EDITOR);
    assert_string_equal(plan.changes[0].email, "ann@example.com");
    assert_false(plan.changes[0].unknown);
}


/* ---- the life of an invite ---- */

/* Invited so many seconds ago, to an app with a policy. */
static void
invited_since(int seconds)
{
    share("team:1", false, "editor");
    has(GRANT_INVITED);
    grants[0].invited_at = NOW - seconds * 1000;
    apps[0].app = &dated;
}


static void
an_invite_is_reminded_of_in_its_time_and_not_for_ever(void **state)
{
    (void) state;
    invited_since(29);
    expect_nothing();
    assert_int_equal(plan.recheck_at, NOW + 1000);
    invited_since(30);
    expect(GRANT_INVITED, TASK_NEW, "remind");
    assert_int_equal(plan.changes[0].reminded, 1);
    assert_int_equal(plan.changes[0].reminded_at, NOW);
    assert_int_equal(plan.recheck_at, NOW + 30000);
    grants[0].reminded = 2;
    expect_nothing();
    assert_int_equal(plan.recheck_at, NOW + 70000);
}


static void
a_reminder_is_no_reason_to_drop_it_nor_to_wait_with_a_role(void **state)
{
    (void) state;
    invited_since(31);
    grants[0].reminded = 1;
    grants[0].reminded_at = NOW - 1000;
    task("remind", "queued", 0, false);
    expect_nothing();
    grants[0].state = GRANT_ACCEPTED;
    expect(GRANT_ACCEPTED, TASK_DROP, "");
    grants[0].state = GRANT_INVITED;
    grants[0].applied_role = "viewer";
    expect(GRANT_REMOVING, TASK_NEW, "remove");
}


static void
an_invite_that_ran_out_is_withdrawn_and_sent_once_more(void **state)
{
    (void) state;
    invited_since(100);
    expect(GRANT_REMOVING, TASK_NEW, "remove");
    assert_true(plan.changes[0].replan);
    assert_int_equal(plan.changes[0].guard, GUARD_NONE);
    assert_int_equal(plan.changes[0].before, GRANT_EXPIRED);
    assert_int_equal(plan.changes[0].reinvited, 1);
    grants[0].reinvited = 1;
    expect(GRANT_REMOVING, TASK_NEW, "remove");
    assert_false(plan.changes[0].replan);
    assert_int_equal(plan.changes[0].reinvited, 1);
}


static void
nothing_takes_back_an_invite_that_ran_out(void **state)
{
    (void) state;
    invited_since(100);
    grants[0].state = GRANT_REMOVING;
    grants[0].before = GRANT_EXPIRED;
    task("remove", "queued", 0, false);
    expect_nothing();
    grants[0].replan = true;
    expect_nothing();
}


static void
who_accepted_is_never_out_of_time(void **state)
{
    (void) state;
    invited_since(1000);
    grants[0].state = GRANT_ACCEPTED;
    expect_nothing();
    grants[0].state = GRANT_CONNECTED;
    expect_nothing();
}


static void
the_last_owner_is_not_out_of_time_either(void **state)
{
    (void) state;
    invited_since(100);
    apps[0].last_owner = true;
    expect_nothing();
}


static void
an_invite_by_mail_just_ends(void **state)
{
    (void) state;
    invited_since(100);
    apps[0].app = &mailed;
    expect(GRANT_EXPIRED, TASK_KEEP, "");
    has(GRANT_EXPIRED);
    expect_nothing();
}


static void
an_invite_under_way_is_looked_at_before_anything_is_due(void **state)
{
    (void) state;
    invited_since(0);
    grants[0].state = GRANT_PENDING;
    grants[0].invited_at = 0;
    task("invite", "queued", 0, false);
    expect_nothing();
    assert_int_equal(plan.recheck_at, NOW + 30000);
    facts.grant_count = 0;
    expect(GRANT_PENDING, TASK_NEW, "invite");
    assert_int_equal(plan.recheck_at, NOW + 30000);
}


static void
an_operator_has_an_invite_sent_again(void **state)
{
    (void) state;
    invited_since(10);
    grants[0].resend = true;
    grants[0].reminded = 2;
    expect(GRANT_PENDING, TASK_NEW, "invite");
    assert_int_equal(plan.changes[0].reminded, 0);
    grants[0].state = GRANT_EXPIRED;
    grants[0].reinvited = 1;
    expect(GRANT_PENDING, TASK_NEW, "invite");
    assert_int_equal(plan.changes[0].reinvited, 0);
    apps[0].seat = false;
    expect(GRANT_WAITLISTED, TASK_KEEP, "");
    apps[0].seat = true;
    grants[0].state = GRANT_CONNECTED;
    expect(GRANT_CONNECTED, TASK_KEEP, ""); /* taken note of, no more */
}


static void
nobody_is_invited_without_a_share_or_when_inactive(void **state)
{
    (void) state;
    expect_nothing();
    share("team:1", false, "editor");
    facts.active = false;
    expect_nothing();
    facts.exists = false;
    expect_nothing();
}


static void
a_removed_person_who_is_wanted_again_is_invited_again(void **state)
{
    (void) state;
    share("team:1", false, "editor");
    has(GRANT_REMOVED);
    expect(GRANT_PENDING, TASK_NEW, "invite");
}


static void
the_strongest_source_decides(void **state)
{
    (void) state;
    share("team:1", true, "viewer");
    share("team:2", false, "admin");
    share("user:u", false, "editor");
    expect(GRANT_PENDING, TASK_NEW, "invite");
    assert_true(plan.changes[0].owner);
    assert_string_equal(plan.changes[0].access_role, "admin");
    assert_string_equal(plan.changes[0].share, "team:2");
}


static void
of_equal_access_roles_the_owners_share_gives_it(void **state)
{
    (void) state;
    share("team:1", false, "editor");
    share("team:2", true, "editor");
    expect(GRANT_PENDING, TASK_NEW, "invite");
    assert_string_equal(plan.changes[0].share, "team:2");
}


static void
a_removal_names_the_share_that_was_lost(void **state)
{
    (void) state;
    has(GRANT_INVITED);
    grants[0].sources = "[{\"type\":\"team\",\"id\":\"1\",\"role\":"
        "\"owner\",\"accessRole\":\"viewer\"},{\"type\":\"user\",\"id\":"
        "\"u\",\"role\":\"collaborator\",\"accessRole\":\"editor\"}]";
    settled();
    expect(GRANT_REMOVING, TASK_NEW, "remove");
    assert_string_equal(plan.changes[0].share, "user:u");
}


static void
a_role_the_app_has_not_counts_as_its_default(void **state)
{
    (void) state;
    share("team:1", false, "gone");
    share("team:2", false, "");
    expect(GRANT_PENDING, TASK_NEW, "invite");
    assert_string_equal(plan.changes[0].access_role, "viewer");
}


static void
the_order_of_sources_does_not_matter(void **state)
{
    (void) state;
    share("user:u", false, "viewer");
    share("team:1", false, "editor");
    share("team:0", true, "admin");
    has(GRANT_INVITED);
    planned();
    grants[0].sources = strdup(plan.changes[0].sources);
    grants[0].owner = true;
    grants[0].access_role = grants[0].applied_role = "admin";
    expect_nothing();
    for (int i = 0; i < 6; i++) {
        plan_source_t first = sources[i % 2];

        sources[i % 2] = sources[i % 2 + 1];
        sources[i % 2 + 1] = first;
        expect_nothing();
    }
    free((char *) grants[0].sources);
}


static void
losing_one_of_two_sources_keeps_the_person(void **state)
{
    (void) state;
    share("team:2", false, "editor");
    has(GRANT_CONNECTED);
    expect(GRANT_CONNECTED, TASK_KEEP, "");
    assert_non_null(strstr(plan.changes[0].sources, "\"id\":\"2\""));
}


static void
without_a_free_seat_people_wait(void **state)
{
    (void) state;
    share("team:1", false, "editor");
    apps[0].seat = false;
    expect(GRANT_WAITLISTED, TASK_KEEP, "");
    has(GRANT_WAITLISTED);
    expect_nothing();
    apps[0].seat = true;
    expect(GRANT_PENDING, TASK_NEW, "invite");
}


static void
an_open_invite_takes_the_role_of_the_wish(void **state)
{
    (void) state;
    share("team:1", false, "admin");
    has(GRANT_PENDING);
    task("invite", "queued", 0, false);
    expect(GRANT_PENDING, TASK_KEEP, "");
    assert_string_equal(plan.changes[0].access_role, "admin");
    assert_false(plan.changes[0].replan);
    task("invite", "running", 1, true);
    expect(GRANT_PENDING, TASK_KEEP, "");
    assert_true(plan.changes[0].replan);
}


static void
a_pending_grant_without_a_task_is_invited(void **state)
{
    (void) state;
    share("team:1", false, "editor");
    has(GRANT_PENDING);
    expect(GRANT_PENDING, TASK_NEW, "invite");
}


static void
a_member_gets_another_role(void **state)
{
    grant_state_t in[] = { GRANT_INVITED, GRANT_ACCEPTED, GRANT_CONNECTED };

    (void) state;
    share("team:1", false, "admin");
    for (int i = 0; i < 3; i++) {
        has(in[i]);
        expect(in[i], TASK_NEW, "role");
        assert_string_equal(plan.changes[0].access_role, "admin");
    }
    task("role", "running", 1, true); /* for editor */
    expect(GRANT_CONNECTED, TASK_KEEP, "");
    assert_true(plan.changes[0].replan);
}


static void
an_open_role_task_takes_the_role_of_the_wish(void **state)
{
    (void) state;
    share("team:1", false, "admin");
    has(GRANT_CONNECTED);
    grants[0].applied_role = "viewer";
    task("role", "queued", 0, false);
    expect(GRANT_CONNECTED, TASK_KEEP, "");
}


static void
a_role_that_is_there_again_needs_no_task(void **state)
{
    (void) state;
    share("team:1", false, "editor");
    has(GRANT_CONNECTED);
    grants[0].access_role = "admin";
    task("role", "queued", 0, false);
    expect(GRANT_CONNECTED, TASK_DROP, "");
    task("role", "waiting", 2, true); /* admin may have been set */
    expect(GRANT_CONNECTED, TASK_KEEP, "");
}


static void
a_failed_role_ends_when_the_old_one_is_wanted(void **state)
{
    (void) state;
    share("team:1", false, "editor");
    has(GRANT_FAILED);
    grants[0].access_role = "admin";
    grants[0].before = GRANT_CONNECTED;
    task("role", "failed", 1, false);
    expect(GRANT_CONNECTED, TASK_DROP, "");
    sources[0].access_role = "viewer";
    expect(GRANT_CONNECTED, TASK_NEW, "role");
    sources[0].access_role = "admin";
    planned();
    assert_int_equal(plan.count, 1); /* sources are noted */
    assert_int_equal(plan.changes[0].state, GRANT_FAILED);
}


static void
a_pending_invite_is_withdrawn_and_sent_again(void **state)
{
    (void) state;
    apps[0].app = &cancelling;
    share("team:1", false, "admin");
    has(GRANT_INVITED);
    expect(GRANT_REMOVING, TASK_NEW, "remove");
    assert_true(plan.changes[0].replan);
    assert_int_equal(plan.changes[0].guard, GUARD_NONE);
    has(GRANT_CONNECTED);
    expect(GRANT_CONNECTED, TASK_NEW, "role");
}


static void
a_withdrawal_under_way_is_left_alone_or_taken_back(void **state)
{
    (void) state;
    apps[0].app = &cancelling;
    share("team:1", false, "admin");
    has(GRANT_REMOVING);
    grants[0].before = GRANT_INVITED;
    grants[0].replan = true;
    task("remove", "queued", 0, false);
    expect(GRANT_REMOVING, TASK_KEEP, ""); /* the wish is noted */
    sources[0].access_role = "editor"; /* which the app has */
    expect(GRANT_INVITED, TASK_DROP, "");
    task("remove", "failed", 1, false);
    grants[0].state = GRANT_FAILED;
    sources[0].access_role = "admin";
    expect(GRANT_FAILED, TASK_KEEP, ""); /* not once more without end */
}


static void
without_a_role_verb_the_person_is_invited_again(void **state)
{
    (void) state;
    apps[0].app = &roleless;
    share("team:1", false, "admin");
    has(GRANT_CONNECTED);
    expect(GRANT_REMOVING, TASK_NEW, "remove");
    assert_true(plan.changes[0].replan);
    apps[0].last_owner = true; /* never removed by a rule */
    expect(GRANT_CONNECTED, TASK_NEW, "role");
}


static void
a_removal_not_sent_is_taken_back(void **state)
{
    (void) state;
    share("team:1", false, "editor");
    has(GRANT_REMOVING);
    grants[0].before = GRANT_ACCEPTED;
    task("remove", "queued", 0, false);
    expect(GRANT_ACCEPTED, TASK_DROP, "");
    task("remove", "waiting", 1, false); /* the app said: later */
    expect(GRANT_ACCEPTED, TASK_DROP, "");
    sources[0].access_role = "admin";
    expect(GRANT_ACCEPTED, TASK_NEW, "role");
}


static void
a_removal_that_may_have_happened_is_followed_by_an_invite(void **state)
{
    (void) state;
    share("team:1", false, "editor");
    has(GRANT_REMOVING);
    grants[0].before = GRANT_ACCEPTED;
    task("remove", "running", 1, true);
    expect(GRANT_REMOVING, TASK_KEEP, "");
    assert_true(plan.changes[0].replan);
    task("remove", "waiting", 1, true);
    expect(GRANT_REMOVING, TASK_KEEP, "");
    grants[0].replan = true;
    expect_nothing();
}


static void
an_invite_of_unknown_outcome_is_looked_up_when_wanted_again(void **state)
{
    (void) state;
    share("team:1", false, "editor");
    has(GRANT_REMOVING);
    grants[0].applied_role = grants[0].member_id = "";
    task("remove", "queued", 0, false);
    expect(GRANT_PENDING, TASK_NEW, "invite");
    assert_true(plan.changes[0].unknown);
}


static void
a_failed_or_manual_removal_is_taken_back(void **state)
{
    (void) state;
    share("team:1", false, "editor");
    has(GRANT_FAILED);
    grants[0].before = GRANT_CONNECTED;
    task("remove", "failed", 1, false);
    expect(GRANT_CONNECTED, TASK_DROP, "");
    grants[0].state = GRANT_MANUAL;
    task("remove", "manual", 0, false);
    expect(GRANT_CONNECTED, TASK_DROP, "");
}


static void
an_expired_or_failed_invite_is_not_sent_again_by_itself(void **state)
{
    (void) state;
    share("team:1", false, "editor");
    has(GRANT_EXPIRED);
    expect_nothing();
    has(GRANT_FAILED);
    grants[0].applied_role = "";
    task("invite", "failed", 8, false);
    expect_nothing();
}


/* ---- not wanted ---- */

static void
a_loss_settles_before_it_counts(void **state)
{
    (void) state;
    has(GRANT_CONNECTED);
    expect(GRANT_CONNECTED, TASK_KEEP, "");
    assert_int_equal(plan.changes[0].lost_at, NOW);
    assert_int_equal(plan.recheck_at, NOW + 5000);
    grants[0].lost_at = NOW;
    grants[0].sources = "[]";
    facts.now = NOW + 4999;
    expect_nothing();
    assert_int_equal(plan.recheck_at, NOW + 5000);
    facts.now = NOW + 5000;
    expect(GRANT_REMOVING, TASK_NEW, "remove");
    assert_int_equal(plan.changes[0].guard, GUARD_LOSS);
    assert_int_equal(plan.changes[0].before, GRANT_CONNECTED);
    assert_int_equal(plan.recheck_at, 0);
    facts.now = NOW;
}


static void
a_move_between_groups_is_one_role_change(void **state)
{
    (void) state;
    has(GRANT_CONNECTED);
    grants[0].lost_at = NOW - 3000;
    grants[0].sources = "[]";
    share("team:2", false, "admin");
    expect(GRANT_CONNECTED, TASK_NEW, "role");
    assert_int_equal(plan.changes[0].lost_at, 0);
}


static void
a_leaver_goes_at_once(void **state)
{
    (void) state;
    share("team:1", false, "editor");
    has(GRANT_CONNECTED);
    facts.active = false;
    expect(GRANT_REMOVING, TASK_NEW, "remove");
    assert_int_equal(plan.changes[0].guard, GUARD_LEAVER);
    assert_string_equal(plan.changes[0].sources, "[]");
    facts.exists = false;
    expect(GRANT_REMOVING, TASK_NEW, "remove");
}


static void
an_invite_never_sent_is_forgotten(void **state)
{
    (void) state;
    has(GRANT_PENDING);
    settled();
    task("invite", "queued", 0, false);
    expect(GRANT_REMOVED, TASK_DROP, "");
    task("invite", "waiting", 3, false); /* the app said: not done */
    expect(GRANT_REMOVED, TASK_DROP, "");
    task("invite", "waiting", 3, true);
    expect(GRANT_REMOVING, TASK_NEW, "remove");
    assert_int_equal(plan.changes[0].before, GRANT_NONE);
    has(GRANT_WAITLISTED);
    task("", "", 0, false);
    grants[0].task = "";
    expect(GRANT_REMOVED, TASK_KEEP, "");
}


static void
the_place_in_line_settles_too(void **state)
{
    (void) state;
    has(GRANT_WAITLISTED);
    expect(GRANT_WAITLISTED, TASK_KEEP, "");
    assert_int_equal(plan.recheck_at, NOW + 5000);
}


static void
a_call_that_runs_is_waited_for(void **state)
{
    (void) state;
    has(GRANT_PENDING);
    settled();
    task("invite", "running", 1, true);
    expect(GRANT_PENDING, TASK_KEEP, "");
    assert_true(plan.changes[0].replan);
    grants[0].replan = true;
    grants[0].sources = "[]";
    expect_nothing();
}


static void
a_removal_goes_on(void **state)
{
    (void) state;
    grants[0].sources = "[]";
    has(GRANT_REMOVING);
    grants[0].sources = "[]";
    grants[0].before = GRANT_INVITED;
    task("remove", "running", 1, true);
    expect_nothing();
    grants[0].replan = true; /* wanted meanwhile, and now no more */
    settled();
    expect(GRANT_REMOVING, TASK_KEEP, "");
    assert_false(plan.changes[0].replan);
    grants[0].replan = false;
    grants[0].lost_at = 0;
    grants[0].state = GRANT_FAILED;
    task("remove", "failed", 1, false);
    expect_nothing();
}


static void
a_failed_invite_or_role_ends_too(void **state)
{
    (void) state;
    has(GRANT_FAILED);
    settled();
    grants[0].before = GRANT_ACCEPTED;
    task("role", "failed", 8, true);
    expect(GRANT_REMOVING, TASK_NEW, "remove");
    assert_int_equal(plan.changes[0].before, GRANT_ACCEPTED);
    grants[0].applied_role = grants[0].member_id = "";
    grants[0].before = GRANT_NONE;
    task("invite", "failed", 1, false);
    expect(GRANT_REMOVED, TASK_DROP, "");
    has(GRANT_EXPIRED);
    grants[0].task = "";
    settled();
    expect(GRANT_REMOVING, TASK_NEW, "remove");
}


static void
the_last_owner_and_the_own_account_wait_for_a_person(void **state)
{
    (void) state;
    has(GRANT_CONNECTED);
    facts.active = false;
    apps[0].last_owner = true;
    expect(GRANT_MANUAL, TASK_MANUAL, "remove");
    assert_int_equal(plan.changes[0].before, GRANT_CONNECTED);
    apps[0].last_owner = false;
    grants[0].email = "bot@EXAMPLE.com";
    expect(GRANT_MANUAL, TASK_MANUAL, "remove");
    grants[0].state = GRANT_MANUAL;
    grants[0].before = GRANT_CONNECTED;
    grants[0].sources = "[]";
    task("remove", "manual", 0, false);
    expect_nothing();
}


static void
a_deleted_app_is_forgotten(void **state)
{
    (void) state;
    share("team:1", false, "editor");
    has(GRANT_CONNECTED);
    apps[0].app = NULL;
    expect(GRANT_REMOVED, TASK_KEEP, "");
    has(GRANT_PENDING);
    task("invite", "running", 1, true);
    expect(GRANT_REMOVED, TASK_DROP, "");
}


/* ---- held ---- */

static void
hold(hold_state_t decision)
{
    has(GRANT_HELD);
    grants[0].sources = "[]";
    grants[0].before = GRANT_CONNECTED;
    grants[0].hold = decision;
}


static void
an_open_hold_keeps_people(void **state)
{
    (void) state;
    hold(HOLD_OPEN);
    expect_nothing();
    facts.active = false;
    expect(GRANT_REMOVING, TASK_NEW, "remove");
    assert_int_equal(plan.changes[0].guard, GUARD_LEAVER);
    grants[0].held_leaver = true;
    expect_nothing();
}


static void
an_approved_hold_acts_on_what_is_now(void **state)
{
    (void) state;
    hold(HOLD_APPROVED);
    expect(GRANT_REMOVING, TASK_NEW, "remove");
    assert_int_equal(plan.changes[0].guard, GUARD_NONE);
    assert_int_equal(plan.changes[0].before, GRANT_CONNECTED);
    share("team:1", false, "editor");
    expect(GRANT_CONNECTED, TASK_KEEP, "");
}


static void
a_rejected_hold_keeps_people_until_the_directory_changes(void **state)
{
    (void) state;
    hold(HOLD_REJECTED);
    expect(GRANT_CONNECTED, TASK_KEEP, "");
    assert_string_equal(plan.changes[0].kept, "unshared");
    grants[0].state = GRANT_CONNECTED;
    grants[0].before = GRANT_NONE;
    grants[0].kept = "unshared";
    grants[0].hold = HOLD_NONE;
    expect_nothing();
    facts.active = false;
    expect(GRANT_REMOVING, TASK_NEW, "remove");
    facts.active = true;
    share("team:1", false, "editor");
    expect(GRANT_CONNECTED, TASK_KEEP, "");
    assert_string_equal(plan.changes[0].kept, "");
}


static void
a_rejected_leaver_stays_until_deleted(void **state)
{
    (void) state;
    hold(HOLD_REJECTED);
    facts.active = false;
    expect(GRANT_CONNECTED, TASK_KEEP, "");
    assert_string_equal(plan.changes[0].kept, "inactive");
    grants[0].state = GRANT_CONNECTED;
    grants[0].before = GRANT_NONE;
    grants[0].kept = "inactive";
    expect_nothing();
    facts.exists = false;
    expect(GRANT_REMOVING, TASK_NEW, "remove");
}


/* ---- properties ---- */

static uint32_t seed;

static uint32_t
any(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}


static bool
coin(void)
{
    return any(2) == 1;
}


/* Facts that a store may hold, possible ones and a few that are not. */
static void
make_facts(void)
{
    static const char *const roles[] = { "", "viewer", "editor", "admin" };
    static const char *const subjects[] = { "team:1", "team:2", "user:u" };
    static const char *const kinds[] = { "invite", "role", "remove" };
    static const char *const states[] = { "queued", "running", "waiting",
                                          "manual", "failed" };
    static const char *const kept[] = { "", "", "unshared", "inactive" };
    const scim_app_t  *definitions[] = { &app, &cancelling, &roleless, NULL };

    fresh(NULL);
    facts.exists = any(8) > 0;
    facts.active = facts.exists && any(5) > 0;
    for (int i = 0; i < 3; i++) {
        if (any(3) == 0) {
            share(subjects[i], coin(), roles[any(4)]);
        }
    }
    apps[0].app = definitions[any(7) % 4];
    apps[0].seat = any(4) > 0;
    apps[0].last_owner = any(8) == 0;
    if (any(10) == 0) {
        return;
    }
    has((grant_state_t) (GRANT_PENDING + any(GRANT_EXPIRED)));
    grants[0].owner = coin();
    grants[0].access_role = roles[1 + any(3)];
    grants[0].applied_role = roles[any(4)];
    grants[0].member_id = coin() ? "m1" : "";
    grants[0].lost_at = coin() ? 0 : NOW - any(10000);
    grants[0].before = (grant_state_t) any(GRANT_CONNECTED + 1);
    grants[0].replan = any(4) == 0;
    grants[0].hold = (hold_state_t) any(4);
    grants[0].held_leaver = coin();
    grants[0].kept = kept[any(4)];
    if (any(3) > 0) {
        task(kinds[any(3)], states[any(5)], (int) any(3), coin());
    }
}


/* What the store makes of a change; nothing is held. */
static void
apply(const plan_change_t *change, char *kept_sources, size_t size)
{
    plan_grant_t *grant = &grants[0];

    facts.grant_count = 1;
    assert_true(strlen(change->sources) < size);
    snprintf(kept_sources, size, "%s", change->sources);
    grant->state = change->state;
    grant->owner = change->owner;
    grant->access_role = change->access_role;
    grant->sources = kept_sources;
    grant->lost_at = change->lost_at;
    grant->before = change->before;
    grant->replan = change->replan;
    grant->kept = change->kept;
    if (change->action != TASK_KEEP) {
        grant->task = "";
    }
    if (change->action == TASK_NEW || change->action == TASK_MANUAL) {
        task(change->kind, change->action == TASK_NEW ? "queued" : "manual",
            0, change->unknown);
    }
    if (change->state == GRANT_REMOVED) {
        grant->member_id = grant->applied_role = "";
    }
}


static void
planning_again_changes_nothing(void **state)
{
    char kept_sources[1024];

    (void) state;
    for (uint32_t i = 0; i < 200000; i++) {
        seed = i;
        make_facts();
        if (planned() == NULL) {
            continue;
        }
        apply(&plan.changes[0], kept_sources, sizeof(kept_sources));
        if (planned() != NULL) {
            fail_msg("seed %u: %s again (%s)", (unsigned) i,
                grant_state_name(plan.changes[0].state), plan.changes[0].why);
        }
    }
}


/* No call for people in peace, and none but removals for the unwanted. */
static void
no_plan_calls_the_app_for_the_wrong_people(void **state)
{
    (void) state;
    for (uint32_t i = 0; i < 200000; i++) {
        const plan_change_t *change;
        bool                 wanted;

        seed = i;
        make_facts();
        wanted = facts.active && facts.source_count && apps[0].app;
        change = planned();
        if (change == NULL || change->action == TASK_KEEP
            || change->action == TASK_DROP)
        {
            continue;
        }
        if (strcmp(change->kind, "remove") != 0) {
            assert_true(wanted);
        } else if (wanted) {
            assert_true(change->replan); /* an invite follows */
        }
        if (strcmp(change->kind, "invite") == 0 && grants[0].task[0] == '\0'
            && (facts.grant_count == 0 || grants[0].state == GRANT_REMOVED
                || grants[0].state == GRANT_WAITLISTED))
        {
            assert_true(apps[0].seat);
        }
        if (apps[0].last_owner && strcmp(change->kind, "remove") == 0) {
            assert_int_equal(change->action, TASK_MANUAL);
        }
    }
}


#define CASE(name) cmocka_unit_test_setup_teardown(name, fresh, free_plan)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(somebody_new_is_invited),
        CASE(nobody_is_invited_without_a_share_or_when_inactive),
        CASE(a_removed_person_who_is_wanted_again_is_invited_again),
        CASE(an_invite_is_reminded_of_in_its_time_and_not_for_ever),
        CASE(a_reminder_is_no_reason_to_drop_it_nor_to_wait_with_a_role),
        CASE(an_invite_that_ran_out_is_withdrawn_and_sent_once_more),
        CASE(nothing_takes_back_an_invite_that_ran_out),
        CASE(who_accepted_is_never_out_of_time),
        CASE(the_last_owner_is_not_out_of_time_either),
        CASE(an_invite_by_mail_just_ends),
        CASE(an_invite_under_way_is_looked_at_before_anything_is_due),
        CASE(an_operator_has_an_invite_sent_again),
        CASE(the_strongest_source_decides),
        CASE(of_equal_access_roles_the_owners_share_gives_it),
        CASE(a_removal_names_the_share_that_was_lost),
        CASE(a_role_the_app_has_not_counts_as_its_default),
        CASE(the_order_of_sources_does_not_matter),
        CASE(losing_one_of_two_sources_keeps_the_person),
        CASE(without_a_free_seat_people_wait),
        CASE(an_open_invite_takes_the_role_of_the_wish),
        CASE(a_pending_grant_without_a_task_is_invited),
        CASE(a_member_gets_another_role),
        CASE(an_open_role_task_takes_the_role_of_the_wish),
        CASE(a_role_that_is_there_again_needs_no_task),
        CASE(a_failed_role_ends_when_the_old_one_is_wanted),
        CASE(a_pending_invite_is_withdrawn_and_sent_again),
        CASE(a_withdrawal_under_way_is_left_alone_or_taken_back),
        CASE(without_a_role_verb_the_person_is_invited_again),
        CASE(a_removal_not_sent_is_taken_back),
        CASE(a_removal_that_may_have_happened_is_followed_by_an_invite),
        CASE(an_invite_of_unknown_outcome_is_looked_up_when_wanted_again),
        CASE(a_failed_or_manual_removal_is_taken_back),
        CASE(an_expired_or_failed_invite_is_not_sent_again_by_itself),
        CASE(a_loss_settles_before_it_counts),
        CASE(a_move_between_groups_is_one_role_change),
        CASE(a_leaver_goes_at_once),
        CASE(an_invite_never_sent_is_forgotten),
        CASE(the_place_in_line_settles_too),
        CASE(a_call_that_runs_is_waited_for),
        CASE(a_removal_goes_on),
        CASE(a_failed_invite_or_role_ends_too),
        CASE(the_last_owner_and_the_own_account_wait_for_a_person),
        CASE(a_deleted_app_is_forgotten),
        CASE(an_open_hold_keeps_people),
        CASE(an_approved_hold_acts_on_what_is_now),
        CASE(a_rejected_hold_keeps_people_until_the_directory_changes),
        CASE(a_rejected_leaver_stays_until_deleted),
        CASE(planning_again_changes_nothing),
        CASE(no_plan_calls_the_app_for_the_wrong_people)
    };

    return cmocka_run_group_tests_name("planner", tests, begin, end);
}
