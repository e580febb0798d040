/* A certificate chain and its key, read from PEM text and held against each
 * other. Shared by the sessions that were begun with it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include "coordinator/http/http_tls.h"

/* TLS 1.2 and 1.3 with forward secrecy and authenticated ciphers only. The
 * groups are GnuTLS' own choice: Go clients of IPFS Cluster need a NIST
 * curve, and it has them. */
static const char priorities[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:"
    "+ECDHE-RSA:-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:"
    "-MAC-ALL:+AEAD";

struct http_pair {
    unsigned refs;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    gnutls_datum_t tickets; /* their key: new with each pair, so that no
                               session is resumed under another one */
    int64_t begins_s, expires_s;
};

struct reading { /* of one pair */
    gnutls_x509_crt_t *chain;
    unsigned n;
    gnutls_x509_privkey_t key;
    char *why;
    size_t why_size;
};

static bool failed(struct reading *r, const char *what, int code)
{
    snprintf(r->why, r->why_size, "%s%s%s", what, code == 0 ? "" : ": ",
             code == 0 ? "" : gnutls_strerror(code));
    return false;
}

static gnutls_datum_t datum(const void *p, size_t n)
{
    union { /* GnuTLS does not write to what it parses */
        const void *in;
        unsigned char *out;
    } u = {p};
    return (gnutls_datum_t){u.out, (unsigned)n};
}

static bool read_chain(struct reading *r, const void *pem, size_t n)
{
    gnutls_datum_t text = datum(pem, n);
    int rc = gnutls_x509_crt_list_import2(
        &r->chain, &r->n, &text, GNUTLS_X509_FMT_PEM,
        GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
    if (rc == GNUTLS_E_CERTIFICATE_LIST_UNSORTED)
        return failed(r,
                      "the certificates are out of order: the server's own "
                      "comes first, then its issuer's, and so on",
                      0);
    if (rc < 0) {
        r->chain = NULL;
        r->n = 0;
        return failed(r, "no PEM certificate can be read", rc);
    }
    return true;
}

static bool read_key(struct reading *r, const void *pem, size_t n)
{
    gnutls_datum_t text = datum(pem, n);
    int rc = gnutls_x509_privkey_init(&r->key);
    if (rc == 0)
        rc = gnutls_x509_privkey_import2(r->key, &text, GNUTLS_X509_FMT_PEM,
                                         NULL, 0);
    if (rc == GNUTLS_E_DECRYPTION_FAILED)
        return failed(r, "the key is protected by a password, which nobody "
                         "could type here", 0);
    return rc == 0 || failed(r, "no PEM key can be read", rc);
}

/* A chain is good as long as all of it is. */
static bool read_times(struct reading *r, struct http_pair *pair)
{
    for (unsigned i = 0; i < r->n; i++) {
        int64_t begins = gnutls_x509_crt_get_activation_time(r->chain[i]);
        int64_t ends = gnutls_x509_crt_get_expiration_time(r->chain[i]);
        if (begins < 0 || ends < 0)
            return failed(r, "a certificate has no time of validity", 0);
        if (i == 0 || begins > pair->begins_s)
            pair->begins_s = begins;
        if (i == 0 || ends < pair->expires_s)
            pair->expires_s = ends;
    }
    return true;
}

static bool join(struct reading *r, struct http_pair *pair)
{
    int rc = gnutls_certificate_set_x509_key(pair->credentials, r->chain,
                                             (int)r->n, r->key);
    if (rc == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return failed(r, "the key is not that of the first certificate", 0);
    if (rc < 0)
        return failed(r, "certificate and key cannot be used", rc);
    rc = gnutls_priority_init(&pair->priority, priorities, NULL);
    if (rc == 0)
        rc = gnutls_session_ticket_key_generate(&pair->tickets);
    return rc == 0 || failed(r, "TLS cannot be set up", rc);
}

struct http_pair *http_pair_new(const void *chain, size_t chain_n,
                                const void *key, size_t key_n, char *why,
                                size_t why_size)
{
    struct reading r = {.why = why, .why_size = why_size};
    struct http_pair *pair = http_alloc(sizeof *pair);
    pair->refs = 1;
    if (gnutls_certificate_allocate_credentials(&pair->credentials) < 0)
        abort(); /* fails on lack of memory only */
    bool good = read_chain(&r, chain, chain_n) && read_key(&r, key, key_n) &&
                read_times(&r, pair) && join(&r, pair);
    for (unsigned i = 0; i < r.n; i++)
        gnutls_x509_crt_deinit(r.chain[i]);
    gnutls_free(r.chain);
    gnutls_x509_privkey_deinit(r.key);
    if (!good)
        http_pair_drop(pair);
    return good ? pair : NULL;
}

struct http_pair *http_pair_hold(struct http_pair *pair)
{
    pair->refs++;
    return pair;
}

void http_pair_drop(struct http_pair *pair)
{
    if (!pair)
        return;
    assert(pair->refs > 0);
    if (--pair->refs > 0)
        return;
    gnutls_certificate_free_credentials(pair->credentials);
    if (pair->priority)
        gnutls_priority_deinit(pair->priority);
    if (pair->tickets.data)
        gnutls_memset(pair->tickets.data, 0, pair->tickets.size);
    gnutls_free(pair->tickets.data);
    free(pair);
}

int64_t http_pair_begins_s(const struct http_pair *pair)
{
    return pair->begins_s;
}

int64_t http_pair_expires_s(const struct http_pair *pair)
{
    return pair->expires_s;
}

struct gnutls_session_int *http_pair_session(struct http_pair *pair)
{
    static unsigned char http[] = "http/1.1";
    gnutls_datum_t name = {http, sizeof http - 1};
    gnutls_session_t session;
    if (gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NONBLOCK |
                                  GNUTLS_NO_SIGNAL) < 0 ||
        gnutls_priority_set(session, pair->priority) < 0 ||
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE,
                               pair->credentials) < 0 ||
        gnutls_session_ticket_enable_server(session, &pair->tickets) < 0 ||
        gnutls_alpn_set_protocols(session, &name, 1, 0) < 0)
        abort(); /* all fail on lack of memory only */
    /* The server asks for no certificate: a hello is all that is long. */
    gnutls_handshake_set_max_packet_length(session, HTTP_HELLO_BYTES);
    gnutls_handshake_set_timeout(session, GNUTLS_INDEFINITE_TIMEOUT);
    return session;
}
