/* Asking before telling: the two messages, and the part of an offer that follows.
 *
 * Invariant: what is cut out of a canonical offer is a canonical offer, in the same order. Refuses what is not C0, other keys, and
 * answers to what was not asked. */
#include "ledger/core/leaf_ask.h"

#include "ledger/core/offer_parts.h"

#include <stdlib.h>
#include <string.h>

void lg_ask_encode(struct sg_buf *out, const struct lg_hash *leaves, unsigned n)
{
    sg_buf_puts(out, "{\"leaves\":[");
    for (unsigned i = 0; i < n; i++) {
        if (i > 0)
            sg_buf_puts(out, ",");
        lg_c0_put_hex(out, leaves[i].b, SG_HASH_BYTES);
    }
    sg_buf_puts(out, "]}");
}

int lg_ask_decode(struct lg_hash *leaves, unsigned *n, const uint8_t *doc, size_t len)
{
    struct lg_c0 c;

    *n = 0;
    if (lg_c0_check(doc, len) != 0)
        return SG_ECANONICAL;
    lg_c0_open(&c, doc, len);
    lg_c0_object(&c);
    lg_c0_key(&c, "leaves");
    lg_c0_array(&c);
    while (lg_c0_more(&c)) {
        if (*n == LG_ASK_MAX) {
            lg_c0_fail(&c);
            break;
        }
        lg_c0_hex(&c, leaves[(*n)++].b, SG_HASH_BYTES);
    }
    lg_c0_object_end(&c);
    return lg_c0_close(&c);
}

void lg_ask_answer_encode(struct sg_buf *out, const bool *missing, unsigned n)
{
    bool first = true;

    sg_buf_puts(out, "{\"missing\":[");
    for (unsigned i = 0; i < n; i++) {
        if (!missing[i])
            continue;
        if (!first)
            sg_buf_puts(out, ",");
        first = false;
        sg_buf_put_i64(out, i);
    }
    sg_buf_puts(out, "]}");
}

int lg_ask_answer_decode(bool *missing, unsigned n, const uint8_t *doc, size_t len)
{
    struct lg_c0 c;
    int64_t least = 0;

    memset(missing, 0, n * sizeof(*missing));
    if (lg_c0_check(doc, len) != 0)
        return SG_ECANONICAL;
    lg_c0_open(&c, doc, len);
    lg_c0_object(&c);
    lg_c0_key(&c, "missing");
    lg_c0_array(&c);
    while (lg_c0_more(&c)) {
        int64_t i = lg_c0_int(&c, least, (int64_t)n - 1);
        if (c.bad)
            break;
        missing[i] = true;
        least = i + 1;
    }
    lg_c0_object_end(&c);
    return lg_c0_close(&c);
}

/* ---- the part of an offer ---- */

/* read[i]: a missing statement reads body i. */
static int mark_read(bool *read, const struct lg_offer_parts *parts, const struct lg_offer_index *bodies,
    const struct lg_offer_part *statement)
{
    struct lg_statement *s = NULL;
    int err = lg_statement_decode(&s, statement->doc.p, statement->doc.len);

    if (err != 0)
        return err;
    for (unsigned i = 0; i < s->nreads; i++) {
        const struct lg_offer_part *body = lg_offer_index_find(bodies, &s->reads[i].digest);
        if (body)
            read[body - parts->bodies] = true;
    }
    lg_statement_free(s);
    return 0;
}

static int mark_all_read(bool *read, const struct lg_offer_parts *parts, const bool *missing)
{
    struct lg_offer_index bodies;
    int err = lg_offer_index_init(&bodies, parts->bodies, parts->nbodies);

    for (size_t i = 0; i < parts->nstatements && err == 0; i++)
        if (missing[i])
            err = mark_read(read, parts, &bodies, &parts->statements[i]);
    lg_offer_index_fini(&bodies);
    return err;
}

static void put_chosen(struct sg_buf *out, const struct lg_offer_part *v, size_t n, const bool *chosen)
{
    bool first = true;

    for (size_t i = 0; i < n; i++) {
        if (!chosen[i])
            continue;
        if (!first)
            sg_buf_puts(out, ",");
        first = false;
        sg_buf_put(out, v[i].doc.p, v[i].doc.len);
    }
}

static int put_part(struct sg_buf *out, const struct lg_offer_parts *parts, const bool *missing)
{
    bool *read = calloc(parts->nbodies + 1, sizeof(*read));
    int err = read ? mark_all_read(read, parts, missing) : SG_ENOMEM;

    if (err == 0) {
        sg_buf_puts(out, "{\"bodies\":[");
        put_chosen(out, parts->bodies, parts->nbodies, read);
        sg_buf_puts(out, "],\"statements\":[");
        put_chosen(out, parts->statements, parts->nstatements, missing);
        sg_buf_puts(out, "]}");
        err = sg_buf_err(out);
    }
    free(read);
    return err;
}

int lg_ask_offer(struct sg_buf *out, const uint8_t *offer, size_t len, const bool *missing, unsigned n)
{
    struct lg_offer_parts parts;
    int err = lg_offer_split(&parts, offer, len);

    if (err == 0 && parts.nstatements != n)
        err = SG_ESHAPE;
    if (err == 0)
        err = put_part(out, &parts, missing);
    lg_offer_parts_fini(&parts);
    return err;
}
