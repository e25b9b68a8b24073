#ifndef SCIM_JOIN_PAGE_H
#define SCIM_JOIN_PAGE_H

#include <stdbool.h>

#include "scim_buffer.h"

/* The HTML of /join.  No script, nothing from elsewhere; all text escaped. */
#define SCIM_JOIN_MEDIA_TYPE "text/html; charset=utf-8"

/* What the page may load and do, for its header. */
#define SCIM_JOIN_POLICY "default-src 'none'; style-src 'unsafe-inline'; " \
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

/* All text is UTF-8 and borrowed; "" where it is not known, never NULL. */
typedef struct {
    const char *app;
    const char *workspace;
    const char *person;      /* what they are called */
    const char *email;       /* as invited */
    const char *state;       /* of the grant */
    const char *access_role; /* the app's own word */
    bool        owner;
    bool        accepted, account, connected; /* what they said at the link */
} scim_join_page_t;

void scim_join_page(const scim_join_page_t *page, scim_buffer_t *out);

/* The page of an error: 404, 410, ... */
void scim_join_page_error(int status, scim_buffer_t *out);

#endif
