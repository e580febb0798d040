/* The commands, with Kubo's outputs and error texts. Content is imaginary:
 * every CID can be had at once, and its size follows from its bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "proto/maddr.h"
#include "proto/mem.h"
#include "tests/lib/fakekubo.h"

enum { LISTING_PIECE = 32 * 1024 };

#define CHUNKED "X-Chunked-Output"

static bool need_arg(struct call *c, struct http_request *r, const char *name)
{
    char text[128];
    if (call_arg(c, 0))
        return true;
    snprintf(text, sizeof text, "argument \"%s\" is required\n", name);
    call_plain(r, 400, text);
    return false;
}

/* {"Pins":[…]} with the arguments as they were given. */
static void emit_pins(struct call *c, struct http_request *r)
{
    struct buf out = BUF_INIT;
    struct json_writer w;
    const char *arg;
    json_init(&w, &out);
    json_object(&w);
    json_key(&w, "Pins");
    json_array(&w);
    for (unsigned i = 0; (arg = call_arg(c, i)); i++) {
        struct cid cid;
        enum cid_form form;
        char text[LIMIT_CID_TEXT];
        if (!call_cid(c, r, arg, &cid, &form)) {
            buf_free(&out);
            return;
        }
        cid_print(&cid, form, text);
        json_text(&w, text);
    }
    json_array_end(&w);
    json_object_end(&w);
    call_emit(c, r, &out, c->started ? CHUNKED : NULL);
    call_end(c, r);
}

/* ---- pins ---- */

static bool add_one(struct call *c, struct http_request *r, const char *arg,
                    uint64_t *blocks, uint64_t *bytes)
{
    const char *name = call_param(c, "name");
    bool recursive = call_flag(c, "recursive", true);
    struct cid cid;
    enum cid_form form;
    if (!call_cid(c, r, arg, &cid, &form))
        return false;
    struct pin *pin = pins_find(&c->fake->pins, &cid);
    if (pin && pin->recursive && !recursive) {
        call_fail(c, r, "pin: %s already pinned recursively", arg);
        return false;
    }
    if (c->fake->disk && !pin &&
        pins_size_of(&cid) + c->fake->pins.size_bytes > c->fake->disk) {
        call_fail(c, r, "pin: write /data/blocks/put-1: no space left on "
                        "device");
        return false;
    }
    /* Pinning again without a name erases the name, as in Kubo. */
    pin = pins_add(&c->fake->pins, &cid, form, recursive,
                   span_text(name ? name : ""), 0);
    *bytes += pin->size_bytes;
    *blocks += pins_blocks_of(pin->size_bytes);
    return true;
}

void rpc_pin_add(struct call *c, struct http_request *r)
{
    const char *name = call_param(c, "name"), *arg;
    uint64_t blocks = 0, bytes = 0;
    if (!need_arg(c, r, "ipfs-path"))
        return;
    if (name && strlen(name) > PIN_NAME_MAX) {
        call_fail(c, r, "pin name is %zu bytes (max 255 bytes)", strlen(name));
        return;
    }
    for (unsigned i = 0; (arg = call_arg(c, i)); i++)
        if (!add_one(c, r, arg, &blocks, &bytes))
            return;
    if (call_flag(c, "progress", false)) {
        struct buf out = BUF_INIT;
        buf_printf(&out, "{\"Progress\":%" PRIu64 ",\"Bytes\":%" PRIu64 "}",
                   blocks, bytes);
        call_emit(c, r, &out, CHUNKED);
    }
    emit_pins(c, r);
}

void rpc_pin_rm(struct call *c, struct http_request *r)
{
    bool recursive = call_flag(c, "recursive", true);
    const char *arg;
    if (!need_arg(c, r, "ipfs-path"))
        return;
    for (unsigned i = 0; (arg = call_arg(c, i)); i++) {
        struct cid cid;
        enum cid_form form;
        if (!call_cid(c, r, arg, &cid, &form))
            return;
        struct pin *pin = pins_find(&c->fake->pins, &cid);
        if (!pin) {
            call_fail(c, r, "not pinned or pinned indirectly");
            return;
        }
        if (pin->recursive && !recursive) {
            call_fail(c, r, "%s is pinned recursively", arg);
            return;
        }
        pins_remove(&c->fake->pins, pin);
    }
    emit_pins(c, r);
}

