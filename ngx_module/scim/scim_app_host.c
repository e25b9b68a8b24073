#include "scim_app_host.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "scim_fold.h"

#define HOST_MAX 253

typedef struct {
    unsigned char        address[16];
    unsigned             bits; /* length of the prefix */
    scim_address_class_t class;
} range_t;

/* The first match counts: single addresses stand before their ranges. */
static const range_t ranges_v4[] = {
    { { 168, 63, 129, 16 }, 32, SCIM_ADDRESS_FORBIDDEN },  /* Azure's agent */
    { { 100, 100, 100, 200 }, 32, SCIM_ADDRESS_FORBIDDEN }, /* Alibaba's */
    { { 0 }, 8, SCIM_ADDRESS_FORBIDDEN },
    { { 10 }, 8, SCIM_ADDRESS_PRIVATE },
    { { 100, 64 }, 10, SCIM_ADDRESS_PRIVATE },
    { { 127 }, 8, SCIM_ADDRESS_LOOPBACK },
    { { 169, 254 }, 16, SCIM_ADDRESS_FORBIDDEN }, /* link-local, metadata */
    { { 172, 16 }, 12, SCIM_ADDRESS_PRIVATE },
    { { 192, 0, 0 }, 24, SCIM_ADDRESS_FORBIDDEN },
    { { 192, 0, 2 }, 24, SCIM_ADDRESS_FORBIDDEN },
    { { 192, 88, 99 }, 24, SCIM_ADDRESS_FORBIDDEN },
    { { 192, 168 }, 16, SCIM_ADDRESS_PRIVATE },
    { { 198, 18 }, 15, SCIM_ADDRESS_FORBIDDEN },
    { { 198, 51, 100 }, 24, SCIM_ADDRESS_FORBIDDEN },
    { { 203, 0, 113 }, 24, SCIM_ADDRESS_FORBIDDEN },
    { { 224 }, 4, SCIM_ADDRESS_FORBIDDEN },
    { { 240 }, 4, SCIM_ADDRESS_FORBIDDEN }
};

static const range_t ranges_v6[] = {
    { { [15] = 1 }, 128, SCIM_ADDRESS_LOOPBACK },
    /* metadata services of AWS and Google inside the unique local range */
    { { 0xfd, 0x00, 0x0e, 0xc2 }, 32, SCIM_ADDRESS_FORBIDDEN },
    { { 0xfd, 0x20, 0x00, 0xce }, 32, SCIM_ADDRESS_FORBIDDEN },
    { { 0xfc }, 7, SCIM_ADDRESS_PRIVATE },
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32, SCIM_ADDRESS_FORBIDDEN },
    { { 0x20, 0x01 }, 23, SCIM_ADDRESS_FORBIDDEN }, /* Teredo, ORCHID */
    { { 0x20, 0x02 }, 16, SCIM_ADDRESS_FORBIDDEN }, /* 6to4 */
    { { 0x3f, 0xff }, 20, SCIM_ADDRESS_FORBIDDEN }, /* documentation */
    { { 0x20 }, 3, SCIM_ADDRESS_PUBLIC },
    { { 0 }, 0, SCIM_ADDRESS_FORBIDDEN }
};

static const unsigned char mapped_prefix[12] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
};

static const unsigned char nat64_prefix[12] = { 0, 0x64, 0xff, 0x9b };

/* Names that reach this machine or a cloud's metadata without an address. */
static const struct {
    const char          *name;
    scim_address_class_t class;
} names[] = {
    { "localhost", SCIM_ADDRESS_LOOPBACK },
    { "ip6-localhost", SCIM_ADDRESS_LOOPBACK },
    { "ip6-loopback", SCIM_ADDRESS_LOOPBACK },
    { "metadata", SCIM_ADDRESS_FORBIDDEN },
    { "metadata.google.internal", SCIM_ADDRESS_FORBIDDEN },
    { "instance-data", SCIM_ADDRESS_FORBIDDEN },
    { "instance-data.ec2.internal", SCIM_ADDRESS_FORBIDDEN }
};

typedef struct {
    bool        https;
    bool        bracketed;
    const char *host; /* without brackets and closing dot */
    size_t      host_len;
    const char *rest; /* from the path on */
} url_t;


static bool
in_range(const unsigned char *address, const range_t *range)
{
    unsigned bytes = range->bits / 8, bits = range->bits % 8;

    if (memcmp(address, range->address, bytes) != 0) {
        return false;
    }
    return bits == 0
        || ((address[bytes] ^ range->address[bytes]) >> (8 - bits)) == 0;
}


