#include "scim_app_http.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "scim_app_connector.h"
#include "scim_app_host.h"
#include "scim_app_template.h"

/* Where an app is called and as whom: for every type that calls over HTTP. */
#define URL_MAX 1024
#define HEADER_MAX 1024
#define HEADER_COUNT_MAX 32
#define PLACE_VARIABLES (SCIM_APP_VARIABLE(SCIM_APP_ID) \
    | SCIM_APP_VARIABLE(SCIM_APP_WORKSPACE))

static const char *const basic_members[] = { "user", "password", NULL };
static const char *const header_members[] = { "name", "value", NULL };
static const char *const oauth2_members[] = {
    "tokenUrl", "clientId", "clientSecret", "scope", "refreshToken",
    "grantType", "parameters", "credentials", NULL
};

/* Headers that are ours or the transport's. */
static const char *const own_headers[] = {
    "connection", "content-length", "expect", "host", "idempotency-key",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", NULL
};

/* Parts of names of headers that carry secrets. */
static const char *const secret_words[] = {
    "authorization", "cookie", "token", "secret", "api-key", "apikey",
    "password", NULL
};


static bool
check_secret(const json_t *object, const scim_app_place_t *place,
    const char *name, const scim_app_policy_t *policy, scim_error_t *error)
{
    const char      *reference = json_string_value(
        json_object_get(object, name));
    scim_app_place_t here = { place, name, 0 };

    if (reference == NULL || (strncmp(reference, "env:", 4) != 0
        && strncmp(reference, "file:", 5) != 0))
    {
        return scim_app_refuse(error, &here, "must be a reference to a "
            "secret, env:NAME or file:/path, never the secret itself");
    }
    if (!scim_app_secret_allowed(reference, policy)) {
        return scim_app_refuse(error, &here,
            "this secret is not in the installation's allow-list");
    }
    return true;
}


static bool
is_header_name(const char *name)
{
    for (const char *p = name; *p; p++) {
        if (!isalnum((unsigned char) *p) && *p != '-' && *p != '_') {
            return false;
        }
    }
    for (const char *const *own = own_headers; *own; own++) {
        if (strcasecmp(*own, name) == 0) {
            return false;
        }
    }
    return true;
}


static bool
check_basic(const json_t *basic, const char *name,
    const scim_app_place_t *place, const scim_app_policy_t *policy,
    scim_error_t *error)
{
    const char      *user;
    scim_app_place_t here = { place, name, 0 };
    scim_app_place_t user_here = { &here, "user", 0 };

    if (!scim_app_object(basic, &here, basic_members, error)
        || !scim_app_text(basic, &here, "user", true, 256, &user, error))
    {
        return false;
    }
    if (strchr(user, ':')) {
        return scim_app_refuse(error, &user_here, "must not hold a colon");
    }
    return check_secret(basic, &here, "password", policy, error);
}


bool
scim_app_basic(const json_t *connector, const char *name,
    const scim_app_place_t *place, const scim_app_policy_t *policy,
    scim_error_t *error)
{
    const json_t *basic = scim_app_member(connector, name);

    return basic == NULL || check_basic(basic, name, place, policy, error);
}


static bool
check_header_auth(const json_t *header, const scim_app_place_t *place,
    const scim_app_policy_t *policy, scim_error_t *error)
{
    const char      *name;
    scim_app_place_t here = { place, "header", 0 };
    scim_app_place_t name_here = { &here, "name", 0 };

    if (!scim_app_object(header, &here, header_members, error)
        || !scim_app_text(header, &here, "name", true, 64, &name, error))
    {
        return false;
    }
    if (!is_header_name(name)) {
        return scim_app_refuse(error, &name_here,
            "is no header that a connector may set");
    }
    return check_secret(header, &here, "value", policy, error);
}


static bool
names_secret(const char *name)
{
    for (const char *const *word = secret_words; *word; word++) {
        if (strcasestr(name, *word)) {
            return true;
        }
    }
    return false;
}


/* A secret that may be left out. */
static bool
check_optional_secret(const json_t *object, const scim_app_place_t *place,
    const char *name, const scim_app_policy_t *policy, scim_error_t *error)
{
    return scim_app_member(object, name) == NULL
        || check_secret(object, place, name, policy, error);
}


/* Further parameters of a token request: an object of strings. */
static bool
check_parameters(const json_t *oauth2, const scim_app_place_t *place,
    scim_error_t *error)
{
    json_t          *value;
    const char      *name, *text;
    const json_t    *parameters = scim_app_member(oauth2, "parameters");
    scim_app_place_t here = { place, "parameters", 0 };

    if (parameters == NULL) {
        return true;
    }
    if (!json_is_object(parameters)
        || json_object_size(parameters) > HEADER_COUNT_MAX)
    {
        return scim_app_refuse(error, &here,
            "must be a JSON object of at most %d strings", HEADER_COUNT_MAX);
    }
    json_object_foreach((json_t *) parameters, name, value) {
        scim_app_place_t one = { &here, name, 0 };

        (void) value;
        if (names_secret(name)) {
            return scim_app_refuse(error, &one, "looks like a secret");
        }
        if (!scim_app_text(parameters, &here, name, true, HEADER_MAX, &text,
                error))
        {
            return false;
        }
    }
    return true;
}


