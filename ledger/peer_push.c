/* One peer's queue of POSTs: what is new here, told one at a time. A block is told by its sketch first: most peers hold its leaves already;
 * one that lacks something, or knows no sketches, gets the whole block. Statements that it may hold are asked for first; it gets those
 * that it lacks, or all if it does not know the question.
 *
 * Bounded by count and bytes; what does not fit is dropped, for this peer only: it asks for what it misses, and is owed what were statements. */
#include "ledger/core/leaf_ask.h"
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

static bool is_of_statements(const struct lg_push *p)
{
    return p->kind == LG_PUSH_QUESTION || p->kind == LG_PUSH_TOLD || strcmp(p->path, "/v1/statements") == 0;
}

static void lose(struct lg_peer *peer)
{
    peer->owes = peer->owes || is_of_statements(peer->push_head);
    push_pop(peer);
}

void lg_peer_push_forget(struct lg_peer *peer)
{
    while (peer->push_head)
        lose(peer);
    lg_peer_offer_forget(peer);
}

static void push_start(struct lg_peer *peer);

/* Go on with the whole of what began as a sketch or a question. */
static void go_on(struct lg_push *head, const char *path)
{
    head->kind = LG_PUSH_PLAIN;
    head->path = path;
    head->at = head->len;
    head->len = head->size - head->len;
}

static bool is_unknown_call(int status)
{
    return status == 400 || status == 404 || status == 405;
}

/* It may take the same later. */
static bool is_too_busy(int status)
{
    return status >= 500 || status == 408 || status == 429;
}

/* ---- sketches ---- */

/* Was it a sketch, and does the peer lack something of the block, or not know sketches at all? */
static bool wants_whole(struct lg_peer *peer, const struct lg_push *head, const struct sg_http_answer *answer)
{
    static const char incomplete[] = "{\"result\":\"incomplete\"}";

    if (head->kind != LG_PUSH_SKETCH)
        return false;
    if (is_unknown_call(answer->status))
        peer->no_sketches = true;
    return peer->no_sketches || (answer->status == 200 && answer->body.len == sizeof(incomplete) - 1 &&
                                    memcmp(answer->body.p, incomplete, sizeof(incomplete) - 1) == 0);
}

/* ---- questions ---- */

/* Only these documents of the offer; false: no memory. */
static bool cut(struct lg_peer *peer, const bool *missing)
{
    struct lg_push *head = peer->push_head, *part = NULL;
    struct sg_buf doc;

    sg_buf_init(&doc, LG_PUSH_MAX_BYTES);
    if (lg_ask_offer(&doc, head->doc + head->len, head->size - head->len, missing, head->n) == SG_OK)
        part = malloc(sizeof(*part) + doc.len);
    if (part) {
        *part =
            (struct lg_push){.next = head->next, .path = "/v1/statements", .len = doc.len, .size = doc.len};
        memcpy(part->doc, doc.p, doc.len);
        peer->push_bytes = peer->push_bytes - head->size + part->size;
        peer->push_head = part;
        if (peer->push_tail == head)
            peer->push_tail = part;
        free(head);
    }
    sg_buf_fini(&doc);
    return part != NULL;
}

/* The peer lacks these: what it is told soon is of use to it. */
static void go_on_with_missing(struct lg_peer *peer, const bool *missing)
{
    const struct lg_push *head = peer->push_head;
    unsigned n[LG_TOLD_KINDS] = {0};

    for (unsigned i = 0; i < head->n; i++)
        n[i < head->nfirst ? LG_TOLD_FIRST : LG_TOLD_AGAIN] += missing[i];
    for (unsigned k = 0; k < LG_TOLD_KINDS; k++)
        peer->quick[k] = peer->quick[k] || n[k] > 0;
    if (n[0] + n[1] == 0)
        push_pop(peer);
    else if (n[0] + n[1] == head->n || !cut(peer, missing))
        go_on(peer->push_head, "/v1/statements");
}

/* An answer to a question: the head of the queue becomes what follows from it. Whoever answers oddly gets everything. */
static void take_answer(struct lg_peer *peer, const struct sg_http_answer *answer)
{
    struct lg_push *head = peer->push_head;
    bool *missing = calloc(head->n + 1u, sizeof(*missing));

    peer->no_questions = peer->no_questions || is_unknown_call(answer->status);
    if (is_too_busy(answer->status))
        lose(peer);
    else if (missing && answer->status == 200 &&
             lg_ask_answer_decode(missing, head->n, answer->body.p, answer->body.len) == SG_OK)
        go_on_with_missing(peer, missing);
    else
        go_on(head, "/v1/statements");
    free(missing);
}

/* ---- what has been told ---- */

/* Had the peer all of it? Other answers than ours leave it as it was. */
static void weigh_telling(struct lg_peer *peer, const struct sg_http_answer *answer)
{
    static const char nothing_new[] = "{\"accepted\":0,";
    const struct lg_push *head = peer->push_head;

    if (head->kind == LG_PUSH_TOLD && answer->status == 200 && answer->body.len >= sizeof(nothing_new) - 1 &&
        memcmp(answer->body.p, nothing_new, sizeof(nothing_new) - 1) == 0)
        peer->quick[head->told] = false;
}

