/* TLS for tests: certificates made on the spot, and a client whose plain side
 * is an ordinary socket, so that a test that speaks bytes need not know.
 */
#ifndef PINFOLD_HTTP_TLS_CLIENT_H
#define PINFOLD_HTTP_TLS_CLIENT_H
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include "coordinator/http/http.h"

/* A certificate and its key; key text and certificate text are PEM. */
struct tls_cert {
    gnutls_x509_crt_t crt;
    gnutls_x509_privkey_t key;
    char cert_text[8192], key_text[8192];
};

static inline void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "GnuTLS: %s\n", gnutls_strerror(rc));
        abort();
    }
}

/* Valid from now + begins_s to now + ends_s; issuer NULL: by itself. */
static inline void tls_cert_make(struct tls_cert *c, const char *name,
                                 long begins_s, long ends_s,
                                 struct tls_cert *issuer)
{
    static unsigned char serial;
    size_t n = sizeof c->cert_text - 1;
    time_t now = time(NULL);
    memset(c, 0, sizeof *c);
    serial++;
    must(gnutls_x509_privkey_init(&c->key));
    must(gnutls_x509_privkey_generate(
        c->key, GNUTLS_PK_ECDSA,
        GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    must(gnutls_x509_crt_init(&c->crt));
    must(gnutls_x509_crt_set_version(c->crt, 3));
    must(gnutls_x509_crt_set_serial(c->crt, &serial, 1));
    must(gnutls_x509_crt_set_dn_by_oid(c->crt, GNUTLS_OID_X520_COMMON_NAME, 0,
                                       name, (unsigned)strlen(name)));
    must(gnutls_x509_crt_set_subject_alt_name(
        c->crt, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name), 0));
    must(gnutls_x509_crt_set_basic_constraints(c->crt, 1, -1));
    must(gnutls_x509_crt_set_activation_time(c->crt, now + begins_s));
    must(gnutls_x509_crt_set_expiration_time(c->crt, now + ends_s));
    must(gnutls_x509_crt_set_key(c->crt, c->key));
    must(gnutls_x509_crt_sign2(c->crt, issuer ? issuer->crt : c->crt,
                               issuer ? issuer->key : c->key,
                               GNUTLS_DIG_SHA256, 0));
    must(gnutls_x509_crt_export(c->crt, GNUTLS_X509_FMT_PEM, c->cert_text,
                                &n));
    n = sizeof c->key_text - 1;
    must(gnutls_x509_privkey_export(c->key, GNUTLS_X509_FMT_PEM, c->key_text,
                                    &n));
}

static inline void tls_cert_free(struct tls_cert *c)
{
    gnutls_x509_crt_deinit(c->crt);
    gnutls_x509_privkey_deinit(c->key);
}

static inline struct http_pair *tls_pair(const struct tls_cert *c)
{
    char why[256] = "";
    struct http_pair *pair = http_pair_new(c->cert_text, strlen(c->cert_text),
                                           c->key_text, strlen(c->key_text),
                                           why, sizeof why);
    if (!pair)
        fprintf(stderr, "no pair: %s\n", why);
    assert(pair);
    return pair;
}

/* ---- a client ---- */

struct tunnel {
    int plain, wire; /* the far end of the test's socket; TCP */
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
};

/* Sends a reset and wakes who reads. By number: the thread sanitizer takes a
 * connect for the making of the descriptor that the other thread reads. */
static inline void tunnel_reset(int fd)
{
    struct linger none = {1, 0};
    struct sockaddr gone = {.sa_family = AF_UNSPEC};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    syscall(SYS_connect, fd, &gone, sizeof gone);
}

static inline void *tunnel_up(void *arg)
{
    struct tunnel *t = arg;
    char p[16384];
    ssize_t k;
    while ((k = read(t->plain, p, sizeof p)) > 0)
        for (ssize_t at = 0, sent; at < k; at += sent) {
            sent = gnutls_record_send(t->session, p + at, (size_t)(k - at));
            if (sent <= 0)
                return NULL; /* the other side sees why */
        }
    if (k < 0) { /* the test left without reading all */
        tunnel_reset(t->wire);
        return NULL;
    }
    gnutls_bye(t->session, GNUTLS_SHUT_WR);
    shutdown(t->wire, SHUT_WR);
    return NULL;
}

static inline void *tunnel_down(void *arg)
{
    struct tunnel *t = arg;
    pthread_t up;
    char p[16384];
    ssize_t k = gnutls_handshake(t->session);
    bool began = k == 0;
    if (began && pthread_create(&up, NULL, tunnel_up, t) != 0)
        abort();
    while (began && (k = gnutls_record_recv(t->session, p, sizeof p)) != 0) {
        ssize_t at = 0, sent = 0;
        if (k == GNUTLS_E_AGAIN || k == GNUTLS_E_INTERRUPTED)
            continue;
        for (; at < k; at += sent) {
            sent = send(t->plain, p + at, (size_t)(k - at), MSG_NOSIGNAL);
            if (sent <= 0)
                break;
        }
        if (k < 0 || at < k)
            break;
    }
    if (k == 0 || k == GNUTLS_E_PREMATURE_TERMINATION)
        shutdown(t->plain, SHUT_WR);
    else
        tunnel_reset(t->plain);
    if (began)
        pthread_join(up, NULL);
    gnutls_deinit(t->session);
    gnutls_certificate_free_credentials(t->credentials);
    close(t->wire);
    close(t->plain);
    free(t);
    return NULL;
}

/* Two ends of a TCP connection. */
static inline void tunnel_pair(int ends[2])
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&a, n) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0 ||
        connect(ends[0], (struct sockaddr *)&a, n) != 0 ||
        (ends[1] = accept(fd, NULL, NULL)) < 0)
        abort();
    close(fd);
}

/* Takes a connected socket; returns one that speaks TLS over it. */
static inline int tunnel_open(int wire)
{
    struct tunnel *t = calloc(1, sizeof *t);
    pthread_attr_t attr;
    pthread_t thread;
    int ends[2];
    assert(t);
    tunnel_pair(ends);
    t->wire = wire;
    t->plain = ends[1];
    must(gnutls_init(&t->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL));
    must(gnutls_certificate_allocate_credentials(&t->credentials));
    must(gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE,
                                t->credentials));
    must(gnutls_set_default_priority(t->session));
    gnutls_transport_set_int(t->session, wire);
    gnutls_handshake_set_timeout(t->session, GNUTLS_INDEFINITE_TIMEOUT);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, tunnel_down, t) != 0)
        abort();
    pthread_attr_destroy(&attr);
    return ends[0];
}
#endif
