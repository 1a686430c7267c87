/* Offering statements to the ledger nodes: gateway/commit.c. A cursor a node; only an answer that says accepted or known
 * acknowledges. */
#include "tests/sim/sim.h"

#include <string.h>

#define PATIENCE_MIN_MS 250
#define PATIENCE_MAX_MS 15000
#define CALL_MS         8000

static void be_patient(struct sim *s, struct sim_ledger *l)
{
    l->retry = s->now + l->patience;
    l->patience = l->patience * 2 < PATIENCE_MAX_MS ? l->patience * 2 : PATIENCE_MAX_MS;
}

/* The document of these rows; the last one again when they are the same. */
static struct sim_doc *offer_of(struct sim *s, struct sim_gateway *g, const struct sim_ledger *l)
{
    struct sim_offer o;
    if (g->last_offer != NULL && g->last_n == l->n &&
        memcmp(g->last_rows, l->rows, l->n * sizeof l->rows[0]) == 0)
        return sim_doc_ref(g->last_offer);
    sim_offer_init(&o);
    for (unsigned i = 0; i < l->n; i++) {
        const struct sim_said *r = &g->box.said[l->rows[i] - 1];
        sim_offer_add(&o, false, r->doc->b, r->doc->len, &r->leaf);
        for (unsigned k = 0; k < r->nitems; k++) {
            const struct sim_item *it = &g->box.items[r->items[k]];
            struct lg_hash digest;
            if (!it->is_read)
                continue;
            const struct sim_doc *body = sim_truth_body(s, it->relay, it->min, &digest);
            sim_offer_add(&o, true, body->b, body->len, &digest);
        }
    }
    sim_doc_drop(g->last_offer);
    g->last_offer = sim_offer_end(s, &o);
    g->last_n = l->n;
    memcpy(g->last_rows, l->rows, l->n * sizeof l->rows[0]);
    return sim_doc_ref(g->last_offer);
}

static void send(struct sim *s, unsigned m, struct sim_ledger *l)
{
    struct sim_gateway *g = &s->machines[m].gw;
    struct sim_msg *msg = sim_msg_new(MSG_OFFER, m, l->m);
    for (unsigned i = 0; i < l->n; i++)
        msg->hashes[i] = g->box.said[l->rows[i] - 1].leaf;
    msg->docs[msg->n++] = offer_of(s, g, l);
    msg->codes[0] = (int)l->n;
    msg->id = l->offer_id = s->next_id++;
    l->busy = true;
    l->offer_until = s->now + CALL_MS;
    sim_send(s, msg);
}

void sim_commit_kick(struct sim *s, unsigned m)
{
    struct sim_gateway *g = &s->machines[m].gw;
    for (unsigned i = 0; i < g->nledgers; i++) {
        struct sim_ledger *l = &g->ledgers[i];
        if (l->patience == 0)
            l->patience = PATIENCE_MIN_MS;
        if (l->busy && s->now >= l->offer_until) {
            l->busy = false;
            be_patient(s, l);
        }
        if (l->busy || s->now < l->retry)
            continue;
        int64_t from = l->next;
        for (l->n = 0; l->n < SIM_BATCH; l->n++) {
            const struct sim_said *r = sim_outbox_next(&g->box, from, from < l->all_until);
            if (r == NULL)
                break;
            l->rows[l->n] = r->id;
            from = r->id + 1;
        }
        if (l->n > 0)
            send(s, m, l);
    }
}

/* Its predecessor is unknown there: go back 1, 2, 4 ... statements of the incarnation. */
static bool step_back(struct sim_gateway *g, struct sim_ledger *l, const struct sim_said *row)
{
    const struct sim_said *earlier = NULL;
    l->gap_step = l->gap_step > 0 ? l->gap_step * 2 : 1;
    for (int64_t step = l->gap_step; step > 0 && earlier == NULL; step /= 2)
        earlier = sim_outbox_find(&g->box, row->inc, row->seq > step ? row->seq - step : 1);
    if (earlier == NULL || earlier->id >= row->id)
        return false;
    if (l->all_until < row->id)
        l->all_until = row->id;
    l->next = earlier->id;
    return true;
}

/* True when the statements after it may go on now. */
static bool refused(struct sim *s, unsigned m, struct sim_ledger *l, struct sim_said *row, int err)
{
    struct sim_gateway *g = &s->machines[m].gw;
    if (err == SG_EFUTURE || err == SG_EOVERLOADED || err == SG_ENOT_READY || err == SG_ENOSPC) {
        be_patient(s, l);
        return false;
    }
    if (err == SG_EGAP) {
        if (row->id != l->rows[0]) {
            l->next = row->id;
            return false;
        }
        if (step_back(g, l, row))
            return false;
    }
    sim_say(s, "node %u refuses statement %lld of gateway %u: %s", l->m, (long long)row->seq, m,
        sg_err_code(err));
    l->next = row->id + 1;
    l->gap_step = 0;
    if (l == sim_gateway_home(g))
        sim_gateway_give_up(s, m, row->inc);
    if (l != sim_gateway_home(g) || err == SG_EGAP)
        be_patient(s, l);
    return true;
}

void sim_commit_answer(struct sim *s, unsigned m, struct sim_msg *msg)
{
    struct sim_gateway *g = &s->machines[m].gw;
    for (unsigned i = 0; i < g->nledgers; i++) {
        struct sim_ledger *l = &g->ledgers[i];
        bool late = s->opt.bug == SIM_BUG_LATE && msg->from == l->m;
        if (!l->busy || (l->offer_id != msg->id && !late))
            continue;
        l->busy = false;
        for (unsigned k = 0; k < l->n && k < msg->n; k++) {
            struct sim_said *row = &g->box.said[l->rows[k] - 1];
            if (msg->codes[k] != 0) {
                if (!refused(s, m, l, row, msg->codes[k]))
                    return;
                continue;
            }
            sim_check_believed(s, m, l->m, &row->leaf);
            sim_outbox_acked(&g->box, row);
            l->next = row->id + 1;
            l->gap_step = 0;
            l->patience = PATIENCE_MIN_MS;
        }
        return;
    }
}

void sim_commit_rewind(struct sim *s, unsigned m, unsigned ledger, int64_t id)
{
    struct sim_ledger *l = &s->machines[m].gw.ledgers[ledger];
    if (id < l->next)
        l->next = id;
}

sg_ms sim_commit_wake(const struct sim_gateway *g)
{
    sg_ms wake = INT64_MAX;
    for (unsigned i = 0; i < g->nledgers; i++) {
        const struct sim_ledger *l = &g->ledgers[i];
        sg_ms at = l->busy ? l->offer_until : l->n > 0 ? l->retry : INT64_MAX;
        wake = at < wake ? at : wake;
    }
    return wake;
}
