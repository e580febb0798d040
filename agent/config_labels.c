/* The node's labels: region, zone, rack and the list, sorted by key. */
#include "agent/config.h"

#include "proto/json.h"
#include "proto/limits.h"
#include "proto/reads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum err add_label(struct agent_config *c, const char *option,
                          const char *key, size_t n_key, const char *value,
                          struct err_text *why)
{
    struct label *l = &c->label[c->n_labels];

    if (n_key == 0 || n_key > LIMIT_LABEL || value[0] == '\0' ||
        strlen(value) > LIMIT_LABEL ||
        !json_utf8_valid(key, n_key) ||
        !json_utf8_valid(value, strlen(value)))
        return err_set(why, ERR_INVALID, "%s: key and value have 1 to %d "
                       "bytes of UTF-8", option, (int)LIMIT_LABEL);
    if (c->n_labels == LIMIT_LABELS)
        return err_set(why, ERR_INVALID, "%s: a node has at most %d labels, "
                       "region, zone and rack included", option,
                       (int)LIMIT_LABELS);
    memcpy(l->key, key, n_key);
    l->key[n_key] = '\0';
    snprintf(l->value, sizeof l->value, "%s", value);
    for (uint32_t i = 0; i < c->n_labels; i++)
        if (strcmp(c->label[i].key, l->key) == 0)
            return err_set(why, ERR_INVALID, "%s: label %s is given twice",
                           option, l->key);
    c->n_labels++;
    return ERR_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct label *x = a, *y = b;

    return strcmp(x->key, y->key);
}

enum err agent_config_labels(struct agent_config *c, struct err_text *why)
{
    const char *const fixed[][2] = {
        {"region", c->region}, {"zone", c->zone}, {"rack", c->rack},
        {READS_OFFER_LABEL, c->offer_reads > 0 ? c->offer_text : NULL}};
    char entry[2 * LIMIT_LABEL + 2];
    size_t n = c->labels == NULL ? 0 : conf_list_count(c->labels);
    enum err e = ERR_OK;

    snprintf(c->offer_text, sizeof c->offer_text, "%llu",
             (unsigned long long)c->offer_reads);
    for (unsigned i = 0; i < 4 && e == ERR_OK; i++)
        if (fixed[i][1] != NULL)
            e = add_label(c, fixed[i][0], fixed[i][0], strlen(fixed[i][0]),
                          fixed[i][1], why);
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        const char *sign;

        if (!conf_list_entry(c->labels, i, entry, sizeof entry) ||
            (sign = strchr(entry, '=')) == NULL)
            return err_set(why, ERR_INVALID, "labels: entry %zu is not "
                           "key=value, or too long", i + 1);
        e = add_label(c, "labels", entry, (size_t)(sign - entry), sign + 1,
                      why);
    }
    qsort(c->label, c->n_labels, sizeof c->label[0], by_key);
    return e;
}
