/* node cordon, uncordon, drain, maintenance, owner, remove. What is asked for
 * is in the state when they return; with --wait a drain is followed until the
 * node is empty.
 */
#include "ctl/commands.h"

#include "ctl/answer.h"
#include "ctl/ask.h"
#include "ctl/interrupt.h"
#include "ctl/print.h"
#include "ctl/wait.h"
#include "ctl/would.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

struct answer {
    char name[LIMIT_NODE_NAME + 1], peer[LIMIT_PEER_ID_TEXT], admin[16];
    char owner[LIMIT_ORG_NAME + 1]; /* "": it was not asked for … */
    uint64_t copies;
    bool changed, shared;           /* … as this */
};

static enum err read_answer(const struct json_value *v, struct answer *a,
                            struct err_text *why)
{
    memset(a, 0, sizeof *a);
    if (v->type == JSON_OBJECT &&
        json_get_string(v, "owner", a->owner, sizeof a->owner))
        (void)json_get_bool(v, "shared", &a->shared);
    if (v->type == JSON_OBJECT &&
        json_get_string(v, "name", a->name, sizeof a->name) &&
        json_get_string(v, "peer", a->peer, sizeof a->peer) &&
        json_get_string(v, "admin", a->admin, sizeof a->admin) &&
        json_get_bool(v, "changed", &a->changed) &&
        json_get_u64(v, "copies", &a->copies))
        return ERR_OK;
    return err_set(why, ERR_PROTOCOL, "malformed answer: not a node");
}

/* verb NULL: the node itself is meant. */
static void target_of(struct target *t, const char *node, const char *verb)
{
    target_init(t, "/api/v1/nodes");
    target_name(t, node);
    if (verb != NULL)
        target_path(t, verb);
}

static enum err send(struct ctl *c, const char *method, struct target *t,
                     struct print_list *list, struct answer *a,
                     struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v;
    enum err e = ask_value(c, method, target_text(t), &body, &v, why);

    if (e == ERR_OK)
        e = read_answer(&v, a, why);
    if (e == ERR_OK && c->json)
        print_list_item(list, &v);
    else if (e == ERR_OK)
        print_text("%s: %s%s", a->name, a->changed ? "" : "already ",
                   a->owner[0] != '\0' ? "" : a->admin);
    buf_free(&body);
    target_close(t);
    return e;
}

typedef enum err act(struct ctl *c, const char *node, struct print_list *list,
                     struct err_text *why);

static act wait_one;

/* One that fails does not keep the others. */
static enum err each(struct ctl *c, act *on, struct err_text *why)
{
    struct print_list list = {false};
    enum err first = ERR_OK;

    for (unsigned i = 0; i < c->cli.n_args && interrupt_seen() == 0; i++) {
        struct err_text text = {""};
        enum err e = on(c, c->cli.args[i], &list, &text);

        print_flush();
        if (e == ERR_OK)
            continue;
        if (strncmp(text.text, c->cli.args[i], strlen(c->cli.args[i])) != 0)
            err_prefix(&text, "%.200s", c->cli.args[i]);
        if (first != ERR_OK)
            print_failure(why->text);
        first = first == ERR_OK ? e : first;
        *why = text;
    }
    if (c->json && on != wait_one)
        print_list_end(&list);
    return first;
}

static enum err set(struct ctl *c, const char *node, const char *verb,
                    struct print_list *list, struct err_text *why)
{
    struct target t;
    struct answer a;
    enum err e;

    target_of(&t, node, verb);
    e = send(c, "POST", &t, list, &a, why);
    if (e == ERR_OK && !c->json)
        putchar('\n');
    return e;
}

static enum err cordon(struct ctl *c, const char *node,
                       struct print_list *list, struct err_text *why)
{
    return set(c, node, "cordon", list, why);
}

static enum err uncordon(struct ctl *c, const char *node,
                         struct print_list *list, struct err_text *why)
{
    return set(c, node, "uncordon", list, why);
}

enum err cmd_node_cordon(struct ctl *c, struct err_text *why)
{
    return each(c, cordon, why);
}

enum err cmd_node_uncordon(struct ctl *c, struct err_text *why)
{
    return each(c, uncordon, why);
}

static enum err maintain(struct ctl *c, const char *node,
                         struct print_list *list, struct err_text *why)
{
    bool end = cli_is(&c->cli, "end");
    uint64_t for_ms = (uint64_t)cli_number(&c->cli, "for", 0);
    char span[PRINT_TIME];
    struct target t;
    struct answer a;
    enum err e;

    target_of(&t, node, "maintenance");
    if (!end)
        target_number(&t, "for", (int64_t)for_ms);
    e = send(c, end ? "DELETE" : "POST", &t, list, &a, why);
    if (e == ERR_OK && !c->json && end)
        puts(a.changed ? ", maintenance ended" : ", not in maintenance");
    else if (e == ERR_OK && !c->json)
        printf(", in maintenance for %s\n", print_span(for_ms, span));
    return e;
}

enum err cmd_node_maintenance(struct ctl *c, struct err_text *why)
{
    bool end = cli_is(&c->cli, "end");

    if (end == (cli_text(&c->cli, "for") != NULL))
        return err_set(why, ERR_USAGE, "say either --for D or --end");
    return each(c, maintain, why);
}

static enum err owner(struct ctl *c, const char *node,
                      struct print_list *list, struct err_text *why)
{
    const char *org = cli_text(&c->cli, "to");
    const char *share = cli_text(&c->cli, "share");
    struct target t;
    struct answer a;
    enum err e;

