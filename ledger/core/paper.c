/* The paper's view of a block, as Python's json.dumps(block, sort_keys=True) writes it.
 *
 * Invariant: the text is a function of the genesis, the block and the previous view block's hash and proof; nothing else.
 * It is kept as it was first written, for its hash is in the next one.
 * Refuses (SG_EINVAL) a block that names a relay or miner that the genesis does not: no valid block does. */
#include "ledger/core/paper.h"
#include "sg_time.h"

#include <string.h>

/* One code point of valid UTF-8; *p moves behind it. */
static uint32_t next_char(const uint8_t **p)
{
    const uint8_t *s = *p;
    unsigned more = s[0] < 0x80 ? 0 : s[0] < 0xE0 ? 1 : s[0] < 0xF0 ? 2 : 3;
    uint32_t v = more == 0 ? s[0] : s[0] & (0x3Fu >> more);

    for (unsigned i = 1; i <= more; i++)
        v = v << 6 | (s[i] & 0x3Fu);
    *p = s + 1 + more;
    return v;
}

static void put_escape(struct sg_buf *b, uint32_t unit)
{
    uint8_t bytes[2];

    sg_put_be16(bytes, (uint16_t)unit);
    sg_buf_puts(b, "\\u");
    sg_buf_put_hex(b, bytes, sizeof bytes);
}

/* A string as Python's json writes it: ASCII only, above U+FFFF in pairs (ensure_ascii). */
static void put_string(struct sg_buf *b, const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + len;

    sg_buf_put_u8(b, '"');
    while (p < end) {
        uint32_t c = next_char(&p);

        if (c == '"' || c == '\\') {
            sg_buf_put_u8(b, '\\');
            sg_buf_put_u8(b, (uint8_t)c);
        } else if (c == '\n') {
            sg_buf_puts(b, "\\n");
        } else if (c >= 0x20 && c < 0x7F) {
            sg_buf_put_u8(b, (uint8_t)c);
        } else if (c < 0x10000) {
            put_escape(b, c);
        } else {
            put_escape(b, 0xD800 + ((c - 0x10000) >> 10));
            put_escape(b, 0xDC00 + ((c - 0x10000) & 0x3FF));
        }
    }
    sg_buf_put_u8(b, '"');
}

static void put_2(struct sg_buf *b, int v, const char *then)
{
    sg_buf_put_u64_pad(b, (uint64_t)v, 2);
    sg_buf_puts(b, then);
}

/* "2025-11-24 11:00:00.000000", local time of the genesis. */
static void put_stamp(struct sg_buf *b, sg_ms ms, int utc_offset_min)
{
    struct sg_civil t;

    sg_civil_of_ms(&t, ms, utc_offset_min);
    sg_buf_put_u64_pad(b, (uint64_t)t.year, 4);
    sg_buf_put_u8(b, '-');
    put_2(b, t.month, "-");
    put_2(b, t.day, " ");
    put_2(b, t.hour, ":");
    put_2(b, t.minute, ":");
    put_2(b, t.second, ".");
    sg_buf_put_u64_pad(b, (uint64_t)t.ms, 3);
    sg_buf_puts(b, "000");
}

/* "24 11 2025 11 01" */
static void put_minute(struct sg_buf *b, sg_minute min, int utc_offset_min)
{
    struct sg_civil t;

    sg_civil_of_ms(&t, min * SG_MINUTE_MS, utc_offset_min);
    put_2(b, t.day, " ");
    put_2(b, t.month, " ");
    sg_buf_put_u64_pad(b, (uint64_t)t.year, 4);
    sg_buf_put_u8(b, ' ');
    put_2(b, t.hour, " ");
    put_2(b, t.minute, "");
}

/* count / 10^decimals, zeros trimmed to at least one decimal: 110.69, 22.0, -0.005. */
static void put_value(struct sg_buf *b, int64_t count, unsigned decimals)
{
    uint64_t v = count < 0 ? 0 - (uint64_t)count : (uint64_t)count, scale = 1, fraction;

    for (unsigned i = 0; i < decimals; i++)
        scale *= 10;
    fraction = v % scale;
    for (; decimals > 1 && fraction % 10 == 0; decimals--)
        fraction /= 10;
    sg_buf_puts(b, count < 0 ? "-" : "");
    sg_buf_put_u64_pad(b, v / scale, 1);
    sg_buf_put_u8(b, '.');
    sg_buf_put_u64_pad(b, fraction, decimals ? decimals : 1);
}

static void put_sample(struct sg_buf *b, const struct lg_genesis *g, const struct lg_profile *profile,
    sg_minute min, const struct lg_sample *s)
{
    sg_buf_puts(b, "Time Stamp;");
    put_minute(b, min, g->utc_offset_min);
    sg_buf_put_u8(b, ' ');
    put_2(b, s->t_ms / 1000, "");
    for (unsigned i = 0; i < profile->npoints; i++) {
        sg_buf_put_u8(b, ';');
        sg_buf_puts(b, profile->points[i].label);
        sg_buf_put_u8(b, ';');
        if (s->have >> i & 1)
            put_value(b, s->x[i], profile->points[i].decimals);
    }
    sg_buf_put_u8(b, '\n');
}

