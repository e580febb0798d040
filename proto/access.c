#include "proto/access.h"
#include "proto/types.h"

#include <stdio.h>
#include <string.h>

static const struct {
    enum access_verb verb;
    const char *word;
} words[] = {{VERB_READ, "read"},
             {VERB_PIN, "pin"},
             {VERB_OPERATOR, "operator"},
             {VERB_ADMIN, "admin"},
             {VERB_QUALITY, "quality"},
             {VERB_CURATOR, "curator"}};

enum { WORDS = sizeof words / sizeof words[0] };

unsigned access_verbs_implied(unsigned verbs)
{
    if ((verbs & VERB_PIN) != 0)
        verbs |= VERB_QUALITY;
    if ((verbs & VERB_ADMIN) != 0)
        verbs |= VERB_CURATOR;
    return verbs;
}

void access_verbs_print(unsigned verbs, char out[ACCESS_VERBS_TEXT])
{
    size_t n = 0;

    out[0] = '\0';
    for (int k = 0; k < WORDS; k++)
        if ((verbs & words[k].verb) != 0)
            n += (size_t)snprintf(out + n, ACCESS_VERBS_TEXT - n, "%s%s",
                                  n > 0 ? "," : "", words[k].word);
}

static unsigned verb_of(const char *p, size_t n)
{
    for (int k = 0; k < WORDS; k++)
        if (strlen(words[k].word) == n && memcmp(words[k].word, p, n) == 0)
            return words[k].verb;
    return 0;
}

bool access_verbs_parse(const char *text, uint8_t *out)
{
    unsigned all = 0;

    for (;;) {
        size_t n = strcspn(text, ",");
        unsigned verb = verb_of(text, n);

        if (verb == 0 || (all & verb) != 0)
            return false;
        all |= verb;
        if (text[n] == '\0')
            break;
        text += n + 1;
    }
    *out = (uint8_t)all;
    return true;
}

bool access_name_valid(const char *name)
{
    size_t n = strlen(name);

    return n > 0 && n <= LIMIT_PRINCIPAL_NAME &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz"
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@+") == n;
}

bool access_org(uint32_t own, unsigned verbs, uint32_t org)
{
    return own == org ||
           (own == ORG_DEFAULT && (verbs & VERB_OPERATOR) != 0);
}

bool access_prefix_covers(const char *prefix, struct span name)
{
    size_t n = strlen(prefix);

    return n == 0 || (name.n >= n && memcmp(name.p, prefix, n) == 0);
}

bool access_password_valid(const char *hash)
{
    size_t form = strlen(ACCESS_PASSWORD_FORM), n = strlen(hash);

    return n > form && n <= LIMIT_PASSWORD_HASH &&
           memcmp(hash, ACCESS_PASSWORD_FORM, form) == 0 &&
           strspn(hash + form, "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/$") ==
               n - form;
}

uint32_t access_principal_at(const struct principal *rows, uint32_t n,
                             uint64_t id)
{
    uint32_t low = 0, high = n;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (rows[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t access_token_at(const struct token *rows, uint32_t n, uint64_t id)
{
    uint32_t low = 0, high = n;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (rows[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
