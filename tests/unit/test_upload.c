/* The arguments of an upload: what a coordinator may have the daemon do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/upload.h"

#include <string.h>

static void passes(const char *query, const char *expected)
{
    struct buf b = BUF_INIT;
    struct err_text why;

    assert_int_equal(upload_arguments(span_text(query), &b, &why), ERR_OK);
    assert_string_equal(buf_cstr(&b), expected);
    buf_free(&b);
}

static void refused(const char *query, const char *word)
{
    struct buf b = BUF_INIT;
    struct err_text why;

    assert_int_equal(upload_arguments(span_text(query), &b, &why),
                     ERR_INVALID);
    assert_non_null(strstr(why.text, word));
    buf_free(&b);
}

static void test_pins_nothing(void **state)
{
    (void)state;
    passes("", "pin=false");
    passes("pin=false", "pin=false");
    passes("cid-version=1&raw-leaves=true&chunker=size-1048576&pin=false",
           "cid-version=1&raw-leaves=true&chunker=size-1048576&pin=false");
    passes("progress&&hidden=", "progress=&hidden=&pin=false");
    refused("pin=true", "pin");
    refused("pin", "pin");
    refused("chunker=a&pin=false&pin=true", "twice");
}

static void test_refuses_what_is_not_on_the_list(void **state)
{
    (void)state;
    refused("nocopy=true", "nocopy");
    refused("inline=true", "inline");
    refused("to-files=/x", "to-files");
    refused("%70in=true", "%70in");
    refused("arg=x", "arg");
    refused("=x", "\"\"");
    refused("pin-name=x", "pin-name");
    refused("chunker=a&chunker=b", "twice");
}

static void test_values_stay_encoded(void **state)
{
    (void)state;
    refused("chunker=a b", "chunker");
    refused("chunker=a\r\nHost:x", "chunker");
    refused("chunker=a#b", "chunker");
    passes("chunker=a%20b", "chunker=a%20b&pin=false");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pins_nothing),
        cmocka_unit_test(test_refuses_what_is_not_on_the_list),
        cmocka_unit_test(test_values_stay_encoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
