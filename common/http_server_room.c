/* The room in memory for large bodies and large answers, and who may have it.
 *
 * Bodies take room as their bytes arrive, never by what a client announces; an answer takes its length until its client has
 * taken it. What is small (large_body) needs none.
 *
 * Invariant: all together hold no more than the room's limit, but for a single one that is alone. An address is given more only while
 * what it would hold then is no more than what would be left free. So one that asks for all of it alone, as several nodes of one machine do,
 * may have half; a second one may have half of the rest; and an address that holds nothing finds room for one as long as there is any.
 * Nothing is taken away from those who have it. */
#include "common/http_server.h"

#include <netinet/in.h>
#include <string.h>

/* ---- whose ---- */

/* An IPv6 host chooses the last 64 bits itself. */
void sg_http_owner_of(struct sg_http_owner *out, const struct sockaddr *sa)
{
    static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

    memset(out, 0, sizeof(*out));
    if (sa && sa->sa_family == AF_INET) {
        memcpy(out->b, v4_mapped, sizeof(v4_mapped));
        memcpy(out->b + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
    } else if (sa && sa->sa_family == AF_INET6) {
        const uint8_t *a = ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr.s6_addr;
        memcpy(out->b, a, memcmp(a, v4_mapped, sizeof(v4_mapped)) == 0 ? 16 : 8);
    }
}

/* ---- how much ---- */

static uint64_t limit_of(const struct sg_http_server *s, enum sg_http_room room)
{
    return room == SG_HTTP_BODIES ? s->config.large_bytes : s->config.large_answers;
}

/* May conn hold n more? lock held. */
static bool fits_locked(
    const struct sg_http_server *s, const struct sg_http_conn *conn, enum sg_http_room room, uint64_t n)
{
    const uint64_t limit = limit_of(s, room), own = conn->held[room];
    uint64_t all = own, address = own;

    for (const struct sg_http_conn *c = s->conns; c; c = c->next) {
        if (c == conn)
            continue;
        all += c->held[room];
        if (memcmp(&c->owner, &conn->owner, sizeof(c->owner)) == 0)
            address += c->held[room];
    }
    if (all == own)
        return true;
    if (n > limit || all > limit - n)
        return false;
    return address == own || address + n <= limit - n - all;
}

bool sg_http_room_fits(struct sg_http_request *req, enum sg_http_room room, uint64_t n)
{
    struct sg_http_server *s = req->server;

    if (n <= s->config.large_body)
        return true;
    pthread_mutex_lock(&s->lock);
    bool fits = fits_locked(s, req->conn, room, n);
    pthread_mutex_unlock(&s->lock);
    return fits;
}

bool sg_http_room_take(struct sg_http_request *req, enum sg_http_room room, uint64_t n)
{
    struct sg_http_server *s = req->server;
    struct sg_http_conn *conn = req->conn;

    if (n <= s->config.large_body)
        return true;
    pthread_mutex_lock(&s->lock);
    bool fits = n <= conn->held[room] || fits_locked(s, conn, room, n - conn->held[room]);
    if (fits && n > conn->held[room])
        conn->held[room] = n;
    pthread_mutex_unlock(&s->lock);
    return fits;
}

void sg_http_room_leave(struct sg_http_request *req, enum sg_http_room room)
{
    pthread_mutex_lock(&req->server->lock);
    req->conn->held[room] = 0;
    pthread_mutex_unlock(&req->server->lock);
}
