/* The objects of IPFS Cluster's REST API as JSON text (specs of the wire:
 * docs/api.md). Pure: rows and a view in, text out; any thread.
 */
#ifndef PINFOLD_API_OBJECT_H
#define PINFOLD_API_OBJECT_H

#include "coordinator/core/store.h"
#include "coordinator/view.h"
#include "proto/json.h"
#include "proto/meta.h"

/* The status words of the wire. */
enum api_status_word {
    STATUS_CLUSTER_ERROR, STATUS_PIN_ERROR, STATUS_UNPIN_ERROR,
    STATUS_PINNED, STATUS_PINNING, STATUS_UNPINNING, STATUS_UNPINNED,
    STATUS_REMOTE, STATUS_PIN_QUEUED, STATUS_UNPIN_QUEUED, STATUS_SHARDED,
    STATUS_UNEXPECTEDLY_UNPINNED, STATUS_WORDS
};
const char *api_status_text(enum api_status_word w);
/* `filter=` of GET /pins: a comma list → bit mask (0: every status).
 * ERR_INVALID if no known word is in it. Composites as the specification of
 * the wire section 7.2 says. */
enum err api_filter_parse(const char *text, uint32_t *mask) ERR_CHECKED;

/* Its agent is silent, or its daemon does not answer: cluster_error. */
bool api_unreachable(const struct view_node *n);
/* What a pin is on a node. */
enum api_status_word api_status_of(const struct view_node *n,
                                   const struct pin *p,
                                   const struct copy *c);

/* Reusable: a meta document is big. */
struct api_object {
    const struct view *view;
    struct meta meta;
    struct pin pin;
    char cid[LIMIT_CID_TEXT];
};
void api_object_init(struct api_object *o, const struct view *v);
void api_object_free(struct api_object *o);

/* A Pin (allocation). form: how its CID is spelled. */
void api_object_pin(struct api_object *o, const struct pin *p,
                    enum cid_form form, struct buf *out);

/* A GlobalPinInfo. fail: looks a failed copy up (may be NULL). only: a node
 * id, or 0 for all. mask: statuses to show (0: all). false and nothing
 * written if no node is left. pin with id 0: unknown CID. */
struct api_info {
    const struct pin *pin;
    enum cid_form form;
    uint32_t only, mask;
    bool (*fail)(void *arg, uint64_t pin, uint32_t node, struct fail *out);
    void *arg;
};
bool api_object_info(struct api_object *o, const struct api_info *i,
                     struct buf *out);

/* RFC 3339 with milliseconds in UTC; the zero time of Go for 0. */
enum { API_TIME_MAX = 40 };
void api_time_text(uint64_t ms, char out[API_TIME_MAX]);
void api_kv_time(struct json_writer *w, const char *key, uint64_t ms);

/* An ID object: of a node, or of the answering coordinator. */
void api_object_node_id(const struct view *v, const struct view_node *n,
                        struct buf *out);
void api_object_self_id(const struct view *v, struct buf *out);

#endif
