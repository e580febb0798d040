/* The sources of a configuration: flags, environment, file, defaults. Every
 * value is checked even if a stronger source overrides it: a mistake in the
 * file must not wait for the day the flag goes away.
 */
#include "proto/conf.h"

#include "proto/conf_value.h"
#include "proto/json.h"
#include "proto/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Variables of the suite that are no option of the program at hand: programs
 * that share a machine share its environment. */
static const char *const conf_foreign[] = {
    "PINFOLD_IPFS",  /* the daemon that scripts and system tests use */
    "PINFOLD_HOST",  /* the coordinator that the command line talks to */
    "PINFOLD_ORG", "PINFOLD_TOKEN", "PINFOLD_TOKEN_FILE", /* its, too */
    "PINFOLD_CACERT",
    "PINFOLD_STATE", /* the quick start's folder */
    "PINFOLD_CLUSTER_CTL", "PINFOLD_CLUSTER_SOURCE" /* peers of tests */
};

enum source { SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_FLAG };

struct setting {
    char *text;
    enum source source;
    bool seen[SOURCE_FLAG + 1];
};

struct loader {
    const struct conf_table *t;
    struct setting *settings; /* one an option */
    char *config;             /* path of the file */
    enum source config_source;
    enum conf_action action;
    struct err_text *why;
};

static const char env_prefix[] = "PINFOLD_";

static void loader_free(struct loader *l)
{
    for (size_t i = 0; i < l->t->n; i++)
        free(l->settings[i].text);
    free(l->settings);
    free(l->config);
}

static const struct conf_option *find(const struct conf_table *t,
                                      const char *name, size_t n)
{
    for (size_t i = 0; i < t->n; i++)
        if (strlen(t->options[i].name) == n &&
            memcmp(t->options[i].name, name, n) == 0)
            return &t->options[i];
    return NULL;
}

/* where names the source and the key in error texts. */
static enum err put(struct loader *l, const struct conf_option *o,
                    enum source source, const char *where, const char *text)
{
    struct setting *s = &l->settings[o - l->t->options];
    enum err e;

    if (s->seen[source])
        return err_set(l->why, ERR_USAGE, "%.200s: given twice", where);
    s->seen[source] = true;
    if ((e = conf_value_set(o, text, NULL, l->why)) != ERR_OK) {
        err_prefix(l->why, "%.200s", where);
        return e;
    }
    if (s->text != NULL && s->source > source)
        return ERR_OK;
    free(s->text);
    s->text = mem_text(text);
    s->source = source;
    return ERR_OK;
}

/* Strongest source first: a later one does not replace it. */
static enum err put_config(struct loader *l, enum source source,
                           const char *where, const char *path)
{
    if (path[0] == 0)
        return err_set(l->why, ERR_USAGE, "%s: must not be empty", where);
    if (l->config != NULL && l->config_source == source)
        return err_set(l->why, ERR_USAGE, "%s: given twice", where);
    if (l->config == NULL) {
        l->config = mem_text(path);
        l->config_source = source;
    }
    return ERR_OK;
}

/* *next is the argument behind the flag; *used says that it was the value. */
static enum err read_flag(struct loader *l, const char *arg,
                          const char *next, bool *used)
{
    size_t n = strcspn(arg + 2, "=");
    const struct conf_option *o = find(l->t, arg + 2, n);
    bool is_config = n == 6 && memcmp(arg + 2, "config", n) == 0;
    const char *text = arg[2 + n] == '=' ? arg + 2 + n + 1 : NULL;
    char *where = mem_textn(arg, n + 2);
    enum err e;

    *used = false;
    if (o == NULL && !is_config) {
        e = err_set(l->why, ERR_USAGE, "%.200s: unknown option", where);
        goto out;
    }
    if (text == NULL && o != NULL && o->type == CONF_BOOL) {
        text = "true";
    } else if (text == NULL) {
        if (next == NULL || strncmp(next, "--", 2) == 0) {
            e = err_set(l->why, ERR_USAGE, "%s: needs a value", where);
            goto out;
        }
        text = next;
        *used = true;
    }
    e = o != NULL ? put(l, o, SOURCE_FLAG, where, text)
                  : put_config(l, SOURCE_FLAG, where, text);
out:
    free(where);
    return e;
}

