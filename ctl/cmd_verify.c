/* verify: asks daemons at once whether they hold what the state says. A line a
 * copy; the exit status is 0 only if all are held.
 */
#include "ctl/commands.h"

#include "ctl/ask.h"
#include "ctl/interrupt.h"
#include "ctl/print.h"
#include "ctl/progress.h"
#include "ctl/table.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

enum { TEXT = 600, PROGRESS_EVERY = 1000 };

static const struct table_column columns[] = {
    {"CID", false},    {"NODE", false}, {"RESULT", false},
    {"REMARK", false}, {NULL, false},
};

struct verify {
    struct ctl *ctl;
    struct table table;
    struct print_list list;
    uint64_t held, missing, pending, unreachable, all;
    enum err first; /* failure of a request */
    struct err_text why;
};

static enum err count(struct verify *v, const char *result,
                      struct err_text *why)
{
    if (strcmp(result, "held") == 0)
        v->held++;
    else if (strcmp(result, "missing") == 0)
        v->missing++;
    else if (strcmp(result, "pending") == 0)
        v->pending++;
    else if (strcmp(result, "unreachable") == 0)
        v->unreachable++;
    else if (strcmp(result, "released") != 0)
        return err_set(why, ERR_PROTOCOL,
                       "malformed answer: a copy is '%.40s'", result);
    v->all++;
    return ERR_OK;
}

/* Rows may go into a file while somebody waits. */
static void show_progress(const struct verify *v)
{
    if (progress_live() ? v->all % 16 == 0 : v->all % PROGRESS_EVERY == 0)
        progress_show("%llu copies verified, %llu missing",
                      (unsigned long long)v->all,
                      (unsigned long long)v->missing);
}

static enum err on_copy(void *arg, const struct json_value *j,
                        struct err_text *why)
{
    struct verify *v = arg;
    char cid[LIMIT_CID_TEXT], node[LIMIT_NAME + 1], result[40], text[TEXT];
    enum err e;

    if (!json_get_string(j, "cid", cid, sizeof cid) ||
        !json_get_string(j, "node", node, sizeof node) ||
        !json_get_string(j, "result", result, sizeof result))
        return err_set(why, ERR_PROTOCOL, "malformed answer: not a copy");
    e = count(v, result, why);
    if (e != ERR_OK)
        return e;
    if (!json_get_string(j, "text", text, sizeof text))
        text[0] = 0;
    progress_clear();
    if (v->ctl->json) {
        print_list_item(&v->list, j);
    } else {
        table_cell(&v->table, cid);
        table_cell(&v->table, node);
        table_cell(&v->table, result);
        table_cell(&v->table, text);
    }
    show_progress(v);
    return print_failed() ? ERR_CLOSED : ERR_OK;
}

static enum err ask_pin(struct verify *v, const char *cid,
                        struct err_text *why)
{
    uint64_t before = v->all;
    struct target t;
    enum err e;

    target_init(&t, "/api/v1/pins");
    target_path(&t, cid);
    target_path(&t, "verify");
    e = ask_stream(v->ctl, "POST", target_text(&t), on_copy, v, why);
    target_close(&t);
    if (e == ERR_OK && v->all == before)
        return err_set(why, ERR_NO_CANDIDATES,
                       "%.200s: no node is meant to hold it", cid);
    if (e != ERR_OK)
        err_prefix(why, "%.200s", cid);
    return e;
}

/* One that fails does not keep the others. */
static void ask_pins(struct verify *v)
{
    for (unsigned i = 0; i < v->ctl->cli.n_args; i++) {
        struct err_text text = {""};
        enum err e = ask_pin(v, v->ctl->cli.args[i], &text);

        if (e != ERR_OK && v->first == ERR_OK) {
            v->first = e;
            v->why = text;
        } else if (e != ERR_OK) {
            print_failure(text.text);
        }
        if (interrupt_seen() != 0 || print_failed())
            return;
    }
}

static void ask_node(struct verify *v, const char *node)
{
    const struct cli *k = &v->ctl->cli;
    struct target t;

    target_init(&t, "/api/v1/nodes");
    target_name(&t, node);
    target_path(&t, "verify");
    if (cli_is(k, "sample"))
        target_number(&t, "sample", cli_number(k, "sample", 0));
    v->first = ask_stream(v->ctl, "POST", target_text(&t), on_copy, v,
                          &v->why);
    if (v->first != ERR_OK)
        err_prefix(&v->why, "%.200s", node);
    target_close(&t);
}

static enum err check(const struct cli *k, struct err_text *why)
{
    enum err e = ERR_OK;

    if ((k->n_args == 0) == !cli_is(k, "node"))
        return err_set(why, ERR_USAGE,
                       "verify needs CIDs, or a node by --node");
    if (cli_is(k, "node") && cli_text(k, "node")[0] == 0)
        return err_set(why, ERR_USAGE, "--node is empty");
    if (cli_is(k, "sample") && !cli_is(k, "node"))
        return err_set(why, ERR_USAGE, "--sample goes with --node");
    for (unsigned i = 0; i < k->n_args && e == ERR_OK; i++)
        e = ask_check(k->args[i], false, why);
    return e;
}

/* What is missing counts most, then what was not answered. */
static enum err verdict(const struct verify *v, struct err_text *why)
{
    unsigned long long all = v->all;

    if (v->missing > 0) {
        if (v->first != ERR_OK)
            print_failure(v->why.text);
        return err_set(why, ERR_CORRUPT, "%llu of %llu copies are missing",
                       (unsigned long long)v->missing, all);
    }
    if (v->first != ERR_OK) {
        *why = v->why;
        return v->first;
    }
    if (v->unreachable > 0)
        return err_set(why, ERR_UNREACHABLE,
                       "%llu of %llu copies could not be asked for",
                       (unsigned long long)v->unreachable, all);
    if (v->pending > 0)
        return err_set(why, ERR_CONFLICT,
                       "%llu of %llu copies are not pinned yet",
                       (unsigned long long)v->pending, all);
    return ERR_OK;
}

enum err cmd_verify(struct ctl *c, struct err_text *why)
{
    struct verify v = {.ctl = c};
    enum err e = check(&c->cli, why);

    if (e != ERR_OK)
        return e;
    table_init(&v.table, columns, stdout);
    if (cli_is(&c->cli, "node"))
        ask_node(&v, cli_text(&c->cli, "node"));
    else
        ask_pins(&v);
    progress_clear();
    if (c->json && v.first == ERR_OK)
        print_list_end(&v.list);
    else if (c->json && v.list.open)
        fputc('\n', stdout);
    else if (!c->json && v.all > 0)
        table_end(&v.table);
    table_drop(&v.table);
    return verdict(&v, why);
}
