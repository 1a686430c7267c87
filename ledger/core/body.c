/* A body: what one relay measured in one minute. It names no gateway, so gateways that read the same samples make the
 * same bytes.
 *
 * Invariant: a body that lg_body_check passes is the only text of its samples: everything else in it recomputes.
 * Decoding judges the outside (shape); the columns of the samples need the relay's profile and are judged by
 * lg_body_samples (body), aggregates and quality by lg_body_check (aggregate). */
#include "ledger/core/owner.h"
#include "ledger/core/parse.h"
#include "sg_regmap.h"

#include <string.h>

#define MINUTE_MS 60000

static void parse_event(struct lg_event *e, struct lg_c0 *c)
{
    lg_c0_array(c);
    lg_c0_item(c);
    e->t_ms = (uint16_t)lg_c0_int(c, 0, MINUTE_MS - 1);
    lg_c0_item(c);
    e->type = (uint16_t)lg_c0_int(c, 0, UINT16_MAX);
    lg_c0_item(c);
    e->phases = (uint16_t)lg_c0_int(c, 0, UINT16_MAX);
    lg_c0_item(c);
    e->imax_ma = (uint32_t)lg_c0_int(c, 0, UINT32_MAX);
    lg_c0_item(c);
    e->vmin_permille = (uint16_t)lg_c0_int(c, 0, UINT16_MAX);
    lg_c0_item(c);
    e->dur_ms = (uint32_t)lg_c0_int(c, 0, UINT32_MAX);
    lg_c0_item(c);
    e->shot = (uint16_t)lg_c0_int(c, 0, UINT16_MAX);
    lg_c0_array_end(c);
}

static int parse_events(struct lg_body *b, struct lg_c0 *c, struct lg_arena *a)
{
    struct lg_list list = {0};

    lg_c0_array(c);
    while (lg_c0_more(c)) {
        struct lg_event *e = lg_list_push(&list, a, sizeof *e);

        if (!e)
            return SG_ENOMEM;
        parse_event(e, c);
        if (list.n > LG_MAX_EVENTS || (list.n > 1 && e[-1].t_ms > e->t_ms))
            lg_c0_fail(c);
    }
    b->events = list.p;
    b->nevents = (unsigned)list.n;
    return 0;
}

/* An array of 1..60 values of any kind. */
static void parse_samples(struct lg_body *b, struct lg_c0 *c)
{
    const uint8_t *start = c->p;

    lg_c0_array(c);
    for (b->nsamples = 0; lg_c0_more(c); b->nsamples++) {
        if (b->nsamples == LG_MAX_SAMPLES)
            lg_c0_fail(c);
        (void)lg_c0_value(c);
    }
    if (b->nsamples == 0)
        lg_c0_fail(c);
    b->samples = (struct lg_slice){start, (size_t)(c->p - start)};
}

int lg_parse_body(struct lg_body *b, struct lg_c0 *c, struct lg_arena *a)
{
    const uint8_t *start = c->p;
    int err;

    lg_c0_object(c);
    lg_c0_key(c, "agg");
    b->agg = lg_c0_value(c);
    if (!c->bad && b->agg.p[0] != '{')
        lg_c0_fail(c);
    lg_c0_key(c, "events");
    err = parse_events(b, c, a);
    if (err)
        return err;
    lg_c0_key(c, "min");
    b->min = lg_c0_int(c, 0, SG_MINUTE_END - 1);
    lg_c0_key(c, "openings");
    b->openings = (uint32_t)lg_c0_int(c, 0, UINT32_MAX);
    lg_c0_key(c, "quality");
    b->quality = (uint16_t)lg_c0_int(c, 0, UINT16_MAX);
    lg_c0_key(c, "relay");
    err = lg_parse_name(&b->relay, c, a);
    if (err)
        return err;
    lg_c0_key(c, "samples");
    parse_samples(b, c);
    lg_parse_version(c);
    b->doc = start;
    b->doc_len = (size_t)(c->p - start);
    if (!c->bad)
        lg_hash_leaf(&b->digest, b->doc, b->doc_len);
    return 0;
}

int lg_body_decode(struct lg_body **out, const uint8_t *doc, size_t len)
{
    struct lg_arena *arena;
    struct lg_c0 c;
    uint8_t *copy;
    int err;
    struct lg_body *b = lg_owner_new(&err, &arena, &copy, sizeof *b, doc, len);

    if (!b)
        return err;
    lg_c0_open(&c, copy, len);
    err = lg_parse_body(b, &c, arena);
    if (err == 0)
        err = lg_c0_close(&c);
    if (err)
        lg_body_free(b);
    else
        *out = b;
    return err;
}

