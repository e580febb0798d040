/* pin ls: allocations, or statuses where a filter asks for them. */
#include "ctl/commands.h"

#include "ctl/answer.h"
#include "ctl/ask.h"
#include "ctl/pinview.h"
#include "ctl/print.h"
#include "ctl/table.h"

#include <stdio.h>

static const struct table_column pin_columns[] = {
    {"CID", false},   {"COPIES", false},  {"NODES", true},
    {"MODE", false},  {"CREATED", false}, {"EXPIRES", false},
    {"NAME", false},  {NULL, false},
};

static const struct table_column status_columns[] = {
    {"CID", false},     {"STATE", false}, {"PINNED", true},
    {"CREATED", false}, {"NAME", false},  {NULL, false},
};

struct listing {
    struct ctl *ctl;
    struct table table;
    struct print_list list;
    int64_t now_ms;
};

static void cell_factors(struct table *t, const struct json_value *v)
{
    int64_t min = answer_signed(v, "replication_factor_min");
    int64_t max = answer_signed(v, "replication_factor_max");

    if (min < 0)
        table_cell(t, "all");
    else
        table_cellf(t, "%lld-%lld", (long long)min, (long long)max);
}

static enum err on_pin(void *arg, const struct json_value *v,
                       struct err_text *why)
{
    struct listing *l = arg;
    struct json_value cid;

    if (!json_get(v, "cid", &cid))
        return err_set(why, ERR_PROTOCOL, "malformed answer: not a pin");
    if (l->ctl->json) {
        print_list_item(&l->list, v);
    } else {
        table_text(&l->table, v, "cid");
        cell_factors(&l->table, v);
        table_cellf(&l->table, "%u", answer_count(v, "allocations"));
        table_text(&l->table, v, "mode");
        table_time(&l->table, v, "timestamp", l->now_ms);
        table_time(&l->table, v, "expire_at", l->now_ms);
        table_text(&l->table, v, "name");
    }
    return print_failed() ? ERR_CLOSED : ERR_OK;
}

static enum err on_status(void *arg, const struct json_value *v,
                          struct err_text *why)
{
    struct listing *l = arg;
    struct pinview p;
    enum err e = pinview_read(v, &p, why);

    if (e != ERR_OK)
        return e;
    if (l->ctl->json) {
        print_list_item(&l->list, v);
    } else {
        char time[PRINT_TIME];

        table_cell(&l->table, p.cid);
        table_cell(&l->table, pinview_word(&p));
        table_cellf(&l->table, "%u", p.count[PINVIEW_PINNED]);
        table_cell(&l->table, print_time(p.created, l->now_ms, time));
        table_cell(&l->table, p.name);
    }
    return print_failed() ? ERR_CLOSED : ERR_OK;
}

static enum err finish(struct listing *l, enum err e)
{
    if (l->ctl->json) {
        if (e == ERR_OK)
            print_list_end(&l->list);
        else if (l->list.open)
            fputc('\n', stdout);
    } else if (e == ERR_OK || l->table.begun || l->table.rows > 0) {
        table_end(&l->table);
    }
    table_drop(&l->table);
    return e;
}

static enum err one_pin(struct listing *l, struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v;
    struct target t;
    enum err e = ask_cid(l->ctl, &t, "/allocations", NULL, why);

    if (e == ERR_OK)
        e = ask_value(l->ctl, "GET", target_text(&t), &body, &v, why);
    if (e == ERR_OK)
        e = on_pin(l, &v, why);
    target_close(&t);
    buf_free(&body);
    return e;
}

enum err cmd_pin_ls(struct ctl *c, struct err_text *why)
{
    const char *filter = cli_text(&c->cli, "filter");
    struct listing l = {.ctl = c, .now_ms = print_now_ms()};
    struct target t;
    enum err e;

    table_init(&l.table, filter != NULL ? status_columns : pin_columns,
               stdout);
    if (c->cli.n_args > 0) {
        if (filter != NULL)
            return err_set(why, ERR_USAGE,
                           "--filter does not go with a CID");
        return finish(&l, one_pin(&l, why));
    }
    target_init(&t, filter != NULL ? "/pins" : "/allocations");
    target_param(&t, "filter", filter != NULL ? filter : "pin");
    e = ask_stream(c, "GET", target_text(&t),
                   filter != NULL ? on_status : on_pin, &l, why);
    target_close(&t);
    return finish(&l, e);
}
