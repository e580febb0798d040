/* A list of hosts: each form is brought to what addr_parse knows. */
#include "ctl/hosts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { ONE_MAX = 512 };

/* "/ip4/127.0.0.1/tcp/9094" to "127.0.0.1:9094". */
static bool from_multiaddr(const char *text, char out[ONE_MAX], bool *tls)
{
    char kind[8], host[ADDR_HOST_MAX + 1], port[8];
    int end = 0;

    if (sscanf(text, "/%7[a-z0-9]/%255[^/]/tcp/%7[0-9]%n", kind, host, port,
               &end) != 3 ||
        (text[end] != 0 && strcmp(text + end, "/http") != 0 &&
         strcmp(text + end, "/https") != 0))
        return false;
    *tls = strcmp(text + end, "/https") == 0;
    if (strcmp(kind, "ip6") == 0)
        snprintf(out, ONE_MAX, "[%s]:%s", host, port);
    else if (strcmp(kind, "ip4") == 0 || strcmp(kind, "dns") == 0 ||
             strcmp(kind, "dns4") == 0 || strcmp(kind, "dns6") == 0)
        snprintf(out, ONE_MAX, "%s:%s", host, port);
    else
        return false;
    return true;
}

static enum err normalise(const char *text, char out[ONE_MAX], bool *tls,
                          struct err_text *why)
{
    size_t n;

    *tls = false;
    if (strncmp(text, "/unix/", 6) == 0) {
        snprintf(out, ONE_MAX, "unix:%s", text + 5);
        return ERR_OK;
    }
    if (text[0] == '/') {
        if (!from_multiaddr(text, out, tls))
            return err_set(why, ERR_USAGE,
                           "not a multiaddr such as "
                           "/ip4/127.0.0.1/tcp/9094");
        return ERR_OK;
    }
    if (strncasecmp(text, "http://", 7) == 0) {
        text += 7;
    } else if (strncasecmp(text, "https://", 8) == 0) {
        text += 8;
        *tls = true;
    }
    n = strlen(text);
    snprintf(out, ONE_MAX, "%s", text);
    if (strncmp(out, "unix:", 5) == 0)
        return ERR_OK;
    if (strstr(out, "://") != NULL)
        return err_set(why, ERR_USAGE, "neither http:// nor https://");
    if (n > 0 && out[n - 1] == '/')
        out[n - 1] = 0;
    text = strchr(out, '/');
    if (text != NULL)
        return err_set(why, ERR_USAGE, "a host has no path ('%.100s')", text);
    return ERR_OK;
}

/* Of the whole list, and before anything of it is shown: a password may have
 * commas in it. A path may have an '@'. */
static enum err refuse_user(const char *list, struct err_text *why)
{
    for (const char *p = list; *p != 0; p += *p == ',') {
        size_t n = strcspn(p, ",");
        const char *at = memrchr(p, '@', n);

        if (at != NULL && strncmp(p, "unix:", 5) != 0 &&
            strncmp(p, "/unix/", 6) != 0)
            return err_set(why, ERR_USAGE,
                           "host '…%.*s': user and password are not taken; "
                           "use a token (--token-file)",
                           p + n - at > 100 ? 100 : (int)(p + n - at), at);
        p += n;
    }
    return ERR_OK;
}

static enum err parse_one(const char *text, struct host *h,
                          struct err_text *why)
{
    char one[ONE_MAX];
    enum err e = normalise(text, one, &h->tls, why);

    if (e != ERR_OK)
        return e;
    if (addr_parse(one, HOSTS_PORT, &h->addr, why) != ERR_OK)
        return ERR_USAGE;
    if (!h->addr.is_unix && h->addr.port == 0)
        return err_set(why, ERR_USAGE, "port 0");
    if (h->addr.is_unix && h->tls)
        return err_set(why, ERR_USAGE, "a unix socket speaks no https");
    addr_print(&h->addr, h->text);
    return ERR_OK;
}

enum err hosts_parse(const char *text, struct hosts *out,
                     struct err_text *why)
{
    char one[ONE_MAX];

    out->n = 0;
    if (refuse_user(text, why) != ERR_OK)
        return ERR_USAGE;
    for (const char *p = text;; p++) {
        size_t n = strcspn(p, ",");
        enum err e;

        if (n == 0 || n >= sizeof one)
            return err_set(why, ERR_USAGE, "host list '%.100s': %s", text,
                           n == 0 ? "an empty entry" : "an entry too long");
        if (out->n == HOSTS_MAX)
            return err_set(why, ERR_USAGE, "more than %d hosts", HOSTS_MAX);
        memcpy(one, p, n);
        one[n] = 0;
        e = parse_one(one, &out->list[out->n], why);
        if (e != ERR_OK) {
            err_prefix(why, "host '%.100s'", one);
            return e;
        }
        out->n++;
        p += n;
        if (*p == 0)
            return ERR_OK;
    }
}
