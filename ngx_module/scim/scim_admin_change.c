#include "scim_admin_internal.h"

/* What the audit says of a definition that was changed. */
#define TEXT_MAX 1000


/* "name", "name (2 before, 3 now)", "name taken out" */
static void
say_member(const char *name, const json_t *old, const json_t *now,
    scim_buffer_t *out)
{
    scim_buffer_printf(out, "%s%s", out->len ? ", " : "changed: ", name);
    if (json_is_array(old) || json_is_array(now)) {
        scim_buffer_printf(out, " (%zu before, %zu now)",
            json_array_size(old), json_array_size(now));
    } else if (now == NULL) {
        scim_buffer_printf(out, " taken out");
    }
}


static void
say_changes(json_t *old, json_t *now, scim_buffer_t *out)
{
    json_t     *value;
    const char *name;

    json_object_foreach(now, name, value) {
        const json_t *former = json_object_get(old, name);

        if (former == NULL || !json_equal(former, value)) {
            say_member(name, former, value, out);
        }
    }
    json_object_foreach(old, name, value) {
        if (json_object_get(now, name) == NULL) {
            say_member(name, value, NULL, out);
        }
    }
}


void
scim_admin_say_changed(scim_admin_t *admin, const json_t *old,
    const json_t *now)
{
    scim_buffer_t text;

    scim_buffer_init(&text, TEXT_MAX);
    if (old) {
        say_changes((json_t *) old, (json_t *) now, &text);
    }
    scim_command_add(&admin->head, scim_buffer_failed(&text) || text.len == 0
        ? "" : text.data, scim_buffer_failed(&text) ? 0 : text.len);
    scim_buffer_free(&text);
}
