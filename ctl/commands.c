/* The tables of commands and options. */
#include "ctl/commands.h"

enum { FACTOR_LOW = -1, FACTOR_HIGH = 16, ANY = 1024 };

#define END {NULL, 0, CLI_FLAG, NULL, NULL, 0, 0}
#define FLAG(name, letter, help) {name, letter, CLI_FLAG, NULL, help, 0, 0}
#define FACTOR(name, help)                                                   \
    {name, 0, CLI_NUMBER, "N", help, FACTOR_LOW, FACTOR_HIGH}
#define VALUE(name, letter, type, value, help)                               \
    {name, letter, type, value, help, 0, 0}

#define WAIT_OPTIONS(until)                                                  \
    FLAG("wait", 'w', until),                                                \
        VALUE("wait-timeout", 0, CLI_DURATION, "D",                          \
              "give up waiting after this long (default 1h), exit 10")
#define PLACE_OPTIONS                                                        \
    VALUE("name", 'n', CLI_TEXT, "TEXT", "name of the pin"),                 \
        FACTOR("replication", "copies: minimum and maximum; -1 = every "     \
                              "node"),                                       \
        FACTOR("min", "fewest copies"), FACTOR("max", "most copies"),        \
        VALUE("expire-in", 0, CLI_DURATION, "D",                             \
              "remove the pin after this long (90m, 30d)"),                  \
        VALUE("meta", 'm', CLI_PAIR, "KEY=VALUE",                            \
              "metadata of the pin; may repeat"),                            \
        VALUE("allocate", 0, CLI_LIST, "PEER",                               \
              "prefer these nodes (peer IDs); comma list, may repeat"),      \
        VALUE("region", 0, CLI_LIST, "REGION",                               \
              "at least one copy in each; comma list, may repeat"),          \
        VALUE("not-region", 0, CLI_LIST, "REGION",                           \
              "no copy there, nor where the region is not known"),           \
        VALUE("tag", 0, CLI_PAIR, "KEY=VALUE",                               \
              "only nodes with that label; may repeat"),                     \
        VALUE("not-tag", 0, CLI_PAIR, "KEY=VALUE",                           \
              "no node with that label; may repeat"),                        \
        VALUE("priority", 0, CLI_CHOICE, "low|normal|high",                  \
              "which of the organisation's pins nodes begin with "           \
              "(default normal)"),                                           \
        VALUE("place-on", 0, CLI_CHOICE, "own|shared|any",                   \
              "whose nodes: the organisation's own, or also such as others "  \
              "share (any: without a rule)"),                                 \
        VALUE("spread", 0, CLI_CHOICE, "node|rack|zone|region",              \
              "copies in different ones, as many as the fewest copies"),     \
        {"min-domains", 0, CLI_NUMBER, "N",                                  \
         "… in at least so many", 1, FACTOR_HIGH},                           \
        FLAG("soft-spread", 0, "… while there are nodes for it")

static const struct cli_option no_options[] = {END};

static const struct cli_option pin_add_options[] = {
    PLACE_OPTIONS,
    VALUE("mode", 0, CLI_CHOICE, "recursive|direct",
          "what is pinned (default recursive)"),
    WAIT_OPTIONS("wait until the minimum of copies is pinned"),
    END,
};

static const struct cli_option pin_rm_options[] = {
    WAIT_OPTIONS("wait until every node has let go"),
    END,
};

static const struct cli_option pin_update_options[] = {
    VALUE("name", 'n', CLI_TEXT, "TEXT", "name of the new pin"),
    VALUE("expire-in", 0, CLI_DURATION, "D",
          "remove the new pin after this long"),
    WAIT_OPTIONS("wait until the minimum of copies is pinned"),
    END,
};

static const struct cli_option pin_ls_options[] = {
    VALUE("filter", 'f', CLI_TEXT, "STATUS,…",
          "only pins with a copy in such a status (pinned, pin_error, "
          "queued, error, …)"),
    END,
};

