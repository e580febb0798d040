/* What came out, in the order in which it did. One outcome an item waits at
 * most: a later one says all that counts. An outcome is kept in the journal
 * when it is moved out, in the transaction that spools its report, so that a
 * crash before leaves an item that is looked at again.
 */
#include "agent/core/work_impl.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void work_keep(struct work *w, const struct item *i)
{
    struct work_item copy;

    work_item_fill(i, &copy);
    w->wishes.keep(w->wishes.arg, &copy);
}

void work_report_set(struct work *w, struct item *i, enum report_state s)
{
    i->pending = (uint8_t)s;
    if (i->queued_report)
        return;
    i->queued_report = true;
    i->report_next = NULL;
    i->report_prev = w->report_last;
    if (w->report_last != NULL)
        w->report_last->report_next = i;
    else
        w->report_first = i;
    w->report_last = i;
    w->n_reports++;
}

void work_report_drop(struct work *w, struct item *i)
{
    i->pending = 0;
    if (!i->queued_report)
        return;
    i->queued_report = false;
    if (i->report_prev != NULL)
        i->report_prev->report_next = i->report_next;
    else
        w->report_first = i->report_next;
    if (i->report_next != NULL)
        i->report_next->report_prev = i->report_prev;
    else
        w->report_last = i->report_prev;
    w->n_reports--;
}

static void move_text(struct work *w, struct item *i,
                      struct report_item *out)
{
    size_t n = i->text == NULL ? 0 : strlen(i->text);

    out->text = span_of(NULL, 0);
    if (n == 0)
        return;
    assert(w->texts.n + n <= w->texts.size);
    out->text = span_of(w->texts.p + w->texts.n, n);
    buf_add(&w->texts, i->text, n);
    free(i->text);
    i->text = NULL;
}

static void move_out(struct work *w, struct item *i, struct report_item *out)
{
    memset(out, 0, sizeof(*out));
    out->pin = i->pin;
    out->idx = i->idx;
    out->state = (enum report_state)i->pending;
    if (i->pending == REPORT_PINNED)
        out->size = i->size;
    if (i->pending == REPORT_ASK && i->job != NULL)
        out->size = i->job->asked;
    if (i->pending == REPORT_FAILED) {
        out->attempts = i->attempts;
        out->code = (enum fail_code)i->code;
        move_text(w, i, out);
    }
    if (i->pending != REPORT_ASK)
        i->seen = i->pending;
    work_report_drop(w, i);
    work_keep(w, i);
}

uint32_t work_reports(struct work *w, struct report_item *items,
                      uint32_t max)
{
    uint32_t n = 0;

    buf_reset(&w->texts);
    buf_reserve(&w->texts, WORK_REPORT_TEXTS);
    while (n < max && w->report_first != NULL) {
        struct item *i = w->report_first;

        if (i->text != NULL &&
            w->texts.n + strlen(i->text) > WORK_REPORT_TEXTS)
            break;
        move_out(w, i, &items[n++]);
    }
    return n;
}

void work_report_again(struct work *w, const struct report_item *items,
                       uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        struct item *i = work_item_find(w, items[k].pin);

        if (i == NULL || i->pending != 0 || i->idx != items[k].idx)
            continue; /* something newer is to be said */
        if (items[k].state == REPORT_ASK) {
            if (i->job != NULL)
                i->job->asked = 0; /* again with the next progress */
            continue;
        }
        if (w->unsure) { /* an older copy's word: it was said otherwise since */
            i->seen = 0;
            work_keep(w, i);
            if (i->state == ITEM_SETTLED)
                work_ready(w, i);
            continue;
        }
        if (items[k].state == REPORT_FAILED)
            i->code = (uint8_t)items[k].code;
        if (items[k].state == REPORT_FAILED && items[k].text.n > 0) {
            free(i->text);
            i->text = mem_textn((const char *)items[k].text.p,
                                items[k].text.n);
        }
        /* Until it is said again a crash shall not take it for said. */
        i->seen = 0;
        work_keep(w, i);
        work_report_set(w, i, items[k].state);
    }
}
