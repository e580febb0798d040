/* The texts by which the daemon says what went wrong: it has no codes. One
 * table; a text that is not in it is a failure that may be tried again, never
 * a success. Knows no connection.
 */
#include "agent/kubo_call.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ON(kind) (1u << KIND_##kind)
#define ANY (~0u)
#define PINS (ON(PIN) | ON(UPDATE))

static const struct row {
    const char *text;
    unsigned kinds;
    enum err error;
    enum fail_code code;
    bool absent;
} ROWS[] = {
    {"is not pinned", ON(LOOK), ERR_OK, FAIL_NONE, true},
    {"not pinned or pinned indirectly", ON(UNPIN), ERR_OK, FAIL_NONE, true},
    {"'from' cid was not recursively pinned", ON(UPDATE), ERR_INVALID,
     FAIL_REFUSED, true},
    {"already pinned recursively", ON(PIN), ERR_INVALID, FAIL_CONFLICT,
     false},
    {"is pinned recursively", ON(UNPIN), ERR_INVALID, FAIL_CONFLICT, false},
    {"no space left on device", ANY, ERR_NO_SPACE, FAIL_NO_SPACE, false},
    {"disk quota exceeded", ANY, ERR_NO_SPACE, FAIL_NO_SPACE, false},
    {"pin name is", PINS, ERR_INVALID, FAIL_REFUSED, false},
    {"selected encoding not supported", ANY, ERR_INVALID, FAIL_REFUSED,
     false},
    {"invalid cid", ANY, ERR_INVALID, FAIL_REFUSED, false},
    {"invalid path", ANY, ERR_INVALID, FAIL_REFUSED, false},
    {"not unixfs node", ON(DECLARED), ERR_INVALID, FAIL_REFUSED, false},
    {"file argument 'path' is required", ON(ADD) | ON(IMPORT), ERR_INVALID,
     FAIL_REFUSED, false},
    {"mismatch in content integrity", ON(IMPORT), ERR_INVALID, FAIL_REFUSED,
     false},
    {"over 2MiB", ON(IMPORT), ERR_INVALID, FAIL_REFUSED, false},
    {"expected a file argument", ON(ADD), ERR_INVALID, FAIL_REFUSED, false},
    /* Go's reader of forms; a form that it cannot read is the client's. */
    {"malformed MIME header", ON(ADD), ERR_INVALID, FAIL_REFUSED, false},
    {"mime: ", ON(ADD), ERR_INVALID, FAIL_REFUSED, false},
    {"multipart: ", ON(ADD), ERR_INVALID, FAIL_REFUSED, false},
    {"unexpected EOF", ON(ADD), ERR_INVALID, FAIL_REFUSED, false},
    {"context deadline exceeded", ANY, ERR_TIMEOUT, FAIL_STALLED, false},
    {"api version mismatch", ANY, ERR_DENIED, FAIL_DAEMON, false},
};

static bool contains(struct span text, const char *part)
{
    return text.n > 0 && memmem(text.p, text.n, part, strlen(part)) != NULL;
}

void kubo_text_clean(struct span from, char *out, size_t size)
{
    size_t n = 0;

    assert(size > 0);
    for (size_t i = 0; i < from.n;) {
        size_t k = json_utf8_length(from.p + i, from.n - i);

        if (n + (k ? k : 1) >= size)
            break;
        if (k == 0) {
            out[n++] = '?';
            i++;
        } else if (k == 1 && (from.p[i] <= ' ' || from.p[i] == 0x7f)) {
            if (n > 0 && out[n - 1] != ' ')
                out[n++] = ' ';
            i++;
        } else {
            memcpy(out + n, from.p + i, k);
            n += k;
            i += k;
        }
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = 0;
}

/* By status, for texts that are in no row. */
static void judge_status(long status, struct kubo_fault *out)
{
    out->error = ERR_INTERNAL;
    out->code = FAIL_OTHER;
    if (status == 401 || status == 403 || status == 407) {
        out->error = ERR_DENIED;
        out->code = FAIL_DAEMON;
    } else if (status >= 502 && status <= 504) { /* something between us */
        out->error = ERR_UNREACHABLE;
        out->code = FAIL_DAEMON;
    } else if (status != 500 && status != 200) {
        out->error = ERR_PROTOCOL; /* 400: our fault; 404, 405: no Kubo */
        out->code = FAIL_DAEMON;
    }
}

static void judge_text(enum kubo_kind kind, struct span text,
                       struct kubo_fault *out)
{
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        if (!(ROWS[i].kinds & 1u << kind) || !contains(text, ROWS[i].text))
            continue;
        out->error = ROWS[i].error;
        out->code = ROWS[i].code;
        out->absent = ROWS[i].absent;
        return;
    }
}

void kubo_text_judge(enum kubo_kind kind, long status, struct span body,
                     struct kubo_fault *out)
{
    struct json_value v, m;
    char *message = NULL;
    struct span text = body;

    memset(out, 0, sizeof(*out));
    if (status != 200 && json_parse(body.p, body.n, &v, NULL) == ERR_OK &&
        json_get(&v, "Message", &m) && m.type == JSON_STRING) {
        message = mem_alloc(m.n + 1);
        if (json_string(&m, message, m.n + 1))
            text = span_text(message);
    }
    kubo_text_clean(text, out->text, sizeof(out->text));
    if (out->text[0] == 0)
        (void)snprintf(out->text, sizeof(out->text),
                       "answered %ld without a text", status);
    judge_status(status, out);
    if (status == 500 || status == 400 || status == 200)
        judge_text(kind, text, out);
    free(message);
}

void kubo_text_trailer(struct buf *trailer, struct span line)
{
    size_t room = LIMIT_TRAILER - trailer->n;

    assert(trailer->n <= LIMIT_TRAILER);
    buf_add(trailer, line.p, line.n < room ? line.n : room);
}
