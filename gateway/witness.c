/* The witness's thread: slots, and what the ledger nodes make of the statements.
 *
 * Invariant: an outcome is on disk before it is stated, and its memory is freed once it is on disk. Nothing here waits for a node: the
 * thread sleeps in the HTTP client, which a message, an answer or the next instant of interest ends.
 * Refuses: nothing; witness_intake.c and witness_sign.c do. */
#include "gateway/witness_priv.h"
#include "sg_log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SLEEP_MS      1000  /* real */
#define FOLLOW_AFTER_MS   20000 /* after the end of the minute: most slots are mined by then */
#define UNCOMMITTED_SLOTS 3
#define DISK_RETRY_MS     1000
#define AWAKE_MS          3000 /* real: a thread that had its last turn so long ago was stopped */
/* A process that signs nothing keeps what 1440 minutes of its relays and the RINGs of a start can bring. */
#define BOUND_MINUTES (LG_KEEP_SLOTS + 60)
/* The least that any genesis allows: max_block_bytes >= 131072, half of it for a statement with its bodies. */
#define LEAST_BUDGET 65536

static const char part[] = "witness";

sg_ms gw_witness_wall(const struct gw_witness *w)
{
    return w->config.clock->wall_ms(w->config.clock);
}

static sg_ms mono(const struct gw_witness *w)
{
    return w->config.clock->mono_ms(w->config.clock);
}

void gw_witness_retry_in(struct gw_witness *w, sg_ms ms)
{
    sg_ms at = mono(w) + ms;

    if (at < w->retry_ms)
        w->retry_ms = at;
}

void gw_witness_fail(struct gw_witness *w, int err, const char *why)
{
    if (w->failed)
        return;
    w->failed = true;
    w->config.failed(w->config.ctx, err, why);
}

void gw_witness_alarm_over(struct gw_witness *w, const char *kind)
{
    if (w->config.alarm_end)
        w->config.alarm_end(w->config.ctx, kind);
}

void gw_witness_outbox_good(struct gw_witness *w)
{
    if (!w->told_full)
        return;
    w->told_full = false;
    gw_witness_alarm_over(w, "disk_full");
}

void gw_witness_outbox_err(struct gw_witness *w, int err)
{
    if (err == SG_ENOSPC || err == SG_ENOMEM) {
        if (!w->told_full) {
            sg_log(SG_LOG_ERROR, part, "outbox: %s", sg_err_text(err));
            w->config.alarm(w->config.ctx, err == SG_ENOSPC ? "disk_full" : "memory");
        }
        w->told_full = true;
        gw_witness_retry_in(w, DISK_RETRY_MS);
        return;
    }
    gw_witness_fail(w, err, "the outbox cannot be written");
}

/* ---- what the nodes say of the statements ---- */

static bool is_home(const struct gw_witness *w, unsigned ledger)
{
    return gw_ledgers_home(w->ledgers) == &w->ledgers->all[ledger];
}

/* Statements half as large as the one that was too large. */
static void shrink(struct gw_witness *w, const struct gw_said_row *row)
{
    size_t bytes = 0;

    if (gw_outbox_size(w->outbox, row->id, &bytes) || bytes / 2 >= w->budget)
        return;
    w->budget = bytes / 2 > LEAST_BUDGET ? bytes / 2 : LEAST_BUDGET;
}

/* The home node's judgement counts; another one's is told and left to it. */
static bool refused(void *ctx, unsigned ledger, const struct gw_said_row *row, int err)
{
    struct gw_witness *w = ctx;

    sg_log(SG_LOG_WARN, part, "%s refuses statement %lld of slot %lld: %s", w->config.ledgers[ledger],
        (long long)row->seq, (long long)row->slot, sg_err_code(err));
    if (!is_home(w, ledger))
        return false;
    if (err == SG_ECONFLICT)
        w->config.alarm(w->config.ctx, "conflict");
    if (err == SG_ETOO_LARGE || err == SG_ESIZE)
        shrink(w, row);
    gw_witness_give_up(w, row->inc, sg_err_text(err));
    return true;
}

static void overtaken(void *ctx, const struct gw_said_row *row)
{
    gw_witness_give_up(ctx, row->inc, "a statement was overtaken on the best branch");
}

static void missing(void *ctx, const struct gw_said_row *row)
{
    struct gw_witness *w = ctx;

    gw_commit_rewind(w->commit, w->follow_ledger, row->id);
}

static void broken(void *ctx, int err)
{
    gw_witness_outbox_err(ctx, err);
}

/* ---- slots ---- */

/* What earlier processes left open is no alarm before this one has had the slots to bring it in, nor while the node that answers
 * is not ready yet: it does not know what became of it. */
static bool may_judge(const struct gw_witness *w)
{
    bool starting = w->slot >= w->first && w->slot < w->first + UNCOMMITTED_SLOTS;

    return !starting && (w->catchup_slot >= 0 || !gw_ledgers_home(w->ledgers));
}

