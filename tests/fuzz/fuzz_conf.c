/* The text of a configuration file, against a table with every type. */
#include "proto/conf.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

struct settings {
    char *text, *addr, *list, *choice;
    uint64_t u64, bytes, ms;
    bool flag;
};

#define AT(member) offsetof(struct settings, member)

static const struct conf_option options[] = {
    {"text", CONF_TEXT, AT(text), NULL, 1, 32, NULL, false, "text"},
    {"addr", CONF_ADDR, AT(addr), "[::1]:1", 0, 0, NULL, false, "address"},
    {"list", CONF_LIST, AT(list), NULL, 0, 4, NULL, false, "list"},
    {"choice", CONF_CHOICE, AT(choice), "a", 0, 0, "a|bb|c", false, "choice"},
    {"u64", CONF_U64, AT(u64), "5", 2, 1000, NULL, false, "number"},
    {"bytes", CONF_BYTES, AT(bytes), NULL, 0, 0, NULL, false, "size"},
    {"ms", CONF_MS, AT(ms), "1s", 0, 60000, NULL, false, "duration"},
    {"flag", CONF_BOOL, AT(flag), NULL, 0, 0, NULL, false, "flag"},
};
static const struct conf_table table = {"fuzz", "Fuzz.", options,
                                        sizeof(options) / sizeof(*options)};

static void check(const struct settings *s)
{
    char entry[CONF_TEXT_MAX + 1];
    size_t n = conf_list_count(s->list);

    assert(n <= 4 && s->u64 >= 2 && s->u64 <= 1000 && s->ms <= 60000);
    assert(s->text == NULL || (s->text[0] != 0 && strlen(s->text) <= 32));
    assert(s->addr != NULL && s->choice != NULL);
    for (size_t i = 0; i < n; i++) {
        bool ok = conf_list_entry(s->list, i, entry, sizeof(entry));

        assert(ok && entry[0] != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings s;
    struct err_text why = {""};

    if (conf_load_text(&table, &s, "file", span_of(data, size), &why) ==
        ERR_OK) {
        check(&s);
        conf_free(&table, &s);
    } else {
        assert(strncmp(why.text, "file:", 5) == 0);
        assert(s.addr == NULL && s.choice == NULL);
    }
    return 0;
}
