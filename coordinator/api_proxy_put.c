/* block/put and dag/put of the IPFS proxy that shall be pinned: put without a
 * pin, the daemon's answer kept (it is small), and sent once what was stored is
 * claimed.
 */
#include "coordinator/api_proxy_impl.h"

#include "coordinator/api_auth.h"
#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

static void on_claimed(struct api_call *c, struct replica_result *r)
{
    struct proxied *p = c->state;
    char text[LIMIT_REMARK + 1];

    p->claiming = false;
    if (p->over) {
        proxied_settle(p);
    } else if (r->error == ERR_OK && (r->verdict == VERDICT_ACCEPTED ||
                                      r->verdict == VERDICT_ALREADY)) {
        proxied_claim(p);
    } else {
        p->over = true;
        if (r->error == ERR_OK && r->verdict == VERDICT_NO_CANDIDATES)
            api_error(c, 500, "%s", proxy_refusal(c, r, text));
        else
            api_refuse(c, r);
        proxied_over(p);
    }
}

static bool next_line(struct proxied *p, struct span *line)
{
    const uint8_t *at, *nl;

    if (p->next >= p->kept.n)
        return false;
    at = p->kept.p + p->next;
    nl = memchr(at, '\n', p->kept.n - p->next);
    line->p = at;
    line->n = nl == NULL ? p->kept.n - p->next : (size_t)(nl - at);
    p->next += line->n + (nl != NULL);
    return true;
}

/* {"Key":"…"} of block/put, {"Cid":{"/":"…"}} of dag/put. */
static bool read_root(struct span line, struct cid *cid, enum cid_form *form)
{
    struct json_value v, link;
    char text[LIMIT_CID_TEXT];

    return json_parse(line.p, line.n, &v, NULL) == ERR_OK &&
           (json_get_string(&v, "Key", text, sizeof text) ||
            (json_get(&v, "Cid", &link) &&
             json_get_string(&link, "/", text, sizeof text))) &&
           cid_parse(text, strlen(text), cid, form, NULL) == ERR_OK;
}

/* By now, since the body may have taken long. */
static bool takes_copies(uint32_t node)
{
    const struct view *now = view_get();
    const struct view_node *n = view_node(now, node);
    bool takes = n != NULL && n->row.admin == ADMIN_ACTIVE;

    view_put(now);
    return takes;
}

void proxied_claim(struct proxied *p)
{
    struct command *k;
    enum cid_form form;
    struct span line;

    do {
        if (!next_line(p, &line)) {
            proxied_finish(p);
            return;
        }
    } while (line.n == 0);
    k = api_command(p->call, COMMAND_CLAIM_PUT);
    k->claim_put = p->claim->claim_put;
    if (!read_root(line, &k->claim_put.cid, &form)) {
        free(k);
        proxied_fail(p, ERR_PROTOCOL, "the daemon's answer makes no sense");
        return;
    }
    k->claim_put.flags |= (uint16_t)((unsigned)form << CLAIM_FORM_SHIFT);
    if (takes_copies(p->node)) {
        k->claim_put.n_places = 1;
        k->claim_put.places[0].node = p->node;
        k->claim_put.places[0].reason = REASON_UPLOADED;
    }
    p->call->wanted_max = k->claim_put.rmax;
    p->claiming = true;
    api_propose(p->call, k, on_claimed);
}


void api_proxy_put(struct api_call *c, const struct http_head *h)
{
    struct err_text why;
    struct proxied *p;
    bool pin;

    if (!proxy_single(c, "pin") || !proxy_flag(c, "pin", false, &pin))
        return;
    if (!pin) { /* nor hears the daemon of pins, which would be its own */
        proxied_pass(c, h, "pin", "");
        return;
    }
    if (!proxied_may_pass(c, proxied_command(c)))
        return;
    p = mem_alloc(sizeof *p);
    p->claim = api_command(c, COMMAND_CLAIM_PUT);
    if (api_options_parse(c, &p->options, &p->claim->claim_put, &why) !=
        ERR_OK)
        proxy_bad(c, "%s", why.text);
    if (api_request(c) == NULL ||
        !proxy_may_claim(c, span_buf(&p->options.name))) {
        api_options_free(&p->options);
        free(p->claim);
        free(p);
        return;
    }
    p->purpose = OPEN_PUT;
    buf_printf(&p->arguments, "%s?", proxied_command(c));
    proxy_query(c, "pin", &p->arguments);
    proxied_begin(c, p, h);
}