static void look_for_uncommitted(struct gw_witness *w)
{
    int64_t count = 0;
    sg_minute oldest = 0;
    int err;

    w->look = false;
    if (!may_judge(w))
        return;
    err = gw_outbox_uncommitted(w->outbox, w->slot - UNCOMMITTED_SLOTS, &count, &oldest);

    if (err) {
        gw_witness_outbox_err(w, err);
        return;
    }
    if (count > 0 && !w->told_uncommitted) {
        sg_log(SG_LOG_ERROR, part,
            "%lld minutes read are not on the chain after %d slots, the oldest is %lld", (long long)count,
            UNCOMMITTED_SLOTS, (long long)oldest);
        w->config.alarm(w->config.ctx, "uncommitted");
    } else if (count == 0 && w->told_uncommitted) {
        sg_log(SG_LOG_INFO, part, "everything read is on the chain again");
        gw_witness_alarm_over(w, "uncommitted");
    }
    w->told_uncommitted = count > 0;
}

/* Ask where the statements are; what is uncommitted is judged when the answers are here, or when nobody answers. */
static void follow(struct gw_witness *w)
{
    const struct gw_ledger *home = gw_ledgers_home(w->ledgers);

    w->follow_ms = INT64_MAX;
    w->look = true;
    if (!home || w->follow->url)
        return;
    w->follow_ledger = (unsigned)(home - w->ledgers->all);
    gw_follow_ask(w->follow, home->url, w->slot);
}

static void ask(struct gw_witness *w)
{
    w->retry_ms = INT64_MAX;
    gw_ledgers_ask(w->ledgers, w->core.state == GW_WITNESS_IDLE, w->core.made_inc);
}

/* Keep the outbox bounded when nothing is signed, and so nothing pruned. */
static void bound(struct gw_witness *w)
{
    int64_t lost = 0;
    int err = gw_outbox_bound(w->outbox, w->slot, BOUND_MINUTES * (int64_t)w->config.nrelays, &lost);

    if (err)
        gw_witness_outbox_err(w, err);
    if (lost > 0) {
        sg_log(SG_LOG_ERROR, part, "%lld pairs were never stated and are too many now", (long long)lost);
        w->config.alarm(w->config.ctx, "expired");
    }
}

/* A process that was not awake when the minute ended, and comes after the statements' deadline, lets this slot go: what it has to
 * say goes into the next one. A slow node is no such case: its gateway would never sign. */
static void open_slot(struct gw_witness *w, sg_minute slot, sg_ms now_ms)
{
    bool awake = w->slot >= 0 && mono(w) - w->turn_ms < AWAKE_MS;

    if (slot < w->slot)
        gw_witness_forget_fast_clock(w, slot, now_ms);
    w->slot = slot;
    w->late = !awake && now_ms > gw_witness_deadline(w);
    w->follow_ms = (slot + 1) * SG_MINUTE_MS + FOLLOW_AFTER_MS;
    bound(w);
    ask(w);
}

static void turn(struct gw_witness *w)
{
    sg_ms now = gw_witness_wall(w);

    gw_witness_take_in(w);
    if (now / SG_MINUTE_MS - 1 != w->slot)
        open_slot(w, now / SG_MINUTE_MS - 1, now);
    else if (mono(w) >= w->retry_ms)
        ask(w);
    if (now >= w->follow_ms)
        follow(w);
    if (w->look && !w->follow->url)
        look_for_uncommitted(w);
    gw_witness_try_sign(w, now);
    gw_witness_catch_up(w);
    gw_commit_kick(w->commit);
    w->turn_ms = mono(w);
}

static sg_ms least(sg_ms a, sg_ms b)
{
    return a < b ? a : b;
}

/* Real milliseconds until something may have to be done. */
static sg_ms sleep_ms(const struct gw_witness *w)
{
    sg_ms now = gw_witness_wall(w), until = (w->slot + 2) * SG_MINUTE_MS;
    sg_ms now_mono = mono(w), until_mono = least(w->retry_ms, gw_commit_wake_ms(w->commit));
    sg_ms wait;

    until = least(until, w->follow_ms);
    if (now < gw_witness_deadline(w))
        until = least(until, gw_witness_deadline(w));
    if (now < gw_witness_sign_at(w->config.genesis, w->config.kid, w->slot))
        until = least(until, gw_witness_sign_at(w->config.genesis, w->config.kid, w->slot));
    if (w->core.state == GW_WITNESS_CHOSEN && now < w->core.inc)
        until = least(until, w->core.inc);
    wait = least(sg_clock_wait_ms(w->config.clock, until), MAX_SLEEP_MS);
    if (until_mono <= now_mono)
        return 0;
    return until_mono == INT64_MAX ? wait : least(wait, until_mono - now_mono);
}

static void *run(void *ctx)
{
    struct gw_witness *w = ctx;

    (void)pthread_setname_np(pthread_self(), "witness");
    while (!atomic_load(&w->stop) && !w->failed) {
        turn(w);
        if (!w->failed)
            sg_http_client_run(w->http, sleep_ms(w));
    }
    if (!w->failed)
        gw_witness_take_in(w); /* what the pollers told last */
    return NULL;
}

/* ---- start, stop, messages ---- */

