/* Request ids, and the access log: a line for each request that is over. http
 * loop only. What was refused before a request was there is a line with or
 * without the access log: http_refused. */
#ifndef PINFOLD_API_LOG_H
#define PINFOLD_API_LOG_H

#include "coordinator/api.h"

/* Takes the client's X-Request-Id if it is good, or makes one; every answer
 * bears it. */
void api_log_begin(struct api_call *c, const struct http_head *h);
/* In on_done. */
void api_log_end(struct api_call *c, const struct http_request *r,
                 bool complete);
/* An operation of the call about a pin is over, with the access log: a line
 * that names the pin as the agents' lines do. */
void api_log_operation(const struct api_call *c, enum command_kind kind,
                       const struct replica_result *r);
/* The server's on_refused. */
void api_log_refused(void *app, const struct http_refused *r);

#endif
