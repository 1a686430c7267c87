/* The rules of a statement, piece by piece: the pool asks those that no branch decides (lg_statement_check), a block's
 * check asks all of them with the branch's questions in between. */
#include "ledger/core/parse.h"
#include "ledger/core/validity.h"
#include "ledger/core/validity_parts.h"

int lg_statement_cmp(const struct lg_statement *a, const struct lg_statement *b)
{
    if (a->gw != b->gw)
        return a->gw < b->gw ? -1 : 1;
    if (a->inc != b->inc)
        return a->inc < b->inc ? -1 : 1;
    return (a->seq > b->seq) - (a->seq < b->seq);
}

void lg_statement_ref_of(struct lg_statement_ref *out, const struct lg_statement *s, int64_t height)
{
    *out = (struct lg_statement_ref){.gw = s->gw,
        .inc = s->inc,
        .seq = s->seq,
        .slot = s->slot,
        .ts = s->ts,
        .leaf = s->leaf,
        .height = height};
}

/* SG_EUNKNOWN_GATEWAY, SG_ESTATEMENT_SIGNATURE; SG_ENOMEM is no verdict. */
static int check_signed(const struct lg_statement *s, const struct lg_genesis *g,
    const struct sg_crypto *crypto, struct sg_buf *scratch)
{
    const struct lg_gateway *gw = lg_genesis_gateway(g, s->gw);

    if (!gw)
        return SG_EUNKNOWN_GATEWAY;
    sg_buf_reset(scratch);
    lg_statement_signed_bytes(scratch, s);
    if (sg_buf_err(scratch))
        return sg_buf_err(scratch);
    int err = crypto->verify(gw->key, s->sig, scratch->p, scratch->len);
    return err == SG_ESIGNATURE ? SG_ESTATEMENT_SIGNATURE : err;
}

int lg_statement_check_signature(
    const struct lg_statement *s, const struct lg_rules *r, struct sg_buf *scratch)
{
    int err;

    if (!lg_genesis_gateway(r->genesis, s->gw))
        return SG_EUNKNOWN_GATEWAY;
    if (r->verified.has && r->verified.has(r->verified.ctx, &s->leaf))
        return 0;
    err = check_signed(s, r->genesis, r->crypto, scratch);
    if (err == 0 && r->verified.add)
        r->verified.add(r->verified.ctx, &s->leaf);
    return err;
}

int lg_statement_check_slot(const struct lg_statement *s)
{
    return s->ts < (s->slot + 1) * SG_MINUTE_MS || s->inc > s->ts ? SG_ESTATEMENT_SLOT : 0;
}

/* Names come sorted, as the genesis's relays do: most often the one after the last, or the last again. */
static const struct lg_relay *find_relay(
    const struct lg_genesis *g, const struct lg_relay *last, struct lg_name name)
{
    const struct lg_relay *next = last ? last + 1 : g->relays;

    if (last && lg_name_eq(lg_name_of(last->id), name))
        return last;
    if (next < g->relays + g->nrelays && lg_name_eq(lg_name_of(next->id), name))
        return next;
    return lg_genesis_relay(g, name.p, name.len);
}

/* SG_ERELAY, SG_EREADER for one entry; *relay is the last one found. */
static int check_relay(
    const struct lg_relay **relay, const struct lg_genesis *g, struct lg_name name, lg_kid gw)
{
    const struct lg_relay *r = find_relay(g, *relay, name);

    if (!r)
        return SG_ERELAY;
    *relay = r;
    return lg_relay_has_reader(r, gw) ? 0 : SG_EREADER;
}

int lg_statement_check_relays(const struct lg_statement *s, const struct lg_genesis *g)
{
    const struct lg_relay *relay = NULL;
    int err = 0;

    for (unsigned i = 0; i < s->nreads && err == 0; i++)
        err = check_relay(&relay, g, s->reads[i].relay, s->gw);
    relay = NULL;
    for (unsigned i = 0; i < s->ngaps && err == 0; i++)
        err = check_relay(&relay, g, s->gaps[i].relay, s->gw);
    return err;
}

int lg_statement_check_minute(
    const struct lg_statement *s, sg_minute from, sg_minute to, const struct lg_genesis *g)
{
    return from < g->minute || from < s->slot - (LG_KEEP_SLOTS - 1) || to > s->slot ? SG_EMINUTE : 0;
}

int lg_statement_check(
    const struct lg_statement *s, const struct lg_genesis *g, const struct sg_crypto *crypto, bool verified)
{
    struct sg_buf scratch;
    int err = lg_genesis_gateway(g, s->gw) ? 0 : SG_EUNKNOWN_GATEWAY;

    if (err == 0 && !verified) {
        sg_buf_init(&scratch, SIZE_MAX / 4);
        err = check_signed(s, g, crypto, &scratch);
        sg_buf_fini(&scratch);
    }
    if (err == 0)
        err = lg_statement_check_slot(s);
    if (err == 0)
        err = lg_statement_check_relays(s, g);
    for (unsigned i = 0; i < s->nreads && err == 0; i++)
        err = lg_statement_check_minute(s, s->reads[i].min, s->reads[i].min, g);
    for (unsigned i = 0; i < s->ngaps && err == 0; i++)
        err = lg_statement_check_minute(s, s->gaps[i].from, s->gaps[i].to, g);
    return err;
}

int lg_statement_follows(
    const struct lg_statement *s, const struct lg_statement_ref *last, const struct lg_genesis *g)
{
    bool first = s->seq == 1 && lg_hash_eq(&s->prev, &g->id);
    bool next = last && s->inc == last->inc && s->seq == last->seq + 1 && lg_hash_eq(&s->prev, &last->leaf);

    if (!next && !(first && (!last || s->inc > last->inc)))
        return SG_ESTATEMENT_CHAIN;
    return last && s->slot <= last->slot ? SG_ESTATEMENT_SLOT : 0;
}

int lg_block_weigh(
    int64_t *weight, struct lg_statement *const *statements, unsigned n, const struct lg_view *view)
{
    const struct lg_hash *asked = NULL; /* honest statements of a slot share one tip: ask once */
    bool is_ancestor = false, counted = false;
    int64_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        const struct lg_statement *s = statements[i];

        if (i > 0 && s->gw < statements[i - 1]->gw)
            return SG_EINVAL;
        if (i == 0 || s->gw != statements[i - 1]->gw)
            counted = false;
        if (counted)
            continue;
        if (!asked || !lg_hash_eq(asked, &s->tip)) {
            int err = view->ancestor(view->ctx, &s->tip);

            if (err && err != SG_ENOT_FOUND)
                return err;
            is_ancestor = err == 0;
            asked = &s->tip;
        }
        counted = is_ancestor;
        sum += counted;
    }
    *weight = sum;
    return 0;
}
