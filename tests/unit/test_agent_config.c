/* The agent's options: what one table row cannot see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BASE "coordinators = 127.0.0.1:1\n"

static enum err load(struct agent_config *c, const char *text,
                     struct err_text *why)
{
    char all[1024];
    enum err e;

    memset(c, 0, sizeof *c);
    snprintf(all, sizeof all, "data-dir = /d\n%s", text);
    e = conf_load_text(agent_config_table(), c, "test", span_text(all), why);
    return e == ERR_OK ? agent_config_check(c, why) : e;
}

static void refused(const char *text, const char *word)
{
    struct agent_config c;
    struct err_text why;

    assert_int_not_equal(load(&c, text, &why), ERR_OK);
    assert_non_null(strstr(why.text, word));
    conf_free(agent_config_table(), &c);
}

static void test_logs(void **state)
{
    struct agent_config c;
    struct err_text why;

    (void)state;
    refused(BASE "gateway-logs = /a, /b, /a\n",
            "/a is named twice");
    refused(BASE "reads-interval = 10ms\n",
            "reads-interval");
    assert_int_equal(load(&c, BASE
                              "gateway-logs = /var/log/a, /b\n", &why),
                     ERR_OK);
    assert_int_equal(conf_list_count(c.gateway_logs), 2);
    assert_int_equal(c.reads_ms, 10000);
    assert_int_equal(c.n_labels, 0); /* nothing is offered */
    conf_free(agent_config_table(), &c);
    refused(BASE "offer-reads = 9999999\n",
            "offer-reads");
    refused(BASE "offer-reads = 5\n"
            "labels = offer-reads=6\n", "given twice");
    assert_int_equal(load(&c, BASE
                              "offer-reads = 20\n", &why), ERR_OK);
    assert_int_equal(c.n_labels, 1);
    assert_string_equal(c.label[0].key, "offer-reads");
    assert_string_equal(c.label[0].value, "20");
    conf_free(agent_config_table(), &c);
}

static void test_defaults(void **state)
{
    struct agent_config c;
    struct err_text why;

    (void)state;
    unsetenv("IPFS_PATH");
    assert_int_equal(load(&c, "coordinators = 127.0.0.1:1, [::1]:2\n", &why),
                     ERR_OK);
    assert_int_equal(c.n_addrs, 2);
    assert_true(c.name[0] != '\0');
    assert_string_equal(c.kubo, "127.0.0.1:5001");
    assert_true(c.max_bytes == UINT64_MAX);
    assert_int_equal(c.concurrent_pins, 10);
    assert_int_equal(c.stall_ms, 120000);
    assert_int_equal(c.call_ms, 15000);
    assert_int_equal(c.backoff_ms, 10000);
    assert_true(c.http_on);
    assert_int_equal(c.http.port, 9099);
    assert_true(addr_is_loopback(&c.http));
    assert_true(agent_config_kubo_is_local(&c));
    conf_free(agent_config_table(), &c);
}

static void test_labels_are_sorted(void **state)
{
    struct agent_config c;
    struct err_text why;

    (void)state;
    assert_int_equal(load(&c, BASE "zone = z1\nregion = eu\n"
                          "labels = disk=ssd, a=b=c\n", &why), ERR_OK);
    assert_int_equal(c.n_labels, 4);
    assert_string_equal(c.label[0].key, "a");
    assert_string_equal(c.label[0].value, "b=c");
    assert_string_equal(c.label[2].key, "region");
    assert_string_equal(c.label[3].value, "z1");
    conf_free(agent_config_table(), &c);
}

static void test_http(void **state)
{
    struct agent_config c;
    struct err_text why;

    (void)state;
    assert_int_equal(load(&c, BASE "listen-http = none\n",
                          &why), ERR_OK);
    assert_false(c.http_on);
    conf_free(agent_config_table(), &c);
    assert_int_equal(load(&c, BASE "listen-http = unix:/h\n",
                          &why), ERR_OK);
    assert_true(c.http_on && c.http.is_unix);
    conf_free(agent_config_table(), &c);
    refused(BASE "listen-http = 10.0.0.1:9099\n",
            "beyond loopback");
    refused(BASE "listen-http = 0.0.0.0:9099\n",
            "listen-http");
    refused(BASE "listen-http = 127.0.0.1\n", "listen-http: the port");
    refused(BASE "listen-http = 127.0.0.1:0\n", "listen-http: nobody");
    refused(BASE "listen-http = 127.0.0.1:1,127.0.0.1:2\n",
            "listen-http: takes one");
}

