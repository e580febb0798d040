/* docs/operations.md holds the options of both programs as their tables say.
 * PINFOLD_PRINT=1 prints the tables, to be put there.
 */
#include "agent/config.h"
#include "coordinator/config.h"
#include "proto/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOCUMENT_MAX = 1 << 20 };

static void check(const struct conf_table *t)
{
    struct buf doc = BUF_INIT, table = BUF_INIT;
    enum err e = identity_read_file(PINFOLD_SOURCE_DIR "/docs/operations.md",
                                    DOCUMENT_MAX, &doc, NULL);

    assert_int_equal(e, ERR_OK);
    conf_markdown(t, &table);
    if (getenv("PINFOLD_PRINT") != NULL)
        printf("\n%s", buf_cstr(&table));
    if (memmem(doc.p, doc.n, table.p, table.n) == NULL)
        fail_msg("docs/operations.md lacks the options of %s as they are",
                 t->program);
    buf_free(&doc);
    buf_free(&table);
}

static void test_coordinator(void **state)
{
    (void)state;
    check(config_table());
}

static void test_agent(void **state)
{
    (void)state;
    check(agent_config_table());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coordinator),
        cmocka_unit_test(test_agent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
