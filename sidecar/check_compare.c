#include "check_compare.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scim_arena.h"
#include "scim_fold.h"

#define ADDRESS_MAX 4096
#define SUSPICIOUS_LOSS 10 /* people; fewer never make a list suspicious */

typedef struct grant_s grant_t;

typedef struct {
    const char *id, *email, *address, *access_role;
    size_t      position; /* in the list */
    bool        accepted; /* known to be no open invite */
    grant_t    *grant;    /* whose member this is; NULL = nobody's */
} member_t;

struct grant_s {
    check_grant_t told; /* texts copied */
    const char   *address, *name; /* folded e-mail and userName */
    member_t     *member;
};

struct check_compare_s {
    check_options_t options;
    scim_arena_t    arena;
    member_t       *members;
    size_t          member_count, member_size;
    grant_t        *grants;
    size_t          grant_count, grant_size;
    member_t      **by_id, **by_address; /* sorted */
    finding_t      *findings, *identities;
    size_t          finding_count, identity_count;
    size_t          hidden; /* members whose address the app does not tell */
};


check_compare_t *
check_compare_new(const check_options_t *options)
{
    check_compare_t *compare = calloc(1, sizeof(*compare));

    if (compare) {
        compare->options = *options;
    }
    return compare;
}


void
check_compare_free(check_compare_t *compare)
{
    if (compare == NULL) {
        return;
    }
    scim_arena_free(&compare->arena);
    free(compare->members);
    free(compare->grants);
    free(compare->by_id);
    free(compare->by_address);
    free(compare->findings);
    free(compare->identities);
    free(compare);
}


/* ---- what is compared ---- */

static bool
make_room(void **items, size_t count, size_t *size, size_t item_size)
{
    void  *more;
    size_t wanted = *size ? 2 * *size : 64;

    if (count < *size) {
        return true;
    }
    more = realloc(*items, wanted * item_size);
    if (more == NULL) {
        return false;
    }
    *items = more;
    *size = wanted;
    return true;
}


static const char *
keep(check_compare_t *compare, const char *text)
{
    return *text ? scim_arena_copy(&compare->arena, text, strlen(text)) : "";
}


/* "" for what is no valid text: it equals nobody. */
static const char *
keep_folded(check_compare_t *compare, const char *text)
{
    const char   *folded = "";
    scim_buffer_t buffer;

    scim_buffer_init(&buffer, ADDRESS_MAX);
    if (*text && scim_fold(text, strlen(text), &buffer)
        && !scim_buffer_failed(&buffer))
    {
        folded = scim_arena_copy(&compare->arena, buffer.data, buffer.len);
    }
    scim_buffer_free(&buffer);
    return folded;
}


bool
check_compare_member(check_compare_t *compare,
    const connector_member_t *member)
{
    member_t *kept;

    if (!member->active) {
        return true; /* switched off: as good as not there */
    }
    if (compare->member_count == CHECK_MEMBERS_MAX
        || !make_room((void **) &compare->members, compare->member_count,
            &compare->member_size, sizeof(*compare->members)))
    {
        return false;
    }
    kept = &compare->members[compare->member_count++];
    memset(kept, 0, sizeof(*kept));
    kept->position = compare->member_count;
    kept->accepted = member->accepted;
    kept->id = keep(compare, member->id);
    kept->email = keep(compare, member->email);
    kept->address = keep_folded(compare, member->email);
    kept->access_role = keep(compare, member->access_role);
    compare->hidden += *member->email == '\0';
    return !compare->arena.failed;
}


bool
check_compare_grant(check_compare_t *compare, const check_grant_t *grant)
{
    grant_t *kept;

    if (!make_room((void **) &compare->grants, compare->grant_count,
            &compare->grant_size, sizeof(*compare->grants)))
    {
        return false;
    }
    kept = &compare->grants[compare->grant_count++];
    memset(kept, 0, sizeof(*kept));
    kept->told = *grant;
    kept->told.user = keep(compare, grant->user);
    kept->told.access_role = keep(compare, grant->access_role);
    kept->told.member_id = keep(compare, grant->member_id);
    kept->told.email = keep(compare, grant->email);
    kept->told.user_name = keep(compare, grant->user_name);
    kept->told.v = keep(compare, grant->v);
    kept->address = keep_folded(compare, grant->email);
    kept->name = keep_folded(compare, grant->user_name);
    return !compare->arena.failed;
}


/* ---- who is who ---- */

static int
by_position(const member_t *a, const member_t *b)
{
    return a->position < b->position ? -1 : a->position > b->position;
}


static int
order_id(const void *a, const void *b)
{
    const member_t *one = *(member_t *const *) a;
    const member_t *other = *(member_t *const *) b;
    int             order = strcmp(one->id, other->id);

    return order ? order : by_position(one, other);
}


