/* Evidence goes round: pairs of statements with one (gw, inc, seq), from node to node until all that ask or can be reached hold them.
 *
 *   new here        -> POSTed to every peer that answers, as an offer of both statements; the node is told (an alarm)
 *   peer (re)appears -> it is handed what is here, and asked for what it has
 *   at intervals    -> it is asked for what is new there: GET /v1/evidence from the id after the last one seen, so that asking a peer
 *                      with nothing new costs one small answer; now and then from the beginning, for its store may be another one
 *
 * Nothing that a peer says is believed: a pair is an offer like any other, the engine keeps it when both signatures are good, and a forged one
 * changes nothing here but the peer's standing. Bounded: one page at a time, LG_EVIDENCE_PAGES_MAX in one go, one push of
 * LG_PUSH_EVIDENCE_BYTES at a (re)appearance; what a gateway can make anybody keep the store bounds. */
#include "ledger/peers_priv.h"
#include "sg_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART "peers"

/* ---- telling ---- */

/* Statements of an offer, joined by commas. */
struct told {
    struct sg_buf statements;
    int64_t next; /* id after the last one in it */
    unsigned n;
};

static void join(struct sg_buf *b, struct lg_slice doc)
{
    if (b->len > 0)
        sg_buf_puts(b, ",");
    sg_buf_put(b, doc.p, doc.len);
}

static int tell_pair(void *arg, int64_t id, lg_kid gw, struct lg_slice first, struct lg_slice second)
{
    struct told *t = arg;

    (void)gw;
    if (t->n > 0 && t->statements.len + first.len + second.len + 2 > LG_PUSH_EVIDENCE_BYTES)
        return SG_EFULL;
    join(&t->statements, first);
    join(&t->statements, second);
    t->next = id + 1;
    t->n++;
    return sg_buf_err(&t->statements);
}

/* One offer of the pairs from an id on; doc stays empty when there are none. */
static void collect(struct lg_peers *p, struct told *t, struct sg_buf *doc, int64_t from)
{
    struct sg_buf none;

    *t = (struct told){.next = from};
    sg_buf_init(&t->statements, LG_PUSH_MAX_BYTES);
    sg_buf_init(&none, 0);
    int err = lg_reader_evidence_page(p->reader, from, INT64_MAX, LG_EVIDENCE_PAIRS, tell_pair, t);
    if ((err == SG_OK || err == SG_EFULL) && t->n > 0)
        lg_peers_offer(doc, &none, &t->statements);
    sg_buf_fini(&t->statements);
}

void lg_peer_push_evidence(struct lg_peer *peer)
{
    struct told t;
    struct sg_buf doc;

    sg_buf_init(&doc, LG_PUSH_MAX_BYTES);
    collect(peer->owner, &t, &doc, 1);
    if (doc.len > 0 && sg_buf_err(&doc) == SG_OK)
        lg_peer_push(peer, "/v1/statements", doc.p, doc.len);
    sg_buf_fini(&doc);
}

/* The id after the newest pair: what was here before the start is told to each peer as it appears. */
static int64_t skip(struct lg_peers *p)
{
    struct told t = {.next = 1};
    struct sg_buf doc;
    int64_t from;

    do {
        from = t.next;
        sg_buf_init(&doc, LG_PUSH_MAX_BYTES);
        collect(p, &t, &doc, from);
        sg_buf_fini(&doc);
    } while (t.n > 0);
    return from;
}

void lg_peers_watch_evidence(struct lg_peers *p, sg_ms now_mono_ms)
{
    struct told t;
    struct sg_buf doc;

    if (now_mono_ms < p->evidence_ms)
        return;
    p->evidence_ms = now_mono_ms + LG_POLL_MS;
    if (p->evidence_next == 0) {
        p->evidence_next = skip(p);
        return;
    }
    sg_buf_init(&doc, LG_PUSH_MAX_BYTES);
    collect(p, &t, &doc, p->evidence_next);
    p->evidence_next = t.next;
    if (t.n > 0 && p->config.host.evidence)
        p->config.host.evidence(p->config.host.ctx, t.n);
    for (unsigned i = 0; i < p->n && doc.len > 0 && sg_buf_err(&doc) == SG_OK; i++)
        if (lg_peer_answers(&p->peers[i]))
            lg_peer_push(&p->peers[i], "/v1/statements", doc.p, doc.len);
    sg_buf_fini(&doc);
}

/* ---- asking ---- */

/* [{"first":{…},"gw":"…","id":n,"second":{…}},…]: the statements, joined; *last the greatest id. */
static void read_pairs(struct lg_c0 *c, struct sg_buf *statements, int64_t *last)
{
    lg_c0_array(c);
    while (lg_c0_more(c)) {
        lg_c0_object(c);
        lg_c0_key(c, "first");
        struct lg_slice first = lg_c0_value(c);
        lg_c0_key(c, "gw");
        (void)lg_c0_value(c);
        lg_c0_key(c, "id");
        *last = lg_c0_int(c, *last + 1, LG_C0_MAX_INT - 1);
        lg_c0_key(c, "second");
        struct lg_slice second = lg_c0_value(c);
        lg_c0_object_end(c);
        if (c->bad)
            return;
        join(statements, first);
        join(statements, second);
    }
}

