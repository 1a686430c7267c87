/* gateway plan FILE: the requests that this configuration makes, relay by relay and node by node. Sends none of them. */
#include "gateway/cmd.h"
#include "gateway/config.h"
#include "gateway/core/readplan.h"
#include "sg_cli.h"

#include <stdio.h>

#define PLAN_BYTES (8u << 20)

static void put_relays(struct sg_buf *out, const struct gw_config *c)
{
    for (unsigned i = 0; i < c->nrelays; i++) {
        const struct gw_relay_config *r = &c->relays[i];

        gw_readplan_print(out, r->id, r->host, r->port, r->unit);
    }
}

static void put_calls(struct sg_buf *out, const char *url, const char *kid)
{
    sg_buf_printf(out, "%s\n", url);
    sg_buf_printf(out, "  GET  %s/v1/status                   every slot: clock and tip\n", url);
    sg_buf_printf(out, "  GET  %s/v1/headers?from=H&limit=1   when the tip is new\n", url);
    sg_buf_printf(out, "  GET  %s/v1/gateways/%s   every slot: what it holds of this key\n", url, kid);
    sg_buf_printf(out, "  GET  %s/readyz                      before an incarnation\n", url);
    sg_buf_printf(out, "  POST %s/v1/statements               every slot: statement and bodies\n", url);
    sg_buf_printf(
        out, "  GET  %s/v1/statements/LEAF          the first node that answers: until confirmed\n", url);
    sg_buf_printf(
        out, "  GET  %s/v1/minutes?relay=ID&from=M&to=M   after a start: what is attested already\n", url);
}

/* What the embedded node asks of a peer, in step with its peers and its repair of the store. */
static void put_peer_calls(struct sg_buf *out, const char *url)
{
    static const struct {
        const char *verb, *path;
    } calls[] = {
        {"GET", "/v1/status                   every 2 s: where it stands"},
        {"GET", "/v1/headers?from=H&limit=N   when its tip is unknown here"},
        {"GET", "/v1/sketches?from=H&limit=1  blocks near the tip, by what is missing of them"},
        {"GET", "/v1/blocks/HASH/documents?leaves=N,N   what is missing"},
        {"GET", "/v1/blocks?from=H&limit=N    other blocks"},
        {"GET", "/v1/pool?from=N&limit=N      every tenth poll, and when it comes back"},
        {"GET", "/v1/evidence?bodies_from=S-N&from=N&limit=N   every tenth poll"},
        {"POST", "/v1/sketches                 new blocks, by what is in them"},
        {"POST", "/v1/blocks                   new blocks, whole"},
        {"POST", "/v1/missing                  which of these statements it lacks"},
        {"POST", "/v1/statements               new statements, the pool, evidence"},
        {"GET", "/v1/statements/LEAF, /v1/bodies/LEAF, /v1/blocks/HASH   to repair a damaged store"},
    };

    for (unsigned i = 0; i < SG_ARRAY_LEN(calls); i++)
        sg_buf_printf(out, "  %-4s %s%s\n", calls[i].verb, url, calls[i].path);
}

static void put_nodes(struct sg_buf *out, const struct gw_config *c)
{
    char hex[LG_KID_HEX + 1], own[128];

    lg_kid_hex(hex, c->kid);
    (void)snprintf(own, sizeof own, "http://%s:%u", c->has_node ? c->bind : "", c->port);
    if (c->has_node)
        put_calls(out, own, hex);
    for (unsigned i = 0; i < c->nledgers; i++)
        put_calls(out, c->ledgers[i], hex);
    if (c->npeers > 0)
        sg_buf_puts(out, "embedded node, to its peers\n");
    for (unsigned i = 0; i < c->npeers; i++)
        put_peer_calls(out, c->peers[i]);
}

int gw_cmd_plan(const char *path)
{
    struct gw_config *c = NULL;
    struct sg_fault fault = {0};
    struct sg_buf out;
    int err = gw_config_load(&c, path, &fault);

    sg_buf_init(&out, PLAN_BYTES);
    if (!err) {
        put_relays(&out, c);
        put_nodes(&out, c);
        err = sg_buf_err(&out);
    } else {
        (void)fprintf(stderr, "%s\n", fault.text);
    }
    if (!err)
        (void)fwrite(out.p, 1, out.len, stdout);
    sg_buf_fini(&out);
    gw_config_free(c);
    return err ? SG_EXIT_USAGE : SG_EXIT_GOOD;
}
