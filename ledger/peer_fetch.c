/* Blocks of headers that have been checked, in order, handed to the chain thread as the documents that they are.
 *
 * One peer at a time has the turn to give blocks, for one run of headers; then the one that has waited longest. So a first sync
 * asks for each block once, and a peer that gives a long branch of no worth takes one turn in as many as there are peers. Who has the turn and
 * gives nothing for LG_STALL_MS, or takes longer than LG_TURN_MS, holds up nobody.
 * The next page, and the next headers, are asked for while one is judged, so that line and judgement work at once; never more than two
 * pages wait.
 * Refuses: a block whose header is not the one that was checked. By height it may be another one because the peer has reorganised: the round
 * ends. A page that calls a block by another hash than its own is a lie. */
#include "ledger/peers_priv.h"
#include "sg_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void blocks_done(void *ctx, struct sg_http_answer *answer);

/* ---- turns ---- */

void lg_peer_leave_turn(struct lg_peer *peer)
{
    if (peer->owner->turn == peer)
        peer->owner->turn = NULL;
    peer->calling = false;
}

static bool waits_longest(const struct lg_peer *peer)
{
    const struct lg_peers *p = peer->owner;

    for (unsigned i = 0; i < p->n; i++)
        if (p->peers[i].phase == LG_PEER_TURN && p->peers[i].queued < peer->queued)
            return false;
    return true;
}

void lg_peer_try_turn(struct lg_peer *peer, sg_ms now_mono_ms)
{
    struct lg_peers *p = peer->owner;

    bool taken =
        p->turn && now_mono_ms - p->turn_ms < LG_STALL_MS && now_mono_ms - p->turn_began_ms < LG_TURN_MS;

    if (taken || !waits_longest(peer))
        return;
    p->turn = peer;
    p->turn_ms = p->turn_began_ms = now_mono_ms;
    peer->phase = LG_PEER_FETCH;
    peer->broke = peer->calling = peer->whole = false;
    if (peer->waiting == 0) { /* else blocks of its run before are being judged */
        peer->ticket = p->next_ticket++;
        peer->judged = SG_OK;
    }
    lg_peer_fetch_step(peer);
}

void lg_peer_fetch(struct lg_peer *peer)
{
    peer->next = 0;
    peer->phase = LG_PEER_TURN;
    peer->queued = peer->owner->next_queued++;
    lg_peers_publish(peer->owner);
    lg_peer_try_turn(peer, lg_peer_mono(peer));
}

/* ---- asking ---- */

/* Another peer has given them meanwhile. */
static void skip_known(struct lg_peer *peer)
{
    while (peer->next < peer->run.n && lg_peer_known_here(peer, &peer->run.hashes[peer->next]))
        peer->next++;
}

static void ask_blocks(struct lg_peer *peer)
{
    char path[80];
    unsigned left = peer->run.n - peer->next;

    snprintf(path, sizeof(path), "/v1/blocks?from=%lld&limit=%u", (long long)peer->run.first + peer->next,
        lg_peer_page(peer, left, LG_PAGE_BLOCKS));
    lg_peer_call(peer, LG_PEER_FETCH, path, LG_PAGE_MAX_BYTES, blocks_done);
}

/* All headers of the peer's branch have been checked and their blocks judged. */
static void round_done(struct lg_peer *peer)
{
    peer->checked = 0;
    if (lg_peer_known_here(peer, &peer->tip)) {
        lg_peer_ask_status(peer);
        return;
    }
    lg_peer_leave_turn(peer);
    if (peer->early && lg_hash_eq(&peer->run.last.hash, &peer->tip)) {
        peer->early_tip = peer->tip;
        peer->early_due_ms = peer->run.last.time + LG_POLL_MS;
        peer->tip_known = true;
        lg_peer_up_to_date(peer);
    } else
        lg_peer_no_progress(peer); /* or it has gone on meanwhile */
}

/* Nothing is under way any more, and something was not as it should be. */
static void round_broken(struct lg_peer *peer)
{
    if (lg_peer_accused(peer->judged))
        lg_peer_ban(peer, sg_err_code(peer->judged), LG_POLL_BAD_MS);
    else if (peer->judged != SG_OK)
        lg_peer_rest(peer, peer->state, LG_POLL_MS);
    else
        lg_peer_no_progress(peer);
}

void lg_peer_fetch_step(struct lg_peer *peer)
{
    bool stop = peer->broke || peer->judged != SG_OK;

    if (peer->calling)
        return;
    if (!stop && peer->waiting == 0)
        skip_known(peer);
    if (!stop && lg_peer_wants_sketch(peer))
        lg_peer_ask_sketch(peer);
    else if (!stop && peer->next < peer->run.n && peer->waiting <= LG_PAGE_BLOCKS)
        ask_blocks(peer);
    else if (!stop && peer->next == peer->run.n && peer->more_headers && peer->waiting <= LG_PAGE_BLOCKS) {
        lg_peer_leave_turn(peer);
        lg_peer_more_headers(peer);
    } else if (peer->waiting > 0)
        return;
    else if (stop)
        round_broken(peer);
    else
        round_done(peer);
}

