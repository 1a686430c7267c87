/* One peer's queue of POSTs: what is new here, told one at a time.
 *
 * Bounded by count and bytes; what does not fit is dropped, for this peer only: it asks for what it misses. */
#include "ledger/peers_priv.h"
#include "sg_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART "peers"

static void push_pop(struct lg_peer *peer)
{
    struct lg_push *head = peer->push_head;
    peer->push_head = head->next;
    if (!peer->push_head)
        peer->push_tail = NULL;
    peer->push_count--;
    peer->push_bytes -= head->len;
    free(head);
}

void lg_peer_push_forget(struct lg_peer *peer)
{
    while (peer->push_head)
        push_pop(peer);
}

static void push_start(struct lg_peer *peer);

static void push_done(void *ctx, struct sg_http_answer *answer)
{
    struct lg_peer *peer = ctx;

    peer->pushing = false;
    if (answer->err == SG_ESTOPPED)
        return;
    if (answer->err != SG_OK) {
        /* Whether the peer is gone is for the next status call to say, and that is made now. */
        lg_peer_push_forget(peer);
        if (peer->phase == LG_PEER_IDLE && lg_peer_answers(peer))
            peer->next_ms = 0;
        return;
    }
    if (answer->status >= 400)
        sg_log(SG_LOG_DEBUG, PART, "%s answered %d to %s", peer->url, answer->status,
            peer->push_head ? peer->push_head->path : "");
    if (peer->push_head)
        push_pop(peer);
    push_start(peer);
}

static void push_start(struct lg_peer *peer)
{
    char url[320];

    if (peer->pushing || !peer->push_head)
        return;
    snprintf(url, sizeof(url), "%s%s", peer->url, peer->push_head->path);
    struct sg_http_call call = {
        .url = url, .post = peer->push_head->doc, .post_len = peer->push_head->len, .max_answer = 1u << 20};
    if (sg_http_client_start(peer->owner->http, &call, push_done, peer) == SG_OK)
        peer->pushing = true;
    else
        lg_peer_push_forget(peer);
}

void lg_peer_push(struct lg_peer *peer, const char *path, const void *doc, size_t len)
{
    bool full = peer->push_count >= LG_PUSH_MAX || peer->push_bytes + len > LG_PUSH_MAX_BYTES;
    struct lg_push *push = full ? NULL : malloc(sizeof(*push) + len);
    if (!push)
        return;
    push->next = NULL;
    push->path = path;
    push->len = len;
    memcpy(push->doc, doc, len);
    if (peer->push_tail)
        peer->push_tail->next = push;
    else
        peer->push_head = push;
    peer->push_tail = push;
    peer->push_count++;
    peer->push_bytes += len;
    push_start(peer);
}
