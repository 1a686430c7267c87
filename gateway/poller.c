/* Pollers: one thread per endpoint, its units in turn.
 *
 *   thread of an endpoint:  gw_relay_next of each unit -> request -> gw_relay_answer -> callbacks; then wait
 *
 * A unit's turn goes on until it has nothing due, because a connection that silence has closed begins with the header again
 * and what is wanted comes behind it. Units that answer are asked before units that do not. When the endpoint itself cannot
 * be reached, all that are due fail with it; when two units in a row have not answered, the others of the round are not asked
 * and nothing is held against them: those two pause now, and the next round begins with the others. So dead relays cost
 * their neighbours two deadlines a round at most, and never a failure of their own. A request to a unit that is failing may
 * not last beyond the end of the minute, so that what is known is told in time.
 *
 * Invariant: a unit's state is touched by its endpoint's thread alone; callbacks run on that thread with no lock held.
 * Refuses: a configuration without relays, or two relays behind one unit of one endpoint. */
#include "gateway/poller.h"

#include "gateway/core/relay.h"
#include "gateway/modbus.h"
#include "sg_log.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum {
    LATCH_DELAY_MIN_MS = 150,
    LATCH_DELAY_SPAN_MS = 151, /* 150..300, by process: the gateways of one relay do not ask in one instant */
    LONGEST_WAIT_MS = 1000,    /* real: a step of the wall clock is noticed within it */
    SHORTEST_TIMEOUT_MS = 50,
    SILENT_UNITS = 2,
    TURN_REQUESTS = 4, /* header, FRAME, a live block and one more: no unit keeps the connection to itself */
    UNTAKEN_RETRY_MS = 20000, /* an outcome for which there was no room */
};

struct unit {
    const struct gw_relay_config *config;
    struct gw_relay relay;
    struct gw_job job;
    bool last;             /* asked after those that answer, in this round */
    sg_minute want_newest; /* under the poller's lock: minutes that somebody wants to have read */
    uint64_t want;
};

struct endpoint {
    struct gw_poller *poller;
    struct gw_modbus *modbus;
    struct unit *units;
    unsigned nunits;
    pthread_t thread;
    bool running;
    unsigned turn;   /* the unit with which a round begins */
    int round_err;   /* of the endpoint as a whole, in this round */
    unsigned silent; /* units in a row that have not answered in this round */
};

struct gw_poller {
    struct gw_poller_config config;
    struct endpoint *endpoints;
    unsigned nendpoints;
    pthread_mutex_t lock; /* of stopping, with the condition that it wakes, and of what is wanted */
    pthread_cond_t wake;
    bool stopping;
};

static bool is_stopping(struct gw_poller *p)
{
    bool stopping;

    (void)pthread_mutex_lock(&p->lock);
    stopping = p->stopping;
    (void)pthread_mutex_unlock(&p->lock);
    return stopping;
}

/* Sleep real milliseconds, or until the poller stops. */
static void sleep_ms(struct gw_poller *p, sg_ms ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    (void)pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        if (pthread_cond_timedwait(&p->wake, &p->lock, &until) == ETIMEDOUT)
            break;
    }
    (void)pthread_mutex_unlock(&p->lock);
}

static struct gw_now now_of(const struct sg_clock *c)
{
    return (struct gw_now){.wall_ms = c->wall_ms(c), .run_ms = c->run_ms(c)};
}

static void log_state(const struct unit *u, int state)
{
    const struct gw_relay_config *c = u->config;

    if (state == SG_EIDENTITY)
        sg_log(SG_LOG_ERROR, "poller", "%s at %s:%u unit %u is not the relay of the genesis: %s differs",
            c->id, c->host, (unsigned)c->port, c->unit, u->relay.difference);
    else if (state)
        sg_log(SG_LOG_WARN, "poller", "%s at %s:%u unit %u: %s", c->id, c->host, (unsigned)c->port, c->unit,
            sg_err_text(state));
    else
        sg_log(
            SG_LOG_INFO, "poller", "%s at %s:%u unit %u is read", c->id, c->host, (unsigned)c->port, c->unit);
}

