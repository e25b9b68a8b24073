#include "facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis_client.h"
#include "scim_arena.h"
#include "scim_fold.h"
#include "scim_json.h"
#include "scim_json_scan.h"
#include "scim_record.h"
#include "scim_text.h"

typedef struct {
    scim_arena_t       arena;
    app_cache_t       *cache;
    const scim_app_t **apps; /* lent by the cache */
    size_t             app_count;
    person_t           person;
} memory_t;

/* Reads the flat reply from left to right. */
typedef struct {
    const redisReply *reply;
    size_t            at;
    memory_t         *memory;
    bool              failed;
} reader_t;


/*
 * RFC 7643 leaves it open which address counts: primary, work (in whatever
 * letters), first; of those that have a value.
 */
static const json_t *
chosen_email(const json_t *emails)
{
    size_t        i;
    json_t       *email, *type;
    const json_t *value, *first = NULL, *work = NULL;

    json_array_foreach((json_t *) emails, i, email) {
        value = json_object_get(email, "value");
        type = json_object_get(email, "type");
        if (value && json_is_true(json_object_get(email, "primary"))) {
            return value;
        }
        if (work == NULL && type && scim_name_equal(json_string_value(type),
                json_string_length(type), "work", 4))
        {
            work = value;
        }
        first = first ? first : value;
    }
    return work ? work : first;
}


/* True when there is one at all: then the user name does not stand in. */
static bool
read_email(const scim_json_piece_t *value, person_t *person)
{
    json_t       *emails = scim_json_read(value->text, value->len,
        &scim_json_stored_limits, NULL);
    const json_t *email = chosen_email(emails);
    bool          found = email != NULL;

    if (json_is_string(email)
        && json_string_length(email) < sizeof(person->email))
    {
        memcpy(person->email, json_string_value(email),
            json_string_length(email) + 1);
    }
    json_decref(emails);
    return found;
}


static void
read_name(const scim_json_piece_t *value, person_t *person)
{
    scim_json_scan_t  scan;
    scim_json_piece_t name, part;

    scim_json_scan_open(&scan, value->text, value->len);
    while (scim_json_scan_next(&scan, &name, &part)) {
        if (scim_json_piece_is(&name, "givenName")) {
            scim_json_piece_copy(&part, person->given_name,
                sizeof(person->given_name));
        } else if (scim_json_piece_is(&name, "familyName")) {
            scim_json_piece_copy(&part, person->family_name,
                sizeof(person->family_name));
        }
    }
}


/* A document holds much that is nobody's business here: it is not built. */
void
person_read(const char *record, size_t len, person_t *person)
{
    bool              has_email = false;
    scim_record_t     parsed;
    scim_json_scan_t  scan;
    scim_json_piece_t name, value;

    memset(person, 0, sizeof(*person));
    if (!scim_record_parse(record, len, &parsed)) {
        return;
    }
    person->active = true;
    scim_json_scan_open(&scan, parsed.document, parsed.document_len);
    while (scim_json_scan_next(&scan, &name, &value)) {
        if (scim_json_piece_is(&name, "active")) {
            person->active = !scim_json_piece_is(&value, "false");
        } else if (scim_json_piece_is(&name, "userName")) {
            scim_json_piece_copy(&value, person->user_name,
                sizeof(person->user_name));
        } else if (scim_json_piece_is(&name, "displayName")) {
            scim_json_piece_copy(&value, person->display_name,
                sizeof(person->display_name));
        } else if (scim_json_piece_is(&name, "name")) {
            read_name(&value, person);
        } else if (scim_json_piece_is(&name, "emails")) {
            has_email = read_email(&value, person);
        }
    }
    if (!has_email) {
        scim_text_copy(person->email, sizeof(person->email),
            person->user_name);
    }
}


/* NULL, and failed, when there is no string. */
static const redisReply *
next_string(reader_t *reader)
{
    const redisReply *one = reader->at < reader->reply->elements
        ? reader->reply->element[reader->at++] : NULL;

    if (one == NULL || one->type != REDIS_REPLY_STRING) {
        reader->failed = true;
        return NULL;
    }
    return one;
}


