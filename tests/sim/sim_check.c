/* The promises of the contract, looked at after every call into an engine and at rest. Each one names what is broken. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- after every call ---- */

/* From the new tip back to what was judged before: each of them valid, with the weight that it claims, and nothing of it early. */
static void check_tip(struct sim *s, unsigned m, const struct lg_block_info *tip)
{
    const struct lg_store *store = mem_store_vtable(s->machines[m].node.store);
    struct lg_block_info info = *tip;
    struct sim_doc *docs[256];
    unsigned n = 0;
    while (info.height > 0 && sim_judge_find(s, &info.hash) == NULL && n < SG_ARRAY_LEN(docs)) {
        struct sg_buf doc;
        bool best;
        sg_buf_init(&doc, SIZE_MAX);
        if (store->block_bytes(store->ctx, &doc, &info.hash) != 0)
            abort();
        docs[n++] = sim_judge_intern(s, &info.hash, doc.p, doc.len);
        sg_buf_fini(&doc);
        struct lg_hash prev = info.prev;
        if (info.height == 1 || store->block_info(store->ctx, &info, &best, &prev) != 0)
            break;
    }
    while (n > 0) {
        const struct sim_block *x = sim_judge_block(s, docs[--n]);
        if (!x->judged || x->verdict != 0) {
            sim_violate(s, "node %u adopts a block of height %" PRId64 " that is not valid: %s", m,
                x->info.height, x->judged ? sg_err_code(x->verdict) : "no parent");
            return;
        }
    }
    const struct sim_block *x = sim_judge_find(s, &tip->hash);
    if (x == NULL)
        sim_violate(s, "node %u: tip of height %" PRId64 " is not valid", m, tip->height);
    else if (x->info.weight_sum != tip->weight_sum || x->info.height != tip->height ||
             x->info.weight != tip->weight)
        sim_violate(s, "node %u stores weight %" PRId64 " of sum %" PRId64 ", it is %" PRId64 " of %" PRId64,
            m, tip->weight, tip->weight_sum, x->info.weight, x->info.weight_sum);
    else
        sim_judge_adopted(s, x);
}

static void check_bounds(struct sim *s, unsigned m, const struct lg_engine_state *st)
{
    if (st->pool_bytes > (UINT64_C(64) << 20) || st->orphans > 256 || st->held > 256)
        sim_violate(s, "node %u: a bound is passed: pool %zu bytes, %u orphans, %u held", m, st->pool_bytes,
            st->orphans, st->held);
    if (st->pool_statements + st->pool_bodies != mem_store_pooled(s->machines[m].node.store))
        sim_violate(s, "node %u: the pool in memory (%u + %u) is not the one on disk (%zu)", m,
            st->pool_statements, st->pool_bodies, mem_store_pooled(s->machines[m].node.store));
}

static void check_moved(struct sim *s, unsigned m, const struct lg_engine_state *st)
{
    struct sim_node *n = &s->machines[m].node;
    s->moved = s->now;
    bool took_off = st->reorgs != 0 && n->seen_reorgs != st->reorgs;
    sim_trace(s, st->tip.hash.b, 8);
    sim_say(s,
        "node %u tip %02x%02x height %" PRId64 " slot %" PRId64 " weight %" PRId64 " of %" PRId64 " by %u", m,
        st->tip.hash.b[0], st->tip.hash.b[1], st->tip.height, st->tip.slot - SIM_MINUTE, st->tip.weight,
        st->tip.weight_sum, sim_gw_index(s, st->tip.miner));
    if (st->tip.height > 0)
        check_tip(s, m, &st->tip);
    if (!n->opening && st->tip.height > 0 && st->tip.time > sim_wall(s, m))
        sim_violate(s, "node %u adopts a block that lies ahead of its clock", m);
    n->seen_reorgs = st->reorgs;
    n->tip = st->tip;
    if (took_off)
        sim_check_promises(s, m, 24 * s->ngws);
}

void sim_check_node(struct sim *s, unsigned m)
{
    struct sim_node *n = &s->machines[m].node;
    struct lg_engine_state st;
    if (n->engine == NULL || s->broken)
        return;
    lg_engine_pow.state(n->engine, &st);
    mem_store_peek(n->store, true);
    check_bounds(s, m, &st);
    if (mem_store_in_transaction(n->store))
        sim_violate(s, "node %u leaves a transaction open", m);
    if (!lg_hash_eq(&st.tip.hash, &n->tip.hash))
        check_moved(s, m, &st);
    mem_store_peek(n->store, false);
}

static void check_offered(struct sim *s, unsigned m, struct sim_doc *d, int err)
{
    struct sim_node *n = &s->machines[m].node;
    const struct lg_store *store = mem_store_vtable(n->store);
    const struct sim_block *x = sim_judge_block(s, d);
    struct lg_block_info info;
    bool best;
    if (err == SG_ENOSPC || !x->judged || !x->decodes)
        return;
    bool has = store->block_info(store->ctx, &info, &best, &x->hash) == 0;
    if (x->verdict != 0) {
        if (has && sim_judge_known(s, &x->hash) == NULL)
            sim_violate(s, "node %u keeps an invalid block (%s)", m, sg_err_code(x->verdict));
        return;
    }
    bool parent = x->parent == NULL || store->block_info(store->ctx, &info, &best, &x->prev) == 0;
    /* one that was held because it was early is judged by the next tick */
    if (!parent || sim_early(s, m, x) || lg_engine_pow.wake_at(n->engine) <= sim_wall(s, m))
        return;
    if (err != 0)
        sim_violate(s, "node %u refuses a valid block of height %" PRId64 ": %s", m, x->info.height,
            sg_err_code(err));
    const struct sim_block *tip = n->tip.height == 0 ? NULL : sim_judge_find(s, &n->tip.hash);
    if (!s->broken && sim_branch_cmp(s, x, tip) < 0)
        sim_violate(s,
            "node %u keeps tip %02x%02x of height %" PRId64 " weight %" PRId64
            " when it has a better one %02x%02x of height %" PRId64 " weight %" PRId64,
            m, n->tip.hash.b[0], n->tip.hash.b[1], n->tip.height, n->tip.weight_sum, x->info.hash.b[0],
            x->info.hash.b[1], x->info.height, x->info.weight_sum);
}

