/* The peers' thread: its inbox, and the summary that others read.
 *
 * All state of a peer belongs to this one thread; other threads only put messages into the bounded inbox. A full inbox
 * or queue loses an announcement, never a document: peers ask for what they miss. */
#include "ledger/peers.h"
#include "ledger/peers_priv.h"
#include "lg_client.h"
#include "sg_log.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART      "peers"
#define INBOX_MAX 1024

enum message_kind { MSG_BLOCK, MSG_STATEMENTS, MSG_WANT, MSG_RESULT, MSG_QUIT };

struct message {
    enum message_kind kind;
    int peer; /* BLOCK, STATEMENTS: not to this one; RESULT: of this one */
    uint64_t ticket;
    int err;
    /* BLOCK: doc is the sketch [0..split), then the block. STATEMENTS: their n leaves, bodies [at..split), statements; both joined by
     * commas */
    size_t at, split;
    unsigned n;
    size_t len;
    uint8_t doc[];
};

/* False: the inbox is full, the message is gone. */
static bool put_message(struct lg_peers *p, struct message *m)
{
    if (sg_queue_put(p->inbox, m) == SG_OK)
        return true;
    free(m);
    return false;
}

static void wake(struct lg_peers *p)
{
    if (!atomic_exchange(&p->woken, true))
        sg_http_client_wakeup(p->http);
}

static void send_message(struct lg_peers *p, struct message *m)
{
    if (put_message(p, m))
        wake(p);
}

static struct message *new_message(enum message_kind kind, int peer, size_t len)
{
    struct message *m = calloc(1, sizeof(*m) + len);
    if (m) {
        m->kind = kind;
        m->peer = peer;
        m->len = len;
    }
    return m;
}

/* ---- announcements, from the chain thread ---- */

/* Nothing when the block has too many leaves. */
static void put_sketch(struct sg_buf *out, const struct lg_block *b)
{
    struct lg_hash *leaves = NULL;

    if (b->nstatements + b->nbodies <= LG_SKETCH_MAX_LEAVES)
        leaves = malloc((b->nstatements + b->nbodies) * sizeof(*leaves));
    if (!leaves)
        return;
    lg_block_leaves(leaves, b);
    lg_sketch_encode(out, b->header_doc, b->sig, leaves, b->nstatements, b->nbodies);
    free(leaves);
}

void lg_peers_announce_block(struct lg_peers *p, const struct lg_block *b, int from)
{
    struct sg_buf doc;
    struct message *m = NULL;

    if (p->n == 0)
        return;
    sg_buf_init(&doc, LG_SKETCH_MAX_BYTES + LG_PUSH_MAX_BYTES);
    put_sketch(&doc, b);
    size_t split = doc.len;
    sg_buf_put(&doc, b->doc, b->doc_len);
    if (sg_buf_err(&doc) == SG_OK)
        m = new_message(MSG_BLOCK, from, doc.len);
    if (m) {
        m->split = split;
        memcpy(m->doc, doc.p, doc.len);
        send_message(p, m);
    }
    sg_buf_fini(&doc);
}

/* Documents from `begin` on joined by commas, as they stand inside of an array. */
static void join(struct sg_buf *out, size_t begin, const uint8_t *doc, size_t len)
{
    if (out->len > begin)
        sg_buf_puts(out, ",");
    sg_buf_put(out, doc, len);
}

void lg_peers_offer(struct sg_buf *out, const struct sg_buf *bodies, const struct sg_buf *statements)
{
    sg_buf_puts(out, "{\"bodies\":[");
    sg_buf_put(out, bodies->p, bodies->len);
    sg_buf_puts(out, "],\"statements\":[");
    sg_buf_put(out, statements->p, statements->len);
    sg_buf_puts(out, "]}");
}

/* A thread that sleeps until what is gathered goes on need not be woken for more of it. */
static void send_statements(struct lg_peers *p, struct message *m)
{
    const enum lg_told kind = m->peer == LG_FROM_OUTSIDE ? LG_TOLD_FIRST : LG_TOLD_AGAIN;

    if (!put_message(p, m)) {
        atomic_store(&p->lost_news, true);
        wake(p);
    } else if (!atomic_load(&p->can_wait[kind]))
        wake(p);
}

