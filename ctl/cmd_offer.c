/* offer: one CID, or a list of them from a file or standard input. Of a list
 * some hundred lines go in one request; a line that is refused is named on
 * stderr and the others go on. Offering again changes nothing, so a list that
 * was cut off is offered again as it is.
 */
#include "ctl/commands.h"

#include "ctl/ask.h"
#include "ctl/print.h"
#include "ctl/progress.h"
#include "ctl/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 500, BATCH_BYTES = 128 << 10, LINE_MAX_BYTES = 8192 };

/* --- one ------------------------------------------------------------------ */

static enum err put_size(struct ctl *c, struct target *t,
                         struct err_text *why)
{
    const char *size = cli_text(&c->cli, "size");
    const char *created = cli_text(&c->cli, "created");
    uint64_t bytes;
    enum err e;

    if (created != NULL)
        target_param(t, "created-at", created);
    if (size == NULL)
        return ERR_OK;
    e = value_size(size, &bytes, why);
    if (e == ERR_OK)
        target_number(t, "size", (int64_t)bytes);
    return e;
}

static enum err offer_one(struct ctl *c, struct err_text *why)
{
    struct target t;
    enum err e = ask_cid(c, &t, "/pins", NULL, why);

    target_param(&t, "elastic", "true");
    if (e == ERR_OK)
        e = put_size(c, &t, why);
    if (e == ERR_OK)
        e = ask_options(c, &t, why);
    if (e == ERR_OK)
        e = ask_done(c, "POST", target_text(&t), "offered", c->cli.args[0],
                     why);
    target_close(&t);
    return e;
}

/* --- a list --------------------------------------------------------------- */

struct offering {
    struct ctl *ctl;
    const char *name;      /* of the list, for people */
    const char *target;
    struct buf batch;
    uint64_t lines[BATCH]; /* of the list */
    uint32_t n;
    uint64_t line, offered, already, failed;
};

static void say_failed(struct offering *o, uint64_t line, const char *text)
{
    struct buf clean = BUF_INIT;

    o->failed++;
    progress_clear();
    print_clean(&clean, text);
    fprintf(stderr, "%s:%llu: %s\n", o->name, (unsigned long long)line,
            buf_cstr(&clean));
    buf_free(&clean);
}

static void take_errors(struct offering *o, const struct json_value *answer)
{
    struct json_value errors, v;
    uint64_t item, failed = 0, named = 0;
    struct span key;
    size_t it = 0;
    char text[512];

    (void)json_get_u64(answer, "failed", &failed);
    if (!json_get(answer, "errors", &errors))
        return;
    while (json_next(&errors, &it, &key, &v)) {
        if (!json_get_u64(&v, "item", &item) || item < 1 || item > o->n ||
            !json_get_string(&v, "error", text, sizeof text))
            continue;
        say_failed(o, o->lines[item - 1], text);
        named++;
    }
    if (failed > named) {
        progress_clear();
        fprintf(stderr, "%s: %llu more lines up to %llu\n", o->name,
                (unsigned long long)(failed - named),
                (unsigned long long)o->line);
        o->failed += failed - named;
    }
}

static enum err send_batch(struct offering *o, struct err_text *why)
{
    struct client_call q = {.method = "POST", .target = o->target};
    struct json_value v;
    uint64_t offered = 0, already = 0, failed = o->failed;
    enum err e;

    if (o->n == 0)
        return ERR_OK;
    q.text = buf_cstr(&o->batch);
    e = client_call(&o->ctl->client, &q, why);
    if (e == ERR_OK && json_parse(q.body.p, q.body.n, &v, why) != ERR_OK) {
        err_prefix(why, "malformed answer");
        e = ERR_PROTOCOL;
    }
    if (e == ERR_OK) {
        (void)json_get_u64(&v, "offered", &offered);
        (void)json_get_u64(&v, "already", &already);
        o->offered += offered;
        o->already += already;
        take_errors(o, &v);
        if (offered + already + (o->failed - failed) != o->n)
            e = err_set(why, ERR_PROTOCOL, "malformed answer: not what "
                        "became of %u lines up to %llu", (unsigned)o->n,
                        (unsigned long long)o->line);
        progress_show("%llu lines: %llu offered, %llu were already",
                      (unsigned long long)o->line,
                      (unsigned long long)o->offered,
                      (unsigned long long)o->already);
    }
    buf_free(&q.body);
    buf_reset(&o->batch);
    o->n = 0;
    return e;
}

