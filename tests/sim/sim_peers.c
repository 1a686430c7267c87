/* How nodes ask each other: ledger/peer_sync.c in messages. Every net.poll ms the peers of a node are asked where they stand; a tip that is not known here
 * brings pages of blocks from the newest common one on; pools are exchanged when a peer comes back and at intervals. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#define FETCH_MS   8000
#define BAN_MS     60000 /* LG_POLL_BAD_MS, doubled up to six times */
#define BAN_DOUBLE 6
#define FRUITLESS  3
#define POOL_POLLS                                                                                           \
    2 /* as polls are 2 minutes apart at most: a pool is asked for before a good network is demanded of (20 s in the product) */

static bool knows(const struct sim *s, unsigned m, const struct lg_hash *hash)
{
    const struct lg_store *store = mem_store_vtable(s->machines[m].node.store);
    struct lg_block_info info;
    bool best;
    return lg_hash_eq(hash, &s->g->id) || store->block_info(store->ctx, &info, &best, hash) == 0;
}

void sim_peers_start(struct sim *s, unsigned m)
{
    struct sim_node *n = &s->machines[m].node;
    for (unsigned p = 0; p < s->npeers; p++)
        n->peers[p] = (struct sim_peer){.wants_pool = true};
    sim_at(s, s->now + sim_between(&s->rng, 0, 200), EV_POLL, m, s->machines[m].process, 0);
}

/* An answer counts when it is to the last question and within the deadline of a call. */
static void send_status(struct sim *s, unsigned m, unsigned p)
{
    struct sim_peer *peer = &s->machines[m].node.peers[p];
    struct sim_msg *msg = sim_msg_new(MSG_STATUS, m, p);
    peer->status_id = msg->id = s->next_id++;
    peer->status_until = s->now + FETCH_MS;
    sim_send(s, msg);
}

static void ask_status(struct sim *s, unsigned m, unsigned p)
{
    struct sim_peer *peer = &s->machines[m].node.peers[p];
    if (peer->waiting) { /* the last question was never answered */
        peer->answered = false;
        peer->wants_pool = true;
        peer->tried = true;
    }
    peer->waiting = true;
    peer->polls++;
    send_status(s, m, p);
}

void sim_peers_poll(struct sim *s, unsigned m)
{
    if (s->machines[m].node.engine == NULL)
        return;
    for (unsigned p = 0; p < s->npeers; p++)
        if (s->net.peers[m][p] && s->machines[m].node.peers[p].banned_until <= s->now)
            ask_status(s, m, p);
    sim_at(s, s->now + s->net.poll + sim_between(&s->rng, 0, 500), EV_POLL, m, s->machines[m].process, 0);
}

void sim_peers_want(struct sim *s, unsigned m)
{
    struct sim_node *n = &s->machines[m].node;
    for (unsigned p = 0; p < s->npeers; p++)
        if (s->net.peers[m][p] && n->peers[p].fetching_until < s->now && n->peers[p].banned_until <= s->now)
            send_status(s, m, p);
}

/* ---- bans ---- */

/* What no node that keeps the contract does (lg_peer_accused). */
static bool is_accused(int err)
{
    return err <= SG_ECANONICAL && err != SG_EFUTURE && err != SG_EOVERLOADED && err != SG_ENOT_READY;
}

static void ban(struct sim *s, unsigned m, unsigned p, const char *why)
{
    struct sim_peer *peer = &s->machines[m].node.peers[p];
    sim_say(s, "node %u bans %u: %s", m, p, why);
    s->stats.bans++;
    if (p != s->keyless && s->machines[p].honest)
        sim_violate(s, "node %u bans honest node %u: %s", m, p, why);
    peer->banned_until = s->now + (BAN_MS << (peer->bans < BAN_DOUBLE ? peer->bans : BAN_DOUBLE));
    peer->bans++;
    peer->fruitless = 0;
    peer->answered = peer->waiting = false;
    peer->tried = peer->wants_pool = true;
}

void sim_peers_judged(struct sim *s, unsigned m, unsigned p, int err)
{
    if (is_accused(err) && s->machines[m].node.engine != NULL)
        ban(s, m, p, sg_err_code(err));
}

/* A round is over, and its tip is not known, or it brought something. */
static void end_round(struct sim *s, unsigned m, unsigned p, int err)
{
    struct sim_peer *peer = &s->machines[m].node.peers[p];
    if (is_accused(err)) {
        ban(s, m, p, sg_err_code(err));
        return;
    }
    if (peer->took > 0)
        peer->fruitless = peer->bans = 0;
    else if (err == 0 && !mem_store_is_failing(s->machines[m].node.store) && ++peer->fruitless == FRUITLESS)
        ban(s, m, p, "withheld");
}

/* ---- blocks ---- */

