/* The commands. Each prints its result; on failure why gets the text and
 * the error the exit status. run_* functions in the cmd_*.c files.
 */
#ifndef PINFOLD_COMMANDS_H
#define PINFOLD_COMMANDS_H

#include "ctl/run.h"
#include "ctl/target.h"

extern const struct cli_command commands_table[];
extern const struct cli_option commands_global[];

enum err cmd_status(struct ctl *c, struct err_text *why);
enum err cmd_node_ls(struct ctl *c, struct err_text *why);
enum err cmd_node_cordon(struct ctl *c, struct err_text *why);
enum err cmd_node_uncordon(struct ctl *c, struct err_text *why);
enum err cmd_node_maintenance(struct ctl *c, struct err_text *why);
enum err cmd_node_owner(struct ctl *c, struct err_text *why);
enum err cmd_node_drain(struct ctl *c, struct err_text *why);
enum err cmd_node_remove(struct ctl *c, struct err_text *why);
enum err cmd_org_ls(struct ctl *c, struct err_text *why);
enum err cmd_org_create(struct ctl *c, struct err_text *why);
enum err cmd_org_rename(struct ctl *c, struct err_text *why);
enum err cmd_org_rm(struct ctl *c, struct err_text *why);
enum err cmd_token_create(struct ctl *c, struct err_text *why);
enum err cmd_token_ls(struct ctl *c, struct err_text *why);
enum err cmd_token_revoke(struct ctl *c, struct err_text *why);
enum err cmd_user_add(struct ctl *c, struct err_text *why);
enum err cmd_user_passwd(struct ctl *c, struct err_text *why);
enum err cmd_user_rm(struct ctl *c, struct err_text *why);
enum err cmd_user_ls(struct ctl *c, struct err_text *why);
enum err cmd_quota_show(struct ctl *c, struct err_text *why);
enum err cmd_quota_set(struct ctl *c, struct err_text *why);
enum err cmd_quota_cluster(struct ctl *c, struct err_text *why);
enum err cmd_quota_tag(struct ctl *c, struct err_text *why);
enum err cmd_node_orphans(struct ctl *c, struct err_text *why);
enum err cmd_repair_resume(struct ctl *c, struct err_text *why);
enum err cmd_pin_add(struct ctl *c, struct err_text *why);
enum err cmd_pin_rm(struct ctl *c, struct err_text *why);
enum err cmd_pin_update(struct ctl *c, struct err_text *why);
enum err cmd_pin_ls(struct ctl *c, struct err_text *why);
enum err cmd_explain(struct ctl *c, struct err_text *why);
enum err cmd_offer(struct ctl *c, struct err_text *why);
enum err cmd_score(struct ctl *c, struct err_text *why);
enum err cmd_score_top(struct ctl *c, struct err_text *why);
enum err cmd_score_bottom(struct ctl *c, struct err_text *why);
enum err cmd_score_candidates(struct ctl *c, struct err_text *why);
enum err cmd_score_frontier(struct ctl *c, struct err_text *why);
/* GET /api/v1/scores; the caller frees body. */
enum err cmd_score_list(struct ctl *c, const char *list, struct buf *body,
                        struct json_value *v, struct err_text *why);
/* Rows of two lists of pins, in one table. */
void cmd_score_rows(const struct json_value *first,
                    const struct json_value *second);
enum err cmd_score_simulate(struct ctl *c, struct err_text *why);
/* The command line's options of a formula into the query. */
enum err cmd_formula_options(struct ctl *c, struct target *t,
                             struct err_text *why);
enum err cmd_rate(struct ctl *c, struct err_text *why);
enum err cmd_formula(struct ctl *c, struct err_text *why);
enum err cmd_formula_bounds(struct ctl *c, struct err_text *why);
enum err cmd_plan(struct ctl *c, struct err_text *why);
enum err cmd_verify(struct ctl *c, struct err_text *why);
enum err cmd_recover(struct ctl *c, struct err_text *why);
enum err cmd_add(struct ctl *c, struct err_text *why);
enum err cmd_health(struct ctl *c, struct err_text *why);
enum err cmd_health_graph(struct ctl *c, struct err_text *why);
enum err cmd_health_metrics(struct ctl *c, struct err_text *why);
enum err cmd_health_alerts(struct ctl *c, struct err_text *why);
enum err cmd_version(struct ctl *c, struct err_text *why);

#endif
