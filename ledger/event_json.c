/* The texts of events. Keys are sorted, as in every answer. */
#include "ledger/event_json.h"

#include <stdlib.h>
#include <string.h>

#include "ledger/rest_priv.h"

/* ---- sample ---- */

static void put_sample(struct sg_buf *b, const struct lg_sample *s, const struct lg_profile *p)
{
    bool first = true;
    lg_rest_put_int(b, "{\"qual\":", s->qual);
    lg_rest_put_int(b, ",\"t\":", s->t_ms);
    sg_buf_puts(b, ",\"values\":{");
    for (unsigned k = 0; k < p->npoints; k++) {
        const unsigned i = p->by_name[k];
        if ((s->have >> i & 1) == 0)
            continue;
        sg_buf_puts(b, first ? "" : ",");
        lg_rest_put_string(b, p->points[i].name);
        lg_rest_put_int(b, ":", s->x[i]);
        first = false;
    }
    sg_buf_puts(b, "}}");
}

void lg_event_sample(
    struct sg_buf *out, const struct lg_relay *relay, const struct lg_node_relay_state *state)
{
    sg_buf_puts(out, "{\"id\":");
    lg_rest_put_string(out, relay->id);
    lg_rest_put_int(out, ",\"last_sample_ms\":", state->last_sample_ms);
    lg_rest_put_int(out, ",\"last_seq\":", state->last_seq);
    sg_buf_puts(out, ",\"sample\":");
    put_sample(out, &state->sample, relay->profile);
    sg_buf_puts(out, ",\"state\":");
    lg_rest_put_string(out, state->state);
    sg_buf_puts(out, "}");
}

/* ---- block, reorg ---- */

void lg_event_block(struct sg_buf *out, const struct lg_event_msg *e)
{
    const struct lg_block_info *info = &e->tip;
    lg_rest_put_int(out, "{\"added\":", e->added);
    lg_rest_put_int(out, ",\"bodies\":", e->block->nbodies);
    sg_buf_puts(out, ",\"hash\":");
    lg_rest_put_hash(out, &info->hash);
    lg_rest_put_int(out, ",\"height\":", info->height);
    sg_buf_puts(out, ",\"miner\":");
    lg_rest_put_kid(out, info->miner);
    sg_buf_puts(out, ",\"prev\":");
    lg_rest_put_hash(out, &info->prev);
    lg_rest_put_int(out, ",\"slot\":", info->slot);
    lg_rest_put_int(out, ",\"statements\":", e->block->nstatements);
    lg_rest_put_int(out, ",\"time\":", info->time);
    lg_rest_put_int(out, ",\"weight\":", info->weight);
    lg_rest_put_int(out, ",\"weight_sum\":", info->weight_sum);
    sg_buf_puts(out, "}");
}

static void put_name(struct sg_buf *b, const struct lg_statement_name *s)
{
    sg_buf_puts(b, "{\"gw\":");
    lg_rest_put_kid(b, s->gw);
    lg_rest_put_int(b, ",\"inc\":", s->inc);
    sg_buf_puts(b, ",\"leaf\":");
    lg_rest_put_hash(b, &s->leaf);
    lg_rest_put_int(b, ",\"seq\":", s->seq);
    sg_buf_puts(b, "}");
}

void lg_event_reorg(struct sg_buf *out, const struct lg_event_msg *e)
{
    const size_t named = e->nreturned < LG_EVENT_RETURNED ? e->nreturned : LG_EVENT_RETURNED;
    lg_rest_put_int(out, "{\"common\":", e->common);
    lg_rest_put_int(out, ",\"depth\":", e->depth);
    sg_buf_puts(out, ",\"new\":{\"hash\":");
    lg_rest_put_hash(out, &e->tip.hash);
    lg_rest_put_int(out, ",\"height\":", e->tip.height);
    lg_rest_put_int(out, ",\"slot\":", e->tip.slot);
    sg_buf_puts(out, "},\"old\":{\"hash\":");
    lg_rest_put_hash(out, &e->old.hash);
    lg_rest_put_int(out, ",\"height\":", e->old.height);
    lg_rest_put_int(out, ",\"slot\":", e->old.slot);
    lg_rest_put_int(out, "},\"returned\":", (int64_t)e->nreturned);
    lg_rest_put_int(out, ",\"slot\":", e->tip.slot);
    sg_buf_puts(out, ",\"statements\":[");
    for (size_t i = 0; i < named; i++) {
        sg_buf_puts(out, i == 0 ? "" : ",");
        put_name(out, &e->returned[i]);
    }
    sg_buf_puts(out, e->returned_cut ? "],\"uncounted\":1}" : "]}");
}

