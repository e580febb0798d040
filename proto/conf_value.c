#include "proto/conf_value.h"

#include "proto/addr.h"
#include "proto/json.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool conf_value_is_text(const struct conf_option *o)
{
    switch (o->type) {
    case CONF_TEXT:
    case CONF_ADDR:
    case CONF_LIST:
    case CONF_CHOICE:
        return true;
    case CONF_U64:
    case CONF_BYTES:
    case CONF_MS:
    case CONF_BOOL:
        return false;
    }
    assert(false);
    return false;
}

struct suffix {
    const char *text;
    uint64_t factor;
};

static const struct suffix no_suffix[] = {{"", 1}, {NULL, 0}};
static const struct suffix byte_suffix[] = {
    {"", 1}, {"K", 1u << 10}, {"M", 1u << 20}, {"G", 1u << 30},
    {"T", UINT64_C(1) << 40}, {NULL, 0}};
static const struct suffix ms_suffix[] = {
    {"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};

static enum err parse_number(const char *text, const struct suffix *suffixes,
                             const char *form, uint64_t *out,
                             struct err_text *why)
{
    size_t n = strspn(text, "0123456789");
    uint64_t v = 0;

    if (n == 0)
        return err_set(why, ERR_INVALID, "'%.64s' is not %s", text, form);
    for (size_t i = 0; i < n; i++)
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(text[i] - '0'), &v))
            return err_set(why, ERR_INVALID, "'%.64s' is too large", text);
    for (; suffixes->text != NULL; suffixes++)
        if (strcmp(suffixes->text, text + n) == 0)
            break;
    if (suffixes->text == NULL)
        return err_set(why, ERR_INVALID, "'%.64s' is not %s", text, form);
    if (__builtin_mul_overflow(v, suffixes->factor, out))
        return err_set(why, ERR_INVALID, "'%.64s' is too large", text);
    return ERR_OK;
}

static enum err check_range(const struct conf_option *o, uint64_t v,
                            struct err_text *why)
{
    if (v < o->min)
        return err_set(why, ERR_INVALID, "%llu is below the minimum %llu",
                       (unsigned long long)v, (unsigned long long)o->min);
    if (o->max > 0 && v > o->max)
        return err_set(why, ERR_INVALID, "%llu is above the maximum %llu",
                       (unsigned long long)v, (unsigned long long)o->max);
    return ERR_OK;
}

static enum err set_number(const struct conf_option *o, const char *text,
                           const struct suffix *suffixes, const char *form,
                           uint64_t *member, struct err_text *why)
{
    uint64_t v = 0;
    enum err e = parse_number(text, suffixes, form, &v, why);

    if (e == ERR_OK)
        e = check_range(o, v, why);
    if (e == ERR_OK && member != NULL)
        *member = v;
    return e;
}

static enum err set_bool(const char *text, bool *member, struct err_text *why)
{
    static const char *const words[] = {"false", "true", "no", "yes",
                                        "off",   "on",   "0",  "1"};

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(text, words[i]) == 0) {
            if (member != NULL)
                *member = i % 2 != 0;
            return ERR_OK;
        }
    return err_set(why, ERR_INVALID, "'%.64s' is neither true nor false",
                   text);
}

static enum err check_characters(const char *text, struct err_text *why)
{
    size_t n = strlen(text);

    if (n > CONF_TEXT_MAX)
        return err_set(why, ERR_INVALID, "longer than %d bytes",
                       (int)CONF_TEXT_MAX);
    if (!json_utf8_valid(text, n))
        return err_set(why, ERR_INVALID, "not valid UTF-8");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return err_set(why, ERR_INVALID, "contains a control character");
    return ERR_OK;
}

static enum err check_text(const struct conf_option *o, const char *text,
                           struct err_text *why)
{
    size_t n = strlen(text);

    if (n < o->min)
        return err_set(why, ERR_INVALID,
                       n == 0 ? "must not be empty"
                              : "shorter than %llu bytes",
                       (unsigned long long)o->min);
    if (o->max > 0 && n > o->max)
        return err_set(why, ERR_INVALID, "longer than %llu bytes",
                       (unsigned long long)o->max);
    return ERR_OK;
}

static enum err check_list(const struct conf_option *o, const char *text,
                           struct err_text *why)
{
    char entry[CONF_TEXT_MAX + 1];
    size_t n = conf_list_count(text);

    for (size_t i = 0; i < n; i++)
        if (!conf_list_entry(text, i, entry, sizeof(entry)) || !entry[0])
            return err_set(why, ERR_INVALID, "entry %zu is empty", i + 1);
    if (n < o->min)
        return err_set(why, ERR_INVALID, "fewer than %llu entries",
                       (unsigned long long)o->min);
    if (o->max > 0 && n > o->max)
        return err_set(why, ERR_INVALID, "more than %llu entries",
                       (unsigned long long)o->max);
    return ERR_OK;
}

static enum err check_choice(const struct conf_option *o, const char *text,
                             struct err_text *why)
{
    size_t n = strlen(text);
    const char *p = o->choices;

    assert(p != NULL);
    for (;;) {
        size_t length = strcspn(p, "|");

        if (length == n && memcmp(p, text, n) == 0)
            return ERR_OK;
        if (p[length] == 0)
            return err_set(why, ERR_INVALID, "'%.64s' is not one of %s",
                           text, o->choices);
        p += length + 1;
    }
}

static enum err set_text(const struct conf_option *o, const char *text,
                         char **member, struct err_text *why)
{
    enum err e = check_characters(text, why);
    struct addr addr;

    if (e != ERR_OK)
        return e;
    if (o->type == CONF_ADDR)
        e = addr_parse(text, 0, &addr, why);
    else if (o->type == CONF_LIST)
        e = check_list(o, text, why);
    else if (o->type == CONF_CHOICE)
        e = check_choice(o, text, why);
    else
        e = check_text(o, text, why);
    if (e == ERR_OK && member != NULL) {
        free(*member);
        *member = mem_text(text);
    }
    return e;
}

enum err conf_value_set(const struct conf_option *o, const char *text,
                        void *target, struct err_text *why)
{
    void *member = target == NULL ? NULL : (char *)target + o->offset;

    switch (o->type) {
    case CONF_TEXT:
    case CONF_ADDR:
    case CONF_LIST:
    case CONF_CHOICE:
        return set_text(o, text, member, why);
    case CONF_U64:
        return set_number(o, text, no_suffix, "a whole number", member, why);
    case CONF_BYTES:
        return set_number(o, text, byte_suffix,
                          "a size (a number, with K, M, G or T)", member,
                          why);
    case CONF_MS:
        return set_number(o, text, ms_suffix,
                          "a duration (a number, with ms, s, m or h)",
                          member, why);
    case CONF_BOOL:
        return set_bool(text, member, why);
    }
    assert(false);
    return ERR_INTERNAL;
}
