/* Passing statements on. What is new here goes to each peer twice over, cheaply:
 *
 *   soon   LG_GATHER_MS after the first of them, whole, to the peers for which telling soon has been of use (peer->quick)
 *   later  LG_ASK_AFTER_MS after the first of them, as a question to every peer: what of this do you lack? That alone is then sent.
 *
 * Whether telling soon is of use is kept for each peer and for each kind: statements that came here first, from a gateway, and statements that another
 * node had passed on. It begins as yes for the first kind and no for the second; it becomes no when the peer had all that was told it soon,
 * and yes when it lacked something that it was asked for. So in a full mesh, or where gateways offer to every node, a pair of nodes
 * exchanges one small question a window instead of one document a statement; along a line of nodes the second statement already travels
 * without waiting.
 *
 * Bounded: LG_GATHER_MAX_BYTES or LG_ASK_MAX statements gathered, then they go at once. What is too much for an offer, or lost on the way, is in the pool, which is
 * exchanged when a peer (re)appears, asked for at intervals, and pushed again to who was owed something (peer->owes). */
#include "ledger/core/leaf_ask.h"
#include "ledger/peers_priv.h"

#include <string.h>

void lg_gathered_init(struct lg_gathered *g)
{
    sg_buf_init(&g->bodies, LG_PUSH_MAX_BYTES / 2);
    sg_buf_init(&g->statements, LG_PUSH_MAX_BYTES / 2);
    sg_buf_init(&g->leaves, LG_PUSH_MAX_BYTES / 2);
}

void lg_gathered_fini(struct lg_gathered *g)
{
    sg_buf_fini(&g->bodies);
    sg_buf_fini(&g->statements);
    sg_buf_fini(&g->leaves);
}

static void reset(struct lg_gathered *g)
{
    sg_buf_reset(&g->bodies);
    sg_buf_reset(&g->statements);
    sg_buf_reset(&g->leaves);
    g->n = 0;
}

static size_t bytes_of(const struct lg_gathered *g)
{
    return g->bodies.len + g->statements.len;
}

static void join(struct sg_buf *out, const void *docs, size_t len)
{
    if (len == 0)
        return;
    if (out->len > 0)
        sg_buf_puts(out, ",");
    sg_buf_put(out, docs, len);
}

static bool is_whole(const struct lg_gathered *g)
{
    return sg_buf_err(&g->bodies) == SG_OK && sg_buf_err(&g->statements) == SG_OK &&
           sg_buf_err(&g->leaves) == SG_OK;
}

static void add(struct lg_peers *p, struct lg_gathered *g, const struct lg_news *news, sg_ms due_ms)
{
    if (g->n == 0) {
        g->due_ms = due_ms;
        g->from = news->from;
    } else if (g->from != news->from)
        g->from = LG_FROM_NODE;
    join(&g->bodies, news->bodies.p, news->bodies.len);
    join(&g->statements, news->statements.p, news->statements.len);
    sg_buf_put(&g->leaves, news->leaves, news->n * sizeof(*news->leaves));
    g->n += news->n;
    if (!is_whole(g)) { /* no memory, or more in one go than an offer may hold */
        reset(g);
        atomic_store(&p->lost_news, true);
    }
}

/* ---- soon ---- */

static bool is_told_soon(const struct lg_peer *peer, enum lg_told kind, int from)
{
    return peer->number != from && peer->quick[kind] && lg_peer_answers(peer);
}

static bool any_told_soon(const struct lg_peers *p, enum lg_told kind, int from)
{
    for (unsigned i = 0; i < p->n; i++)
        if (is_told_soon(&p->peers[i], kind, from))
            return true;
    return false;
}

static void tell_soon(struct lg_peers *p, enum lg_told kind)
{
    struct lg_gathered *g = &p->soon[kind];
    struct sg_buf doc;

    if (g->n == 0)
        return;
    sg_buf_init(&doc, LG_PUSH_MAX_BYTES);
    lg_peers_offer(&doc, &g->bodies, &g->statements);
    for (unsigned i = 0; i < p->n && sg_buf_err(&doc) == SG_OK; i++)
        if (is_told_soon(&p->peers[i], kind, g->from))
            lg_peer_push_told(&p->peers[i], kind, doc.p, doc.len);
    sg_buf_fini(&doc);
    reset(g);
}

