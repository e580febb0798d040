/* The Pinning Service API v1.0.0 (door API_PINNING, and /psa of the cluster's
 * door): requests of the principal that asks, and of nobody else. What is
 * shared by api_psa*.c.
 */
#ifndef PINFOLD_API_PSA_H
#define PINFOLD_API_PSA_H

#include "coordinator/api.h"
#include "proto/meta.h"

enum {
    PSA_NAME = 255,       /* characters */
    PSA_ORIGINS = 20,     /* kept of those that a client names */
    PSA_DELEGATES = 3,    /* clients dial them one after another */
    PSA_CIDS = 10, PSA_LIMIT = 1000, PSA_LIMIT_DEFAULT = 10,
    PSA_ID_TEXT = 37
};

/* {"error":{"reason":…,"details":…}} */
void psa_error_json(struct buf *out, int status, const char *text);
void psa_error(struct api_call *c, int status, const char *reason,
               const char *details);

/* --- request ids: (claim id masked by the keyed hash of the salt, salt) -- */
void psa_id_print(const struct cluster *cluster, uint64_t id, uint64_t salt,
                  char out[PSA_ID_TEXT]);
/* false: none that this cluster could have given. */
bool psa_id_parse(const struct cluster *cluster, const char *text,
                  uint64_t *id, uint64_t *salt);

/* --- api_psa_pin.c: a Pin object of a request's body --------------------- */
struct psa_pin {
    struct cid cid;
    enum cid_form form;
    struct buf name, meta; /* encoded */
    struct buf text;
    struct meta doc;
    uint16_t flags;        /* its priority */
};
/* ERR_INVALID: says what is wrong, and where. */
enum err psa_pin_parse(struct span json, struct psa_pin *out,
                       struct err_text *why) ERR_CHECKED;
void psa_pin_free(struct psa_pin *p);
/* Characters of UTF-8. */
size_t psa_characters(const char *text);

/* --- api_psa_query.c: the filters of GET /pins --------------------------- */
enum psa_match { PSA_EXACT, PSA_IEXACT, PSA_PARTIAL, PSA_IPARTIAL };

struct psa_query {
    uint32_t n_cids;
    struct cid cids[PSA_CIDS];
    const char *name; /* the call's; NULL: any */
    enum psa_match match;
    unsigned statuses;              /* bit an enum request_status */
    uint64_t after_ms, before_ms;   /* exclusive */
    uint32_t limit;
    struct buf text;                /* of meta */
    uint32_t n_pairs;
    struct meta_pair pairs[LIMIT_METADATA_PAIRS];
};
enum err psa_query_parse(const struct api_call *c, struct psa_query *out,
                         struct err_text *why) ERR_CHECKED;
void psa_query_free(struct psa_query *q);
/* By name and meta alone; scratch is overwritten. */
bool psa_query_matches(const struct psa_query *q, const struct pin *p,
                       struct meta *scratch);

/* --- api_psa_object.c ---------------------------------------------------- */
/* Whether there is any address that a client could send content to: an answer
 * names one at least. false: answered, 503. */
bool psa_has_delegates(struct api_call *c);
struct psa_object {
    const struct view *view;
    struct meta meta;
    /* Looks a failed copy up; may be NULL. */
    bool (*fail)(void *arg, uint64_t pin, uint32_t node, struct fail *out);
    void *arg;
};
/* A PinStatus; p is claims_request's. */
void psa_object(struct psa_object *o, const struct pin *p, uint64_t id,
                struct json_writer *w);

#endif