/* RFC 6749, sections 4.4 and 6 */
static bool
check_oauth2(const json_t *oauth2, const scim_app_place_t *place,
    const scim_app_policy_t *policy, scim_error_t *error)
{
    const char      *url, *id, *scope, *grant, *how;
    scim_app_place_t here = { place, "oauth2", 0 };
    scim_app_place_t url_here = { &here, "tokenUrl", 0 };
    scim_app_place_t how_here = { &here, "credentials", 0 };

    if (!scim_app_object(oauth2, &here, oauth2_members, error)
        || !scim_app_text(oauth2, &here, "tokenUrl", true, URL_MAX, &url,
            error)
        || !scim_app_base_url(url, &url_here, policy, error)
        || !scim_app_text(oauth2, &here, "clientId", true, HEADER_MAX, &id,
            error)
        || !scim_app_text(oauth2, &here, "scope", false, HEADER_MAX, &scope,
            error)
        || !scim_app_text(oauth2, &here, "grantType", false, 128, &grant,
            error)
        || !scim_app_text(oauth2, &here, "credentials", false, 16, &how,
            error)
        || !check_secret(oauth2, &here, "clientSecret", policy, error)
        || !check_optional_secret(oauth2, &here, "refreshToken", policy,
            error))
    {
        return false;
    }
    if (how && strcmp(how, "basic") != 0 && strcmp(how, "body") != 0) {
        return scim_app_refuse(error, &how_here, "must be basic or body");
    }
    return check_parameters(oauth2, &here, error);
}


/* Exactly one way to authenticate, or none. */
static bool
check_auth(const json_t *connector, const scim_app_place_t *place,
    const scim_app_policy_t *policy, scim_error_t *error)
{
    const json_t            *auth = scim_app_member(connector, "auth");
    scim_app_place_t         here = { place, "auth", 0 };
    static const char *const ways[] = { "bearer", "basic", "header",
                                               "oauth2", NULL };

    if (auth == NULL) {
        return true;
    }
    if (!scim_app_object(auth, &here, ways, error)) {
        return false;
    }
    if (json_object_size(auth) != 1) {
        return scim_app_refuse(error, &here,
            "must have exactly one of bearer, basic, header, oauth2");
    }
    if (json_object_get(auth, "oauth2")) {
        return check_oauth2(json_object_get(auth, "oauth2"), &here, policy,
            error);
    }
    if (json_object_get(auth, "basic")) {
        return check_basic(json_object_get(auth, "basic"), "basic", &here,
            policy, error);
    }
    if (json_object_get(auth, "header")) {
        return check_header_auth(json_object_get(auth, "header"), &here,
            policy, error);
    }
    return check_secret(auth, &here, "bearer", policy, error);
}


static bool
check_headers(const json_t *connector, const scim_app_place_t *place,
    scim_error_t *error)
{
    const char      *name, *text;
    json_t          *value;
    const json_t    *headers = scim_app_member(connector, "headers");
    scim_app_place_t here = { place, "headers", 0 };

    if (headers == NULL) {
        return true;
    }
    if (!json_is_object(headers)
        || json_object_size(headers) > HEADER_COUNT_MAX)
    {
        return scim_app_refuse(error, &here,
            "must be a JSON object of at most %d strings", HEADER_COUNT_MAX);
    }
    json_object_foreach((json_t *) headers, name, value) {
        scim_app_place_t header = { &here, name, 0 };

        (void) value;
        if (*name == '\0' || strlen(name) > 64 || !is_header_name(name)) {
            return scim_app_refuse(error, &header,
                "is no header that a connector may set");
        }
        if (names_secret(name)) {
            return scim_app_refuse(error, &header,
                "looks like a secret: use auth");
        }
        if (!scim_app_text(headers, &here, name, true, HEADER_MAX, &text,
                error)
            || !scim_app_template_check(text, &header, PLACE_VARIABLES, NULL,
                error))
        {
            return false;
        }
    }
    return true;
}


/* A client certificate: the files are secrets as others are. */
static bool
check_certificate(const json_t *connector, const scim_app_place_t *place,
    const scim_app_policy_t *policy, scim_error_t *error)
{
    const json_t            *certificate = scim_app_member(connector,
        "clientCertificate");
    static const char *const names[] = { "certificate", "key", NULL };
    scim_app_place_t         here = { place, "clientCertificate", 0 };

    if (certificate == NULL) {
        return true;
    }
    if (!scim_app_object(certificate, &here, names, error)) {
        return false;
    }
    for (size_t i = 0; names[i]; i++) {
        const char      *reference = json_string_value(
            json_object_get(certificate, names[i]));
        scim_app_place_t file = { &here, names[i], 0 };

        if (reference == NULL || strncmp(reference, "file:", 5) != 0) {
            return scim_app_refuse(error, &file,
                "must be file:/path, a file in PEM format");
        }
        if (!check_secret(certificate, &here, names[i], policy, error)) {
            return false;
        }
    }
    return true;
}


bool
scim_app_endpoint(const json_t *connector, const scim_app_place_t *place,
    const scim_app_policy_t *policy, scim_error_t *error)
{
    const char      *url;
    scim_app_place_t here = { place, "baseUrl", 0 };

    return scim_app_text(connector, place, "baseUrl", true, URL_MAX, &url,
            error)
        && scim_app_base_url(url, &here, policy, error)
        && check_auth(connector, place, policy, error)
        && check_certificate(connector, place, policy, error)
        && check_headers(connector, place, error);
}