static const char *
next_text(reader_t *reader, size_t *len)
{
    char             *copy;
    const redisReply *one = next_string(reader);

    if (one == NULL) {
        return "";
    }
    copy = scim_arena_copy(&reader->memory->arena, one->str,
        (size_t) one->len);
    if (copy == NULL) {
        reader->failed = true;
        return "";
    }
    if (len) {
        *len = (size_t) one->len;
    }
    return copy;
}


static size_t
next_count(reader_t *reader)
{
    long long number = redis_reply_number(reader->reply, reader->at++);

    if (number < 0 || (size_t) number > reader->reply->elements) {
        reader->failed = true;
        return 0;
    }
    return (size_t) number;
}


static void *
next_array(reader_t *reader, size_t count, size_t size)
{
    void *array = scim_arena_alloc(&reader->memory->arena,
        (count + 1) * size);

    reader->failed = reader->failed || array == NULL;
    return array;
}


/* The text of a JSON string; "" when there is no value. */
static const char *
copy_piece(reader_t *reader, const scim_json_piece_t *value)
{
    /* unescaped it is never longer */
    char *copy = scim_arena_alloc(&reader->memory->arena, value->len + 1);

    if (copy == NULL || (value->len > 0
            && !scim_json_piece_copy(value, copy, value->len + 1)))
    {
        reader->failed = true;
    }
    return copy;
}


/* A share: {"role","accessRole"?} */
static void
read_share(reader_t *reader, const char *text, size_t len,
    plan_source_t *source)
{
    scim_json_scan_t  scan;
    scim_json_piece_t name, value, access = { "", 0 };

    scim_json_scan_open(&scan, text, len);
    reader->failed = reader->failed || len == 0;
    while (scim_json_scan_next(&scan, &name, &value)) {
        if (scim_json_piece_is(&name, "role")) {
            source->owner = scim_json_piece_is(&value, "\"owner\"");
        } else if (scim_json_piece_is(&name, "accessRole")) {
            access = value;
        }
    }
    source->access_role = copy_piece(reader, &access);
}


static void
read_sources(reader_t *reader, plan_facts_t *facts)
{
    size_t         len = 0, count = next_count(reader);
    const char    *share;
    plan_source_t *sources = next_array(reader, count, sizeof(*sources));

    for (size_t i = 0; i < count && !reader->failed; i++) {
        sources[i].app = next_text(reader, NULL);
        sources[i].subject = next_text(reader, NULL);
        share = next_text(reader, &len);
        read_share(reader, share, len, &sources[i]);
    }
    facts->sources = sources;
    facts->source_count = count;
}


static hold_state_t
read_hold(const char *word)
{
    return strcmp(word, "open") == 0   ? HOLD_OPEN
        : strcmp(word, "approved") == 0 ? HOLD_APPROVED
        : strcmp(word, "rejected") == 0 ? HOLD_REJECTED
                                        : HOLD_NONE;
}