static void log_outcome(const struct unit *u, const struct gw_outcome *o)
{
    if (o->has_body)
        sg_log(SG_LOG_DEBUG, "poller", "%s minute %lld: body, live %u", u->config->id, (long long)o->min,
            o->live);
    else
        sg_log(o->alarm ? SG_LOG_ERROR : SG_LOG_WARN, "poller", "%s minute %lld: gap %s%s", u->config->id,
            (long long)o->min, lg_reason_name(o->reason),
            o->alarm && o->reason == LG_REASON_MALFORMED ? ", the relay contradicts itself" : "");
}

/* Hand out what a step produced. */
static void publish(struct endpoint *e, struct unit *u, struct gw_step *s)
{
    const struct gw_poller_config *c = &e->poller->config;
    sg_minute min;
    bool was_read;

    if (s->has_state) {
        log_state(u, s->state);
        c->state(c->ctx, u->relay.setup.index, s->state);
    }
    if (s->has_live)
        c->live(c->ctx, &s->live);
    if (s->has_outcome) {
        log_outcome(u, &s->outcome);
        min = s->outcome.min;
        was_read = s->outcome.has_body;
        if (!c->outcome(c->ctx, &s->outcome) && was_read)
            gw_relay_want(&u->relay, min, UNTAKEN_RETRY_MS, now_of(c->clock));
    }
}

/* Real deadline of a request. */
static sg_ms timeout_of(const struct endpoint *e, const struct unit *u, struct gw_now now)
{
    const struct sg_clock *c = e->poller->config.clock;
    sg_ms timeout = u->config->timeout_ms;

    if (!gw_relay_healthy(&u->relay)) {
        sg_ms left = sg_clock_wait_ms(c, (now.wall_ms / SG_MINUTE_MS + 1) * SG_MINUTE_MS);

        if (left < SHORTEST_TIMEOUT_MS)
            left = SHORTEST_TIMEOUT_MS;
        if (left < timeout)
            timeout = left;
    }
    return timeout;
}

/* A request has ended the connection that all units share: the others had no part in it. */
static void tell_neighbours(struct endpoint *e, const struct unit *u)
{
    for (unsigned i = 0; i < e->nunits; i++) {
        if (&e->units[i] != u)
            gw_relay_cut_off(&e->units[i].relay);
    }
}

/* Open the connection if need be, and send the job. */
static int transact(struct endpoint *e, struct unit *u, uint16_t *regs, struct gw_now now)
{
    struct gw_frame_note note;
    sg_ms timeout = timeout_of(e, u, now);
    int err;

    if (e->round_err)
        return e->round_err;
    if (gw_modbus_generation(e->modbus) == 0) {
        assert(u->job.kind == GW_READ_HEADER); /* a new connection begins with the identity */
        err = gw_modbus_connect(e->modbus, timeout);
        if (err) {
            e->round_err = err;
            return err;
        }
    }
    err = gw_modbus_read(e->modbus, regs, &note, u->config->unit, u->job.address, u->job.quantity, timeout);
    e->silent = err == SG_ETIMEOUT ? e->silent + 1 : 0;
    if (gw_modbus_generation(e->modbus) == 0)
        tell_neighbours(e, u);
    if (err == SG_EMALFORMED)
        sg_log(SG_LOG_WARN, "poller", "%s: malformed answer to %s: %s", u->config->id,
            gw_readplan(u->job.kind)->name, gw_frame_fault_text(note.fault));
    else if (err == SG_EEXCEPTION)
        sg_log(SG_LOG_WARN, "poller", "%s: exception %u to %s", u->config->id, note.exception,
            gw_readplan(u->job.kind)->name);
    return err;
}

/* Do the unit's job. */
static void perform(struct endpoint *e, struct unit *u, struct gw_now now)
{
    const struct sg_clock *clock = e->poller->config.clock;
    uint16_t regs[GW_MAX_QUANTITY];
    struct gw_answer a = {.regs = regs};
    struct gw_step step;

    a.sent_wall_ms = clock->wall_ms(clock);
    a.err = transact(e, u, regs, now);
    a.generation = gw_modbus_generation(e->modbus);
    if (!a.err && a.generation == 0 && u->job.kind == GW_READ_HEADER)
        a.err = SG_ECLOSED; /* answered, then closed: an identity is good for its connection only */
    gw_relay_answer(&u->relay, &step, &u->job, &a, now_of(clock));
    publish(e, u, &step);
}

