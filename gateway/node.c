/* The gateway's wiring.
 *
 *   pollers --outcomes--> witness --HTTP--> ledger nodes, the embedded one first
 *      \--samples, states--> embedded node (GET /v1/relays)
 *
 * Invariant: parts start in the order in which they are called and stop in reverse.
 * Locks: `lock` guards the relay states while they are copied, and the pollers while they are told what is wanted (their own lock
 * is taken inside it, and never the other way round). */
#include "gateway/node.h"
#include "gateway/witness.h"
#include "sg_log.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct gw_node {
    const struct gw_config *config;
    const struct sg_clock *clock;
    gw_failed_fn *failed;
    void *failed_ctx;
    struct lg_node *ledger; /* NULL: thin */
    struct gw_witness *witness;
    struct gw_poller *poller;
    char own_url[128];
    const char *urls[GW_MAX_LEDGERS];
    char outbox[GW_CONFIG_PATH + 16];
    pthread_mutex_t lock;
    struct lg_node_relay_state *states; /* by relay of the configuration */
};

/* ---- what the pollers tell; their threads ---- */

static bool on_outcome(void *ctx, struct gw_outcome *o)
{
    struct gw_node *n = ctx;

    return gw_witness_put(n->witness, o);
}

/* Change a relay's state under the lock, hand a copy to the embedded node without it. */
static void publish(struct gw_node *n, unsigned relay, const struct gw_live *live, const int *state)
{
    struct lg_node_relay_state copy, *s = &n->states[relay];

    assert(relay < n->config->nrelays);
    if (!n->ledger)
        return;
    pthread_mutex_lock(&n->lock);
    if (live) {
        s->last_seq = live->seq;
        s->last_sample_ms = live->t_ms;
        s->sample = live->sample;
        s->has_sample = true;
    }
    if (state)
        (void)snprintf(s->state, sizeof s->state, "%s", sg_err_code(*state));
    copy = *s;
    pthread_mutex_unlock(&n->lock);
    lg_node_set_relay(n->ledger, &copy);
}

static void on_live(void *ctx, const struct gw_live *live)
{
    struct gw_node *n = ctx;

    gw_witness_saw_latch(n->witness, live->t_ms);
    publish(n, live->relay, live, NULL);
}

static void on_state(void *ctx, unsigned relay, int state)
{
    struct gw_node *n = ctx;

    sg_log(state ? SG_LOG_WARN : SG_LOG_INFO, "relay", "%s: %s", n->config->relays[relay].id,
        state ? sg_err_text(state) : "is being read");
    publish(n, relay, NULL, &state);
}

/* ---- what the parts tell ---- */

/* The pollers start after the witness and stop before it. */
static bool on_want(void *ctx, unsigned relay, sg_minute newest, uint64_t minutes)
{
    struct gw_node *n = ctx;
    bool there;

    pthread_mutex_lock(&n->lock);
    there = n->poller != NULL;
    if (there)
        gw_poller_want(n->poller, relay, newest, minutes);
    pthread_mutex_unlock(&n->lock);
    return there;
}

static void on_alarm(void *ctx, const char *kind)
{
    struct gw_node *n = ctx;

    if (n->ledger)
        lg_node_alarm(n->ledger, kind); /* counts and logs it */
    else
        sg_log(SG_LOG_WARN, "alarm", "%s", kind);
}

static void on_alarm_end(void *ctx, const char *kind)
{
    struct gw_node *n = ctx;

    if (n->ledger)
        lg_node_alarm_end(n->ledger, kind);
}

static void on_failed(void *ctx, int err, const char *why)
{
    struct gw_node *n = ctx;

    n->failed(n->failed_ctx, err, why);
}

/* ---- starting ---- */

/* The address under which this process reaches its own node. */
static void make_own_url(struct gw_node *n)
{
    const char *bind = n->config->bind;
    struct in6_addr v6;

    if (strcmp(bind, "0.0.0.0") == 0)
        bind = "127.0.0.1";
    if (strcmp(bind, "::") == 0)
        bind = "::1";
    (void)snprintf(n->own_url, sizeof n->own_url,
        inet_pton(AF_INET6, bind, &v6) == 1 ? "http://[%s]:%u" : "http://%s:%u", bind,
        lg_node_port(n->ledger));
}

