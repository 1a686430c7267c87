#include "fuzz_world.h"

#include <string.h>

static int accept_signature(const uint8_t *pub, const uint8_t *sig, const void *msg, size_t len)
{
    (void)pub;
    (void)sig;
    (void)msg;
    (void)len;
    return 0;
}

static int accept_key(const uint8_t *pub)
{
    (void)pub;
    return 0;
}

const struct sg_crypto fuzz_crypto = {accept_signature, accept_key};

static int no_statement(void *ctx, struct lg_statement_ref *out, lg_kid gw)
{
    (void)ctx;
    (void)out;
    (void)gw;
    return SG_ENOT_FOUND;
}

static int no_body(void *ctx, struct lg_body_ref *out, const struct lg_hash *digest)
{
    (void)ctx;
    (void)out;
    (void)digest;
    return SG_ENOT_FOUND;
}

static int any_ancestor(void *ctx, const struct lg_hash *hash)
{
    (void)ctx;
    (void)hash;
    return 0;
}

const struct lg_view fuzz_view = {NULL, no_statement, no_body, any_ancestor};

void fuzz_world_init(struct fuzz_world *w)
{
    static const struct lg_relay relay = {
        .device = "Relay", .equipment = "Rele", .substation = "Bogotá", .period_s = 10};

    memset(w, 0, sizeof *w);
    for (unsigned i = 0; i < 2; i++) {
        w->relays[i] = relay;
        w->relays[i].profile = lg_profile_paper();
        memcpy(w->relays[i].id, i ? "relay-2" : "relay-1", 8);
    }
    w->g.gateways = w->gateways;
    w->g.relays = w->relays;
    w->g.nrelays = 2;
    w->g.profiles = lg_profile_paper();
    w->g.nprofiles = 1;
    w->g.policy = (struct lg_policy){1000, 1500, 5000, 4 << 20, 6};
    w->g.utc_offset_min = -300;
}

void fuzz_world_add(struct fuzz_world *w, lg_kid kid)
{
    unsigned at = w->g.ngateways;

    if (at == LG_MAX_GATEWAYS || lg_genesis_gateway(&w->g, kid))
        return;
    for (; at > 0 && w->gateways[at - 1].id > kid; at--)
        w->gateways[at] = w->gateways[at - 1];
    w->gateways[at] = (struct lg_gateway){.id = kid, .name = "gateway", .mine = true};
    w->g.ngateways++;
    w->g.nminers++;
}

void fuzz_world_fit(struct fuzz_world *w, struct lg_block_info *parent, const struct lg_header *h)
{
    w->g.id = h->chain;
    w->g.bits = 0;
    w->g.minute = h->slot > 100 ? h->slot - 100 : 0;
    w->g.time = w->g.minute * SG_MINUTE_MS;
    if (h->miner_is_kid)
        fuzz_world_add(w, h->miner_kid);
    *parent = (struct lg_block_info){
        .hash = h->prev, .height = h->height - 1, .slot = h->slot - 1, .time = h->time - 1};
}
