/* A node's parts put together: store, engine, miner, peers, REST; start and stop in order; what others see of it.
 *
 * Order of stopping: the queue closes (offers are refused), the chain thread answers what it holds and ends, then miner, REST,
 * scrub and peers end, then the threads that check ahead, then engine and store close. Whatever was acknowledged is on disk before any of this. */
#include "ledger/node_priv.h"
#include "sg_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PART "node"
/* With no peer answering, a node with an empty store waits this many slots before it calls itself ready. */
#define EMPTY_WAIT_MS (3 * SG_MINUTE_MS)

/* ---- offers ---- */

int lg_node_enqueue(struct lg_node *n, const struct lg_chain_msg *msg)
{
    struct lg_chain_msg *m = malloc(sizeof(*m));
    int err = SG_ENOMEM;

    if (!m)
        return err;
    *m = *msg;
    err = sg_queue_put(n->queue, m);
    if (err != SG_OK)
        free(m);
    return err;
}

void lg_node_remember_offer(struct lg_node *n, const struct lg_hash *digest, unsigned nstatements)
{
    pthread_mutex_lock(&n->lock);
    n->recent[n->recent_next] = (struct lg_recent_offer){*digest, nstatements};
    n->recent_next = (n->recent_next + 1) % LG_RECENT_OFFERS;
    pthread_mutex_unlock(&n->lock);
}

void lg_node_remember_held(struct lg_node *n, struct lg_statement *const *statements, unsigned count)
{
    pthread_mutex_lock(&n->lock);
    for (unsigned i = 0; i < count; i++)
        lg_seen_put(&n->held, &statements[i]->leaf, 1);
    pthread_mutex_unlock(&n->lock);
}

static unsigned rest_holds(void *ctx, bool *missing, const struct lg_hash *leaves, unsigned count)
{
    struct lg_node *n = ctx;
    unsigned left = 0;

    pthread_mutex_lock(&n->lock);
    for (unsigned i = 0; i < count; i++) {
        missing[i] = lg_seen_get(&n->held, &leaves[i]) == 0;
        left += missing[i];
    }
    pthread_mutex_unlock(&n->lock);
    return left;
}

void lg_node_forget_offers(struct lg_node *n)
{
    pthread_mutex_lock(&n->lock);
    memset(n->recent, 0, sizeof(n->recent));
    lg_seen_clear(&n->held);
    pthread_mutex_unlock(&n->lock);
}

/* How many statements the bytes hold, when all of them are held already; 0: not seen lately. */
static unsigned known_offer(struct lg_node *n, const struct lg_hash *digest)
{
    unsigned count = 0;

    pthread_mutex_lock(&n->lock);
    for (unsigned i = 0; i < LG_RECENT_OFFERS && count == 0; i++)
        if (n->recent[i].nstatements > 0 && lg_hash_eq(&n->recent[i].digest, digest))
            count = n->recent[i].nstatements;
    pthread_mutex_unlock(&n->lock);
    return count;
}

void lg_node_offer_judged(struct lg_node *n, const struct lg_chain_msg *m)
{
    pthread_mutex_lock(&n->lock);
    lg_large_offers_end(&n->large, m->large);
    pthread_mutex_unlock(&n->lock);
}

/* m waits for the chain thread, unless it is large and one of this address is there already. */
static int enqueue_offer(struct lg_node *n, struct lg_chain_msg *m, size_t len)
{
    char address[SG_HTTP_ADDRESS];

    sg_http_client_address(m->req, address);
    pthread_mutex_lock(&n->lock);
    int err = lg_large_offers_begin(&n->large, &m->large, address, len);
    pthread_mutex_unlock(&n->lock);
    if (err != SG_OK)
        return err;
    err = lg_node_enqueue(n, m);
    if (err != SG_OK)
        lg_node_offer_judged(n, m);
    return err;
}

static int rest_statements(void *ctx, struct sg_http_request *req)
{
    struct lg_node *n = ctx;
    struct lg_chain_msg m = {.kind = LG_MSG_STATEMENTS,
        .req = req,
        .peer = sg_http_header(req, LG_RELAYED) ? LG_FROM_NODE : LG_FROM_OUTSIDE};
    size_t len = 0;
    const uint8_t *body = sg_http_body(req, &len);

    sg_sha256(m.digest.b, body, len);
    unsigned known = known_offer(n, &m.digest);
    if (known == 0)
        return enqueue_offer(n, &m, len);
    lg_rest_answer_offer(req, &(struct lg_offer){.known = known, .nstatements = known}, SG_OK);
    return SG_OK;
}