scim_address_class_t
scim_address_class_v4(const unsigned char address[4])
{
    for (size_t i = 0; i < sizeof(ranges_v4) / sizeof(ranges_v4[0]); i++) {
        if (in_range(address, &ranges_v4[i])) {
            return ranges_v4[i].class;
        }
    }
    return SCIM_ADDRESS_PUBLIC;
}


scim_address_class_t
scim_address_class_v6(const unsigned char address[16])
{
    scim_address_class_t class;

    if (memcmp(address, mapped_prefix, sizeof(mapped_prefix)) == 0) {
        return scim_address_class_v4(address + 12);
    }
    if (memcmp(address, nat64_prefix, sizeof(nat64_prefix)) == 0) {
        /* a translator has no business with addresses of this side */
        class = scim_address_class_v4(address + 12);
        return class == SCIM_ADDRESS_PUBLIC ? class : SCIM_ADDRESS_FORBIDDEN;
    }
    for (size_t i = 0; i < sizeof(ranges_v6) / sizeof(ranges_v6[0]); i++) {
        if (in_range(address, &ranges_v6[i])) {
            return ranges_v6[i].class;
        }
    }
    return SCIM_ADDRESS_FORBIDDEN;
}


bool
scim_address_allowed(scim_address_class_t class,
    const scim_app_policy_t *policy)
{
    switch (class) {
    case SCIM_ADDRESS_PUBLIC:
        return true;
    case SCIM_ADDRESS_LOOPBACK:
        return policy->allow_loopback;
    case SCIM_ADDRESS_PRIVATE:
        return policy->allow_private;
    case SCIM_ADDRESS_FORBIDDEN:
        break;
    }
    return false;
}


static int
digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}


/* One part of an IPv4 address; "0x" alone is 0, as in browsers. */
static bool
parse_part(const char *text, size_t len, uint64_t *value)
{
    int base = 10;

    if (len == 0) {
        return false;
    }
    if (len >= 2 && text[0] == '0' && (text[1] | 0x20) == 'x') {
        base = 16;
        text += 2;
        len -= 2;
    } else if (len >= 2 && text[0] == '0') {
        base = 8;
    }
    *value = 0;
    for (; len > 0; text++, len--) {
        int digit = digit_value(*text);

        if (digit >= base) {
            return false;
        }
        *value = *value * (uint64_t) base + (uint64_t) digit;
        if (*value > UINT32_MAX) {
            return false;
        }
    }
    return true;
}


bool
scim_address_parse_v4(const char *text, size_t len, unsigned char address[4])
{
    size_t      count = 0;
    uint64_t    parts[4], whole = 0;
    const char *end = text + len;

    for (;;) {
        const char *dot = memchr(text, '.', (size_t) (end - text));
        const char *stop = dot ? dot : end;

        if (count == 4
            || !parse_part(text, (size_t) (stop - text), &parts[count++]))
        {
            return false;
        }
        if (dot == NULL) {
            break;
        }
        text = dot + 1;
    }
    /* every part but the last is one byte, the last fills what is left */
    for (size_t i = 0; i + 1 < count; i++) {
        if (parts[i] > 255) {
            return false;
        }
        whole |= parts[i] << (24 - 8 * i);
    }
    if (parts[count - 1] >> (8 * (5 - count)) != 0) {
        return false;
    }
    whole |= parts[count - 1];
    for (int i = 0; i < 4; i++) {
        address[i] = (unsigned char) (whole >> (24 - 8 * i));
    }
    return true;
}


/*
 * Resolvers read a host as an address when its last label is a number, in
 * decimal, octal or hexadecimal, of whatever size.
 */
static bool
looks_numeric(const char *host, size_t len)
{
    int    base = 10;
    size_t start = len;

    while (start > 0 && host[start - 1] != '.') {
        start--;
    }
    if (len - start >= 2 && host[start] == '0'
        && (host[start + 1] | 0x20) == 'x')
    {
        base = 16;
        start += 2;
    }
    while (start < len && digit_value(host[start]) < base) {
        start++;
    }
    return start == len;
}


static bool
ends_with_name(const char *host, size_t len, const char *suffix)
{
    size_t suffix_len = strlen(suffix);

    return len > suffix_len && scim_name_equal(host + len - suffix_len,
        suffix_len, suffix, suffix_len);
}


