/* One peer's queue of POSTs: what is new here, told one at a time. A block is told by its sketch first: most peers hold its leaves already;
 * one that lacks something, or knows no sketches, gets the whole block.
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
    peer->push_bytes -= head->size;
    free(head);
}

void lg_peer_push_forget(struct lg_peer *peer)
{
    while (peer->push_head)
        push_pop(peer);
}

static void push_start(struct lg_peer *peer);

/* Was it a sketch, and does the peer lack something of the block, or not know sketches at all? */
static bool wants_whole(struct lg_peer *peer, const struct lg_push *head, const struct sg_http_answer *answer)
{
    static const char incomplete[] = "{\"result\":\"incomplete\"}";

    if (head->at > 0 || head->len == head->size)
        return false;
    if (answer->status == 400 || answer->status == 404 || answer->status == 405)
        peer->no_sketches = true;
    return peer->no_sketches || (answer->status == 200 && answer->body.len == sizeof(incomplete) - 1 &&
                                    memcmp(answer->body.p, incomplete, sizeof(incomplete) - 1) == 0);
}

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
    if (peer->push_head && wants_whole(peer, peer->push_head, answer)) {
        struct lg_push *head = peer->push_head;
        head->path = "/v1/blocks";
        head->at = head->len;
        head->len = head->size - head->len;
        push_start(peer);
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
    struct sg_http_call call = {.url = url,
        .post = peer->push_head->doc + peer->push_head->at,
        .post_len = peer->push_head->len,
        .max_answer = 1u << 20,
        .timeout_ms = peer->owner->config.call_ms};
    if (sg_http_client_start(peer->owner->http, &call, push_done, peer) == SG_OK)
        peer->pushing = true;
    else
        lg_peer_push_forget(peer);
}

static void push(struct lg_peer *peer, const char *path, const void *doc, size_t len, size_t size)
{
    bool full = peer->push_count >= LG_PUSH_MAX || peer->push_bytes + size > LG_PUSH_MAX_BYTES;
    struct lg_push *p = full ? NULL : malloc(sizeof(*p) + size);
    if (!p)
        return;
    *p = (struct lg_push){.path = path, .len = len, .size = size};
    memcpy(p->doc, doc, size);
    if (peer->push_tail)
        peer->push_tail->next = p;
    else
        peer->push_head = p;
    peer->push_tail = p;
    peer->push_count++;
    peer->push_bytes += size;
    push_start(peer);
}

void lg_peer_push(struct lg_peer *peer, const char *path, const void *doc, size_t len)
{
    push(peer, path, doc, len, len);
}

void lg_peer_push_block(struct lg_peer *peer, const uint8_t *doc, size_t split, size_t len)
{
    if (split == 0 || peer->no_sketches)
        push(peer, "/v1/blocks", doc + split, len - split, len - split);
    else
        push(peer, "/v1/sketches", doc, split, len);
}
