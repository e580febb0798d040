/* pin/add, pin/rm and pin/update of the IPFS proxy: the cluster's claims, one
 * argument after the other, as the daemon does it; what went before a failure
 * stays. As of a daemon, the answer to pin/add and pin/update comes when the
 * content is pinned: with as many copies as the pin needs. A client that
 * leaves, or whose timeout= is over, leaves the claim, which the cluster
 * follows on.
 *
 *   path → CID → (add, update) claim → wait → next …→ answer
 *                (rm, update) look → remove
 */
#include "coordinator/api_proxy_job.h"

#include "proto/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PINS_NAME_MAX = 255      /* of the daemon's */
};

/* --- claims ------------------------------------------------------------- */

static bool accepted(const struct replica_result *r)
{
    return r->error == ERR_OK && (r->verdict == VERDICT_ACCEPTED ||
                                  r->verdict == VERDICT_ALREADY);
}

static void refused(struct job *j, const struct replica_result *r)
{
    char text[LIMIT_REMARK + 1];
    int status = r->error != ERR_OK              ? err_http_status(r->error)
                 : r->verdict == VERDICT_DENIED ||
                   r->verdict == VERDICT_OVER_QUOTA ? 403
                                                    : 500;

    job_fail(j, status, proxy_refusal(j->call, r, text));
}

static void on_pinned(struct job *j)
{
    j->at++;
    job_next(j);
}

static void on_claimed(struct api_call *c, struct replica_result *r)
{
    struct job *j = c->state;

    if (!job_back(j))
        return;
    if (accepted(r))
        job_wait(j, on_pinned);
    else
        refused(j, r);
}

static void propose(struct job *j, const struct cid *from,
                    void (*done)(struct api_call *c,
                                 struct replica_result *r))
{
    struct command *k = api_command(j->call, COMMAND_CLAIM_PUT);

    k->claim_put = j->claim->claim_put;
    k->claim_put.cid = j->cids[j->at];
    k->claim_put.flags |= (uint16_t)((unsigned)j->forms[j->at]
                                     << CLAIM_FORM_SHIFT);
    if (from != NULL)
        k->claim_put.from = *from;
    j->call->wanted_max = k->claim_put.rmax;
    j->busy = true;
    api_propose(j->call, k, done);
}

static void claim(struct job *j)
{
    propose(j, NULL, on_claimed);
}

/* --- pin/rm ------------------------------------------------------------- */

#define NOT_PINNED "not pinned or pinned indirectly"

static void on_removed(struct api_call *c, struct replica_result *r)
{
    struct job *j = c->state;

    if (!job_back(j))
        return;
    if (accepted(r))
        on_pinned(j);
    else if (r->error == ERR_OK && r->verdict == VERDICT_NOT_FOUND)
        job_fail(j, 500, NOT_PINNED);
    else
        refused(j, r);
}

static void propose_removal(struct job *j, const struct cid *cid,
                            void (*done)(struct api_call *c,
                                         struct replica_result *r))
{
    struct command *k = api_command(j->call, COMMAND_CLAIM_REMOVE);

    k->claim_remove.cid = *cid;
    j->busy = true;
    api_propose(j->call, k, done);
}

static void on_looked(struct api_call *c, enum err e)
{
    struct job *j = c->state;
    char cid[LIMIT_CID_TEXT], text[LIMIT_CID_TEXT + 32];

    if (!job_back(j))
        return;
    if (e != ERR_OK) {
        job_fail(j, err_http_status(e), err_text(e));
    } else if (!j->found) {
        job_fail(j, 500, NOT_PINNED);
    } else if (!j->recursive && (j->pin.flags & CLAIM_DIRECT) == 0) {
        cid_print(&j->cids[j->at], proxy_form(j->forms[j->at]), cid);
        snprintf(text, sizeof text, "%s is pinned recursively", cid);
        job_fail(j, 500, text);
    } else {
        propose_removal(j, &j->cids[j->at], on_removed);
    }
}

static void remove_claim(struct job *j)
{
    j->busy = true;
    api_read(j->call, job_read, on_looked);
}

/* --- pin/update --------------------------------------------------------- */

static void on_old_removed(struct api_call *c, struct replica_result *r)
{
    struct job *j = c->state;

    if (!job_back(j))
        return;
    if (accepted(r) || (r->error == ERR_OK &&
                        r->verdict == VERDICT_NOT_FOUND))
        on_pinned(j);
    else
        refused(j, r);
}

static void on_updated(struct job *j)
{
    if (j->unpin && !cid_equal(&j->cids[0], &j->cids[1]))
        propose_removal(j, &j->cids[0], on_old_removed);
    else
        on_pinned(j);
}

static void on_update_claimed(struct api_call *c, struct replica_result *r)
{
    struct job *j = c->state;

    if (!job_back(j))
        return;
    if (accepted(r))
        job_wait(j, on_updated);
    else
        refused(j, r);
}