void rpc_pin_update(struct call *c, struct http_request *r)
{
    const char *arg = call_arg(c, 1);
    struct cid from, to;
    enum cid_form form;
    uint8_t name[PIN_NAME_MAX];
    if (!need_arg(c, r, "from-path"))
        return;
    if (!arg) {
        call_plain(r, 400, "argument \"to-path\" is required\n");
        return;
    }
    if (!call_cid(c, r, call_arg(c, 0), &from, &form) ||
        !call_cid(c, r, arg, &to, &form))
        return;
    struct pin *old = pins_find(&c->fake->pins, &from);
    if (!old || !old->recursive) {
        call_fail(c, r, "'from' cid was not recursively pinned already");
        return;
    }
    struct span kept = pins_name(old);
    if (kept.n)
        memcpy(name, kept.p, kept.n);
    pins_add(&c->fake->pins, &to, form, true, span_of(name, kept.n), 0);
    old = pins_find(&c->fake->pins, &from);
    if (call_flag(c, "unpin", true) && old && !cid_equal(&from, &to))
        pins_remove(&c->fake->pins, old);
    emit_pins(c, r);
}

static bool type_matches(const char *type, const struct pin *pin)
{
    return strcmp(type, "all") == 0 ||
           strcmp(type, pin->recursive ? "recursive" : "direct") == 0;
}

/* One pin as a line of the stream, or as a member of "Keys". */
static void list_one(struct call *c, struct buf *out, const struct pin *pin)
{
    bool stream = call_flag(c, "stream", false);
    const char *part = call_param(c, "name");
    bool names = call_flag(c, "names", false) || part;
    const char *type = pin->recursive ? "recursive" : "direct";
    struct span name = pins_name(pin);
    char text[LIMIT_CID_TEXT];
    struct json_writer w;
    struct cid cid;
    if (part &&
        (name.n < strlen(part) || !memmem(name.p, name.n, part, strlen(part))))
        return;
    pins_cid(pin, &cid);
    cid_print(&cid, (enum cid_form)pin->form, text);
    if (!stream)
        buf_printf(out, "%s\"%s\":", c->first ? "" : ",", text);
    c->first = false;
    json_init(&w, out);
    json_object(&w);
    if (stream)
        json_kv_text(&w, "Cid", text);
    else
        json_kv_text(&w, "Type", type);
    if (!stream || (names && name.n)) {
        json_key(&w, "Name");
        json_textn(&w, names ? name : span_text(""));
    }
    if (stream)
        json_kv_text(&w, "Type", type);
    json_object_end(&w);
    if (stream)
        buf_byte(out, '\n');
}

/* As much of the listing as the client takes. */
void call_listing(struct call *c, struct http_request *r)
{
    struct http_ticket ticket = c->ticket;
    struct fake *fake = c->fake;
    const char *type = call_param(c, "type");
    struct pin *pin = NULL;
    do {
        struct buf out = BUF_INIT;
        while (out.n < LISTING_PIECE && (pin = pins_walk_next(&c->walk)))
            if (type_matches(type ? type : "all", pin))
                list_one(c, &out, pin);
        bool more = http_write(r, out.p, out.n);
        buf_free(&out);
        if (!http_find(fake->server, ticket) || !more)
            return; /* gone, or on_drain goes on */
    } while (pin);
    if (!call_flag(c, "stream", false))
        (void)http_write(r, "}}\n", 3);
    call_end(c, r);
}

static bool list_args(struct call *c, struct http_request *r, const char *type,
                      struct buf *out)
{
    const char *arg;
    for (unsigned i = 0; (arg = call_arg(c, i)); i++) {
        struct cid cid;
        enum cid_form form;
        if (!call_cid(c, r, arg, &cid, &form))
            return false;
        struct pin *pin = pins_find(&c->fake->pins, &cid);
        if (!pin || !type_matches(type, pin)) {
            call_fail(c, r, "path '%s' is not pinned", arg);
            return false;
        }
        pin->form = (uint8_t)form; /* answered as it was asked for */
        list_one(c, out, pin);
    }
    return true;
}

void rpc_pin_ls(struct call *c, struct http_request *r)
{
    const char *type = call_param(c, "type");
    bool stream = call_flag(c, "stream", false);
    struct buf out = BUF_INIT;
    type = type ? type : "all";
    if (strcmp(type, "all") != 0 && strcmp(type, "direct") != 0 &&
        strcmp(type, "indirect") != 0 && strcmp(type, "recursive") != 0) {
        call_fail(c, r,
                  "invalid type '%s', must be one of "
                  "{direct, indirect, recursive, all}",
                  type);
        return;
    }
    c->first = true;
    if (call_arg(c, 0)) {
        if (list_args(c, r, type, &out)) {
            call_start(c, r, stream ? CHUNKED : NULL);
            if (!stream) {
                (void)http_write(r, "{\"Keys\":{", 9);
                buf_text(&out, "}}\n");
            }
            (void)http_write(r, out.p, out.n);
            call_end(c, r);
        }
        buf_free(&out);
        return;
    }
    pins_walk_begin(&c->fake->pins, &c->walk);
    /* A daemon has an index of each type: one of nothing costs nothing. */
    if (strcmp(type, "direct") == 0 && c->fake->pins.n_direct == 0)
        c->walk.next = NULL;
    c->walking = true;
    call_start(c, r, stream ? CHUNKED : NULL);
    if (!stream)
        (void)http_write(r, "{\"Keys\":{", 9);
    call_listing(c, r);
}

