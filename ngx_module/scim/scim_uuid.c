#include "scim_uuid.h"

#include <string.h>


void
scim_uuid_v7(int64_t ms, const unsigned char random[10], char *out)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char     bytes[16];

    for (int i = 0; i < 6; i++) {
        bytes[i] = (unsigned char) ((uint64_t) ms >> (8 * (5 - i)));
    }
    memcpy(bytes + 6, random, 10);
    bytes[6] = (unsigned char) (0x70 | (bytes[6] & 0x0f));
    bytes[8] = (unsigned char) (0x80 | (bytes[8] & 0x3f));
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = hex[bytes[i] >> 4];
        *out++ = hex[bytes[i] & 0x0f];
    }
    *out = '\0';
}


bool
scim_uuid_valid(const char *text, size_t len)
{
    if (len != SCIM_UUID_LEN) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = text[i] | 0x20;

        if (dash ? text[i] != '-'
                 : !((text[i] >= '0' && text[i] <= '9')
                     || (c >= 'a' && c <= 'f')))
        {
            return false;
        }
    }
    return true;
}
