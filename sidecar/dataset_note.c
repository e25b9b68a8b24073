#include "dataset_note.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

#define PATH_LEN_MAX 512


static void
note_path(const conf_t *conf, char *path, const char *suffix)
{
    snprintf(path, PATH_LEN_MAX, "%s/dataset-%s%s", conf->state_dir,
        conf->name, suffix);
}


void
dataset_note_write(const conf_t *conf, const char *dataset,
    long long appended)
{
    char  path[PATH_LEN_MAX], new_path[PATH_LEN_MAX];
    FILE *out;

    note_path(conf, path, "");
    note_path(conf, new_path, ".new");
    out = fopen(new_path, "w");
    if (out == NULL) {
        log_error("%s: %s", new_path, strerror(errno));
        return;
    }
    fprintf(out, "%s %lld\n", dataset, appended);
    if (fclose(out) != 0 || rename(new_path, path) != 0) {
        log_error("%s: %s", path, strerror(errno));
    }
}


static bool
read_note(const conf_t *conf, char *dataset, long long *appended)
{
    char  path[PATH_LEN_MAX];
    FILE *in;
    bool  ok;

    note_path(conf, path, "");
    in = fopen(path, "r");
    if (in == NULL) {
        return false;
    }
    ok = fscanf(in, "%79s %lld", dataset, appended) == 2;
    fclose(in);
    return ok;
}


bool
dataset_note_allows(const conf_t *conf, const char *id, long long appended)
{
    char      noted[80] = "";
    long long noted_appended = 0;

    if (!read_note(conf, noted, &noted_appended)) {
        return true; /* the first one we see */
    }
    if (strcmp(noted, id) != 0) {
        log_error("redis holds data set %s, known is %s: nothing is done. "
            "To accept it remove the file dataset-%s in %s", id, noted,
            conf->name, conf->state_dir);
        return false;
    }
    if (appended < noted_appended) {
        log_error("redis holds an older state of data set %s (%lld events, "
            "%lld were seen): nothing is done. To accept it remove the file "
            "dataset-%s in %s", id, appended, noted_appended,
            conf->name, conf->state_dir);
        return false;
    }
    return true;
}
