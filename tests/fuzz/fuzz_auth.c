/* What stands in an Authorization header: a token has one spelling, and a
 * user's name and password are what Basic says. The first byte chooses.
 */
#include "coordinator/auth.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void token(struct span text)
{
    uint8_t secret[AUTH_SECRET];
    char again[AUTH_TOKEN_TEXT];
    uint64_t id;

    if (!auth_token_parse(text, &id, secret))
        return;
    auth_token_print(id, secret, again);
    need(span_equal(text, span_text(again)));
}

static void basic(struct span text)
{
    struct auth_basic b;

    if (!auth_basic_parse(text, &b))
        return;
    need(access_name_valid(b.name));
    need(b.password[0] != '\0' && strlen(b.password) <= AUTH_PASSWORD_MAX);
    need(strlen(b.org) <= LIMIT_ORG_NAME && strchr(b.org, '/') == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0)
        return 0;
    if (p[0] % 2 == 0)
        token(span_of(p + 1, n - 1));
    else
        basic(span_of(p + 1, n - 1));
    return 0;
}
