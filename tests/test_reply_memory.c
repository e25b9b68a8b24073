#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reply_memory.h"


static redisReader *
reader_new(reply_memory_t *memory)
{
    redisReader *reader = redisReaderCreate();

    assert_non_null(reader);
    reply_memory_use(memory, reader);
    return reader;
}


/* Fed byte by byte, so that every object is begun and continued. */
static redisReply *
read_reply(redisReader *reader, const char *text, size_t len)
{
    void *reply = NULL;

    for (size_t i = 0; i < len; i++) {
        assert_null(reply);
        assert_int_equal(redisReaderFeed(reader, text + i, 1), REDIS_OK);
        assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    }
    assert_non_null(reply);
    return reply;
}


static void
every_type_is_read(void **state)
{
    static const char text[] = "*6\r\n$2\r\nOK\r\n:-7\r\n$-1\r\n*2\r\n$0\r\n"
        "\r\n+fine\r\n-ERR no\r\n*0\r\n";
    reply_memory_t    memory;
    redisReader      *reader = reader_new(&memory);
    redisReply       *reply = read_reply(reader, text, sizeof(text) - 1);

    (void) state;
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    assert_int_equal(reply->elements, 6);
    assert_string_equal(reply->element[0]->str, "OK");
    assert_int_equal(reply->element[1]->integer, -7);
    assert_int_equal(reply->element[2]->type, REDIS_REPLY_NIL);
    assert_int_equal(reply->element[3]->elements, 2);
    assert_int_equal(reply->element[3]->element[0]->len, 0);
    assert_string_equal(reply->element[3]->element[0]->str, "");
    assert_int_equal(reply->element[3]->element[1]->type,
        REDIS_REPLY_STATUS);
    assert_int_equal(reply->element[4]->type, REDIS_REPLY_ERROR);
    assert_string_equal(reply->element[4]->str, "ERR no");
    assert_int_equal(reply->element[5]->elements, 0);
    reader->fn->freeObject(reply);
    redisReaderFree(reader);
}


static void
many_and_large_strings_stay_apart(void **state)
{
    static char    text[512 * 1024];
    size_t         len = (size_t) snprintf(text, sizeof(text), "*200\r\n");
    reply_memory_t memory;
    redisReader   *reader = reader_new(&memory);
    redisReply    *reply;

    (void) state;
    for (size_t i = 0; i < 200; i++) {
        size_t size = i % 7 * 500 + i;

        len += (size_t) snprintf(text + len, sizeof(text) - len, "$%zu\r\n",
            size);
        memset(text + len, 'a' + (int) (i % 26), size);
        len += size;
        memcpy(text + len, "\r\n", 2);
        len += 2;
    }
    reply = read_reply(reader, text, len);
    assert_int_equal(reply->elements, 200);
    for (size_t i = 0; i < 200; i++) {
        const redisReply *one = reply->element[i];

        assert_int_equal(one->len, i % 7 * 500 + i);
        assert_int_equal(one->str[one->len], '\0');
        for (size_t at = 0; at < one->len; at++) {
            assert_int_equal(one->str[at], 'a' + (int) (i % 26));
        }
    }
    reader->fn->freeObject(reply);
    redisReaderFree(reader);
}


static void
a_reply_outlives_the_next_one(void **state)
{
    reply_memory_t memory;
    redisReader   *reader = reader_new(&memory);
    redisReply    *first = read_reply(reader, "*1\r\n$1\r\na\r\n", 11);
    redisReply    *second = read_reply(reader, "$1\r\nb\r\n", 7);

    (void) state;
    assert_string_equal(first->element[0]->str, "a");
    assert_string_equal(second->str, "b");
    reader->fn->freeObject(first);
    assert_string_equal(second->str, "b");
    reader->fn->freeObject(second);
    redisReaderFree(reader);
}


static void
half_a_reply_goes_with_its_reader(void **state)
{
    void          *reply = NULL;
    reply_memory_t memory;
    redisReader   *reader = reader_new(&memory);

    (void) state;
    redisReaderFeed(reader, "*3\r\n$1\r\na\r\n", 11);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_null(reply);
    redisReaderFree(reader); /* a leak shows under a sanitizer */
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(many_and_large_strings_stay_apart),
        cmocka_unit_test(a_reply_outlives_the_next_one),
        cmocka_unit_test(half_a_reply_goes_with_its_reader)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
