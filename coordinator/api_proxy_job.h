/* A request of the IPFS proxy about pins: its arguments, one after the other,
 * each with its CID, then what is to be done with it. Private to
 * api_proxy_job.c and api_proxy_pins.c. http loop only.
 */
#ifndef PINFOLD_API_PROXY_JOB_H
#define PINFOLD_API_PROXY_JOB_H

#include "coordinator/api_options.h"
#include "coordinator/api_proxy.h"

struct job;
typedef void (*job_cb)(struct job *j);

struct job {
    struct api_call *call;
    job_cb act;              /* with the CID at hand */
    uv_timer_t timer;
    struct cid cids[API_PARAMS + 1]; /* one may stand in the path */
    enum cid_form forms[API_PARAMS + 1];
    uint32_t at;             /* the argument that is worked on */
    struct api_options options;
    struct command *claim;   /* what all claims of it are */
    bool recursive, unpin, progress;
    bool waits;              /* it has a place among those that do */
    bool busy;               /* something of it is not on this loop */
    bool waiting, started, over;
    unsigned ticks, looks;
    uint64_t deadline_ms;    /* by the loop; 0 none */
    job_cb waited;
    /* of the last look */
    struct pin pin;
    bool found;
    char failed[LIMIT_ERROR_TEXT + 1];
    struct buf out;
};

/* Gives the call its job, which lives until it is answered. */
struct job *job_begin(struct api_call *c, job_cb act);
/* The CID of the argument at `at`, then act; behind the last one the answer:
 * {"Pins":[…]}. */
void job_next(struct job *j);
/* What was asked for elsewhere is back; false: nobody waits for it. */
bool job_back(struct job *j);
void job_fail(struct job *j, int status, const char *text);
/* For api_read: the pin of that CID, as the organisation sees it. */
void job_read(struct api_call *c, struct store_reader *r);
/* Until the pin is pinned; shows progress meanwhile, if that is wanted. */
void job_wait(struct job *j, job_cb waited);

#endif