/* Ask a unit what comes next and do it. True when it had something to do: also when silence leaves it for the next round. */
static bool serve_job(struct endpoint *e, struct unit *u)
{
    struct gw_now now = now_of(e->poller->config.clock);
    struct gw_step step;

    gw_relay_next(&u->relay, &u->job, &step, now, gw_modbus_generation(e->modbus));
    publish(e, u, &step);
    if (u->job.wait)
        return step.has_outcome;
    if (e->silent < SILENT_UNITS)
        perform(e, u, now);
    return true;
}

/* A unit's turn. True when it had something to do. */
static bool serve_unit(struct endpoint *e, struct unit *u)
{
    bool busy = serve_job(e, u);

    for (unsigned i = 1; busy && i < TURN_REQUESTS && e->silent < SILENT_UNITS; i++) {
        if (!serve_job(e, u))
            break;
    }
    return busy;
}

/* Hand on what others want to have read. */
static void take_wanted(struct endpoint *e, struct unit *u)
{
    sg_minute newest;
    uint64_t want;

    (void)pthread_mutex_lock(&e->poller->lock);
    newest = u->want_newest;
    want = u->want;
    u->want = 0;
    (void)pthread_mutex_unlock(&e->poller->lock);
    for (unsigned i = 0; want != 0; i++, want >>= 1) {
        if (want & 1)
            gw_relay_want(&u->relay, newest - i, 0, now_of(e->poller->config.clock));
    }
}

/* Nobody has anything to do: one request that can wait, of one unit. Then all are asked again, so that whatever is due comes
 * first. */
static bool serve_spare(struct endpoint *e)
{
    for (unsigned i = 0; i < e->nunits; i++) {
        struct unit *u = &e->units[(e->turn + i) % e->nunits];
        struct gw_now now = now_of(e->poller->config.clock);

        take_wanted(e, u);
        if (gw_relay_spare(&u->relay, &u->job, now, gw_modbus_generation(e->modbus))) {
            perform(e, u, now);
            return true;
        }
    }
    return false;
}

/* One turn for each unit, those that answer first; each time another one begins, so that no dead unit keeps its neighbours
 * from being found again. True when any had something to do. */
static bool serve_round(struct endpoint *e)
{
    bool busy = false;

    gw_modbus_look(e->modbus);
    e->round_err = 0;
    e->silent = 0;
    e->turn = (e->turn + 1) % e->nunits;
    for (unsigned i = 0; i < e->nunits; i++)
        e->units[i].last = !gw_relay_healthy(&e->units[i].relay);
    for (unsigned i = 0; i < 2 * e->nunits && !is_stopping(e->poller); i++) {
        struct unit *u = &e->units[(e->turn + i) % e->nunits];

        if (u->last == (i >= e->nunits) && serve_unit(e, u))
            busy = true;
    }
    return busy;
}

/* Until the first unit has something to do. */
static void wait_for_work(struct endpoint *e)
{
    sg_ms until = INT64_MAX, wait;

    for (unsigned i = 0; i < e->nunits; i++) {
        if (e->units[i].job.until_ms < until)
            until = e->units[i].job.until_ms;
    }
    wait = sg_clock_wait_ms(e->poller->config.clock, until);
    if (wait > 0)
        sleep_ms(e->poller, wait < LONGEST_WAIT_MS ? wait : LONGEST_WAIT_MS);
}

static void *endpoint_main(void *arg)
{
    struct endpoint *e = arg;

    (void)pthread_setname_np(pthread_self(), "poller");
    while (!is_stopping(e->poller)) {
        if (!serve_round(e) && !serve_spare(e))
            wait_for_work(e);
    }
    gw_modbus_close(e->modbus);
    return NULL;
}

/* ---- start and stop ---- */

