/* The chain thread: the only one that touches the engine and writes the store.
 *
 * It takes offers from the bounded queue, one at a time, wakes the engine when it asked to be woken, and
 * publishes a copy of the engine's state after each step. An error of the store that the contract calls final (I/O,
 * corruption) ends it: nothing more is acknowledged, REST stays readable, and the owner of the node is told. */
#include "ledger/node_priv.h"
#include "ledger/rest.h"
#include "sg_log.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#define PART "chain"
/* Longest sleep, real ms: a wall clock that is stepped is noticed this soon. */
#define MAX_SLEEP_MS 1000
#define PROGRESS_MS  10000 /* between two lines of log about a first sync, real */

/* ---- what the engine asks of its node ---- */

static void host_work(void *ctx, const struct lg_job *job)
{
    struct lg_node *n = ctx;
    lg_miner_set(n->miner, job);
}

static void host_work_stop(void *ctx)
{
    struct lg_node *n = ctx;
    lg_miner_clear(n->miner);
}

static void host_announce_block(void *ctx, const struct lg_block *b, int from)
{
    struct lg_node *n = ctx;
    lg_peers_announce_block(n->peers, b, from);
}

static void host_announce_statements(void *ctx, struct lg_statement *const *s, unsigned ns,
    struct lg_body *const *bodies, unsigned nb, int from)
{
    struct lg_node *n = ctx;
    lg_node_remember_held(n, s, ns);
    lg_peers_announce_statements(n->peers, s, ns, bodies, nb, from);
    lg_node_tell_pooled(n, s, ns);
}

static void host_want_block(void *ctx, const struct lg_hash *hash, int from)
{
    struct lg_node *n = ctx;
    (void)hash; /* blocks are fetched by height from the newest common one on */
    (void)from;
    lg_peers_want(n->peers);
}

