/* The price of room in each scope, for people: what an organisation's own
 * elastic content is worth at least in the organisation, in each of its tags,
 * on nodes and in the cluster (core/frontier.h), and the room that is left
 * there. Of others' content only the operators of the default organisation
 * learn, and of that a key and whose it is.
 */
#ifndef PINFOLD_API_SCOPES_H
#define PINFOLD_API_SCOPES_H

#include "coordinator/api.h"
#include "coordinator/core/frontier.h"

struct scope_node {
    uint32_t node;
    struct frontier_price price;
    uint32_t org;  /* whose content that is */
};

struct scopes {
    struct frontier own, other;  /* of the request's organisation; of the
                                    one that is looked at now */
    bool others;                 /* their content counts, too */
    uint32_t next_org;           /* in the view */
    struct scope_node *nodes;    /* by node */
    struct frontier_node *own_nodes, *other_nodes;
    uint32_t n_nodes;
    struct tag *tags;            /* name, limits, what is used */
    struct frontier_tag *tag_prices;
    uint32_t n_tags;
    struct frontier_price cluster;
    uint32_t cluster_org;
    struct pin pin;              /* scratch */
};

void scopes_init(struct scopes *s, const struct api_call *c);
void scopes_free(struct scopes *s);
/* Before the first look. Of ids, in order; of tags, copied. */
void scopes_nodes(struct scopes *s, const uint32_t *nodes, uint32_t n);
void scopes_tags(struct scopes *s, const struct tag *tags, uint32_t n);
/* Reader thread: a piece; false: it was the last one. */
bool scopes_look(struct scopes *s, const struct api_call *c,
                 struct store_reader *r);
/* Reader thread: an array. */
void scopes_write(struct scopes *s, const struct api_call *c,
                  struct store_reader *r, struct json_writer *w);

#endif
