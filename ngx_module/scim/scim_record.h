#ifndef SCIM_RECORD_H
#define SCIM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scim_buffer.h"

/*
 * A directory resource as Redis keeps it: a header of fixed width, then the
 * canonical document as JSON text.  The functions in Redis change the header
 * in place (SETRANGE), so a membership change never rewrites a document.
 *
 *   bytes  0..9   version, decimal     (ETag; every change)
 *   bytes 10..19  content, decimal     (rewrites of the document: the CAS)
 *   bytes 20..32  created, ms          (Redis' clock)
 *   bytes 33..45  lastModified, ms
 *   byte  46      '1' when the user was ever added to a group, else '0'
 *   bytes 47..    document
 */
#define SCIM_RECORD_HEADER_LEN 47

typedef struct {
    uint64_t    version;
    uint64_t    content;
    int64_t     created;  /* ms */
    int64_t     modified; /* ms */
    bool        grouped;
    const char *document; /* points into the record's text */
    size_t      document_len;
} scim_record_t;

/* False when the text is not a record. */
bool scim_record_parse(const char *text, size_t len, scim_record_t *record);

/*
 * Appends the resource as a client sees it, without decoding the document:
 * the document's text, `extra` (rendered members like `"groups":[...]`, may be
 * empty, no leading comma), then meta.  `base_url` has no trailing slash;
 * `endpoint` is "/Users", `resource_type` "User", `id` the resource's id.
 */
void scim_record_render(const scim_record_t *record, const char *base_url,
    size_t base_url_len, const char *endpoint, const char *resource_type,
    const char *id, size_t id_len, const char *extra, size_t extra_len,
    scim_buffer_t *out);

#endif
