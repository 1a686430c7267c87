/* Where a peer stands, and what follows from it.
 *
 *   IDLE --due--> STATUS --tip known--> [POOL] --> IDLE
 *                   |  tip unknown
 *                   v
 *                 FIND --headers checked--> TURN --its turn--> FETCH --run fetched, more--> FIND
 *                   ^ \\__ step back __/                          |  the tip is known  --> STATUS (at once)
 *                                                                |  it is not         --> IDLE; the third time in a row banned
 *                                                                |  a rule is broken  --> banned
 *
 * One GET at a time per peer, each with a cap on its answer and a deadline. A peer that names a tip and does not give it is asked at the pace
 * of polls, never in a loop. Rests (no answer, too much to do, cut short) are for what happens to honest nodes; a ban, with a reason and an
 * end, is for what no node that keeps the contract does: docs/operations.md lists the reasons. */
#include "ledger/peers_priv.h"
#include "lg_client.h"
#include "sg_log.h"
#include "sg_text.h"

#include <stdio.h>
#include <string.h>

#define PART "peers"

bool lg_peer_answers(const struct lg_peer *peer)
{
    return strcmp(peer->state, "ok") == 0 || strcmp(peer->state, "syncing") == 0;
}

/* ---- moves ---- */

static void idle(struct lg_peer *peer, sg_ms wait_ms)
{
    lg_peer_leave_turn(peer);
    peer->phase = LG_PEER_IDLE;
    peer->next_ms = lg_peer_mono(peer) + wait_ms;
    lg_peers_publish(peer->owner);
}

void lg_peer_rest(struct lg_peer *peer, const char *state, sg_ms wait_ms)
{
    if (strcmp(peer->state, state) != 0)
        sg_log(SG_LOG_INFO, PART, "%s is %s (height %lld)", peer->url, state, (long long)peer->height);
    peer->state = state;
    idle(peer, wait_ms);
}

/* It is of no use for now: what was queued for it is forgotten, and when it is back it gets the pool. */
static void give_up(struct lg_peer *peer, const char *state, sg_ms wait_ms)
{
    peer->state = state;
    peer->tried = true;
    peer->wants_pool = true;
    peer->wants_evidence = true;
    peer->evidence_from = 0; /* it may come back with another store */
    peer->checked = 0;
    peer->no_sketches = false; /* it may come back as another version */
    peer->no_questions = false;
    peer->quick[LG_TOLD_FIRST] = true;
    peer->quick[LG_TOLD_AGAIN] = false;
    if (!peer->pushing)
        lg_peer_push_forget(peer);
    idle(peer, wait_ms);
}

void lg_peer_failed(struct lg_peer *peer, const char *state)
{
    if (strcmp(peer->state, state) != 0)
        sg_log(SG_LOG_INFO, PART, "%s is %s", peer->url, state);
    if (strcmp(state, "unreachable") != 0)
        peer->backoff_ms = LG_POLL_BAD_MS;
    else if (peer->backoff_ms == 0)
        peer->backoff_ms = LG_POLL_MIN_MS;
    else
        peer->backoff_ms = peer->backoff_ms * 2 > LG_POLL_MAX_MS ? LG_POLL_MAX_MS : peer->backoff_ms * 2;
    give_up(peer, state, peer->backoff_ms);
}

void lg_peer_ban(struct lg_peer *peer, const char *reason, sg_ms ban_ms)
{
    if (ban_ms >= LG_POLL_BAD_MS) {
        ban_ms <<= peer->bans_in_row < LG_BAN_DOUBLINGS ? peer->bans_in_row : LG_BAN_DOUBLINGS;
        peer->bans_in_row++;
    }
    sg_log(SG_LOG_WARN, PART, "%s is banned for %lld s: %s", peer->url, (long long)ban_ms / 1000, reason);
    peer->reason = reason;
    peer->bans++;
    peer->fruitless = 0;
    peer->took = 0;
    peer->until_ms = lg_peer_mono(peer) + ban_ms;
    give_up(peer, "bad", ban_ms);
}

void lg_peer_let_off(struct lg_peer *peer)
{
    if (lg_peer_accused(peer->judged))
        peer->judged = SG_EAGAIN;
    if (strcmp(peer->state, "bad") != 0 || peer->phase != LG_PEER_IDLE)
        return;
    sg_log(SG_LOG_INFO, PART, "%s is let off: what was damaged here is put back", peer->url);
    peer->until_ms = lg_peer_mono(peer);
    idle(peer, 0);
}

void lg_peer_call(struct lg_peer *peer, enum lg_peer_phase phase, const char *path, size_t max_answer,
    sg_http_done_fn *done)
{
    char url[400];

    snprintf(url, sizeof(url), "%s%s", peer->url, path);
    struct sg_http_call c = {.url = url, .max_answer = max_answer, .timeout_ms = peer->owner->config.call_ms};
    if (phase != LG_PEER_STATUS)
        c.timeout_ms = LG_PAGE_MS;
    peer->phase = phase;
    peer->called_ms = lg_peer_mono(peer);
    if (sg_http_client_start(peer->owner->http, &c, done, peer) != SG_OK)
        lg_peer_rest(peer, peer->state, LG_POLL_MS);
    else if (phase == LG_PEER_FETCH)
        peer->calling = true;
}

