#include "scim_event.h"

#include <stdio.h>
#include <string.h>

#define URI          "urn:ietf:params:scim:event:"
#define PATCH_OP     "urn:ietf:params:scim:api:messages:2.0:PatchOp"
#define VERSION_SIZE 32


const char *
scim_event_uri(size_t i)
{
    /* completions can be fetched; the others have no delivery yet */
    return i == 0 ? URI "misc:asyncresp" : NULL;
}


/* ---- whom it is about ---- */

static const scim_resource_type_t *
type_of(const scim_schemas_t *schemas, const char *word)
{
    for (size_t i = 0; i < scim_resource_type_count(schemas); i++) {
        const scim_resource_type_t *type = scim_resource_type_at(schemas, i);

        if (strcmp(type->key_word, word) == 0) {
            return type;
        }
    }
    return NULL;
}


/* An operation of a Bulk request need not name a type that there is. */
static const char *
endpoint_of(const scim_schemas_t *schemas, const scim_event_t *event)
{
    const scim_resource_type_t *type = type_of(schemas, event->type);

    return type ? type->endpoint : strcmp(event->type, "bulk") == 0 ? "/Bulk"
                                                                   : NULL;
}


/* RFC 9967: relative to the base URL. */
static json_t *
subject(const char *endpoint, const scim_event_t *event,
    const scim_event_token_t *token)
{
    json_t *external = json_object_get(token->resource, "externalId");
    json_t *id = json_pack("{s:s,s:o}", "format", "scim", "uri",
        json_sprintf("%s%s%s", endpoint, event->id[0] ? "/" : "",
            event->id));

    if (id && external) {
        json_object_set(id, "externalId", external);
    }
    return id;
}


/* ---- what changed ---- */

static void
version_text(const scim_event_t *event, char *text)
{
    snprintf(text, VERSION_SIZE, "W/\"%lld\"", event->version);
}


/* Is the resource what the event made of it? */
static bool
is_current(const scim_event_t *event, const scim_event_token_t *token)
{
    char        version[VERSION_SIZE];
    const char *is = json_string_value(json_object_get(json_object_get(
        token->resource, "meta"), "version"));

    version_text(event, version);
    return is && strcmp(is, version) == 0;
}


