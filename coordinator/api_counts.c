/* Counters of the http loop and their families; see api_counts.h. */
#include "coordinator/api_counts.h"

#include "coordinator/api.h"

#include <assert.h>
#include <stdio.h>

static_assert((int)API_DOORS <= (int)API_COUNTS_DOORS, "each door counts");

static const struct {
    int status;
    const char *word;
} refusals[API_REFUSALS] = {
    [API_REFUSED_INVALID] = {400, "invalid"},
    [API_REFUSED_UNAUTHORIZED] = {401, "unauthorized"},
    [API_REFUSED_DENIED] = {403, "denied"},
    [API_REFUSED_NOT_FOUND] = {404, "not_found"},
    [API_REFUSED_METHOD] = {405, "method"},
    [API_REFUSED_CONFLICT] = {409, "conflict"},
    [API_REFUSED_TOO_LARGE] = {413, "too_large"},
    [API_REFUSED_RATE] = {429, "rate"},
    [API_REFUSED_OTHER] = {0, "other"},
    [API_REFUSED_UNAVAILABLE] = {503, "unavailable"},
    [API_REFUSED_INTERNAL] = {500, "internal"},
    [API_REFUSED_NO_SPACE] = {507, "no_space"},
};

enum api_refusal api_refusal_of(int status)
{
    for (int i = 0; i < API_REFUSALS; i++)
        if (refusals[i].status == status)
            return (enum api_refusal)i;
    return API_REFUSED_OTHER;
}

const char *api_refusal_word(enum api_refusal r)
{
    return refusals[r].word;
}

void api_counts_answer(struct api_counts *n, int status)
{
    if (status >= 400)
        n->refused[api_refusal_of(status)]++;
}

void api_counts_result(struct api_counts *n, const struct replica_result *r)
{
    if (r->error != ERR_OK)
        n->failures[r->error]++;
    else if ((unsigned)r->verdict < API_COUNTS_VERDICTS)
        n->verdicts[r->verdict]++;
}

/* --- families ----------------------------------------------------------- */

/* Failures that an operation of the API can end with; others are bugs. */
static const struct {
    enum err error;
    const char *word;
} failures[] = {{ERR_BUSY, "busy"}, {ERR_NOT_READY, "not_ready"},
                {ERR_NO_LEADER, "no_leader"}, {ERR_NO_SPACE, "no_space"},
                {ERR_UNKNOWN_OUTCOME, "unknown"}};

static void operations(struct buf *b, const struct api_counts *n)
{
    static const char name[] = "pinfold_operations_total";
    struct metrics_label label = {"verdict", NULL};

    metrics_family(b, name, METRICS_COUNTER,
                   "operations asked for here, by what came of them");
    for (int i = 0; i < API_COUNTS_VERDICTS; i++) {
        if (i == VERDICT_REPEATED)
            continue; /* never an answer */
        label.value = verdict_text((enum verdict)i);
        metrics_sample(b, name, &label, 1, n->verdicts[i]);
    }
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        label.value = failures[i].word;
        metrics_sample(b, name, &label, 1, n->failures[failures[i].error]);
    }
}

static void refused(struct buf *b, const struct api_counts *n)
{
    static const char name[] = "pinfold_http_refusals_total";
    struct metrics_label label = {"reason", NULL};

    metrics_family(b, name, METRICS_COUNTER,
                   "requests that were refused, by the reason");
    for (int i = 0; i < API_REFUSALS; i++) {
        label.value = refusals[i].word;
        metrics_sample(b, name, &label, 1, n->refused[i]);
    }
}

/* One without a word here is known by its number. */
static void door_name(unsigned door, char out[16])
{
    const char *name = api_doorway(door)->name;

    if (name != NULL)
        snprintf(out, 16, "%s", name);
    else
        snprintf(out, 16, "door-%u", door);
}

/* Each of them closed its connection. */
static void unheard(struct buf *b, const struct http_server *s)
{
    static const char name[] = "pinfold_http_connections_refused_total";
    char door[16];

    metrics_family(b, name, METRICS_COUNTER,
                   "connections refused before a request was there, by the "
                   "reason");
    for (unsigned k = 0; k < API_DOORS; k++) {
        door_name(k, door);
        for (int i = 0; i < HTTP_REFUSALS; i++) {
            enum http_refusal why = (enum http_refusal)i;
            const struct metrics_label labels[] = {
                {"door", door}, {"reason", http_refusal_word(why)}};

            metrics_sample(b, name, labels, 2,
                           http_refused_count(s, k, why));
        }
    }
}

static void routes(struct buf *b, const struct api_counts *n)
{
    static const char name[] = "pinfold_http_request_seconds";
    char door[16];

    metrics_family(b, name, METRICS_HISTOGRAM,
                   "time from a request's head to the end of its answer");
    for (unsigned k = 0; k < API_DOORS; k++) {
        const struct api_doorway *d = api_doorway(k);

        assert(d->n_routes <= API_COUNTS_ROUTES);
        door_name(k, door);
        for (size_t i = 0; i <= d->n_routes; i++) {
            bool is = i < d->n_routes;
            const struct metrics_label labels[] = {
                {"door", door},
                {"method", is ? d->routes[i].method : "any"},
                {"route", is ? d->routes[i].path : "none"}};

            metrics_histogram(b, name, labels, 3, &metrics_requests,
                              &n->took[k][i]);
        }
    }
}

static void answers(struct buf *b, const struct api *api)
{
    static const char name[] = "pinfold_http_answers_total";

    metrics_counter(b, "pinfold_http_requests_total", "requests taken",
                    api->requests);
    metrics_counter(b, "pinfold_http_unauthorized_total",
                    "requests of nobody that is known", api->auth_failures);
    metrics_family(b, name, METRICS_COUNTER, "answers by class");
    for (int i = 2; i < 6; i++) {
        char code[4] = {(char)('0' + i), 'x', 'x', '\0'};

        metrics_sample(b, name, &(struct metrics_label){"code", code}, 1,
                       api->answers[i]);
    }
}

static void verified(struct buf *b, const struct api *api)
{
    static const char name[] = "pinfold_verify_asked_total";
    struct metrics_label label = {"result", NULL};

    metrics_family(b, name, METRICS_COUNTER, "copies that somebody wanted "
                   "verified, by what came of it");
    for (int i = 0; i < API_VERIFIED; i++) {
        label.value = api_verified_word((enum api_verified)i);
        metrics_sample(b, name, &label, 1, api->verified[i]);
    }
}

void api_counts_print(const struct api *api, struct buf *b)
{
    answers(b, api);
    refused(b, &api->counts);
    unheard(b, api->server);
    routes(b, &api->counts);
    operations(b, &api->counts);
    verified(b, api);
}