/* False when the host is nothing that can be connected to. */
static bool
host_class(const url_t *url, scim_address_class_t *class)
{
    char          text[INET6_ADDRSTRLEN];
    unsigned char address[16];

    *class = SCIM_ADDRESS_PUBLIC;
    if (url->bracketed) {
        if (url->host_len >= sizeof(text)) {
            return false;
        }
        memcpy(text, url->host, url->host_len);
        text[url->host_len] = '\0';
        if (inet_pton(AF_INET6, text, address) != 1) {
            return false;
        }
        *class = scim_address_class_v6(address);
        return true;
    }
    if (looks_numeric(url->host, url->host_len)) {
        if (!scim_address_parse_v4(url->host, url->host_len, address)) {
            return false;
        }
        *class = scim_address_class_v4(address);
        return true;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (scim_name_equal(url->host, url->host_len, names[i].name,
            strlen(names[i].name)))
        {
            *class = names[i].class;
        }
    }
    if (ends_with_name(url->host, url->host_len, ".localhost")) {
        *class = SCIM_ADDRESS_LOOPBACK;
    }
    return true;
}


static bool
split_port(const char *text, const char **rest)
{
    unsigned long port = 0;

    if (*text == ':') {
        const char *digits = ++text;

        for (; isdigit((unsigned char) *text) && port <= 65535; text++) {
            port = port * 10 + (unsigned long) (*text - '0');
        }
        if (text == digits || port == 0 || port > 65535) {
            return false;
        }
    }
    *rest = text;
    return *text == '\0' || *text == '/';
}


static bool
split_url(const char *text, url_t *url)
{
    size_t len;

    url->https = strncasecmp(text, "https://", 8) == 0;
    text += url->https ? 8 : 7;
    url->bracketed = *text == '[';
    if (url->bracketed) {
        len = strcspn(++text, "]");
        if (text[len] != ']') {
            return false;
        }
        url->host = text;
        url->host_len = len;
        return len > 0 && split_port(text + len + 1, &url->rest);
    }
    len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        "0123456789-._");
    url->host = text;
    url->host_len = len;
    if (len > 0 && text[len - 1] == '.') {
        url->host_len--;
    }
    if (url->host_len == 0 || url->host_len > HOST_MAX
        || url->host[0] == '.' || url->host[url->host_len - 1] == '.')
    {
        return false;
    }
    return split_port(text + len, &url->rest);
}


/* "." or "..", a dot also written as %2e. */
static bool
is_dot_segment(const char *segment, size_t len)
{
    size_t dots = 0;

    for (; len > 0; dots++) {
        size_t step = segment[0] == '.' ? 1
            : len >= 3 && strncasecmp(segment, "%2e", 3) == 0 ? 3 : 0;

        if (step == 0) {
            return false;
        }
        segment += step;
        len -= step;
    }
    return dots == 1 || dots == 2;
}


bool
scim_app_path_plain(const char *path, size_t len)
{
    const char *end = path + len, *segment = path;

    for (const char *p = path; p < end; p++) {
        if ((unsigned char) *p <= 0x20 || (unsigned char) *p > 0x7e
            || strchr("#\\\"<>", *p))
        {
            return false;
        }
    }
    for (const char *p = path; p <= end; p++) {
        if (p == end || *p == '/') {
            if (is_dot_segment(segment, (size_t) (p - segment))) {
                return false;
            }
            segment = p + 1;
        }
    }
    return true;
}


static bool
refuse_class(scim_address_class_t class, const scim_app_place_t *place,
    scim_error_t *error)
{
    if (class == SCIM_ADDRESS_FORBIDDEN) {
        return scim_app_refuse(error, place,
            "the host is a link-local, metadata or reserved address");
    }
    return scim_app_refuse(error, place,
        "the host is a %s address, which this installation does not allow",
        class == SCIM_ADDRESS_LOOPBACK ? "loopback" : "private");
}


bool
scim_app_base_url(const char *text, const scim_app_place_t *place,
    const scim_app_policy_t *policy, scim_error_t *error)
{
    url_t                url;
    scim_address_class_t class;

    if (strncasecmp(text, "https://", 8) != 0
        && strncasecmp(text, "http://", 7) != 0)
    {
        return scim_app_refuse(error, place, "must begin with https://");
    }
    if (!split_url(text, &url) || strchr(url.rest, '?')
        || !scim_app_path_plain(url.rest, strlen(url.rest))
        || !host_class(&url, &class))
    {
        return scim_app_refuse(error, place,
            "must be https://host[:port][/path], nothing else");
    }
    if (!scim_address_allowed(class, policy)) {
        return refuse_class(class, place, error);
    }
    if (!url.https && class != SCIM_ADDRESS_LOOPBACK) {
        return scim_app_refuse(error, place,
            "must begin with https:// (http only on loopback)");
    }
    return true;
}
