/* repair resume: ends a pause of repair. Another coordinator than the leader
 * answers 503, so the next host is asked.
 */
#include "ctl/commands.h"

#include "ctl/ask.h"
#include "ctl/print.h"

#include <stdio.h>

enum err cmd_repair_resume(struct ctl *c, struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v;
    enum err e = ask_value(c, "POST", "/api/v1/repair/resume", &body, &v, why);

    if (e == ERR_OK && c->json)
        print_json(&v);
    else if (e == ERR_OK)
        puts("repair goes on");
    buf_free(&body);
    return e;
}
