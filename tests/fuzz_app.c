#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scim_app.h"
#include "scim_json.h"
#include "template.h"

/*
 * An app's definition from outside: whatever is taken is canonical (valid
 * again, and equal), can be read back, and its templates can be filled in
 * with hostile values without a path ever changing its shape.
 */
static const scim_app_policy_t policy = {
    .allow_loopback = true, .secret_env = "*", .secret_files = "/etc/scim"
};

static const char *const hostile[] = {
    "a", "..", ".", "/", "../../x", "?x=1#y", "%2e%2e", "\r\nX: y", "\xff",
    "", "${user.id}", "a/b"
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
require(bool condition)
{
    if (!condition) {
        abort();
    }
}


static size_t
count(const char *text, size_t len, char wanted)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        n += text[i] == wanted;
    }
    return n;
}


static void
fill_in_path(const char *path, size_t seed)
{
    size_t            template_len, len;
    scim_buffer_t     out;
    template_values_t values = { 0 };

    for (size_t i = 0; i < SCIM_APP_VARIABLE_COUNT; i++) {
        values.value[i] = hostile[(seed + i)
            % (sizeof(hostile) / sizeof(hostile[0]))];
    }
    scim_buffer_init(&out, 65536);
    if (template_path(path, &values, &out)) {
        template_len = strcspn(path, "?");
        len = strcspn(out.data, "?");
        require(count(path, template_len, '/')
            == count(out.data, len, '/'));
        require((path[template_len] == '?') == (out.data[len] == '?'));
        require(count(out.data, out.len, '\r') == 0);
    }
    scim_buffer_free(&out);
}


static void
fill_in(const json_t *connector, size_t seed)
{
    json_t        *verb;
    const char    *name, *path;
    scim_buffer_t  out;
    template_values_t values = { 0 };

    for (size_t i = 0; i < SCIM_APP_VARIABLE_COUNT; i++) {
        values.value[i] = hostile[(seed + i) % 8];
    }
    json_object_foreach((json_t *) connector, name, verb) {
        path = json_string_value(json_object_get(verb, "path"));
        if (path) {
            fill_in_path(path, seed);
        }
        if (json_object_get(verb, "body")) {
            json_t *again;

            scim_buffer_init(&out, 1 << 20);
            if (template_body(json_object_get(verb, "body"), &values, &out)) {
                again = scim_json_read(out.data, out.len,
                    &scim_json_stored_limits, NULL);
                require(again != NULL);
                json_decref(again);
            }
            scim_buffer_free(&out);
        }
    }
}


static void
check_taken(json_t *definition, size_t seed)
{
    char        *text;
    json_t      *again = NULL;
    scim_app_t   app;
    scim_error_t error = { 0 };

    require(scim_app_validate(definition, &policy, &again, &error));
    require(json_equal(definition, again));
    json_object_set_new(again, "id", json_string("id"));
    text = json_dumps(again, 0);
    require(text != NULL && scim_app_read(text, strlen(text), &app));
    require(scim_app_access_rank(&app, app.default_access_role) >= 0);
    fill_in(app.connector, seed);
    scim_app_free(&app);
    free(text);
    json_decref(again);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t      *body, *definition = NULL;
    scim_error_t error = { 0 };

    body = scim_json_read((const char *) data, size,
        &scim_json_request_limits, NULL);
    if (body == NULL) {
        return 0;
    }
    if (scim_app_validate(body, &policy, &definition, &error)) {
        check_taken(definition, size);
        json_decref(definition);
    } else {
        require(error.status == 400 && strstr(error.detail, ": ") != NULL);
    }
    json_decref(body);
    return 0;
}
