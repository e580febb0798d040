/* The CLI's uploads: the walk over files, and the multipart bytes. */
#include "ctl/form.h"

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

static char folder[] = "/tmp/pinfold-form-XXXXXX";

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return -1;
    mkdir("tree", 0755);
    mkdir("tree/sub dir", 0755);
    mkdir("tree/empty", 0755);
    put("tree/b.txt", "bee");
    put("tree/a+ü.txt", "");
    put("tree/sub dir/c", "sea");
    put("tree/.hidden", "h");
    put("one", "1");
    return symlink("b.txt", "tree/link");
}

static int tear_down(void **state)
{
    static const char *const files[] = {
        "tree/b.txt", "tree/a+ü.txt", "tree/sub dir/c", "tree/.hidden",
        "one", "tree/link", "tree/pipe"};

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        unlink(files[i]);
    rmdir("tree/sub dir");
    rmdir("tree/empty");
    rmdir("tree");
    return chdir("/") != 0 || rmdir(folder) != 0;
}

static void body(char **roots, uint32_t n, bool hidden, size_t step,
                 struct buf *out)
{
    struct err_text why = {""};
    static struct walk w;
    struct form f;
    char part[512];
    long got;

    walk_init(&w, roots, n, true, hidden);
    form_init(&f, &w, "XX");
    while ((got = form_read(&f, part, step, &why)) > 0)
        buf_add(out, part, (size_t)got);
    if (got < 0)
        fail_msg("%s", why.text);
    assert_int_equal(form_read(&f, part, step, &why), 0);
    form_close(&f);
    walk_close(&w);
}

#define PART(name, type)                                                     \
    "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\""     \
    name "\"\r\nContent-Type: application/" type "\r\n\r\n"

static void test_bytes(void **state)
{
    static const char want[] =
        PART("tree", "x-directory")
        "\r\n" PART("tree%2Fa%2B%C3%BC.txt", "octet-stream")
        "\r\n" PART("tree%2Fb.txt", "octet-stream") "bee"
        "\r\n" PART("tree%2Fempty", "x-directory")
        "\r\n" PART("tree%2Flink", "symlink") "b.txt"
        "\r\n" PART("tree%2Fsub+dir", "x-directory")
        "\r\n" PART("tree%2Fsub+dir%2Fc", "octet-stream") "sea"
        "\r\n" PART("one", "octet-stream") "1"
        "\r\n--XX--\r\n";
    char tree[] = "./tree/", one[] = "one";
    char *roots[] = {tree, one};

    (void)state;
    for (size_t step = 1; step <= 512; step += 73) {
        struct buf out = BUF_INIT;

        body(roots, 2, false, step, &out);
        assert_string_equal(buf_cstr(&out), want);
        buf_free(&out);
    }
}

static void test_hidden_and_dots(void **state)
{
    struct buf out = BUF_INIT, name = BUF_INIT;
    char dot[] = ".", tree[] = "tree";
    char *roots[] = {tree};

    (void)state;
    body(roots, 1, true, 512, &out);
    assert_non_null(strstr(buf_cstr(&out), "tree%2F.hidden"));
    assert_true(walk_base(dot, &name));
    assert_string_equal(buf_cstr(&name), strrchr(folder, '/') + 1);
    assert_true(walk_base("tree//", &name));
    assert_string_equal(buf_cstr(&name), "tree");
    assert_true(walk_base("..", &name));
    assert_string_equal(buf_cstr(&name), "tmp");
    assert_true(walk_base("a/.x", &name));
    assert_string_equal(buf_cstr(&name), ".x");
    assert_false(walk_base("/", &name));
    buf_free(&out);
    buf_free(&name);
}

static enum err first_error(char *root, bool recursive, struct err_text *why)
{
    static struct walk w;
    struct walk_entry e;
    bool more;
    enum err error;

    walk_init(&w, &root, 1, recursive, false);
    while ((error = walk_next(&w, &e, &more, why)) == ERR_OK && more)
        continue;
    walk_close(&w);
    return error;
}

static void test_refused(void **state)
{
    struct err_text why;
    char none[] = "none", tree[] = "tree";

    (void)state;
    assert_int_equal(first_error(none, true, &why), ERR_NOT_FOUND);
    assert_string_equal(why.text, "none: No such file or directory");
    assert_int_equal(first_error(tree, false, &why), ERR_USAGE);
    assert_string_equal(why.text, "tree is a directory (add -r)");
    assert_int_equal(mkfifo("tree/pipe", 0600), 0);
    assert_int_equal(first_error(tree, true, &why), ERR_USAGE);
    assert_non_null(strstr(why.text, "tree/pipe: neither file"));
    unlink("tree/pipe");
    assert_int_equal(first_error(tree, true, &why), ERR_OK);
}

/* A file that goes while it is sent: an error, no end of the body. */
static void test_vanishes(void **state)
{
    struct err_text why = {""};
    static struct walk w;
    struct form f;
    char part[512], gone[] = "gone";
    char *roots[] = {gone};

    (void)state;
    walk_init(&w, roots, 1, false, false);
    form_init(&f, &w, "XX");
    assert_int_equal(form_read(&f, part, sizeof part, &why), -1);
    assert_string_equal(why.text, "gone: No such file or directory");
    form_close(&f);
    walk_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_hidden_and_dots),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_vanishes),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