/* ---- later ---- */

/* One question, and the offer that the answer is cut from: what came here first stands first. */
static size_t put_question(struct sg_buf *doc, const struct lg_gathered *all)
{
    if (all->n <= LG_ASK_MAX)
        lg_ask_encode(doc, (const struct lg_hash *)(const void *)all->leaves.p, all->n);
    size_t split = doc->len;
    lg_peers_offer(doc, &all->bodies, &all->statements);
    return split;
}

static void ask_later(struct lg_peers *p)
{
    struct lg_gathered *first = &p->later[LG_TOLD_FIRST], *again = &p->later[LG_TOLD_AGAIN];
    const unsigned nfirst = first->n;
    const int from = nfirst > 0 ? LG_FROM_OUTSIDE : again->from;
    struct sg_buf doc;

    if (again->n > 0)
        add(p, first,
            &(struct lg_news){{again->bodies.p, again->bodies.len},
                {again->statements.p, again->statements.len}, (const void *)again->leaves.p, again->n, from},
            0);
    if (first->n > 0) {
        sg_buf_init(&doc, 2 * LG_PUSH_MAX_BYTES);
        size_t split = put_question(&doc, first);
        for (unsigned i = 0; i < p->n && sg_buf_err(&doc) == SG_OK; i++)
            if ((int)i != from && lg_peer_answers(&p->peers[i]))
                lg_peer_push_asked(&p->peers[i], doc.p, split, doc.len, first->n, nfirst);
        if (sg_buf_err(&doc) != SG_OK)
            atomic_store(&p->lost_news, true);
        sg_buf_fini(&doc);
    }
    reset(first);
    reset(again);
}

/* ---- both ---- */

void lg_peers_gather(struct lg_peers *p, const struct lg_news *news)
{
    const struct sg_clock *clock = p->config.clock;
    const enum lg_told kind = news->from == LG_FROM_OUTSIDE ? LG_TOLD_FIRST : LG_TOLD_AGAIN;
    const size_t len = news->bodies.len + news->statements.len;
    struct lg_gathered *first = &p->later[LG_TOLD_FIRST], *again = &p->later[LG_TOLD_AGAIN];
    sg_ms now = clock->mono_ms(clock);

    if (any_told_soon(p, kind, news->from)) {
        if (bytes_of(&p->soon[kind]) + len > LG_GATHER_MAX_BYTES)
            tell_soon(p, kind);
        add(p, &p->soon[kind], news, now + LG_GATHER_MS);
    }
    if (bytes_of(first) + bytes_of(again) + len > LG_GATHER_MAX_BYTES ||
        first->n + again->n + news->n > LG_ASK_MAX)
        ask_later(p);
    add(p, &p->later[kind], news, now + LG_ASK_AFTER_MS);
}

static sg_ms sooner(const struct lg_gathered *g, sg_ms due_ms)
{
    return g->n > 0 && g->due_ms < due_ms ? g->due_ms : due_ms;
}

sg_ms lg_peers_gathered_due(const struct lg_peers *p)
{
    sg_ms due_ms = INT64_MAX;

    for (unsigned k = 0; k < LG_TOLD_KINDS; k++)
        due_ms = sooner(&p->later[k], sooner(&p->soon[k], due_ms));
    return due_ms;
}

void lg_peers_pass_on(struct lg_peers *p, sg_ms now_mono_ms)
{
    for (unsigned k = 0; k < LG_TOLD_KINDS; k++)
        if (now_mono_ms >= sooner(&p->soon[k], INT64_MAX))
            tell_soon(p, (enum lg_told)k);
    if (now_mono_ms >= sooner(&p->later[0], sooner(&p->later[1], INT64_MAX)))
        ask_later(p);
}

bool lg_peers_can_wait(const struct lg_peers *p, enum lg_told kind)
{
    return p->later[0].n + p->later[1].n > 0 && !any_told_soon(p, kind, LG_FROM_NODE);
}