void lg_peers_announce_statements(struct lg_peers *p, struct lg_statement *const *s, unsigned n,
    struct lg_body *const *bodies, unsigned nbodies, int from)
{
    struct sg_buf doc;

    if (p->n == 0 || n == 0)
        return;
    sg_buf_init(&doc, LG_PUSH_MAX_BYTES);
    for (unsigned i = 0; i < n; i++)
        sg_buf_put(&doc, &s[i]->leaf, sizeof(s[i]->leaf));
    const size_t at = doc.len;
    for (unsigned i = 0; i < nbodies; i++)
        join(&doc, at, bodies[i]->doc, bodies[i]->doc_len);
    const size_t split = doc.len;
    for (unsigned i = 0; i < n; i++)
        join(&doc, split, s[i]->doc, s[i]->doc_len);
    struct message *m = sg_buf_err(&doc) == SG_OK ? new_message(MSG_STATEMENTS, from, doc.len) : NULL;
    if (m) {
        m->n = n;
        m->at = at;
        m->split = split;
        memcpy(m->doc, doc.p, doc.len);
        send_statements(p, m);
    } else
        atomic_store(&p->lost_news, true);
    sg_buf_fini(&doc);
}

void lg_peers_want(struct lg_peers *p)
{
    struct message *m = p->n ? new_message(MSG_WANT, -1, 0) : NULL;
    if (m)
        send_message(p, m);
}

void lg_peers_repaired(struct lg_peers *p)
{
    atomic_store(&p->repaired, true);
    wake(p);
}

void lg_peers_result(struct lg_peers *p, int peer, uint64_t ticket, int err)
{
    lg_peers_results(p, &(struct lg_peers_result){peer, ticket, err}, 1);
}

void lg_peers_results(struct lg_peers *p, const struct lg_peers_result *results, unsigned n)
{
    bool any = false;

    for (unsigned i = 0; i < n; i++) {
        struct message *m = new_message(MSG_RESULT, results[i].peer, 0);
        if (!m)
            continue;
        m->ticket = results[i].ticket;
        m->err = results[i].err;
        any = put_message(p, m) || any;
    }
    if (any)
        wake(p);
}

/* ---- the thread ---- */

/* Most of the peers that answer have shown headers, checked, of far more blocks than stand here. */
static bool far_behind(const struct lg_peers *p, unsigned answering)
{
    struct lg_block_info own = {.height = 0};
    unsigned ahead = 0, shown = 0;

    for (unsigned i = 0; i < p->n; i++)
        shown += lg_peer_answers(&p->peers[i]) && p->peers[i].checked > 0;
    if (2 * shown <= answering || !p->reader || lg_reader_tip(p->reader, &own) == SG_EIO)
        return false;
    for (unsigned i = 0; i < p->n; i++)
        ahead += lg_peer_answers(&p->peers[i]) && p->peers[i].checked >= own.height + LG_FAR_BEHIND;
    return 2 * ahead > answering;
}

/* The end of a ban by the wall clock, which may run at another speed. */
static void say_ban(const struct lg_peers *p, struct lg_peer_state *out, const struct lg_peer *peer)
{
    const struct sg_clock *clock = p->config.clock;

    out->reason = peer->reason;
    out->until_ms = clock->wall_ms(clock) + (peer->until_ms - lg_peer_mono(peer)) * clock->speed_milli / 1000;
}

void lg_peers_publish(struct lg_peers *p)
{
    struct lg_peers_summary s = {.n = p->n, .all_tried = true};
    int64_t named = 0;

    for (unsigned i = 0; i < p->n; i++) {
        const struct lg_peer *peer = &p->peers[i];
        bool answering = lg_peer_answers(peer);
        snprintf(s.peers[i].url, sizeof(s.peers[i].url), "%s", peer->url);
        s.peers[i].state = peer->state;
        s.peers[i].height = peer->height;
        s.peers[i].resting = peer->phase == LG_PEER_IDLE;
        s.peers[i].bans = peer->bans;
        if (strcmp(peer->state, "bad") == 0)
            say_ban(p, &s.peers[i], peer);
        if (answering && peer->height > named)
            named = peer->height;
        s.answering += answering;
        s.unknown_tip += answering && !peer->tip_known;
        s.clock_off += answering && peer->clock_off;
        s.other_chain += strcmp(peer->state, "other_chain") == 0;
        s.all_tried = s.all_tried && peer->tried;
    }
    atomic_store(&p->named, named);
    atomic_store(&p->far_behind, far_behind(p, s.answering));
    atomic_store(&p->clock_in_doubt, s.answering > 0 ? 2 * s.clock_off > s.answering : !s.all_tried);
    pthread_mutex_lock(&p->lock);
    p->summary = s;
    pthread_mutex_unlock(&p->lock);
}