/* Ask for what follows the newest common block: after the last block of a page, or hashes of the own branch at growing distances. */
static void fetch(struct sim *s, unsigned m, unsigned p, const struct sim_doc *after)
{
    struct sim_node *n = &s->machines[m].node;
    const struct lg_store *store = mem_store_vtable(n->store);
    struct sim_msg *msg = sim_msg_new(MSG_FETCH, m, p);
    struct lg_block_info info;
    int64_t step = 1;
    if (after != NULL && after->block != NULL && after->block->decodes)
        msg->hashes[msg->n++] = after->block->hash;
    for (int64_t h = n->tip.height; h > 0 && msg->n < SIM_BATCH; h -= step, step *= 2)
        if (store->block_at(store->ctx, &info, h) == 0)
            msg->hashes[msg->n++] = info.hash;
    n->peers[p].fetching_until = s->now + FETCH_MS;
    n->peers[p].fetch_id = msg->id = s->next_id++;
    sim_send(s, msg);
}

static void answer_fetch(struct sim *s, unsigned m, const struct sim_msg *ask)
{
    const struct lg_store *store = mem_store_vtable(s->machines[m].node.store);
    struct sim_msg *msg = sim_msg_new(MSG_PAGE, m, ask->from);
    struct lg_block_info info = {.height = 0};
    int64_t from = 1;
    msg->id = ask->id;
    for (unsigned i = 0; i < ask->n; i++) {
        bool best = false;
        if (store->block_info(store->ctx, &info, &best, &ask->hashes[i]) == 0 && best) {
            from = info.height + 1;
            break;
        }
    }
    while (msg->n < SIM_BATCH && store->block_at(store->ctx, &info, from) == 0) {
        struct sg_buf doc;
        sg_buf_init(&doc, SIZE_MAX);
        if (store->block_bytes(store->ctx, &doc, &info.hash) == 0)
            msg->docs[msg->n++] = sim_doc_ref(sim_judge_intern(s, &info.hash, doc.p, doc.len));
        sg_buf_fini(&doc);
        from++;
    }
    msg->more = msg->n == SIM_BATCH;
    if (mem_store_is_failing(s->machines[m].node.store))
        sim_msg_drop(msg); /* what it says of a disk that fails is that it cannot answer */
    else
        sim_send(s, msg);
}

/* Its last block is known now, and higher than that of the page before. */
static bool leads_on(struct sim *s, unsigned m, struct sim_peer *peer, const struct sim_msg *page)
{
    const struct sim_block *last = page->n == 0 ? NULL : sim_judge_block(s, page->docs[page->n - 1]);
    if (last == NULL || !last->judged || last->info.height <= peer->reached || !knows(s, m, &last->hash))
        return false;
    peer->reached = last->info.height;
    return true;
}

/* What was found of the first of its blocks that is refused, or 0; *took: how many were taken. Seeded faults look at one block at a time. */
static int judge_page(struct sim *s, unsigned m, const struct sim_msg *page, unsigned *took)
{
    struct sim_node *n = &s->machines[m].node;
    struct lg_block_offer results[SIM_BATCH];
    int err = 0;
    if (s->opt.bug == SIM_BUG_NONE)
        (void)sim_node_blocks(s, m, page->docs, page->n, (int)page->from, results);
    for (unsigned i = 0; i < page->n && err == 0 && n->engine != NULL && !s->broken; i++) {
        if (s->opt.bug != SIM_BUG_NONE) {
            results[i].err = sim_node_block(s, m, page->docs[i], (int)page->from);
            results[i].verdict = n->verdict;
        }
        err = results[i].err;
        *took += err == 0 && results[i].verdict == LG_BLOCK_ACCEPTED;
    }
    return err;
}

static void take_page(struct sim *s, unsigned m, struct sim_msg *page)
{
    struct sim_node *n = &s->machines[m].node;
    struct sim_peer *peer = &n->peers[page->from];
    if (peer->fetching_until < s->now || peer->fetch_id != page->id)
        return; /* nobody asked, or asked for something else */
    peer->fetching_until = 0;
    peer->fetch_id = 0;
    unsigned took = 0;
    bool early = false; /* held until it is due: such a tip is not unknown */
    int err = judge_page(s, m, page, &took);
    if (n->engine == NULL || s->broken)
        return;
    for (unsigned i = 0; i < page->n; i++)
        early = early || sim_early(s, m, sim_judge_block(s, page->docs[i]));
    peer->took += took;
    if (err == 0 && page->more && leads_on(s, m, peer, page))
        fetch(s, m, page->from, page->docs[page->n - 1]);
    else if (peer->took > 0 || (!early && !knows(s, m, &peer->tip)) || is_accused(err))
        end_round(s, m, page->from, err);
}

/* ---- pools ---- */

static int pool_put(void *arg, bool is_body, const uint8_t *doc, size_t len)
{
    struct sg_buf *both = arg;
    struct sg_buf *list = &both[is_body ? 0 : 1];
    if (list->len > 0)
        sg_buf_puts(list, ",");
    sg_buf_put(list, doc, len);
    return 0;
}