static enum err read_flags(struct loader *l, int argc, char *const argv[])
{
    bool used;
    enum err e;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            l->action = CONF_HELP;
            return ERR_OK;
        }
        if (strcmp(argv[i], "--version") == 0) {
            l->action = CONF_VERSION;
            return ERR_OK;
        }
        if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == 0)
            return err_set(l->why, ERR_USAGE, "unexpected argument '%.64s'",
                           argv[i]);
        e = read_flag(l, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used);
        if (e != ERR_OK)
            return e;
        i += used;
    }
    return ERR_OK;
}

/* Whether the n bytes of a variable's name are those of the option. */
static bool env_matches(const char *option, const char *name, size_t n)
{
    if (strlen(option) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = option[i];

        if (c == '-')
            c = '_';
        else if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        if (name[i] != c)
            return false;
    }
    return true;
}

static bool is_foreign(const char *name)
{
    for (size_t i = 0; i < sizeof(conf_foreign) / sizeof(char *); i++)
        if (strcmp(conf_foreign[i], name) == 0)
            return true;
    return false;
}

/* name is the whole variable's, text its value. */
static enum err read_variable(struct loader *l, const char *name,
                              const char *text)
{
    const char *tail = name + sizeof(env_prefix) - 1;
    size_t n = strlen(tail);
    char where[256];

    snprintf(where, sizeof(where), "environment %.200s", name);
    if (env_matches("config", tail, n))
        return put_config(l, SOURCE_ENVIRONMENT, where, text);
    for (size_t i = 0; i < l->t->n; i++)
        if (env_matches(l->t->options[i].name, tail, n))
            return put(l, &l->t->options[i], SOURCE_ENVIRONMENT, where,
                       text);
    if (is_foreign(name))
        return ERR_OK;
    return err_set(l->why, ERR_USAGE, "%s: unknown variable", where);
}

static enum err read_environment(struct loader *l, char *const env[])
{
    enum err e = ERR_OK;

    for (; env != NULL && *env != NULL && e == ERR_OK; env++) {
        const char *equals = strchr(*env, '=');
        char *name;

        if (equals == NULL ||
            strncmp(*env, env_prefix, sizeof(env_prefix) - 1) != 0)
            continue;
        name = mem_textn(*env, (size_t)(equals - *env));
        e = read_variable(l, name, equals + 1);
        free(name);
    }
    return e;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(const char *p, size_t n)
{
    while (n > 0 && is_blank(p[0])) {
        p++;
        n--;
    }
    while (n > 0 && is_blank(p[n - 1]))
        n--;
    return span_of(p, n);
}

static size_t comment_start(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] == '#' && (i == 0 || is_blank(p[i - 1])))
            return i;
    return n;
}

/* One line, without its end. */
static enum err read_line(struct loader *l, const char *file, size_t line,
                          const char *p, size_t n)
{
    const char *equals;
    char where[256], *text;
    struct span key, value;
    const struct conf_option *o;
    enum err e;

    snprintf(where, sizeof(where), "%.150s:%zu", file, line);
    n = comment_start(p, n);
    if (trim(p, n).n == 0)
        return ERR_OK;
    if ((equals = memchr(p, '=', n)) == NULL)
        return err_set(l->why, ERR_USAGE, "%s: 'name = value' expected",
                       where);
    key = trim(p, (size_t)(equals - p));
    value = trim(equals + 1, n - (size_t)(equals - p) - 1);
    o = find(l->t, (const char *)key.p, key.n);
    if (o == NULL)
        return err_set(l->why, ERR_USAGE, "%s: unknown key '%.*s'", where,
                       (int)(key.n > 64 ? 64 : key.n), (const char *)key.p);
    snprintf(where, sizeof(where), "%.150s:%zu: %.64s", file, line, o->name);
    text = mem_textn((const char *)value.p, value.n);
    e = put(l, o, SOURCE_FILE, where, text);
    free(text);
    return e;
}

static bool has_control(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)p[i] < 0x20 && !is_blank(p[i])) || p[i] == 0x7F)
            return true;
    return false;
}

static enum err read_text(struct loader *l, const char *file,
                          struct span text)
{
    const char *p = (const char *)text.p;
    size_t left = text.n;
    enum err e;

