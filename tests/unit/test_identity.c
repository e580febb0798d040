#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/identity.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 256 };

struct place {
    char root[64]; /* temporary directory */
    char dir[PATH], key[PATH], lock[PATH];
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    snprintf(p->root, sizeof p->root, "/tmp/pinfold-identity-XXXXXX");
    assert_non_null(mkdtemp(p->root));
    snprintf(p->dir, PATH, "%s/data", p->root);
    snprintf(p->key, PATH, "%s/data/key", p->root);
    snprintf(p->lock, PATH, "%s/data/lock", p->root);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    static const char *const NAMES[] = {
        "data/key", "data/key.new", "data/lock", "data/other", "data/file",
        "data/file.new"
    };
    char path[PATH];
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        snprintf(path, PATH, "%s/%s", p->root, NAMES[i]);
        unlink(path);
    }
    chmod(p->dir, 0700);
    rmdir(p->dir);
    unlink(p->dir);
    assert_int_equal(rmdir(p->root), 0);
    free(p);
    return 0;
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static void put(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

/* Opening must fail so, name the path, and leave nothing held. */
static void refused(struct place *p, enum err expect, const char *named)
{
    struct identity id;
    struct err_text why = {""};
    assert_int_equal(identity_open(p->dir, &id, &why), expect);
    if (strstr(why.text, named) == NULL)
        fail_msg("\"%s\" does not name %s", why.text, named);
    assert_int_equal(id.lock_fd, -1);
    assert_null(id.secret);
}

static void makes_a_key_once(void **state)
{
    struct place *p = *state;
    struct identity a, b;
    struct err_text why;
    mode_t before = umask(0777);
    enum err e = identity_open(p->dir, &a, &why);
    umask(before);
    assert_int_equal(e, ERR_OK);
    assert_int_equal(mode_of(p->dir), 0700);
    assert_int_equal(mode_of(p->key), 0600);
    assert_int_equal(mode_of(p->lock), 0600);
    struct buf text = BUF_INIT;
    assert_int_equal(identity_read_file(p->key, 1000, &text, &why), ERR_OK);
    assert_int_equal(text.n, 65);
    assert_int_equal(text.p[64], '\n');
    buf_free(&text);
    struct peerid peer;
    peerid_from_key(a.key, &peer);
    assert_true(peerid_equal(&peer, &a.peer));
    identity_close(&a);
    assert_int_equal(identity_open(p->dir, &b, &why), ERR_OK);
    assert_true(peerid_equal(&peer, &b.peer));
    identity_close(&b);
    identity_close(&b);
}

/* RFC 8032, 7.1, test 1. */
static void public_half_of_a_known_seed(void **state)
{
    struct place *p = *state;
    static const uint8_t PUBLIC[] = {
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe,
        0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6,
        0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a
    };
    struct identity id;
    struct err_text why;
    assert_int_equal(mkdir(p->dir, 0700), 0);
    put(p->key, "9d61b19deffd5a60ba844af492ec2cc4"
        "4449c5697b326919703bac031cae7f60\n", 0600);
    assert_int_equal(identity_open(p->dir, &id, &why), ERR_OK);
    assert_memory_equal(id.key, PUBLIC, sizeof PUBLIC);
    identity_close(&id);
}

static void two_places_two_keys(void **state)
{
    struct place *p = *state;
    struct identity a, b;
    struct err_text why;
    char other[PATH];
    assert_int_equal(identity_open(p->dir, &a, &why), ERR_OK);
    snprintf(other, PATH, "%s/other/", p->root);
    assert_int_equal(identity_open(other, &b, &why), ERR_OK);
    assert_false(peerid_equal(&a.peer, &b.peer));
    identity_close(&a);
    identity_close(&b);
    snprintf(other, PATH, "rm -r %s/other", p->root);
    assert_int_equal(system(other), 0);
}

static void second_opener_is_refused(void **state)
{
    struct place *p = *state;
    struct identity id;
    struct err_text why;
    assert_int_equal(identity_open(p->dir, &id, &why), ERR_OK);
    refused(p, ERR_LOCKED, p->dir);
    refused(p, ERR_LOCKED, p->dir);
    identity_close(&id);
    assert_int_equal(identity_open(p->dir, &id, &why), ERR_OK);
    identity_close(&id);
}

static void key_open_to_others_is_refused(void **state)
{
    struct place *p = *state;
    struct identity id;
    struct err_text why;
    assert_int_equal(identity_open(p->dir, &id, &why), ERR_OK);
    identity_close(&id);
    static const mode_t BAD[] = {0640, 0620, 0610, 0604, 0602, 0601, 0644};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_int_equal(chmod(p->key, BAD[i]), 0);
        refused(p, ERR_DENIED, p->key);
    }
    assert_int_equal(chmod(p->key, 0400), 0);
    assert_int_equal(identity_open(p->dir, &id, &why), ERR_OK);
    identity_close(&id);
}