/* The whole pool as one offer; nothing when it is empty. */
static void add_pool(struct sim *s, unsigned m, struct sim_msg *msg)
{
    const struct lg_store *store = mem_store_vtable(s->machines[m].node.store);
    struct sg_buf both[2], doc;
    sg_buf_init(&both[0], SIZE_MAX);
    sg_buf_init(&both[1], SIZE_MAX);
    sg_buf_init(&doc, SIZE_MAX);
    if (mem_store_pooled(s->machines[m].node.store) > 0 &&
        store->pool_each(store->ctx, pool_put, both) == 0 && both[1].len > 0) {
        sg_buf_puts(&doc, "{\"bodies\":[");
        sg_buf_put(&doc, both[0].p, both[0].len);
        sg_buf_puts(&doc, "],\"statements\":[");
        sg_buf_put(&doc, both[1].p, both[1].len);
        sg_buf_puts(&doc, "]}");
        msg->docs[msg->n++] = sim_doc_new(doc.p, doc.len);
    }
    sg_buf_fini(&both[0]);
    sg_buf_fini(&both[1]);
    sg_buf_fini(&doc);
}

static void send_pool(struct sim *s, unsigned m, unsigned p, enum sim_msg_kind kind)
{
    struct sim_msg *msg = sim_msg_new(kind, m, p);
    add_pool(s, m, msg);
    if (msg->n == 0)
        sim_msg_drop(msg);
    else
        sim_send(s, msg);
}

/* ---- messages ---- */

static void take_status(struct sim *s, unsigned m, const struct sim_msg *msg)
{
    struct sim_peer *peer = &s->machines[m].node.peers[msg->from];
    if (peer->banned_until > s->now || peer->status_id != msg->id || peer->status_until < s->now)
        return;
    peer->status_id = 0;
    bool came_back = !peer->answered;
    peer->tried = peer->answered = true;
    peer->waiting = false;
    peer->tip = msg->hash;
    peer->tip_known = knows(s, m, &msg->hash);
    if (peer->tip_known)
        peer->fruitless = peer->bans = 0; /* lg_peer_up_to_date */
    if (!peer->tip_known && peer->fetching_until < s->now) {
        peer->took = 0;
        peer->reached = 0;
        fetch(s, m, msg->from, NULL);
    }
    if (came_back)
        send_pool(s, m, msg->from, MSG_STATEMENTS);
    if (peer->wants_pool || peer->polls % POOL_POLLS == 0) {
        peer->wants_pool = false;
        sim_send(s, sim_msg_new(MSG_POOL, m, msg->from));
    }
}

static void answer_status(struct sim *s, unsigned m, const struct sim_msg *msg)
{
    struct sim_msg *reply = sim_msg_new(MSG_STATUS_IS, m, msg->from);
    reply->id = msg->id;
    reply->hash = s->machines[m].node.tip.hash;
    reply->height = s->machines[m].node.tip.height;
    sim_send(s, reply);
}

void sim_peers_message(struct sim *s, unsigned m, struct sim_msg *msg)
{
    if (msg->kind == MSG_STATUS)
        answer_status(s, m, msg);
    else if (msg->kind == MSG_STATUS_IS)
        take_status(s, m, msg);
    else if (msg->kind == MSG_FETCH)
        answer_fetch(s, m, msg);
    else if (msg->kind == MSG_PAGE)
        take_page(s, m, msg);
    else if (msg->kind == MSG_POOL)
        send_pool(s, m, msg->from, MSG_POOL_IS);
}

const char *sim_node_not_ready(const struct sim *s, unsigned m)
{
    const struct sim_machine *x = &s->machines[m];
    const struct sim_node *n = &x->node;
    sg_ms parted = (sim_wall(s, m) - x->start_wall) - (sim_run_ms(s, m) - x->start_run);
    sg_ms limit = s->g->policy.max_future_ms;
    unsigned answering = 0, unknown = 0;
    bool all_tried = true;
    for (unsigned p = 0; p < s->npeers; p++) {
        if (!s->net.peers[m][p])
            continue;
        answering += n->peers[p].answered;
        unknown += n->peers[p].answered && !n->peers[p].tip_known;
        all_tried = all_tried && n->peers[p].tried;
    }
    if (parted > limit || parted < -limit)
        return "the clocks have parted";
    if (n->tip.height > 0 && n->tip.time > sim_wall(s, m))
        return "the tip lies ahead";
    if (answering > 0 && 2 * unknown > answering)
        return "behind";
    if (answering == 0 && s->nnodes > 1 && !all_tried)
        return "the peers have not been asked yet";
    if (answering == 0 && n->tip.height == 0 && sim_wall(s, m) < x->start_wall + 3 * SG_MINUTE_MS)
        return "an empty store, and no peer answers";
    return NULL;
}