static int rest_block(void *ctx, struct sg_http_request *req)
{
    return lg_node_enqueue(ctx, &(struct lg_chain_msg){.kind = LG_MSG_BLOCK, .req = req, .peer = -1});
}

static int rest_built(void *ctx, struct sg_http_request *req, uint8_t *doc, size_t len)
{
    return lg_node_enqueue(
        ctx, &(struct lg_chain_msg){.kind = LG_MSG_BLOCK, .req = req, .doc = doc, .len = len, .peer = -1});
}

static int peer_statements(void *ctx, uint8_t *doc, size_t len, int peer, uint64_t ticket)
{
    return lg_node_enqueue(
        ctx, &(struct lg_chain_msg){
                 .kind = LG_MSG_STATEMENTS, .doc = doc, .len = len, .peer = peer, .ticket = ticket});
}

static int peer_block(void *ctx, uint8_t *doc, size_t len, bool sealed, int peer, uint64_t ticket)
{
    struct lg_node *n = ctx;
    struct lg_chain_msg m = {.kind = LG_MSG_BLOCK, .doc = doc, .len = len, .peer = peer, .ticket = ticket};
    int err = lg_precheck_add(n->precheck, &m.job, doc, len, sealed);

    if (err == SG_OK && (err = lg_node_enqueue(n, &m)) != SG_OK)
        lg_precheck_drop(m.job);
    return err;
}

static void peers_evidence(void *ctx, unsigned pairs)
{
    struct lg_node *n = ctx;

    sg_log(SG_LOG_WARN, PART, "%u new pairs of conflicting statements: see /v1/evidence", pairs);
    lg_node_alarm(n, "evidence");
}

static int miner_found(void *ctx, uint64_t job_id, int64_t nonce)
{
    return lg_node_enqueue(
        ctx, &(struct lg_chain_msg){.kind = LG_MSG_SOLVED, .peer = -1, .job_id = job_id, .nonce = nonce});
}

/* ---- readiness ---- */

static bool clock_has_parted(const struct lg_node *n)
{
    const struct sg_clock *c = n->config.clock;
    sg_ms parted = (c->wall_ms(c) - n->start_ms) - (c->run_ms(c) - n->start_run_ms);
    sg_ms limit = n->config.genesis->policy.max_future_ms;

    return parted > limit || parted < -limit;
}

/* NULL when ready, else why not: store writable, clock sane, not behind, not among nodes of another chain only, tip not ahead of the clock. */
static const char *not_ready(const struct lg_node *n, int failed, bool full,
    const struct lg_engine_state *state, const struct lg_peers_summary *peers)
{
    sg_ms now = n->config.clock->wall_ms(n->config.clock);

    if (failed)
        return "the store cannot be written";
    if (full)
        return "the disk is full";
    if (clock_has_parted(n))
        return "the wall clock has parted from the monotonic clock since the start";
    if (state->tip.height > 0 && state->tip.time > now)
        return "the tip lies ahead of this node's clock";
    if (2 * peers->clock_off > peers->answering)
        return "the clocks of most answering peers differ from this node's";
    if (peers->answering > 0 && 2 * peers->unknown_tip > peers->answering)
        return "behind: most answering peers offer a branch that has not been judged yet";
    if (peers->answering == 0 && peers->n > 0 && !peers->all_tried)
        return "the peers have not been asked yet";
    if (peers->answering == 0 && peers->other_chain > 0)
        return "every peer that answers is of another chain: compare genesis.json";
    if (peers->answering == 0 && state->tip.height == 0 && now < n->start_ms + EMPTY_WAIT_MS)
        return "empty store and no peer answers: waiting three slots";
    return NULL;
}