bool gw_witness_put(struct gw_witness *w, struct gw_outcome *o)
{
    struct gw_outcome *copy = malloc(sizeof *copy);
    bool taken = false;

    if (copy) {
        *copy = *o;
        taken = sg_queue_put(w->queue, copy) == 0;
    }
    if (!taken) {
        free(copy);
        free(o->doc);
        w->config.alarm(w->config.ctx, "overflow");
    }
    o->doc = NULL;
    sg_http_client_wakeup(w->http);
    return taken;
}

void gw_witness_saw_latch(struct gw_witness *w, sg_ms latch_ms)
{
    const struct sg_clock *clock = w->config.clock;
    sg_ms age = clock->wall_ms(clock) - latch_ms;
    sg_ms max_future_ms = w->config.genesis->policy.max_future_ms;

    /* the newest latch is at most one period old when it is read */
    if (age >= -max_future_ms && age <= SG_MINUTE_MS / 6 + max_future_ms)
        atomic_store(&w->latch_run_ms, clock->run_ms(clock));
}

static int make_parts(struct gw_witness *w)
{
    const struct gw_witness_config *c = &w->config;
    struct gw_ledgers_config ledgers = {
        c->ledgers, c->nledgers, c->own_first, c->genesis, c->kid, c->clock, w->http};
    struct gw_commit_config commit = {
        c->ledgers, c->nledgers, c->genesis, w->outbox, w->http, c->clock, refused, broken, w};
    int err;

    w->ledgers = calloc(1, sizeof *w->ledgers);
    w->follow = calloc(1, sizeof *w->follow);
    w->reported = calloc(c->nrelays + 1u, sizeof w->reported[0]);
    w->genesis_index = calloc(c->nrelays + 1u, sizeof w->genesis_index[0]);
    if (!w->ledgers || !w->follow || !w->reported || !w->genesis_index)
        return SG_ENOMEM;
    gw_ledgers_init(w->ledgers, &ledgers);
    *w->follow = (struct gw_follow){.outbox = w->outbox,
        .http = w->http,
        .overtaken = overtaken,
        .missing = missing,
        .broken = broken,
        .ctx = w};
    for (unsigned i = 0; i < c->nrelays; i++) {
        w->reported[i] = -1;
        w->genesis_index[i] = (unsigned)(c->relays[i].relay - c->genesis->relays);
        assert(w->genesis_index[i] < c->genesis->nrelays);
    }
    err = gw_witness_catchup_init(w, broken);
    return err ? err : gw_commit_new(&w->commit, &commit);
}

static void init(struct gw_witness *w, const struct gw_witness_config *config)
{
    w->config = *config;
    w->slot = -1;
    w->follow_ms = w->retry_ms = INT64_MAX;
    w->budget = (size_t)config->genesis->policy.max_block_bytes / 2;
    w->start_wall_ms = gw_witness_wall(w);
    w->start_run_ms = config->clock->run_ms(config->clock);
    w->first = w->start_wall_ms / SG_MINUTE_MS;
    w->catchup_slot = w->again_slot = -1;
    w->vote = (struct lg_client_header){.hash = config->genesis->id};
    gw_witness_core_init(&w->core, &config->genesis->id);
}

/* The client goes first: its calls end in the parts. */
static void destroy(struct gw_witness *w)
{
    void *msg;

    sg_http_client_free(w->http);
    gw_commit_free(w->commit);
    while (w->queue && sg_queue_get(w->queue, &msg, 0) == 0)
        gw_outcome_free(msg);
    while (w->nheld > 0)
        gw_outcome_free(w->held[--w->nheld]);
    sg_queue_free(w->queue);
    gw_outbox_close(w->outbox);
    free(w->ledgers);
    free(w->follow);
    free(w->reported);
    free(w->genesis_index);
    free(w->catchup.watch);
    free(w);
}

int gw_witness_start(struct gw_witness **out, const struct gw_witness_config *config, struct sg_fault *fault)
{
    struct gw_outbox_config outbox = {
        .dir = config->outbox_dir, .genesis = config->genesis, .kid = config->kid};
    struct gw_witness *w = calloc(1, sizeof *w);

    assert(config->nledgers >= 1 && config->nledgers <= GW_MAX_LEDGERS);
    fault->err = SG_ENOMEM;
    memcpy(fault->text, "out of memory", sizeof "out of memory");
    if (!w)
        return SG_ENOMEM;
    init(w, config);
    int err = gw_outbox_open(&w->outbox, &outbox, fault);
    if (!err)
        err = sg_http_client_new(&w->http);
    if (!err)
        err = sg_queue_new(&w->queue, 256 + 4 * (size_t)config->nrelays);
    if (!err)
        err = make_parts(w);
    if (!err && pthread_create(&w->thread, NULL, run, w) != 0)
        err = SG_ENOMEM;
    if (err) {
        destroy(w);
        return err;
    }
    *out = w;
    return 0;
}

void gw_witness_stop(struct gw_witness *w)
{
    if (!w)
        return;
    atomic_store(&w->stop, true);
    sg_queue_close(w->queue);
    sg_http_client_wakeup(w->http);
    if (pthread_join(w->thread, NULL) != 0)
        assert(!"the thread was made and is joined once");
    destroy(w);
}
