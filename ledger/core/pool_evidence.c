/* Evidence: two statements of one gateway with one (gw, inc, seq).
 *
 * The second of a pair never enters the pool, so evidence is looked for among what an offer's judgement has rejected:
 *
 *   rejected, another one with its number is held         -> kept, the two are a pair
 *   rejected, another one with its number follows in the  -> both are kept: a pair that a peer hands on needs no place on any branch,
 *   same offer, and that one is well signed too              and no bodies
 *
 * Invariants: only a statement whose signature, slot, relays and minutes are good (lg_statement_check) is kept, so nobody can accuse another;
 * nothing kept here is mined by this node. The store bounds it: the first two, 64 pairs a gateway.
 * Refuses to keep what is early: it may be offered again. */
#include "ledger/core/pool_intake.h"

static bool same_number(const struct lg_statement *a, const struct lg_statement *b)
{
    return a->gw == b->gw && a->inc == b->inc && a->seq == b->seq;
}

static bool is_due(const struct lg_engine *e, const struct lg_statement *s)
{
    return s->ts <= e->now + e->genesis->policy.max_future_ms;
}

/* Early ones that are passed over: whoever signs one number more often than twice has shown enough. */
#define EARLY_MAX 8

/* The next one of the offer with this number and a good signature; NULL: none. Its bytes are others: copies are not judged. SG_ENOMEM. */
static int twin(struct lg_intake *in, const struct lg_statement **out, const struct lg_intake_statement *is)
{
    struct lg_engine *e = in->e;
    *out = NULL;
    const struct lg_intake_statement *end = in->statements + in->nstatements;
    unsigned early = 0;
    for (const struct lg_intake_statement *next = is + 1;
         next < end && same_number(next->s, is->s) && early < EARLY_MAX; next++) {
        if (!is_due(e, next->s)) {
            early++;
            continue;
        }
        bool verified = lg_seen_get(&e->verified, &next->s->leaf) != 0;
        int err = lg_statement_check(next->s, e->genesis, e->config.crypto, verified);
        if (err != 0) { /* one attempt: an offer of forged twins costs no more than one that is not */
            return err == SG_ENOMEM ? err : 0;
        }
        lg_seen_put(&e->verified, &next->s->leaf, 1);
        *out = next->s;
        return 0;
    }
    return 0;
}

static int keep(struct lg_intake *in, const struct lg_statement *s)
{
    const struct lg_store *store = in->e->store;
    int err = lg_intake_begin_writing(in);
    return err != 0 ? err : store->put_evidence(store->ctx, s);
}

int lg_intake_evidence(struct lg_intake *in, const struct lg_intake_statement *is)
{
    const struct lg_store *store = in->e->store;
    const struct lg_statement *s = is->s, *other;
    struct lg_hash leaf;
    unsigned variants;
    if (lg_seen_get(&in->e->verified, &s->leaf) == 0 || !is_due(in->e, s)) {
        return 0;
    }
    int err = store->statement_at(store->ctx, &leaf, &variants, s->gw, s->inc, s->seq);
    if (err == 0) {
        return variants < 2 && !lg_hash_eq(&leaf, &s->leaf) ? keep(in, s) : 0;
    }
    if (err != SG_ENOT_FOUND) {
        return err;
    }
    err = twin(in, &other, is);
    if (err != 0 || other == NULL) {
        return err;
    }
    err = keep(in, s);
    return err != 0 ? err : keep(in, other);
}