static bool is_next(const struct lg_c0 *c, const char *key, size_t len)
{
    return !c->bad && (size_t)(c->end - c->p) > len && memcmp(c->p, key, len) == 0;
}

/* {"bodies":[…],"bodies_next":…,"next":n,"statements":[…]}: false when it is no such page. Moves the peer's place; more: there is another
 * page. */
static bool read_page(struct lg_peer *peer, struct sg_buf *statements, const struct sg_buf *body)
{
    static const char bodies_next[] = ",\"bodies_next\"", next_key[] = ",\"next\"";
    struct lg_c0 c;
    int64_t last = peer->evidence_from - 1, next = 0;

    if (lg_c0_check(body->p, body->len) != SG_OK)
        return false;
    lg_c0_open(&c, body->p, body->len);
    lg_c0_object(&c);
    lg_c0_key(&c, "bodies");
    (void)lg_c0_value(&c);
    if (is_next(&c, bodies_next, sizeof bodies_next - 1)) {
        lg_c0_key(&c, "bodies_next");
        (void)lg_c0_value(&c);
    }
    if (is_next(&c, next_key, sizeof next_key - 1)) {
        lg_c0_key(&c, "next");
        next = lg_c0_int(&c, peer->evidence_from + 1, LG_C0_MAX_INT - 1);
    }
    lg_c0_key(&c, "statements");
    read_pairs(&c, statements, &last);
    lg_c0_object_end(&c);
    if (lg_c0_close(&c) != SG_OK || sg_buf_err(statements) != SG_OK || (next != 0 && next <= last))
        return false;
    peer->more = next != 0;
    if (peer->more)
        lg_peer_page_filled(peer);
    peer->evidence_from = next != 0 ? next : last + 1;
    return true;
}

static void ended(struct lg_peer *peer)
{
    peer->wants_evidence = false;
    lg_peer_rest(peer, "ok", LG_POLL_MS);
}

static void offer(struct lg_peer *peer, const struct sg_buf *statements)
{
    const struct lg_peers_host *host = &peer->owner->config.host;
    struct sg_buf doc, none;
    size_t len = 0;

    sg_buf_init(&doc, LG_PAGE_MAX_BYTES);
    sg_buf_init(&none, 0);
    lg_peers_offer(&doc, &none, statements);
    uint8_t *bytes = sg_buf_err(&doc) == SG_OK ? sg_buf_take(&doc, &len) : NULL;
    sg_buf_fini(&doc);
    peer->ticket = peer->owner->next_ticket++;
    peer->next_ms = lg_peer_mono(peer) + LG_JUDGE_MS;
    peer->waiting = 1;
    peer->judged = SG_OK;
    if (!bytes || host->offer_statements(host->ctx, bytes, len, peer->number, peer->ticket) != SG_OK) {
        free(bytes);
        peer->waiting = 0;
        peer->evidence_from = 0; /* what was on this page is asked for again */
        ended(peer);
    }
}

static void evidence_done(void *ctx, struct sg_http_answer *answer)
{
    struct lg_peer *peer = ctx;
    struct sg_buf statements;

    if (!lg_peer_answered(peer, answer))
        return;
    sg_buf_init(&statements, LG_PAGE_MAX_BYTES);
    if (!read_page(peer, &statements, &answer->body)) {
        sg_log(SG_LOG_DEBUG, PART, "%s gives no page of evidence", peer->url);
        ended(peer);
    } else if (statements.len == 0)
        ended(peer);
    else
        offer(peer, &statements);
    sg_buf_fini(&statements);
}

/* Of the minutes with several bodies nothing is asked for: the chain has them. */
static void ask_page(struct lg_peer *peer)
{
    char path[96];

    snprintf(path, sizeof path, "/v1/evidence?bodies_from=0-0&from=%lld&limit=%u",
        (long long)peer->evidence_from, lg_peer_page(peer, LG_EVIDENCE_PAIRS, LG_EVIDENCE_PAIRS));
    peer->waiting = 0;
    lg_peer_call(peer, LG_PEER_EVIDENCE, path, LG_PAGE_MAX_BYTES, evidence_done);
}

void lg_peer_evidence(struct lg_peer *peer)
{
    if (peer->evidence_from == 0 || peer->polls % LG_EVIDENCE_ALL_POLLS == LG_EVIDENCE_ALL_POLL)
        peer->evidence_from = 1;
    peer->evidence_pages = 0;
    ask_page(peer);
}

/* What makes a statement no evidence of anybody: its own fault, not that of a body or a branch, which the peer need not have. */
static bool is_forged(int err)
{
    return err == SG_ECANONICAL || err == SG_ESHAPE || err == SG_EUNKNOWN_GATEWAY ||
           err == SG_ESTATEMENT_SIGNATURE || err == SG_ERELAY || err == SG_EREADER || err == SG_EMINUTE;
}

void lg_peer_evidence_judged(struct lg_peer *peer)
{
    if (is_forged(peer->judged)) {
        peer->evidence_from = 0;
        lg_peer_ban(peer, sg_err_code(peer->judged), LG_POLL_BAD_MS);
    } else if (peer->more && ++peer->evidence_pages < LG_EVIDENCE_PAGES_MAX)
        ask_page(peer);
    else
        ended(peer);
}