    target_of(&t, node, "owner");
    if (org != NULL)
        target_param(&t, "org", org);
    if (share != NULL)
        target_param(&t, "shared",
                     strcmp(share, "yes") == 0 ? "true" : "false");
    e = send(c, "POST", &t, list, &a, why);
    if (e == ERR_OK && !c->json) {
        print_text("of %s, %s", a.owner,
                   a.shared ? "shared with others" : "for nobody else");
        putchar('\n');
    }
    return e;
}

enum err cmd_node_owner(struct ctl *c, struct err_text *why)
{
    if (cli_text(&c->cli, "to") == NULL &&
        cli_text(&c->cli, "share") == NULL)
        return err_set(why, ERR_USAGE, "say --to ORG, --share yes|no, or "
                       "both");
    return each(c, owner, why);
}

/* What drain and remove would do to the pins of a node. They are asked for by
 * GET, so that a coordinator which does not know that changes nothing. */
static enum err show_dry(struct ctl *c, const struct json_value *v,
                         const char *verb, struct err_text *why)
{
    char more[256], name[LIMIT_NODE_NAME + 1] = "", size[PRINT_SIZE];
    uint64_t copies = answer_number(v, "copies");
    uint64_t room = answer_number(v, "free_bytes_elsewhere");
    int64_t limit = cli_number(&c->cli, "limit", 20);

    (void)json_get_string(v, "name", name, sizeof name);
    print_text("%s: %llu copies, and %s free on other nodes", name,
               (unsigned long long)copies, print_size(room, size));
    putchar('\n');
    snprintf(more, sizeof more, "pinfold node %s %s --dry-run --limit %lld",
             verb, name, (long long)limit);
    return would_show(v, false, more, why);
}

static enum err dry(struct ctl *c, const char *node, const char *verb,
                    struct print_list *list, struct err_text *why)
{
    const char *cursor = cli_text(&c->cli, "cursor");
    struct buf body = BUF_INIT;
    struct json_value v;
    struct target t;
    enum err e;

    target_of(&t, node, verb);
    target_number(&t, "limit", cli_number(&c->cli, "limit", 20));
    if (cursor != NULL)
        target_param(&t, "cursor", cursor);
    e = ask_value(c, "GET", target_text(&t), &body, &v, why);
    target_close(&t);
    if (e == ERR_OK && c->json)
        print_list_item(list, &v);
    else if (e == ERR_OK)
        e = show_dry(c, &v, verb, why);
    buf_free(&body);
    return e;
}

/* false: with the reason. */
static bool dry_words(struct ctl *c, const char *other, struct err_text *why)
{
    bool is_dry = cli_is(&c->cli, "dry-run");
    bool named = cli_text(&c->cli, "cursor") != NULL ||
                 cli_text(&c->cli, "limit") != NULL;

    if (!is_dry && named)
        (void)err_set(why, ERR_USAGE, "--limit and --cursor are for "
                      "--dry-run");
    else if (is_dry && cli_is(&c->cli, other))
        (void)err_set(why, ERR_USAGE, "--dry-run does nothing to --%s for",
                      other);
    else if (is_dry && c->cli.n_args > 1 &&
             cli_text(&c->cli, "cursor") != NULL)
        (void)err_set(why, ERR_USAGE, "--cursor goes on with one node");
    else
        return true;
    return false;
}

static enum err dry_drain(struct ctl *c, const char *node,
                          struct print_list *list, struct err_text *why)
{
    return dry(c, node, "drain", list, why);
}

static enum err dry_remove(struct ctl *c, const char *node,
                           struct print_list *list, struct err_text *why)
{
    return dry(c, node, "remove", list, why);
}

static enum err drain(struct ctl *c, const char *node,
                      struct print_list *list, struct err_text *why)
{
    struct target t;
    struct answer a;
    enum err e;

    target_of(&t, node, "drain");
    e = send(c, "POST", &t, list, &a, why);
    if (e != ERR_OK)
        return e;
    if (!c->json)
        printf(", %llu copies to move\n", (unsigned long long)a.copies);
    return ERR_OK;
}

/* By what the user called it: a name may be a number, too. */
static enum err wait_one(struct ctl *c, const char *node,
                         struct print_list *list, struct err_text *why)
{
    enum err e = wait_drained(c, node, why);

    (void)list;
    if (e == ERR_OK && !c->json)
        printf("%s: drained\n", node);
    return e;
}

/* All at once, then the waits: else copies would move from one node that
 * leaves to the next. */
enum err cmd_node_drain(struct ctl *c, struct err_text *why)
{
    enum err e;

    if (!dry_words(c, "wait", why))
        return ERR_USAGE;
    if (cli_is(&c->cli, "dry-run"))
        return each(c, dry_drain, why);
    e = each(c, drain, why);
    if (e != ERR_OK || !cli_is(&c->cli, "wait"))
        return e;
    return each(c, wait_one, why);
}

static enum err remove_node(struct ctl *c, const char *node,
                            struct print_list *list, struct err_text *why)
{
    struct target t;
    struct answer a;
    enum err e;

    target_of(&t, node, NULL);
    if (cli_is(&c->cli, "force"))
        target_param(&t, "force", "true");
    e = send(c, "DELETE", &t, list, &a, why);
    if (e == ERR_OK && !c->json && a.copies > 0)
        printf(", %llu copies given up", (unsigned long long)a.copies);
    if (e == ERR_OK && !c->json)
        putchar('\n');
    return e;
}

enum err cmd_node_remove(struct ctl *c, struct err_text *why)
{
    if (!dry_words(c, "force", why))
        return ERR_USAGE;
    return each(c, cli_is(&c->cli, "dry-run") ? dry_remove : remove_node,
                why);
}
