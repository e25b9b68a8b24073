#ifndef SIDECAR_LOG_H
#define SIDECAR_LOG_H

/*
 * Lines on standard error: time, level, text.  Ids only: never an e-mail
 * address, a name or a secret.  Control bytes are printed as '?'.
 */
typedef enum { LOG_LEVEL_ERROR, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG } log_level_t;

void log_set_level(log_level_t level);
void log_error(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
