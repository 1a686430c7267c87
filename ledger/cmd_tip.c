/* ledger tip: where the chain in a data directory stands, without a running node. */
#include "ledger/cmd.h"
#include "ledger/store.h"
#include "sg_text.h"

#include <stdio.h>

/* The newest instant that any document of the store carries: blocks' times and statements' ts. */
static int newest_ms(struct lg_reader *r, const struct lg_genesis *g, sg_ms tip_time, sg_ms *newest)
{
    *newest = tip_time;
    for (unsigned i = 0; i < g->ngateways; i++) {
        struct lg_gateway_state s;
        int err = lg_reader_gateway(r, &s, g->gateways[i].id);
        if (err == SG_ENOT_FOUND)
            continue;
        if (err != SG_OK)
            return err;
        if (s.chain.seq > 0 && s.chain.ts > *newest)
            *newest = s.chain.ts;
        if (s.pool.seq > 0 && s.pool.ts > *newest)
            *newest = s.pool.ts;
    }
    return SG_OK;
}

static int print_tip(const struct lg_cmd *self, struct lg_reader *r, const struct lg_genesis *g)
{
    struct lg_block_info tip;
    sg_ms newest = 0;
    char hex[2 * SG_HASH_BYTES + 1];

    lg_block_info_genesis(&tip, g);
    int err = lg_reader_begin(r);
    if (err == SG_OK) {
        err = lg_reader_tip(r, &tip);
        if (err == SG_OK || err == SG_ENOT_FOUND)
            err = newest_ms(r, g, tip.time, &newest);
        lg_reader_end(r);
    }
    if (err != SG_OK)
        return lg_cmd_failed(self, "the store cannot be read: %s", sg_err_text(err));
    sg_hex_encode(hex, tip.hash.b, SG_HASH_BYTES);
    printf("{\"height\":%lld,\"newest_ms\":%lld,\"slot\":%lld,\"time\":%lld,\"tip\":\"%s\"}\n",
        (long long)tip.height, (long long)newest, (long long)tip.slot, (long long)tip.time, hex);
    return SG_EXIT_GOOD;
}

int lg_cmd_tip(const struct lg_cmd *self, int argc, char **argv)
{
    const char *genesis_path = NULL, *data = NULL;
    const struct lg_cmd_option options[] = {{"genesis", &genesis_path}, {"data", &data}};
    struct lg_genesis *g = NULL;
    struct lg_reader *r = NULL;
    struct sg_fault fault = {0};

    if (lg_cmd_parse(self, argc, argv, options, SG_ARRAY_LEN(options), NULL, 0) != SG_OK)
        return SG_EXIT_USAGE;
    if (!genesis_path || !data)
        return lg_cmd_usage_error(self, "--genesis and --data are needed");
    if (lg_genesis_load(&g, genesis_path, &fault) != SG_OK)
        return lg_cmd_usage_error(self, "%s", fault.text);
    int result = SG_EXIT_FAILED;
    if (lg_reader_open(&r, data, g, &fault) != SG_OK)
        lg_cmd_failed(self, "%s", fault.text);
    else
        result = print_tip(self, r, g);
    lg_reader_close(r);
    lg_genesis_free(g);
    return result;
}