void lg_body_free(struct lg_body *b)
{
    lg_owner_free(b);
}

int lg_body_cmp(const struct lg_body *a, const struct lg_body *b)
{
    int cmp = lg_name_cmp(a->relay, b->relay);

    if (cmp)
        return cmp;
    if (a->min != b->min)
        return a->min < b->min ? -1 : 1;
    return lg_hash_cmp(&a->digest, &b->digest);
}

/* The rules of a sample that need no neighbour. */
static bool sample_ok(const struct lg_sample *s, unsigned npoints)
{
    if (s->t_ms >= MINUTE_MS || !(s->qual & SG_QUAL_VALID) || s->have >> npoints != 0)
        return false;
    for (unsigned i = 0; i < npoints; i++) {
        if (s->x[i] > LG_MAX_VALUE || s->x[i] < -LG_MAX_VALUE || (s->x[i] != 0 && !(s->have >> i & 1)))
            return false;
    }
    return true;
}

static void parse_sample(struct lg_sample *s, struct lg_c0 *c, unsigned npoints)
{
    lg_c0_array(c);
    lg_c0_item(c);
    s->t_ms = (uint16_t)lg_c0_int(c, 0, MINUTE_MS - 1);
    lg_c0_item(c);
    s->qual = (uint16_t)lg_c0_int(c, 0, UINT16_MAX);
    lg_c0_item(c);
    s->have = (uint64_t)lg_c0_int(c, 0, (INT64_C(1) << LG_MAX_POINTS) - 1);
    for (unsigned i = 0; i < npoints; i++) {
        lg_c0_item(c);
        s->x[i] = lg_c0_int(c, -LG_MAX_VALUE, LG_MAX_VALUE);
    }
    lg_c0_array_end(c);
    if (!c->bad && !sample_ok(s, npoints))
        lg_c0_fail(c);
}

int lg_body_samples(struct lg_sample *out, const struct lg_body *b, const struct lg_relay *relay)
{
    struct lg_c0 c;
    unsigned n = 0;

    if (b->nsamples > 60 / relay->period_s)
        return SG_EBODY;
    lg_c0_open(&c, b->samples.p, b->samples.len);
    lg_c0_array(&c);
    while (lg_c0_more(&c)) {
        parse_sample(&out[n], &c, relay->profile->npoints);
        if (n > 0 && out[n].t_ms <= out[n - 1].t_ms)
            lg_c0_fail(&c);
        n++;
    }
    return lg_c0_close(&c) ? SG_EBODY : 0;
}

/* OR of the samples' quality, and "incomplete" when there are fewer than the period asks for. */
static uint16_t quality_of(const struct lg_relay *relay, const struct lg_sample *s, unsigned n)
{
    unsigned q = n < 60 / relay->period_s ? SG_QUAL_INCOMPLETE : 0;

    for (unsigned i = 0; i < n; i++)
        q |= s[i].qual;
    return (uint16_t)q;
}

/* "agg" holds exactly these numbers. */
static bool agg_is(struct lg_slice agg, const struct lg_profile *profile, const struct lg_aggregate *want)
{
    struct lg_c0 c;

    lg_c0_open(&c, agg.p, agg.len);
    lg_c0_object(&c);
    for (unsigned i = 0; i < profile->npoints; i++) {
        const struct lg_aggregate *w = &want[profile->by_name[i]];
        int64_t numbers[4] = {w->n, w->min, w->mid, w->max};

        lg_c0_key(&c, profile->points[profile->by_name[i]].name);
        lg_c0_array(&c);
        for (unsigned k = 0; k < 4; k++) {
            lg_c0_item(&c);
            (void)lg_c0_int(&c, numbers[k], numbers[k]);
        }
        lg_c0_array_end(&c);
    }
    lg_c0_object_end(&c);
    return lg_c0_close(&c) == 0;
}

int lg_body_check(const struct lg_body *b, const struct lg_relay *relay)
{
    struct lg_sample samples[LG_MAX_SAMPLES];
    struct lg_aggregate agg[LG_MAX_POINTS];
    int err;

    if (!relay || !lg_name_eq(b->relay, lg_name_of(relay->id)))
        return SG_ERELAY;
    err = lg_body_samples(samples, b, relay);
    if (err)
        return err;
    lg_aggregate_samples(agg, relay->profile, samples, b->nsamples);
    if (b->quality != quality_of(relay, samples, b->nsamples) || !agg_is(b->agg, relay->profile, agg))
        return SG_EAGGREGATE;
    return 0;
}