static void host_event(void *ctx, const struct lg_event_msg *e)
{
    struct lg_node *n = ctx;
    char hex[2 * SG_HASH_BYTES + 1] = "";

    for (unsigned i = 0; i < 8; i++) {
        hex[2 * i] = "0123456789abcdef"[e->tip.hash.b[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[e->tip.hash.b[i] & 15];
    }
    switch (e->kind) {
    case LG_EVENT_BLOCK:
        sg_log(n->meter.running ? SG_LOG_DEBUG : SG_LOG_INFO, PART, "block %lld %s… slot %lld weight %lld",
            (long long)e->tip.height, hex, (long long)e->tip.slot, (long long)e->tip.weight);
        lg_node_tell_tip(n, e);
        break;
    case LG_EVENT_REORG:
        lg_node_forget_offers(n);
        sg_log(SG_LOG_WARN, PART, "reorganisation: %lld blocks off, new tip %lld %s…", (long long)e->depth,
            (long long)e->tip.height, hex);
        lg_node_tell_tip(n, e);
        break;
    case LG_EVENT_ALARM:
        lg_node_alarm(n, e->alarm);
        break;
    }
}

static int host_sign(void *ctx, uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len)
{
    struct lg_node *n = ctx;
    return sg_key_sign(n->config.key, sig, msg, len);
}

void lg_node_host_init(struct lg_node *n)
{
    n->host = (struct lg_host){
        .ctx = n,
        .work = host_work,
        .work_stop = host_work_stop,
        .announce_block = host_announce_block,
        .announce_statements = host_announce_statements,
        .want_block = host_want_block,
        .event = host_event,
        .sign = host_sign,
    };
}

/* ---- messages ---- */

void lg_chain_msg_refuse(struct lg_chain_msg *m, int err)
{
    if (m->req && m->kind == LG_MSG_STATEMENTS)
        lg_rest_answer_offer(m->req, NULL, err);
    else if (m->req)
        lg_rest_answer_block(m->req, LG_BLOCK_KNOWN, err);
    lg_precheck_drop(m->job);
    free(m->doc);
    free(m);
}

/* What the last write found; /readyz tells it. Only the chain thread changes it. */
static void disk_is_full(struct lg_node *n, bool full)
{
    if (full)
        lg_node_alarm(n, "disk_full");
    if (full == n->full)
        return;
    if (!full)
        lg_node_alarm_end(n, "disk_full");
    pthread_mutex_lock(&n->lock);
    n->full = full;
    pthread_mutex_unlock(&n->lock);
}

/* The first statement of a peer's pool that no node would have taken, whatever its branch, pool and clock: what accuses the peer. */
static int accusation(const struct lg_offer *offer)
{
    for (unsigned i = 0; i < offer->nrejected; i++)
        switch (offer->rejected[i].err) {
        case SG_ESHAPE:
        case SG_EUNKNOWN_GATEWAY:
        case SG_ESTATEMENT_SIGNATURE:
        case SG_ERELAY:
        case SG_EREADER:
        case SG_EMINUTE:
        case SG_EREAD_MISMATCH:
        case SG_EBODY:
        case SG_EAGGREGATE:
            return offer->rejected[i].err;
        default:
            break;
        }
    return SG_OK;
}

static int take_statements(
    struct lg_node *n, struct lg_chain_msg *m, const uint8_t *doc, size_t len, sg_ms now)
{
    struct lg_offer offer = {0};
    int err = n->ops->offer_statements(n->engine, &offer, doc, len, now, m->peer);

    if (err == SG_OK && offer.accepted > 0)
        disk_is_full(n, false);
    if (m->req && err == SG_OK && offer.nrejected == 0 && offer.nstatements > 0)
        lg_node_remember_offer(n, &m->digest, offer.nstatements);
    lg_node_offer_judged(n, m);
    if (m->req)
        lg_rest_answer_offer(m->req, &offer, err);
    else
        lg_peers_result(n->peers, m->peer, m->ticket, err ? err : accusation(&offer));
    lg_offer_fini(&offer);
    return err;
}

static int take_block(struct lg_node *n, struct lg_chain_msg *m, const uint8_t *doc, size_t len, sg_ms now)
{
    enum lg_block_verdict verdict = LG_BLOCK_KNOWN;
    int err = n->ops->offer_block(n->engine, &verdict, doc, len, now, m->peer);

    if (err == SG_OK && verdict == LG_BLOCK_ACCEPTED)
        disk_is_full(n, false);
    lg_rest_answer_block(m->req, verdict, err);
    return err;
}

static bool is_of_page(const struct lg_chain_msg *m)
{
    return m->kind == LG_MSG_BLOCK && m->job;
}

/* What was found ahead of msgs[from..to), the last of them first: they are checked in order, so that this thread sleeps about once for all of
 * them, and checks from the other end what nobody has begun. */
static void take_checked(
    struct lg_chain_msg **msgs, struct lg_block_offer *offers, unsigned from, unsigned to)
{
    for (unsigned i = to; i-- > from;) {
        offers[i] = (struct lg_block_offer){.from = msgs[i]->peer};
        offers[i].err = lg_precheck_take(&offers[i].b, msgs[i]->job);
    }
}

/* Gather m and the blocks that peers have sent right behind it, each with what was found of it ahead. Waiting for some gives others the
 * time to come. *after: the message that ends the row, NULL: none. */
static unsigned gather(struct lg_node *n, struct lg_chain_msg *msgs[static LG_CHAIN_BATCH],
    struct lg_block_offer offers[static LG_CHAIN_BATCH], struct lg_chain_msg **after, struct lg_chain_msg *m)
{
    unsigned count = 0, taken = 0;
    size_t bytes = 0;
    void *next = m;

    *after = NULL;
    while (next) {
        m = next;
        next = NULL;
        if (!is_of_page(m)) {
            *after = m;
            break;
        }
        msgs[count++] = m;
        bytes += m->len;
        if (count == LG_CHAIN_BATCH || bytes >= LG_CHAIN_BATCH_BYTES)
            break;
        if (sg_queue_get(n->queue, &next, 0) == SG_OK)
            continue;
        take_checked(msgs, offers, taken, count);
        taken = count;
        if (sg_queue_get(n->queue, &next, 0) != SG_OK)
            break;
    }
    take_checked(msgs, offers, taken, count);
    return count;
}

/* Blocks of pages: what needs no branch has been checked, or is while the first of them wait here. */
static int take_blocks(struct lg_node *n, struct lg_chain_msg **after, struct lg_chain_msg *m, sg_ms now)
{
    struct lg_chain_msg *msgs[LG_CHAIN_BATCH];
    struct lg_block_offer offers[LG_CHAIN_BATCH];
    struct lg_peers_result results[LG_CHAIN_BATCH];
    unsigned count = gather(n, msgs, offers, after, m);
    bool accepted = false;
    int err = n->ops->offer_blocks(n->engine, offers, count, now);

    for (unsigned i = 0; i < count; i++) {
        accepted = accepted || (offers[i].err == SG_OK && offers[i].verdict == LG_BLOCK_ACCEPTED);
        results[i] = (struct lg_peers_result){msgs[i]->peer, msgs[i]->ticket, offers[i].err};
        free(msgs[i]->doc);
        free(msgs[i]);
    }
    lg_peers_results(n->peers, results, count);
    if (accepted)
        disk_is_full(n, false);
    return err;
}

/* *after: a message that was taken out of the queue meanwhile, NULL: none. */
static int take(struct lg_node *n, struct lg_chain_msg **after, struct lg_chain_msg *m, sg_ms now)
{
    *after = NULL;
    if (is_of_page(m))
        return take_blocks(n, after, m, now);
    size_t len = m->len;
    const uint8_t *doc = m->doc ? m->doc : m->req ? sg_http_body(m->req, &len) : NULL;
    int err = SG_OK;

    switch (m->kind) {
    case LG_MSG_STATEMENTS:
        err = take_statements(n, m, doc, len, now);
        break;
    case LG_MSG_BLOCK:
        err = take_block(n, m, doc, len, now);
        break;
    case LG_MSG_SOLVED:
        err = n->ops->solved(n->engine, m->job_id, m->nonce, now);
        break;
    case LG_MSG_REPAIR:
        err = lg_node_take_repair(n, m, now);
        break;
    }
    free(m->doc);
    free(m);
    return err;
}

/* Errors of the store after which nothing may be acknowledged any more; the rules' codes are answers, not failures. */
static bool is_final(int err)
{
    return err == SG_EIO || err == SG_ECORRUPT;
}

static void publish(struct lg_node *n, int failed)
{
    struct lg_engine_state state;

    n->ops->state(n->engine, &state);
    pthread_mutex_lock(&n->lock);
    n->state = state;
    if (failed)
        n->failed = failed;
    pthread_mutex_unlock(&n->lock);
}

/* NULL when this node may mine. One that is far behind may not: what it found would stand on a stale tip, and each block that it adopts on the way
 * would start another search. Headers have been checked for this, so that a claim alone stops nobody; and peers that show headers without giving
 * blocks are banned soon, so that it lasts no longer than the fetching. One with a wrong clock may not: nobody else would take its block, but
 * it would itself, and stand on it until the others' branch weighs more. */
static const char *why_not_mine(struct lg_node *n)
{
    if (lg_peers_far_behind(n->peers))
        return "far behind most answering peers";
    if (lg_peers_clock_in_doubt(n->peers))
        return "the clocks of most answering peers differ from this node's, or no peer has been asked yet";
    return NULL;
}

/* True when it has changed: the engine decides at its next tick. */
static bool mine_or_not(struct lg_node *n)
{
    const char *why = why_not_mine(n);

    if (why == n->no_mining || !n->config.key)
        return false;
    n->no_mining = why;
    n->ops->allow_mining(n->engine, !why);
    sg_log(SG_LOG_INFO, PART, "%s%s", why ? "not mining: " : "mining", why ? why : "");
    return true;
}

static void say_progress(const struct lg_node *n, enum lg_meter_says says, sg_ms now_mono_ms)
{
    const struct lg_meter *m = &n->meter;
    sg_ms took_ms = now_mono_ms - m->begun_ms;
    int64_t eta_s = lg_meter_eta_s(m);
    char eta[32] = "?"; /* no rate yet */

    if (eta_s >= 0)
        (void)snprintf(eta, sizeof(eta), "%lld s", (long long)eta_s);

    if (says == LG_METER_DONE)
        sg_log(SG_LOG_INFO, PART, "fetched %lld blocks in %lld s: height %lld",
            (long long)(m->height - m->begun_height), (long long)took_ms / 1000, (long long)m->height);
    else if (says == LG_METER_PROGRESS)
        sg_log(SG_LOG_INFO, PART, "fetching: height %lld of %lld, %lld.%lld blocks/s, eta %s",
            (long long)m->height, (long long)m->of, (long long)m->rate_milli / 1000,
            (long long)m->rate_milli % 1000 / 100, eta);
}

/* How far a first sync has come: a line of log each PROGRESS_MS, and a copy for who shows it otherwise. */
static void measure(struct lg_node *n)
{
    struct lg_meter *m = &n->meter;
    sg_ms now = n->config.clock->mono_ms(n->config.clock);
    enum lg_meter_says says =
        lg_meter_step(m, n->state.tip.height, lg_peers_height(n->peers), now, PROGRESS_MS);

    if (!n->config.quiet_progress)
        say_progress(n, says, now);
    pthread_mutex_lock(&n->lock);
    n->progress = (struct lg_node_progress){
        m->running, m->height, m->of, m->running ? m->rate_milli : -1, lg_meter_eta_s(m)};
    pthread_mutex_unlock(&n->lock);
}

static sg_ms sleep_ms(const struct lg_node *n)
{
    sg_ms wake = n->ops->wake_at(n->engine);
    sg_ms rest = n->tick_after_ms - n->config.clock->mono_ms(n->config.clock);
    if (wake == INT64_MAX)
        return MAX_SLEEP_MS;
    sg_ms wait = sg_clock_wait_ms(n->config.clock, wake);
    wait = wait > rest ? wait : rest;
    return wait < MAX_SLEEP_MS ? wait : MAX_SLEEP_MS;
}

/* One message or one awakening; SG_ECLOSED ends the thread, a final error fails it. */
static int step(struct lg_node *n)
{
    const struct sg_clock *clock = n->config.clock;
    void *m = NULL;
    int err = sg_queue_get(n->queue, &m, sleep_ms(n));

    if (err == SG_ECLOSED)
        return err;
    bool changed = mine_or_not(n);
    for (struct lg_chain_msg *after = NULL; m; m = after) {
        err = lg_node_stumbled(n, take(n, &after, m, clock->wall_ms(clock)));
        if (err == SG_ENOSPC)
            disk_is_full(n, true);
        if (is_final(err)) {
            if (after)
                lg_chain_msg_refuse(after, SG_ENOT_READY);
            return err;
        }
    }
    sg_ms now = clock->wall_ms(clock);
    if ((now < n->ops->wake_at(n->engine) && !changed) || clock->mono_ms(clock) < n->tick_after_ms)
        return SG_OK;
    err = lg_node_stumbled(n, n->ops->tick(n->engine, now));
    if (err != SG_OK) /* its time stays in the past: again after a rest, not at once for ever */
        n->tick_after_ms = clock->mono_ms(clock) + MAX_SLEEP_MS;
    if (err == SG_ENOSPC)
        disk_is_full(n, true);
    return is_final(err) ? err : SG_OK;
}

void *lg_node_chain_run(void *arg)
{
    struct lg_node *n = arg;
    int err = SG_OK;
    void *m = NULL;

    (void)pthread_setname_np(pthread_self(), "chain");
    while ((err = step(n)) == SG_OK) {
        publish(n, 0);
        measure(n);
        lg_node_quiet_alarms(n);
    }
    if (err == SG_ECLOSED)
        return NULL;
    sg_log(SG_LOG_ERROR, PART, "the store failed (%s): nothing is acknowledged any more", sg_err_text(err));
    publish(n, err);
    lg_miner_clear(n->miner);
    if (n->config.failed)
        n->config.failed(n->config.failed_ctx, err, "the ledger's store failed");
    while (sg_queue_get(n->queue, &m, -1) == SG_OK)
        lg_chain_msg_refuse(m, SG_ENOT_READY);
    return NULL;
}
