/* See certificate.h. A change is told by the files' place, size and times,
 * taken before they are read: what is written meanwhile is another change. A
 * certificate that was written before its key does not fit, is refused, and
 * fits at the next look.
 */
#include "coordinator/certificate.h"

#include "coordinator/now.h"
#include "proto/buf.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 256 << 10, WHY_MAX = 200, DAY_S = 86400, SOON_DAYS = 7 };

struct stamp { /* of a file as it was seen */
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec changed;
};

struct certificate {
    uv_loop_t *loop;
    struct http_server *server;
    const char *cert, *key;
    uv_timer_t timer;
    struct stamp seen[2];
    struct certificate_counts counts;
    uint64_t warned_ms; /* that it expires soon */
    bool working, asked, closing, timer_closed;
    /* Of the work; the pool's while it is under way. */
    uv_work_t work;
    bool always, changed, expired;
    struct stamp now[2];
    struct http_pair *pair;
    enum err error;
    struct err_text why;
};

/* --- files --------------------------------------------------------------- */

static enum err read_open(const char *option, const char *path, int fd,
                          bool secret, struct buf *out, struct err_text *why)
{
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) != 0)
        return err_set(why, ERR_IO, "%s: %s: %s", option, path,
                       strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        return err_set(why, ERR_INVALID, "%s: %s is not a file of at most %d "
                       "KiB", option, path, FILE_MAX >> 10);
    if (secret && (st.st_mode & 027) != 0)
        return err_set(why, ERR_DENIED, "%s: %s has the mode %03o: others may "
                       "not read the key, nor the group write it (chmod 600, "
                       "or 640)", option, path, (unsigned)st.st_mode & 0777);
    buf_reserve(out, FILE_MAX + 1);
    while ((n = read(fd, out->p + out->n, FILE_MAX + 1 - out->n)) > 0)
        out->n += (size_t)n;
    if (n < 0 || out->n > FILE_MAX)
        return err_set(why, ERR_IO, "%s: %s: %s", option, path,
                       n < 0 ? strerror(errno) : "it grew while it was read");
    return ERR_OK;
}

static enum err read_file(const char *option, const char *path, bool secret,
                          struct buf *out, struct err_text *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum err e;

    if (fd < 0)
        return err_set(why, ERR_IO, "%s: %s: %s", option, path,
                       strerror(errno));
    e = read_open(option, path, fd, secret, out, why);
    close(fd);
    return e;
}

enum err certificate_load(const char *cert, const char *key, uint64_t now_ms,
                          struct http_pair **out, bool *expired,
                          struct err_text *why)
{
    struct buf chain = BUF_INIT, secret = BUF_INIT;
    int64_t now_s = (int64_t)(now_ms / 1000);
    char text[WHY_MAX] = "";
    enum err e = read_file("tls-cert", cert, false, &chain, why);

    if (e == ERR_OK)
        e = read_file("tls-key", key, true, &secret, why);
    if (e == ERR_OK) {
        *out = http_pair_new(chain.p, chain.n, secret.p, secret.n, text,
                             sizeof text);
        if (*out == NULL)
            e = err_set(why, ERR_INVALID, "tls-cert %s, tls-key %s: %s", cert,
                        key, text);
        else
            *expired = http_pair_expires_s(*out) <= now_s ||
                       http_pair_begins_s(*out) > now_s;
    }
    if (secret.p != NULL)
        explicit_bzero(secret.p, secret.n);
    buf_free(&secret);
    buf_free(&chain);
    return e;
}

static struct stamp stamp_of(const char *path)
{
    struct stamp s;
    struct stat st;

    memset(&s, 0, sizeof s); /* all of it is compared */
    if (stat(path, &st) == 0) {
        s.dev = st.st_dev;
        s.ino = st.st_ino;
        s.size = st.st_size;
        s.changed = st.st_ctim;
    }
    return s;
}

