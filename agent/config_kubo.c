/* Where the IPFS daemon is, and what it is told to let us in. */
#include "agent/config.h"

#include "agent/kubo.h"
#include "proto/identity.h"
#include "proto/maddr.h"
#include "proto/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SECRET_MAX = 4096, API_FILE_MAX = 1024 };

static char *read_api_file(void)
{
    const char *home = getenv("IPFS_PATH");
    struct buf text = BUF_INIT;
    char path[4096];
    char *found = NULL;

    if (home == NULL || home[0] == '\0')
        return NULL;
    snprintf(path, sizeof path, "%s/api", home);
    if (identity_read_file(path, API_FILE_MAX, &text, NULL) == ERR_OK) {
        while (text.n > 0 && (text.p[text.n - 1] == '\n' ||
                              text.p[text.n - 1] == '\r'))
            text.n--;
        if (text.n > 0)
            found = mem_textn((const char *)text.p, text.n);
    }
    buf_free(&text);
    return found;
}

enum err agent_config_kubo(struct agent_config *c, struct err_text *why)
{
    bool from_file = c->kubo == NULL && (c->kubo = read_api_file()) != NULL;
    struct addr a;
    enum err e;

    if (c->kubo == NULL)
        c->kubo = mem_text("127.0.0.1:5001");
    e = kubo_address(c->kubo, &a, why);
    if (e == ERR_OK && !a.is_unix && a.port == 0)
        e = err_set(why, ERR_INVALID, "port 0 cannot be called");
    if (e == ERR_OK)
        return ERR_OK;
    if (from_file)
        err_prefix(why, "kubo, of the file %.100s/api", getenv("IPFS_PATH"));
    else
        err_prefix(why, "kubo");
    return ERR_INVALID;
}

bool agent_config_kubo_is_local(const struct agent_config *c)
{
    const char *text = c->kubo;
    struct addr a;
    enum err e;

    if (strncmp(text, "http://", 7) == 0)
        text += 7;
    e = text[0] == '/' ? maddr_to_addr(text, &a, NULL) : ERR_INVALID;
    if (e != ERR_OK)
        e = addr_parse(text, 5001, &a, NULL);
    return e == ERR_OK && addr_is_loopback(&a);
}

enum err agent_config_authorization(const struct agent_config *c,
                                    char **out, struct err_text *why)
{
    const char *path = c->kubo_authorization_file;
    struct buf text = BUF_INIT;
    struct stat st;
    char *real;
    enum err e;

    *out = NULL;
    if (path == NULL)
        return ERR_OK;
    real = realpath(path, NULL); /* mounted secrets are symbolic links */
    if (real == NULL || stat(real, &st) != 0) {
        e = err_set(why, ERR_IO, "kubo-authorization-file: %s: %s", path,
                    strerror(errno));
        goto out;
    }
    if ((st.st_mode & 077) != 0) {
        e = err_set(why, ERR_DENIED, "kubo-authorization-file: %s can be "
                    "read by others; its mode must be 0600", path);
        goto out;
    }
    e = identity_read_file(real, SECRET_MAX, &text, why);
    if (e != ERR_OK) {
        err_prefix(why, "kubo-authorization-file");
        goto out;
    }
    while (text.n > 0 && text.p[text.n - 1] == '\n')
        text.n--;
    for (size_t i = 0; i < text.n && e == ERR_OK; i++)
        if (text.p[i] < 0x20 || text.p[i] > 0x7e)
            e = ERR_INVALID;
    if (text.n == 0 || e != ERR_OK)
        e = err_set(why, ERR_INVALID, "kubo-authorization-file: %s: one line "
                    "of visible ASCII is expected", path);
    else
        *out = mem_textn((const char *)text.p, text.n);
out:
    free(real);
    buf_free(&text);
    return e;
}
