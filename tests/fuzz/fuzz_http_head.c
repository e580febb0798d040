/* A request head judged whole and judged byte by byte must give the same
 * verdict; no strict prefix of a good head is refused or taken. What the head
 * points to lies inside it, and its target can be walked.
 */
#include <stdlib.h>
#include <string.h>
#include "coordinator/http/http_parse.h"

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void walk(const struct http_head *head)
{
    char a[64], b[64];
    struct http_path path = {head->path};
    struct http_query query = {head->query};
    while (http_path_next(&path, a, sizeof a) != HTTP_ITEM_END)
        check(strlen(a) < sizeof a);
    while (http_query_next(&query, a, sizeof a, b, sizeof b) != HTTP_ITEM_END)
        check(strlen(a) < sizeof a && strlen(b) < sizeof b);
}

static bool inside(struct http_str s, const char *p, int n)
{
    return s.p >= p && s.p + s.n <= p + n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct http_head head, again;
    char *p = malloc(n + 1);
    check(p != NULL);
    memcpy(p, data, n);
    int k = http_parse_head(p, n, &head), pieces = 0;
    for (size_t i = 0; i <= n && pieces == 0; i++) {
        pieces = http_parse_head(p, i, &again);
        check(pieces <= 0 || (size_t)pieces == i);
    }
    check(pieces == k && (k >= 0 || again.why == head.why));
    struct http_str path = http_glance_path(p, n);
    check(inside(path, p, (int)n) && (k <= 0 || path.p != head.path.p ||
                                      path.n == head.path.n));
    if (k > 0) {
        check(head.n == again.n && head.length == again.length &&
              head.chunked == again.chunked && head.keep == again.keep);
        check(inside(head.path, p, k) && inside(head.query, p, k));
        for (unsigned i = 0; i < head.n; i++)
            check(inside(head.headers[i].name, p, k) &&
                  inside(head.headers[i].value, p, k));
        check(!head.chunked || head.length < 0);
        walk(&head);
    }
    free(p);
    return 0;
}
