#ifndef SCIMCTL_DOCTOR_H
#define SCIMCTL_DOCTOR_H

#include "scimctl_command.h"

/* Shared by scimctl_doctor*.c, and nobody else. */
typedef struct {
    command_t *command;
    json_t    *rows;
    unsigned   bad;
} doctor_t;

typedef enum { FINE, WARNING, WRONG } verdict_t;

/* A row; `advice` is what to do, unless it is FINE. */
void doctor_say(doctor_t *doctor, verdict_t verdict, const char *about,
    const char *found, const char *advice);

/* The version of the functions, and what this user may do in Redis. */
void doctor_check_library(doctor_t *doctor);
void doctor_check_access(doctor_t *doctor);

/* Of this workspace: who is told what happens. */
void doctor_check_webhooks(doctor_t *doctor);

#endif
