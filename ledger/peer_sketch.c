/* A block near the tip, fetched by what is missing of it: its sketch, then the documents that are neither in the pool nor on any branch here.
 *
 * Saves traffic and nothing else: where the peer knows no sketches, or much is missing, the block is fetched whole.
 * Invariants: a sketch is used only when it carries the header that was checked, and that header covers its leaves; a document only under the
 * hash that the sketch gives it. So what is put together is the block, whoever gave the parts.
 * Refuses, with a ban: a sketch of another header under this hash, leaves that the header does not cover, documents of other leaves. */
#include "ledger/peers_priv.h"

#include <stdio.h>
#include <string.h>

/* {"sketches":[{"hash":…,"sketch":{…}}]} of at most LG_SKETCH_MAX_LEAVES leaves. */
#define ANSWER_MAX (LG_SKETCH_MAX_BYTES + 1024)

bool lg_peer_wants_sketch(const struct lg_peer *peer)
{
    return !peer->no_sketches && !peer->whole && peer->next < peer->run.n &&
           peer->run.n - peer->next <= LG_SKETCH_BLOCKS;
}

static void forget(struct lg_peer *peer)
{
    lg_sketch_free(peer->sketch);
    peer->sketch = NULL;
}

/* The whole block then: by the page, as any other. */
static void take_whole(struct lg_peer *peer)
{
    forget(peer);
    peer->whole = true;
    lg_peer_fetch_step(peer);
}

static void lied(struct lg_peer *peer, int err)
{
    forget(peer);
    lg_peer_ban(peer, sg_err_code(err), LG_POLL_BAD_MS);
}

/* Everything is here: the sketch becomes a block. */
static void put_together(struct lg_peer *peer, const struct lg_sketch_given *given)
{
    struct sg_buf block;
    const struct lg_sketch *s = peer->sketch;

    sg_buf_init(&block, LG_PAGE_MAX_BYTES);
    if (lg_sketch_fill(&block, peer->owner->reader, s, given) != SG_OK)
        peer->whole = true; /* something has left the store meanwhile */
    else {
        bool sealed = memcmp(s->sig, peer->run.sigs[peer->next], sizeof(s->sig)) == 0;
        lg_peer_offer_block(peer, (struct lg_slice){block.p, block.len}, sealed);
        peer->next++;
    }
    sg_buf_fini(&block);
    forget(peer);
    lg_peer_fetch_step(peer);
}

/* ---- documents that are missing ---- */

/* The documents of one list, in the order of the leaves that were asked for. */
static bool read_list(struct lg_c0 *c, struct lg_sketch_given *given, const struct lg_sketch *s, bool bodies)
{
    lg_c0_key(c, bodies ? "bodies" : "statements");
    lg_c0_array(c);
    for (unsigned i = 0; i < given->n; i++) {
        struct lg_hash leaf;
        if ((given->index[i] >= s->nstatements) != bodies)
            continue;
        if (!lg_c0_more(c))
            return false;
        given->doc[i] = lg_c0_value(c);
        if (c->bad)
            return false;
        lg_hash_leaf(&leaf, given->doc[i].p, given->doc[i].len);
        if (!lg_hash_eq(&leaf, &s->leaves[given->index[i]]))
            return false;
    }
    return !lg_c0_more(c) && !c->bad;
}

static void documents_done(void *ctx, struct sg_http_answer *answer)
{
    struct lg_peer *peer = ctx;
    struct lg_c0 c;

    if (!lg_peer_fetched(peer, answer)) {
        forget(peer);
        return;
    }
    bool fits = lg_c0_check(answer->body.p, answer->body.len) == SG_OK;
    lg_c0_open(&c, answer->body.p, answer->body.len);
    lg_c0_object(&c);
    if (fits && read_list(&c, &peer->missing, peer->sketch, true) &&
        read_list(&c, &peer->missing, peer->sketch, false))
        put_together(peer, &peer->missing);
    else
        lied(peer, SG_EMALFORMED);
}

static void ask_documents(struct lg_peer *peer)
{
    char path[96 + LG_SKETCH_MAX_ASK * 6], hex[2 * SG_HASH_BYTES + 1];
    size_t at;

    for (unsigned i = 0; i < SG_HASH_BYTES; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", peer->sketch->hash.b[i]);
    at = (size_t)snprintf(path, sizeof(path), "/v1/blocks/%s/documents?leaves=", hex);
    for (unsigned i = 0; i < peer->missing.n && at < sizeof(path); i++)
        at += (size_t)snprintf(path + at, sizeof(path) - at, i > 0 ? ",%u" : "%u", peer->missing.index[i]);
    lg_peer_call(peer, LG_PEER_FETCH, path, LG_PAGE_MAX_BYTES, documents_done);
}

/* ---- the sketch ---- */

/* The sketch of the block that is wanted next. SG_EAGAIN: none, or of another block: its chain has changed, or it has too many leaves. */
static int read_sketch(struct lg_peer *peer, const struct sg_buf *body)
{
    struct lg_c0 c;
    struct lg_hash hash;

    forget(peer);
    if (lg_c0_check(body->p, body->len) != SG_OK)
        return SG_EAGAIN;
    lg_c0_open(&c, body->p, body->len);
    lg_c0_object(&c);
    lg_c0_key(&c, "sketches");
    lg_c0_array(&c);
    if (!lg_c0_more(&c))
        return SG_EAGAIN;
    lg_c0_object(&c);
    lg_c0_key(&c, "hash");
    lg_c0_hex(&c, hash.b, sizeof(hash.b));
    lg_c0_key(&c, "sketch");
    struct lg_slice doc = lg_c0_value(&c);
    if (c.bad || !lg_hash_eq(&hash, &peer->run.hashes[peer->next]) ||
        lg_sketch_decode(&peer->sketch, doc.p, doc.len) != SG_OK)
        return SG_EAGAIN;
    return lg_hash_eq(&peer->sketch->hash, &hash) ? lg_sketch_check_root(peer->sketch) : SG_EMALFORMED;
}

static void sketch_done(void *ctx, struct sg_http_answer *answer)
{
    struct lg_peer *peer = ctx;

    if (answer->err == SG_ETOO_LARGE ||
        (answer->err == SG_OK && answer->status >= 400 && answer->status < 500)) {
        peer->calling = false;
        peer->no_sketches = peer->no_sketches || answer->err == SG_OK;
        take_whole(peer);
        return;
    }
    if (!lg_peer_fetched(peer, answer))
        return;
    int err = read_sketch(peer, &answer->body);
    if (err == SG_EROOT || err == SG_EMALFORMED)
        lied(peer, err);
    else if (err != SG_OK || lg_sketch_missing(&peer->missing, peer->owner->reader, peer->sketch) != SG_OK)
        take_whole(peer);
    else if (peer->missing.n == 0)
        put_together(peer, NULL);
    else if (peer->missing.n <= LG_SKETCH_MAX_ASK &&
             peer->missing.n < peer->sketch->nstatements + peer->sketch->nbodies)
        ask_documents(peer);
    else
        take_whole(peer);
}

void lg_peer_ask_sketch(struct lg_peer *peer)
{
    char path[80];

    snprintf(path, sizeof(path), "/v1/sketches?from=%lld&limit=1", (long long)peer->run.first + peer->next);
    lg_peer_call(peer, LG_PEER_FETCH, path, ANSWER_MAX, sketch_done);
}
