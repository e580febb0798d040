/* What a daemon is asked, and how often. */
#include "agent/daemon.h"
#include "agent/kubo_call.h"
#include "kubo_world.h"

enum { LOOKS = 4 };

/* An answer to each question. */
#define ALL                                                                  \
    "{\"Version\":\"0.43.0\",\"ID\":"                                          \
    "\"12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5\","              \
    "\"RepoSize\":5,\"StorageMax\":100,\"RepoPath\":\"/\","                   \
    "\"TotalIn\":0,\"TotalOut\":0,\"Peers\":[],\"Key\":\"" RAW "\"}\n"

static void on_changed(void *arg, enum daemon_state to)
{
    *(enum daemon_state *)arg = to;
}

static bool is_idle(const struct world *w)
{
    return w->kubo->running.first == NULL && w->kubo->ending.first == NULL;
}

static bool path_was_asked(struct world *w)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->server.requests && i < SCRIPT_HEADS; i++)
        n += strstr(w->server.heads[i], "size-only=false") != NULL;
    assert_in_range(n, 0, 1);
    w->server.requests = 0;
    return n == 1;
}

/* It counts all keys for that; one that has not done in time does not begin
 * again with each look. */
static void test_the_path_is_asked_seldom(void **state)
{
    struct world *w = world_new(NULL);
    enum daemon_state now = DAEMON_DOWN;
    struct daemon_settings st = {.loop = &w->loop, .kubo = w->kubo,
                                 .local = true, .changed = on_changed,
                                 .arg = &now};
    struct daemon *d;
    bool asked = false;

    (void)state;
    reply(w, (struct script_reply){.bytes = text_of(200, ALL, NULL)});
    w->server.only = "size-only=false";
    w->server.to_only.bytes = text_of(500, "{\"Message\":\"late\"}", NULL);
    d = daemon_new(&st);
    WAIT(w, now == DAEMON_UP);
    w->server.requests = 0;
    WAIT(w, is_idle(w));
    assert_true(path_was_asked(w));
    for (int i = 0; i < LOOKS; i++) {
        daemon_suspect(d);
        WAIT(w, w->server.requests >= 2 && is_idle(w));
        asked = path_was_asked(w) || asked;
    }
    assert_false(asked);
    assert_int_equal(now, DAEMON_UP);
    daemon_stop(d);
    kubo_close(w->kubo, on_closed, w);
    WAIT(w, w->closed);
    daemon_free(d);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_path_is_asked_seldom),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