static const struct cli_option add_options[] = {
    FLAG("recursive", 'r', "add directories with all that is in them"),
    FLAG("hidden", 'H', "do not leave out names that begin with '.'"),
    PLACE_OPTIONS,
    FLAG("wrap", 0, "put the files into a directory and pin that (so does "
                    "more than one PATH)"),
    {"cid-version", 0, CLI_NUMBER, "N", "0 or 1 (default 1)", 0, 1},
    VALUE("chunker", 0, CLI_TEXT, "TEXT",
          "how files are cut (default size-1048576)"),
    FLAG("quiet", 'q', "print only the root's CID"),
    WAIT_OPTIONS("wait until the minimum of copies is pinned"),
    END,
};

static const struct cli_option owner_options[] = {
    VALUE("to", 0, CLI_TEXT, "ORG", "whose they are from now on"),
    VALUE("share", 0, CLI_CHOICE, "yes|no",
          "whether they take what other organisations claim"),
    END,
};

#define DRY_LIMIT                                                            \
    {"limit", 0, CLI_NUMBER, "N",                                            \
     "a dry run names so many pins at most (default 20; up to 256)", 1, 256}
#define DRY_NODE                                                             \
    FLAG("dry-run", 0, "only show what would become of its pins"),           \
    {"limit", 0, CLI_NUMBER, "N",                                            \
     "a dry run names so many pins at most (default 20; up to 1000)", 0,     \
     1000},                                                                  \
    VALUE("cursor", 0, CLI_TEXT, "TEXT", "go on where another one ended")

static const struct cli_option drain_options[] = {
    DRY_NODE,
    WAIT_OPTIONS("wait until the node holds nothing"),
    END,
};

static const struct cli_option maintenance_options[] = {
    VALUE("for", 0, CLI_DURATION, "D", "how long, from now on (at most 30d)"),
    FLAG("end", 0, "it is over"),
    END,
};

static const struct cli_option remove_options[] = {
    DRY_NODE,
    FLAG("force", 0, "also if it holds copies: they are given up, and made "
                     "again elsewhere from what is left"),
    END,
};

#define SCOPE_OPTIONS                                                        \
    VALUE("verbs", 0, CLI_TEXT, "VERB,…",                                    \
          "read, pin, operator, admin, quality, curator (default read,pin)"),\
        VALUE("prefix", 0, CLI_TEXT, "TEXT",                                 \
              "only pins whose name begins so")
#define PASSWORD_FILE                                                        \
    VALUE("password-file", 0, CLI_TEXT, "FILE",                              \
          "the password is its first line, else it is asked for; -: "        \
          "standard input")

static const struct cli_option token_options[] = {
    VALUE("name", 'n', CLI_TEXT, "NAME",
          "whose it is: a user or a program, which is made if need be"),
    SCOPE_OPTIONS,
    VALUE("expires", 0, CLI_DURATION, "D",
          "ends by itself after this long (30d)"),
    END,
};

static const struct cli_option user_options[] = {
    SCOPE_OPTIONS, PASSWORD_FILE, END,
};

static const struct cli_option passwd_options[] = {PASSWORD_FILE, END};

static const struct cli_option budget_options[] = {
    VALUE("logical", 0, CLI_TEXT, "SIZE",
          "most bytes of content, of all organisations (none)"),
    VALUE("physical", 0, CLI_TEXT, "SIZE", "most bytes with all copies"),
    VALUE("pins", 0, CLI_TEXT, "N", "most pins"),
    VALUE("overcommit", 0, CLI_TEXT, "X",
          "limits of physical bytes together: at most X times what nodes may "
          "fill (0.01 to 4; none)"),
    FLAG("dry-run", 0, "show what it would mean, and change nothing"),
    DRY_LIMIT,
    END,
};

static const struct cli_option tag_options[] = {
    VALUE("logical", 0, CLI_TEXT, "SIZE", "most bytes of content (none)"),
    VALUE("logical-soft", 0, CLI_TEXT, "SIZE",
          "the same, but may be exceeded while the grace lasts"),
    VALUE("physical", 0, CLI_TEXT, "SIZE", "most bytes with all copies"),
    VALUE("physical-soft", 0, CLI_TEXT, "SIZE", "the same, soft"),
    VALUE("pins", 0, CLI_TEXT, "N", "most pins"),
    VALUE("pins-soft", 0, CLI_TEXT, "N", "the same, soft"),
    FLAG("remove", 0, "lift all limits of the tag"),
    FLAG("dry-run", 0, "only show what the limits would mean"),
    END,
};

