#include "desire.h"

#include <stdio.h>
#include <string.h>

#include "scim_json.h"

#define SOURCES_MAX (1 << 20)


static const char *
access_role_of(const plan_app_t *app, const plan_source_t *source)
{
    return scim_app_access_rank(app->app, source->access_role) < 0
        ? app->app->default_access_role : source->access_role;
}


/* The source of this app that follows `after` by its subject. */
static const plan_source_t *
next_source(const plan_facts_t *facts, const plan_app_t *app,
    const plan_source_t *after)
{
    const plan_source_t *next = NULL;

    for (size_t i = 0; i < facts->source_count; i++) {
        const plan_source_t *source = &facts->sources[i];

        if (strcmp(source->app, app->id) == 0
            && (after == NULL || strcmp(source->subject, after->subject) > 0)
            && (next == NULL || strcmp(source->subject, next->subject) < 0))
        {
            next = source;
        }
    }
    return next;
}


static void
append_source(scim_buffer_t *out, const plan_source_t *source,
    const char *access_role)
{
    size_t kind = strcspn(source->subject, ":");

    scim_buffer_append_text(out, out->len > 1 ? ",{\"type\":\""
                                              : "{\"type\":\"");
    scim_buffer_append(out, source->subject, kind);
    scim_buffer_append_text(out, "\",\"id\":\"");
    scim_buffer_append_text(out, source->subject + kind + 1);
    scim_buffer_append_text(out, source->owner
            ? "\",\"role\":\"owner\",\"accessRole\":"
            : "\",\"role\":\"collaborator\",\"accessRole\":");
    scim_json_write_string(access_role, strlen(access_role), out);
    scim_buffer_append_char(out, '}');
}


/* Of two sources the higher access role counts, then the role owner. */
static int
strength(const plan_app_t *app, const char *access_role, bool owner)
{
    int rank = app->app ? scim_app_access_rank(app->app, access_role) : 0;

    return 2 * rank + owner;
}


void
desire_strongest(const plan_app_t *app, const char *sources,
    char subject[PLAN_SUBJECT_MAX])
{
    int     best = -3; /* weaker than a role that the app does not have */
    size_t  i;
    json_t *source, *list = scim_json_read(sources, strlen(sources),
        &scim_json_stored_limits, NULL);

    subject[0] = '\0';
    json_array_foreach(list, i, source) {
        const char *type = json_string_value(json_object_get(source, "type"));
        const char *id = json_string_value(json_object_get(source, "id"));
        const char *role = json_string_value(json_object_get(source, "role"));
        int         one = strength(app, json_string_value(
            json_object_get(source, "accessRole")),
            role && strcmp(role, "owner") == 0);

        if (type && id && one > best) {
            best = one;
            snprintf(subject, PLAN_SUBJECT_MAX, "%s:%s", type, id);
        }
    }
    json_decref(list);
}


void
desire_make(const plan_facts_t *facts, const plan_app_t *app,
    desire_t *desire)
{
    int                  best = -1, one;
    const char          *role;
    const plan_source_t *source = NULL;

    memset(desire, 0, sizeof(*desire));
    desire->access_role = "";
    scim_buffer_init(&desire->sources, SOURCES_MAX);
    scim_buffer_append_char(&desire->sources, '[');
    while (app->app && facts->active
           && (source = next_source(facts, app, source)))
    {
        role = access_role_of(app, source);
        if (scim_app_access_rank(app->app, role)
            > scim_app_access_rank(app->app, desire->access_role))
        {
            desire->access_role = role;
        }
        one = strength(app, role, source->owner);
        if (one > best) {
            best = one;
            desire->share = source->subject;
        }
        desire->owner = desire->owner || source->owner;
        desire->wanted = true;
        append_source(&desire->sources, source, role);
    }
    scim_buffer_append_char(&desire->sources, ']');
}