static bool same_endpoint(const struct gw_relay_config *a, const struct gw_relay_config *b)
{
    return a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

/* The endpoint of relay i, a new one if it is the first there. NULL: out of memory. */
static struct endpoint *endpoint_of(struct gw_poller *p, unsigned i)
{
    const struct gw_relay_config *relays = p->config.relays;
    struct endpoint *e;

    for (unsigned k = 0; k < p->nendpoints; k++) {
        if (same_endpoint(p->endpoints[k].units[0].config, &relays[i]))
            return &p->endpoints[k];
    }
    e = &p->endpoints[p->nendpoints];
    e->poller = p;
    e->units = calloc(p->config.nrelays - i, sizeof *e->units); /* at most all that follow */
    if (!e->units)
        return NULL;
    p->nendpoints++;
    if (gw_modbus_new(&e->modbus, p->config.clock, relays[i].host, relays[i].port))
        return NULL;
    return e;
}

static sg_ms latch_delay(void)
{
    uint32_t mixed = (uint32_t)getpid() * 2654435761u; /* Knuth's multiplicative hash */

    return LATCH_DELAY_MIN_MS + (mixed >> 16) % LATCH_DELAY_SPAN_MS;
}

static int add_relay(struct gw_poller *p, unsigned i, struct sg_fault *fault)
{
    const struct gw_relay_config *c = &p->config.relays[i];
    struct gw_relay_setup setup = {
        .index = i,
        .relay = c->relay,
        .max_future_ms = p->config.genesis->policy.max_future_ms,
        .latch_delay_ms = latch_delay(),
    };
    struct endpoint *e = endpoint_of(p, i);
    struct unit *u;

    if (!e)
        return SG_ENOMEM;
    for (unsigned k = 0; k < e->nunits; k++) {
        if (e->units[k].config->unit == c->unit) {
            (void)snprintf(fault->text, sizeof fault->text, "relays %s and %s are both unit %u of %.255s:%u",
                e->units[k].config->id, c->id, c->unit, c->host, (unsigned)c->port);
            return SG_ECONFIG;
        }
    }
    u = &e->units[e->nunits++];
    u->config = c;
    gw_relay_init(&u->relay, &setup, now_of(p->config.clock));
    return 0;
}

static int start_threads(struct gw_poller *p)
{
    for (unsigned i = 0; i < p->nendpoints; i++) {
        if (pthread_create(&p->endpoints[i].thread, NULL, endpoint_main, &p->endpoints[i]) != 0)
            return SG_ENOMEM;
        p->endpoints[i].running = true;
    }
    return 0;
}

static int new_poller(struct gw_poller **out, const struct gw_poller_config *config)
{
    struct gw_poller *p = calloc(1, sizeof *p);
    pthread_condattr_t attr;

    if (!p)
        return SG_ENOMEM;
    p->config = *config;
    p->endpoints = calloc(config->nrelays ? config->nrelays : 1, sizeof *p->endpoints);
    if (!p->endpoints) {
        free(p);
        return SG_ENOMEM;
    }
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    *out = p;
    return 0;
}

int gw_poller_start(struct gw_poller **out, const struct gw_poller_config *config, struct sg_fault *fault)
{
    struct gw_poller *p;
    int err = new_poller(&p, config);

    fault->text[0] = 0;
    if (!err) {
        for (unsigned i = 0; i < config->nrelays && !err; i++)
            err = add_relay(p, i, fault);
        if (!err)
            err = start_threads(p);
        if (err)
            gw_poller_stop(p);
    }
    fault->err = err;
    if (err && !fault->text[0])
        (void)snprintf(fault->text, sizeof fault->text, "pollers: %s", sg_err_text(err));
    if (!err)
        *out = p;
    return err;
}

void gw_poller_want(struct gw_poller *p, unsigned relay, sg_minute newest, uint64_t minutes)
{
    (void)pthread_mutex_lock(&p->lock);
    for (unsigned i = 0; i < p->nendpoints; i++) {
        for (unsigned k = 0; k < p->endpoints[i].nunits; k++) {
            struct unit *u = &p->endpoints[i].units[k];

            if (u->relay.setup.index == relay) {
                u->want_newest = newest;
                u->want = minutes;
            }
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
}

void gw_poller_stop(struct gw_poller *p)
{
    if (!p)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_broadcast(&p->wake);
    (void)pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->nendpoints; i++) {
        if (p->endpoints[i].running)
            (void)pthread_join(p->endpoints[i].thread, NULL);
        gw_modbus_free(p->endpoints[i].modbus);
        free(p->endpoints[i].units);
    }
    (void)pthread_cond_destroy(&p->wake);
    (void)pthread_mutex_destroy(&p->lock);
    free(p->endpoints);
    free(p);
}
