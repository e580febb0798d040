/* What browsers may ask for in the name of other pages (CORS), and what they
 * may not: a page of another origin writes nothing, and where nobody is asked
 * who it is, no name leads here that others could point at this machine.
 */
#ifndef PINFOLD_API_BROWSER_H
#define PINFOLD_API_BROWSER_H

#include "coordinator/api.h"

/* Of the option cors-origin: "*" alone, and only with authentication, or
 * scheme://host[:port] each. NULL: none. */
enum err api_origins_check(const char *list, bool auth, struct err_text *why)
    ERR_CHECKED;
/* Before it is asked who the client is. false: answered. */
bool api_browser(struct api_call *c, const struct http_head *h);

#endif
