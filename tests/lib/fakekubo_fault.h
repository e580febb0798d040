/* Misbehaviour on command. A fault names an endpoint ("*": all), perhaps a
 * CID ("-": no argument), and what happens to such a request:
 * fakekubo_fault.c keeps and finds faults, fakekubo_raw.c takes a connection
 * out of the HTTP server's hands and does with it what no server would. One
 * thread.
 *
 *   POST /ctl/fault?endpoint=pin/add&kind=freeze&…   one more; body: bytes
 *   POST /ctl/fault/clear                            none, stalled ones cut
 *   GET  /ctl/fault                                  one a line, with hits
 *
 * kind     what the client sees
 * stall    nothing, for ever                  (noread: not even reading)
 * head     the head of a good answer, then nothing
 * body     … and the body given, then nothing
 * close, reset   the connection ends before any byte
 * repeat   a good head and the body given, again and again, every `every` ms
 * grow, waver    progress of a pin that grows for ever; that goes to and fro
 * answer   `status`, the body given, a proper end; `trailer`; `type`
 * short    more announced by Content-Length than comes
 * torn     chunks without the last one
 * raw      the bytes given, nothing else
 * cut, freeze, drip   the real answer: `after` bytes of its body, then the
 *          end; then nothing; all of it, byte by byte every `every` ms
 * delay    the real answer `ms` later
 * vanish   the real answer, and then the pin is gone
 *
 * count: so often, then never again; skip: so many go unharmed first; apply:
 * the pin is made or removed all the same; early: before the body of the
 * request is read; reset: where a connection ends it is reset.
 */
#ifndef PINFOLD_FAKEKUBO_FAULT_H
#define PINFOLD_FAKEKUBO_FAULT_H
#include "tests/lib/fakekubo.h"

#define FAULT_KINDS(X)                                                         \
    X(stall) X(head) X(body) X(close) X(reset) X(repeat) X(grow) X(waver)      \
    X(answer) X(short) X(torn) X(raw) X(cut) X(freeze) X(drip) X(delay)        \
    X(vanish)

enum fault_kind {
#define X(name) FAULT_##name,
    FAULT_KINDS(X)
#undef X
    FAULT_KINDS_N
};

enum { FAULT_WORD = 128, FAULT_BODY = 32 << 20 };

struct fault {
    struct fault *next;
    unsigned refs; /* the list's and those of calls under way */
    char endpoint[FAULT_WORD], cid[LIMIT_CID_TEXT];
    enum fault_kind kind;
    uint64_t count, skip, hits, after, every_ms, ms;
    int status;
    char type[FAULT_WORD], trailer[FAULT_WORD];
    bool early, noread, reset, apply;
    struct buf body;
};

struct raw;
struct faults {
    struct fault *first;
    struct raw *raws;
};

/* For a request whose head has come: NULL, or what shall happen to it. */
struct fault *fault_find(struct call *);
void fault_drop(struct fault *); /* NULL is nothing */
/* Is this one for fakekubo_raw.c? Else the real answer comes. */
bool fault_is_raw(const struct fault *);
uint64_t fault_delay_ms(const struct fault *); /* before the real answer */
/* The request's arguments are there; before the real answer, or instead. */
void fault_apply(struct call *);
/* After the real answer: what vanishes is gone. */
void fault_after(struct call *);

/* The request goes from the server to the fault of the call. Only the call
 * may be touched then. */
void raw_take(struct call *, struct http_request *);
void raw_cut_all(struct fake *);

/* Controls; the body is in call.body_args */
void ctl_fault_add(struct call *, struct http_request *);
void ctl_fault_list(struct call *, struct http_request *);
void faults_clear(struct fake *);
#endif
