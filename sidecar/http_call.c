#include "http_call.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "address_guard.h"
#include "retry_after.h"

#define CONNECT_TIMEOUT_MAX_MS 5000
#define HEADERS_MAX 65536
#define KEEP_ALIVE_SECONDS 60L
/* an app that moves is found soon; connections are kept anyway */
#define NAME_CACHE_SECONDS 5L
/* an answer that drips in is given up before the time limit */
#define SLOW_AFTER_MS 5000
#define SLOW_BYTES_PER_SECOND 16


static bool
is_too_slow(http_call_t *call, size_t len)
{
    int64_t now = loop_monotonic(), ms;

    if (call->answered_at == 0) {
        call->answered_at = now;
    }
    call->answered_len += len;
    ms = now - call->answered_at;
    call->too_slow = ms > SLOW_AFTER_MS && (int64_t) call->answered_len * 1000
        < ms * SLOW_BYTES_PER_SECOND;
    return call->too_slow;
}


static size_t
on_body(char *bytes, size_t size, size_t count, void *data)
{
    http_call_t *call = data;

    if (is_too_slow(call, size * count)) {
        return 0;
    }
    if (!scim_buffer_append(&call->answer, bytes, size * count)) {
        call->too_big = true;
        return 0;
    }
    return size * count;
}


static void
keep_header(const char *line, size_t len, const char *name, char *out)
{
    size_t name_len = strlen(name);

    if (len <= name_len || strncasecmp(line, name, name_len) != 0) {
        return;
    }
    for (line += name_len, len -= name_len; len > 0 && *line == ' '; len--) {
        line++;
    }
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n')) {
        len--;
    }
    len = len < HTTP_HEADER_KEPT ? len : HTTP_HEADER_KEPT - 1;
    memcpy(out, line, len);
    out[len] = '\0';
}


/* Printable ASCII: what may stand in a URL as it is. */
static void
keep_link(http_call_t *call, const char *url, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (url[i] <= 0x20 || url[i] > 0x7e) {
            return;
        }
    }
    if (len < HTTP_LINK_KEPT) {
        memcpy(call->link_next, url, len);
        call->link_next[len] = '\0';
    }
}


/* A Link header with the relation `next` (RFC 8288): pages go on. */
static void
read_link(http_call_t *call, const char *line, size_t len)
{
    char        link[2 * HTTP_LINK_KEPT];
    char       *open, *close;
    const char *end;
    size_t      kept = len < sizeof(link) ? len : sizeof(link) - 1;

    if (len < 5 || strncasecmp(line, "link:", 5) != 0) {
        return;
    }
    memcpy(link, line, kept);
    link[kept] = '\0';
    for (open = strchr(link, '<'); open; open = strchr(close, '<')) {
        close = strchr(open, '>');
        if (close == NULL) {
            return;
        }
        end = strchr(close, '<');
        *close++ = '\0';
        for (char *p = close; *p && p != end; p++) {
            if (strncasecmp(p, "rel=\"next\"", 10) == 0
                || strncasecmp(p, "rel=next", 8) == 0)
            {
                call->more = true;
                keep_link(call, open + 1, strlen(open + 1));
                return;
            }
        }
    }
}


static size_t
on_header(char *bytes, size_t size, size_t count, void *data)
{
    size_t       len = size * count;
    http_call_t *call = data;

    call->headers_len += len;
    if (is_too_slow(call, len)) {
        return 0;
    }
    if (call->headers_len > HEADERS_MAX) {
        call->too_big = true;
        return 0;
    }
    if (len >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        /* an interim answer's headers are not the answer's */
        call->retry_after[0] = call->date[0] = '\0';
        call->limit = (rate_limit_t) RATE_LIMIT_NONE;
    }
    read_link(call, bytes, len);
    keep_header(bytes, len, "retry-after:", call->retry_after);
    keep_header(bytes, len, "date:", call->date);
    rate_limit_header(&call->limit, bytes, len, loop_wall());
    return len;
}