/* ---- answers ---- */

void lg_peer_offer_block(struct lg_peer *peer, struct lg_slice block, bool sealed)
{
    const struct lg_peers_host *host = &peer->owner->config.host;
    uint8_t *doc = malloc(block.len);
    int err = SG_ENOMEM;

    if (doc) {
        memcpy(doc, block.p, block.len);
        err = host->offer_block(host->ctx, doc, block.len, sealed, peer->number, peer->ticket);
    }
    if (err == SG_OK) {
        peer->waiting++;
        return;
    }
    free(doc);
    if (peer->judged == SG_OK)
        peer->judged = SG_EFULL;
}

/* The hash of the header that stands in a block, and the block's signature; false when it is none. */
static bool header_inside(struct lg_hash *out, uint8_t sig[static SG_SIGNATURE_BYTES], struct lg_slice block)
{
    struct lg_c0 c;

    lg_c0_open(&c, block.p, block.len);
    lg_c0_object(&c);
    lg_c0_key(&c, "bodies");
    (void)lg_c0_value(&c);
    lg_c0_key(&c, "header");
    struct lg_slice header = lg_c0_value(&c);
    lg_c0_key(&c, "operations");
    (void)lg_c0_value(&c);
    lg_c0_key(&c, "sig");
    lg_c0_base64(&c, sig, SG_SIGNATURE_BYTES);
    if (!c.bad)
        lg_header_hash(out, header.p, header.len);
    return !c.bad;
}

/* {"blocks":[{"block":{…},"hash":"…"}…],"next":n}: hands over those that were asked for. SG_EMALFORMED: a lie. peer->broke: no page, an
 * empty one, or of another branch from some block on. */
static int read_page(struct lg_peer *peer, const struct sg_buf *body)
{
    struct lg_c0 c;
    int64_t count = 0;

    peer->broke = true;
    if (lg_c0_check(body->p, body->len) != SG_OK)
        return SG_OK;
    lg_c0_open(&c, body->p, body->len);
    lg_c0_object(&c);
    lg_c0_key(&c, "blocks");
    lg_c0_array(&c);
    while (lg_c0_more(&c) && peer->next < peer->run.n && count < LG_PAGE_BLOCKS) {
        struct lg_hash hash, inside;
        uint8_t sig[SG_SIGNATURE_BYTES];
        lg_c0_object(&c);
        lg_c0_key(&c, "block");
        struct lg_slice block = lg_c0_value(&c);
        lg_c0_key(&c, "hash");
        lg_c0_hex(&c, hash.b, sizeof(hash.b));
        lg_c0_object_end(&c);
        if (c.bad || !lg_hash_eq(&hash, &peer->run.hashes[peer->next]))
            return SG_OK;
        if (!header_inside(&inside, sig, block) || !lg_hash_eq(&inside, &hash))
            return SG_EMALFORMED;
        if (peer->judged == SG_OK)
            lg_peer_offer_block(peer, block, memcmp(sig, peer->run.sigs[peer->next], sizeof(sig)) == 0);
        peer->next++;
        count++;
    }
    peer->broke = c.bad || count == 0;
    if (!peer->broke)
        lg_peer_page_filled(peer);
    return SG_OK;
}

bool lg_peer_fetched(struct lg_peer *peer, const struct sg_http_answer *answer)
{
    peer->calling = false;
    if (!lg_peer_answered(peer, answer))
        return false;
    peer->next_ms = lg_peer_mono(peer) + LG_JUDGE_MS;
    return true;
}

static void blocks_done(void *ctx, struct sg_http_answer *answer)
{
    struct lg_peer *peer = ctx;

    if (!lg_peer_fetched(peer, answer))
        return;
    unsigned before = peer->waiting;
    peer->whole = false;
    if (read_page(peer, &answer->body) != SG_OK) {
        lg_peer_ban(peer, sg_err_code(SG_EMALFORMED), LG_POLL_BAD_MS);
        return;
    }
    if (peer->waiting > before && peer->owner->turn == peer)
        peer->owner->turn_ms = lg_peer_mono(peer);
    lg_peer_fetch_step(peer);
}

void lg_peer_block_judged(struct lg_peer *peer)
{
    if (peer->judged == SG_OK)
        peer->took++;
    if (peer->judged == SG_OK && peer->owner->turn == peer)
        peer->owner->turn_ms = lg_peer_mono(peer);
    if (peer->phase != LG_PEER_FETCH)
        return; /* more headers are being checked meanwhile */
    peer->next_ms = lg_peer_mono(peer) + LG_JUDGE_MS;
    lg_peer_fetch_step(peer);
}
