/* Work with passwords, off the http loop: at most two at once, for each takes
 * 64 MiB and a core for 0.1 s; the others wait in a bounded queue, of which
 * one client's address gets a part (specs/security.md 9.2). http loop only.
 */
#ifndef PINFOLD_VERIFIER_H
#define PINFOLD_VERIFIER_H

#include "coordinator/auth.h"
#include "proto/err.h"

#include <uv.h>

enum {
    VERIFIER_AT_ONCE = 2,
    VERIFIER_WAITING = 64,
    VERIFIER_OF_PEER = 8 /* waiting or at work */
};

struct verifier;

struct verifier_job {
    bool make;             /* a hash of the password, else compare */
    uint64_t peer;         /* whose address; any number, equal for one */
    char hash[LIMIT_PASSWORD_HASH + 1]; /* compared with, or made */
    char password[AUTH_PASSWORD_MAX + 1]; /* its owner wipes it */
    bool good;
    void (*done)(struct verifier_job *job); /* http loop; owns the job */
    void *arg;
    /* the verifier's own */
    struct verifier *verifier;
    struct verifier_job *next;
    uv_work_t work;
};

struct verifier *verifier_new(uv_loop_t *loop);
/* Nothing may be under way. */
void verifier_free(struct verifier *v);
/* ERR_BUSY: no room, for this peer or for anybody; done does not come. */
enum err verifier_submit(struct verifier *v, struct verifier_job *job)
    ERR_CHECKED;
unsigned verifier_waiting(const struct verifier *v);

#endif
