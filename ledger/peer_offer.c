/* What this node's pool holds, offered to a peer that was away or was told something in vain: in offers of a size that a slow line carries in
 * time, one after another.
 *
 * The statements are listed once, by slot, so that those before one another come first and readers of one minute stand in one offer with its
 * body; each is read again when its turn comes, and is passed over when it is no longer pooled. A peer that was handed some of it and
 * then lost is offered the pool anew; a body that it was given in vain comes with each offer that reads it.
 * Bounded: so many statements are listed; what is beyond comes when the pool is offered again. */
#include "ledger/peers_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is to be offered ---- */

struct listed {
    sg_minute slot;
    size_t place; /* in the order of the reader, which is each gateway's own */
    struct lg_hash leaf;
};

struct list {
    struct listed *v;
    size_t n, cap;
};

static int list_one(void *arg, bool is_body, const struct lg_hash *leaf, const uint8_t *doc, size_t len)
{
    struct list *l = arg;
    struct lg_statement *s;

    (void)is_body;
    int err = lg_statement_decode(&s, doc, len);
    if (err != SG_OK)
        return err == SG_ENOMEM ? err : SG_OK; /* damaged: it is for the scrubber */
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        struct listed *grown = realloc(l->v, cap * sizeof(*grown));
        if (grown) {
            l->v = grown;
            l->cap = cap;
        }
    }
    if (l->n < l->cap) {
        l->v[l->n] = (struct listed){s->slot, l->n, *leaf};
        l->n++;
    } else
        err = SG_ENOMEM;
    lg_statement_free(s);
    return err;
}

