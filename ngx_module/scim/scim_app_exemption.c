#include "scim_app_exemption.h"

#include <string.h>

#include "scim_time.h"

#define EXEMPTION_COUNT_MAX 1000
#define MEMBER_MAX 320
#define WORDS_MAX  500

static const char *const members[] = {
    "member", "reason", "owner", "until", NULL
};


static bool
check_one(const json_t *exemption, const scim_app_place_t *place,
    scim_error_t *error)
{
    int64_t          ms;
    const char      *text, *until;
    scim_app_place_t here = { place, "until", 0 };

    if (!scim_app_object(exemption, place, members, error)
        || !scim_app_text(exemption, place, "member", true, MEMBER_MAX,
            &text, error)
        || !scim_app_text(exemption, place, "reason", true, WORDS_MAX, &text,
            error)
        || !scim_app_text(exemption, place, "owner", true, MEMBER_MAX, &text,
            error)
        || !scim_app_text(exemption, place, "until", true, 64, &until,
            error))
    {
        return false;
    }
    return scim_time_parse(until, strlen(until), true, &ms) ? true
        : scim_app_refuse(error, &here,
            "must be a date as 2026-12-31, or a dateTime");
}


bool
scim_app_exemptions_validate(const json_t *body, json_t *definition,
    scim_error_t *error)
{
    size_t           index;
    json_t          *exemption;
    const json_t    *list = scim_app_member(body, "exemptions");
    scim_app_place_t place = { NULL, "exemptions", 0 };

    if (list == NULL) {
        return true;
    }
    if (!json_is_array(list) || json_array_size(list) > EXEMPTION_COUNT_MAX) {
        return scim_app_refuse(error, &place,
            "must be an array of at most %d exemptions",
            EXEMPTION_COUNT_MAX);
    }
    json_array_foreach(list, index, exemption) {
        scim_app_place_t here = { &place, NULL, index };

        if (!check_one(exemption, &here, error)) {
            return false;
        }
    }
    return json_object_set_new(definition, "exemptions",
        json_deep_copy(list)) == 0
        || scim_error_set(error, 500, SCIM_ERROR_NONE, "out of memory");
}


const char *
scim_app_exemption_member(const json_t *exemption, int64_t now)
{
    int64_t     end;
    const char *until = json_string_value(json_object_get(exemption,
        "until"));

    if (until == NULL || !scim_time_parse(until, strlen(until), true, &end)
        || end <= now)
    {
        return NULL;
    }
    return json_string_value(json_object_get(exemption, "member"));
}
