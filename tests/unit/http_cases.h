/* Hostile and merely odd requests, and what a server must answer that sends
 * 200 to everything it understands. Used on the parser and over a socket.
 */
#ifndef PINFOLD_HTTP_CASES_H
#define PINFOLD_HTTP_CASES_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct http_case {
    const char *name;
    const char *bytes; /* one %R stands for the repeated text */
    size_t n;
    const char *repeat;
    size_t times;
    const char *statuses; /* of all answers, in order */
};

#define HOST "Host: a\r\n"
#define POST11 "POST /e HTTP/1.1\r\n" HOST
#define GET11 "GET /e HTTP/1.1\r\n" HOST
#define TE "Transfer-Encoding: "
#define ABC "\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
#define CASE(name, bytes, statuses)                                            \
    {                                                                          \
        name, bytes, sizeof bytes - 1, "", 0, statuses                         \
    }
#define LONG(name, bytes, repeat, times, statuses)                             \
    {                                                                          \
        name, bytes, sizeof bytes - 1, repeat, times, statuses                 \
    }

static const struct http_case http_cases[] = {
    CASE("two equal lengths",
         POST11 "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400"),
    CASE("two lengths",
         POST11 "Content-Length: 3\r\nContent-Length: 8\r\n\r\nabcGET /",
         "400"),
    CASE("length list", POST11 "Content-Length: 3, 3\r\n\r\nabc", "400"),
    CASE("length +3", POST11 "Content-Length: +3\r\n\r\nabc", "400"),
    CASE("length 2^64+3",
         POST11 "Content-Length: 18446744073709551619\r\n\r\nabc", "400"),
    CASE("length empty", POST11 "Content-Length:\r\n\r\nabc", "400"),
    CASE("length and chunked", POST11 "Content-Length: 3\r\n" TE "chunked" ABC,
         "400"),
    CASE("gzip, chunked", POST11 TE "gzip, chunked" ABC, "501"),
    CASE("xchunked", POST11 TE "xchunked" ABC, "501"),
    CASE("chunked twice", POST11 TE "chunked\r\n" TE "chunked" ABC, "400"),
    CASE("coding folded", POST11 "Transfer-Encoding:\r\n chunked" ABC, "501"),
    CASE("coding with VT", POST11 TE "\vchunked" ABC, "400"),
    CASE("chunked on 1.0", "POST /e HTTP/1.0\r\n" HOST TE "chunked" ABC, "400"),
    CASE("chunk extension",
         POST11 TE "chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n", "200"),
    CASE("chunk extension LF",
         POST11 TE "chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n", "400"),
    CASE("chunk bare LF", POST11 TE "chunked\r\n\r\n3\nabc\n0\n\n", "400"),
    CASE("chunk size 0x3", POST11 TE "chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
         "400"),
    CASE("chunk size huge",
         POST11 TE "chunked\r\n\r\nffffffffffffffff3\r\nabc\r\n0\r\n\r\n",
         "400"),
    CASE("chunk without CRLF", POST11 TE "chunked\r\n\r\n3\r\nabcXX0\r\n\r\n",
         "400"),
    CASE("request trailer",
         POST11 TE "chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n"
                   "Content-Length: 5\r\n\r\n",
         "200"),
    CASE("bare LF head", "GET /e HTTP/1.1\nHost: a\n\n", "400"),
    CASE("bare LF line", "GET /e HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "400"),
    CASE("bare CR in value", GET11 "X: a\rY: b\r\n\r\n", "400"),
    CASE("NUL in value", GET11 "X: a\0b\r\n\r\n", "400"),
    CASE("NUL in name", GET11 "X\0a: b\r\n\r\n", "400"),
    CASE("NUL in path", "GET /e\0x HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("0x01 in value", GET11 "X: a\001b\r\n\r\n", "400"),
    CASE("folded header", GET11 "X: a\r\n b\r\n\r\n", "400"),
    CASE("folded first header",
         "GET /e HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n", "400"),
    CASE("blank before colon", "GET /e HTTP/1.1\r\nHost : a\r\n\r\n", "400"),
    CASE("length blank colon", POST11 "Content-Length : 3\r\n\r\nabc", "400"),
    CASE("host with a blank", "GET /e HTTP/1.1\r\nHost: a, b\r\n\r\n", "400"),
    CASE("host with a path", "GET /e HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"),
    CASE("host with a user", "GET /e HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"),
    CASE("host of IPv6", "GET /e HTTP/1.1\r\nHost: [::1]:9094\r\n\r\n", "200"),
    CASE("host of bytes", "GET /e HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", "400"),
    CASE("empty host", "GET /e HTTP/1.1\r\nHost:\r\n\r\n", "200"),
    CASE("empty name", GET11 ": x\r\n\r\n", "400"),
    CASE("no colon", GET11 "garbage\r\n\r\n", "400"),
    CASE("two hosts", GET11 "Host: b\r\n\r\n", "400"),
    CASE("two who ask", GET11 "Authorization: Bearer a\r\n"
         "authorization: Bearer b\r\n\r\n", "400"),
    CASE("no host", "GET /e HTTP/1.1\r\n\r\n", "400"),
    LONG("header of 40 kB", GET11 "X: %R\r\n\r\n", "a", 40000, "431"),
    LONG("500 headers", GET11 "%R\r\n", "X1: a\r\n", 500, "431"),
    LONG("5000 headers", GET11 "%R\r\n", "X1: a\r\n", 5000, "431"),
    LONG("target of 8 kB", "GET /%R HTTP/1.1\r\n" HOST "\r\n", "a", 8000,
         "200"),
    LONG("target of 17 kB", "GET /%R HTTP/1.1\r\n" HOST "\r\n", "a", 17000,
         "414"),
    LONG("target of 100 kB", "GET /%R HTTP/1.1\r\n" HOST "\r\n", "a", 100000,
         "414"),
    CASE("absolute form", "GET http://evil/e HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("authority form", "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("asterisk", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "200"),
    CASE("asterisk with GET", "GET * HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("path %00", "GET /e%00x?q=a%00b HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("query %00", "GET /e?q=a%00b HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("path %2F %zz", "GET /a%2Fb%zz?x=%41+b HTTP/1.1\r\n" HOST "\r\n",
         "400"),
    CASE("path ../", "GET /a/../../e HTTP/1.1\r\n" HOST "\r\n", "200"),
    CASE("path raw UTF-8", "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("path fragment", "GET /e#f HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("blank in target", "GET /e x HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("two blanks", "GET  /e HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("tabs", "GET\t/e\tHTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("unknown method", "FROB /e HTTP/1.1\r\n" HOST "\r\n", "200"),
    CASE("lower-case method", "get /e HTTP/1.1\r\n" HOST "\r\n", "200"),
    LONG("method of 5 kB", "%R /e HTTP/1.1\r\n" HOST "\r\n", "A", 5000, "400"),
    CASE("HTTP/1.0", "GET /e HTTP/1.0\r\n\r\n", "200"),
    CASE("HTTP/0.9", "GET /e\r\n\r\n", "400"),
    CASE("HTTP/1.2", "GET /e HTTP/1.2\r\n" HOST "\r\n", "200"),
    CASE("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
    CASE("http/1.1", "GET /e http/1.1\r\n" HOST "\r\n", "400"),
    CASE("leading CRLF", "\r\n\r\n" GET11 "\r\n", "200"),
    CASE("three pipelined", GET11 "\r\n" GET11 "\r\n" GET11 "\r\n",
         "200,200,200"),
    CASE("POST, then GET", POST11 "Content-Length: 3\r\n\r\nabc" GET11 "\r\n",
         "200,200"),
    CASE("GET with a body", GET11 "Content-Length: 3\r\n\r\nabc" GET11 "\r\n",
         "200,200"),
    LONG("TLS hello", "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03%R", "x",
         200, "400"),
    CASE("Expect: 100-continue",
         POST11 "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n", "100"),
    CASE("Expect other", POST11 "Content-Length: 3\r\nExpect: foo\r\n\r\nabc",
         "417"),
    CASE("Upgrade h2c",
         GET11 "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
               "HTTP2-Settings: x\r\n\r\n",
         "200"),
};

/* The request as sent; the caller frees it. */
static inline char *http_case_bytes(const struct http_case *c, size_t *n)
{
    size_t unit = strlen(c->repeat), more = unit * c->times;
    const char *mark = unit ? memmem(c->bytes, c->n, "%R", 2) : NULL;
    size_t before = mark ? (size_t)(mark - c->bytes) : c->n;
    char *out = malloc(c->n + more + 1);
    if (!out)
        abort();
    memcpy(out, c->bytes, before);
    for (size_t i = 0; i < c->times; i++)
        memcpy(out + before + i * unit, c->repeat, unit);
    *n = before;
    if (mark) {
        memcpy(out + before + more, mark + 2, c->n - before - 2);
        *n = c->n + more - 2;
    }
    return out;
}
#endif
