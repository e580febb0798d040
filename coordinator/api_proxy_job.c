/* See api_proxy_job.h. While it waits for a pin, the state is looked at a few
 * times a second; the progress is what the nodes' beats say.
 */
#include "coordinator/api_proxy_job.h"

#include "coordinator/api_auth.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    JOB_TICK_MS = 250,       /* looks while waiting; every second one shows */
    JOB_RESOLVE_MS = 60000
};

static void on_timer_closed(uv_handle_t *h)
{
    struct job *j = h->data;
    struct api_call *c = j->call;

    if (j->waits)
        api_places_give(c, &c->api->awaits);
    c->state = NULL;
    api_options_free(&j->options);
    pin_free(&j->pin);
    buf_free(&j->out);
    free(j->claim);
    free(j);
    c->api->under_way--;
    api_drop(c);
}

static void settle(struct job *j)
{
    if (j->over && !j->busy && !uv_is_closing((uv_handle_t *)&j->timer))
        uv_close((uv_handle_t *)&j->timer, on_timer_closed);
}

static void over(struct job *j)
{
    j->waiting = false;
    j->over = true;
    settle(j);
}

/* What was asked for elsewhere is back; false: nobody waits for it. */
bool job_back(struct job *j)
{
    j->busy = false;
    if (!j->over)
        return true;
    settle(j);
    return false;
}

/* --- answering ---------------------------------------------------------- */

void job_fail(struct job *j, int status, const char *text)
{
    struct http_line lines[] = {{"X-Stream-Error", text}, {NULL, NULL}};
    struct http_request *r = api_request(j->call);

    if (j->started && r != NULL) {
        j->call->answered = true;
        http_end(r, lines);
    } else if (!j->started) {
        api_error(j->call, status, "%s", text);
    }
    over(j);
}

static void show(struct job *j)
{
    static const struct http_line lines[] = {
        {"X-Chunked-Output", "1"}, {"Trailer", "X-Stream-Error"},
        {NULL, NULL}};
    struct http_answer a = {.status = 200, .lines = lines};
    struct http_request *r = api_request(j->call);

    if (r != NULL && !j->started) {
        j->started = true;
        j->call->api->answers[2]++;
        http_start(r, &a);
        r = api_request(j->call);
    }
    if (r != NULL)
        (void)http_write(r, j->out.p, j->out.n);
    buf_reset(&j->out);
}

static void answer(struct job *j)
{
    struct http_request *r;
    struct json_writer w;
    char text[LIMIT_CID_TEXT];

    buf_reset(&j->out);
    json_init(&w, &j->out);
    json_object(&w);
    json_key(&w, "Pins");
    json_array(&w);
    for (uint32_t i = 0; i < j->at; i++) {
        cid_print(&j->cids[i], proxy_form(j->forms[i]), text);
        json_text(&w, text);
    }
    json_array_end(&w);
    json_object_end(&w);
    buf_byte(&j->out, '\n');
    if (j->started) {
        show(j);
        r = api_request(j->call);
        if (r != NULL) {
            j->call->answered = true;
            http_end(r, NULL);
        }
    } else {
        api_json(j->call, 200, &j->out);
    }
    over(j);
}

/* Of timeout=. */
static bool is_late(const struct job *j)
{
    return j->deadline_ms != 0 && uv_now(j->timer.loop) >= j->deadline_ms;
}

static void fail_late(struct job *j)
{
    job_fail(j, 500, j->started ? "context deadline exceeded"
                                : "pin: context deadline exceeded");
}

/* --- paths -------------------------------------------------------------- */

static void on_resolved(struct api_call *c, enum err e, const char *text,
                        struct span body)
{
    struct job *j = c->state;
    const char *path = (const char *)body.p;
    struct err_text why;

    if (!job_back(j))
        return;
    if (is_late(j))
        fail_late(j);
    else if (e != ERR_OK)
        job_fail(j, e == ERR_UNREACHABLE || e == ERR_BUSY ? 503 : 500, text);
    else if (body.n <= 6 || memcmp(path, "/ip", 3) != 0 ||
             cid_parse(path + 6, body.n - 6, &j->cids[j->at],
                       &j->forms[j->at], &why) != ERR_OK)
        job_fail(j, 500, "the daemon resolved the path to what is no CID");
    else
        j->act(j);
}

/* The node keeps the time that is left. */
static void look_up(struct job *j, struct span path)
{
    uint64_t ms = JOB_RESOLVE_MS, now_ms = uv_now(j->timer.loop);

    if (is_late(j)) {
        fail_late(j);
        return;
    }
    if (j->deadline_ms != 0 && j->deadline_ms - now_ms < ms)
        ms = j->deadline_ms - now_ms;
    j->busy = true;
    api_ask_path(j->call, path, ms, on_resolved);
}

