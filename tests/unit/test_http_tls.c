/* What is TLS's own: pairs, handshakes that are none, reload, the two ends.
 * The server's other tests run through TLS too (CMakeLists.txt).
 */
#define HTTP_APP_TLS
#include <netinet/tcp.h>
#include "tests/unit/http_app.h"

enum { SHORT_MS = 200 };

static struct http_limits patient(void)
{
    struct http_limits limits = http_limits_default();
    limits.tick_ms = 5;
    return limits;
}

/* ---- pairs ---- */

static void expect_no_pair(const char *chain, const char *key,
                           const char *reason)
{
    char why[256] = "";
    assert_null(http_pair_new(chain, strlen(chain), key, strlen(key), why,
                              sizeof why));
    if (!strstr(why, reason))
        print_error("got: %s\n", why);
    assert_non_null(strstr(why, reason));
}

static void test_pairs(void **state)
{
    static struct tls_cert root, leaf, other;
    char chain[2 * sizeof root.cert_text], why[256];
    time_t now = time(NULL);
    (void)state;
    tls_cert_make(&root, "root", -7200, 7200, NULL);
    tls_cert_make(&leaf, "leaf", -60, 9000, &root);
    tls_cert_make(&other, "other", -60, 60, NULL);

    snprintf(chain, sizeof chain, "%s%s", leaf.cert_text, root.cert_text);
    struct http_pair *pair = http_pair_new(
        chain, strlen(chain), leaf.key_text, strlen(leaf.key_text), why,
        sizeof why);
    assert_non_null(pair);
    /* The latest beginning, the earliest end. */
    assert_in_range(http_pair_begins_s(pair), now - 61, now - 59);
    assert_in_range(http_pair_expires_s(pair), now + 7199, now + 7201);
    http_pair_drop(pair);
    http_pair_drop(NULL);

    expect_no_pair("", leaf.key_text, "no PEM certificate can be read");
    expect_no_pair(leaf.key_text, leaf.key_text, "no PEM certificate");
    expect_no_pair(leaf.cert_text, "", "no PEM key can be read");
    expect_no_pair(leaf.cert_text, leaf.cert_text, "no PEM key");
    expect_no_pair(leaf.cert_text, other.key_text,
                   "the key is not that of the first certificate");
    snprintf(chain, sizeof chain, "%s%s", root.cert_text, leaf.cert_text);
    expect_no_pair(chain, leaf.key_text, "out of order");
    snprintf(chain, sizeof chain, "%s%s", leaf.cert_text, other.cert_text);
    expect_no_pair(chain, leaf.key_text, "out of order");
    /* Every cut of the text is refused with a reason. */
    size_t n = strlen(leaf.cert_text);
    for (size_t k = 0; k < n - 30; k += 7) {
        snprintf(chain, sizeof chain, "%.*s", (int)k, leaf.cert_text);
        expect_no_pair(chain, leaf.key_text, "no PEM certificate");
    }
    tls_cert_free(&root);
    tls_cert_free(&leaf);
    tls_cert_free(&other);
}

static void test_locked_key(void **state)
{
    static struct tls_cert cert;
    char key[8192];
    size_t n = sizeof key - 1;
    (void)state;
    tls_cert_make(&cert, "a", -60, 60, NULL);
    memset(key, 0, sizeof key);
    must(gnutls_x509_privkey_export_pkcs8(cert.key, GNUTLS_X509_FMT_PEM,
                                          "word", GNUTLS_PKCS_PBES2_AES_256,
                                          key, &n));
    expect_no_pair(cert.cert_text, key, "protected by a password");
    tls_cert_free(&cert);
}

/* ---- a client that sees the records ---- */

struct peer {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
};

/* Returns what the handshake did. */
static int peer_open(struct peer *p, const struct app *app,
                     const char *priorities)
{
    int rc;
    p->fd = dial_wire(app);
    must(gnutls_init(&p->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL));
    must(gnutls_certificate_allocate_credentials(&p->credentials));
    must(gnutls_credentials_set(p->session, GNUTLS_CRD_CERTIFICATE,
                                p->credentials));
    must(gnutls_priority_set_direct(p->session, priorities, NULL));
    gnutls_transport_set_int(p->session, p->fd);
    gnutls_handshake_set_timeout(p->session, PATIENCE_MS);
    do
        rc = gnutls_handshake(p->session);
    while (rc < 0 && !gnutls_error_is_fatal(rc));
    return rc;
}

