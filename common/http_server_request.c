/* What a handler may ask of its request. Everything was checked and decoded before the handler runs. */
#include "common/http_server.h"

#include <assert.h>
#include <string.h>

const char *sg_http_segment(const struct sg_http_request *req, size_t i)
{
    return i < req->match.ncaught ? req->match.caught[i] : "";
}

const char *sg_http_query(const struct sg_http_request *req, const char *key)
{
    for (size_t i = 0; i < req->target.nargs; i++)
        if (strcmp(req->target.args[i].key, key) == 0)
            return req->target.args[i].value;
    return NULL;
}

static bool in_names(const char *const *names, const char *key)
{
    for (; *names; names++)
        if (strcmp(*names, key) == 0)
            return true;
    return false;
}

int sg_http_query_check(const struct sg_http_request *req, const char *const *names, const char **which)
{
    const struct sg_http_target *t = &req->target;

    for (size_t i = 0; i < t->nargs; i++) {
        bool twice = sg_http_query(req, t->args[i].key) != t->args[i].value;
        if (twice || !in_names(names, t->args[i].key)) {
            *which = t->args[i].key;
            return SG_EBAD_PARAMETER;
        }
    }
    return 0;
}

const char *sg_http_header(const struct sg_http_request *req, const char *name)
{
    return MHD_lookup_connection_value(req->mhd, MHD_HEADER_KIND, name);
}

const uint8_t *sg_http_body(const struct sg_http_request *req, size_t *len)
{
    *len = req->body.len;
    return req->body.p;
}

void sg_http_request_own(struct sg_http_request *req, void *p, void (*free_fn)(void *))
{
    assert(req->nowned < SG_HTTP_MAX_OWNED);
    req->owned[req->nowned].p = p;
    req->owned[req->nowned].free_fn = free_fn;
    req->nowned++;
}