static int start_ledger(struct gw_node *n, struct sg_fault *fault)
{
    const struct gw_config *c = n->config;
    struct lg_node_config config = {.name = c->name,
        .bind = c->bind,
        .port = c->port,
        .data_dir = c->data,
        .genesis = c->genesis,
        .key = c->key,
        .peers = c->peers,
        .npeers = c->npeers,
        .scrub_ms = c->scrub_ms,
        .clock = n->clock,
        .failed = on_failed,
        .failed_ctx = n};
    int err;

    if (!c->has_node)
        return 0;
    err = lg_node_start(&n->ledger, &config, fault);
    if (!err)
        make_own_url(n);
    return err;
}

static int start_witness(struct gw_node *n, struct sg_fault *fault)
{
    const struct gw_config *c = n->config;
    struct gw_witness_config config = {.genesis = c->genesis,
        .key = c->key,
        .kid = c->kid,
        .outbox_dir = n->outbox,
        .clock = n->clock,
        .ledgers = n->urls,
        .own_first = c->has_node,
        .relays = c->relays,
        .nrelays = c->nrelays,
        .want = on_want,
        .alarm = on_alarm,
        .alarm_end = on_alarm_end,
        .failed = on_failed,
        .ctx = n};

    if (n->ledger)
        n->urls[config.nledgers++] = n->own_url;
    for (unsigned i = 0; i < c->nledgers; i++)
        n->urls[config.nledgers++] = c->ledgers[i];
    return gw_witness_start(&n->witness, &config, fault);
}

/* The one that was there. */
static struct gw_poller *set_poller(struct gw_node *n, struct gw_poller *poller)
{
    struct gw_poller *before;

    pthread_mutex_lock(&n->lock);
    before = n->poller;
    n->poller = poller;
    pthread_mutex_unlock(&n->lock);
    return before;
}

static int start_pollers(struct gw_node *n, struct sg_fault *fault)
{
    const struct gw_config *c = n->config;
    struct gw_poller_config config = {.relays = c->relays,
        .nrelays = c->nrelays,
        .genesis = c->genesis,
        .clock = n->clock,
        .outcome = on_outcome,
        .live = on_live,
        .state = on_state,
        .ctx = n};
    struct gw_poller *poller = NULL;
    int err;

    err = gw_poller_start(&poller, &config, fault);
    if (!err)
        set_poller(n, poller);
    return err;
}

static int no_memory(struct sg_fault *fault)
{
    fault->err = SG_ENOMEM;
    memcpy(fault->text, "out of memory", sizeof "out of memory");
    return SG_ENOMEM;
}

static int prepare(struct gw_node *n, struct sg_fault *fault)
{
    const struct gw_config *c = n->config;

    n->states = calloc(c->nrelays, sizeof n->states[0]);
    if (!n->states)
        return no_memory(fault);
    for (unsigned i = 0; i < c->nrelays; i++) {
        memcpy(n->states[i].id, c->relays[i].id, sizeof n->states[i].id);
        (void)snprintf(n->states[i].state, sizeof n->states[i].state, "new");
    }
    (void)snprintf(n->outbox, sizeof n->outbox, "%s/outbox", c->data);
    if (mkdir(c->data, 0700) != 0 && errno != EEXIST) {
        fault->err = errno == ENOSPC ? SG_ENOSPC : SG_EIO;
        (void)snprintf(
            fault->text, sizeof fault->text, "%.300s: cannot make the folder: %s", c->data, strerror(errno));
        return fault->err;
    }
    return 0;
}

int gw_node_start(struct gw_node **out, const struct gw_config *config, const struct sg_clock *clock,
    gw_failed_fn *failed, void *ctx, struct sg_fault *fault)
{
    struct gw_node *n = calloc(1, sizeof *n);
    int err;

    if (!n)
        return no_memory(fault);
    n->config = config;
    n->clock = clock;
    n->failed = failed;
    n->failed_ctx = ctx;
    if (pthread_mutex_init(&n->lock, NULL) != 0)
        assert(!"a default mutex needs nothing");
    err = prepare(n, fault);
    if (!err)
        err = start_ledger(n, fault);
    if (!err)
        err = start_witness(n, fault);
    if (!err)
        err = start_pollers(n, fault);
    if (err) {
        gw_node_stop(n);
        return err;
    }
    *out = n;
    return 0;
}

void gw_node_stop(struct gw_node *n)
{
    if (!n)
        return;
    gw_poller_stop(set_poller(n, NULL));
    gw_witness_stop(n->witness);
    if (n->ledger)
        lg_node_stop(n->ledger);
    if (pthread_mutex_destroy(&n->lock) != 0)
        assert(!"nobody holds it");
    free(n->states);
    free(n);
}

uint16_t gw_node_port(const struct gw_node *n)
{
    return n->ledger ? lg_node_port(n->ledger) : 0;
}
