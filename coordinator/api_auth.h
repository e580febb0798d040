/* Who asks: the door of the API (specs/security.md 9). What a user may is
 * checked here first and in the state machine again. http loop only.
 */
#ifndef PINFOLD_API_AUTH_H
#define PINFOLD_API_AUTH_H

#include "coordinator/api.h"

enum api_admit {
    API_ADMITTED, /* c knows who asks */
    API_REFUSED,  /* answered */
    API_WAITS     /* a password is looked at; api_route comes later */
};
enum api_admit api_auth(struct api_call *c, const struct http_head *h);
/* Answers a 401; text begins with "unauthorized". */
void api_unauthorized(struct api_call *c, const char *text);
/* The organisation that the request names, or the user's own, as always where
 * nobody is asked who he is; false: 403 was answered. */
bool api_auth_org(struct api_call *c, const struct http_head *h);
/* Whether the route's verb is the user's; false: 403 was answered. */
bool api_auth_verb(struct api_call *c);
/* For calls that last, at a moment when nothing that was asked for it is under
 * way: gives the picture of its beginning for the newest one, which most share.
 * false: who asks is not known any more, and gets nothing more. */
bool api_renew(struct api_call *c);
/* Likewise, and the picture stays. */
bool api_known(const struct api_call *c);
#define API_NOT_ANY_MORE "the user or token is not known, or not any more"
/* 403 unless the user has one of them. */
bool api_needs(struct api_call *c, unsigned verb);

#endif
