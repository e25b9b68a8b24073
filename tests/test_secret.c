#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "secret.h"

typedef struct {
    char folder[PATH_MAX]; /* with allowed/ and outside/ in it */
    char allowed[PATH_MAX + 16];
} fixture_t;


static void
write_file(const char *folder, const char *name, const char *bytes,
    size_t len)
{
    char  path[PATH_MAX + 64];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}


static int
setup(void **state)
{
    char       path[PATH_MAX + 64];
    fixture_t *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    strcpy(f->folder, "/tmp/test_secret.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->allowed, sizeof(f->allowed), "%s/allowed", f->folder);
    snprintf(path, sizeof(path), "%s/outside", f->folder);
    assert_int_equal(mkdir(f->allowed, 0700), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(path, "token", "outside", 7);
    snprintf(path, sizeof(path), "%s/link", f->allowed);
    assert_int_equal(symlink("../outside/token", path), 0);
    snprintf(path, sizeof(path), "%s/inner", f->allowed);
    assert_int_equal(symlink("token", path), 0);
    snprintf(path, sizeof(path), "%s/pipe", f->allowed);
    assert_int_equal(mkfifo(path, 0600), 0);
    *state = f;
    return 0;
}


static int
teardown(void **state)
{
    char       command[PATH_MAX + 64];
    fixture_t *f = *state;

    snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}


/* Reads file:<allowed>/<name>; the text, or the problem after a '!'. */
static void
reads(const fixture_t *f, const char *allow, const char *name,
    const char *expected)
{
    char              reference[PATH_MAX + 64];
    bool              read;
    const char       *problem = "";
    scim_buffer_t     out;
    scim_app_policy_t policy = { .secret_files = allow };

    snprintf(reference, sizeof(reference), "file:%s/%s", f->allowed, name);
    scim_buffer_init(&out, SECRET_MAX + 8);
    scim_buffer_append_text(&out, "Bearer ");
    read = secret_read(reference, &policy, &out, &problem);
    if (expected == NULL) {
        assert_false(read);
        assert_true(problem[0] != '\0');
    } else {
        if (!read) {
            fail_msg("%s: %s", name, problem);
        }
        assert_memory_equal(out.data, "Bearer ", 7);
        assert_string_equal(out.data + 7, expected);
    }
    secret_free(&out);
}


static void
a_file_inside_an_allowed_folder_is_read(void **state)
{
    fixture_t *f = *state;

    write_file(f->allowed, "token", "s3cr3t\r\n\n", 9);
    reads(f, f->allowed, "token", "s3cr3t");
    reads(f, f->allowed, "inner", "s3cr3t");
    reads(f, "*", "token", "s3cr3t");
    write_file(f->allowed, "token", "rotated", 7);
    reads(f, f->allowed, "token", "rotated");
}


static void
links_do_not_lead_out_of_an_allowed_folder(void **state)
{
    fixture_t *f = *state;

    reads(f, f->allowed, "link", NULL);
    reads(f, f->folder, "link", "outside");
    reads(f, "/etc", "link", NULL);
    reads(f, NULL, "link", NULL);
}


static void
what_is_no_usable_secret_is_refused(void **state)
{
    char      *big = calloc(1, SECRET_MAX + 2);
    fixture_t *f = *state;

    assert_non_null(big);
    reads(f, f->allowed, "absent", NULL);
    reads(f, f->allowed, "pipe", NULL);
    write_file(f->allowed, "token", "", 0);
    reads(f, f->allowed, "token", NULL);
    write_file(f->allowed, "token", "\n\n", 2);
    reads(f, f->allowed, "token", NULL);
    write_file(f->allowed, "token", "a\nb", 3);
    reads(f, f->allowed, "token", NULL);
    write_file(f->allowed, "token", "a\0b", 3);
    reads(f, f->allowed, "token", NULL);
    memset(big, 'x', SECRET_MAX + 1);
    write_file(f->allowed, "token", big, SECRET_MAX);
    reads(f, f->allowed, "token", (big[SECRET_MAX] = '\0', big));
    big[SECRET_MAX] = 'x';
    write_file(f->allowed, "token", big, SECRET_MAX + 1);
    reads(f, f->allowed, "token", NULL);
    free(big);
}


static void
environment_variables_are_read_within_the_list(void **state)
{
    const char       *problem = "";
    scim_buffer_t     out;
    scim_app_policy_t policy = { .secret_env = "SECRET_TEST_A" };

    (void) state;
    setenv("SECRET_TEST_A", "one", 1);
    setenv("SECRET_TEST_B", "two", 1);
    scim_buffer_init(&out, SECRET_MAX);
    assert_true(secret_read("env:SECRET_TEST_A", &policy, &out, &problem));
    assert_string_equal(out.data, "one");
    assert_false(secret_read("env:SECRET_TEST_B", &policy, &out, &problem));
    assert_string_equal(out.data, "one");
    unsetenv("SECRET_TEST_A");
    assert_false(secret_read("env:SECRET_TEST_A", &policy, &out, &problem));
    assert_string_equal(problem, "the secret's variable is not set");
    assert_false(secret_read("plain", &policy, &out, &problem));
    secret_free(&out);
}


#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_file_inside_an_allowed_folder_is_read),
        CASE(links_do_not_lead_out_of_an_allowed_folder),
        CASE(what_is_no_usable_secret_is_refused),
        CASE(environment_variables_are_read_within_the_list)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
