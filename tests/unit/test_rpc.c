/* Names of the daemon's commands, the owner's list, and what an agent is asked
 * to pass.
 */
#include "agent/proxy.h"
#include "proto/rpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_names(void **state)
{
    static const char *const good[] = {"id", "dag/put", "pin/remote/service/ls",
                                       "refs/local", "a-1/b"};
    static const char *const bad[] = {
        "", "/", "/id", "id/", "dag//put", "Id", "ID", "dag/Put", "..",
        "a/../b", ".", "a.b", "a%2fb", "a b", "a?b", "a\\b", "a\tb", "a;b",
        "caf\xc3\xa9", "a_b", "*", "files/*"};
    char text[LIMIT_COMMAND + 2];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!rpc_name_valid(span_text(good[i])))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (rpc_name_valid(span_text(bad[i])))
            fail_msg("%s", bad[i]);
    memset(text, 'a', sizeof text);
    assert_true(rpc_name_valid(span_of(text, LIMIT_COMMAND)));
    assert_false(rpc_name_valid(span_of(text, LIMIT_COMMAND + 1)));
    assert_false(rpc_name_valid(span_of("id\0", 3)));
}

static void test_never(void **state)
{
    static const char *const never[] = {
        "config", "config/show", "key", "key/list", "shutdown", "p2p",
        "p2p/ls", "pin", "pin/add", "pin/rm", "pin/remote/add", "update",
        "mount", "repo/gc", "add/x", "block/put/x", "dag/import/x",
        "dag/put/x", "dag/put/x/y"};
    static const char *const others[] = {"keys", "configs", "cat",
                                         "repo/stat", "shutdown-soon",
                                         "pins", "repo/gcx", "add", "block/put",
                                         "dag/put", "dag/import",
                                         "dag/putx"};

    (void)state;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        struct span name = span_text(never[i]);

        if (!rpc_never(name) || rpc_listed(never[i], name) ||
            rpc_listed("config/*,key/*,p2p/*,pin/*,repo/*,update,dag/*,"
                       "add/*,block/*", name) ||
            rpc_reads(name))
            fail_msg("%s", never[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (rpc_never(span_text(others[i])))
            fail_msg("%s", others[i]);
}

static void test_lists(void **state)
{
    static const struct {
        const char *list, *text; /* NULL: good */
    } lists[] = {
        {"none", NULL}, {"id", NULL}, {"id, files/*", NULL},
        {RPC_LIST_DEFAULT, NULL}, {"none,id", "none stands alone"},
        {"*", "\"*\" is no command"}, {"/*", "is no command"},
        {"Id", "\"Id\" is no command"}, {"id,/cat", "\"/cat\""},
        {"id,config/show", "config/show never passes"},
        {"key/*", "key/* never passes"}, {"pin/*", "pin/* never passes"},
        {"repo/gc", "repo/gc never passes"}, {"a/*/b", "is no command"}};
    struct err_text why;

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        enum err e = rpc_list_check(lists[i].list, &why);

        if ((e == ERR_OK) != (lists[i].text == NULL))
            fail_msg("%s: %s", lists[i].list, why.text);
        if (e != ERR_OK && strstr(why.text, lists[i].text) == NULL)
            fail_msg("%s: %s", lists[i].list, why.text);
    }
    assert_true(rpc_listed("id,files/*", span_text("files/ls")));
    assert_true(rpc_listed("id,files/*", span_text("files")));
    assert_true(rpc_listed("id , cat", span_text("cat")));
    assert_false(rpc_listed("id,files/*", span_text("filestore/ls")));
    assert_false(rpc_listed("id,files/*", span_text("id/x")));
    assert_false(rpc_listed("id", span_text("i")));
    assert_false(rpc_listed("none", span_text("none")));
    assert_false(rpc_listed("repo/*", span_text("repo/gc")));
    assert_true(rpc_listed("repo/*", span_text("repo/stat")));
    assert_false(rpc_listed(RPC_LIST_DEFAULT, span_text("refs/local")));
    assert_false(rpc_listed(RPC_LIST_DEFAULT, span_text("block/rm")));
    assert_false(rpc_listed(RPC_LIST_DEFAULT, span_text("files/write")));
}

static void test_reads(void **state)
{
    (void)state;
    assert_true(rpc_reads(span_text("cat")));
    assert_true(rpc_reads(span_text("files/ls")));
    assert_false(rpc_reads(span_text("files/rm")));
    assert_false(rpc_reads(span_text("add")));
    assert_false(rpc_reads(span_text("block/put")));
    assert_false(rpc_reads(span_text("catalog")));
}

static void test_targets(void **state)
{
    static const struct {
        const char *arguments;
        bool put;
        enum err e;
        const char *text; /* of the error, or the query */
    } rows[] = {
        {"id", false, ERR_OK, ""},
        {"cat?arg=x&length=1", false, ERR_OK, "arg=x&length=1"},
        {"cat?", false, ERR_OK, ""},
        {"block/put?pin=true", false, ERR_OK, "pin=true"},
        {"block/put?mhtype=x", true, ERR_OK, "mhtype=x"},
        {"dag/put", true, ERR_OK, ""},
        {"dag/put?pinned=1", true, ERR_OK, "pinned=1"},
        {"", false, ERR_INVALID, "no command"},
        {"?x", false, ERR_INVALID, "no command"},
        {"/id", false, ERR_INVALID, "no command"},
        {"id/../config", false, ERR_INVALID, "no command"},
        {"config/show", false, ERR_DENIED, "config/show never passes"},
        {"shutdown?x", false, ERR_DENIED, "shutdown never passes"},
        {"files/rm?arg=x", false, ERR_DENIED, "files/rm is not among"},
        {"cat?arg=x", true, ERR_INVALID, "cat puts nothing"},
        {"dag/import", true, ERR_INVALID, "puts nothing"},
        {"block/put?pin=false", true, ERR_INVALID, "a put that pins"},
        {"block/put?x=1&pin", true, ERR_INVALID, "a put that pins"}};
    struct span command, query;
    struct err_text why;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum err e = proxy_target(span_text(rows[i].arguments), rows[i].put,
                                  RPC_LIST_DEFAULT, &command, &query, &why);

        if (e != rows[i].e)
            fail_msg("%s: %s", rows[i].arguments, err_name(e));
        if (e == ERR_OK && !span_is(query, rows[i].text))
            fail_msg("%s", rows[i].arguments);
        if (e != ERR_OK && strstr(why.text, rows[i].text) == NULL)
            fail_msg("%s: %s", rows[i].arguments, why.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),  cmocka_unit_test(test_never),
        cmocka_unit_test(test_lists),  cmocka_unit_test(test_reads),
        cmocka_unit_test(test_targets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