static void peer_close(struct peer *p)
{
    gnutls_deinit(p->session);
    gnutls_certificate_free_credentials(p->credentials);
    close(p->fd);
}

static void peer_send(struct peer *p, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(gnutls_record_send(p->session, text, n), n);
}

/* Reads until the text came, or to the end, whose code it returns. */
static ssize_t peer_read(struct peer *p, const char *until)
{
    static char got[1 << 20];
    size_t n = 0;
    ssize_t k;
    for (;;) {
        k = gnutls_record_recv(p->session, got + n, sizeof got - 1 - n);
        if (k == GNUTLS_E_AGAIN || k == GNUTLS_E_INTERRUPTED)
            continue;
        if (k <= 0)
            return k;
        n += (size_t)k;
        got[n] = 0;
        if (until && strstr(got, until))
            return 1;
    }
}

static long serial_of(struct peer *p)
{
    unsigned n = 0;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(p->session, &n);
    gnutls_x509_crt_t crt;
    unsigned char serial[32];
    size_t size = sizeof serial;
    assert_true(n > 0);
    must(gnutls_x509_crt_init(&crt));
    must(gnutls_x509_crt_import(crt, &list[0], GNUTLS_X509_FMT_DER));
    must(gnutls_x509_crt_get_serial(crt, serial, &size));
    gnutls_x509_crt_deinit(crt);
    return serial[0];
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

/* What is spoken, and what is not. */
static void test_versions(void **state)
{
    static const struct {
        const char *priorities;
        bool good;
        gnutls_protocol_t version;
    } cases[] = {
        {"NORMAL", true, GNUTLS_TLS1_3},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2", true, GNUTLS_TLS1_2},
        /* IPFS Cluster's Go client: NIST curves only. */
        {"NORMAL:-GROUP-ALL:+GROUP-SECP521R1:+GROUP-SECP384R1"
         ":+GROUP-SECP256R1", true, GNUTLS_TLS1_3},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM"
         ":-GROUP-ALL:+GROUP-SECP256R1", true, GNUTLS_TLS1_2},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:%COMPAT", false, 0},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-CBC", false, 0},
    };
    struct app *app = app_start(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peer p;
        int rc = peer_open(&p, app, cases[i].priorities);
        if ((rc == 0) != cases[i].good)
            print_error("%s: %d\n", cases[i].priorities, rc);
        assert_int_equal(rc == 0, cases[i].good);
        if (rc == 0) {
            assert_int_equal(gnutls_protocol_get_version(p.session),
                             cases[i].version);
            peer_send(&p, GET("/e"));
            assert_int_equal(peer_read(&p, "}\n"), 1);
        }
        peer_close(&p);
    }
    wait_connections(app, 0);
    app_stop(app);
}

/* Nobody starts a second handshake. */
static void test_renegotiation(void **state)
{
    struct app *app = app_start(NULL);
    struct peer p;
    int rc;
    (void)state;
    assert_int_equal(peer_open(&p, app, "NORMAL:-VERS-ALL:+VERS-TLS1.2"), 0);
    peer_send(&p, GET("/e"));
    assert_int_equal(peer_read(&p, "}\n"), 1);
    do
        rc = gnutls_handshake(p.session);
    while (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED);
    assert_true(rc < 0);
    wait_connections(app, 0);
    peer_close(&p);
    app_stop(app);
}

/* A good end is said; a broken answer ends without a word. */
static void test_ends(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    struct peer p;
    (void)state;
    limits.idle_ms = SHORT_MS;
    app = app_start(&limits);
    assert_int_equal(peer_open(&p, app, "NORMAL"), 0);
    peer_send(&p, GET("/close"));
    assert_int_equal(peer_read(&p, NULL), 0);
    peer_close(&p);
    assert_int_equal(peer_open(&p, app, "NORMAL"), 0);
    peer_send(&p, GET("/stream?n=100"));
    assert_int_equal(peer_read(&p, "0\r\nX-Stream"), 1);
    assert_int_equal(peer_read(&p, NULL), 0); /* idle for too long */
    peer_close(&p);
    assert_int_equal(peer_open(&p, app, "NORMAL"), 0);
    peer_send(&p, GET("/abort?n=100"));
    assert_int_equal(peer_read(&p, NULL), GNUTLS_E_PREMATURE_TERMINATION);
    peer_close(&p);
    /* The client says that it will send no more, and gets its answer. */
    assert_int_equal(peer_open(&p, app, "NORMAL"), 0);
    peer_send(&p, GET("/stream?n=100"));
    assert_int_equal(gnutls_bye(p.session, GNUTLS_SHUT_WR), 0);
    assert_int_equal(peer_read(&p, "0\r\nX-Stream"), 1);
    assert_int_equal(peer_read(&p, NULL), 0);
    peer_close(&p);
    wait_connections(app, 0);
    app_stop(app);
}

