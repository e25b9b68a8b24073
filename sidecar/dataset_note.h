#ifndef SIDECAR_DATASET_NOTE_H
#define SIDECAR_DATASET_NOTE_H

#include "conf.h"

/*
 * The data set that this sidecar knows, in a file of its state directory: an
 * empty or older one is never read as 'nobody should have access'.
 */

/* `appended`: events so far, over all shards.  What cannot be written is
 * logged. */
void dataset_note_write(const conf_t *conf, const char *dataset,
    long long appended);

/* False, and it is logged: it is another data set, or an older state of it. */
bool dataset_note_allows(const conf_t *conf, const char *id,
    long long appended);

#endif
