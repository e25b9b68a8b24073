#include "scimctl_doctor.h"

#include <stdio.h>
#include <string.h>
#include <time.h>


static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}


/* Switched off by itself, accepting nothing, behind; or fine. */
static void
check_webhook(doctor_t *doctor, const json_t *webhook)
{
    char       about[200], found[200];
    const char *off = text_of(webhook, "offReason");
    const char *failing = "failingSince";
    json_int_t given_up = json_integer_value(json_object_get(webhook,
        "givenUp"));
    json_int_t minutes = ((json_int_t) time(NULL) * 1000 - json_integer_value(
        json_object_get(webhook, failing))) / 60000;

    snprintf(about, sizeof(about), "webhook %s", text_of(webhook, "id"));
    if (*off && strcmp(off, "by an operator") != 0) {
        snprintf(found, sizeof(found), "switched off: %.150s", off);
        doctor_say(doctor, WRONG, about, found, "look at the receiver, then "
            "scimctl webhook enable ID: it goes on where it was");
    } else if (json_object_get(webhook, failing)) {
        snprintf(found, sizeof(found), "nothing was accepted for %lld "
            "minutes, %lld wait", (long long) minutes,
            (long long) json_integer_value(json_object_get(webhook,
                "retries")));
        doctor_say(doctor, WRONG, about, found,
            "scimctl webhook deliveries ID says why; three days of this "
            "switch it off");
    } else if (json_object_get(webhook, "gap")) {
        doctor_say(doctor, WARNING, about, "entries of the audit were trimmed "
            "before they were delivered", "keep more (audit_days, "
            "audit_entries in sidecar.conf); scimctl audit has no more either");
    } else if (given_up > 0) {
        snprintf(found, sizeof(found), "%lld messages were given up",
            (long long) given_up);
        doctor_say(doctor, WARNING, about, found, "scimctl webhook deliveries "
            "ID says why; webhook replay ID --after ENTRY tells them again");
    } else {
        doctor_say(doctor, FINE, about, *off ? off : "is told", "");
    }
}


void
doctor_check_webhooks(doctor_t *doctor)
{
    size_t  i;
    json_t *webhook, *answer = NULL;

    if (command_request(doctor->command, SCIM_METHOD_GET, "/webhooks",
            "limit=1000", NULL, &answer))
    {
        return;
    }
    json_array_foreach(json_object_get(answer, "webhooks"), i, webhook) {
        check_webhook(doctor, webhook);
    }
    json_decref(answer);
}
