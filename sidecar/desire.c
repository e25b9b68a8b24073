#include "desire.h"

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


void
desire_make(const plan_facts_t *facts, const plan_app_t *app,
    desire_t *desire)
{
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
        desire->owner = desire->owner || source->owner;
        desire->wanted = true;
        append_source(&desire->sources, source, role);
    }
    scim_buffer_append_char(&desire->sources, ']');
}
