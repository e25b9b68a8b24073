#include "scim_record.h"

#include <string.h>

#include "scim_time.h"


static bool
digits(const char *text, size_t width, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < width; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        *number = *number * 10 + (uint64_t) (text[i] - '0');
    }
    return true;
}


bool
scim_record_parse(const char *text, size_t len, scim_record_t *record)
{
    uint64_t created, modified;

    if (len < SCIM_RECORD_HEADER_LEN + 2
        || !digits(text, 10, &record->version)
        || !digits(text + 10, 10, &record->content)
        || !digits(text + 20, 13, &created)
        || !digits(text + 33, 13, &modified))
    {
        return false;
    }
    record->created = (int64_t) created;
    record->modified = (int64_t) modified;
    record->grouped = text[46] == '1';
    record->document = text + SCIM_RECORD_HEADER_LEN;
    record->document_len = len - SCIM_RECORD_HEADER_LEN;
    return record->document[0] == '{'
        && record->document[record->document_len - 1] == '}';
}


void
scim_record_render(const scim_record_t *record, const char *base_url,
    size_t base_url_len, const char *endpoint, const char *resource_type,
    const char *id, size_t id_len, const char *extra, size_t extra_len,
    scim_buffer_t *out)
{
    char created[SCIM_TIME_TEXT_LEN + 1], modified[SCIM_TIME_TEXT_LEN + 1];

    scim_time_format(record->created, created);
    scim_time_format(record->modified, modified);
    scim_buffer_reserve(out, record->document_len + extra_len + base_url_len
        + 256);
    scim_buffer_append(out, record->document, record->document_len - 1);
    if (extra_len) {
        scim_buffer_append_char(out, ',');
        scim_buffer_append(out, extra, extra_len);
    }
    scim_buffer_append_text(out, ",\"meta\":{\"resourceType\":\"");
    scim_buffer_append_text(out, resource_type);
    scim_buffer_append_text(out, "\",\"created\":\"");
    scim_buffer_append(out, created, SCIM_TIME_TEXT_LEN);
    scim_buffer_append_text(out, "\",\"lastModified\":\"");
    scim_buffer_append(out, modified, SCIM_TIME_TEXT_LEN);
    scim_buffer_append_text(out, "\",\"location\":\"");
    scim_buffer_append(out, base_url, base_url_len);
    scim_buffer_append_text(out, endpoint);
    scim_buffer_append_char(out, '/');
    scim_buffer_append(out, id, id_len);
    scim_buffer_append_text(out, "\",\"version\":\"W/\\\"");
    scim_buffer_append_number(out, (long long) record->version);
    scim_buffer_append_text(out, "\\\"\"}}");
}
