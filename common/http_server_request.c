/* What a handler may ask of its request. Everything was checked and decoded before the handler runs. */
#include "common/http_server.h"

#include <arpa/inet.h>
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

void sg_http_client_address(const struct sg_http_request *req, char out[static SG_HTTP_ADDRESS])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(req->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *sa = info ? info->client_addr : NULL;
    const void *address = NULL;

    out[0] = '\0';
    if (sa && sa->sa_family == AF_INET)
        address = &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
    else if (sa && sa->sa_family == AF_INET6)
        address = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
    if (address && !inet_ntop(sa->sa_family, address, out, SG_HTTP_ADDRESS))
        out[0] = '\0';
}

const uint8_t *sg_http_body(const struct sg_http_request *req, size_t *len)
{
    *len = req->body.len;
    return req->body.p;
}
