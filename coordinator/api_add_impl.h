/* Private to api_add*.c: one upload. api_add.c carries it, api_add_route.c says
 * what it is to be, api_add_lines.c reads and writes what is said about it.
 */
#ifndef PINFOLD_API_ADD_IMPL_H
#define PINFOLD_API_ADD_IMPL_H

#include "coordinator/api_add.h"
#include "coordinator/api_options.h"
#include "proto/message.h"

struct upload {
    struct task task;
    struct api_call *call;
    struct add_parameters parameters;
    struct api_options options;
    struct command *command;
    struct buf arguments, content_type, out, frame;
    size_t array_bytes; /* of out, in the sum of all */
    struct add_lines lines;
    uint32_t node;
    bool bound; /* to nodes that may take it; `node` is one */
    struct stream *stream;
    uv_timer_t timer;
    uint64_t moved_ms;
    struct message_scratch scratch;
    bool opening, claiming; /* something of it is on the core loop */
    bool body_paused, started, failed, ended, over;
    enum err error;
    char text[LIMIT_ERROR_TEXT + 1];
};

/* Takes it, with its parameters, options, arguments, content type and node,
 * and answers when it is done. */
void api_upload_begin(struct api_call *c, struct upload *u);

#endif