/* ---- handshakes that are none ---- */

struct failures {
    atomic_bool there;
    uint64_t failed, tls, plain;
};

static void post_failures(struct http_server *server,
                          struct http_ticket ticket, void *arg)
{
    struct failures *f = arg;
    (void)ticket;
    f->failed = http_handshakes_failed(server);
    f->tls = http_refused_count(server, 0, HTTP_REFUSED_TLS);
    f->plain = http_refused_count(server, 0, HTTP_REFUSED_PLAIN_ON_TLS);
    atomic_store(&f->there, true);
}

static struct failures failures_of(struct app *app)
{
    struct http_ticket none = {0, 0};
    struct failures f = {.there = false};
    http_post(app->server, none, post_failures, &f);
    while (!atomic_load(&f.there))
        pause_ms(1);
    return f;
}

static void test_no_tls(void **state)
{
    static const char *const plain[] = {
        GET("/e"),
        "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\nx",
        "G", "OPTIONS * HTTP/1.1\r\n"};
#define BYTES(text) {text, sizeof text - 1}
    static const struct {
        const char *p;
        size_t n;
    } garbage[] = {
        BYTES("\x16\x03\x01\x00\x05hello"),
        BYTES("\x16garbage that is long enough to be a record"),
        BYTES("\x17\x03\x03\x00\x01x"),
        BYTES("hello"),
        BYTES("\r\n\r\n"),
        BYTES("\x15\x03\x01\x00\x02\x02\x28"),
        BYTES("\x16\x03\x01\xff\xff" "abc"),
        BYTES("\x80\x2e\x01\x03\x01 a hello of SSL 2 as it once was sent"),
        BYTES("\x00"),
    };
    struct http_limits limits = patient();
    struct app *app;
    (void)state;
    limits.head_ms = SHORT_MS * 10; /* so that what is said comes in time */
    app = app_start(&limits);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        int fd = dial_wire(app);
        send_text(fd, plain[i]);
        struct reply reply = receive(fd, NULL);
        assert_true(has(&reply, "Connection: close\r\n"));
        expect_reply(&reply, "400", "this port speaks TLS: use https://\n");
        close(fd);
    }
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        int fd = dial_wire(app);
        send_all(fd, garbage[i].p, garbage[i].n);
        struct reply reply = receive(fd, NULL); /* at once, or by deadline */
        assert_false(has(&reply, "HTTP"));
        assert_int_not_equal(reply.error, EAGAIN);
        free(reply.p);
        close(fd);
    }
    wait_connections(app, 0);
    assert_int_equal(app->requests, 0);
    struct failures f = failures_of(app);
    assert_int_equal(f.plain, sizeof plain / sizeof *plain);
    assert_int_equal(f.tls, sizeof garbage / sizeof *garbage);
    assert_int_equal(f.failed, f.plain + f.tls);
    app_stop(app);
}

/* Silence, half a hello, a hello byte by byte: one deadline for all. */
static void test_slow_handshake(void **state)
{
    static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    struct http_limits limits = patient();
    struct app *app;
    (void)state;
    limits.head_ms = SHORT_MS * 10; /* in which a good one fits */
    app = app_start(&limits);
    for (int i = 0; i < 3; i++) {
        int fd = dial_wire(app);
        long begin = now_ms();
        if (i == 1)
            send_all(fd, hello, sizeof hello - 1);
        for (size_t k = 0; i == 2 && k < sizeof hello - 1; k++) {
            send_all(fd, &hello[k], 1);
            pause_ms(2);
        }
        struct reply reply = receive(fd, NULL);
        assert_int_not_equal(reply.error, EAGAIN);
        assert_in_range(now_ms() - begin, SHORT_MS * 5, PATIENCE_MS);
        free(reply.p);
        close(fd);
    }
    /* A handshake is no head: its time counts for the head. */
    struct peer p;
    assert_int_equal(peer_open(&p, app, "NORMAL"), 0);
    assert_int_equal(peer_read(&p, NULL), 0);
    peer_close(&p);
    wait_connections(app, 0);
    assert_int_equal(app->requests, 0);
    /* Not who says nothing, before it or behind it. */
    struct failures f = failures_of(app);
    assert_int_equal(f.tls, 2);
    assert_int_equal(f.failed, 2);
    app_stop(app);
}

