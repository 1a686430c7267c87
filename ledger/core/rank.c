/* In which order the miners take their turn, and which of two equal branches is better: the lower rank.
 *
 * A rank depends on the parent's hash, so nobody knows the order of a slot before the block it extends exists. */
#include "lg_record.h"
#include "sg_buf.h"

#include <string.h>

static const char tag[] = "gridwitness/rank/v1\n";

void lg_rank(struct lg_hash *out, const struct lg_hash *prev, sg_minute slot, lg_kid kid)
{
    uint8_t text[sizeof tag - 1 + SG_HASH_BYTES + 8 + 8];
    uint8_t *p = text;

    memcpy(p, tag, sizeof tag - 1);
    p += sizeof tag - 1;
    memcpy(p, prev->b, SG_HASH_BYTES);
    p += SG_HASH_BYTES;
    sg_put_be64(p, (uint64_t)slot);
    sg_put_be64(p + 8, kid);
    sg_sha256(out->b, text, sizeof text);
}

int lg_rank_position(const struct lg_genesis *g, const struct lg_hash *prev, sg_minute slot, lg_kid kid)
{
    const struct lg_gateway *own = lg_genesis_gateway(g, kid);
    struct lg_hash mine, other;
    int position = 0;

    if (!own || !own->mine)
        return -1;
    lg_rank(&mine, prev, slot, kid);
    for (unsigned i = 0; i < g->ngateways; i++) {
        if (!g->gateways[i].mine || g->gateways[i].id == kid)
            continue;
        lg_rank(&other, prev, slot, g->gateways[i].id);
        position += lg_hash_cmp(&other, &mine) < 0;
    }
    return position;
}