static const struct cli_option quota_options[] = {
    VALUE("logical", 0, CLI_TEXT, "SIZE",
          "most bytes of content (500GB, 1.5TiB; none)"),
    VALUE("logical-soft", 0, CLI_TEXT, "SIZE",
          "the same, but may be exceeded while the grace lasts"),
    VALUE("physical", 0, CLI_TEXT, "SIZE",
          "most bytes with all copies: size x maximum of copies"),
    VALUE("physical-soft", 0, CLI_TEXT, "SIZE", "the same, soft"),
    VALUE("guarantee", 0, CLI_TEXT, "SIZE",
          "physical bytes that are kept for it; others only borrow them"),
    VALUE("pins", 0, CLI_TEXT, "N", "most pins"),
    VALUE("pins-soft", 0, CLI_TEXT, "N", "the same, soft"),
    VALUE("grace", 0, CLI_DURATION, "D",
          "how long soft limits may be exceeded (at first 7d)"),
    FLAG("dry-run", 0, "only show what the limits would mean"),
    DRY_LIMIT,
    END,
};

static const struct cli_option offer_options[] = {
    VALUE("size", 0, CLI_TEXT, "SIZE", "what it is known to have (1.5GiB)"),
    VALUE("created", 0, CLI_TEXT, "TIME",
          "when the content was made (2026-01-31T00:00:00Z)"),
    VALUE("file", 0, CLI_TEXT, "LIST",
          "all that a file names (-: standard input): lines of CID [SIZE "
          "[NAME]], or JSON objects"),
    PLACE_OPTIONS,
    END,
};

static const struct cli_option score_options[] = {
    {"limit", 0, CLI_NUMBER, "N", "so many pins (default 20; up to 1000)", 1,
     1000},
    END,
};

static const struct cli_option rate_options[] = {
    VALUE("rater", 0, CLI_TEXT, "NAME", "who rates; each counts once"),
    END,
};

#define FORMULA_OPTIONS                                                      \
    VALUE("usage", 0, CLI_TEXT, "W", "weight of reads (at first 0.8)"),      \
    VALUE("quality", 0, CLI_TEXT, "W", "weight of ratings (0.1)"),           \
    VALUE("recency", 0, CLI_TEXT, "W", "weight of being new (0.1)"),         \
    VALUE("size", 0, CLI_TEXT, "W",                                          \
          "weight of size in the rank (0.3; 0: size plays no part)"),        \
    VALUE("half-usage", 0, CLI_TEXT, "D", "reads count half after it (7d)"), \
    VALUE("half-recency", 0, CLI_TEXT, "D", "being new, too (30d)"),         \
    VALUE("saturation", 0, CLI_TEXT, "N",                                    \
          "reads a day beyond which more count no more (10000)"),            \
    VALUE("in", 0, CLI_TEXT, "P", "taken above this priority (0.125)"),      \
    VALUE("out", 0, CLI_TEXT, "P", "released below it (0.075)"),             \
    VALUE("residency", 0, CLI_TEXT, "D", "not released before (24h)"),       \
    VALUE("hysteresis", 0, CLI_TEXT, "H",                                    \
          "so much more often read than what goes for it (0.1)"),            \
    VALUE("copy-reads", 0, CLI_TEXT, "N",                                    \
          "reads a day that one copy should serve (5000)")

static const struct cli_option formula_options[] = {
    FORMULA_OPTIONS,
    FLAG("reset", 0, "as at first"),
    END,
};

#define RANGE(name, help) VALUE(name, 0, CLI_TEXT, "LOW..HIGH", help)

static const struct cli_option bounds_options[] = {
    RANGE("usage", "weight of reads; none: organisations may not set it"),
    RANGE("quality", "weight of ratings"),
    RANGE("recency", "weight of being new"),
    RANGE("size", "weight of size in the rank"),
    RANGE("half-usage", "reads count half after it (1d..14d)"),
    RANGE("half-recency", "being new, too"),
    RANGE("saturation", "reads a day beyond which more count no more"),
    RANGE("in", "taken above this priority"),
    RANGE("out", "released below it"),
    RANGE("residency", "not released before"),
    RANGE("hysteresis", "so much more often read than what goes for it"),
    RANGE("copy-reads", "reads a day that one copy should serve"),
    FLAG("reset", 0, "organisations may set nothing, as at first"),
    END,
};