static int by_slot(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;

    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

void lg_peer_offer_forget(struct lg_peer *peer)
{
    peer->owes = peer->owes || peer->to_offer;
    free(peer->to_offer);
    peer->to_offer = NULL;
    peer->offer_n = peer->offer_at = 0;
}

void lg_peer_push_pool(struct lg_peer *peer)
{
    struct list l = {0};

    if (peer->to_offer) /* it goes on; what is new since then was told */
        return;
    int err = lg_reader_pool_statements(peer->owner->reader, 0, LG_OFFER_STATEMENTS, list_one, &l);
    if (err == SG_OK && l.n > 0) {
        qsort(l.v, l.n, sizeof(*l.v), by_slot);
        peer->to_offer = malloc(l.n * sizeof(*peer->to_offer));
        err = peer->to_offer ? SG_OK : SG_ENOMEM;
    }
    peer->owes = err != SG_OK || l.n == LG_OFFER_STATEMENTS; /* and if anything of it is lost */
    if (peer->to_offer) {
        for (size_t i = 0; i < l.n; i++)
            peer->to_offer[i] = l.v[i].leaf;
        peer->offer_n = l.n;
        peer->offer_at = 0;
    }
    free(l.v);
    lg_peer_offer_next(peer);
}

/* ---- one offer ---- */

/* A statement with its bodies, or all that has been put together. Joined by commas. */
struct parts {
    struct sg_buf bodies, statements;
    struct sg_buf digests; /* of the bodies: struct lg_hash */
};

static void parts_init(struct parts *p)
{
    sg_buf_init(&p->bodies, LG_PUSH_MAX_BYTES);
    sg_buf_init(&p->statements, LG_PUSH_MAX_BYTES);
    sg_buf_init(&p->digests, LG_PUSH_MAX_BYTES);
}

static void parts_fini(struct parts *p)
{
    sg_buf_fini(&p->bodies);
    sg_buf_fini(&p->statements);
    sg_buf_fini(&p->digests);
}

static size_t parts_len(const struct parts *p)
{
    return p->bodies.len + p->statements.len;
}

static void join(struct sg_buf *list, const struct sg_buf *more)
{
    if (list->len > 0 && more->len > 0)
        sg_buf_puts(list, ",");
    sg_buf_put(list, more->p, more->len);
}

static bool has_digest(const struct parts *p, const struct lg_hash *digest)
{
    for (size_t at = 0; at < p->digests.len; at += sizeof(*digest))
        if (memcmp(p->digests.p + at, digest, sizeof(*digest)) == 0)
            return true;
    return false;
}

/* The pooled body of a read, unless `whole` has it. What stands on the best branch the peer finds there. */
static int add_body(
    struct parts *one, const struct parts *whole, struct lg_reader *reader, const struct lg_hash *digest)
{
    struct lg_doc_place place;
    struct sg_buf doc;

    if (has_digest(whole, digest) || has_digest(one, digest))
        return SG_OK;
    sg_buf_init(&doc, LG_PUSH_MAX_BYTES);
    int err = lg_reader_body(reader, &doc, &place, digest);
    if (err == SG_OK && place.state == LG_DOC_POOLED) {
        join(&one->bodies, &doc);
        sg_buf_put(&one->digests, digest, sizeof(*digest));
    }
    sg_buf_fini(&doc);
    return err == SG_ENOT_FOUND ? SG_OK : err;
}

/* The statement with this leaf and the bodies that it reads; nothing when it is pooled no more. */
static int read_one(
    struct parts *one, const struct parts *whole, struct lg_reader *reader, const struct lg_hash *leaf)
{
    struct lg_doc_place place;
    struct lg_statement *s = NULL;
    int err = lg_reader_statement(reader, &one->statements, &place, leaf);

    if (err == SG_ENOT_FOUND || (err == SG_OK && place.state != LG_DOC_POOLED)) {
        sg_buf_reset(&one->statements);
        return SG_OK;
    }
    if (err == SG_OK)
        err = lg_statement_decode(&s, one->statements.p, one->statements.len);
    for (unsigned i = 0; err == SG_OK && i < s->nreads; i++)
        err = add_body(one, whole, reader, &s->reads[i].digest);
    lg_statement_free(s);
    return err;
}

static int add(struct parts *whole, const struct parts *one)
{
    join(&whole->bodies, &one->bodies);
    join(&whole->statements, &one->statements);
    sg_buf_put(&whole->digests, one->digests.p, one->digests.len);
    return sg_buf_err(&whole->bodies) || sg_buf_err(&whole->statements) || sg_buf_err(&whole->digests)
               ? SG_ENOMEM
               : SG_OK;
}

/* As many statements as fit, one at least. */
static int gather(struct parts *whole, struct lg_peer *peer, size_t most)
{
    int err = SG_OK;
    bool full = false;

    while (err == SG_OK && !full && peer->offer_at < peer->offer_n) {
        struct parts one;
        parts_init(&one);
        err = read_one(&one, whole, peer->owner->reader, &peer->to_offer[peer->offer_at]);
        full = whole->statements.len > 0 && parts_len(whole) + parts_len(&one) > most;
        if (err == SG_OK && !full)
            err = add(whole, &one);
        if (err == SG_ECORRUPT) { /* damaged; it is offered when it has been put back */
            err = SG_OK;
            full = false;
            peer->owes = true;
        }
        peer->offer_at += err == SG_OK && !full;
        parts_fini(&one);
    }
    return err;
}

void lg_peer_offer_next(struct lg_peer *peer)
{
    struct parts whole;
    struct sg_buf doc;

    if (!peer->to_offer || peer->push_head)
        return;
    parts_init(&whole);
    sg_buf_init(&doc, 2 * LG_PUSH_MAX_BYTES);
    int err = gather(&whole, peer, LG_OFFER_BYTES >> peer->offer_halvings);
    if (err == SG_OK && peer->offer_at == peer->offer_n) { /* nothing of it is owed any more */
        free(peer->to_offer);
        peer->to_offer = NULL;
    } else if (err != SG_OK)
        lg_peer_offer_forget(peer);
    if (err == SG_OK && whole.statements.len > 0) {
        lg_peers_offer(&doc, &whole.bodies, &whole.statements);
        lg_peer_push_offer(peer, doc.p, doc.len);
    }
    sg_buf_fini(&doc);
    parts_fini(&whole);
}