/* The argument's CID, then act. */
void job_next(struct job *j)
{
    struct api_call *c = j->call;
    const char *arg = proxy_arg(c, j->at);
    struct buf path = BUF_INIT;
    struct err_text why;
    enum err e;

    if (arg == NULL) {
        answer(j);
        return;
    }
    e = proxy_path(arg, &j->cids[j->at], &j->forms[j->at], &path, &why);
    if (e == ERR_OK) {
        j->act(j);
    } else if (e == ERR_NOT_FOUND) {
        look_up(j, span_buf(&path));
    } else {
        job_fail(j, 500, why.text);
    }
    buf_free(&path);
}

/* --- looking and waiting ------------------------------------------------- */

void job_read(struct api_call *c, struct store_reader *r)
{
    struct job *j = c->state;
    struct fail f;

    j->failed[0] = '\0';
    j->found = store_reader_find(r, &j->cids[j->at], &j->pin) &&
               api_own(c, &j->pin) && j->pin.org != 0;
    for (uint32_t i = 0; j->found && i < j->pin.n_copies; i++)
        if (j->pin.copies[i].state == COPY_FAILED && j->failed[0] == '\0' &&
            store_reader_fail(r, j->pin.id, j->pin.copies[i].node, &f))
            memcpy(j->failed, f.text, sizeof f.text);
}

/* What the nodes say of it in their beats: the furthest one's. */
static void show_progress(struct job *j)
{
    const struct view *v = view_get();
    uint64_t nodes = 0, bytes = 0;
    struct json_writer w;

    for (uint32_t i = 0; i < v->n_nodes; i++)
        for (uint32_t k = 0; k < v->nodes[i].n_work; k++) {
            const struct beat_work *work = &v->nodes[i].work[k];

            if (work->pin != j->pin.id || work->nodes < nodes)
                continue;
            nodes = work->nodes;
            bytes = work->bytes;
        }
    view_put(v);
    json_init(&w, &j->out);
    json_object(&w);
    if (nodes > 0)
        json_kv_u64(&w, "Progress", nodes);
    if (bytes > 0)
        json_kv_u64(&w, "Bytes", bytes);
    json_object_end(&w);
    buf_byte(&j->out, '\n');
    show(j);
}

static void on_recovered(struct api_call *c, struct replica_result *r)
{
    struct job *j = c->state;

    if (job_back(j) && r->error != ERR_OK)
        job_fail(j, err_http_status(r->error), err_text(r->error));
}

static void recover(struct job *j)
{
    struct command *k = api_command(j->call, COMMAND_RECOVER);

    k->recover.n = 1;
    k->recover.pins[0] = j->pin.id;
    j->busy = true;
    api_propose(j->call, k, on_recovered);
}

static void on_awaited(struct api_call *c, enum err e)
{
    struct job *j = c->state;
    char text[LIMIT_ERROR_TEXT + 64];

    if (!job_back(j))
        return;
    if (e != ERR_OK) {
        job_fail(j, err_http_status(e), err_text(e));
    } else if (!j->found) {
        job_fail(j, 500, "the pin was removed meanwhile");
    } else if (pin_state_of(&j->pin) == PIN_PINNED) {
        j->waiting = false;
        uv_timer_stop(&j->timer);
        j->waited(j);
    } else if (pin_state_of(&j->pin) == PIN_FAILED && j->looks == 1) {
        recover(j); /* of before */
    } else if (pin_state_of(&j->pin) == PIN_FAILED) {
        snprintf(text, sizeof text, "pin: %s; the cluster goes on trying",
                 j->failed[0] != '\0' ? j->failed : "no node could pin it");
        job_fail(j, 500, text);
    }
}

static void on_tick(uv_timer_t *t)
{
    struct job *j = t->data;

    if (!j->waiting || j->busy || j->over)
        return;
    if (!api_renew(j->call)) {
        job_fail(j, 403, API_NOT_ANY_MORE);
        return;
    }
    if (is_late(j)) {
        fail_late(j);
        return;
    }
    if (j->progress && ++j->ticks % 2 == 0)
        show_progress(j);
    if (j->over)
        return;
    j->busy = true;
    j->looks++;
    api_read(j->call, job_read, on_awaited);
}

void job_wait(struct job *j, job_cb waited)
{
    j->waited = waited;
    j->looks = 0;
    j->waiting = true;
    uv_timer_start(&j->timer, on_tick, 0, JOB_TICK_MS);
}

static void on_gone(struct api_call *c)
{
    struct job *j = c->state;

    if (j != NULL && !j->over)
        over(j);
}

struct job *job_begin(struct api_call *c, job_cb act)
{
    struct job *j = mem_alloc(sizeof *j);

    j->call = c;
    j->act = act;
    uv_timer_init(c->api->hub_loop, &j->timer);
    j->timer.data = j;
    c->state = j;
    c->gone = on_gone;
    c->api->under_way++;
    api_hold(c);
    http_no_timeout(api_request(c)); /* as a daemon: who leaves ends it */
    return j;
}