/* ---- alarm ---- */

void lg_event_alarm(struct sg_buf *out, const struct lg_alarm *alarm)
{
    sg_buf_puts(out, "{\"code\":");
    lg_rest_put_string(out, alarm->code);
    lg_rest_put_int(out, ",\"count\":", (int64_t)alarm->count);
    lg_rest_put_int(out, ",\"since\":", alarm->since_ms);
    sg_buf_puts(out, ",\"text\":");
    lg_rest_put_string(out, lg_alarm_text(alarm->code));
    if (alarm->until_ms != 0)
        lg_rest_put_int(out, ",\"until\":", alarm->until_ms);
    sg_buf_puts(out, "}");
}

/* ---- minute ---- */

struct seen {
    const struct lg_read *read;
    lg_kid gw;
};

static int by_minute(const struct seen *a, const struct seen *b)
{
    int c = lg_name_cmp(a->read->relay, b->read->relay);
    if (c == 0)
        c = a->read->min < b->read->min ? -1 : a->read->min > b->read->min;
    return c != 0 ? c : memcmp(a->read->digest.b, b->read->digest.b, sizeof a->read->digest.b);
}

static int by_all(const void *pa, const void *pb)
{
    const struct seen *a = pa, *b = pb;
    const int c = by_minute(a, b);
    return c != 0 ? c : a->gw < b->gw ? -1 : a->gw > b->gw;
}

/* The reads v[0..n) are of one (relay, minute, digest). */
static void put_minute(struct sg_buf *out, const struct lg_relay *relay, const struct lg_genesis *g,
    const struct seen *v, size_t n, const struct lg_block_info *block)
{
    sg_buf_puts(out, "{\"attested\":[");
    for (size_t i = 0; i < n; i++) {
        sg_buf_puts(out, i == 0 ? "{\"gw\":" : ",{\"gw\":");
        lg_rest_put_kid(out, v[i].gw);
        lg_rest_put_int(out, ",\"live\":", v[i].read->live);
        sg_buf_puts(out, "}");
    }
    sg_buf_puts(out, "]");
    if (block != NULL) {
        sg_buf_puts(out, ",\"block\":");
        lg_rest_put_hash(out, &block->hash);
    }
    sg_buf_puts(out, ",\"digest\":");
    lg_rest_put_hash(out, &v->read->digest);
    if (block != NULL)
        lg_rest_put_int(out, ",\"height\":", block->height);
    lg_rest_put_int(out, ",\"minute\":", v->read->min);
    lg_rest_put_int(out, ",\"of\":", lg_relay_reader_count(g, relay));
    sg_buf_puts(out, ",\"relay\":");
    lg_rest_put_string(out, relay->id);
    sg_buf_puts(out, block != NULL ? ",\"state\":\"mined\"}" : ",\"state\":\"pooled\"}");
}

static size_t gather(struct seen *v, struct lg_statement *const *statements, unsigned n)
{
    size_t k = 0;
    for (unsigned i = 0; i < n; i++)
        for (unsigned r = 0; r < statements[i]->nreads; r++)
            v[k++] = (struct seen){&statements[i]->reads[r], statements[i]->gw};
    return k;
}

int lg_event_minutes(const struct lg_genesis *g, struct lg_statement *const *statements, unsigned n,
    const struct lg_block_info *block, lg_event_minute_fn *fn, void *ctx)
{
    struct sg_buf json;
    size_t count = 0;
    for (unsigned i = 0; i < n; i++)
        count += statements[i]->nreads;
    struct seen *v = count == 0 ? NULL : malloc(count * sizeof *v);
    if (v == NULL)
        return count == 0 ? 0 : SG_ENOMEM;
    gather(v, statements, n);
    qsort(v, count, sizeof *v, by_all);
    sg_buf_init(&json, SIZE_MAX);
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && by_minute(&v[i], &v[next]) == 0; next++)
            ;
        const struct lg_relay *relay = lg_genesis_relay(g, v[i].read->relay.p, v[i].read->relay.len);
        if (relay == NULL) /* no rule of a valid document lets it be */
            continue;
        sg_buf_reset(&json);
        put_minute(&json, relay, g, &v[i], next - i, block);
        fn(ctx, &json);
    }
    sg_buf_fini(&json);
    free(v);
    return 0;
}