static const struct cli_option simulate_options[] = {
    VALUE("budget", 0, CLI_TEXT, "SIZE",
          "bytes of all copies (default: the quota, and what nodes have)"),
    {"limit", 0, CLI_NUMBER, "N",
     "name so many pins of a kind (default 20; up to 1000)", 1, 1000},
    FORMULA_OPTIONS,
    END,
};

static const struct cli_option plan_options[] = {
    {"limit", 0, CLI_NUMBER, "N",
     "name so many pins at most (default 20; up to 1000)", 0, 1000},
    {"decided", 0, CLI_NUMBER, "N",
     "show the last N copies that were ordered or let go (default 20; up to "
     "1000)", 0, 1000},
    VALUE("cursor", 0, CLI_TEXT, "TEXT", "go on where another plan ended"),
    END,
};

static const struct cli_option verify_options[] = {
    VALUE("node", 0, CLI_TEXT, "NODE",
          "the copies of this node (name or peer ID)"),
    {"sample", 0, CLI_NUMBER, "N",
     "only so many of them, taken by chance (1 to 1000)", 1, 1000},
    END,
};

const struct cli_option commands_global[] = {
    VALUE("host", 0, CLI_TEXT, "ADDR,…",
          "coordinators to ask (default 127.0.0.1:9094)"),
    VALUE("org", 0, CLI_TEXT, "NAME",
          "the organisation whose pins it is about (default 'default')"),
    VALUE("token-file", 0, CLI_TEXT, "FILE",
          "who asks: the token in its first line; -: standard input"),
    VALUE("cacert", 0, CLI_TEXT, "FILE",
          "who signs certificates of https hosts (default: the system's)"),
    VALUE("output", 'o', CLI_CHOICE, "table|json",
          "for people or for programs"),
    VALUE("timeout", 0, CLI_DURATION, "D",
          "longest time without an answer (default 30s; uploads 5m)"),
    FLAG("help", 'h', "show this"),
    END,
};

