#include "webhook_message.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_json.h"
#include "scim_time.h"

typedef enum { AS_TEXT, AS_NUMBER, AS_FLAG } form_t;

/*
 * What the data of a kind of event holds.  `why` of a hold is left out: it
 * may hold the reason that an operator typed.
 */
static const struct {
    const char           *kind; /* type up to its point */
    webhook_entry_field_t field;
    const char           *name;
    form_t                form;
} data_members[] = {
    { "grant", WEBHOOK_ENTRY_APP, "app", AS_TEXT },
    { "grant", WEBHOOK_ENTRY_USER, "user", AS_TEXT },
    { "grant", WEBHOOK_ENTRY_FROM, "from", AS_TEXT },
    { "grant", WEBHOOK_ENTRY_TO, "to", AS_TEXT },
    { "grant", WEBHOOK_ENTRY_ACTOR, "actor", AS_TEXT },
    { "grant", WEBHOOK_ENTRY_WHY, "why", AS_TEXT },
    { "grant", WEBHOOK_ENTRY_SHARE, "share", AS_TEXT },
    { "grant", WEBHOOK_ENTRY_TXN, "txn", AS_TEXT },
    { "hold", WEBHOOK_ENTRY_APP, "app", AS_TEXT },
    { "hold", WEBHOOK_ENTRY_REF, "hold", AS_TEXT },
    { "hold", WEBHOOK_ENTRY_ACTOR, "actor", AS_TEXT },
    { "task", WEBHOOK_ENTRY_APP, "app", AS_TEXT },
    { "task", WEBHOOK_ENTRY_USER, "user", AS_TEXT },
    { "task", WEBHOOK_ENTRY_REF, "task", AS_TEXT },
    { "task", WEBHOOK_ENTRY_KIND, "kind", AS_TEXT },
    { "task", WEBHOOK_ENTRY_ATTEMPTS, "attempts", AS_NUMBER },
    { "task", WEBHOOK_ENTRY_STATUS, "status", AS_NUMBER },
    { "revoke", WEBHOOK_ENTRY_APP, "app", AS_TEXT },
    { "revoke", WEBHOOK_ENTRY_USER, "user", AS_TEXT },
    { "revoke", WEBHOOK_ENTRY_REF, "task", AS_TEXT },
    { "check", WEBHOOK_ENTRY_APP, "app", AS_TEXT },
    { "check", WEBHOOK_ENTRY_REF, "check", AS_TEXT },
    { "check", WEBHOOK_ENTRY_COUNT, "findings", AS_NUMBER },
    { "check", WEBHOOK_ENTRY_SUSPICIOUS, "suspicious", AS_FLAG },
    { "webhook", WEBHOOK_ENTRY_REF, "webhook", AS_TEXT },
    { "webhook", WEBHOOK_ENTRY_ACTOR, "actor", AS_TEXT },
    { "webhook", WEBHOOK_ENTRY_WHY, "why", AS_TEXT }
};


void
webhook_type(const char *const entry[WEBHOOK_ENTRY_FIELDS],
    char type[WEBHOOK_TYPE_SIZE])
{
    const char *event = entry[WEBHOOK_ENTRY_EVENT];

    snprintf(type, WEBHOOK_TYPE_SIZE, "%s%s", *event ? event : "grant.",
        *event ? "" : entry[WEBHOOK_ENTRY_TO]);
}


void
webhook_id(const char *const entry[WEBHOOK_ENTRY_FIELDS],
    const char *workspace, char id[WEBHOOK_ID_SIZE])
{
    snprintf(id, WEBHOOK_ID_SIZE, "evt_%s_%s", workspace,
        entry[WEBHOOK_ENTRY_ID]);
}


static json_t *
value_of(const char *text, form_t form)
{
    switch (form) {
    case AS_NUMBER:
        return json_integer(strtoll(text, NULL, 10));
    case AS_FLAG:
        return json_boolean(*text == '1');
    case AS_TEXT:
        break;
    }
    return json_string(text);
}


static json_t *
data_of(const char *const entry[WEBHOOK_ENTRY_FIELDS], const char *workspace,
    const char *type)
{
    size_t  len = strcspn(type, ".");
    json_t *data = json_pack("{ss,ss}", "workspace", workspace, "cursor",
        entry[WEBHOOK_ENTRY_ID]);

    for (size_t i = 0; i < sizeof(data_members) / sizeof(data_members[0]);
         i++)
    {
        const char *text = entry[data_members[i].field];

        if (*text && strlen(data_members[i].kind) == len
            && memcmp(data_members[i].kind, type, len) == 0)
        {
            json_object_set_new(data, data_members[i].name,
                value_of(text, data_members[i].form));
        }
    }
    return data;
}


bool
webhook_body(const char *const entry[WEBHOOK_ENTRY_FIELDS],
    const char *workspace, const char *type, scim_buffer_t *out)
{
    char    time[SCIM_TIME_TEXT_LEN + 1];
    json_t *data = data_of(entry, workspace, type), *message;

    scim_time_format(strtoll(entry[WEBHOOK_ENTRY_TS], NULL, 10), time);
    message = data ? json_pack("{ss,ss,so}", "type", type, "timestamp", time,
        "data", data) : NULL;
    if (message == NULL) {
        return false;
    }
    scim_json_write(message, out);
    json_decref(message);
    return !scim_buffer_failed(out);
}