void sim_check_offered(struct sim *s, unsigned m, struct sim_doc *d, int err)
{
    mem_store_peek(s->machines[m].node.store, true);
    check_offered(s, m, d, err);
    mem_store_peek(s->machines[m].node.store, false);
}

/* Anything of it ahead of the clock of m? */
bool sim_early(const struct sim *s, unsigned m, const struct sim_block *x)
{
    return x->due > sim_wall(s, m);
}

/* ---- what was acknowledged ---- */

void sim_check_acked(struct sim *s, unsigned m, const struct lg_hash *leaf)
{
    struct sim_node *n = &s->machines[m].node;
    const struct lg_store *store = mem_store_vtable(n->store);
    enum lg_doc_state state = LG_DOC_NONE;
    mem_store_peek(n->store, true);
    if (store->statement_state(store->ctx, &state, NULL, leaf) != 0 || state == LG_DOC_NONE ||
        state == LG_DOC_SIDE)
        sim_violate(s, "node %u acknowledges a statement that it does not hold", m);
    if (!mem_store_is_synced(n->store))
        sim_violate(s, "node %u acknowledges a statement that is not on its disk", m);
    mem_store_peek(n->store, false);
    if (n->nacked == n->cap_acked) {
        n->cap_acked = n->cap_acked == 0 ? 64 : n->cap_acked * 2;
        n->acked = realloc(n->acked, n->cap_acked * sizeof *n->acked);
        if (n->acked == NULL)
            abort();
    }
    n->acked[n->nacked++] = *leaf;
    uintptr_t by = (uintptr_t)lg_map_get(&s->judge.acked, leaf) | (uintptr_t)1 << m;
    if (lg_map_put(&s->judge.acked, leaf, (void *)by) != 0)
        abort();
}

void sim_check_believed(struct sim *s, unsigned m, unsigned node, const struct lg_hash *leaf)
{
    if (((uintptr_t)lg_map_get(&s->judge.acked, leaf) >> node & 1) == 0)
        sim_violate(s, "gateway %u takes a statement for acknowledged that node %u never had", m, node);
}

/* Everything whose sync returned, and of what was under way all or nothing. */
void sim_check_disk(struct sim *s, unsigned m)
{
    if (!mem_store_is_durable(s->machines[m].node.store))
        sim_violate(s, "node %u finds on its disk what was never durable", m);
}

/* What a reorganisation can have taken off was acknowledged lately: more is looked at hourly and when a process starts, all in the
 * end (check_held). */
void sim_check_promises(struct sim *s, unsigned m, size_t newest)
{
    struct sim_node *n = &s->machines[m].node;
    const struct lg_store *store = mem_store_vtable(n->store);
    size_t from = n->nacked > newest ? n->nacked - newest : 0;
    for (size_t i = from; i < n->nacked && !s->broken; i++) {
        enum lg_doc_state state = LG_DOC_NONE;
        if (store->statement_state(store->ctx, &state, NULL, &n->acked[i]) != 0 || state == LG_DOC_NONE ||
            state == LG_DOC_SIDE)
            sim_violate(s, "node %u has lost a statement that it had acknowledged", m);
    }
}

void sim_check_reopened(struct sim *s, unsigned m)
{
    struct sim_node *n = &s->machines[m].node;
    const struct lg_store *store = mem_store_vtable(n->store);
    struct lg_engine_state st;
    struct lg_block_info tip;
    lg_engine_pow.state(n->engine, &st);
    if (store->tip(store->ctx, &tip) != 0)
        tip = (struct lg_block_info){.hash = s->g->id};
    if (!lg_hash_eq(&tip.hash, &st.tip.hash))
        sim_violate(s, "node %u starts with another tip than the one on disk", m);
    sim_check_promises(s, m, (size_t)180 * s->ngws); /* of the last hours */
}

/* (gw, inc, seq) as a key. */
struct lg_hash sim_place_in_chain(unsigned gw, sg_ms inc, int64_t seq)
{
    uint8_t text[24] = {'s'};
    struct lg_hash key;
    sg_put_be64(text, gw + 1);
    sg_put_be64(text + 8, (uint64_t)inc);
    sg_put_be64(text + 16, (uint64_t)seq);
    sg_sha256(key.b, text, sizeof text);
    return key;
}

void sim_check_signed(struct sim *s, unsigned m, const struct sim_said *said)
{
    struct lg_hash key = sim_place_in_chain(m, said->inc, said->seq);
    if (lg_map_get(&s->judge.signed_by, &key) != NULL)
        sim_violate(
            s, "gateway %u signs twice for incarnation %" PRId64 " number %" PRId64, m, said->inc, said->seq);
    if (lg_map_put(&s->judge.signed_by, &key, said->calm ? (void *)s : &s->machines[m]) != 0 ||
        lg_map_put(&s->judge.signed_by, &said->leaf, &s->machines[m]) != 0)
        abort();
}