/* {"version":...,"data":...} or {"version":...,"attributes":[...]} */
static json_t *
payload(const scim_event_t *event, const char *member, json_t *value)
{
    char    version[VERSION_SIZE];
    json_t *object = json_object();

    version_text(event, version);
    if (event->version > 0) {
        json_object_set_new(object, "version", json_string(version));
    }
    if (json_object_set_new(object, member, value) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}


static json_t *
attributes(const scim_event_t *event)
{
    json_t *list = json_copy(json_object_get(event->data, "attributes"));

    list = list ? list : json_array();
    if (json_object_get(event->data, "members")
        && json_array_append_new(list, json_string("members")) != 0)
    {
        json_decref(list);
        return NULL;
    }
    return list;
}


/* The value at a name as events have it: `title` or `urn:...:User:title`. */
static const json_t *
value_at(const json_t *resource, const char *name)
{
    const char   *key, *colon = strrchr(name, ':');
    json_t       *value;
    const size_t  len = colon ? (size_t) (colon - name) : 0;

    if (colon == NULL) {
        return json_object_get(resource, name);
    }
    json_object_foreach((json_t *) resource, key, value) {
        if (strlen(key) == len && strncmp(key, name, len) == 0) {
            return json_object_get(value, colon + 1);
        }
    }
    return NULL;
}


static bool
append_attributes(const json_t *names, const json_t *resource,
    json_t *operations)
{
    bool          ok = true;
    size_t        i;
    json_t       *name, *one;
    const json_t *value;

    json_array_foreach((json_t *) names, i, name) {
        value = value_at(resource, json_string_value(name));
        one = json_pack("{s:s,s:O}", "op", value ? "replace" : "remove",
            "path", name);
        if (value) {
            ok = ok && json_object_set(one, "value", (json_t *) value) == 0;
        }
        ok = ok && json_array_append_new(operations, one) == 0;
    }
    return ok;
}


static bool
is_group(const json_t *members, const json_t *id)
{
    size_t  i;
    json_t *group;

    json_array_foreach(json_object_get(members, "groups"), i, group) {
        if (json_equal(group, id)) {
            return true;
        }
    }
    return false;
}


static bool
append_members(const json_t *members, json_t *operations)
{
    bool    ok = true;
    size_t  i;
    json_t *id, *value = json_array();

    json_array_foreach(json_object_get(members, "add"), i, id) {
        ok = ok && json_array_append_new(value, json_pack("{s:O,s:s}",
            "value", id, "type", is_group(members, id) ? "Group" : "User"))
            == 0;
    }
    if (json_array_size(value)) {
        ok = ok && json_array_append_new(operations, json_pack(
            "{s:s,s:s,s:O}", "op", "add", "path", "members", "value", value))
            == 0;
    }
    json_decref(value);
    json_array_foreach(json_object_get(members, "remove"), i, id) {
        ok = ok && json_array_append_new(operations, json_pack("{s:s,s:o}",
            "op", "remove", "path", json_sprintf("members[value eq \"%s\"]",
                json_string_value(id)))) == 0;
    }
    return ok;
}


/* A PATCH with the same effect; NULL when the event cannot tell. */
static json_t *
patch_body(const scim_event_t *event, const scim_event_token_t *token)
{
    json_t       *operations;
    const json_t *names = json_object_get(event->data, "attributes");
    const json_t *members = json_object_get(event->data, "members");

    if ((json_array_size(names) && !is_current(event, token))
        || json_is_true(json_object_get(members, "all"))
        || (names == NULL && members == NULL))
    {
        return NULL;
    }
    operations = json_array();
    if (!append_attributes(names, token->resource, operations)
        || !append_members(members, operations))
    {
        json_decref(operations);
        return NULL;
    }
    return json_pack("{s:[s],s:o}", "schemas", PATCH_OP, "Operations",
        operations);
}


/* ---- events ---- */

/* "create", "put" or "patch", in full where that is wanted and possible */
static bool
add_change(const char *what, const scim_event_t *event,
    const scim_event_token_t *token, json_t *events)
{
    char    uri[64];
    json_t *data = NULL;

    if (token->full && strcmp(what, "patch") == 0) {
        data = patch_body(event, token);
    } else if (token->full && is_current(event, token)) {
        data = json_incref((json_t *) token->resource);
    }
    snprintf(uri, sizeof(uri), URI "prov:%s:%s", what,
        data ? "full" : "notice");
    return json_object_set_new(events, uri, data
        ? payload(event, "data", data)
        : payload(event, "attributes", attributes(event))) == 0;
}


static bool
add_active(const scim_event_t *event, json_t *events)
{
    const json_t *active = json_object_get(event->data, "active");

    return active == NULL
        || json_object_set_new(events, json_is_true(active)
               ? URI "prov:activate" : URI "prov:deactivate", json_object())
            == 0;
}


/* False when nobody outside is told of such an event. */
static bool
add_events(const scim_event_t *event, const scim_event_token_t *token,
    json_t *events)
{
    const char *verb = strchr(event->op, '.');

    if (verb == NULL) {
        return false;
    }
    if (strcmp(event->op, "async.completed") == 0) {
        return json_object_set(events, URI "misc:asyncresp",
            (json_t *) event->data) == 0;
    }
    if (strcmp(verb, ".created") == 0) {
        return add_change("create", event, token, events);
    }
    if (strcmp(verb, ".replaced") == 0) {
        return add_change("put", event, token, events)
            && add_active(event, events);
    }
    if (strcmp(verb, ".patched") == 0 || strcmp(verb, ".members") == 0) {
        return add_change("patch", event, token, events)
            && add_active(event, events);
    }
    return strcmp(verb, ".deleted") == 0
        && json_object_set_new(events, URI "prov:delete", json_object()) == 0;
}


json_t *
scim_event_claims(const scim_schemas_t *schemas, const scim_event_t *event,
    const scim_event_token_t *token)
{
    json_t     *events;
    const char *endpoint = endpoint_of(schemas, event);

    if (endpoint == NULL) {
        return NULL;
    }
    events = json_object();
    if (!add_events(event, token, events)) {
        json_decref(events);
        return NULL;
    }
    return json_pack("{s:s,s:I,s:s,s:[s],s:s,s:o,s:o}", "jti", token->jti,
        "iat", (json_int_t) (event->ts / 1000), "iss", token->issuer, "aud",
        token->audience, "txn", event->txn, "sub_id", subject(endpoint, event,
            token), "events", events);
}
