#include "log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "loop.h"
#include "scim_time.h"

static log_level_t log_level = LOG_LEVEL_INFO;


void
log_set_level(log_level_t level)
{
    log_level = level;
}


static void
write_line(log_level_t level, const char *name, const char *format,
    va_list arguments)
{
    char line[1024], time[SCIM_TIME_TEXT_LEN + 1];

    if (level > log_level) {
        return;
    }
    vsnprintf(line, sizeof(line), format, arguments);
    for (char *p = line; *p; p++) {
        if ((unsigned char) *p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
    scim_time_format(loop_wall(), time);
    fprintf(stderr, "%s [%s] %s\n", time, name, line);
}


void
log_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line(LOG_LEVEL_ERROR, "error", format, arguments);
    va_end(arguments);
}


void
log_info(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line(LOG_LEVEL_INFO, "info", format, arguments);
    va_end(arguments);
}


void
log_debug(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line(LOG_LEVEL_DEBUG, "debug", format, arguments);
    va_end(arguments);
}
