/* One list over one connection, and synchronous writes by themselves. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/bench/load.h"
#include "tests/bench/reply.h"

enum { PIECE = 256 * 1024, BLOCK = 4096, BLOCKS = 4096 };

static double since(uint64_t start)
{
    return (double)(load_now_ns() - start) / 1e9;
}

void load_list(const struct options *o, struct outcome *out)
{
    static struct reply r;
    char *piece = malloc(PIECE);
    char request[LOAD_REQUEST];
    uint64_t start = load_now_ns();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || !piece)
        load_die("socket");
    if (connect(fd, (const void *)&o->hosts[0], sizeof(o->hosts[0])) != 0)
        load_die("connect");
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: bench\r\n%s\r\n", o->path,
                     o->header);
    if (n >= (int)sizeof request)
        load_die("a path that long");
    if (write(fd, request, (size_t)n) != n)
        load_die("write");
    while (r.state != REPLY_DONE && r.state != REPLY_BAD) {
        ssize_t got = read(fd, piece, PIECE);
        if (got <= 0)
            break;
        reply_feed(&r, piece, (size_t)got);
        if (out->first_byte == 0 && r.bytes > 0)
            out->first_byte = since(start);
    }
    close(fd);
    free(piece);
    out->seconds = since(start);
    out->last_status = r.status;
    out->ok = r.state == REPLY_DONE && r.status == 200 && !r.trouble;
    out->errors = !out->ok;
    out->lines = r.lines;
    out->bytes = r.bytes;
}

static int open_disk_file(const char *path, bool written, void *block)
{
    int flags = O_CREAT | O_RDWR | O_TRUNC | O_DIRECT | O_CLOEXEC, fd;
    fd = open(path, flags, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, (off_t)BLOCKS * BLOCK) != 0)
        load_die(path);
    for (int i = 0; written && i < BLOCKS; i++)
        if (pwrite(fd, block, BLOCK, (off_t)i * BLOCK) != BLOCK)
            load_die("write");
    if (fsync(fd) != 0 || close(fd) != 0)
        load_die("fsync");
    fd = open(path, O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC);
    if (fd < 0)
        load_die(path);
    return fd;
}

/* One block after the other, past the page cache, into blocks that were
 * written before; with --fresh into blocks that are only allocated, as a log
 * does: the file system then has its own journal to write. */
void load_disk(const struct options *o, struct outcome *out)
{
    char path[4096];
    void *block = NULL;
    uint64_t start;
    int fd;
    snprintf(path, sizeof path, "%s/bench-disk", o->dir);
    if (posix_memalign(&block, BLOCK, BLOCK) != 0)
        load_die("memory");
    memset(block, 7, BLOCK);
    fd = open_disk_file(path, !o->fresh, block);
    start = load_now_ns();
    while ((out->seconds = since(start)) < o->seconds) {
        if (o->fresh && out->ok == BLOCKS)
            break;
        off_t at = (off_t)(out->ok % BLOCKS) * BLOCK;
        if (pwrite(fd, block, BLOCK, at) != BLOCK)
            load_die("write");
        out->ok++;
    }
    close(fd);
    unlink(path);
    free(block);
}