static size_t
on_read(char *out, size_t size, size_t count, void *data)
{
    http_call_t *call = data;
    size_t       len = call->body_len - call->body_sent;

    len = len < size * count ? len : size * count;
    memcpy(out, call->body + call->body_sent, len);
    call->body_sent += len;
    return len;
}


/*
 * Called before a request is sent, and when curl would send it again on a new
 * connection, because a kept one died without an answer.  The app may have
 * acted on the first.
 */
static int
on_send(void *data, char *peer, char *own, int peer_port, int own_port)
{
    http_call_t *call = data;

    (void) peer;
    (void) own;
    (void) peer_port;
    (void) own_port;
    call->again = call->sending;
    call->sending = true;
    return call->again ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}


static curl_socket_t
on_open(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    http_call_t *call = data;

    (void) purpose;
    if (!address_guard_allows(&address->addr, call->https,
        &call->conf->policy))
    {
        call->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC,
        address->protocol);
}


static void
set_certificate(const http_call_t *call)
{
    CURL *easy = call->easy;

    curl_easy_setopt(easy, CURLOPT_SSLCERT, call->certificate);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, call->key);
}


static void
set_body(http_call_t *call)
{
    bool  writes = strcmp(call->method, "GET") != 0;
    CURL *easy = call->easy;

    if (call->body == NULL && (!writes
        || strcmp(call->method, "DELETE") == 0))
    {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
        curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, NULL);
        return;
    }
    /* given whole, the body leaves together with the headers */
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
        (curl_off_t) call->body_len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body ? call->body : "");
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_send);
}


/* Is a host meant that has no network between us and it? */
static bool
is_loopback(const char *url)
{
    const char *host = strstr(url, "://") + 3;

    return strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]", 5) == 0;
}


/* SMTP, encrypted from the start or by STARTTLS; on loopback either way. */
static void
set_mail(http_call_t *call)
{
    CURL *easy = call->easy;
    bool  plain = strncmp(call->url, "smtp:", 5) == 0
        && is_loopback(call->url);

    call->https = !plain;
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_USE_SSL, (long) (plain ? CURLUSESSL_NONE
        : CURLUSESSL_ALL));
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, call->mail_from);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, call->mail_to);
    if (call->user) {
        curl_easy_setopt(easy, CURLOPT_USERNAME, call->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, call->password);
    }
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
        (curl_off_t) call->body_len);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, call);
    /* one mail, one connection: nothing is sent a second time by itself */
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
}


void
http_call_equip(CURL *easy, const http_client_conf_t *conf)
{
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    if (conf->ca_file) { /* else the system's */
        curl_easy_setopt(easy, CURLOPT_CAINFO, conf->ca_file);
    }
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "ngx_scim");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* or the end of a call waits, on the loop, for a look-up that hangs */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, KEEP_ALIVE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, NAME_CACHE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
}


void
http_call_prepare(http_call_t *call)
{
    CURL *easy = call->easy;
    long  connect_ms = call->timeout_ms < CONNECT_TIMEOUT_MAX_MS
        ? call->timeout_ms : CONNECT_TIMEOUT_MAX_MS;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_URL, call->url);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) call->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->problem);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    call->https = strncasecmp(call->url, "https:", 6) == 0;
    set_certificate(call);
    if (call->mail_to) {
        set_mail(call);
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
        set_body(call);
    }
}


void
http_call_strip(http_call_t *call)
{
    CURL *easy = call->easy;

    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
}


static bool
nothing_was_sent(const http_call_t *call)
{
    long  sent = 0;
    CURL *easy = call->easy;

    if (call->mail_to) {
        return call->body_sent == 0; /* a mail without a text is none */
    }
    if (call->again) {
        return false;
    }
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
    return sent == 0;
}


static const char *
problem_of(const http_call_t *call, CURLcode code)
{
    if (code == CURLE_OK) {
        return "";
    }
    if (call->refused && code == CURLE_COULDNT_CONNECT) {
        return "the host's address is not allowed";
    }
    if (call->too_big) {
        return "the answer is too big";
    }
    if (call->too_slow) {
        return "the answer is too slow";
    }
    if (call->again) {
        return "the connection was closed before an answer came";
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return "timed out";
    }
    return call->problem[0] ? call->problem : curl_easy_strerror(code);
}


