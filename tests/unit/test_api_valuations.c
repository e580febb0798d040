/* Pins that are being valued: how many at one time, and of one organisation;
 * each place is given back, whatever the answer.
 */
#include "api_world.h"

#include "coordinator/api_score.h"

enum { LAB = 2, PRESS = 3 };

static struct org orgs[3];
static struct view view = {.n_orgs = 3, .orgs = orgs};
static struct api api;
static struct api_call calls[LIMIT_VALUATIONS + 1];
static int status;
static char said[256];

static void note(struct buf *out, int code, const char *text)
{
    (void)out;
    status = code;
    snprintf(said, sizeof said, "%s", text);
}

static const struct api_doorway door = {.error = note};

/* As many requests as may be; their clients have left. */
static int setup(void **state)
{
    (void)state;
    memset(&api, 0, sizeof api);
    api.auth = true;
    view.n_orgs = 3;
    for (unsigned k = 0; k <= LIMIT_VALUATIONS; k++)
        calls[k] = (struct api_call){.api = &api, .view = &view,
                                     .door = &door, .answered = true};
    status = 0;
    return 0;
}

static bool begin(unsigned call, uint32_t org)
{
    calls[call].own_org = org;
    return api_valuation_begin(&calls[call]);
}

static void share(void **state)
{
    (void)state;
    for (unsigned k = 0; k < LIMIT_ORG_VALUATIONS; k++)
        assert_true(begin(k, LAB));
    assert_false(begin(8, LAB));
    assert_int_equal(status, 503);
    assert_string_equal(said, "too many pins are being valued: an "
                              "organisation may have 4 at one time");
    assert_true(begin(8, PRESS)); /* room is left for others */
    api_valuation_end(&calls[1]);
    assert_true(begin(1, LAB));
    assert_false(begin(9, LAB));
    for (unsigned k = 0; k < LIMIT_ORG_VALUATIONS; k++)
        api_valuation_end(&calls[k]);
    api_valuation_end(&calls[8]);
    assert_int_equal(api.valuations.n, 0);
    assert_int_equal(api.valuations.n_shares, 0);
}

/* Where there is nobody else, or nobody is asked who it is. */
static void alone(void **state)
{
    (void)state;
    for (unsigned turn = 0; turn < 2; turn++) {
        view.n_orgs = turn == 0 ? 1 : 3;
        api.auth = turn == 0;
        for (unsigned k = 0; k < LIMIT_VALUATIONS; k++)
            assert_true(begin(k, ORG_DEFAULT));
        assert_false(begin(LIMIT_VALUATIONS, ORG_DEFAULT));
        assert_int_equal(status, 503);
        assert_string_equal(said, "too many pins are being valued");
        for (unsigned k = 0; k < LIMIT_VALUATIONS; k++)
            api_valuation_end(&calls[k]);
    }
    assert_int_equal(api.valuations.n, 0);
}

/* All of them together. */
static void many(void **state)
{
    (void)state;
    for (unsigned k = 0; k < LIMIT_VALUATIONS; k++)
        assert_true(begin(k, LAB + k / LIMIT_ORG_VALUATIONS));
    assert_false(begin(LIMIT_VALUATIONS, LAB + LIMIT_VALUATIONS));
    assert_string_equal(said, "too many pins are being valued");
}

static void given_back(void **state)
{
    static const struct { const char *target; int status; } cases[] = {
        {"/api/v1/pins/x/score", 400},
        {"/api/v1/pins/" API_ROOT "/score", 404},
        {"/api/v1/scores/frontier", 200},
    };
    struct api_world *w = api_start(1);
    struct reply r;

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
        for (unsigned n = 0; n <= LIMIT_VALUATIONS; n++) {
            api_get(w, "GET", cases[k].target, &r);
            assert_int_equal(r.status, cases[k].status);
            api_reply_free(&r);
        }
    api_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(share, setup),
        cmocka_unit_test_setup(alone, setup),
        cmocka_unit_test_setup(many, setup),
        cmocka_unit_test(given_back),
    };

    return cmocka_run_group_tests_name("api_valuations", tests, NULL, NULL);
}
