#include "app_cache.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_LEN  10
#define BUCKET_COUNT 256

typedef struct entry_s entry_t;

struct entry_s {
    scim_app_t app; /* first: what is lent leads back to its entry */
    entry_t   *next;
    uint32_t   hash;
    unsigned   uses;
    size_t     len;
    char       record[];
};

struct app_cache_s {
    entry_t *buckets[BUCKET_COUNT];
    unsigned count;
    unsigned hand; /* the bucket that gives way next */
};


/* FNV-1a over the version and some of the text: the id stands early. */
static uint32_t
hash_of(const char *record, size_t len)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < len && i < 96; i++) {
        hash = (hash ^ (unsigned char) record[i]) * 16777619u;
    }
    return hash ^ (uint32_t) len;
}


static void
entry_free(entry_t *entry)
{
    scim_app_free(&entry->app);
    free(entry);
}


/* One that nobody uses goes, if there is one. */
static void
make_room(app_cache_t *cache)
{
    for (unsigned i = 0; i < BUCKET_COUNT; i++) {
        entry_t **at = &cache->buckets[cache->hand++ % BUCKET_COUNT];

        for (; *at; at = &(*at)->next) {
            entry_t *entry = *at;

            if (entry->uses == 0) {
                *at = entry->next;
                entry_free(entry);
                cache->count--;
                return;
            }
        }
    }
}


static entry_t *
entry_new(const char *record, size_t len, uint32_t hash)
{
    entry_t *entry;

    if (len < VERSION_LEN) {
        return NULL;
    }
    entry = calloc(1, sizeof(*entry) + len);
    if (entry == NULL) {
        return NULL;
    }
    if (!scim_app_read(record + VERSION_LEN, len - VERSION_LEN, &entry->app)) {
        free(entry);
        return NULL;
    }
    memcpy(entry->record, record, len);
    entry->len = len;
    entry->hash = hash;
    return entry;
}


app_cache_t *
app_cache_new(void)
{
    return calloc(1, sizeof(app_cache_t));
}


void
app_cache_free(app_cache_t *cache)
{
    if (cache == NULL) {
        return;
    }
    for (unsigned i = 0; i < BUCKET_COUNT; i++) {
        while (cache->buckets[i]) {
            entry_t *entry = cache->buckets[i];

            cache->buckets[i] = entry->next;
            entry_free(entry);
        }
    }
    free(cache);
}


const scim_app_t *
app_cache_read(app_cache_t *cache, const char *record, size_t len)
{
    entry_t  *entry;
    uint32_t  hash = hash_of(record, len);
    entry_t **bucket = &cache->buckets[hash % BUCKET_COUNT];

    for (entry = *bucket; entry; entry = entry->next) {
        if (entry->hash == hash && entry->len == len
            && memcmp(entry->record, record, len) == 0)
        {
            entry->uses++;
            return &entry->app;
        }
    }
    entry = entry_new(record, len, hash);
    if (entry == NULL) {
        return NULL;
    }
    if (cache->count >= APP_CACHE_MAX) {
        make_room(cache);
    }
    entry->uses = 1;
    entry->next = *bucket;
    *bucket = entry;
    cache->count++;
    return &entry->app;
}


void
app_cache_release(app_cache_t *cache, const scim_app_t *app)
{
    entry_t *entry = (entry_t *) app;

    (void) cache;
    if (entry) {
        entry->uses--;
    }
}