static int
order_address(const void *a, const void *b)
{
    const member_t *one = *(member_t *const *) a;
    const member_t *other = *(member_t *const *) b;
    int             order = strcmp(one->address, other->address);

    return order ? order : by_position(one, other);
}


static const char *
text_of(const member_t *member, bool address)
{
    return address ? member->address : member->id;
}


/* The first of the members with this text that is still nobody's. */
static member_t *
find_free(const check_compare_t *compare, bool address, const char *text)
{
    size_t     low = 0, high = compare->member_count;
    member_t **sorted = address ? compare->by_address : compare->by_id;

    if (*text == '\0') {
        return NULL;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(text_of(sorted[middle], address), text) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for ( ; low < compare->member_count
         && strcmp(text_of(sorted[low], address), text) == 0; low++)
    {
        if (sorted[low]->grant == NULL) {
            return sorted[low];
        }
    }
    return NULL;
}


typedef enum { BY_ID, BY_ADDRESS, BY_NAME } match_t;

/* Pairs what is still alone; ids before addresses before names. */
static void
match(check_compare_t *compare, match_t how)
{
    for (size_t i = 0; i < compare->grant_count; i++) {
        grant_t *grant = &compare->grants[i];

        if (grant->member) {
            continue;
        }
        grant->member = find_free(compare, how != BY_ID,
            how == BY_ID ? grant->told.member_id
            : how == BY_ADDRESS ? grant->address : grant->name);
        if (grant->member) {
            grant->member->grant = grant;
        }
    }
}


static bool
sort_members(check_compare_t *compare)
{
    size_t count = compare->member_count;

    compare->by_id = calloc(count + 1, sizeof(*compare->by_id));
    compare->by_address = calloc(count + 1, sizeof(*compare->by_address));
    if (compare->by_id == NULL || compare->by_address == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        compare->by_id[i] = compare->by_address[i] = &compare->members[i];
    }
    qsort(compare->by_id, count, sizeof(*compare->by_id), order_id);
    qsort(compare->by_address, count, sizeof(*compare->by_address),
        order_address);
    return true;
}


/* ---- findings ---- */

static bool
is_in_app(const grant_t *grant)
{
    return grant->told.state == GRANT_INVITED
        || grant->told.state == GRANT_ACCEPTED
        || grant->told.state == GRANT_CONNECTED;
}


static finding_t *
add_finding(check_compare_t *compare, finding_kind_t kind,
    finding_action_t action)
{
    finding_t *finding = &compare->findings[compare->finding_count++];

    finding->kind = kind;
    finding->action = action;
    finding->user = finding->member_id = finding->email = "";
    finding->address = finding->expected = finding->actual = finding->v = "";
    return finding;
}


/* May the person be among those whose address is not told? */
static bool
may_hide(const check_compare_t *compare, const grant_t *grant)
{
    return compare->hidden > 0 && *grant->told.member_id == '\0';
}


static void
judge_grant(check_compare_t *compare, const grant_t *grant)
{
    finding_t      *finding;
    const member_t *member = grant->member;

    if (grant->told.busy || !is_in_app(grant)) {
        return;
    }
    if (member == NULL) {
        if (may_hide(compare, grant)
            || (grant->told.state == GRANT_INVITED
                && !compare->options.lists_pending))
        {
            return;
        }
        finding = add_finding(compare, FINDING_MISSING, ACTION_INVITE);
        finding->email = grant->told.email;
        finding->address = grant->address;
    } else if (*member->access_role && strcmp(member->access_role,
                   grant->told.access_role) != 0)
    {
        finding = add_finding(compare, FINDING_ROLE, ACTION_ROLE);
        finding->email = member->email;
        finding->address = member->address;
        finding->member_id = member->id;
        finding->actual = member->access_role;
    } else {
        return;
    }
    finding->user = grant->told.user;
    finding->expected = grant->told.access_role;
    finding->v = grant->told.v;
}


static void
note_identity(check_compare_t *compare, const grant_t *grant)
{
    bool       accepted;
    finding_t *identity;

    if (grant->told.busy || grant->member == NULL) {
        return;
    }
    /* who accepts an invite that had run out is in, all the same */
    accepted = (grant->told.state == GRANT_INVITED
            || grant->told.state == GRANT_EXPIRED)
        && grant->member->accepted;
    if (!is_in_app(grant) && !accepted) {
        return;
    }
    if (!accepted && strcmp(grant->member->id, grant->told.member_id) == 0) {
        return;
    }
    identity = &compare->identities[compare->identity_count++];
    identity->user = grant->told.user;
    identity->member_id = grant->member->id;
    identity->v = grant->told.v;
    identity->accepted = accepted;
}


static bool
is_exempt(const check_compare_t *compare, const member_t *member)
{
    for (size_t i = 0; i < compare->options.exempt_count; i++) {
        const char *exempt = compare->options.exempt[i];

        if (strcmp(exempt, member->id) == 0
            || strcasecmp(exempt, member->email) == 0)
        {
            return true;
        }
    }
    return false;
}


static bool
has_strongest_role(const check_compare_t *compare, const member_t *member)
{
    const check_options_t *options = &compare->options;

    return options->access_role_count > 1
        && strcmp(member->access_role, options->access_roles[
               options->access_role_count - 1]) == 0;
}


/* Whoever goes, somebody with the app's strongest role must stay. */
static bool
keeps_an_owner(const check_compare_t *compare)
{
    for (size_t i = 0; i < compare->member_count; i++) {
        const member_t *member = &compare->members[i];

        if (has_strongest_role(compare, member)
            && (is_exempt(compare, member) || (member->grant
                && is_in_app(member->grant) && !member->grant->told.busy)))
        {
            return true;
        }
    }
    return false;
}


/* A second account of somebody who is there by right, or nearly so. */
static const grant_t *
namesake(const check_compare_t *compare, const member_t *member)
{
    size_t low = 0, high = compare->member_count;

    if (*member->address == '\0') {
        return NULL;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(compare->by_address[middle]->address, member->address) < 0)
        {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for ( ; low < compare->member_count
         && strcmp(compare->by_address[low]->address, member->address) == 0;
         low++)
    {
        if (compare->by_address[low]->grant) {
            return compare->by_address[low]->grant;
        }
    }
    return NULL;
}


static void
judge_stranger(check_compare_t *compare, const member_t *member,
    bool owner_stays)
{
    finding_t     *finding;
    const grant_t *other = namesake(compare, member);
    bool           certain = *member->address != '\0' && other == NULL
        && (owner_stays || !has_strongest_role(compare, member));

    finding = add_finding(compare, FINDING_UNKNOWN,
        certain ? ACTION_REMOVE : ACTION_NONE);
    finding->user = other ? other->told.user : "";
    finding->member_id = member->id;
    finding->email = member->email;
    finding->address = member->address;
    finding->actual = member->access_role;
}


bool
check_compare_run(check_compare_t *compare)
{
    bool owner_stays;

    compare->findings = calloc(compare->member_count + compare->grant_count
        + 1, sizeof(*compare->findings));
    compare->identities = calloc(compare->grant_count + 1,
        sizeof(*compare->identities));
    if (compare->findings == NULL || compare->identities == NULL
        || !sort_members(compare))
    {
        return false;
    }
    match(compare, BY_ID);
    match(compare, BY_ADDRESS);
    match(compare, BY_NAME);
    for (size_t i = 0; i < compare->grant_count; i++) {
        judge_grant(compare, &compare->grants[i]);
        note_identity(compare, &compare->grants[i]);
    }
    owner_stays = keeps_an_owner(compare);
    for (size_t i = 0; i < compare->member_count; i++) {
        const member_t *member = &compare->members[i];

        if (member->grant == NULL && !is_exempt(compare, member)) {
            judge_stranger(compare, member, owner_stays);
        }
    }
    return true;
}


const finding_t *
check_compare_findings(const check_compare_t *compare, size_t *count)
{
    *count = compare->finding_count;
    return compare->findings;
}


const finding_t *
check_compare_identities(const check_compare_t *compare, size_t *count)
{
    *count = compare->identity_count;
    return compare->identities;
}


size_t
check_compare_listed(const check_compare_t *compare)
{
    return compare->member_count;
}


/* How many members were to be expected. */
static long long
expected_count(const check_compare_t *compare)
{
    long long count = 0;

    for (size_t i = 0; i < compare->grant_count; i++) {
        const grant_t *grant = &compare->grants[i];

        count += is_in_app(grant) && !grant->told.busy
            && (grant->told.state != GRANT_INVITED
                || compare->options.lists_pending);
    }
    return compare->options.listed_last > count
        ? compare->options.listed_last : count;
}


const char *
check_compare_suspicion(const check_compare_t *compare)
{
    long long listed = (long long) compare->member_count;
    long long expected = expected_count(compare);

    if (listed == 0 && expected > 0) {
        return "the app lists nobody at all";
    }
    if (listed * 2 < expected && expected - listed > SUSPICIOUS_LOSS) {
        return "the app lists less than half of the expected members";
    }
    return "";
}


size_t
check_compare_removals(const check_compare_t *compare)
{
    size_t count = 0;

    for (size_t i = 0; i < compare->finding_count; i++) {
        count += compare->findings[i].action == ACTION_REMOVE;
    }
    return count;
}


const char *
finding_kind_name(finding_kind_t kind)
{
    static const char *const names[] = { "missing", "role", "unknown" };

    return names[kind];
}


const char *
finding_action_name(finding_action_t action)
{
    static const char *const names[] = { "none", "invite", "role", "remove" };

    return names[action];
}