unsigned lg_peer_page(struct lg_peer *peer, unsigned wanted, unsigned most)
{
    unsigned n = most >> peer->halvings;

    n = n > 0 ? n : 1;
    peer->shortened = wanted > n;
    return peer->shortened ? n : wanted;
}

/* A page is as long as the line carries in time. */
static void weigh_failure(struct lg_peer *peer, const struct sg_http_answer *answer)
{
    bool late = answer->err == SG_ETIMEOUT || answer->err == SG_EMALFORMED || answer->err == SG_EIO;

    if (peer->phase != LG_PEER_STATUS && late && peer->halvings < LG_PAGE_HALVINGS)
        peer->halvings++;
}

/* What took a quarter of the time takes half of it when it is doubled. */
void lg_peer_page_filled(struct lg_peer *peer)
{
    bool soon = lg_peer_mono(peer) - peer->called_ms < LG_PAGE_MS / 4;

    if (soon && peer->shortened && peer->halvings > 0)
        peer->halvings--;
    peer->shortened = false;
}

/* It may have reorganised while it was asked, or have lost its store: that passes. A peer whose tips never come is banned. */
void lg_peer_no_progress(struct lg_peer *peer)
{
    peer->fruitless = peer->took > 0 ? 0 : peer->fruitless + 1;
    if (peer->fruitless < LG_FRUITLESS_MAX)
        lg_peer_rest(peer, peer->state, LG_POLL_MS);
    else
        lg_peer_ban(peer, "withheld", LG_POLL_BAD_MS);
}

/* An answer that is none of ours: what follows depends on what was asked. A proxy before a node that is away answers too. */
static void wrong_answer(struct lg_peer *peer, const struct sg_http_answer *answer)
{
    if (peer->phase == LG_PEER_STATUS)
        lg_peer_ban(peer, "answer", LG_POLL_MAX_MS);
    else if (peer->phase == LG_PEER_EVIDENCE) {
        peer->wants_evidence = false;
        lg_peer_rest(peer, "ok", LG_POLL_MS);
    } else if (peer->phase == LG_PEER_POOL) {
        peer->wants_pool = false;
        lg_peer_rest(peer, "ok", LG_POLL_MAX_MS);
    } else if (answer->err == SG_ETOO_LARGE)
        lg_peer_ban(peer, sg_err_code(SG_ETOO_LARGE), LG_POLL_BAD_MS);
    else
        lg_peer_no_progress(peer);
}

/* What a node says that starts, stops or has too much to do, and a proxy of one that is away. */
static bool is_busy(int status)
{
    return status == 429 || status == 500 || (status >= 502 && status <= 504);
}

bool lg_peer_answered(struct lg_peer *peer, const struct sg_http_answer *answer)
{
    if (answer->err == SG_ESTOPPED)
        return false;
    weigh_failure(peer, answer);
    if (answer->err == SG_OK && answer->status == 200)
        return true;
    peer->tried = true;
    if (answer->err == SG_OK && is_busy(answer->status) && peer->phase != LG_PEER_STATUS &&
        peer->backoff_ms < LG_POLL_MS / 2)
        peer->backoff_ms =
            LG_POLL_MS / 2; /* it says where it stands, but what is asked for is damaged there */
    if (answer->err == SG_OK ? is_busy(answer->status) : answer->err != SG_ETOO_LARGE)
        lg_peer_failed(peer, "unreachable");
    else
        wrong_answer(peer, answer);
    return false;
}

bool lg_peer_accused(int err)
{
    return err <= SG_ECANONICAL && err != SG_EFUTURE && err != SG_EOVERLOADED && err != SG_ENOT_READY;
}

bool lg_peer_known_info(const struct lg_peer *peer, struct lg_block_info *out, const struct lg_hash *hash)
{
    bool best = false;

    if (lg_hash_eq(hash, &peer->owner->config.genesis->id)) {
        lg_block_info_genesis(out, peer->owner->config.genesis);
        return true;
    }
    return lg_reader_block_info(peer->owner->reader, out, &best, hash) == SG_OK;
}

bool lg_peer_known_here(const struct lg_peer *peer, const struct lg_hash *hash)
{
    struct lg_block_info info;

    return lg_peer_known_info(peer, &info, hash);
}

/* ---- STATUS ---- */

/* The peer's clock, read at some moment between question and answer, differs by more than max_future_ms from ours. */
static bool clock_is_off(const struct lg_peer *peer, sg_ms peer_ms)
{
    const struct sg_clock *clock = peer->owner->config.clock;
    sg_ms limit = peer->owner->config.genesis->policy.max_future_ms;

    return peer_ms < peer->asked_wall_ms - limit || peer_ms > clock->wall_ms(clock) + limit;
}