static bool stamp_equal(const struct stamp *a, const struct stamp *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

static void look(struct certificate *c)
{
    c->now[0] = stamp_of(c->cert);
    c->now[1] = stamp_of(c->key);
    c->changed = c->always || !stamp_equal(&c->now[0], &c->seen[0]) ||
                 !stamp_equal(&c->now[1], &c->seen[1]);
    c->pair = NULL;
    c->error = ERR_OK;
    if (c->changed)
        c->error = certificate_load(c->cert, c->key, now_wall_ms(), &c->pair,
                                    &c->expired, &c->why);
}

/* --- the pair in use ----------------------------------------------------- */

static int64_t days_left(const struct http_pair *pair)
{
    int64_t left_s = http_pair_expires_s(pair) -
                     (int64_t)(now_wall_ms() / 1000);

    return left_s < 0 ? -1 : left_s / DAY_S;
}

/* Once a day, since somebody must act. */
static void warn_soon(struct certificate *c)
{
    int64_t days = days_left(http_pair_used(c->server));
    uint64_t now_ms = now_boot_ms();

    if (days >= SOON_DAYS || now_ms < c->warned_ms)
        return;
    c->warned_ms = now_ms + (uint64_t)DAY_S * 1000;
    if (days < 0)
        log_error("certificate_expired", "file=%s", c->cert);
    else
        log_warn("certificate_expires", "file=%s days=%lld", c->cert,
                 (long long)days);
}

static void use(struct certificate *c)
{
    memcpy(c->seen, c->now, sizeof c->seen);
    log_info("certificate_loaded", "file=%s days=%lld", c->cert,
             (long long)days_left(c->pair));
    http_use_pair(c->server, &c->pair);
    c->warned_ms = 0;
}

/* One that clients do not take must not replace one that they do. */
static bool worse(const struct certificate *c)
{
    return c->expired && days_left(http_pair_used(c->server)) >= 0;
}

static void settle(struct certificate *c)
{
    if (c->error == ERR_OK && c->changed && worse(c)) {
        c->error = err_set(&c->why, ERR_INVALID, "tls-cert %s: %s", c->cert,
                           days_left(c->pair) < 0 ? "it has expired"
                                                  : "it is not valid yet");
        http_pair_drop(c->pair);
        c->pair = NULL;
    }
    if (c->error != ERR_OK) {
        memcpy(c->seen, c->now, sizeof c->seen); /* said once */
        c->counts.refused++;
        log_error("certificate_refused", "text=%s", c->why.text);
    } else if (c->changed) {
        c->counts.loaded++;
        use(c);
    }
    warn_soon(c);
}

/* --- the loop ------------------------------------------------------------ */

static void begin(struct certificate *c, bool always);

static void on_work(uv_work_t *w)
{
    look(w->data);
}

static void maybe_free(struct certificate *c)
{
    if (!c->closing || c->working || !c->timer_closed)
        return;
    free(c);
}

static void on_worked(uv_work_t *w, int status)
{
    struct certificate *c = w->data;
    bool again = c->asked;

    c->working = c->asked = false;
    if (c->closing) {
        if (status == 0)
            http_pair_drop(c->pair);
        maybe_free(c);
        return;
    }
    settle(c);
    if (again)
        begin(c, true);
}

static void begin(struct certificate *c, bool always)
{
    if (c->working) {
        c->asked = c->asked || always;
        return;
    }
    c->working = true;
    c->always = always;
    c->work.data = c;
    if (uv_queue_work(c->loop, &c->work, on_work, on_worked) != 0)
        abort(); /* only when called wrongly */
}

static void on_timer(uv_timer_t *t)
{
    begin(t->data, false);
}

enum err certificate_start(uv_loop_t *loop, struct http_server *server,
                           const char *cert, const char *key,
                           uint64_t look_ms, struct certificate **out,
                           struct err_text *why)
{
    struct certificate *c = mem_alloc(sizeof *c);

    c->loop = loop;
    c->server = server;
    c->cert = cert;
    c->key = key;
    c->always = true;
    look(c);
    if (c->error != ERR_OK) {
        enum err e = c->error;

        *why = c->why;
        free(c);
        return e;
    }
    use(c);
    if (c->expired)
        log_error("certificate_invalid", "file=%s text=%s", cert,
                  days_left(http_pair_used(server)) < 0
                      ? "it has expired" : "it is not valid yet");
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    if (look_ms > 0)
        uv_timer_start(&c->timer, on_timer, look_ms, look_ms);
    *out = c;
    return ERR_OK;
}

void certificate_reload(struct certificate *c)
{
    begin(c, true);
}

struct certificate_counts certificate_counts(const struct certificate *c)
{
    return c->counts;
}

static void on_timer_closed(uv_handle_t *h)
{
    struct certificate *c = h->data;

    c->timer_closed = true;
    maybe_free(c);
}

void certificate_close(struct certificate *c)
{
    c->closing = true;
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}
