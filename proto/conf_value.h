/* One value of a configuration: text to the member of the caller's struct.
 * Only for conf.c and conf_load.c.
 */
#ifndef PINFOLD_CONF_VALUE_H
#define PINFOLD_CONF_VALUE_H

#include "proto/conf.h"

/* Checks type, range and length. With target not NULL the member is set; an
 * older text is freed. The error text does not name the option. */
enum err conf_value_set(const struct conf_option *o, const char *text,
                        void *target, struct err_text *why) ERR_CHECKED;
/* The member is a char *. */
bool conf_value_is_text(const struct conf_option *o);

#endif