static void snapshot(void *ctx, struct lg_rest_snapshot *out)
{
    struct lg_node *n = ctx;
    struct lg_peers_summary peers;
    int failed = 0;
    bool full = false;

    memset(out, 0, sizeof(*out));
    lg_peers_summary(n->peers, &peers);
    lg_scrubber_summary(n->scrubber, &out->scrub);
    pthread_mutex_lock(&n->lock);
    out->engine = n->state;
    failed = n->failed;
    full = n->full;
    out->alarms = n->alarms;
    pthread_mutex_unlock(&n->lock);
    out->engine_name = n->ops->name;
    out->start_ms = n->start_ms;
    out->npeers = peers.n;
    for (unsigned i = 0; i < peers.n; i++) {
        snprintf(out->peers[i].url, sizeof(out->peers[i].url), "%.*s", LG_REST_MAX_URL, peers.peers[i].url);
        snprintf(out->peers[i].state, sizeof(out->peers[i].state), "%s", peers.peers[i].state);
        out->peers[i].height = peers.peers[i].height;
        out->peers[i].bans = peers.peers[i].bans;
        out->peers[i].reason = peers.peers[i].reason;
        out->peers[i].until_ms = peers.peers[i].until_ms;
    }
    const char *why = not_ready(n, failed, full, &out->engine, &peers);
    out->ready = !why;
    snprintf(out->not_ready, sizeof(out->not_ready), "%s", why ? why : "");
}

static void damaged(void *ctx, const struct lg_damage *d)
{
    struct lg_node *n = ctx;
    lg_scrubber_report(n->scrubber, d);
}

static bool relay_state(void *ctx, struct lg_node_relay_state *out, unsigned index)
{
    struct lg_node *n = ctx;

    pthread_mutex_lock(&n->lock);
    *out = n->relays[index];
    pthread_mutex_unlock(&n->lock);
    return out->id[0] != '\0';
}

/* ---- start and stop ---- */

void lg_node_stop(struct lg_node *n)
{
    void *m = NULL;

    if (!n)
        return;
    if (n->queue)
        sg_queue_close(n->queue);
    if (n->chain_started)
        pthread_join(n->chain, NULL);
    while (n->queue && sg_queue_get(n->queue, &m, 0) == SG_OK)
        lg_chain_msg_refuse(m, SG_ENOT_READY);
    lg_miner_stop(n->miner);
    if (n->rest)
        lg_rest_stop(n->rest);
    lg_scrubber_stop(n->scrubber);
    lg_peers_stop(n->peers);
    lg_precheck_stop(n->precheck);
    if (n->engine)
        n->ops->close(n->engine);
    if (n->sqlite)
        lg_sqlite_close(n->sqlite);
    if (n->queue)
        sg_queue_free(n->queue);
    lg_events_free(n->events); /* every thread that tells something has ended */
    pthread_mutex_destroy(&n->lock);
    lg_seen_fini(&n->held);
    free(n->relays);
    free(n);
}

static void set_name(struct lg_node *n, const struct lg_gateway *gw)
{
    const char *name = n->config.name ? n->config.name : gw ? gw->name : "observer";
    snprintf(n->name, sizeof(n->name), "%s", name);
    n->config.name = n->name;
}

static int start_engine(struct lg_node *n, struct sg_fault *fault)
{
    const struct lg_node_config *c = &n->config;
    struct lg_engine_config ec = {
        .genesis = c->genesis, .crypto = &sg_crypto_openssl, .host = &n->host, .has_key = c->key != NULL};
    const struct lg_gateway *gw = NULL;

    if (getrandom(&ec.seed, sizeof(ec.seed), 0) != (ssize_t)sizeof(ec.seed)) {
        snprintf(fault->text, sizeof(fault->text), "the system gives no random numbers");
        return SG_EIO;
    }
    if (c->key) {
        uint8_t pub[SG_PUBLIC_KEY_BYTES];
        sg_key_public(c->key, pub);
        ec.kid = lg_kid_of_public(pub);
        gw = lg_genesis_gateway(c->genesis, ec.kid);
        if (!gw) {
            fault->err = SG_ECONFIG;
            snprintf(fault->text, sizeof(fault->text), "the key %016llx is not a gateway of this genesis",
                (unsigned long long)ec.kid);
            return SG_ECONFIG;
        }
    }
    set_name(n, gw);
    int err = lg_sqlite_open(&n->sqlite, c->data_dir, c->genesis, fault);
    if (err != SG_OK)
        return err;
    ec.store = lg_sqlite_store(n->sqlite);
    err = n->ops->open(&n->engine, &ec);
    if (err != SG_OK)
        snprintf(fault->text, sizeof(fault->text), "%s: the chain cannot be loaded: %s", c->data_dir,
            sg_err_text(err));
    else
        n->ops->state(n->engine, &n->state);
    return err;
}

