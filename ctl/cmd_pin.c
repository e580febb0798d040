/* pin add, rm, update, and recover. */
#include "ctl/commands.h"

#include "ctl/ask.h"
#include "ctl/interrupt.h"
#include "ctl/pinview.h"
#include "ctl/print.h"
#include "ctl/wait.h"

#include <stdio.h>
#include <string.h>

/* What the commands use of a Pin. */
struct pin_row {
    char cid[LIMIT_CID_TEXT], name[LIMIT_NAME + 1], mode[16], expires[40];
    int64_t min, max;
};

static enum err read_pin(const struct json_value *v, struct pin_row *p,
                         struct err_text *why)
{
    struct json_value n;

    memset(p, 0, sizeof *p);
    if (!json_get_string(v, "cid", p->cid, sizeof p->cid) ||
        !json_get(v, "replication_factor_min", &n) ||
        !json_as_i64(&n, &p->min) ||
        !json_get(v, "replication_factor_max", &n) ||
        !json_as_i64(&n, &p->max))
        return err_set(why, ERR_PROTOCOL, "malformed answer: not a pin");
    (void)json_get_string(v, "name", p->name, sizeof p->name);
    (void)json_get_string(v, "mode", p->mode, sizeof p->mode);
    (void)json_get_string(v, "expire_at", p->expires, sizeof p->expires);
    return ERR_OK;
}

static void show_pin(const struct json_value *v, const struct pin_row *p)
{
    struct json_value list, peer, policy;
    char words[1024];
    struct span key;
    char text[PRINT_TIME];
    int64_t ms;
    size_t it = 0;

    print_field("CID", "%s", p->cid);
    if (p->name[0] != 0)
        print_field("NAME", "%s", p->name);
    print_field("MODE", "%s", p->mode);
    if (p->min < 0)
        print_field("COPIES", "on every node");
    else
        print_field("COPIES", "%lld to %lld", (long long)p->min,
                    (long long)p->max);
    if (print_time_read(p->expires, &ms))
        print_field("EXPIRES", "%s",
                    print_time(p->expires, print_now_ms(), text));
    if (json_get(v, "pinfold_policy", &policy) &&
        json_get_string(&policy, "text", words, sizeof words))
        print_field("POLICY", "%s", words);
    if (json_get_string(v, "pinfold_priority", words, sizeof words))
        print_field("PRIORITY", "%s", words);
    if (json_get(v, "allocations", &list))
        while (json_next(&list, &it, &key, &peer))
            print_field("NODE", "%.*s", (int)peer.n, peer.p);
}

/* The answer to a change: print it, then wait if that was asked for. */
static enum err show_and_wait(struct ctl *c, const struct json_value *v,
                              struct err_text *why)
{
    struct pin_row p;
    enum err e = read_pin(v, &p, why);

    if (e != ERR_OK)
        return e;
    if (c->json)
        print_json(v);
    else
        show_pin(v, &p);
    print_flush();
    return cli_is(&c->cli, "wait") ? wait_pinned(c, p.cid, p.min, why)
                                   : ERR_OK;
}

static enum err send_pin(struct ctl *c, const char *what, const char *from,
                         struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v;
    struct target t;
    enum err e;

    target_init(&t, "/pins");
    target_path(&t, what);
    if (from != NULL)
        target_param(&t, "pin-update", from);
    e = ask_options(c, &t, why);
    if (e == ERR_OK)
        e = ask_value(c, "POST", target_text(&t), &body, &v, why);
    target_close(&t);
    if (e == ERR_OK)
        e = show_and_wait(c, &v, why);
    buf_free(&body);
    return e;
}

enum err cmd_pin_add(struct ctl *c, struct err_text *why)
{
    enum err e = ask_check(c->cli.args[0], true, why);

    return e != ERR_OK ? e : send_pin(c, c->cli.args[0], NULL, why);
}

enum err cmd_pin_update(struct ctl *c, struct err_text *why)
{
    enum err e = ask_check(c->cli.args[0], false, why);

    if (e == ERR_OK)
        e = ask_check(c->cli.args[1], true, why);
    return e != ERR_OK ? e
                       : send_pin(c, c->cli.args[1], c->cli.args[0], why);
}

/* --- rm ----------------------------------------------------------------- */

static enum err remove_one(struct ctl *c, const char *what,
                           struct print_list *list, struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v;
    struct pin_row p;
    struct target t;
    enum err e;

    target_init(&t, "/pins");
    target_path(&t, what);
    e = ask_value(c, "DELETE", target_text(&t), &body, &v, why);
    target_close(&t);
    if (e == ERR_OK)
        e = read_pin(&v, &p, why);
    if (e != ERR_OK)
        err_prefix(why, "%.200s", what);
    else if (c->json)
        print_list_item(list, &v);
    else
        print_text("removed %s", p.cid);
    if (e == ERR_OK && !c->json)
        putchar('\n');
    print_flush();
    if (e == ERR_OK && cli_is(&c->cli, "wait"))
        e = wait_unpinned(c, p.cid, why);
    buf_free(&body);
    return e;
}

enum err cmd_pin_rm(struct ctl *c, struct err_text *why)
{
    struct print_list list = {false};
    enum err first = ERR_OK;

    for (unsigned i = 0; i < c->cli.n_args; i++) {
        enum err e = ask_check(c->cli.args[i], true, why);

        if (e != ERR_OK)
            return e;
    }
    /* One that fails does not keep the others. */
    for (unsigned i = 0; i < c->cli.n_args; i++) {
        struct err_text text = {""};
        enum err e = remove_one(c, c->cli.args[i], &list, &text);

        if (e == ERR_OK)
            continue;
        if (first != ERR_OK)
            print_failure(why->text);
        first = first == ERR_OK ? e : first;
        *why = text;
        if (interrupt_seen() != 0)
            break;
    }
    if (c->json)
        print_list_end(&list);
    return first;
}

/* --- recover ------------------------------------------------------------ */

struct recovered {
    struct ctl *ctl;
    struct print_list list;
    uint64_t n;
};

static enum err on_recovered(void *arg, const struct json_value *v,
                             struct err_text *why)
{
    struct recovered *r = arg;
    struct pinview p;
    enum err e = pinview_read(v, &p, why);

    if (e != ERR_OK)
        return e;
    r->n++;
    if (r->ctl->json)
        print_list_item(&r->list, v);
    else
        print_text("%s %s", p.cid, pinview_word(&p));
    if (!r->ctl->json)
        putchar('\n');
    return print_failed() ? ERR_CLOSED : ERR_OK;
}

enum err cmd_recover(struct ctl *c, struct err_text *why)
{
    struct recovered r = {.ctl = c};
    struct buf body = BUF_INIT;
    struct json_value v;
    struct target t;
    enum err e;

    if (c->cli.n_args == 0) {
        e = ask_stream(c, "POST", "/pins/recover", on_recovered, &r, why);
        if (e == ERR_OK && c->json)
            print_list_end(&r.list);
        else if (e == ERR_OK)
            printf("%llu tried again\n", (unsigned long long)r.n);
        return e;
    }
    e = ask_cid(c, &t, "/pins", "recover", why);
    if (e == ERR_OK)
        e = ask_value(c, "POST", target_text(&t), &body, &v, why);
    if (e == ERR_OK)
        e = on_recovered(&r, &v, why);
    if (e == ERR_OK && c->json)
        print_list_end(&r.list);
    target_close(&t);
    buf_free(&body);
    return e;
}