    if (text.n > CONF_FILE_MAX)
        return err_set(l->why, ERR_TOO_LARGE, "%s: larger than %d bytes",
                       file, (int)CONF_FILE_MAX);
    for (size_t line = 1; left > 0; line++) {
        const char *end = memchr(p, '\n', left);
        size_t n = end == NULL ? left : (size_t)(end - p);

        if (has_control(p, n) || !json_utf8_valid(p, n))
            return err_set(l->why, ERR_USAGE,
                           "%s:%zu: a control character or bad UTF-8", file,
                           line);
        if ((e = read_line(l, file, line, p, n)) != ERR_OK)
            return e;
        n += end != NULL;
        p += n;
        left -= n;
    }
    return ERR_OK;
}

/* A pipe could make the start wait for ever, so only plain files are read. */
static enum err read_file(struct loader *l, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *text = NULL;
    struct stat st;
    size_t n = 0;
    ssize_t r = 0;
    enum err e;

    if (fd < 0 || fstat(fd, &st) != 0) {
        e = err_set(l->why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                    "%s: %s", path, strerror(errno));
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        e = err_set(l->why, ERR_USAGE, "%s: not a plain file", path);
        goto out;
    }
    text = mem_alloc(CONF_FILE_MAX + 1); /* one more shows what is too large */
    do {
        r = read(fd, text + n, CONF_FILE_MAX + 1 - n);
        n += r > 0 ? (size_t)r : 0;
    } while ((r > 0 && n <= CONF_FILE_MAX) || (r < 0 && errno == EINTR));
    if (r < 0)
        e = err_set(l->why, ERR_IO, "%s: %s", path, strerror(errno));
    else
        e = read_text(l, path, span_of(text, n));
out:
    free(text);
    if (fd >= 0)
        close(fd);
    return e;
}

static void clear_target(const struct conf_table *t, void *target)
{
    for (size_t i = 0; i < t->n; i++) {
        void *member = (char *)target + t->options[i].offset;

        if (conf_value_is_text(&t->options[i]))
            *(char **)member = NULL;
        else if (t->options[i].type == CONF_BOOL)
            *(bool *)member = false;
        else
            *(uint64_t *)member = 0;
    }
}

/* What is left to do once the sources are read: the members are set. */
static enum err finish(struct loader *l, void *target)
{
    for (size_t i = 0; i < l->t->n; i++)
        if (l->settings[i].text == NULL && l->t->options[i].required)
            return err_set(l->why, ERR_USAGE, "--%s: missing",
                           l->t->options[i].name);
    for (size_t i = 0; i < l->t->n; i++) {
        const struct conf_option *o = &l->t->options[i];
        const char *text = l->settings[i].text;
        enum err e;

        if (text == NULL && (text = o->fallback) == NULL)
            continue;
        e = conf_value_set(o, text, target, l->why);
        assert(e == ERR_OK); /* checked by put; a default must be good */
    }
    return ERR_OK;
}

enum err conf_load(const struct conf_table *t, void *target, int argc,
                   char *const argv[], char *const env[],
                   enum conf_action *action, struct err_text *why)
{
    struct loader l = {.t = t, .action = CONF_RUN, .why = why};
    enum err e;

    l.settings = mem_array(t->n, sizeof(*l.settings));
    clear_target(t, target);
    if ((e = read_flags(&l, argc, argv)) != ERR_OK || l.action != CONF_RUN)
        goto out;
    if ((e = read_environment(&l, env)) != ERR_OK)
        goto out;
    if (l.config != NULL && (e = read_file(&l, l.config)) != ERR_OK)
        goto out;
    e = finish(&l, target);
out:
    if (e == ERR_OK)
        *action = l.action;
    loader_free(&l);
    return e;
}

enum err conf_load_text(const struct conf_table *t, void *target,
                        const char *name, struct span text,
                        struct err_text *why)
{
    struct loader l = {.t = t, .why = why};
    enum err e;

    l.settings = mem_array(t->n, sizeof(*l.settings));
    clear_target(t, target);
    if ((e = read_text(&l, name, text)) == ERR_OK)
        e = finish(&l, target);
    loader_free(&l);
    return e;
}
