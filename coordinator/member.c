/* The member file of a coordinator. Decides when a data directory may be used
 * at all; who forms a cluster with whom is peers.c.
 */
#include "coordinator/member.h"

#include "proto/hash.h"
#include "proto/identity.h"
#include "proto/json.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { MEMBER_FILE_MAX = 16384 };

static void hex_print(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static bool hex_parse(const char *text, uint8_t *out, size_t n)
{
    if (strlen(text) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int hi = hex_digit(text[2 * i]), lo = hex_digit(text[2 * i + 1]);

        if (hi < 0 || lo < 0)
            return false;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

static enum err save(const struct member *m, struct err_text *why)
{
    struct buf b = BUF_INIT;
    struct json_writer w;
    char hex[2 * TYPES_CLUSTER + 1];
    enum err e;

    json_init(&w, &b);
    json_object(&w);
    json_kv_u64(&w, "format", 1);
    json_kv_u64(&w, "raft_id", m->raft_id);
    json_kv_u64(&w, "boot", m->boot);
    json_key(&w, "earlier");
    json_array(&w);
    for (uint32_t i = 0; i < m->n_earlier; i++)
        json_u64(&w, m->earlier[i]);
    json_array_end(&w);
    json_kv_bool(&w, "formed", m->formed);
    hex_print(m->cluster, TYPES_CLUSTER, hex);
    json_kv_text(&w, "cluster", hex);
    json_key(&w, "members");
    json_array(&w);
    for (uint32_t i = 0; i < m->n_members; i++) {
        json_object(&w);
        json_kv_u64(&w, "raft_id", m->members[i].raft_id);
        hex_print(m->members[i].key, TYPES_KEY, hex);
        json_kv_text(&w, "key", hex);
        json_kv_text(&w, "address", m->members[i].address);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    buf_byte(&b, '\n');
    e = identity_write_file(m->path, span_buf(&b), why);
    buf_free(&b);
    return e;
}

static bool parse_members(const struct json_value *v, struct member *m)
{
    struct json_value list, item;
    struct span key;
    size_t it = 0;
    char hex[2 * TYPES_KEY + 1];

    if (!json_get(v, "members", &list) || list.type != JSON_ARRAY)
        return false;
    while (json_next(&list, &it, &key, &item)) {
        struct peer_member *p;

        if (m->n_members == LIMIT_COORDINATORS)
            return false;
        p = &m->members[m->n_members++];
        if (!json_get_u64(&item, "raft_id", &p->raft_id) ||
            !json_get_string(&item, "key", hex, sizeof hex) ||
            !hex_parse(hex, p->key, TYPES_KEY) ||
            !json_get_string(&item, "address", p->address,
                             sizeof p->address) ||
            p->raft_id == 0 ||
            (m->n_members > 1 && p[-1].raft_id >= p->raft_id))
            return false;
    }
    return true;
}

/* Missing in files of before it was kept. */
static bool parse_earlier(const struct json_value *v, struct member *m)
{
    struct json_value list, item;
    struct span key;
    size_t it = 0;

    if (!json_get(v, "earlier", &list))
        return true;
    if (list.type != JSON_ARRAY)
        return false;
    while (json_next(&list, &it, &key, &item)) {
        uint64_t limit = m->n_earlier == 0 ? m->boot
                                           : m->earlier[m->n_earlier - 1];

        if (m->n_earlier == LIMIT_BOOTS ||
            !json_as_u64(&item, &m->earlier[m->n_earlier]) ||
            m->earlier[m->n_earlier] >= limit)
            return false;
        m->n_earlier++;
    }
    return true;
}

enum err member_parse(struct span text, struct member *m,
                      struct err_text *why)
{
    struct json_value v;
    char hex[2 * TYPES_CLUSTER + 1];
    uint64_t format;

    if (json_parse(text.p, text.n, &v, why) != ERR_OK) {
        err_prefix(why, "%s", m->path);
        return ERR_CORRUPT;
    }
    if (!json_get_u64(&v, "format", &format) || format != 1)
        return err_set(why, ERR_VERSION,
                       "%s: not a member file of format 1", m->path);
    if (!json_get_u64(&v, "raft_id", &m->raft_id) || m->raft_id == 0 ||
        m->raft_id >> 63 != 0 || !json_get_u64(&v, "boot", &m->boot) ||
        !parse_earlier(&v, m) || !json_get_bool(&v, "formed", &m->formed) ||
        !json_get_string(&v, "cluster", hex, sizeof hex) ||
        !hex_parse(hex, m->cluster, TYPES_CLUSTER) || !parse_members(&v, m))
        return err_set(why, ERR_CORRUPT, "%s: member file is damaged",
                       m->path);
    return ERR_OK;
}

static enum err check(const struct member *m, bool existed, bool log_exists,
                      struct err_text *why)
{
    if (log_exists && !existed)
        return err_set(why, ERR_CORRUPT,
                       "%s is missing but there is a Raft log: restore the "
                       "file",
                       m->path);
    if (log_exists && !m->formed && m->n_members == 0)
        return err_set(why, ERR_CORRUPT,
                       "%s says that no cluster was formed, but there is a "
                       "Raft log: it belongs to another coordinator; start "
                       "with an empty data directory",
                       m->path);
    if (m->formed && m->n_members == 0)
        return err_set(why, ERR_CORRUPT, "%s: member file is damaged: it "
                       "has formed a cluster, but names no members", m->path);
    if (m->formed && !log_exists)
        return err_set(why, ERR_CORRUPT,
                       "%s says that this coordinator has a Raft log, but "
                       "there is none: it must not come back under its old "
                       "raft id, and under a new one the other members do "
                       "not take it",
                       m->path);
    return ERR_OK;
}

enum err member_open(const char *data_dir, bool log_exists,
                     struct member *out, struct err_text *why)
{
    struct buf b = BUF_INIT;
    bool existed;
    int n;
    enum err e;

    memset(out, 0, sizeof *out);
    n = snprintf(out->path, sizeof out->path, "%s/member", data_dir);
    if (n < 0 || (size_t)n >= sizeof out->path)
        return err_set(why, ERR_INVALID, "data directory: path too long");
    e = identity_read_file(out->path, MEMBER_FILE_MAX, &b, why);
    existed = e == ERR_OK;
    if (e == ERR_OK)
        e = member_parse(span_buf(&b), out, why);
    else if (e == ERR_NOT_FOUND)
        e = ERR_OK;
    buf_free(&b);
    if (e != ERR_OK)
        return e;
    e = check(out, existed, log_exists, why);
    if (e != ERR_OK)
        return e;
    while (out->raft_id == 0)
        out->raft_id = hash_random_u64() >> 1;
    if (out->boot != 0) {
        if (out->n_earlier < LIMIT_BOOTS)
            out->n_earlier++;
        memmove(out->earlier + 1, out->earlier,
                (out->n_earlier - 1) * sizeof out->earlier[0]);
        out->earlier[0] = out->boot;
    }
    out->boot = ((out->boot >> MEMBER_CHANCE) + 1) << MEMBER_CHANCE |
                hash_random_u64() >> (64 - MEMBER_CHANCE);
    return save(out, why);
}

bool member_went_back(uint64_t known, uint64_t now, const uint64_t *earlier,
                      uint32_t n)
{
    if (known == 0 || known == now)
        return false;
    if (known > now)
        return true;
    for (uint32_t i = 0; i < n; i++)
        if (earlier[i] == known)
            return false;
    return n < LIMIT_BOOTS || known > earlier[n - 1];
}

enum err member_check_key(const struct member *m,
                          const uint8_t key[TYPES_KEY], struct err_text *why)
{
    for (uint32_t i = 0; i < m->n_members; i++)
        if (m->members[i].raft_id == m->raft_id &&
            memcmp(m->members[i].key, key, TYPES_KEY) != 0)
            return err_set(why, ERR_CORRUPT,
                           "%s names another key than the one beside it: the "
                           "other members would refuse it; restore the file "
                           "key", m->path);
    return ERR_OK;
}

enum err member_check_state(const struct member *m, uint64_t applied,
                            const struct cluster *c, struct err_text *why)
{
    if (!m->formed && applied > 0)
        return err_set(why, ERR_CORRUPT,
                       "the data directory of %s holds the state of a "
                       "cluster, but this coordinator has not formed one: "
                       "start with an empty data directory",
                       m->path);
    if (m->formed && c->formed &&
        memcmp(c->id, m->cluster, TYPES_CLUSTER) != 0)
        return err_set(why, ERR_CORRUPT, "the state beside %s is of another "
                       "cluster", m->path);
    return ERR_OK;
}

void member_cluster_id(const struct peer_member *members, uint32_t n,
                       uint8_t out[TYPES_CLUSTER])
{
    struct buf b = BUF_INIT;

    buf_text(&b, "pinfold-cluster-v1");
    for (uint32_t i = 0; i < n; i++) {
        uint64_t id = members[i].raft_id;

        assert(i == 0 || members[i - 1].raft_id < id);
        for (int shift = 56; shift >= 0; shift -= 8)
            buf_byte(&b, (uint8_t)(id >> shift));
        buf_add(&b, members[i].key, TYPES_KEY);
    }
    hash_blake2b_256(b.p, b.n, out);
    buf_free(&b);
}

enum err member_agree(struct member *m, const struct peer_member *members,
                      uint32_t n, struct err_text *why)
{
    assert(!m->formed && n > 0 && n <= LIMIT_COORDINATORS);
    memcpy(m->members, members, n * sizeof *members);
    m->n_members = n;
    member_cluster_id(members, n, m->cluster);
    return save(m, why);
}

enum err member_form(struct member *m, struct err_text *why)
{
    assert(!m->formed && m->n_members > 0);
    m->formed = true;
    return save(m, why);
}
