/* What config_check refuses of a coordinator's options: addresses beyond
 * loopback that are not protected.
 */
#include "coordinator/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static enum err check(const char *text, struct err_text *why)
{
    struct config c;
    enum err e;

    memset(&c, 0, sizeof c);
    e = conf_load_text(config_table(), &c, "test", span_text(text), why);
    if (e != ERR_OK)
        fail_msg("%s: %s", text, why->text);
    e = config_check(&c, why);
    conf_free(config_table(), &c);
    return e;
}

#define BASE "data-dir = /d\nname = c\n"
#define AUTH "auth = on\n"
#define TLS "tls-cert = /c\ntls-key = /k\n"
#define WIDE "listen-http = 127.0.0.1:9094, 192.0.2.1:9094\n"

static void test_beyond_loopback(void **state)
{
    static const struct {
        const char *text, *why; /* NULL: good */
    } cases[] = {
        {"", NULL},
        {TLS, NULL},
        {AUTH TLS, NULL},
        {AUTH TLS WIDE, NULL},
        {AUTH TLS "listen-http = 0.0.0.0:9094, [::]:9094\n", NULL},
        {"listen-http = unix:/a\n", NULL},
        {"probe-listen = 0.0.0.0:9093\n", NULL},
        {WIDE, "listen-http: 192.0.2.1:9094 is beyond loopback, which needs "
               "auth = on and TLS (tls-cert and tls-key)"},
        {AUTH WIDE, "listen-http: 192.0.2.1:9094 is beyond loopback, which "
                    "needs TLS (tls-cert and tls-key)"},
        {TLS WIDE, "listen-http: 192.0.2.1:9094 is beyond loopback, which "
                   "needs auth = on"},
        {AUTH TLS "listen-peers = 192.0.2.1:9096\n", "listen-peers: "},
        {AUTH TLS "listen-agents = 192.0.2.1:9098\n", "listen-agents: "},
        {"listen-peers = unix:/a\n", "listen-peers: unix:/a is a unix"},
        {"listen-agents = unix:/a\n", "listen-agents: unix:/a is a unix"},
        {"listen-peers = 127.0.0.1:0\n", "listen-peers: nobody could"},
        {"listen-agents = 127.0.0.1:0\n", "listen-agents: nobody could"},
        {"listen-http = unix:/a, 127.0.0.1:0\n", "listen-http: nobody"},
        {"tls-cert = /c\n", "tls-cert is given without tls-key"},
        {"tls-key = /k\n", "tls-key is given without tls-cert"},
        {"cors-origin = http://localhost:3000, https://a.example\n", NULL},
        {AUTH "cors-origin = *\n", NULL},
        {"cors-origin = *\n", "cors-origin: * without auth = on"},
        {AUTH "cors-origin = *, https://a\n", "cors-origin: '*' is no origin"},
        {"cors-origin = https://a/\n", "cors-origin: 'https://a/' is no"},
        {"cors-origin = a.example\n", "cors-origin: 'a.example' is no"},
        {"cors-origin = null\n", "cors-origin: 'null' is no"},
        {"cors-origin = https://*.a\n", "cors-origin: 'https://*.a' is no"},
        {"probe-listen = a b\n", "probe-listen: "},
        {"probe-listen = 127.0.0.1:9094\n",
         "two listeners have the address 127.0.0.1:9094"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err_text why = {""};
        char text[512] = BASE;
        enum err e;

        strncat(text, cases[i].text, sizeof text - sizeof BASE);
        e = check(text, &why);
        if ((e == ERR_OK) != (cases[i].why == NULL) ||
            (e != ERR_OK && strncmp(why.text, cases[i].why,
                                    strlen(cases[i].why)) != 0))
            fail_msg("%s: %s", cases[i].text, why.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beyond_loopback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
