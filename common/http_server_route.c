/* The table of routes: which handler serves a path and a method.
 *
 * The first route of the table that fits wins. A {} takes exactly one segment, never an empty one. A path without any route
 * is not found; a path with routes, but none for the method, is a wrong method (RFC 9110 15.5.5, 15.5.6). */
#include "common/http_server.h"

#include <assert.h>
#include <string.h>

enum sg_http_verb sg_http_verb_of(const char *method)
{
    /* Methods are case-sensitive (RFC 9110 9.1). */
    static const struct {
        const char *name;
        enum sg_http_verb verb;
    } verbs[] = {
        {"GET", SG_HTTP_V_GET},
        {"HEAD", SG_HTTP_V_HEAD},
        {"POST", SG_HTTP_V_POST},
        {"OPTIONS", SG_HTTP_V_OPTIONS},
    };

    for (size_t i = 0; i < SG_ARRAY_LEN(verbs); i++)
        if (strcmp(method, verbs[i].name) == 0)
            return verbs[i].verb;
    return SG_HTTP_V_OTHER;
}

/* The caught segments are written from the start of caught, also when the pattern does not fit. */
static bool fits(const char *pattern, const struct sg_http_target *t, const char **caught, size_t *ncaught)
{
    size_t i = 0;

    *ncaught = 0;
    while (*pattern == '/') {
        pattern++;
        size_t n = strcspn(pattern, "/");
        if (i == t->npath)
            return false;
        const char *segment = t->path[i++];
        if (n == 2 && memcmp(pattern, "{}", 2) == 0) {
            if (*segment == '\0')
                return false;
            caught[(*ncaught)++] = segment;
        } else if (strlen(segment) != n || memcmp(segment, pattern, n) != 0) {
            return false;
        }
        pattern += n;
    }
    assert(*pattern == '\0'); /* a pattern begins with '/' */
    return i == t->npath;
}

static bool serves(enum sg_http_method method, enum sg_http_verb verb)
{
    if (method == SG_HTTP_POST)
        return verb == SG_HTTP_V_POST;
    return verb == SG_HTTP_V_GET ||
           verb == SG_HTTP_V_HEAD; /* RFC 9110 9.3.2: HEAD is GET without the content */
}

void sg_http_route_find(struct sg_http_match *m, const struct sg_http_route *routes, size_t nroutes,
    const struct sg_http_target *t, enum sg_http_verb verb)
{
    const char *caught[SG_HTTP_MAX_SEGMENTS];
    size_t ncaught;

    *m = (struct sg_http_match){0};
    for (size_t i = 0; i < nroutes; i++) {
        if (!fits(routes[i].pattern, t, caught, &ncaught))
            continue;
        m->has_get = m->has_get || routes[i].method == SG_HTTP_GET;
        m->has_post = m->has_post || routes[i].method == SG_HTTP_POST;
        if (m->route || !serves(routes[i].method, verb))
            continue;
        m->route = &routes[i];
        m->ncaught = ncaught;
        memcpy(m->caught, caught, ncaught * sizeof(*caught));
    }
}

const char *sg_http_route_allow(const struct sg_http_match *m)
{
    if (m->has_get && m->has_post)
        return "GET, HEAD, POST, OPTIONS";
    return m->has_get ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
}
