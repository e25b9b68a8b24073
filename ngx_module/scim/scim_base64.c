#include "scim_base64.h"


bool
scim_base64_valid(const char *text, size_t len)
{
    bool   standard = false, url = false;
    size_t digits = len;

    while (digits > 0 && len - digits < 2 && text[digits - 1] == '=') {
        digits--;
    }
    if (digits % 4 == 1 || (digits < len && len % 4 != 0)) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        char c = text[i];

        if (c == '+' || c == '/') {
            standard = true;
        } else if (c == '-' || c == '_') {
            url = true;
        } else if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z')
                   && !(c >= '0' && c <= '9'))
        {
            return false;
        }
    }
    return !(standard && url);
}
