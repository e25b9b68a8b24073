#include <string.h>

#include "scim_admin_internal.h"
#include "scim_record.h"


static const char *
chosen_email(const json_t *document)
{
    size_t      i;
    json_t     *email;
    const char *first = NULL, *work = NULL;

    json_array_foreach(json_object_get(document, "emails"), i, email) {
        const char *value = json_string_value(json_object_get(email, "value"));
        const char *type = json_string_value(json_object_get(email, "type"));

        if (json_is_true(json_object_get(email, "primary"))) {
            return value;
        }
        if (first == NULL) {
            first = value;
        }
        if (work == NULL && type && strcmp(type, "work") == 0) {
            work = value;
        }
    }
    return work ? work : first;
}


json_t *
scim_admin_person(scim_text_t id, scim_text_t record)
{
    json_t       *document = NULL, *person = json_object();
    const char   *email;
    scim_record_t parsed;

    json_object_set_new(person, "userId", json_stringn(id.text, id.len));
    if (scim_record_parse(record.text, record.len, &parsed)) {
        document = scim_json_read(parsed.document, parsed.document_len,
            &scim_json_stored_limits, NULL);
    }
    if (document) {
        json_object_set(person, "userName",
            json_object_get(document, "userName"));
        email = chosen_email(document);
        if (email == NULL) {
            email = json_string_value(json_object_get(document, "userName"));
        }
        json_object_set_new(person, "email", json_string(email));
        json_object_set(person, "active",
            json_object_get(document, "active"));
        json_decref(document);
    }
    return person;
}
