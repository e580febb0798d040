/* Private to access_log*.c: what a line says, whatever its form, before it is
 * judged.
 */
#ifndef PINFOLD_AGENT_ACCESS_LOG_FIELDS_H
#define PINFOLD_AGENT_ACCESS_LOG_FIELDS_H

#include "agent/core/access_log.h"

struct access_fields { /* spans into the line or into scratch; p NULL: none */
    struct span client, method, target, host, time;
    uint64_t status, bytes;
    size_t used;
    char scratch[ACCESS_LINE_MAX + 16];
};

/* access_log_json.c */
bool access_log_json(struct span line, struct access_fields *f);

/* access_log_text.c: parts of both forms */
bool access_number(struct span text, uint64_t *out); /* digits only */
/* "10/Oct/2000:13:55:36 -0700", ISO 8601, or seconds since the epoch with or
 * without a fraction; milliseconds and finer are known by their size. 0: none
 * of them. */
uint64_t access_time_ms(struct span text);
/* Whether it is an address of IP. */
bool access_client(struct span text, struct access *out);
/* "GET /path HTTP/1.1" */
bool access_request(struct span text, struct access_fields *f);

#endif
