/* Multiaddrs: a text is cut into parts /protocol or /protocol/value, each
 * value is checked as go-multiaddr does or more strictly. Whether the parts
 * make sense in that order, and whether anyone answers there, is not known
 * here.
 */
#include "proto/maddr.h"

#include <arpa/inet.h>
#include <string.h>

enum protocol {
    PROTOCOL_IP4,
    PROTOCOL_IP6,
    PROTOCOL_DNS,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
    PROTOCOL_P2P,
    PROTOCOL_UNIX,
    PROTOCOL_FLAG /* takes no value */
};

static const struct {
    const char *name;
    enum protocol protocol;
} names[] = {
    {"ip4", PROTOCOL_IP4},      {"ip6", PROTOCOL_IP6},
    {"dns", PROTOCOL_DNS},      {"dns4", PROTOCOL_DNS},
    {"dns6", PROTOCOL_DNS},     {"tcp", PROTOCOL_TCP},
    {"udp", PROTOCOL_UDP},      {"quic-v1", PROTOCOL_FLAG},
    {"ws", PROTOCOL_FLAG},      {"wss", PROTOCOL_FLAG},
    {"p2p", PROTOCOL_P2P},      {"p2p-circuit", PROTOCOL_FLAG},
    {"unix", PROTOCOL_UNIX},
};

/* One value, as text and as what it means. */
struct part {
    enum protocol protocol;
    const char *name, *value; /* borrowed */
    size_t name_n, value_n;
    union {
        struct in_addr ip4;
        struct in6_addr ip6;
        uint16_t port;
        struct peerid peer;
    } is;
};

/* Cut and quoted: the text comes from outside. */
struct quoted {
    char text[128];
};

static struct quoted quote(const char *text, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    struct quoted q;
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)text[i];
        bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
        if (at + 4 + 4 > sizeof(q.text)) {
            memcpy(q.text + at, "...", 3);
            at += 3;
            break;
        }
        if (plain) {
            q.text[at++] = (char)c;
            continue;
        }
        q.text[at++] = '\\';
        if (c == '"' || c == '\\') {
            q.text[at++] = (char)c;
        } else {
            q.text[at++] = 'x';
            q.text[at++] = hex[c >> 4];
            q.text[at++] = hex[c & 15];
        }
    }
    q.text[at] = 0;
    return q;
}

static bool parse_ip(int family, const char *text, size_t n, void *out)
{
    char copy[INET6_ADDRSTRLEN];

    if (n == 0 || n >= sizeof(copy) || memchr(text, 0, n))
        return false;
    memcpy(copy, text, n);
    copy[n] = 0;
    return inet_pton(family, copy, out) == 1;
}

static bool parse_port(const char *text, size_t n, uint16_t *out)
{
    unsigned v = 0;

    if (n == 0 || n > 5)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (unsigned)(text[i] - '0');
    }
    if (v > UINT16_MAX)
        return false;
    *out = (uint16_t)v;
    return true;
}

/* Only what a host name is made of: the text goes into URLs and logs. */
static bool is_name(const char *text, size_t n)
{
    if (n == 0 || n > 253)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
            return false;
    }
    return true;
}

static bool is_path(const char *text, size_t n)
{
    if (n < 2 || n > ADDR_HOST_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return true;
}

static bool check_value(struct part *p)
{
    switch (p->protocol) {
    case PROTOCOL_IP4:
        return parse_ip(AF_INET, p->value, p->value_n, &p->is.ip4);
    case PROTOCOL_IP6:
        return parse_ip(AF_INET6, p->value, p->value_n, &p->is.ip6);
    case PROTOCOL_DNS:
        return is_name(p->value, p->value_n);
    case PROTOCOL_TCP:
    case PROTOCOL_UDP:
        return parse_port(p->value, p->value_n, &p->is.port);
    case PROTOCOL_P2P:
        return peerid_parse(p->value, p->value_n, &p->is.peer, NULL) ==
               ERR_OK;
    case PROTOCOL_UNIX:
        return is_path(p->value, p->value_n);
    case PROTOCOL_FLAG:
        return true;
    }
    return false;
}

static size_t word(const char *at, const char *end)
{
    const char *slash = memchr(at, '/', (size_t)(end - at));
    return (size_t)((slash ? slash : end) - at);
}

struct walk {
    const char *text, *at, *end;
};

static enum err refuse(const struct walk *w, const char *reason,
                       struct err_text *why)
{
    struct quoted q;

    if (why == NULL)
        return ERR_INVALID;
    q = quote(w->text, (size_t)(w->end - w->text));
    return err_set(why, ERR_INVALID, "failed to parse multiaddr \"%s\": %s",
                   q.text, reason);
}

static enum err begin(struct walk *w, const char *text, struct err_text *why)
{
    size_t n = strnlen(text, LIMIT_MULTIADDR + 1);

    w->text = w->at = text;
    w->end = text + n;
    if (n > LIMIT_MULTIADDR)
        return refuse(w, "too long", why);
    while (w->end > text && w->end[-1] == '/')
        w->end--; /* the reference takes them, too */
    if (w->end == text)
        return refuse(w, "empty multiaddr", why);
    if (text[0] != '/')
        return refuse(w, "must begin with /", why);
    return ERR_OK;
}

static enum err refuse_name(const struct walk *w, const struct part *p,
                            struct err_text *why)
{
    struct quoted q;

    if (why == NULL)
        return ERR_INVALID;
    q = quote(w->text, (size_t)(w->end - w->text));
    return err_set(why, ERR_INVALID, "failed to parse multiaddr \"%s\": "
                   "unknown protocol %s",
                   q.text, quote(p->name, p->name_n).text);
}

static enum err refuse_value(const struct walk *w, const struct part *p,
                             struct err_text *why)
{
    struct quoted q, value;

    if (why == NULL)
        return ERR_INVALID;
    q = quote(w->text, (size_t)(w->end - w->text));
    value = quote(p->value, p->value_n);
    return err_set(why, ERR_INVALID, "failed to parse multiaddr \"%s\": "
                   "invalid value \"%s\" for protocol %.*s",
                   q.text, value.text, (int)p->name_n, p->name);
}

static bool find_protocol(struct part *p)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i].name) == p->name_n &&
            memcmp(names[i].name, p->name, p->name_n) == 0) {
            p->protocol = names[i].protocol;
            return true;
        }
    }
    return false;
}

