/*
 * How fast one curl multi loop makes the calls that the sidecar makes for
 * invites, when it does nothing else: HTTP/1.1, kept connections, handles
 * used again.
 * usage: curl_limit URL COUNT CONCURRENCY
 * prints: {"calls":n,"seconds":s,"cpu_us":c,"errors":e}
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <curl/curl.h>

#define CONCURRENCY_MAX 256

typedef struct {
    CURL              *easy;
    struct curl_slist *headers;
    char               body[128];
} call_t;

typedef struct {
    CURLM      *multi;
    const char *url;
    long        count, started, ended, errors;
    call_t      calls[CONCURRENCY_MAX];
} bench_t;


static void
fail(const char *what)
{
    fprintf(stderr, "curl_limit: %s\n", what);
    exit(1);
}


static size_t
on_answer(char *bytes, size_t size, size_t count, void *data)
{
    (void) bytes;
    (void) data;
    return size * count;
}


static void
add_header(call_t *call, const char *line)
{
    call->headers = curl_slist_append(call->headers, line);
    if (call->headers == NULL) {
        fail("out of memory");
    }
}


static void
make_call(bench_t *bench, call_t *call)
{
    call->easy = curl_easy_init();
    if (call->easy == NULL) {
        fail("out of memory");
    }
    add_header(call, "Accept: application/json");
    add_header(call, "Content-Type: application/json");
    add_header(call, "Idempotency-Key: 01900000-0000-7000-8000-000000000000");
    add_header(call, "Expect:");
    curl_easy_setopt(call->easy, CURLOPT_URL, bench->url);
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(call->easy, CURLOPT_USERAGENT, "ngx_scim");
    curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(call->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(call->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, 10000L);
    curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->body);
    curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
}


static void
start(bench_t *bench, call_t *call)
{
    snprintf(call->body, sizeof(call->body),
        "{\"email\":\"p%ld@example.com\",\"role\":\"member\"}",
        bench->started++);
    if (curl_multi_add_handle(bench->multi, call->easy) != CURLM_OK) {
        fail("curl refuses a call");
    }
}


static void
end(bench_t *bench, CURL *easy, CURLcode code)
{
    long    status = 0;
    call_t *call = NULL;

    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
    bench->errors += code != CURLE_OK || status != 201;
    bench->ended++;
    curl_multi_remove_handle(bench->multi, easy);
    if (bench->started < bench->count) {
        start(bench, call);
    }
}


static void
run(bench_t *bench)
{
    int      running, left;
    CURLMsg *message;

    while (bench->ended < bench->count) {
        if (curl_multi_perform(bench->multi, &running) != CURLM_OK) {
            fail("curl stopped");
        }
        while ((message = curl_multi_info_read(bench->multi, &left))) {
            if (message->msg == CURLMSG_DONE) {
                end(bench, message->easy_handle, message->data.result);
            }
        }
        if (bench->ended < bench->count) {
            curl_multi_poll(bench->multi, NULL, 0, 1000, NULL);
        }
    }
}


static double
cpu_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6
        + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}


int
main(int argc, char **argv)
{
    long            concurrency;
    double          cpu;
    bench_t         bench = { 0 };
    struct timespec from, to;

    concurrency = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
    bench.count = argc == 4 ? strtol(argv[2], NULL, 10) : 0;
    if (concurrency <= 0 || concurrency > CONCURRENCY_MAX
        || bench.count < concurrency)
    {
        fprintf(stderr, "usage: curl_limit URL COUNT CONCURRENCY\n");
        return 2;
    }
    bench.url = argv[1];
    curl_global_init(CURL_GLOBAL_DEFAULT);
    bench.multi = curl_multi_init();
    if (bench.multi == NULL) {
        fail("out of memory");
    }
    curl_multi_setopt(bench.multi, CURLMOPT_MAXCONNECTS, concurrency);
    for (long i = 0; i < concurrency; i++) {
        make_call(&bench, &bench.calls[i]);
    }
    cpu = cpu_us();
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long i = 0; i < concurrency; i++) {
        start(&bench, &bench.calls[i]);
    }
    run(&bench);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("{\"calls\":%ld,\"seconds\":%.6f,\"cpu_us\":%.0f,"
        "\"errors\":%ld}\n", bench.ended, (double) (to.tv_sec - from.tv_sec)
        + (double) (to.tv_nsec - from.tv_nsec) / 1e9, cpu_us() - cpu,
        bench.errors);
    for (long i = 0; i < concurrency; i++) {
        curl_easy_cleanup(bench.calls[i].easy);
        curl_slist_free_all(bench.calls[i].headers);
    }
    curl_multi_cleanup(bench.multi);
    curl_global_cleanup();
    return bench.errors == 0 ? 0 : 1;
}
