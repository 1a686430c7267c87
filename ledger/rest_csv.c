/* The CSV form of a list of minutes (RFC 4180, one header line, "\n" ends a line): one row a minute, SI values.
 *
 * Columns: relay minute time state height block digest attested of seen_by conflict confirmations openings quality, then
 * NAME_n NAME_min NAME_mid NAME_max for each point of the relay's profile in its order. Numbers are written digit by digit with a point,
 * whatever the locale; a value that is not there is empty. No field can hold a comma or a quote. */
#include "ledger/rest_priv.h"

#include <stdlib.h>

#include "sg_time.h"

void lg_rest_csv_head(struct sg_buf *b, const struct lg_relay *relay)
{
    static const char *const parts[] = {"_n", "_min", "_mid", "_max"};
    sg_buf_puts(b,
        "relay,minute,time,state,height,block,digest,attested,of,seen_by,conflict,confirmations,openings,"
        "quality");
    for (unsigned i = 0; i < relay->profile->npoints; i++) {
        for (unsigned k = 0; k < SG_ARRAY_LEN(parts); k++) {
            sg_buf_puts(b, ",");
            sg_buf_puts(b, relay->profile->points[i].name);
            sg_buf_puts(b, parts[k]);
        }
    }
    sg_buf_puts(b, "\n");
}

/* count x 10^exp as a decimal, |exp| <= 12. */
static void put_scaled(struct sg_buf *b, int64_t count, int exp)
{
    uint64_t magnitude = count < 0 ? 0 - (uint64_t)count : (uint64_t)count, unit = 1;
    for (int i = exp; i < 0; i++)
        unit *= 10;
    if (count < 0)
        sg_buf_puts(b, "-");
    sg_buf_put_u64_pad(b, magnitude / unit, 1);
    if (exp > 0 && count != 0) {
        for (int i = 0; i < exp; i++)
            sg_buf_puts(b, "0");
    } else if (exp < 0) {
        sg_buf_puts(b, ".");
        sg_buf_put_u64_pad(b, magnitude % unit, (unsigned)-exp);
    }
}

/* agg of the body, one entry a point of the profile; its keys are in the byte order of the names. */
static int read_aggregates(struct lg_aggregate *out, const struct lg_body *body, const struct lg_profile *p)
{
    struct lg_c0 c;
    lg_c0_open(&c, body->agg.p, body->agg.len);
    lg_c0_object(&c);
    for (unsigned k = 0; k < p->npoints; k++) {
        struct lg_aggregate *a = &out[p->by_name[k]];
        int64_t *const fields[] = {&a->n, &a->min, &a->mid, &a->max};
        lg_c0_key(&c, p->points[p->by_name[k]].name);
        lg_c0_array(&c);
        for (unsigned i = 0; i < SG_ARRAY_LEN(fields); i++) {
            lg_c0_item(&c);
            *fields[i] = lg_c0_int(&c, -LG_C0_MAX_INT, LG_C0_MAX_INT);
        }
        lg_c0_array_end(&c);
    }
    lg_c0_object_end(&c);
    return lg_c0_close(&c) == 0 ? 0 : SG_ECORRUPT;
}

static int put_points(struct sg_buf *b, const struct lg_body *body, const struct lg_profile *p)
{
    struct lg_aggregate agg[LG_MAX_POINTS];
    const int err = read_aggregates(agg, body, p);
    if (err != 0)
        return err;
    for (unsigned i = 0; i < p->npoints; i++) {
        lg_rest_put_int(b, ",", agg[i].n);
        const int64_t values[] = {agg[i].min, agg[i].mid, agg[i].max};
        for (unsigned k = 0; k < SG_ARRAY_LEN(values); k++) {
            sg_buf_puts(b, ",");
            if (agg[i].n > 0)
                put_scaled(b, values[k], p->points[i].exp);
        }
    }
    return 0;
}

static void put_place(struct lg_rest_call *c, const struct lg_minute *m)
{
    struct sg_buf *b = &c->out;
    char time[SG_RFC3339_SIZE];
    sg_rfc3339_of_ms(time, m->min * SG_MINUTE_MS);
    sg_buf_puts(b, m->relay);
    lg_rest_put_int(b, ",", m->min);
    sg_buf_puts(b, ",");
    sg_buf_puts(b, time);
    sg_buf_puts(b, ",");
    sg_buf_puts(b, m->height > 0 ? lg_rest_state(c->genesis, m->confirmations) : "pooled");
    sg_buf_puts(b, ",");
    if (m->height > 0)
        sg_buf_put_i64(b, m->height);
    sg_buf_puts(b, ",");
    if (m->height > 0)
        sg_buf_put_hex(b, m->block.b, sizeof m->block.b);
    sg_buf_puts(b, ",");
    sg_buf_put_hex(b, m->digest.b, sizeof m->digest.b);
    lg_rest_put_int(b, ",", m->attested);
    lg_rest_put_int(b, ",", m->of);
    lg_rest_put_int(b, ",", m->seen_by);
    lg_rest_put_int(b, ",", m->conflict);
    lg_rest_put_int(b, ",", m->confirmations);
}

int lg_rest_csv_row(struct lg_rest_call *c, const struct lg_minute *m, const struct lg_relay *relay)
{
    struct sg_buf doc;
    struct lg_doc_place at;
    struct lg_body *body = NULL;
    sg_buf_init(&doc, LG_REST_MAX_ANSWER);
    int err = lg_reader_body(c->reader, &doc, &at, &m->digest);
    if (err == 0 && lg_body_decode(&body, doc.p, doc.len) != 0)
        err = SG_ECORRUPT;
    sg_buf_fini(&doc);
    if (err != 0)
        return err;
    put_place(c, m);
    lg_rest_put_int(&c->out, ",", body->openings);
    lg_rest_put_int(&c->out, ",", body->quality);
    err = put_points(&c->out, body, relay->profile);
    sg_buf_puts(&c->out, "\n");
    lg_body_free(body);
    return err;
}
