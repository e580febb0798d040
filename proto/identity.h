/* The Ed25519 key pair of a process, in <data-dir>/key (mode 0600, 64 hex
 * digits of the seed and a newline), made at the first start. Its public half
 * is the peer ID of the API. Locks the data directory as well: one process a
 * directory.
 */
#ifndef PINFOLD_IDENTITY_H
#define PINFOLD_IDENTITY_H

#include "proto/err.h"
#include "proto/peerid.h"
#include "proto/types.h"

struct identity_secret; /* locked memory; known to identity.c alone */

struct identity {
    int lock_fd;  /* flock on <data-dir>/lock, held until close */
    uint8_t key[TYPES_KEY]; /* public */
    struct peerid peer;
    struct identity_secret *secret; /* wiped by identity_close */
};

/* Makes the directory (0700) if it is missing, takes the lock (ERR_LOCKED
 * names the directory), loads or makes the key. Refuses a key file that
 * others can read or write or that is another user's (ERR_DENIED) or that is
 * damaged (ERR_CORRUPT). A new key is on disk (file and directory synced)
 * before this returns. */
enum err identity_open(const char *data_dir, struct identity *out,
                       struct err_text *why) ERR_CHECKED;
void identity_close(struct identity *id);
/* Refuses, before anything is written there, a directory with the given file
 * of another program: "an agent's". */
enum err identity_not_of(const char *data_dir, const char *file,
                         const char *whose, struct err_text *why) ERR_CHECKED;

/* Reads a small text file whole (ERR_NOT_FOUND if missing, ERR_TOO_LARGE over
 * max bytes); replaces one atomically, mode 0600: temporary file (path.new),
 * fsync, rename, fsync of the directory. */
enum err identity_read_file(const char *path, size_t max, struct buf *out,
                            struct err_text *why) ERR_CHECKED;
enum err identity_write_file(const char *path, struct span text,
                             struct err_text *why) ERR_CHECKED;

#endif
