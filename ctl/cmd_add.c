/* add: files and directories as one streamed upload. */
#include "ctl/commands.h"

#include "ctl/ask.h"
#include "ctl/form.h"
#include "ctl/interrupt.h"
#include "ctl/print.h"
#include "ctl/progress.h"
#include "ctl/wait.h"
#include "proto/limits.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { LINE_EVERY_MS = 100 };

struct adding {
    struct ctl *ctl;
    struct form form;
    uint64_t files, bytes; /* of all that will be sent */
    uint64_t begun_ms, shown_ms;
    bool quiet;
    char root[LIMIT_CID_TEXT]; /* the last one named */
    struct print_list list;
};

/* Everything can be looked at, and how much it is, before a byte is sent. */
static enum err measure(struct adding *a, struct walk *w,
                        struct err_text *why)
{
    struct walk_entry e;
    bool more;
    enum err error;

    while ((error = walk_next(w, &e, &more, why)) == ERR_OK && more) {
        a->files += e.kind == WALK_FILE;
        a->bytes += e.size;
    }
    return error;
}

/* Two arguments of one name would be one file. */
static enum err check_names(struct cli *k, struct err_text *why)
{
    struct buf one = BUF_INIT, other = BUF_INIT;
    enum err e = ERR_OK;

    for (unsigned i = 0; i < k->n_args && e == ERR_OK; i++)
        for (unsigned j = 0; j < i && e == ERR_OK; j++)
            if (walk_base(k->args[i], &one) &&
                walk_base(k->args[j], &other) &&
                strcmp(buf_cstr(&one), buf_cstr(&other)) == 0)
                e = err_set(why, ERR_USAGE, "two of the paths are named %s",
                            buf_cstr(&one));
    buf_free(&one);
    buf_free(&other);
    return e;
}

