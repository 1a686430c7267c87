/* Rounds of questions to all ledger nodes.
 *
 * Invariant: a node is asked one thing at a time, in the order of enum gw_ledger_step; its answers are used whole or not at all.
 * Refuses: a node of another chain; an incarnation that no signature of the key proves. */
#include "gateway/ledgers.h"
#include "sg_log.h"

#include <string.h>

#define CALL_TIMEOUT_MS 5000 /* real */
#define STATEMENT_BYTES (2u << 20)

static const char part[] = "ledgers";

void gw_ledgers_init(struct gw_ledgers *l, const struct gw_ledgers_config *config)
{
    memset(l, 0, sizeof *l);
    l->config = *config;
    for (unsigned i = 0; i < config->n; i++) {
        l->all[i].owner = l;
        l->all[i].url = config->urls[i];
        l->all[i].step = GW_LEDGER_DONE;
        l->all[i].err = SG_EAGAIN;
    }
}

static void advance(struct gw_ledger *g, enum gw_ledger_step next);

/* The end of the round for this node. Changes are told once. */
static void finish(struct gw_ledger *g, int err)
{
    if (err && g->err != err)
        sg_log(SG_LOG_WARN, part, "%s: %s", g->url, sg_err_text(err));
    else if (!err && g->err != 0 && g->err != SG_EAGAIN)
        sg_log(SG_LOG_INFO, part, "%s: answers again", g->url);
    g->step = GW_LEDGER_DONE;
    g->asking = g->again = false;
    g->answered = !err;
    g->err = err;
}

static const struct lg_client_last *newest(const struct lg_client_gateway *g)
{
    return g->pool.inc > g->chain.inc ? &g->pool : &g->chain;
}

/* ---- answers ---- */

static void after_tip(struct gw_ledger *g)
{
    if (g->again)
        finish(g, 0);
    else
        advance(g, GW_LEDGER_GATEWAY);
}

static int take_status(struct gw_ledger *g, const struct sg_http_answer *answer)
{
    const struct gw_ledgers *l = g->owner;
    sg_ms now = l->config.clock->wall_ms(l->config.clock);
    struct lg_client_status s;
    int err = lg_client_status_parse(&s, answer);

    if (!err && !lg_hash_eq(&s.chain, &l->config.genesis->id))
        err = SG_ECHAIN;
    if (err)
        return err;
    g->status = s;
    g->has_clock = true;
    g->agrees = gw_trust_agrees(s.time, g->asked_ms, now, l->config.genesis->policy.max_future_ms);
    if (s.height == 0) {
        g->tip = (struct lg_client_header){.hash = l->config.genesis->id,
            .slot = l->config.genesis->minute - 1,
            .time = l->config.genesis->time};
        g->has_tip = true;
    } else if (!g->has_tip || !lg_hash_eq(&g->tip.hash, &s.tip)) {
        advance(g, GW_LEDGER_TIP);
        return 0;
    }
    after_tip(g);
    return 0;
}

/* The block at the tip's height as of now: after a reorganisation in between it is the newer truth. */
static int take_tip(struct gw_ledger *g, const struct sg_http_answer *answer)
{
    struct lg_client_header h;
    int err = lg_client_header_parse(&h, answer, g->status.height);

    if (err)
        return err;
    g->tip = h;
    g->has_tip = true;
    after_tip(g);
    return 0;
}

static void after_gateway(struct gw_ledger *g)
{
    const struct gw_ledgers *l = g->owner;

    if (l->made_inc == 0 || newest(&g->gateway)->inc <= l->made_inc) {
        finish(g, 0);
        return;
    }
    if (g->proof.inc != newest(&g->gateway)->inc)
        g->proof = *newest(&g->gateway);
    g->proof_steps = 0;
    advance(g, GW_LEDGER_PROOF);
}

static int take_gateway(struct gw_ledger *g, const struct sg_http_answer *answer)
{
    int err = lg_client_gateway_parse(&g->gateway, answer);

    if (err)
        return err;
    g->has_gateway = true;
    if (g->owner->want_ready)
        advance(g, GW_LEDGER_READY);
    else
        after_gateway(g);
    return 0;
}

static int take_ready(struct gw_ledger *g, const struct sg_http_answer *answer)
{
    int err = lg_client_ready_parse(g->why, answer);

    if (err && err != SG_ENOT_READY)
        return err;
    g->ready = !err;
    after_gateway(g);
    return 0;
}