static bool parts_ok(const struct lg_relay *relay, sg_minute min, const struct lg_sample *samples,
    unsigned nsamples, const struct lg_event *events, unsigned nevents)
{
    if (min < 0 || min >= SG_MINUTE_END || nsamples == 0 || nsamples > 60 / relay->period_s ||
        nevents > LG_MAX_EVENTS)
        return false;
    for (unsigned i = 0; i < nsamples; i++) {
        if (!sample_ok(&samples[i], relay->profile->npoints) ||
            (i > 0 && samples[i].t_ms <= samples[i - 1].t_ms))
            return false;
    }
    for (unsigned i = 0; i < nevents; i++) {
        if (events[i].t_ms >= MINUTE_MS || (i > 0 && events[i].t_ms < events[i - 1].t_ms))
            return false;
    }
    return true;
}

static void put_numbers(struct sg_buf *out, const int64_t *v, unsigned n)
{
    sg_buf_put_u8(out, '[');
    for (unsigned i = 0; i < n; i++) {
        if (i)
            sg_buf_put_u8(out, ',');
        sg_buf_put_i64(out, v[i]);
    }
    sg_buf_put_u8(out, ']');
}

static void put_agg(struct sg_buf *out, const struct lg_profile *profile, const struct lg_aggregate *agg)
{
    for (unsigned i = 0; i < profile->npoints; i++) {
        const struct lg_aggregate *a = &agg[profile->by_name[i]];
        const int64_t v[] = {a->n, a->min, a->mid, a->max};

        sg_buf_puts(out, i ? ",\"" : "\"");
        sg_buf_puts(out, profile->points[profile->by_name[i]].name);
        sg_buf_puts(out, "\":");
        put_numbers(out, v, 4);
    }
}

static void event_row(int64_t v[static 7], const struct lg_event *e)
{
    const int64_t row[7] = {e->t_ms, e->type, e->phases, e->imax_ma, e->vmin_permille, e->dur_ms, e->shot};

    memcpy(v, row, sizeof row);
}

static int row_cmp(const int64_t *a, const int64_t *b)
{
    for (unsigned i = 0; i < 7; i++) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

/* Events of one instant in the order of their other fields: gateways that got them in another order make the same bytes.
 * Insertion: they come sorted by time, and few share an instant. */
static void put_events(struct sg_buf *out, const struct lg_event *events, unsigned n)
{
    int64_t rows[LG_MAX_EVENTS][7], row[7];

    for (unsigned i = 0; i < n; i++) {
        unsigned at = i;

        event_row(row, &events[i]);
        for (; at > 0 && row_cmp(rows[at - 1], row) > 0; at--)
            memcpy(rows[at], rows[at - 1], sizeof row);
        memcpy(rows[at], row, sizeof row);
    }
    for (unsigned i = 0; i < n; i++) {
        sg_buf_puts(out, i ? "," : "");
        put_numbers(out, rows[i], 7);
    }
}

static void put_samples(
    struct sg_buf *out, const struct lg_profile *profile, const struct lg_sample *samples, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        int64_t row[3 + LG_MAX_POINTS] = {samples[i].t_ms, samples[i].qual, (int64_t)samples[i].have};

        memcpy(row + 3, samples[i].x, profile->npoints * sizeof row[0]);
        sg_buf_puts(out, i ? "," : "");
        put_numbers(out, row, 3 + profile->npoints);
    }
}

int lg_body_encode(struct sg_buf *out, const struct lg_relay *relay, sg_minute min, uint32_t openings,
    const struct lg_sample *samples, unsigned nsamples, const struct lg_event *events, unsigned nevents)
{
    struct lg_aggregate agg[LG_MAX_POINTS];

    if (!parts_ok(relay, min, samples, nsamples, events, nevents))
        return SG_EINVAL;
    lg_aggregate_samples(agg, relay->profile, samples, nsamples);
    sg_buf_puts(out, "{\"agg\":{");
    put_agg(out, relay->profile, agg);
    sg_buf_puts(out, "},\"events\":[");
    put_events(out, events, nevents);
    sg_buf_puts(out, "],\"min\":");
    sg_buf_put_i64(out, min);
    sg_buf_puts(out, ",\"openings\":");
    sg_buf_put_i64(out, openings);
    sg_buf_puts(out, ",\"quality\":");
    sg_buf_put_i64(out, quality_of(relay, samples, nsamples));
    sg_buf_puts(out, ",\"relay\":");
    lg_c0_put_text(out, relay->id, strlen(relay->id));
    sg_buf_puts(out, ",\"samples\":[");
    put_samples(out, relay->profile, samples, nsamples);
    sg_buf_puts(out, "],\"v\":1}");
    return sg_buf_err(out);
}