static void spread_block(struct lg_peers *p, const struct message *m)
{
    for (unsigned i = 0; i < p->n; i++)
        if ((int)i != m->peer && lg_peer_answers(&p->peers[i]))
            lg_peer_push_block(&p->peers[i], m->doc, m->split, m->len);
}

static void gather(struct lg_peers *p, const struct message *m)
{
    lg_peers_gather(p, &(struct lg_news){.bodies = {m->doc + m->at, m->split - m->at},
                           .statements = {m->doc + m->split, m->len - m->split},
                           .leaves = (const void *)m->doc,
                           .n = m->n,
                           .from = m->peer});
}

/* Ask again at once, but no peer more often than each LG_POLL_MIN_MS: whoever offers orphans must not make this node a source of
 * requests. One that is bad, away or of another chain keeps its distance. */
static void want_now(struct lg_peers *p)
{
    for (unsigned i = 0; i < p->n; i++) {
        struct lg_peer *peer = &p->peers[i];
        if (peer->phase == LG_PEER_IDLE && lg_peer_answers(peer) &&
            peer->asked_ms + LG_POLL_MIN_MS < peer->next_ms)
            peer->next_ms = peer->asked_ms + LG_POLL_MIN_MS;
    }
}

/* False when the thread must end. */
static bool handle(struct lg_peers *p, struct message *m)
{
    bool go = true;

    switch (m->kind) {
    case MSG_BLOCK:
        spread_block(p, m);
        break;
    case MSG_STATEMENTS:
        gather(p, m);
        break;
    case MSG_WANT:
        want_now(p);
        break;
    case MSG_RESULT:
        if (m->peer >= 0 && (unsigned)m->peer < p->n)
            lg_peer_judged(&p->peers[m->peer], m->ticket, m->err);
        break;
    case MSG_QUIT:
        go = false;
        break;
    }
    free(m);
    return go;
}

/* How long the thread may sleep: until the next peer is due. */
static sg_ms sleep_ms(const struct lg_peers *p, sg_ms now)
{
    sg_ms wait = LG_POLL_MS;

    for (unsigned i = 0; i < p->n; i++) {
        const struct lg_peer *peer = &p->peers[i];
        if (peer->phase == LG_PEER_IDLE && peer->next_ms - now < wait)
            wait = peer->next_ms > now ? peer->next_ms - now : 0;
        if (peer->phase == LG_PEER_TURN && wait > LG_POLL_MIN_MS)
            wait = LG_POLL_MIN_MS;
    }
    sg_ms due = lg_peers_gathered_due(p);
    if (due < now + wait)
        wait = due > now ? due - now : 0;
    return wait;
}

/* Whether the next statements may wait is said for the time of the sleep only: what comes before the inbox is emptied is taken then. */
static void say_can_wait(struct lg_peers *p, bool asleep)
{
    for (unsigned k = 0; k < LG_TOLD_KINDS; k++)
        atomic_store(&p->can_wait[k], asleep && lg_peers_can_wait(p, (enum lg_told)k));
}

static void note_lost_news(struct lg_peers *p)
{
    if (!atomic_exchange(&p->lost_news, false))
        return;
    for (unsigned i = 0; i < p->n; i++)
        p->peers[i].owes = true;
}