static void make_boundary(char out[FORM_BOUNDARY + 1])
{
    uint8_t random[24];
    ssize_t n = getrandom(random, sizeof random, 0);

    assert(n == (ssize_t)sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(out + 2 * i, 3, "%02x", random[i]);
}

static enum err make_target(struct ctl *c, struct target *t,
                            struct err_text *why)
{
    const struct cli *k = &c->cli;
    bool v1 = cli_number(k, "cid-version", 1) == 1;
    const char *chunker = cli_text(k, "chunker");

    target_init(t, "/add");
    target_param(t, "stream-channels", "true");
    target_param(t, "format", "unixfs");
    target_param(t, "cid-version", v1 ? "1" : "0");
    target_param(t, "raw-leaves", v1 ? "true" : "false");
    target_param(t, "chunker", chunker != NULL ? chunker : "size-1048576");
    target_param(t, "hash", "sha2-256");
    target_param(t, "hidden", cli_is(k, "hidden") ? "true" : "false");
    target_param(t, "recursive",
                 cli_is(k, "recursive") ? "true" : "false");
    target_param(t, "wrap-with-directory",
                 cli_is(k, "wrap") || k->n_args > 1 ? "true" : "false");
    return ask_options(c, t, why);
}

/* --- while it runs ------------------------------------------------------ */

static void on_turn(void *arg)
{
    struct adding *a = arg;
    uint64_t now = interrupt_now_ms(), spent = now - a->begun_ms;
    char done[PRINT_SIZE], all[PRINT_SIZE], rate[PRINT_SIZE];

    if (!progress_live() || a->quiet || now - a->shown_ms < LINE_EVERY_MS)
        return;
    a->shown_ms = now;
    if (a->form.ended) {
        progress_show("%s sent, being pinned", print_size(a->bytes, all));
        return;
    }
    progress_show("sending %s of %s (%llu of %llu files), %s/s",
                  print_size(a->form.bytes, done),
                  print_size(a->bytes, all),
                  (unsigned long long)a->form.files,
                  (unsigned long long)a->files,
                  print_size(spent == 0 ? 0
                                        : a->form.bytes * 1000 / spent,
                             rate));
}

static long on_read(void *arg, char *p, size_t n, struct err_text *why)
{
    struct adding *a = arg;

    on_turn(a); /* a long upload may not leave libcurl for a while */
    return form_read(&a->form, p, n, why);
}

static enum err on_added(void *arg, const struct json_value *v,
                         struct err_text *why)
{
    struct adding *a = arg;
    struct buf clean = BUF_INIT;
    char name[4096] = "";
    struct json_value cid;

    if (!json_get(v, "cid", &cid))
        return err_set(why, ERR_PROTOCOL,
                       "malformed answer: nothing that was added");
    if (cid.type == JSON_NULL) /* progress */
        return ERR_OK;
    if (!json_string(&cid, a->root, sizeof a->root))
        return err_set(why, ERR_PROTOCOL, "malformed answer: no CID");
    if (a->ctl->json) {
        print_list_item(&a->list, v);
    } else if (!a->quiet) {
        (void)json_get_string(v, "name", name, sizeof name);
        print_clean(&clean, name);
        progress_clear();
        printf("added %s %s\n", a->root, buf_cstr(&clean));
        if (progress_live())
            print_flush();
    }
    buf_free(&clean);
    return ERR_OK;
}

static enum err send_all(struct adding *a, struct walk *w,
                         struct err_text *why)
{
    struct ctl *c = a->ctl;
    char boundary[FORM_BOUNDARY + 1], type[128];
    struct client_upload u = {type, on_read, a};
    struct client_call q = {.method = "POST",
                            .on_item = on_added,
                            .item_arg = a,
                            .upload = &u,
                            .on_turn = on_turn,
                            .turn_arg = a};
    struct target t;
    enum err e = make_target(c, &t, why);

    make_boundary(boundary);
    snprintf(type, sizeof type, "multipart/form-data; boundary=%s",
             boundary);
    form_init(&a->form, w, boundary);
    q.target = target_text(&t);
    a->begun_ms = interrupt_now_ms();
    if (e == ERR_OK)
        e = client_call(&c->client, &q, why);
    if (e == ERR_OK && a->root[0] == 0)
        e = err_set(why, ERR_PROTOCOL, "the answer names no root");
    progress_clear();
    form_close(&a->form);
    target_close(&t);
    buf_free(&q.body);
    return e;
}

/* --- afterwards --------------------------------------------------------- */

static enum err wait_root(struct ctl *c, const char *root,
                          struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v, n;
    struct target t;
    int64_t min = 0;
    enum err e;

    target_init(&t, "/allocations");
    target_path(&t, root);
    e = ask_value(c, "GET", target_text(&t), &body, &v, why);
    if (e == ERR_OK && (!json_get(&v, "replication_factor_min", &n) ||
                        !json_as_i64(&n, &min)))
        e = err_set(why, ERR_PROTOCOL, "malformed answer: not a pin");
    target_close(&t);
    buf_free(&body);
    return e == ERR_OK ? wait_pinned(c, root, min, why) : e;
}

enum err cmd_add(struct ctl *c, struct err_text *why)
{
    const struct cli *k = &c->cli;
    struct adding a = {.ctl = c, .quiet = cli_is(k, "quiet")};
    struct walk *w = mem_alloc(sizeof *w);
    enum err e;

    walk_init(w, k->args, k->n_args, cli_is(k, "recursive"),
              cli_is(k, "hidden"));
    e = measure(&a, w, why);
    walk_close(w);
    if (e == ERR_OK)
        e = check_names(&c->cli, why);
    if (e == ERR_OK) {
        walk_init(w, k->args, k->n_args, cli_is(k, "recursive"),
                  cli_is(k, "hidden"));
        e = send_all(&a, w, why);
        walk_close(w);
    }
    free(w);
    if (e != ERR_OK)
        return e;
    if (c->json)
        print_list_end(&a.list);
    else if (a.quiet)
        puts(a.root);
    print_flush();
    return cli_is(k, "wait") ? wait_root(c, a.root, why) : ERR_OK;
}
