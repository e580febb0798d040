/* Private to agent/kubo*.c. kubo.c keeps the handles and the loop; kubo_call.c
 * runs one request and says how it ended; kubo_text.c knows the daemon's
 * texts; kubo_pins.c, kubo_info.c, kubo_repo.c and kubo_add.c hold the
 * endpoints: what is sent, and a pure reader of one line of the answer.
 */
#ifndef PINFOLD_AGENT_KUBO_CALL_H
#define PINFOLD_AGENT_KUBO_CALL_H

#include "agent/kubo.h"
#include "proto/json.h"

#include <assert.h>
#include <curl/curl.h>

enum kubo_kind {
    KIND_VERSION, KIND_HEALTHY, KIND_ID, KIND_REPO_STAT, KIND_BANDWIDTH,
    KIND_PEERS, KIND_CONNECT, KIND_RESOLVE, KIND_DECLARED, KIND_MEASURED,
    KIND_LOOK, KIND_PIN, KIND_UNPIN, KIND_UPDATE, KIND_LIST, KIND_ADD,
    KIND_EMPTY, KIND_GC, KIND_IMPORT, KIND_PROXY,
    KIND_COUNT
};
static_assert((int)KIND_COUNT == (int)KUBO_KINDS, "one counter each");

/* What was asked, as far as reading the answer needs it. */
struct kubo_ask {
    enum kubo_kind kind;
    enum kubo_pin_type type; /* look, pin, unpin, list */
    struct cid cid, to;      /* to: of an update */
};

/* What the lines said so far. */
struct kubo_seen {
    bool last;          /* the object that must come last is the last */
    bool moved;         /* this line is progress */
    uint64_t bytes;     /* of the file that an upload is at */
    bool row;           /* this line is a row: */
    struct cid row_cid;
    char row_name[256];
};

typedef enum err (*kubo_reader)(const struct kubo_ask *ask,
                                const struct json_value *v,
                                struct kubo_seen *seen,
                                struct kubo_result *r, struct err_text *why);

struct kubo_verb {
    const char *path;   /* below /api/v0/ */
    kubo_reader read;
    bool waits;         /* no total limit: a stall limit, the pins' lane */
    bool slow;          /* few lines a second; many are a flood */
    bool once;          /* never sent twice without a look in between */
    bool rows;          /* a stream: it may be empty */
    bool patient;       /* no limit but its caller's */
    bool quick;         /* asked to learn whether it answers at all */
};
enum { KUBO_QUICK_MS = 5000 }; /* limit of those, unless calls have less */
enum { KUBO_BRIEF_MS = 2000 }; /* likewise, of a brief listing */
extern const struct kubo_verb kubo_verbs[KIND_COUNT];

/* Pure: one line of an answer of 200. */
enum err kubo_read(const struct kubo_ask *ask, struct span line,
                   struct kubo_seen *seen, struct kubo_result *r,
                   struct err_text *why) ERR_CHECKED;

/* What an error of the daemon means. */
struct kubo_fault {
    enum err error;
    enum fail_code code;
    bool absent;        /* it says: there is no such pin */
    char text[LIMIT_ERROR_TEXT + 1];
};
/* Pure: status and body of an answer; 200 and the text of its trailer. */
void kubo_text_judge(enum kubo_kind kind, long status, struct span body,
                     struct kubo_fault *out);
/* Printable text on one line, cut at a character. */
void kubo_text_clean(struct span from, char *out, size_t size);
/* A line of an error in the trailer, behind those that are there; of all of
 * them LIMIT_TRAILER bytes are kept. */
void kubo_text_trailer(struct buf *trailer, struct span line);

enum { KUBO_MAGIC = 0x6b75626f, KUBO_CALL_MAGIC = 0x6b63616c };

struct kubo_lane { /* one multi handle */
    struct kubo *kubo;
    CURLM *multi;
    uv_timer_t timer;
};

struct kubo_list { /* of calls, in order */
    struct kubo_call *first, *last;
};

enum { KUBO_LANE_PINS, KUBO_LANE_CONTROL, KUBO_LANES };

struct kubo {
    uint32_t magic;
    uv_loop_t *loop;
    char *url;          /* http://host:port */
    CURLU *parts;       /* the same, taken apart */
    char *unix_path;    /* or NULL */
    char *shown;        /* the address, for texts */
    struct curl_slist *headers;
    char *authorization;
    unsigned concurrent_pins;
    uint64_t connect_ms, call_ms, stall_ms, list_ms;
    struct kubo_lane lanes[KUBO_LANES];
    uv_idle_t idle;     /* runs once something has to be settled */
    struct kubo_list running, ending, spare;
    unsigned spares, handles; /* handles: open ones of libuv */
    struct kubo_stats stats;
    bool closing, torn_down, settling;
    void (*closed)(void *arg);
    void *closed_arg;
};

struct kubo_feed { /* an upload */
    struct kubo_upload ask; /* its texts are not kept */
    struct kubo_proxied *proxied; /* of a proxied command, else NULL */
    struct curl_slist *headers;
    struct buf body;
    size_t at;          /* sent from body so far */
    bool ended;         /* kubo_feed_end */
    bool full;          /* room is owed */
    bool send_paused;
    bool held;          /* the caller wants no lines now … */
    bool read_on;       /* … and has thought better of it */
    bool read_paused;
    bool wake;          /* pauses to be looked at from the loop */
    struct buf rest;    /* of the answer, not yet given out */
};