int lg_paper_minute_text(
    struct sg_buf *out, const struct lg_genesis *g, const struct lg_relay *relay, const struct lg_body *b)
{
    struct lg_sample samples[LG_MAX_SAMPLES];
    int err = lg_body_samples(samples, b, relay);

    if (err)
        return err;
    put_minute(out, b->min, g->utc_offset_min);
    sg_buf_put_u8(out, '\n');
    sg_buf_puts(out, relay->device);
    sg_buf_put_u8(out, '\n');
    sg_buf_puts(out, relay->substation);
    sg_buf_puts(out, "\n\nOpenings caused by faults: ");
    put_value(out, b->openings, 0);
    sg_buf_puts(out, "\n\n");
    for (unsigned i = 0; i < b->nsamples; i++)
        put_sample(out, g, relay->profile, b->min, &samples[i]);
    return sg_buf_err(out);
}

/* Up to and with the opening bracket of the transactions. */
static void put_head(struct sg_buf *b, int64_t index, int64_t proof, const char *stamp, size_t stamp_len)
{
    sg_buf_puts(b, "{\"1_Index\": ");
    sg_buf_put_i64(b, index);
    sg_buf_puts(b, ", \"2_Estampa_de_tiempo\": \"");
    sg_buf_put(b, stamp, stamp_len);
    sg_buf_puts(b, "\", \"3_proof\": ");
    sg_buf_put_i64(b, proof);
    sg_buf_puts(b, ", \"4_previous_hash\": \"");
}

void lg_paper_genesis_json(struct sg_buf *out, const char *stamp)
{
    put_head(out, 1, 1, stamp, strlen(stamp));
    sg_buf_puts(out, "0\", \"5_transactions\": [");
    put_string(out, "Bloque Génesis", strlen("Bloque Génesis"));
    sg_buf_puts(out, "]}");
}

/* The state after the view block that out holds from `start` on. */
static int finish(
    struct lg_paper_state *state, const struct sg_buf *out, size_t start, int64_t index, int64_t proof)
{
    if (sg_buf_err(out))
        return sg_buf_err(out);
    state->index = index;
    state->proof = proof;
    sg_sha256(state->hash.b, out->p + start, out->len - start);
    return 0;
}

int lg_paper_genesis(struct sg_buf *out, struct lg_paper_state *state, const struct lg_genesis *g)
{
    struct sg_buf stamp;
    size_t start = out->len;
    int err;

    sg_buf_init(&stamp, 64);
    put_stamp(&stamp, g->time, g->utc_offset_min);
    sg_buf_put_u8(&stamp, 0);
    err = sg_buf_err(&stamp);
    if (err == 0) {
        lg_paper_genesis_json(out, (const char *)stamp.p);
        err = finish(state, out, start, 1, 1);
    }
    sg_buf_fini(&stamp);
    return err;
}

static int put_transaction(struct sg_buf *out, struct sg_buf *scratch, const struct lg_genesis *g,
    const struct lg_gateway *miner, const struct lg_body *body)
{
    const struct lg_relay *relay = lg_genesis_relay(g, body->relay.p, body->relay.len);
    int err;

    if (!relay)
        return SG_EINVAL;
    sg_buf_reset(scratch);
    err = lg_paper_minute_text(scratch, g, relay, body);
    if (err)
        return err;
    sg_buf_puts(out, "{\"A. Equipo\": ");
    put_string(out, relay->equipment, strlen(relay->equipment));
    sg_buf_puts(out, ", \"B. Servidor\": ");
    put_string(out, miner->name, strlen(miner->name));
    sg_buf_puts(out, ", \"C. Informacion\": ");
    put_string(out, (const char *)scratch->p, scratch->len);
    sg_buf_put_u8(out, '}');
    return 0;
}

int lg_paper_block(struct sg_buf *out, struct lg_paper_state *state, const struct lg_paper_state *prev,
    const struct lg_genesis *g, const struct lg_block *b)
{
    const struct lg_gateway *miner =
        b->header.miner_is_kid ? lg_genesis_gateway(g, b->header.miner_kid) : NULL;
    int64_t proof = lg_paper_next_proof(prev->proof);
    size_t start = out->len;
    struct sg_buf scratch;
    int err;

    if (!miner)
        return SG_EINVAL;
    sg_buf_init(&scratch, SIZE_MAX / 4);
    put_stamp(&scratch, b->header.time, g->utc_offset_min);
    err = sg_buf_err(&scratch);
    if (err == 0)
        put_head(out, prev->index + 1, proof, (const char *)scratch.p, scratch.len);
    sg_buf_put_hex(out, prev->hash.b, sizeof prev->hash.b);
    sg_buf_puts(out, "\", \"5_transactions\": [");
    for (unsigned i = 0; i < b->nbodies && err == 0; i++) {
        sg_buf_puts(out, i ? ", " : "");
        err = put_transaction(out, &scratch, g, miner, b->bodies[i]);
    }
    sg_buf_puts(out, "]}");
    if (err == 0)
        err = finish(state, out, start, prev->index + 1, proof);
    sg_buf_fini(&scratch);
    return err;
}