static void on_old_looked(struct api_call *c, enum err e)
{
    struct job *j = c->state;

    if (!job_back(j))
        return;
    if (e != ERR_OK)
        job_fail(j, err_http_status(e), err_text(e));
    else if (!j->found || (j->pin.flags & CLAIM_DIRECT) != 0)
        job_fail(j, 500, "'from' cid was not recursively pinned already");
    else
        on_pinned(j); /* to the new one */
}

static void update(struct job *j)
{
    if (j->at == 0) {
        j->busy = true;
        api_read(j->call, job_read, on_old_looked);
    } else {
        propose(j, &j->cids[0], on_update_claimed);
    }
}

/* --- the routes --------------------------------------------------------- */

/* timeout= of the daemon's, for the whole request. */
static bool deadline(struct api_call *c, uint64_t *at_ms)
{
    const char *text = api_param(c, "timeout");
    uint64_t ms;

    *at_ms = 0;
    if (text == NULL)
        return true;
    if (!api_duration_parse(text, &ms)) {
        proxy_bad(c, "time: invalid duration \"%.64s\"", text);
        return false;
    }
    *at_ms = uv_now(c->api->hub_loop) + ms;
    return true;
}

static bool may_wait(struct api_call *c)
{
    return api_places_free(c, &c->api->awaits, LIMIT_AWAITS,
                           LIMIT_ORG_AWAITS, "requests wait for pins");
}

static struct job *begin_waiting(struct api_call *c, job_cb act)
{
    struct job *j = job_begin(c, act);

    j->waits = true;
    api_places_take(c, &c->api->awaits);
    return j;
}

static bool has_arg(struct api_call *c, uint32_t i, const char *what)
{
    const char *arg = proxy_arg(c, i);

    if (arg != NULL && arg[0] != '\0')
        return true;
    proxy_bad(c, "argument \"%s\" is required", what);
    return false;
}

static bool options(struct api_call *c, struct job *j, bool recursive)
{
    struct err_text why;

    j->claim = api_command(c, COMMAND_CLAIM_PUT);
    if (api_options_parse(c, &j->options, &j->claim->claim_put, &why) !=
        ERR_OK) {
        proxy_bad(c, "%s", why.text);
        return false;
    }
    j->claim->claim_put.flags &= (uint16_t)~CLAIM_DIRECT;
    if (!recursive)
        j->claim->claim_put.flags |= CLAIM_DIRECT;
    j->claim->claim_put.from.n = 0;
    return true;
}

void api_proxy_pin_add(struct api_call *c, const struct http_head *h)
{
    static const struct proxy_name names[] = {{"r", "recursive"},
                                              {"n", "name"}};
    bool recursive, progress;
    uint64_t at_ms;
    struct job *j;

    (void)h;
    proxy_names(c, names, sizeof names / sizeof names[0]);
    if (!has_arg(c, 0, "ipfs-path") ||
        !proxy_flag(c, "recursive", true, &recursive) ||
        !proxy_flag(c, "progress", false, &progress) ||
        !deadline(c, &at_ms) || !may_wait(c))
        return;
    if (api_param(c, "name") != NULL &&
        strlen(api_param(c, "name")) > PINS_NAME_MAX) {
        api_error(c, 500, "pin name is %zu bytes (max %d bytes)",
                  strlen(api_param(c, "name")), PINS_NAME_MAX);
        return;
    }
    j = begin_waiting(c, claim);
    j->progress = progress;
    j->deadline_ms = at_ms;
    if (options(c, j, recursive) &&
        proxy_may_claim(c, span_buf(&j->options.name)))
        job_next(j);
}

void api_proxy_pin_rm(struct api_call *c, const struct http_head *h)
{
    static const struct proxy_name names[] = {{"r", "recursive"}};
    bool recursive;
    struct job *j;

    (void)h;
    proxy_names(c, names, 1);
    if (!has_arg(c, 0, "ipfs-path") ||
        !proxy_flag(c, "recursive", true, &recursive))
        return;
    j = job_begin(c, remove_claim);
    j->recursive = recursive;
    job_next(j);
}

void api_proxy_pin_update(struct api_call *c, const struct http_head *h)
{
    uint64_t at_ms;
    bool unpin;
    struct job *j;

    (void)h;
    if (!has_arg(c, 0, "from-path") || !has_arg(c, 1, "to-path") ||
        !proxy_flag(c, "unpin", true, &unpin) || !deadline(c, &at_ms) ||
        !may_wait(c))
        return;
    if (proxy_arg(c, 2) != NULL) {
        proxy_bad(c, "too many arguments");
        return;
    }
    j = begin_waiting(c, update);
    j->unpin = unpin;
    j->deadline_ms = at_ms;
    /* Its name is the old one's. */
    if (options(c, j, true) && proxy_may_claim(c, span_text(c->prefix)))
        job_next(j);
}