/* ---- content ---- */

static bool stat_arg(struct call *c, struct http_request *r, struct cid *cid,
                     char text[LIMIT_CID_TEXT], uint64_t *size)
{
    enum cid_form form;
    if (!need_arg(c, r, "root") || !call_cid(c, r, call_arg(c, 0), cid, &form))
        return false;
    struct pin *pin = pins_find(&c->fake->pins, cid);
    cid_print(cid, form, text);
    if (!pin && call_flag(c, "offline", false)) {
        call_fail(c, r,
                  "block was not found locally (offline): ipld: could not "
                  "find %s",
                  text);
        return false;
    }
    *size = pin ? pin->size_bytes : pins_size_of(cid);
    return true;
}

void rpc_dag_stat(struct call *c, struct http_request *r)
{
    struct buf out = BUF_INIT;
    struct cid cid;
    char text[LIMIT_CID_TEXT];
    uint64_t size;
    if (!stat_arg(c, r, &cid, text, &size))
        return;
    uint64_t blocks = pins_blocks_of(size);
    buf_printf(&out,
               "{\"UniqueBlocks\":%" PRIu64 ",\"TotalSize\":%" PRIu64
               ",\"SharedSize\":0,\"Ratio\":1,\"DagStats\":[{\"Cid\":\"%s\","
               "\"Size\":%" PRIu64 ",\"NumBlocks\":%" PRIu64 "}]}",
               blocks, size, text, size, blocks);
    call_emit(c, r, &out, CHUNKED);
    call_end(c, r);
}

void rpc_files_stat(struct call *c, struct http_request *r)
{
    struct buf out = BUF_INIT;
    struct cid cid;
    char text[LIMIT_CID_TEXT];
    uint64_t size;
    if (!stat_arg(c, r, &cid, text, &size))
        return;
    buf_printf(&out,
               "{\"Hash\":\"%s\",\"Size\":%" PRIu64
               ",\"CumulativeSize\":%" PRIu64 ",\"Blocks\":%" PRIu64
               ",\"Type\":\"file\"}",
               text, size, size, pins_blocks_of(size) - 1);
    call_emit(c, r, &out, NULL);
    call_end(c, r);
}

void rpc_block_stat(struct call *c, struct http_request *r)
{
    struct buf out = BUF_INIT;
    struct cid cid;
    char text[LIMIT_CID_TEXT];
    uint64_t size;
    if (!stat_arg(c, r, &cid, text, &size))
        return;
    buf_printf(&out, "{\"Key\":\"%s\",\"Size\":%" PRIu64 "}", text,
               pins_blocks_of(size) > 1 ? 100 : size);
    call_emit(c, r, &out, NULL);
    call_end(c, r);
}

void rpc_repo_stat(struct call *c, struct http_request *r)
{
    const struct pins *pins = &c->fake->pins;
    struct buf out = BUF_INIT;
    bool full = !call_flag(c, "size-only", false);
    buf_printf(&out,
               "{\"RepoSize\":%" PRIu64 ",\"StorageMax\":%" PRIu64
               ",\"NumObjects\":%zu,\"RepoPath\":\"%s\",\"Version\":\"%s\"}",
               pins->size_bytes, c->fake->storage_max, full ? pins->n : 0,
               full ? c->fake->repo_path : "", full ? "fs-repo@18" : "");
    call_emit(c, r, &out, NULL);
    call_end(c, r);
}

void rpc_repo_gc(struct call *c, struct http_request *r)
{
    call_start(c, r, CHUNKED); /* unpinned content was never there */
    call_end(c, r);
}

/* ---- identity, swarm, health ---- */

static void emit_text(struct call *c, struct http_request *r, const char *text)
{
    struct buf out = BUF_INIT;
    buf_text(&out, text);
    call_emit(c, r, &out, NULL);
    call_end(c, r);
}

/* Whatever the block is: only the one without bytes is put. */
void rpc_block_put(struct call *c, struct http_request *r)
{
    emit_text(c, r,
              "{\"Key\":\"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevten"
              "xquvyku\",\"Size\":0}");
}

void rpc_version(struct call *c, struct http_request *r)
{
    emit_text(c, r,
              "{\"Version\":\"" FAKEKUBO_VERSION "\",\"Commit\":\"fakekubo\","
              "\"Repo\":\"18\",\"System\":\"amd64/linux\",\"Golang\":\"\"}");
}

/* There are no folders. */
void rpc_resolve(struct call *c, struct http_request *r)
{
    call_fail(c, r, "no link by that name");
}

void rpc_healthy(struct call *c, struct http_request *r)
{
    emit_text(c, r, "\"ok\"");
}

