#include "connector_call.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "scim_app_email.h"
#include "secret.h"

/*
 * An invite by mail.  SMTP cannot be asked what became of a mail, so one of
 * unknown outcome is sent again with the same Message-ID, by which mailboxes
 * know it.  Everything but the invite is work for a person.
 */
#define MESSAGE_MAX 131072
#define WORD_BYTES  36
#define LINE_BYTES  57 /* 76 characters of base64 */


static void
add_base64(scim_buffer_t *out, const char *text, size_t len)
{
    char encoded[LINE_BYTES * 4 / 3 + 4];

    for (size_t at = 0; at < len; at += LINE_BYTES) {
        size_t part = len - at < LINE_BYTES ? len - at : LINE_BYTES;

        EVP_EncodeBlock((unsigned char *) encoded,
            (const unsigned char *) text + at, (int) part);
        scim_buffer_append_text(out, encoded);
        scim_buffer_append_text(out, "\r\n");
    }
}


/* Bytes of the next encoded word: few enough for a line that has the header's
 * name, too; no character is cut in two. */
static size_t
word_len(const char *text, size_t len)
{
    size_t part = len < WORD_BYTES ? len : WORD_BYTES;

    while (part < len && part > 1 && ((unsigned char) text[part] & 0xc0)
        == 0x80)
    {
        part--;
    }
    return part;
}


/* RFC 2047: words of UTF-8 in base64, at most 75 characters each. */
static void
add_subject(scim_buffer_t *out, const char *text, size_t len)
{
    char   encoded[64];
    size_t part;

    scim_buffer_append_text(out, "Subject:");
    for ( ; len > 0; text += part, len -= part) {
        part = word_len(text, len);
        EVP_EncodeBlock((unsigned char *) encoded,
            (const unsigned char *) text, (int) part);
        scim_buffer_printf(out, " =?UTF-8?B?%s?=\r\n", encoded);
    }
}


static void
add_date(scim_buffer_t *out)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu",
                                        "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May",
        "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t    now = (time_t) (loop_wall() / 1000);
    struct tm at;

    gmtime_r(&now, &at);
    scim_buffer_printf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n",
        days[at.tm_wday], at.tm_mday, months[at.tm_mon], at.tm_year + 1900,
        at.tm_hour, at.tm_min, at.tm_sec);
}


static const char *
text_of(const connector_call_t *call, const char *name)
{
    return json_string_value(connector_verb(call->task->app, name));
}


/* The mail that is sent: the invite, or what reminds of it. */
static const char *
words_of(const connector_call_t *call, const char *name)
{
    const json_t *mail = call->task->kind == TASK_REMIND
        ? connector_verb(call->task->app, "remind")
        : call->task->app->connector;

    return json_string_value(json_object_get(mail, name));
}


static bool
write_message(connector_call_t *call, scim_buffer_t *out,
    template_values_t *values)
{
    bool          written;
    scim_buffer_t subject, text;
    const char   *reply_to = text_of(call, "replyTo");

    scim_buffer_init(&subject, 4096);
    scim_buffer_init(&text, MESSAGE_MAX / 2);
    written = template_header(words_of(call, "subject"), values, &subject)
        && template_text(words_of(call, "text"), values, &text);
    if (written) {
        add_date(out);
        scim_buffer_printf(out, "From: %s\r\nTo: %s\r\n",
            text_of(call, "from"), call->task->user.email);
        if (reply_to) {
            scim_buffer_printf(out, "Reply-To: %s\r\n", reply_to);
        }
        scim_buffer_printf(out, "Message-ID: <%s@ngx-scim.invalid>\r\n",
            call->task->key);
        add_subject(out, subject.data, subject.len);
        scim_buffer_append_text(out, "Auto-Submitted: auto-generated\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n");
        add_base64(out, text.data, text.len);
    }
    scim_buffer_free(&subject);
    scim_buffer_free(&text);
    return written && !scim_buffer_failed(out);
}