void lg_peer_up_to_date(struct lg_peer *peer)
{
    peer->fruitless = 0;
    peer->bans_in_row = 0;
    peer->checked = 0;
    if (strcmp(peer->state, "ok") != 0) {
        peer->state = "ok";
        lg_peer_push_pool(peer);
        lg_peer_push_evidence(peer);
        lg_peers_publish(peer->owner);
    } else if (peer->owes && peer->polls % LG_POOL_POLLS == LG_OWED_POLL)
        lg_peer_push_pool(peer);
    if (peer->wants_pool || peer->polls % LG_POOL_POLLS == 0)
        lg_peer_pool(peer);
    else if (peer->wants_evidence || peer->polls % LG_POOL_POLLS == LG_EVIDENCE_POLL)
        lg_peer_evidence(peer);
    else
        lg_peer_rest(peer, "ok", LG_POLL_MS);
}

/* All that is due of the branch with this tip has been fetched; its early end waits here for its time. */
static bool is_early(const struct lg_peer *peer)
{
    const struct sg_clock *clock = peer->owner->config.clock;

    return lg_hash_eq(&peer->tip, &peer->early_tip) && clock->wall_ms(clock) < peer->early_due_ms;
}

/* Most often a wrong genesis.json, here or there: both chains are named, once. */
static void say_other_chain(const struct lg_peer *peer, const struct lg_hash *chain)
{
    char theirs[2 * SG_HASH_BYTES + 1], ours[2 * SG_HASH_BYTES + 1];

    if (strcmp(peer->state, "other_chain") == 0)
        return;
    sg_hex_encode(theirs, chain->b, SG_HASH_BYTES);
    sg_hex_encode(ours, peer->owner->config.genesis->id.b, SG_HASH_BYTES);
    sg_log(SG_LOG_WARN, PART, "%s is of another chain, %s; this node's is %s: compare genesis.json",
        peer->url, theirs, ours);
}

static void status_done(void *ctx, struct sg_http_answer *answer)
{
    struct lg_peer *peer = ctx;
    struct lg_client_status status;

    if (!lg_peer_answered(peer, answer))
        return;
    if (lg_client_status_parse(&status, answer) != SG_OK) {
        wrong_answer(peer, answer);
        return;
    }
    peer->tried = true;
    peer->backoff_ms = 0;
    peer->until_ms = 0;
    peer->height = status.height;
    peer->tip = status.tip;
    if (!lg_hash_eq(&status.chain, &peer->owner->config.genesis->id)) {
        say_other_chain(peer, &status.chain);
        lg_peer_failed(peer, "other_chain");
        return;
    }
    peer->clock_off = clock_is_off(peer, status.time);
    struct lg_block_info info;
    bool known = lg_peer_known_info(peer, &info, &peer->tip);
    peer->took = 0;
    if (known)
        peer->common = info.height;
    peer->tip_known = known || is_early(peer);
    if (peer->tip_known)
        lg_peer_up_to_date(peer);
    else
        lg_peer_find(peer);
}

void lg_peer_ask_status(struct lg_peer *peer)
{
    const struct sg_clock *clock = peer->owner->config.clock;

    lg_peer_leave_turn(peer);
    peer->polls++;
    peer->asked_ms = lg_peer_mono(peer);
    peer->asked_wall_ms = clock->wall_ms(clock);
    lg_peer_call(peer, LG_PEER_STATUS, "/v1/status", LG_CLIENT_MAX_STATUS, status_done);
    lg_peers_publish(peer->owner);
}

/* ---- results and time ---- */

void lg_peer_judged(struct lg_peer *peer, uint64_t ticket, int err)
{
    if (ticket != peer->ticket || peer->waiting == 0)
        return;
    if (err != SG_OK && peer->judged == SG_OK)
        peer->judged = err;
    peer->waiting--;
    if (peer->phase != LG_PEER_POOL && peer->phase != LG_PEER_EVIDENCE)
        lg_peer_block_judged(peer);
    else if (peer->waiting == 0 && peer->phase == LG_PEER_POOL)
        lg_peer_pool_judged(peer);
    else if (peer->waiting == 0)
        lg_peer_evidence_judged(peer);
}

void lg_peer_ask(struct lg_peer *peer, sg_ms now_mono_ms)
{
    bool judging =
        peer->waiting > 0 && !peer->calling &&
        (peer->phase == LG_PEER_FETCH || peer->phase == LG_PEER_POOL || peer->phase == LG_PEER_EVIDENCE);

    if (peer->phase == LG_PEER_TURN)
        lg_peer_try_turn(peer, now_mono_ms);
    if (now_mono_ms < peer->next_ms)
        return;
    if (judging) {
        peer->waiting = 0; /* a result was lost; what comes late is of an old ticket */
        peer->ticket = 0;
        lg_peer_rest(peer, peer->state, LG_POLL_MS);
    } else if (peer->phase == LG_PEER_IDLE)
        lg_peer_ask_status(peer);
}
