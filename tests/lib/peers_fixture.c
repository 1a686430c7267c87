#include "peers_fixture.h"

#include "ledger/peers_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static sg_ms mono_ms(const struct sg_clock *c)
{
    struct peers_world *w = c->ctx;
    return atomic_load(&w->mono);
}

static sg_ms wall_ms(const struct sg_clock *c)
{
    struct peers_world *w = c->ctx;
    const sg_ms set = atomic_load(&w->wall);
    struct timespec t;
    if (set != 0)
        return set;
    clock_gettime(CLOCK_REALTIME, &t);
    return (sg_ms)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int take_offer(struct peers_world *w, uint8_t *doc, uint64_t ticket)
{
    const int err = atomic_load(&w->offer_err);
    if (err == 0) {
        w->ticket = ticket; /* read after the line in the log, whose lock orders it */
        free(doc);
    }
    return err;
}

static int offer_block(void *ctx, uint8_t *doc, size_t len, bool sealed, int peer, uint64_t ticket)
{
    struct peers_world *w = ctx;
    struct lg_block *b = NULL;
    const long long height = lg_block_decode(&b, doc, len) == 0 ? (long long)b->header.height : -1;
    const int err = take_offer(w, doc, ticket);
    lg_block_free(b);
    log_put(
        &w->log, "%d offers %sblock %lld%s", peer, sealed ? "" : "unsealed ", height, err ? " in vain" : "");
    return err;
}

static int offer_statements(void *ctx, uint8_t *doc, size_t len, int peer, uint64_t ticket)
{
    struct peers_world *w = ctx;
    json_t *json = lg_c0_check(doc, len) == 0 ? json_loadb((const char *)doc, len, 0, NULL) : NULL;
    const size_t n = json_array_size(json_object_get(json, "statements"));
    json_decref(json);
    const int err = take_offer(w, doc, ticket);
    log_put(&w->log, "%d offers statements %zu%s", peer, n, err ? " in vain" : "");
    return err;
}

struct lg_block *peers_seal(
    const struct peers_world *w, const struct lg_block *like, const struct lg_header *h, unsigned gw)
{
    struct sg_buf header, text, doc;
    struct lg_slice statement = {like->statements[0]->doc, like->statements[0]->doc_len};
    struct lg_block *out = NULL;
    uint8_t sig[SG_SIGNATURE_BYTES];
    sg_buf_init(&header, 1u << 12);
    sg_buf_init(&text, 1u << 12);
    sg_buf_init(&doc, 1u << 22);
    lg_header_encode(&header, h);
    lg_header_signed_bytes(&text, header.p, header.len);
    assert_code(sg_key_sign(w->s.keys[gw], sig, text.p, text.len), 0);
    lg_block_encode(&doc, (struct lg_slice){header.p, header.len}, sig, &statement, 1, NULL, 0);
    assert_code(lg_block_decode(&out, doc.p, doc.len), 0);
    sg_buf_fini(&header);
    sg_buf_fini(&text);
    sg_buf_fini(&doc);
    return out;
}

/* The same block with a nonce that meets the genesis, and signed. The nonces are found once a process: they never change. */
static struct lg_block *seal(const struct peers_world *w, struct lg_block *b_take, unsigned gw)
{
    static int64_t nonces[2][PEERS_LENGTH + 1];
    struct lg_header h = b_take->header;
    int64_t *nonce = &nonces[gw][h.height];
    h.root = b_take->statements[0]->leaf; /* of a tree of one leaf */
    if (*nonce == 0)
        assert_code(lg_work_search(nonce, &h, 1, 1u << 24), 0);
    h.nonce = *nonce;
    struct lg_block *out = peers_seal(w, b_take, &h, 0);
    assert_true(lg_work_meets(&out->hash, h.bits));
    lg_block_free(b_take);
    return out;
}

/* A block with one statement that only this branch and height has. */
static struct lg_block *make(
    struct peers_world *w, struct lg_block_info *info, const struct lg_block_info *prev, unsigned gw)
{
    struct lg_statement *s =
        synth_statement(&w->s, gw, w->f.g->time + 1 + (sg_ms)prev->height, 1, &prev->hash, NULL, 0, 0);
    struct lg_block_info later = *prev;
    later.slot += gw; /* another slot, another header */
    struct lg_block *b = synth_block(&w->s, info, &later, &s, 1, NULL, 0);
    lg_statement_free(s);
    b = seal(w, b, gw);
    lg_block_info_of(info, b, prev);
    return b;
}

void peers_put(
    struct peers_world *w, const struct lg_block *b, const struct lg_block_info *info, bool connect)
{
    const struct lg_store *s = w->f.s;
    assert_code(s->begin(s->ctx), 0);
    assert_code(s->put_block(s->ctx, b, info), 0);
    if (connect)
        assert_code(s->connect(s->ctx, b, info), 0);
    assert_code(s->commit(s->ctx), 0);
}

static void make_chains(struct peers_world *w)
{
    lg_block_info_genesis(&w->our_info[0], w->f.g);
    w->their_info[0] = w->our_info[0];
    for (unsigned i = 0; i < PEERS_LENGTH; i++) {
        w->ours[i] = make(w, &w->our_info[i + 1], &w->our_info[i], 0);
        w->theirs[i] = make(w, &w->their_info[i + 1], &w->their_info[i], i < PEERS_COMMON ? 0 : 1);
        if (i < 12)
            peers_put(w, w->ours[i], &w->our_info[i + 1], true);
    }
    assert_true(lg_hash_eq(&w->ours[PEERS_COMMON - 1]->hash, &w->theirs[PEERS_COMMON - 1]->hash));
    assert_false(lg_hash_eq(&w->ours[PEERS_COMMON]->hash, &w->theirs[PEERS_COMMON]->hash));
}

int peers_setup(void **state)
{
    struct sg_fault fault = {0};
    struct peers_world *w = calloc(1, sizeof *w);
    fixture_init(&w->f);
    synth_init(&w->s, w->f.g);
    log_init(&w->log);
    make_chains(w);
    fake_start(&w->a, &w->log, 'a', w->f.g);
    fake_start(&w->b, &w->log, 'b', w->f.g);
    assert_code(sg_clock_init(&w->clock, NULL, &fault), 0);
    w->clock.mono_ms = mono_ms;
    w->clock.wall_ms = wall_ms;
    w->clock.ctx = w;
    atomic_store(&w->mono, 1000000);
    w->call_ms = 120000;
    *state = w;
    return 0;
}

int peers_teardown(void **state)
{
    struct peers_world *w = *state;
    lg_peers_stop(w->peers);
    fake_stop(&w->a);
    fake_stop(&w->b);
    for (unsigned i = 0; i < PEERS_LENGTH; i++) {
        lg_block_free(w->ours[i]);
        lg_block_free(w->theirs[i]);
    }
    log_fini(&w->log);
    synth_fini(&w->s);
    fixture_fini(&w->f);
    free(w);
    return 0;
}

void peers_start(struct peers_world *w, unsigned n, const char *first, const char *second)
{
    struct sg_fault fault = {0};
    const char *const urls[] = {first, second};
    const struct lg_peers_config config = {.urls = urls,
        .n = n,
        .data_dir = w->f.dir,
        .genesis = w->f.g,
        .crypto = &sg_crypto_openssl,
        .clock = &w->clock,
        .call_ms = w->call_ms,
        .host = {w, offer_block, offer_statements}};
    if (lg_peers_start(&w->peers, &config, &fault) != 0)
        fail_msg("%s", fault.text);
}

void peers_start_a(struct peers_world *w)
{
    peers_start(w, 1, w->a.url, NULL);
}

static bool has_looked(void *ctx)
{
    struct peers_world *w = ctx;
    return !atomic_load(&w->peers->woken);
}

/* The thread begins a round. */
static void round_begins(struct peers_world *w)
{
    atomic_store(&w->peers->woken, true);
    sg_http_client_wakeup(w->peers->http);
    assert_true(log_wait(&w->log, has_looked, w));
}

void peers_look(struct peers_world *w)
{
    round_begins(w); /* it may have been in the middle of one */
    round_begins(w); /* the one before is over */
}

void peers_pass(struct peers_world *w, sg_ms ms)
{
    peers_look(w);
    atomic_fetch_add(&w->mono, ms);
    peers_look(w);
}

void peers_judge(struct peers_world *w, int peer, int err)
{
    lg_peers_result(w->peers, peer, w->ticket, err);
}

static bool is_state(struct lg_peers_summary *s, struct peers_world *w, unsigned peer, const char *state)
{
    lg_peers_summary(w->peers, s);
    return strcmp(s->peers[peer].state, state) == 0 && s->peers[peer].resting;
}

bool peers_is_state(struct peers_world *w, unsigned peer, const char *state)
{
    struct lg_peers_summary s;
    return is_state(&s, w, peer, state);
}

void peers_expect_ban(struct peers_world *w, const char *reason, sg_ms ms)
{
    struct lg_peers_summary s;
    peers_wait_state(w, 0, "bad");
    lg_peers_summary(w->peers, &s);
    assert_string_equal(s.peers[0].reason, reason);
    assert_true(s.peers[0].bans > 0);
    assert_in_range(s.peers[0].until_ms,
        w->clock.wall_ms(&w->clock) + ms - 60000, /* it may have taken a while */
        w->clock.wall_ms(&w->clock) + ms);
    peers_expect_rest(w, ms);
}

struct wanted_state {
    struct peers_world *w;
    struct lg_peers_summary s;
    unsigned peer;
    const char *state;
};

static bool is_wanted(void *ctx)
{
    struct wanted_state *t = ctx;
    return is_state(&t->s, t->w, t->peer, t->state);
}

/* One look decides: a moment later the peer may be asked again. */
void peers_wait_state(struct peers_world *w, unsigned peer, const char *state)
{
    struct wanted_state t = {.w = w, .peer = peer, .state = state};
    const bool is = log_wait(&w->log, is_wanted, &t);
    if (!is)
        assert_string_equal(t.s.peers[peer].state, state);
    assert_true(is);
}

static bool rests(void *ctx)
{
    struct peers_world *w = ctx;
    struct lg_peers_summary s;
    lg_peers_summary(w->peers, &s);
    return s.peers[0].resting;
}

void peers_wait_rest(struct peers_world *w)
{
    assert_true(log_wait(&w->log, rests, w));
}

struct wanted_count {
    struct peers_world *w;
    const char *begin;
    unsigned n;
};

static bool is_counted(void *ctx)
{
    const struct wanted_count *t = ctx;
    return log_count(&t->w->log, t->begin) >= t->n;
}

void peers_wait_count(struct peers_world *w, const char *begin, unsigned n)
{
    (void)log_wait(&w->log, is_counted, &(struct wanted_count){w, begin, n});
    assert_int_equal(log_count(&w->log, begin), n);
}

void peers_expect_rest(struct peers_world *w, sg_ms ms)
{
    peers_wait_rest(w);
    const unsigned before = log_count(&w->log, "a ");
    peers_pass(w, ms - 1);
    for (unsigned i = 0; i < 4; i++) /* long enough for a thread that does not rest to show it */
        log_look(&w->log);
    assert_int_equal(log_count(&w->log, "a "), before);
    peers_pass(w, 1);
    log_expect(&w->log, "a status");
}
