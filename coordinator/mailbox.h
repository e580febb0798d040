/* Messages between loops: a mutex-guarded queue and one uv_async_send when it
 * was empty. The only way from one thread to another beside http_post.
 *
 * A task is embedded in what it is about; posting hands it over, and `run`
 * owns it on the receiving loop. Bounds are the posters' duty: each task
 * belongs to a request, job or session that is counted elsewhere.
 */
#ifndef PINFOLD_MAILBOX_H
#define PINFOLD_MAILBOX_H

#include <uv.h>

struct task {
    void (*run)(struct task *t);
    struct task *next;
};

struct mailbox {
    uv_mutex_t lock;
    uv_async_t wake;
    struct task *head, **tail;
    void (*closed)(struct mailbox *m);
};

void mailbox_init(struct mailbox *m, uv_loop_t *loop); /* on its thread */
void mailbox_post(struct mailbox *m, struct task *t);  /* any thread */
/* On its loop; tasks posted later are never run. closed may be NULL. */
void mailbox_close(struct mailbox *m, void (*closed)(struct mailbox *m));

#endif