/* What the server's last answer means for a mail that did not get through. */
static outcome_kind_t
classify(const http_answer_t *answer, char *reason, size_t size)
{
    if (answer->result == HTTP_BROKEN) {
        snprintf(reason, size, "the mail server did not say whether it took "
            "the mail: %s", answer->problem);
        return answer->status >= 500 ? OUTCOME_DEAD : OUTCOME_UNKNOWN;
    }
    snprintf(reason, size, "the mail was not sent (%d): %s", answer->status,
        answer->problem);
    return answer->status >= 500 && answer->status < 600 ? OUTCOME_DEAD
        : OUTCOME_RETRY;
}


static void
on_sent(void *data, const http_answer_t *answer)
{
    outcome_kind_t    kind;
    connector_call_t *call = data;

    call->http = NULL;
    call->outcome.status = answer->status;
    call->outcome.calls++;
    call->outcome.health = HEALTH_OK;
    if (answer->result == HTTP_ANSWERED) {
        connector_end(call, OUTCOME_DONE, "");
        return;
    }
    kind = classify(answer, call->reason, sizeof(call->reason));
    if (kind != OUTCOME_DEAD) {
        call->outcome.health = HEALTH_FAILED;
    }
    if (kind == OUTCOME_RETRY && call->task->unknown) {
        kind = OUTCOME_UNKNOWN;
    }
    connector_end(call, kind, call->reason);
}


static bool
read_password(connector_call_t *call, scim_buffer_t *password,
    http_request_t *request, const char **problem)
{
    const json_t *auth = connector_verb(call->task->app, "auth");
    const char   *reference = json_string_value(json_object_get(auth,
        "password"));

    if (auth == NULL) {
        return true;
    }
    if (!secret_read(reference ? reference : "",
            &call->connectors->conf.policy, password, problem))
    {
        return false;
    }
    request->user = json_string_value(json_object_get(auth, "user"));
    request->password = password->data;
    return true;
}


static void
send_mail(connector_call_t *call)
{
    const char       *problem = "";
    outcome_kind_t    kind = OUTCOME_RETRY;
    scim_buffer_t     message, password;
    template_values_t values;
    http_request_t    request = {
        .url = text_of(call, "server"), .mail_from = text_of(call, "from"),
        .mail_to = call->task->user.email,
        .timeout_ms = call->task->app->limits.timeout_ms,
        .answer_max = CONNECTOR_ANSWER_MAX
    };

    scim_buffer_init(&message, MESSAGE_MAX);
    scim_buffer_init(&password, SECRET_MAX + 1);
    connector_set_values(call, &values);
    if (!write_message(call, &message, &values)) {
        problem = values.error[0] ? values.error : "the mail is too long";
        kind = OUTCOME_DEAD;
    } else if (read_password(call, &password, &request, &problem)) {
        request.body = message.data;
        request.body_len = message.len;
        call->http = http_client_start(call->connectors->http, &request,
            on_sent, call);
        problem = "out of memory";
    }
    secret_free(&password);
    scim_buffer_free(&message);
    if (call->http == NULL) {
        connector_end(call, kind == OUTCOME_RETRY && call->task->unknown
            ? OUTCOME_UNKNOWN : kind, problem);
    }
}


void
connector_email_begin(connector_call_t *call)
{
    if (call->task->kind == TASK_ROLE) {
        connector_end(call, OUTCOME_MANUAL,
            "the app is asked by mail: a person changes roles");
    } else if (call->task->kind == TASK_REMOVE) {
        connector_end(call, OUTCOME_MANUAL,
            "the app is asked by mail: a person removes members");
    } else if (call->task->kind == TASK_REMIND
               && connector_verb(call->task->app, "remind") == NULL)
    {
        connector_end(call, OUTCOME_DEAD, "the connector cannot remind");
    } else if (!scim_app_mail_address(call->task->user.email)) {
        connector_end(call, OUTCOME_DEAD,
            "the person's e-mail address cannot be written to");
    } else {
        send_mail(call);
    }
}
