/* The table of messages between agents and coordinators. Their bodies are in
 * message_encode.c and message_decode.c.
 */
#include "proto/message.h"
#include "proto/message_wire.h"

#include <stdlib.h>

/* kind and version: 2 before the body */
const struct field_kind message_kinds[MESSAGE_KINDS] = {
    [MESSAGE_HELLO] = {"HELLO", 1, 2 + 8},
    [MESSAGE_WELCOME] = {"WELCOME", 1, 2 + 9},
    [MESSAGE_BEAT] = {"BEAT", 1, 2 + 20},
    [MESSAGE_ORDERS] = {"ORDERS", 2, 2 + 11},
    [MESSAGE_REPORT] = {"REPORT", 1, 2 + 3},
    [MESSAGE_TAKEN] = {"TAKEN", 1, 2 + 2},
    [MESSAGE_OPEN] = {"OPEN", 1, 2 + 4},
    [MESSAGE_CALL] = {"CALL", 1, 2 + 4},
    [MESSAGE_RESULT] = {"RESULT", 1, 2 + 4},
    [MESSAGE_GOODBYE] = {"GOODBYE", 1, 2 + 2},
    [MESSAGE_TICKET] = {"TICKET", 1, 2 + 1},
    [MESSAGE_DATA] = {"DATA", 1, 2 + 1},
    [MESSAGE_END] = {"END", 1, 2 + 0},
    [MESSAGE_FAIL] = {"FAIL", 1, 2 + 2},
    [MESSAGE_READS] = {"READS", 1, 2 + 4},
    [MESSAGE_HEAD] = {"HEAD", 1, 2 + 2},
    [MESSAGE_TRAILER] = {"TRAILER", 1, 2 + 1},
};

const struct field_kind message_kinds_second[MESSAGE_KINDS] = {
    [MESSAGE_ORDERS] = {"ORDERS", 3, 2 + 11},
    [MESSAGE_OPEN] = {"OPEN", 2, 2 + 5},
    [MESSAGE_CALL] = {"CALL", 2, 2 + 5},
};

const struct field_kind message_kinds_third[MESSAGE_KINDS] = {
    [MESSAGE_ORDERS] = {"ORDERS", 4, 2 + 11},
};

const char *message_kind_text(unsigned kind)
{
    if (kind >= MESSAGE_KINDS || !message_kinds[kind].text)
        return "?";
    return message_kinds[kind].text;
}

void message_scratch_free(struct message_scratch *s)
{
    command_scratch_free(&s->report);
    free(s->items);
    free(s->directory);
    s->items = NULL;
    s->directory = NULL;
    s->size_items = s->size_directory = 0;
}

bool message_origins_valid(struct span bytes)
{
    struct decode d;
    uint32_t n;

    decode_init(&d, bytes.p, bytes.n);
    n = decode_array(&d, "origins", 1, LIMIT_ORIGINS);
    for (uint32_t i = 0; i < n && decode_ok(&d); i++)
        (void)decode_str(&d, "origin", LIMIT_MULTIADDR);
    return decode_end(&d, NULL) == ERR_OK;
}