/* "CID", "CID SIZE" or "CID SIZE NAME"; false: say_failed. */
static bool put_words(struct offering *o, char *line)
{
    char *rest = line, *cid = strsep(&rest, " \t");
    char *size = rest != NULL ? strsep(&rest, " \t") : NULL;
    struct json_writer w;
    struct err_text why;
    uint64_t bytes = 0;

    if (ask_check(cid, false, &why) != ERR_OK ||
        (size != NULL && value_size(size, &bytes, &why) != ERR_OK)) {
        say_failed(o, o->line, why.text);
        return false;
    }
    json_init(&w, &o->batch);
    json_object(&w);
    json_kv_text(&w, "cid", cid);
    if (bytes > 0)
        json_kv_u64(&w, "size", bytes);
    if (rest != NULL && rest[0] != '\0')
        json_kv_text(&w, "name", rest);
    json_object_end(&w);
    return true;
}

static enum err take_line(struct offering *o, char *line, struct err_text *why)
{
    size_t n;

    o->line++;
    line += strspn(line, " \t");
    n = strlen(line);
    while (n > 0 && strchr("\r\n \t", line[n - 1]) != NULL)
        line[--n] = '\0';
    if (n == 0 || line[0] == '#')
        return ERR_OK;
    if (line[0] == '{')
        buf_add(&o->batch, line, n);
    else if (!put_words(o, line))
        return ERR_OK;
    buf_byte(&o->batch, '\n');
    o->lines[o->n++] = o->line;
    return o->n == BATCH || o->batch.n > BATCH_BYTES ? send_batch(o, why)
                                                     : ERR_OK;
}

static enum err take_file(struct offering *o, FILE *f, struct err_text *why)
{
    char *line = NULL;
    size_t size = 0;
    enum err e = ERR_OK;
    ssize_t n;

    while (e == ERR_OK && (n = getline(&line, &size, f)) >= 0) {
        if (n > LINE_MAX_BYTES || strlen(line) != (size_t)n) {
            o->line++;
            say_failed(o, o->line, "a line of more than 8192 bytes, or with "
                                   "a zero");
            continue;
        }
        e = take_line(o, line, why);
    }
    if (e == ERR_OK && ferror(f))
        e = err_set(why, ERR_IO, "%.200s: %s", o->name, strerror(errno));
    free(line);
    return e == ERR_OK ? send_batch(o, why) : e;
}

static void show_summary(const struct offering *o)
{
    struct buf out = BUF_INIT;
    struct json_writer w;

    progress_clear();
    if (!o->ctl->json) {
        printf("offered %llu, %llu were already, %llu failed\n",
               (unsigned long long)o->offered, (unsigned long long)o->already,
               (unsigned long long)o->failed);
        return;
    }
    json_init(&w, &out);
    json_object(&w);
    json_kv_u64(&w, "offered", o->offered);
    json_kv_u64(&w, "already", o->already);
    json_kv_u64(&w, "failed", o->failed);
    json_object_end(&w);
    printf("%s\n", buf_cstr(&out));
    buf_free(&out);
}

static enum err offer_list(struct ctl *c, const char *path,
                           struct err_text *why)
{
    bool standard = strcmp(path, "-") == 0;
    struct offering o = {.ctl = c, .name = standard ? "standard input" : path};
    FILE *f = standard ? stdin : fopen(path, "re");
    struct target t;
    enum err e;

    if (f == NULL)
        return err_set(why, ERR_IO, "%.200s: %s", path, strerror(errno));
    target_init(&t, "/api/v1/offers");
    e = put_size(c, &t, why);
    if (e == ERR_OK)
        e = ask_options(c, &t, why);
    o.target = target_text(&t);
    if (e == ERR_OK) {
        e = take_file(&o, f, why);
        show_summary(&o);
    }
    if (e == ERR_OK && o.failed > 0)
        e = err_set(why, ERR_IO, "%llu lines were not offered",
                    (unsigned long long)o.failed);
    target_close(&t);
    buf_free(&o.batch);
    if (!standard)
        fclose(f);
    return e;
}

enum err cmd_offer(struct ctl *c, struct err_text *why)
{
    const char *path = cli_text(&c->cli, "file");

    if ((path != NULL) == (c->cli.n_args > 0))
        return err_set(why, ERR_USAGE, "offer takes either a CID or --file");
    return path != NULL ? offer_list(c, path, why) : offer_one(c, why);
}
