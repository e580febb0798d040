/* POST /api/v1/repair/resume: an operator ends a pause of repair
 * (core/step_guard.c). The pause is the leader's alone, so another coordinator
 * names the leader: 503, as for all that passes with the next host.
 */
#include "coordinator/api.h"

#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

struct resume {
    struct task task;
    struct api_call *call;
    enum err error;
};

static void not_leader(struct api_call *c)
{
    const struct view *v = c->view;

    for (uint32_t i = 0; i < v->n_peers; i++)
        if (v->leader != 0 && v->leader != v->raft_id &&
            v->peers[i].row.raft_id == v->leader) {
            api_error(c, 503, "repair is the leader's matter: ask %s at %s",
                      v->peers[i].row.name, v->peers[i].row.http_address);
            return;
        }
    api_fail(c, ERR_NO_LEADER, NULL);
}

static void resume_back(struct task *t)
{
    struct resume *r = (struct resume *)t;
    struct api_call *c = r->call;
    struct buf out = BUF_INIT;

    c->api->under_way--;
    if (r->error == ERR_NO_LEADER) {
        not_leader(c);
    } else if (r->error == ERR_CONFLICT) {
        api_error(c, 409, "repair is not paused");
    } else {
        buf_text(&out, "{\"paused\":false}\n");
        api_json(c, 200, &out);
    }
    buf_free(&out);
    api_drop(c);
    free(r);
}

/* Core loop. */
static void resume_run(struct task *t)
{
    struct resume *r = (struct resume *)t;
    struct api *api = r->call->api;

    if (*api->replica == NULL || !replica_leading(*api->replica))
        r->error = ERR_NO_LEADER;
    else if (!step_resume(api->step))
        r->error = ERR_CONFLICT;
    r->task.run = resume_back;
    mailbox_post(api->back, &r->task);
}

void api_repair_resume(struct api_call *c, const struct http_head *h)
{
    struct resume *r = mem_alloc(sizeof *r);

    (void)h;
    r->call = c;
    r->task.run = resume_run;
    c->api->under_way++;
    api_hold(c);
    mailbox_post(c->api->core, &r->task);
}
