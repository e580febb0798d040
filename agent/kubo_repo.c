/* What is put into the daemon's repository beside pins, and its garbage
 * collection: what is sent and what each line of the answer says. When it is
 * safe to collect is its caller's to know.
 */
#include "agent/kubo_call.h"

#include <assert.h>
#include <string.h>

#define BOUNDARY "pinfold-no-bytes"

static const char empty_body[] =
    "--" BOUNDARY "\r\n"
    "Content-Disposition: form-data; name=\"data\"; filename=\"data\"\r\n"
    "Content-Type: application/octet-stream\r\n\r\n\r\n"
    "--" BOUNDARY "--\r\n";

static bool read_cid(const struct json_value *v, const char *key,
                     struct cid *out)
{
    char text[LIMIT_CID_TEXT];
    enum cid_form form;

    return json_get_string(v, key, text, sizeof(text)) &&
           cid_parse(text, strlen(text), out, &form, NULL) == ERR_OK;
}

enum err kubo_read_empty(const struct kubo_ask *ask,
                         const struct json_value *v, struct kubo_seen *seen,
                         struct kubo_result *r, struct err_text *why)
{
    struct cid got;

    (void)r;
    if (!read_cid(v, "Key", &got) || !cid_equal(&got, &ask->cid))
        return err_set(why, ERR_PROTOCOL, "the answer names another block");
    seen->last = true;
    return ERR_OK;
}

/* A key that cannot be read is of a kind that is not pinned by us. */
enum err kubo_read_gc(const struct kubo_ask *ask, const struct json_value *v,
                      struct kubo_seen *seen, struct kubo_result *r,
                      struct err_text *why)
{
    struct json_value key;

    (void)ask;
    if (!json_get(v, "Key", &key) || key.type != JSON_OBJECT)
        return err_set(why, ERR_PROTOCOL, "the answer has a row without Key");
    seen->row_name[0] = 0;
    seen->row = read_cid(&key, "/", &seen->row_cid);
    r->list.rows++;
    return ERR_OK;
}

static struct curl_slist *headers(const struct kubo *k)
{
    struct curl_slist *list = NULL;

    list = curl_slist_append(list, "Expect:");
    list = curl_slist_append(
        list, "Content-Type: multipart/form-data; boundary=" BOUNDARY);
    if (k->authorization)
        list = curl_slist_append(list, k->authorization);
    assert(list);
    return list;
}

struct kubo_call *kubo_put_empty(struct kubo *k, kubo_cb cb, void *arg)
{
    struct kubo_call *c = kubo_call_new(k, KIND_EMPTY, cb, arg);
    enum cid_form form;
    enum err e = cid_parse(KUBO_EMPTY, strlen(KUBO_EMPTY), &c->ask.cid, &form,
                           NULL);

    assert(e == ERR_OK);
    c->post_headers = headers(k);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->post_headers);
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, empty_body);
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE,
                     (long)(sizeof(empty_body) - 1));
    kubo_call_arg(c, "cid-codec", "raw");
    kubo_call_arg(c, "mhtype", "sha2-256");
    kubo_call_start(c);
    return c;
}

struct kubo_call *kubo_gc(struct kubo *k,
                          void (*row)(void *arg, const struct cid *c,
                                      const char *name),
                          kubo_cb cb, void *arg)
{
    struct kubo_call *c = kubo_call_new(k, KIND_GC, cb, arg);

    assert(row);
    c->row = row;
    kubo_call_start(c);
    return c;
}