void
http_call_answer(http_call_t *call, CURLcode code, http_answer_t *answer)
{
    long status = 0;

    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    answer->result = code == CURLE_OK ? HTTP_ANSWERED
        : nothing_was_sent(call) ? HTTP_NOT_SENT : HTTP_BROKEN;
    answer->status = (int) status;
    answer->body = call->answer.data ? call->answer.data : "";
    answer->body_len = call->answer.len;
    answer->problem = problem_of(call, code);
    answer->more = call->more;
    answer->next = call->link_next;
    answer->retry_after_ms = -1;
    rate_limit_advise(&call->limit, &answer->advice);
    if (call->retry_after[0]) {
        answer->retry_after_ms = retry_after_ms(call->retry_after,
            call->date[0] ? call->date : NULL, loop_wall());
    }
}


static bool
add_header(http_call_t *call, const char *header)
{
    struct curl_slist *list = curl_slist_append(call->headers, header);

    if (list == NULL) {
        return false;
    }
    call->headers = list;
    return true;
}


static bool
copy_mail(http_call_t *call, const http_request_t *request)
{
    call->mail_from = strdup(request->mail_from);
    call->mail_to = curl_slist_append(NULL, request->mail_to);
    call->user = request->user ? strdup(request->user) : NULL;
    call->password = request->user ? strdup(request->password) : NULL;
    return call->mail_from && call->mail_to
        && (request->user == NULL || (call->user && call->password));
}


static bool
copy_request(http_call_t *call, const http_request_t *request)
{
    call->method = strdup(request->method ? request->method : "");
    call->url = strdup(request->url);
    call->body_len = request->body ? request->body_len : 0;
    call->body = request->body ? malloc(call->body_len + 1) : NULL;
    if (request->certificate) {
        call->certificate = strdup(request->certificate);
        call->key = strdup(request->key);
        if (call->certificate == NULL || call->key == NULL) {
            return false;
        }
    }
    if (call->method == NULL || call->url == NULL
        || (request->body && call->body == NULL))
    {
        return false;
    }
    if (call->body) {
        memcpy(call->body, request->body, call->body_len);
    }
    if (request->mail_to) {
        return copy_mail(call, request);
    }
    for (const char *const *header = request->headers; *header; header++) {
        if (!add_header(call, *header)) {
            return false;
        }
    }
    /* a name alone takes away what curl would add by itself */
    return add_header(call, "Expect:")
        && (request->body || add_header(call, "Content-Type:"));
}


http_call_t *
http_call_new(const http_client_conf_t *conf, const http_request_t *request,
    http_done_pt done, void *data)
{
    http_call_t *call = calloc(1, sizeof(*call));

    if (call == NULL) {
        return NULL;
    }
    call->conf = conf;
    call->done = done;
    call->data = data;
    call->timeout_ms = request->timeout_ms;
    call->limit = (rate_limit_t) RATE_LIMIT_NONE;
    scim_buffer_init(&call->answer, request->answer_max);
    if (!copy_request(call, request)) {
        http_call_free(call);
        return NULL;
    }
    return call;
}


void
http_call_free(http_call_t *call)
{
    struct curl_slist *header;

    for (header = call->headers; header; header = header->next) {
        /* one of them holds the credential */
        explicit_bzero(header->data, strlen(header->data));
    }
    curl_slist_free_all(call->headers);
    scim_buffer_free(&call->answer);
    free(call->method);
    free(call->mail_from);
    curl_slist_free_all(call->mail_to);
    free(call->user);
    if (call->password) {
        explicit_bzero(call->password, strlen(call->password));
    }
    free(call->password);
    free(call->certificate);
    free(call->key);
    free(call->url);
    if (call->body) { /* a token request's body is a secret, too */
        explicit_bzero(call->body, call->body_len);
    }
    free(call->body);
    free(call);
}