static int start_peers(struct lg_node *n, struct sg_fault *fault)
{
    const struct lg_node_config *c = &n->config;
    struct lg_peers_config pc = {
        .urls = c->peers,
        .n = c->npeers,
        .data_dir = c->data_dir,
        .genesis = c->genesis,
        .crypto = &sg_crypto_openssl,
        .precheck = n->precheck,
        .clock = c->clock,
        .host = {.ctx = n,
            .offer_block = peer_block,
            .offer_statements = peer_statements,
            .evidence = peers_evidence},
    };
    return lg_peers_start(&n->peers, &pc, fault);
}

static int start_rest(struct lg_node *n, struct sg_fault *fault)
{
    const struct lg_node_config *c = &n->config;
    struct lg_rest_config rc = {
        .data_dir = c->data_dir,
        .genesis = c->genesis,
        .clock = c->clock,
        .bind = c->bind,
        .port = c->port,
        .node_name = n->name,
        .has_kid = c->key != NULL,
        .node = &n->rest_node,
        .events = n->events,
    };
    if (c->key) {
        uint8_t pub[SG_PUBLIC_KEY_BYTES];
        sg_key_public(c->key, pub);
        rc.kid = lg_kid_of_public(pub);
    }
    n->rest_node = (struct lg_rest_node){.ctx = n,
        .offer_statements = rest_statements,
        .offer_block = rest_block,
        .offer_built = rest_built,
        .holds = rest_holds,
        .snapshot = snapshot,
        .relay = relay_state,
        .damaged = damaged};
    return lg_rest_start(&n->rest, &rc, fault);
}

static int start_parts(struct lg_node *n, struct sg_fault *fault)
{
    int err = SG_OK;

    if ((err = lg_node_events_start(n)) != SG_OK || (err = start_engine(n, fault)) != SG_OK ||
        (err = sg_queue_new(&n->queue, LG_CHAIN_QUEUE)) != SG_OK ||
        (err = lg_miner_start(&n->miner, miner_found, n)) != SG_OK ||
        (err = lg_precheck_start(&n->precheck, n->config.genesis, &sg_crypto_openssl, 0)) != SG_OK ||
        (err = start_peers(n, fault)) != SG_OK || (err = lg_node_scrub_start(n, fault)) != SG_OK ||
        (err = start_rest(n, fault)) != SG_OK)
        return err;
    /* before the chain thread: the state is its from then on */
    sg_log(SG_LOG_INFO, PART, "%s: REST on %s:%u, chain %lld blocks high", n->name, n->config.bind,
        lg_node_port(n), (long long)n->state.tip.height);
    if (pthread_create(&n->chain, NULL, lg_node_chain_run, n) != 0)
        return SG_ENOMEM;
    n->chain_started = true;
    return SG_OK;
}

int lg_node_start(struct lg_node **out, const struct lg_node_config *config, struct sg_fault *fault)
{
    struct lg_node *n = calloc(1, sizeof(*n));
    int err = SG_ENOMEM;

    *fault = (struct sg_fault){0};
    if (!n)
        return err;
    pthread_mutex_init(&n->lock, NULL);
    n->config = *config;
    n->ops = &lg_engine_pow;
    n->start_ms = config->clock->wall_ms(config->clock);
    n->start_run_ms = config->clock->run_ms(config->clock);
    n->relays = calloc(config->genesis->nrelays, sizeof(*n->relays));
    lg_node_host_init(n);
    if (n->relays && lg_seen_init(&n->held, LG_HELD_SLOTS) == SG_OK)
        err = start_parts(n, fault);
    if (err != SG_OK) {
        lg_node_stop(n);
        fault->err = err;
        if (!fault->text[0])
            snprintf(fault->text, sizeof(fault->text), "the node cannot start: %s", sg_err_text(err));
        return err;
    }
    *out = n;
    return SG_OK;
}

void lg_node_progress(struct lg_node *n, struct lg_node_progress *out)
{
    pthread_mutex_lock(&n->lock);
    *out = n->progress;
    pthread_mutex_unlock(&n->lock);
}

uint16_t lg_node_port(const struct lg_node *n)
{
    return lg_rest_port(n->rest);
}