/* Records that come in any pieces are the same records. */
static ssize_t push_bytes(gnutls_transport_ptr_t arg, const void *p, size_t n)
{
    int fd = *(const int *)arg, on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (size_t i = 0; i < n; i++)
        send_all(fd, (const char *)p + i, 1);
    return (ssize_t)n;
}

static ssize_t pull_bytes(gnutls_transport_ptr_t arg, void *p, size_t n)
{
    return recv(*(const int *)arg, p, n, 0);
}

static void test_pieces(void **state)
{
    static const char bad[] =
        "\x17\x03\x03\x00\x20" "0123456789abcdef0123456789abcdef";
    struct app *app = app_start(NULL);
    struct peer p;
    (void)state;
    p.fd = dial_wire(app);
    must(gnutls_init(&p.session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL));
    must(gnutls_certificate_allocate_credentials(&p.credentials));
    must(gnutls_credentials_set(p.session, GNUTLS_CRD_CERTIFICATE,
                                p.credentials));
    must(gnutls_set_default_priority(p.session));
    gnutls_transport_set_ptr(p.session, &p.fd);
    gnutls_transport_set_push_function(p.session, push_bytes);
    gnutls_transport_set_pull_function(p.session, pull_bytes);
    gnutls_handshake_set_timeout(p.session, GNUTLS_INDEFINITE_TIMEOUT);
    must(gnutls_handshake(p.session));
    for (int i = 0; i < 3; i++) {
        peer_send(&p, "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n"
                      "\r\n123456789");
        assert_int_equal(peer_read(&p, "{\"body\":9}\n"), 1);
    }
    /* A bad record within a request: cut, nothing said. */
    peer_send(&p, "POST /upload HTTP/1.1\r\nHost: a\r\n"
                  "Content-Length: 9\r\n\r\n1");
    wait_for(&app->requests, 4);
    send_all(p.fd, bad, sizeof bad - 1);
    assert_true(peer_read(&p, NULL) < 0);
    peer_close(&p);
    wait_connections(app, 0);
    app_stop(app);
}

/* ---- reload ---- */

struct change {
    struct http_pair *pair;
    atomic_long done;
};

static void post_pair(struct http_server *server, struct http_ticket ticket,
                      void *arg)
{
    struct change *change = arg;
    (void)ticket;
    http_use_pair(server, &change->pair);
    atomic_store(&change->done, 1);
}

static void test_reload(void **state)
{
    static struct tls_cert certs[8];
    struct app *app = app_start(NULL);
    struct http_ticket none = {0, 0};
    struct peer old, p;
    (void)state;
    assert_int_equal(peer_open(&old, app, "NORMAL"), 0);
    long first = serial_of(&old);
    for (int i = 0; i < 8; i++) {
        struct change change = {NULL, 0};
        tls_cert_make(&certs[i], "localhost", -60, 3600, NULL);
        change.pair = tls_pair(&certs[i]);
        int half = dial_wire(app); /* its handshake goes on under either */
        http_post(app->server, none, post_pair, &change);
        wait_for(&change.done, 1);
        assert_int_equal(peer_open(&p, app, "NORMAL"), 0);
        assert_int_equal(serial_of(&p), first + 1 + i);
        peer_send(&p, GET("/e"));
        assert_int_equal(peer_read(&p, "}\n"), 1);
        peer_send(&old, GET("/e")); /* nobody was dropped */
        assert_int_equal(peer_read(&old, "}\n"), 1);
        peer_close(&p);
        close(half);
        tls_cert_free(&certs[i]);
    }
    assert_int_equal(serial_of(&old), first);
    peer_close(&old);
    wait_connections(app, 0);
    app_stop(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_locked_key),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_renegotiation),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_no_tls),
        cmocka_unit_test(test_slow_handshake),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