struct kubo_call {
    uint32_t magic;
    struct kubo *kubo;
    struct kubo_list *list;
    struct kubo_call *prev, *next;
    CURL *easy;
    uv_timer_t timer;
    const struct kubo_verb *verb;
    struct kubo_ask ask;
    enum cid_form form;  /* the spelling of this request */
    bool other_form;     /* and another one is to be tried */
    bool waits;          /* its end may be far away: progress counts */
    uint64_t limit_ms;   /* to its end; waits: without progress */
    char *name;          /* of a pin */
    kubo_cb cb;
    void (*progress)(void *arg, uint64_t bytes, uint64_t nodes);
    void (*row)(void *arg, const struct cid *c, const char *name);
    void *arg;
    struct kubo_feed *feed;
    struct curl_slist *post_headers; /* of a body that is at hand */

    struct buf target, line, trailer;
    long status;
    bool framed, streamed, sized;
    uint64_t size, body_bytes; /* size: X-Content-Length */
    unsigned sent;
    uint64_t begun_ms, moved_ms;
    uint64_t second_ms;  /* lines are counted since then */
    unsigned lines;
    size_t turn_bytes;
    bool yielded;        /* the rest is read in the next turn of the loop */
    struct kubo_seen seen;
    bool added, ended, again;
    bool arrived;        /* curl is done with it; lines are held */
    CURLcode arrived_code;
    char curl_text[CURL_ERROR_SIZE];
    struct kubo_result result;
};

/* kubo.c */
void kubo_list_add(struct kubo_list *l, struct kubo_call *c);
void kubo_list_remove(struct kubo_call *c);
void kubo_settle_soon(struct kubo *k);
void kubo_count(const struct kubo_call *c); /* it has ended */

/* kubo_call.c */
struct kubo_call *kubo_call_new(struct kubo *k, enum kubo_kind kind,
                                kubo_cb cb, void *arg);
/* c->target, behind the path of the verb, is filled: off it goes. */
void kubo_call_start(struct kubo_call *c);
/* Instead of starting it. */
void kubo_call_refuse(struct kubo_call *c, enum err e, const char *text);
void kubo_call_cancel(struct kubo_call *c, const char *text);
void kubo_call_free(struct kubo_call *c); /* its timer is closed */
/* "?key=" or "&key=" and the text, encoded. */
void kubo_call_arg(struct kubo_call *c, const char *key, const char *text);
/* The first end counts; the callback comes from the loop. */
void kubo_call_end(struct kubo_call *c, enum err e, enum fail_code code,
                   const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void kubo_call_done(struct kubo_call *c, CURLcode code); /* curl's word */
void kubo_call_settle(struct kubo_call *c); /* ended: callback, or again */
void kubo_call_read_on(struct kubo_call *c); /* yielded */
/* False: the call ended. */
bool kubo_call_take(struct kubo_call *c, const char *p, size_t n);

/* kubo_pins.c: the target, again for each spelling */
void kubo_pins_url(struct kubo_call *c);
enum err kubo_read_look(const struct kubo_ask *, const struct json_value *,
                        struct kubo_seen *, struct kubo_result *,
                        struct err_text *);
enum err kubo_read_pin(const struct kubo_ask *, const struct json_value *,
                       struct kubo_seen *, struct kubo_result *,
                       struct err_text *);
enum err kubo_read_unpin(const struct kubo_ask *, const struct json_value *,
                         struct kubo_seen *, struct kubo_result *,
                         struct err_text *);
enum err kubo_read_list(const struct kubo_ask *, const struct json_value *,
                        struct kubo_seen *, struct kubo_result *,
                        struct err_text *);

/* kubo_info.c */
#define KUBO_INFO(X)                                                         \
    X(version) X(healthy) X(id) X(repo_stat) X(bandwidth) X(peers)           \
    X(connect) X(resolve) X(declared) X(measured)
#define X(name)                                                              \
    enum err kubo_read_##name(const struct kubo_ask *,                       \
                              const struct json_value *,                     \
                              struct kubo_seen *, struct kubo_result *,      \
                              struct err_text *);
KUBO_INFO(X)
#undef X

/* kubo_repo.c */
enum err kubo_read_empty(const struct kubo_ask *, const struct json_value *,
                         struct kubo_seen *, struct kubo_result *,
                         struct err_text *);
enum err kubo_read_gc(const struct kubo_ask *, const struct json_value *,
                      struct kubo_seen *, struct kubo_result *,
                      struct err_text *);

/* kubo_add.c */
enum err kubo_read_add(const struct kubo_ask *, const struct json_value *,
                       struct kubo_seen *, struct kubo_result *,
                       struct err_text *);
enum err kubo_read_import(const struct kubo_ask *, const struct json_value *,
                          struct kubo_seen *, struct kubo_result *,
                          struct err_text *);
void kubo_add_setup(struct kubo_call *c);   /* options of the easy handle */
void kubo_add_refused(struct kubo_call *c); /* status >= 400: stop sending */
void kubo_add_yield(struct kubo_call *c);   /* reads on in the next turn */
void kubo_add_wake(struct kubo_call *c);    /* from the loop */
void kubo_add_free(struct kubo_call *c);
/* Expect, Content-Type and the daemon's authorization. */
struct curl_slist *kubo_add_headers(const struct kubo *k, const char *type);

/* kubo_proxy.c */
void kubo_proxy_done(struct kubo_call *c, CURLcode code);
void kubo_proxy_free(struct kubo_proxied *p);

#endif
