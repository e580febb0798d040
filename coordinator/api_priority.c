/* Words of clients to the bits of a claim; see api_priority.h. Metadata is
 * what clients of IPFS Cluster and of the Pinning Service can fill.
 */
#include "coordinator/api_priority.h"

static const char name[] = "pinfold-priority";

static enum err take(struct span text, uint16_t *flags, struct err_text *why)
{
    uint32_t taken = *flags;

    if (!claim_priority_parse(text, &taken))
        return err_set(why, ERR_INVALID, "parameter %s invalid: '%.*s' is "
                       "none of low, normal, high", name,
                       text.n < 64 ? (int)text.n : 64, (const char *)text.p);
    *flags = (uint16_t)taken;
    return ERR_OK;
}

enum err api_priority_parse(const struct api_call *c, const struct meta *m,
                            uint16_t *flags, struct err_text *why)
{
    const char *text = c == NULL ? NULL : api_param(c, name);
    uint16_t asked = *flags;
    enum err e = ERR_OK;
    bool said = false;

    for (uint32_t i = 0; i < m->n_pairs && e == ERR_OK; i++) {
        if (!span_is(m->pairs[i].key, name))
            continue;
        e = take(m->pairs[i].value, flags, why);
        said = true;
    }
    if (e != ERR_OK || text == NULL)
        return e;
    if (api_param(c, "pin-update") != NULL)
        return err_set(why, ERR_INVALID, "parameter %s invalid: a pin update "
                       "takes that of the old pin", name);
    e = take(span_text(text), &asked, why);
    if (e == ERR_OK && said && asked != *flags)
        return err_set(why, ERR_INVALID, "parameter %s invalid: the "
                       "metadata says otherwise", name);
    *flags = asked;
    return e;
}

void api_kv_priority(struct json_writer *w, uint32_t flags)
{
    if ((flags >> CLAIM_PRIORITY_SHIFT & 3) != 0)
        json_kv_text(w, "pinfold_priority", claim_priority_text(flags));
}