static void damaged_key_is_refused(void **state)
{
    struct place *p = *state;
    static const char GOOD[] = "9d61b19deffd5a60ba844af492ec2cc4"
        "4449c5697b326919703bac031cae7f60\n";
    char text[80];
    assert_int_equal(mkdir(p->dir, 0700), 0);
    for (size_t n = 0; n < strlen(GOOD); n++) {
        snprintf(text, sizeof text, "%.*s", (int)n, GOOD);
        put(p->key, text, 0600);
        refused(p, ERR_CORRUPT, p->key);
    }
    snprintf(text, sizeof text, "%s\n", GOOD);
    put(p->key, text, 0600);
    refused(p, ERR_CORRUPT, p->key);
    for (size_t i = 0; i < strlen(GOOD); i++) {
        snprintf(text, sizeof text, "%s", GOOD);
        text[i] = i == 64 ? ' ' : 'g';
        put(p->key, text, 0600);
        refused(p, ERR_CORRUPT, p->key);
    }
}

static void foreign_things_in_its_place(void **state)
{
    struct place *p = *state;
    assert_int_equal(mkdir(p->dir, 0700), 0);
    assert_int_equal(mkfifo(p->key, 0600), 0);
    refused(p, ERR_CORRUPT, p->key); /* and does not hang */
    unlink(p->key);
    assert_int_equal(symlink("/dev/null", p->key), 0);
    refused(p, ERR_DENIED, p->key);
    unlink(p->key);
    assert_int_equal(mkdir(p->key, 0700), 0);
    refused(p, ERR_CORRUPT, p->key);
    rmdir(p->key);
    unlink(p->lock);
    rmdir(p->dir);
    put(p->dir, "a file", 0600);
    refused(p, ERR_INVALID, p->dir);
}

static void missing_parent_is_not_made(void **state)
{
    struct place *p = *state;
    snprintf(p->dir, PATH, "%s/no/data", p->root);
    refused(p, ERR_NOT_FOUND, p->dir);
    refused(p, ERR_NOT_FOUND, "the one above it does not exist");
}

static void unwritable_directory(void **state)
{
    struct place *p = *state;
    if (geteuid() == 0) {
        print_message("root may write everywhere\n");
        skip();
    }
    assert_int_equal(mkdir(p->dir, 0500), 0);
    refused(p, ERR_DENIED, p->lock);
}

static void left_over_temporary_file(void **state)
{
    struct place *p = *state;
    struct identity id;
    struct err_text why;
    char path[PATH];
    assert_int_equal(mkdir(p->dir, 0700), 0);
    snprintf(path, PATH, "%s/data/key.new", p->root);
    put(path, "9d61", 0644);
    assert_int_equal(identity_open(p->dir, &id, &why), ERR_OK);
    assert_int_equal(mode_of(p->key), 0600);
    assert_int_equal(access(path, F_OK), -1);
    identity_close(&id);
}

static void small_files(void **state)
{
    struct place *p = *state;
    struct err_text why;
    struct buf text = BUF_INIT;
    char path[PATH];
    assert_int_equal(mkdir(p->dir, 0700), 0);
    snprintf(path, PATH, "%s/data/file", p->root);
    assert_int_equal(identity_read_file(path, 10, &text, &why),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(why.text, path));
    assert_int_equal(identity_write_file(path, span_text("0123456789"),
                                         &why), ERR_OK);
    assert_int_equal(identity_read_file(path, 10, &text, &why), ERR_OK);
    assert_true(span_is(span_buf(&text), "0123456789"));
    assert_int_equal(identity_read_file(path, 9, &text, &why),
                     ERR_TOO_LARGE);
    assert_int_equal(identity_write_file(path, span_text(""), &why),
                     ERR_OK);
    assert_int_equal(identity_read_file(path, 10, &text, &why), ERR_OK);
    assert_int_equal(text.n, 0);
    assert_int_equal(mode_of(path), 0600);
    snprintf(path, PATH, "%s/data/no/file", p->root);
    assert_int_equal(identity_write_file(path, span_text("x"), &why),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(why.text, path));
    buf_free(&text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest TESTS[] = {
    CASE(makes_a_key_once),
    CASE(public_half_of_a_known_seed),
    CASE(two_places_two_keys),
    CASE(second_opener_is_refused),
    CASE(key_open_to_others_is_refused),
    CASE(damaged_key_is_refused),
    CASE(foreign_things_in_its_place),
    CASE(missing_parent_is_not_made),
    CASE(unwritable_directory),
    CASE(left_over_temporary_file),
    CASE(small_files),
};

int main(void)
{
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
