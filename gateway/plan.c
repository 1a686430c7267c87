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
        sg_buf_printf(out,
            "  GET  %s/v1/status, /v1/headers, /v1/blocks, /v1/pool; POST /v1/blocks, /v1/statements\n",
            c->peers[i]);
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