static void *run(void *arg)
{
    struct lg_peers *p = arg;
    const struct sg_clock *clock = p->config.clock;
    void *m = NULL;

    (void)pthread_setname_np(pthread_self(), "peers");
    for (;;) {
        atomic_store(&p->woken, false); /* before the inbox is emptied: what comes later wakes again */
        say_can_wait(p, false);
        bool repaired = atomic_exchange(&p->repaired, false); /* after the results that it concerns */
        while (sg_queue_get(p->inbox, &m, 0) == SG_OK)
            if (!handle(p, m))
                return NULL;
        sg_ms now = clock->mono_ms(clock);
        note_lost_news(p);
        for (unsigned i = 0; i < p->n && repaired; i++)
            lg_peer_let_off(&p->peers[i]);
        lg_peers_pass_on(p, now);
        lg_peers_watch_evidence(p, now);
        for (unsigned i = 0; i < p->n; i++)
            lg_peer_ask(&p->peers[i], now);
        say_can_wait(p, true);
        sg_http_client_run(p->http, sleep_ms(p, now));
    }
}

static void release(struct lg_peers *p)
{
    void *m = NULL;

    if (p->http)
        sg_http_client_free(p->http);
    for (unsigned i = 0; i < p->n; i++) {
        p->peers[i].pushing = false;
        lg_peer_push_forget(&p->peers[i]);
        lg_sketch_free(p->peers[i].sketch);
    }
    if (p->inbox) {
        while (sg_queue_get(p->inbox, &m, 0) == SG_OK)
            free(m);
        sg_queue_free(p->inbox);
    }
    if (p->reader)
        lg_reader_close(p->reader);
    for (unsigned k = 0; k < LG_TOLD_KINDS; k++) {
        lg_gathered_fini(&p->soon[k]);
        lg_gathered_fini(&p->later[k]);
    }
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int lg_peers_start(struct lg_peers **out, const struct lg_peers_config *config, struct sg_fault *fault)
{
    struct lg_peers *p = calloc(1, sizeof(*p));
    int err = SG_ENOMEM;

    if (!p)
        return SG_ENOMEM;
    p->config = *config;
    p->n = config->n;
    p->next_ticket = 1;
    p->rules = (struct lg_rules){.genesis = config->genesis, .crypto = config->crypto};
    if (config->precheck)
        p->rules.seals = lg_precheck_known(config->precheck);
    for (unsigned k = 0; k < LG_TOLD_KINDS; k++) {
        lg_gathered_init(&p->soon[k]);
        lg_gathered_init(&p->later[k]);
    }
    pthread_mutex_init(&p->lock, NULL);
    for (unsigned i = 0; i < p->n; i++) {
        struct lg_peer *peer = &p->peers[i];
        *peer = (struct lg_peer){
            .owner = p, .number = (int)i, .state = "new", .wants_pool = true, .wants_evidence = true};
        peer->quick[LG_TOLD_FIRST] = true;
        snprintf(peer->url, sizeof(peer->url), "%s", config->urls[i]);
    }
    lg_peers_publish(p);
    if ((err = sg_queue_new(&p->inbox, INBOX_MAX)) != SG_OK ||
        (err = sg_http_client_new(&p->http)) != SG_OK ||
        (err = lg_reader_open(&p->reader, config->data_dir, config->genesis, fault)) != SG_OK) {
        release(p);
        return err;
    }
    if (pthread_create(&p->thread, NULL, run, p) != 0) {
        release(p);
        return SG_ENOMEM;
    }
    *out = p;
    return SG_OK;
}

void lg_peers_stop(struct lg_peers *p)
{
    if (!p)
        return;
    /* A full inbox is being emptied by the thread: offer until it fits. */
    struct message *m = NULL;
    while (!(m = new_message(MSG_QUIT, -1, 0)) || sg_queue_put(p->inbox, m) != SG_OK) {
        free(m);
        sg_http_client_wakeup(p->http);
        sched_yield();
    }
    sg_http_client_wakeup(p->http);
    pthread_join(p->thread, NULL);
    release(p);
}

int64_t lg_peers_height(struct lg_peers *p)
{
    return atomic_load(&p->named);
}

bool lg_peers_far_behind(struct lg_peers *p)
{
    return atomic_load(&p->far_behind);
}

bool lg_peers_clock_in_doubt(struct lg_peers *p)
{
    return atomic_load(&p->clock_in_doubt);
}

void lg_peers_summary(struct lg_peers *p, struct lg_peers_summary *out)
{
    pthread_mutex_lock(&p->lock);
    *out = p->summary;
    pthread_mutex_unlock(&p->lock);
}