const struct cli_command commands_table[] = {
    {"status", "[CID…]", "the cluster's coordinators and nodes, or the "
     "state of pins", no_options, 0, ANY, cmd_status},
    {"add", "PATH…", "upload files or directories and pin them",
     add_options, 1, ANY, cmd_add},
    {"pin add", "CID|/ipfs/PATH", "pin content that is on the network",
     pin_add_options, 1, 1, cmd_pin_add},
    {"pin rm", "CID…", "remove pins", pin_rm_options, 1, ANY, cmd_pin_rm},
    {"pin update", "OLD NEW", "pin NEW with the options and nodes of OLD, "
     "which stays", pin_update_options, 2, 2, cmd_pin_update},
    {"pin ls", "[CID]", "list pins", pin_ls_options, 0, 1, cmd_pin_ls},
    {"explain", "CID", "why the copies of a pin are where they are, what "
     "comes next, and which nodes could take one", no_options, 1, 1,
     cmd_explain},
    {"plan", "", "what the cluster is about to do with copies, and what waits "
     "for what", plan_options, 0, 0, cmd_plan},
    {"verify", "[CID…]", "ask daemons whether they hold the copies of pins, or "
     "of a node; exit 0 only if all do", verify_options, 0, ANY, cmd_verify},
    {"offer", "[CID]", "pin content while it is worth its bytes",
     offer_options, 0, 1, cmd_offer},
    {"score", "CID", "what a pin is worth, and why it is kept or not",
     no_options, 1, 1, cmd_score},
    {"score top", "", "the most valuable elastic pins", score_options, 0, 0,
     cmd_score_top},
    {"score bottom", "", "the elastic pins that would go first",
     score_options, 0, 0, cmd_score_bottom},
    {"score candidates", "", "what is not kept, the most valuable first",
     score_options, 0, 0, cmd_score_candidates},
    {"score frontier", "", "what room costs, what would go first and come",
     score_options, 0, 0, cmd_score_frontier},
    {"score simulate", "", "what other weights, thresholds or another budget "
     "would keep, let go and take in", simulate_options, 0, 0,
     cmd_score_simulate},
    {"rate", "CID QUALITY|none", "rate content from 0 to 1, or withdraw",
     rate_options, 2, 2, cmd_rate},
    {"formula", "[ORG]", "show or set by what pins are valued",
     formula_options, 0, 1, cmd_formula},
    {"formula bounds", "", "show or set within what organisations may set "
     "their formulas", bounds_options, 0, 0, cmd_formula_bounds},
    {"recover", "[CID]", "try failed copies again now", no_options, 0, 1,
     cmd_recover},
    {"node ls", "", "list nodes", no_options, 0, 0, cmd_node_ls},
    {"node cordon", "NODE…", "give nodes (name or peer ID) no new copies",
     no_options, 1, ANY, cmd_node_cordon},
    {"node uncordon", "NODE…", "put nodes back that were cordoned or drained",
     no_options, 1, ANY, cmd_node_uncordon},
    {"node drain", "NODE…", "move all copies off nodes; each goes only when "
     "others are pinned", drain_options, 1, ANY, cmd_node_drain},
    {"node maintenance", "NODE…", "announce that nodes are away for a while: "
     "nothing is made elsewhere for them that two others hold",
     maintenance_options, 1, ANY, cmd_node_maintenance},
    {"node owner", "NODE…", "give nodes to an organisation, and say whether "
     "others may use them", owner_options, 1, ANY, cmd_node_owner},
    {"node remove", "NODE…", "take drained nodes out of the cluster for good",
     remove_options, 1, ANY, cmd_node_remove},
    {"node orphans", "[NODE]", "pins under a cluster's name that no order "
     "names, of a node (name or peer ID) or of all", no_options, 0, 1,
     cmd_node_orphans},
    {"org ls", "", "list organisations", no_options, 0, 0, cmd_org_ls},
    {"org create", "NAME", "make an organisation", no_options, 1, 1,
     cmd_org_create},
    {"org rename", "ORG NAME", "give an organisation another name",
     no_options, 2, 2, cmd_org_rename},
    {"org rm", "ORG", "remove an organisation that has no pins, nodes, "
     "users and tokens", no_options, 1, 1, cmd_org_rm},
    {"token create", "", "make a token for a user or a program, and print it, "
     "this once", token_options, 0, 0, cmd_token_create},
    {"token ls", "", "list tokens of the organisation", no_options, 0, 0,
     cmd_token_ls},
    {"token list", "", "the same", no_options, 0, 0, cmd_token_ls},
    {"token revoke", "ID…", "end tokens at once", no_options, 1, ANY,
     cmd_token_revoke},
    {"user ls", "", "list users of the organisation", no_options, 0, 0,
     cmd_user_ls},
    {"user add", "NAME", "let somebody in with a password", user_options, 1,
     1, cmd_user_add},
    {"user passwd", "NAME", "change a password; ends what was opened with the "
     "old one", passwd_options, 1, 1, cmd_user_passwd},
    {"user rm", "NAME", "remove a user with all tokens; what they pinned "
     "stays", no_options, 1, 1, cmd_user_rm},
    {"quota show", "[ORG]", "what organisations use, and their limits",
     no_options, 0, 1, cmd_quota_show},
    {"quota set", "[ORG]", "set limits of an organisation (default: "
     "'default'); what is not named stays", quota_options, 0, 1,
     cmd_quota_set},
    {"quota cluster", "", "what all organisations use together, and their "
     "bounds; options set these", budget_options, 0, 0, cmd_quota_cluster},
    {"quota tag", "ORG [TAG]", "limits of what the organisation's claims with "
     "a tag use (metadata 'tag'), or all of them", tag_options, 1, 2,
     cmd_quota_tag},
    {"repair resume", "", "end a pause of repair, which began when many "
     "nodes fell at once", no_options, 0, 0, cmd_repair_resume},
    {"health", "", "whether each host is ready; exit 7 if none is",
     no_options, 0, 0, cmd_health},
    {"health graph", "", "who is connected to whom", no_options, 0, 0,
     cmd_health_graph},
    {"health metrics", "[NAME]", "names of metrics, or the values of one",
     no_options, 0, 1, cmd_health_metrics},
    {"health alerts", "", "recent alerts, newest first", no_options, 0, 0,
     cmd_health_alerts},
    {"version", "", "versions of this program and of the hosts", no_options,
     0, 0, cmd_version},
    {NULL, NULL, NULL, NULL, 0, 0, NULL},
};
