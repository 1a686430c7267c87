/* What the node's parts have to do with damage: who reports it, and what the chain thread does about it.
 *
 * Invariant: a stored document that is damaged stops nothing but what needs that document. The step that stumbled on it has changed
 * nothing (its transaction was rolled back), its sender is told that the node is not ready for it, and comes again.
 * What damage has made look wrong without being noticed is not held against anybody once it is put back: verdicts are forgotten, bans end. */
#include "ledger/node_priv.h"

#define DAY_MS INT64_C(86400000)

static int repair(void *ctx, const struct lg_damage *d, uint8_t *doc, size_t len)
{
    return lg_node_enqueue(
        ctx, &(struct lg_chain_msg){.kind = LG_MSG_REPAIR, .doc = doc, .len = len, .peer = -1, .damage = *d});
}

static void alarm_of(void *ctx, const char *kind, bool on)
{
    if (on)
        lg_node_alarm(ctx, kind);
    else
        lg_node_alarm_end(ctx, kind);
}

int lg_node_scrub_start(struct lg_node *n, struct sg_fault *fault)
{
    const struct lg_node_config *c = &n->config;
    struct lg_scrubber_config sc = {
        .data_dir = c->data_dir,
        .genesis = c->genesis,
        .clock = c->clock,
        .urls = c->peers,
        .n = c->npeers,
        .period_ms = c->scrub_ms > 0 ? c->scrub_ms : DAY_MS,
        .ctx = n,
        .repair = repair,
        .alarm = alarm_of,
    };
    return lg_scrubber_start(&n->scrubber, &sc, fault);
}

int lg_node_take_repair(struct lg_node *n, const struct lg_chain_msg *m, sg_ms now_ms)
{
    int err = lg_sqlite_repair(n->sqlite, &m->damage, m->doc, m->len);
    int later = SG_OK;

    if (err == SG_OK) {
        later = n->ops->repaired(n->engine, now_ms);
        lg_peers_repaired(n->peers);
    }
    lg_scrubber_result(n->scrubber, &m->damage, err);
    return err == SG_EIO ? err : later;
}

int lg_node_stumbled(struct lg_node *n, int err)
{
    struct lg_damage d;

    if (!lg_sqlite_damage(n->sqlite, &d))
        return err;
    lg_scrubber_report(n->scrubber, &d);
    return err == SG_ECORRUPT && lg_sqlite_failed(n->sqlite) == SG_OK ? SG_EAGAIN : err;
}