static void
read_grant(reader_t *reader, plan_grant_t *grant)
{
    const char *field[GRANT_FIELD_COUNT];

    grant->app = next_text(reader, NULL);
    for (int i = 0; i < GRANT_FIELD_COUNT; i++) {
        field[i] = next_text(reader, NULL);
    }
    grant->state = grant_state_parse(field[GRANT_FIELD_STATE]);
    grant->owner = strcmp(field[GRANT_FIELD_ROLE], "owner") == 0;
    grant->access_role = field[GRANT_FIELD_ACCESS_ROLE];
    grant->applied_role = field[GRANT_FIELD_APPLIED_ROLE];
    grant->sources = field[GRANT_FIELD_SOURCES];
    grant->member_id = field[GRANT_FIELD_MEMBER_ID];
    grant->email = field[GRANT_FIELD_EMAIL];
    grant->user_name = field[GRANT_FIELD_USER_NAME];
    grant->task = field[GRANT_FIELD_TASK];
    grant->lost_at = strtoll(field[GRANT_FIELD_LOST_AT], NULL, 10);
    grant->before = grant_state_parse(field[GRANT_FIELD_BEFORE]);
    grant->replan = strcmp(field[GRANT_FIELD_REPLAN], "1") == 0;
    grant->kept = field[GRANT_FIELD_KEPT];
    grant->held_leaver = strcmp(field[GRANT_FIELD_HELD_AS], "leaver") == 0;
    grant->resend = strcmp(field[GRANT_FIELD_RESEND], "1") == 0;
    grant->invited_at = strtoll(field[GRANT_FIELD_INVITED_AT], NULL, 10);
    grant->reminded_at = strtoll(field[GRANT_FIELD_REMINDED_AT], NULL, 10);
    grant->reminded = strtoll(field[GRANT_FIELD_REMINDED], NULL, 10);
    grant->reinvited = strtoll(field[GRANT_FIELD_REINVITED], NULL, 10);
    grant->hold = read_hold(next_text(reader, NULL));
    grant->task_kind = next_text(reader, NULL);
    grant->task_state = next_text(reader, NULL);
    grant->task_attempts = strtoll(next_text(reader, NULL), NULL, 10);
    grant->task_unknown = strcmp(next_text(reader, NULL), "1") == 0;
}


static void
read_grants(reader_t *reader, plan_facts_t *facts)
{
    size_t        count = next_count(reader);
    plan_grant_t *grants = next_array(reader, count, sizeof(*grants));

    for (size_t i = 0; i < count && !reader->failed; i++) {
        read_grant(reader, &grants[i]);
    }
    facts->grants = grants;
    facts->grant_count = count;
}


static void
read_apps(reader_t *reader, plan_facts_t *facts)
{
    size_t      count = next_count(reader);
    memory_t   *memory = reader->memory;
    plan_app_t *apps = next_array(reader, count, sizeof(*apps));

    memory->apps = next_array(reader, count, sizeof(*memory->apps));
    for (size_t i = 0; i < count && !reader->failed; i++) {
        const redisReply *record;

        apps[i].id = next_text(reader, NULL);
        apps[i].seat = strcmp(next_text(reader, NULL), "1") == 0;
        apps[i].last_owner = strcmp(next_text(reader, NULL), "1") == 0;
        record = next_string(reader);
        if (record == NULL || record->len == 0) {
            continue; /* deleted */
        }
        apps[i].app = app_cache_read(memory->cache, record->str,
            (size_t) record->len);
        if (apps[i].app == NULL) {
            reader->failed = true;
            break;
        }
        memory->apps[memory->app_count++] = apps[i].app;
    }
    facts->apps = apps;
    facts->app_count = count;
}


facts_t *
facts_read(const redisReply *reply, app_cache_t *cache)
{
    facts_t          *facts = calloc(1, sizeof(*facts));
    memory_t         *memory = calloc(1, sizeof(*memory));
    reader_t          reader = { reply, 3, memory, false };
    const redisReply *record;

    if (facts == NULL || memory == NULL) {
        free(facts);
        free(memory);
        return NULL;
    }
    facts->memory = memory;
    memory->cache = cache;
    facts->plan.now = redis_reply_number(reply, 1);
    scim_text_copy(facts->digest, sizeof(facts->digest),
        redis_reply_text(reply, 2));
    record = next_string(&reader);
    person_read(record ? record->str : "", record ? (size_t) record->len : 0,
        &memory->person);
    facts->plan.exists = record && record->len > 0;
    facts->plan.active = memory->person.active;
    facts->plan.email = memory->person.email;
    facts->plan.user_name = memory->person.user_name;
    read_sources(&reader, &facts->plan);
    read_grants(&reader, &facts->plan);
    read_apps(&reader, &facts->plan);
    if (reader.failed) {
        facts_free(facts);
        return NULL;
    }
    return facts;
}


void
facts_free(facts_t *facts)
{
    memory_t *memory;

    if (facts == NULL) {
        return;
    }
    memory = facts->memory;
    for (size_t i = 0; i < memory->app_count; i++) {
        app_cache_release(memory->cache, memory->apps[i]);
    }
    scim_arena_free(&memory->arena);
    free(memory);
    free(facts);
}