static void take_told(struct lg_peer *peer, const struct sg_http_answer *answer)
{
    if (answer->status >= 400)
        sg_log(SG_LOG_DEBUG, PART, "%s answered %d to %s", peer->url, answer->status, peer->push_head->path);
    weigh_telling(peer, answer);
    if (is_too_busy(answer->status))
        lose(peer);
    else
        push_pop(peer);
}

/* The head of the queue has been answered. */
static void take_next(struct lg_peer *peer, const struct sg_http_answer *answer)
{
    struct lg_push *head = peer->push_head;

    if (!head)
        return;
    if (wants_whole(peer, head, answer))
        go_on(head, "/v1/blocks");
    else if (head->kind == LG_PUSH_QUESTION)
        take_answer(peer, answer);
    else
        take_told(peer, answer);
}

/* Is the line too slow for offers of this length, or good for longer ones? */
static void weigh_offer(struct lg_peer *peer, const struct sg_http_answer *answer)
{
    bool late = answer->err == SG_ETIMEOUT || answer->err == SG_EMALFORMED || answer->err == SG_EIO;

    if (!peer->push_head || peer->push_head->kind != LG_PUSH_OFFER)
        return;
    if (late && peer->offer_halvings < LG_OFFER_HALVINGS)
        peer->offer_halvings++;
    else if (answer->err == SG_OK && peer->offer_halvings > 0 &&
             lg_peer_mono(peer) - peer->pushed_ms < LG_OFFER_SOON_MS)
        peer->offer_halvings--;
}

static void push_done(void *ctx, struct sg_http_answer *answer)
{
    struct lg_peer *peer = ctx;

    peer->pushing = false;
    if (answer->err == SG_ESTOPPED)
        return;
    weigh_offer(peer, answer);
    if (answer->err != SG_OK) {
        /* Whether the peer is gone is for the next status call to say, and that is made now. */
        lg_peer_push_forget(peer);
        if (peer->phase == LG_PEER_IDLE && lg_peer_answers(peer))
            peer->next_ms = 0;
        return;
    }
    if (!lg_peer_answers(peer)) {
        lg_peer_push_forget(
            peer); /* a rest or a ban has begun meanwhile; it is offered the pool when it is back */
        return;
    }
    take_next(peer, answer);
    push_start(peer);
    lg_peer_offer_next(peer);
}

static void push_start(struct lg_peer *peer)
{
    char url[320];

    if (peer->pushing || !peer->push_head)
        return;
    snprintf(url, sizeof(url), "%s%s", peer->url, peer->push_head->path);
    struct sg_http_call call = {.url = url,
        .header = LG_RELAYED ": 1",
        .post = peer->push_head->doc + peer->push_head->at,
        .post_len = peer->push_head->len,
        .max_answer = 1u << 20,
        .timeout_ms = peer->owner->config.call_ms};
    if (sg_http_client_start(peer->owner->http, &call, push_done, peer) == SG_OK) {
        peer->pushing = true;
        peer->pushed_ms = lg_peer_mono(peer);
    } else
        lg_peer_push_forget(peer);
}

/* doc[0..like->size) is copied. */
static void push(struct lg_peer *peer, const struct lg_push *like, const void *doc)
{
    const size_t size = like->size;
    bool full = peer->push_count >= LG_PUSH_MAX || peer->push_bytes + size > LG_PUSH_MAX_BYTES;
    struct lg_push *p = full ? NULL : malloc(sizeof(*p) + size);
    if (!p) {
        peer->owes = peer->owes || is_of_statements(like);
        return;
    }
    *p = *like;
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
    push(peer, &(struct lg_push){.path = path, .len = len, .size = len}, doc);
}

void lg_peer_push_offer(struct lg_peer *peer, const void *doc, size_t len)
{
    push(peer, &(struct lg_push){.path = "/v1/statements", .kind = LG_PUSH_OFFER, .len = len, .size = len},
        doc);
}

void lg_peer_push_block(struct lg_peer *peer, const uint8_t *doc, size_t split, size_t len)
{
    if (split == 0 || peer->no_sketches)
        lg_peer_push(peer, "/v1/blocks", doc + split, len - split);
    else
        push(peer,
            &(struct lg_push){.path = "/v1/sketches", .kind = LG_PUSH_SKETCH, .len = split, .size = len},
            doc);
}

void lg_peer_push_told(struct lg_peer *peer, enum lg_told kind, const void *doc, size_t len)
{
    push(peer,
        &(struct lg_push){
            .path = "/v1/statements", .kind = LG_PUSH_TOLD, .told = kind, .len = len, .size = len},
        doc);
}

void lg_peer_push_asked(
    struct lg_peer *peer, const uint8_t *doc, size_t split, size_t len, unsigned n, unsigned nfirst)
{
    if (split == 0 || peer->no_questions)
        lg_peer_push(peer, "/v1/statements", doc + split, len - split);
    else
        push(peer,
            &(struct lg_push){.path = "/v1/missing",
                .kind = LG_PUSH_QUESTION,
                .n = n,
                .nfirst = nfirst,
                .len = split,
                .size = len},
            doc);
}