/* Signed by this gateway's key? SG_ESTATEMENT_SIGNATURE: the node's word against the key, and the word does not count. */
static int check_signature(const struct gw_ledgers *l, const struct lg_statement *s)
{
    const struct lg_gateway *self = lg_genesis_gateway(l->config.genesis, l->config.kid);
    struct sg_buf bytes;
    int err;

    if (!self || s->gw != l->config.kid)
        return SG_ESTATEMENT_SIGNATURE;
    sg_buf_init(&bytes, STATEMENT_BYTES);
    lg_statement_signed_bytes(&bytes, s);
    err = sg_buf_err(&bytes);
    if (!err)
        err = sg_verify(self->key, s->sig, bytes.p, bytes.len);
    sg_buf_fini(&bytes);
    return err == SG_ESIGNATURE ? SG_ESTATEMENT_SIGNATURE : err;
}

/* The statement that was asked for, signed by the key. The first of an incarnation must begin on this chain: the same key may sign on another. */
static int judge_proof(struct gw_ledger *g, const struct lg_statement *s)
{
    const struct gw_ledgers *l = g->owner;
    int err;

    if (s->inc != g->proof.inc || s->seq != g->proof.seq || !lg_hash_eq(&s->leaf, &g->proof.leaf))
        return SG_EMALFORMED;
    err = check_signature(l, s);
    if (err || s->seq > 1)
        return err;
    return lg_hash_eq(&s->prev, &l->config.genesis->id) ? 0 : SG_ECHAIN;
}

/* Ask for the one before it, or know. */
static void follow_proof(struct gw_ledger *g, const struct lg_statement *s)
{
    struct gw_ledgers *l = g->owner;

    if (s->seq > 1) {
        g->proof.seq--;
        g->proof.leaf = s->prev;
    } else {
        if (s->inc > l->proven_inc)
            l->proven_inc = s->inc;
        g->proof.inc = 0;
    }
    if (g->proof.inc > 0 && ++g->proof_steps < GW_LEDGER_PROOF_STEPS)
        advance(g, GW_LEDGER_PROOF);
    else
        finish(g, 0);
}

static int take_proof(struct gw_ledger *g, const struct sg_http_answer *answer)
{
    struct lg_statement *s = NULL;
    struct sg_buf doc;
    int err;

    sg_buf_init(&doc, STATEMENT_BYTES);
    err = lg_client_statement_doc(&doc, answer);
    if (!err)
        err = lg_statement_decode(&s, doc.p, doc.len);
    if (!err)
        err = judge_proof(g, s);
    if (err)
        g->proof.inc = 0; /* from its last statement again, if it still says so */
    else
        follow_proof(g, s);
    lg_statement_free(s);
    sg_buf_fini(&doc);
    return err;
}

static void done(void *ctx, struct sg_http_answer *answer)
{
    static int (*const takes[])(struct gw_ledger *, const struct sg_http_answer *) = {
        [GW_LEDGER_STATUS] = take_status,
        [GW_LEDGER_TIP] = take_tip,
        [GW_LEDGER_GATEWAY] = take_gateway,
        [GW_LEDGER_READY] = take_ready,
        [GW_LEDGER_PROOF] = take_proof,
    };
    struct gw_ledger *g = ctx;
    int err;

    if (answer->err == SG_ESTOPPED) /* the client is going away: start nothing */
        return;
    err = takes[g->step](g, answer);
    if (err)
        finish(g, err);
}

/* ---- questions ---- */

static int url_of(struct gw_ledger *g, char url[static LG_CLIENT_URL_SIZE])
{
    switch (g->step) {
    case GW_LEDGER_STATUS:
        return lg_client_status_url(url, g->url);
    case GW_LEDGER_TIP:
        return lg_client_header_url(url, g->url, g->status.height);
    case GW_LEDGER_GATEWAY:
        return lg_client_gateway_url(url, g->url, g->owner->config.kid);
    case GW_LEDGER_READY:
        return lg_client_ready_url(url, g->url);
    case GW_LEDGER_PROOF:
        return lg_client_statement_url(url, g->url, &g->proof.leaf);
    case GW_LEDGER_DONE:
        break;
    }
    return SG_EINVAL;
}

