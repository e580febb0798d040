/* Private to api_proxy.c, which carries a request to the home agent's daemon
 * and its answer back, and api_proxy_put.c, which claims what was put.
 */
#ifndef PINFOLD_API_PROXY_IMPL_H
#define PINFOLD_API_PROXY_IMPL_H

#include "coordinator/api_options.h"
#include "coordinator/api_proxy.h"
#include "proto/message.h"

struct proxied {
    struct task task;
    struct api_call *call;
    enum open_purpose purpose;
    struct buf arguments, content_type, frame;
    struct stream *stream;
    uv_timer_t timer;
    uint64_t moved_ms;
    struct message_scratch scratch;
    unsigned status;         /* of the answer; 0: not known yet */
    struct buf lines;        /* its lines' texts, each with its zero */
    struct buf trailer;
    bool opening, claiming;  /* something of it is on the core loop */
    bool body_paused, started, complete, over;
    enum err error;
    char text[LIMIT_ERROR_TEXT + 1];
    /* a put */
    struct buf kept;         /* its answer */
    size_t next;             /* the line whose block is claimed next */
    uint32_t node;           /* where it is */
    struct api_options options;
    struct command *claim;   /* what all claims of it are */
};

/* What is behind /api/v0/ in the route. */
const char *proxied_command(const struct api_call *c);
/* What the agent would refuse, too, and what no agent need be asked for;
 * false: answered. */
bool proxied_may_pass(struct api_call *c, const char *command);
/* Takes it, with its purpose and arguments; 414 if they are too long. */
void proxied_begin(struct api_call *c, struct proxied *p,
                   const struct http_head *h);
/* The request has its answer, or its client left. */
void proxied_over(struct proxied *p);
/* Frees once nothing can come any more. */
void proxied_settle(struct proxied *p);
/* Answers with the error; an answer that has begun is cut. */
void proxied_fail(struct proxied *p, enum err e, const char *text);
/* Ends the answer, with what is kept of it before. */
void proxied_finish(struct proxied *p);

/* api_proxy_put.c: claims what the answer names, then ends it. */
void proxied_claim(struct proxied *p);

#endif
