#include "fuzz_core.h"

/*
 * Any JSON as the body of a PATCH: what comes out is canonical, what is
 * refused changed nothing, and the same PATCH gives the same result again.
 */
static const char user[] =
    "{\"userName\":\"ann\",\"displayName\":\"Ann\",\"active\":false,"
    "\"name\":{\"givenName\":\"Ann\",\"familyName\":\"Lee\"},"
    "\"emails\":[{\"value\":\"a@x\",\"type\":\"work\",\"primary\":true},"
    "{\"value\":\"b@x\",\"type\":\"home\"}],"
    "\"roles\":[{\"value\":\"r1\"}],"
    "\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\":"
    "{\"department\":\"D\",\"manager\":{\"value\":\"m1\"}}}";

static const char group[] = "{\"displayName\":\"Ads\",\"externalId\":\"g\"}";


static json_t *
stored(const scim_resource_type_t *type, const char *text)
{
    json_t         *body, *document = NULL;
    scim_members_t  members;

    body = scim_json_read(text, strlen(text), &scim_json_request_limits,
        NULL);
    require(scim_members_init(&members));
    require(scim_document_normalize(type, SCIM_DOCUMENT_CREATE, body, NULL,
        FUZZ_ID, &document, &members, NULL, NULL));
    scim_members_free(&members);
    json_decref(body);
    return document;
}


static json_t *
apply(const scim_resource_type_t *type, const json_t *body,
    const json_t *current)
{
    json_t         *document = NULL;
    scim_members_t  members;
    scim_error_t    error = { 0 };

    require(scim_members_init(&members));
    if (scim_patch_apply(type, body, current, FUZZ_ID, &document, &members,
            NULL, &error))
    {
        require_canonical(type, document);
        require_members(&members);
    } else {
        require(document == NULL);
        require_refused(&error);
    }
    scim_members_free(&members);
    return document;
}


static void
patch(const char *name, const char *text, const json_t *body)
{
    const scim_resource_type_t *type = fuzz_type(name);
    json_t *before = stored(type, text);
    json_t *current = json_deep_copy(before);
    json_t *once = apply(type, body, current);
    json_t *again = apply(type, body, current);

    require(json_equal(before, current));
    require(once ? json_equal(once, again) : again == NULL);
    json_decref(before);
    json_decref(current);
    json_decref(once);
    json_decref(again);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *body = scim_json_read((const char *) data, size,
        &scim_json_request_limits, NULL);

    if (body) {
        patch("User", user, body);
        patch("Group", group, body);
        json_decref(body);
    }
    return 0;
}