static size_t answer_limit(enum gw_ledger_step step)
{
    return step == GW_LEDGER_STATUS  ? LG_CLIENT_MAX_STATUS
           : step == GW_LEDGER_PROOF ? STATEMENT_BYTES
                                     : LG_CLIENT_MAX_SMALL;
}

static void advance(struct gw_ledger *g, enum gw_ledger_step next)
{
    char url[LG_CLIENT_URL_SIZE];
    struct sg_http_call call = {.url = url, .timeout_ms = CALL_TIMEOUT_MS};
    int err;

    g->step = next;
    call.max_answer = answer_limit(next);
    err = url_of(g, url);
    if (!err)
        err = sg_http_client_start(g->owner->config.http, &call, done, g);
    if (err)
        finish(g, err);
}

void gw_ledgers_ask(struct gw_ledgers *l, bool want_ready, sg_ms made_inc)
{
    l->want_ready = want_ready;
    l->made_inc = made_inc;
    for (unsigned i = 0; i < l->config.n; i++) {
        struct gw_ledger *g = &l->all[i];

        if (g->asking) /* what it has said so far in this round stays */
            continue;
        g->answered = false;
        g->ready = false;
        g->has_clock = false;
        g->asking = true;
        g->why[0] = 0;
        g->asked_ms = l->config.clock->wall_ms(l->config.clock);
        advance(g, GW_LEDGER_STATUS);
    }
}

void gw_ledgers_ask_again(struct gw_ledgers *l, const struct gw_ledger *which)
{
    struct gw_ledger *g = &l->all[which - l->all];

    if (g->asking)
        return;
    g->asking = g->again = true;
    g->asked_ms = l->config.clock->wall_ms(l->config.clock);
    advance(g, GW_LEDGER_STATUS);
}

/* ---- what they said ---- */

bool gw_ledgers_settled(const struct gw_ledgers *l)
{
    for (unsigned i = 0; i < l->config.n; i++) {
        if (l->all[i].asking)
            return false;
    }
    return true;
}

const struct gw_ledger *gw_ledgers_home(const struct gw_ledgers *l)
{
    for (unsigned i = 0; i < l->config.n; i++) {
        if (l->all[i].answered)
            return &l->all[i];
    }
    return NULL;
}

const struct gw_ledger *gw_ledgers_ready(const struct gw_ledgers *l, const char **why)
{
    unsigned n = l->config.own_first ? 1 : l->config.n;

    *why = "no ledger node answers";
    for (unsigned i = 0; i < n; i++) {
        const struct gw_ledger *g = &l->all[i];

        if (g->answered && g->ready)
            return g;
        if (g->answered)
            *why = g->why[0] ? g->why : "the ledger node is not ready";
    }
    return NULL;
}

void gw_ledgers_clocks(const struct gw_ledgers *l, struct gw_trust_view *v)
{
    v->peers = v->peers_agree = 0;
    for (unsigned i = l->config.own_first ? 1 : 0; i < l->config.n; i++) {
        v->peers += l->all[i].has_clock;
        v->peers_agree += l->all[i].has_clock && l->all[i].agrees;
    }
}

/* A statement is made after its slot and held by nobody before its time: its inc and the end of its slot lie below the horizon. */
static bool is_possible(const struct lg_client_gateway *g, sg_ms horizon)
{
    return g->greatest_inc <= horizon && g->greatest_slot < horizon / SG_MINUTE_MS;
}

void gw_ledgers_known(const struct gw_ledgers *l, struct gw_witness_known *known, sg_ms now_ms)
{
    sg_ms horizon = now_ms + l->config.genesis->policy.max_future_ms;
    const struct gw_ledger *home = gw_ledgers_home(l);

    known->inc = 0;
    known->slot = -1;
    for (unsigned i = 0; i < l->config.n; i++) {
        const struct gw_ledger *g = &l->all[i];

        if (!g->answered || g->gateway.greatest_inc == 0)
            continue;
        if (g != home && !is_possible(&g->gateway, horizon)) {
            sg_log(SG_LOG_WARN, part, "%s: names an incarnation or slot that lies in the future; passed over",
                g->url);
            continue;
        }
        if (g->gateway.greatest_inc > known->inc)
            known->inc = g->gateway.greatest_inc;
        if (g->gateway.greatest_slot > known->slot)
            known->slot = g->gateway.greatest_slot;
    }
}
