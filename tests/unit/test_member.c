/* The member file: what it keeps, and each start that must be refused. */
#include "coordinator_world.h"

static char dir[256];

static int setup(void **state)
{
    (void)state;
    memset(dir, 0, sizeof dir);
    coord_folder(dir, sizeof dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    coord_folder_remove(dir);
    return 0;
}

static void fill(const struct member *m, struct peer_member *list)
{
    memset(list, 0, 2 * sizeof *list);
    list[0].raft_id = m->raft_id;
    list[1].raft_id = m->raft_id + 1;
    for (unsigned i = 0; i < 2; i++) {
        memset(list[i].key, (int)i + 1, TYPES_KEY);
        snprintf(list[i].address, sizeof list[i].address, "127.0.0.1:%u",
                 7000 + i);
    }
}

static void write_file(const char *text)
{
    char path[300];
    FILE *f;

    snprintf(path, sizeof path, "%s/member", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void refused(bool log_exists, enum err want, const char *part)
{
    struct member m;
    struct err_text why = {""};

    assert_int_equal(member_open(dir, log_exists, &m, &why), want);
    if (strstr(why.text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, why.text);
}

static void accepted(bool log_exists, struct member *m)
{
    struct err_text why = {""};

    if (member_open(dir, log_exists, m, &why) != ERR_OK)
        fail_msg("%s", why.text);
}

static void first_start_and_boots(void **state)
{
    struct member m, again;

    (void)state;
    accepted(false, &m);
    assert_true(m.raft_id > 0 && m.raft_id >> 63 == 0);
    assert_int_equal(m.boot >> MEMBER_CHANCE, 1);
    assert_false(m.formed);
    accepted(false, &again);
    assert_int_equal(again.raft_id, m.raft_id);
    assert_int_equal(again.boot >> MEMBER_CHANCE, 2);
    assert_int_equal(m.n_earlier, 0);
    assert_int_equal(again.n_earlier, 1);
    assert_int_equal(again.earlier[0], m.boot);
    for (int i = 0; i < LIMIT_BOOTS + 3; i++) {
        m = again;
        accepted(false, &again);
        assert_int_equal(again.earlier[0], m.boot);
        assert_memory_equal(again.earlier + 1, m.earlier,
                            (again.n_earlier - 1) * sizeof m.boot);
    }
    assert_int_equal(again.n_earlier, LIMIT_BOOTS);
}

static void crash_points(void **state)
{
    struct member m, again;
    struct peer_member list[2];
    struct err_text why;

    (void)state;
    accepted(false, &m);
    /* not agreed, and a log: it is somebody else's */
    refused(true, ERR_CORRUPT, "no cluster was formed");
    fill(&m, list);
    assert_int_equal(member_agree(&m, list, 2, &why), ERR_OK);
    /* agreed, not formed: with a log (it fell after bootstrapping) or
     * without one (before) it goes on */
    accepted(true, &again);
    assert_false(again.formed);
    assert_int_equal(again.n_members, 2);
    assert_memory_equal(again.members, list, sizeof list);
    assert_memory_equal(again.cluster, m.cluster, TYPES_CLUSTER);
    accepted(false, &again);
    assert_int_equal(member_form(&again, &why), ERR_OK);
    refused(false, ERR_CORRUPT, "must not come back");
    accepted(true, &m);
    assert_true(m.formed);
    assert_int_equal(m.boot >> MEMBER_CHANCE, 4);
}

static void boots_that_went_back(void **state)
{
    const uint64_t one = (uint64_t)1 << MEMBER_CHANCE;
    uint64_t e[LIMIT_BOOTS] = {3 * one + 7, 2 * one + 6, one + 5};

    (void)state;
    assert_false(member_went_back(0, one + 5, NULL, 0)); /* never heard of */
    assert_false(member_went_back(one + 5, one + 5, NULL, 0)); /* the same */
    assert_true(member_went_back(2 * one, one + 5, NULL, 0));
    assert_true(member_went_back(one + 5, one + 6, NULL, 0)); /* of a copy */
    assert_true(member_went_back(one + 6, one + 5, NULL, 0));
    for (int i = 0; i < 3; i++) /* started again since, more than once too */
        assert_false(member_went_back(e[i], 4 * one + 8, e, 3));
    /* A copy that was started until its count is higher than before. */
    assert_true(member_went_back(3 * one + 9, 4 * one + 8, e, 3));
    assert_true(member_went_back(2 * one + 9, 4 * one + 8, e, 3));
    assert_true(member_went_back(one + 9, 4 * one + 8, e, 3));
    for (int i = 0; i < LIMIT_BOOTS; i++)
        e[i] = (uint64_t)(100 - i) * one + 7;
    assert_false(member_went_back(36 * one + 9, 101 * one, e, LIMIT_BOOTS));
    assert_true(member_went_back(38 * one + 9, 101 * one, e, LIMIT_BOOTS));
    assert_false(member_went_back(7, one, (uint64_t[]){7}, 1)); /* counts */
}

static void file_lost(void **state)
{
    (void)state;
    refused(true, ERR_CORRUPT, "is missing but there is a Raft log");
}

static void damaged_files(void **state)
{
    static const char *const bad[] = {
        "", "{", "[]", "{}", "{\"format\":1}",
        "{\"format\":1,\"raft_id\":0,\"boot\":1,\"formed\":false,"
        "\"cluster\":\"00\",\"members\":[]}",
        "{\"format\":1,\"raft_id\":9223372036854775808,\"boot\":1,"
        "\"formed\":false,\"cluster\":\"00\",\"members\":[]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct member m;
        struct err_text why;

        write_file(bad[i]);
        assert_int_not_equal(member_open(dir, false, &m, &why), ERR_OK);
        assert_non_null(strstr(why.text, "member"));
    }
    write_file("{\"format\":2}");
    refused(false, ERR_VERSION, "format 1");
}

#define ZEROS8 "00000000"
#define ZEROS64 ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8
#define HEAD "{\"format\":1,\"raft_id\":5,\"boot\":1,\"formed\":true,"        \
             "\"cluster\":\"" ZEROS64 "\",\"members\":["
#define ONE(id) "{\"raft_id\":" id ",\"key\":\"" ZEROS64                       \
                "\",\"address\":\"127.0.0.1:1\"}"

/* The starts before are listed newest first, and older than this one. */
static void earlier_boots(void **state)
{
    static const char *const bad[] = {"7", "[\"1\"]", "[9]", "[10]",
                                      "[5,5]", "[5,6]", "[-1]"};
    struct buf b = BUF_INIT;
    struct member m;

    (void)state;
    for (size_t i = 0; i <= sizeof bad / sizeof bad[0]; i++) {
        buf_reset(&b);
        buf_printf(&b, "{\"format\":1,\"raft_id\":5,\"boot\":9,\"formed\":"
                   "false,\"cluster\":\"" ZEROS64 "\",\"members\":[],"
                   "\"earlier\":%s}",
                   i < sizeof bad / sizeof bad[0] ? bad[i] : "[8,5]");
        write_file(buf_cstr(&b));
        if (i < sizeof bad / sizeof bad[0])
            refused(false, ERR_CORRUPT, "damaged");
    }
    accepted(false, &m);
    assert_int_equal(m.n_earlier, 3);
    assert_int_equal(m.earlier[0], 9);
    assert_int_equal(m.earlier[2], 5);
    buf_reset(&b); /* more than are kept */
    buf_printf(&b, "{\"format\":1,\"raft_id\":5,\"boot\":900,\"formed\":"
               "false,\"cluster\":\"" ZEROS64 "\",\"members\":[],"
               "\"earlier\":[800");
    for (int i = 0; i < LIMIT_BOOTS; i++)
        buf_printf(&b, ",%d", 700 - i);
    buf_printf(&b, "]}");
    write_file(buf_cstr(&b));
    refused(false, ERR_CORRUPT, "damaged");
    buf_free(&b);
}

static void members_in_order(void **state)
{
    struct member m;

    (void)state;
    write_file(HEAD "]}");
    refused(true, ERR_CORRUPT, "names no members");
    write_file(HEAD ONE("6") "," ONE("5") "]}");
    refused(true, ERR_CORRUPT, "damaged");
    write_file(HEAD ONE("5") "," ONE("5") "]}");
    refused(true, ERR_CORRUPT, "damaged");
    write_file(HEAD ONE("0") "]}");
    refused(true, ERR_CORRUPT, "damaged");
    write_file(HEAD ONE("1") "," ONE("2") "," ONE("3") "," ONE("4") ","
               ONE("5") "," ONE("6") "," ONE("7") "," ONE("8") "]}");
    refused(true, ERR_CORRUPT, "damaged");
    write_file(HEAD ONE("5") "," ONE("6") "]}");
    accepted(true, &m);
    assert_int_equal(m.n_members, 2);
}

static void state_beside_it(void **state)
{
    struct member m = {.formed = false};
    struct cluster c = {.formed = false};
    struct err_text why;

    (void)state;
    assert_int_equal(member_check_state(&m, 0, &c, &why), ERR_OK);
    assert_int_equal(member_check_state(&m, 7, &c, &why), ERR_CORRUPT);
    m.formed = true;
    assert_int_equal(member_check_state(&m, 7, &c, &why), ERR_OK);
    c.formed = true;
    assert_int_equal(member_check_state(&m, 7, &c, &why), ERR_OK);
    c.id[3] = 1;
    assert_int_equal(member_check_state(&m, 7, &c, &why), ERR_CORRUPT);
}

static void key_beside_it(void **state)
{
    struct member m = {.raft_id = 6, .n_members = 2,
                       .members = {{.raft_id = 5, .key = {5}},
                                   {.raft_id = 6, .key = {6}}}};
    struct err_text why;

    (void)state;
    assert_int_equal(member_check_key(&m, m.members[1].key, &why), ERR_OK);
    assert_int_equal(member_check_key(&m, m.members[0].key, &why),
                     ERR_CORRUPT);
    m.n_members = 0;
    assert_int_equal(member_check_key(&m, m.members[0].key, &why), ERR_OK);
}

static void folder_cannot_be_written(void **state)
{
    struct member m;
    struct err_text why;

    (void)state;
    assert_int_not_equal(member_open("/proc/none", false, &m, &why), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boots_that_went_back),
        cmocka_unit_test_setup_teardown(first_start_and_boots, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(crash_points, setup, teardown),
        cmocka_unit_test_setup_teardown(file_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_files, setup, teardown),
        cmocka_unit_test_setup_teardown(earlier_boots, setup, teardown),
        cmocka_unit_test_setup_teardown(members_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(state_beside_it, setup, teardown),
        cmocka_unit_test_setup_teardown(key_beside_it, setup, teardown),
        cmocka_unit_test_setup_teardown(folder_cannot_be_written, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("member", tests, NULL, NULL);
}