static void test_refusals(void **state)
{
    (void)state;
    refused("", "coordinators");
    refused("coordinators = 10.0.0.1:1\n", "beyond loopback");
    refused("coordinators = example.com:1\n", "beyond loopback");
    refused("coordinators = 127.0.0.1:1,127.0.0.1:1\n", "twice");
    refused("coordinators = 127.0.0.1\n", "coordinators");
    refused("coordinators = unix:/s\n", "coordinators: unix:/s is no");
    refused("coordinators = 127.0.0.1:0\n", "coordinators: 127.0.0.1:0 is");
    refused(BASE "kubo = 127.0.0.1:0\n", "kubo: port 0");
    refused(BASE "kubo = 127.0.0.1\n", "kubo: the port");
    refused(BASE "labels = x\n", "key=value");
    refused(BASE "labels = zone=a\nzone = b\n", "twice");
    refused(BASE "labels = =b\n", "1 to");
    refused(BASE "backoff = 2h\n", "backoff");
    refused(BASE "backoff = 1h\nbackoff-max = 1m\n",
            "backoff-max");
    refused(BASE "concurrent-pins = 0\n", "concurrent-pins");
    refused(BASE "max-bytes = 1\n", "max-bytes");
    refused(BASE "recheck = 1ms\n", "recheck");
    refused(BASE "log-format = xml\n", "log-format");
    refused(BASE "nonsense = 1\n", "nonsense");
}

static bool local(const char *kubo)
{
    struct agent_config c = {.kubo = NULL};
    char text[128];
    struct err_text why;
    bool result;

    snprintf(text, sizeof text, BASE "kubo = %s\n", kubo);
    assert_int_equal(load(&c, text, &why), ERR_OK);
    result = agent_config_kubo_is_local(&c);
    conf_free(agent_config_table(), &c);
    return result;
}

static void test_where_the_daemon_is(void **state)
{
    (void)state;
    assert_true(local("127.0.0.1:5001"));
    assert_true(local("http://127.0.0.1:5001"));
    assert_true(local("/ip4/127.0.0.1/tcp/5001"));
    assert_true(local("/unix/run/ipfs.sock"));
    assert_true(local("unix:/run/ipfs.sock"));
    assert_false(local("10.1.2.3:5001"));
    assert_false(local("/ip4/10.1.2.3/tcp/5001"));
    assert_false(local("http://ipfs.example:5001"));
}

static void write_file(const char *path, const char *text, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    assert_int_equal(chmod(path, (mode_t)mode), 0);
}

static void test_the_authorization_file(void **state)
{
    char path[] = "/tmp/test_agent_config.XXXXXX";
    struct agent_config c;
    struct err_text why;
    char *value = NULL, text[128], link[64];
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    snprintf(link, sizeof link, "%s.link", path);
    assert_int_equal(symlink(path, link), 0);
    snprintf(text, sizeof text, BASE
             "kubo-authorization-file = %s\n", link);
    assert_int_equal(load(&c, text, &why), ERR_OK);
    write_file(path, "Bearer abc\n", 0600);
    assert_int_equal(agent_config_authorization(&c, &value, &why), ERR_OK);
    assert_string_equal(value, "Bearer abc");
    free(value);
    write_file(path, "Bearer abc\n", 0640);
    assert_int_equal(agent_config_authorization(&c, &value, &why),
                     ERR_DENIED);
    write_file(path, "Bearer\nX-Evil: 1\n", 0600);
    assert_int_equal(agent_config_authorization(&c, &value, &why),
                     ERR_INVALID);
    write_file(path, "\n", 0600);
    assert_int_equal(agent_config_authorization(&c, &value, &why),
                     ERR_INVALID);
    unlink(path);
    assert_int_not_equal(agent_config_authorization(&c, &value, &why),
                         ERR_OK);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_not_equal(agent_config_authorization(&c, &value, &why),
                         ERR_OK);
    assert_non_null(strstr(why.text, "kubo-authorization-file: "));
    rmdir(path);
    unlink(link);
    conf_free(agent_config_table(), &c);
}

static void test_the_daemons_own_file(void **state)
{
    char dir[] = "/tmp/test_agent_config.XXXXXX";
    char path[64];
    struct agent_config c;
    struct err_text why;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/api", dir);
    write_file(path, "/ip4/127.0.0.1/tcp/5999\n", 0600);
    setenv("IPFS_PATH", dir, 1);
    assert_int_equal(load(&c, BASE, &why), ERR_OK);
    assert_string_equal(c.kubo, "/ip4/127.0.0.1/tcp/5999");
    conf_free(agent_config_table(), &c);
    write_file(path, "garbage\n", 0600);
    refused(BASE, path); /* who set no kubo must be told where it is from */
    unlink(path);
    rmdir(dir);
    unsetenv("IPFS_PATH");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_logs),
        cmocka_unit_test(test_labels_are_sorted),
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_where_the_daemon_is),
        cmocka_unit_test(test_the_authorization_file),
        cmocka_unit_test(test_the_daemons_own_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