void rpc_stats_bw(struct call *c, struct http_request *r)
{
    struct buf out = BUF_INIT;
    uint64_t in = c->fake->pins.size_bytes;
    buf_printf(&out,
               "{\"TotalIn\":%" PRIu64 ",\"TotalOut\":%" PRIu64
               ",\"RateIn\":0,\"RateOut\":0}",
               in, in / 2);
    call_emit(c, r, &out, NULL);
    call_end(c, r);
}

static void base64(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16;
        if (i + 1 < n)
            v |= (uint32_t)p[i + 1] << 8;
        if (i + 2 < n)
            v |= p[i + 2];
        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *out++ = i + 2 < n ? digits[v & 63] : '=';
    }
    *out = 0;
}

void rpc_id(struct call *c, struct http_request *r)
{
    uint8_t key[4 + PEERID_KEY] = {0x08, 0x01, 0x12, PEERID_KEY};
    char text[LIMIT_PEER_ID_TEXT], public_key[64];
    struct buf out = BUF_INIT;
    memcpy(key + 4, c->fake->key, PEERID_KEY);
    base64(key, sizeof key, public_key);
    peerid_print(&c->fake->id, text);
    buf_printf(&out,
               "{\"ID\":\"%s\",\"PublicKey\":\"%s\",\"Addresses\":["
               "\"/ip4/127.0.0.1/tcp/%u/p2p/%s\"],\"AgentVersion\":"
               "\"fakekubo/" FAKEKUBO_VERSION " (fake: holds no content)\","
               "\"Protocols\":[\"/ipfs/bitswap/1.2.0\"]}",
               text, public_key, http_bound_port(c->fake->server), text);
    call_emit(c, r, &out, NULL);
    call_end(c, r);
}

/* Every address of the call, checked; then remembered as connected. */
static bool swarm_args(struct call *c, struct http_request *r)
{
    struct fake *fake = c->fake;
    const char *arg;
    if (!need_arg(c, r, "address"))
        return false;
    for (unsigned i = 0; (arg = call_arg(c, i)); i++) {
        struct peerid id;
        struct err_text why;
        if (maddr_check(arg, &why) != ERR_OK || !maddr_peer(arg, &id)) {
            call_fail(c, r, "invalid peer address: invalid p2p multiaddr");
            return false;
        }
        bool known = peerid_equal(&id, &fake->id);
        for (unsigned k = 0; k < fake->peers_n && !known; k++)
            known = strcmp(fake->peers[k], arg) == 0;
        if (!known && fake->peers_n < FAKE_PEERS)
            fake->peers[fake->peers_n++] = mem_text(arg);
    }
    return true;
}

void rpc_swarm_connect(struct call *c, struct http_request *r)
{
    struct buf out = BUF_INIT;
    const char *arg;
    if (!swarm_args(c, r))
        return;
    buf_text(&out, "{\"Strings\":[");
    for (unsigned i = 0; (arg = call_arg(c, i)); i++) {
        char text[LIMIT_PEER_ID_TEXT] = "";
        struct peerid id;
        if (maddr_peer(arg, &id))
            peerid_print(&id, text);
        buf_printf(&out, "%s\"connect %s success\"", i ? "," : "", text);
    }
    buf_text(&out, "]}");
    call_emit(c, r, &out, NULL);
    call_end(c, r);
}

void rpc_peering_add(struct call *c, struct http_request *r)
{
    const char *arg;
    if (!swarm_args(c, r))
        return;
    for (unsigned i = 0; (arg = call_arg(c, i)); i++) {
        struct buf out = BUF_INIT;
        char text[LIMIT_PEER_ID_TEXT] = "";
        struct peerid id;
        if (maddr_peer(arg, &id))
            peerid_print(&id, text);
        buf_printf(&out, "{\"ID\":\"%s\",\"Status\":\"success\"}", text);
        call_emit(c, r, &out, CHUNKED);
    }
    call_end(c, r);
}

void rpc_swarm_peers(struct call *c, struct http_request *r)
{
    const struct fake *fake = c->fake;
    struct buf out = BUF_INIT;
    buf_text(&out, fake->peers_n ? "{\"Peers\":[" : "{\"Peers\":null");
    for (unsigned i = 0; i < fake->peers_n; i++) {
        const char *at = strstr(fake->peers[i], "/p2p/");
        buf_printf(&out,
                   "%s{\"Addr\":\"%.*s\",\"Peer\":\"%s\",\"Direction\":2}",
                   i ? "," : "", at ? (int)(at - fake->peers[i]) : 0,
                   fake->peers[i], at ? at + 5 : "");
    }
    buf_text(&out, fake->peers_n ? "]}" : "}");
    call_emit(c, r, &out, NULL);
    call_end(c, r);
}