/* Only while w->at < w->end. */
static enum err next(struct walk *w, struct part *p, struct err_text *why)
{
    p->name = w->at + 1;
    p->name_n = word(p->name, w->end);
    p->value = w->at = p->name + p->name_n;
    p->value_n = 0;
    if (!find_protocol(p))
        return refuse_name(w, p, why);
    if (p->protocol == PROTOCOL_FLAG)
        return ERR_OK;
    if (w->at == w->end)
        return refuse(w, "unexpected end of multiaddr", why);
    if (p->protocol == PROTOCOL_UNIX) { /* takes the rest, with its slash */
        p->value_n = (size_t)(w->end - p->value);
    } else {
        p->value++;
        p->value_n = word(p->value, w->end);
    }
    w->at = p->value + p->value_n;
    return check_value(p) ? ERR_OK : refuse_value(w, p, why);
}

enum err maddr_check(const char *text, struct err_text *why)
{
    struct walk w;
    struct part p;
    enum err e = begin(&w, text, why);

    while (e == ERR_OK && w.at < w.end)
        e = next(&w, &p, why);
    return e;
}

bool maddr_peer(const char *text, struct peerid *out)
{
    struct walk w;
    struct part p;
    struct peerid last = {.n = 0};
    enum err e = begin(&w, text, NULL);

    while (e == ERR_OK && w.at < w.end) {
        e = next(&w, &p, NULL);
        if (e == ERR_OK && p.protocol == PROTOCOL_P2P)
            last = p.is.peer;
    }
    if (e != ERR_OK || last.n == 0)
        return false;
    *out = last;
    return true;
}

static enum err take_host(const struct walk *w, const struct part *p,
                          struct addr *out, struct err_text *why)
{
    memset(out, 0, sizeof(*out));
    switch (p->protocol) {
    case PROTOCOL_IP6: /* in its shortest form, which addr.c compares */
        inet_ntop(AF_INET6, &p->is.ip6, out->host, sizeof(out->host));
        return ERR_OK;
    case PROTOCOL_UNIX:
        out->is_unix = true;
        break;
    case PROTOCOL_IP4:
    case PROTOCOL_DNS:
        break;
    case PROTOCOL_TCP:
    case PROTOCOL_UDP:
    case PROTOCOL_P2P:
    case PROTOCOL_FLAG:
        return refuse(w, "must begin with ip4, ip6, dns or unix", why);
    }
    memcpy(out->host, p->value, p->value_n); /* checked: <= ADDR_HOST_MAX */
    out->host[p->value_n] = 0;
    return ERR_OK;
}

enum err maddr_to_addr(const char *text, struct addr *out,
                       struct err_text *why)
{
    struct walk w;
    struct part p;
    enum err e = begin(&w, text, why);

    if (e == ERR_OK)
        e = next(&w, &p, why);
    if (e == ERR_OK)
        e = take_host(&w, &p, out, why);
    if (e != ERR_OK || out->is_unix)
        return e;
    if (w.at == w.end)
        return refuse(&w, "has no /tcp/ port", why);
    e = next(&w, &p, why);
    if (e != ERR_OK)
        return e;
    if (p.protocol != PROTOCOL_TCP)
        return refuse(&w, "has no /tcp/ port", why);
    out->port = p.is.port;
    if (w.at < w.end)
        return refuse(&w, "nothing may follow /tcp/ and its port", why);
    return ERR_OK;
}

/* The first part decides: what follows is reached through it. */
bool maddr_is_loopback(const char *text)
{
    struct walk w;
    struct part p;
    struct addr a;

    return maddr_check(text, NULL) == ERR_OK &&
           begin(&w, text, NULL) == ERR_OK && next(&w, &p, NULL) == ERR_OK &&
           take_host(&w, &p, &a, NULL) == ERR_OK && addr_is_loopback(&a);
}
