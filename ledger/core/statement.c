/* A statement: what one gateway says once a minute, signed, one chain per gateway.
 *
 * Invariant: reads are strictly increasing by (relay, minute), gaps by (relay, from), gaps disjoint and over no read; the
 * encoder refuses parts that would break this, so a gateway cannot sign what others must refuse.
 * The relay names are any strings here: whether they exist is asked of a genesis (lg_statement_check). */
#include "ledger/core/owner.h"
#include "ledger/core/parse.h"

#include <assert.h>
#include <string.h>

static const char tag[] = "gridwitness/statement/v1\n";

static const char *const reason_names[LG_REASON_COUNT] = {
    [LG_REASON_TIMEOUT] = "timeout",
    [LG_REASON_REFUSED] = "refused",
    [LG_REASON_EXCEPTION] = "exception",
    [LG_REASON_MALFORMED] = "malformed",
    [LG_REASON_IDENTITY] = "identity",
    [LG_REASON_CLOCK] = "clock",
    [LG_REASON_STOPPED] = "stopped",
    [LG_REASON_NOSAMPLE] = "nosample",
    [LG_REASON_EXPIRED] = "expired",
};

const char *lg_reason_name(enum lg_reason r)
{
    assert((unsigned)r < LG_REASON_COUNT);
    return reason_names[r];
}

static enum lg_reason parse_reason(struct lg_c0 *c)
{
    struct lg_slice s = lg_c0_raw(c);

    for (unsigned i = 0; i < LG_REASON_COUNT; i++) {
        if (!c->bad && s.len == strlen(reason_names[i]) && memcmp(s.p, reason_names[i], s.len) == 0)
            return (enum lg_reason)i;
    }
    lg_c0_fail(c);
    return LG_REASON_TIMEOUT;
}

/* b may stand behind a in "reads". */
static bool reads_ordered(const struct lg_read *a, const struct lg_read *b)
{
    int cmp = lg_name_cmp(a->relay, b->relay);

    return cmp < 0 || (cmp == 0 && a->min < b->min);
}

/* b may stand behind a in "gaps": strictly later and disjoint. */
static bool gaps_ordered(const struct lg_gap *a, const struct lg_gap *b)
{
    int cmp = lg_name_cmp(a->relay, b->relay);

    return cmp < 0 || (cmp == 0 && a->to < b->from);
}

/* Both lists are sorted: one walk over both. */
static bool gap_over_read(const struct lg_statement *s)
{
    for (unsigned r = 0, g = 0; r < s->nreads && g < s->ngaps;) {
        int cmp = lg_name_cmp(s->gaps[g].relay, s->reads[r].relay);

        if (cmp < 0 || (cmp == 0 && s->gaps[g].to < s->reads[r].min))
            g++;
        else if (cmp > 0 || s->gaps[g].from > s->reads[r].min)
            r++;
        else
            return true;
    }
    return false;
}

static int parse_read(struct lg_read *r, struct lg_c0 *c, struct lg_arena *a)
{
    int err;

    lg_c0_array(c);
    lg_c0_item(c);
    err = lg_parse_name(&r->relay, c, a);
    lg_c0_item(c);
    r->min = lg_c0_int(c, 0, SG_MINUTE_END - 1);
    lg_c0_item(c);
    lg_c0_hex(c, r->digest.b, sizeof r->digest.b);
    lg_c0_item(c);
    r->live = (uint8_t)lg_c0_int(c, 0, LG_MAX_SAMPLES);
    lg_c0_array_end(c);
    return err;
}

static int parse_reads(struct lg_statement *s, struct lg_c0 *c, struct lg_arena *a)
{
    struct lg_list list = {0};

    lg_c0_array(c);
    while (lg_c0_more(c)) {
        struct lg_read *r = lg_list_push(&list, a, sizeof *r);

        if (!r || parse_read(r, c, a) != 0)
            return SG_ENOMEM;
        if (list.n > LG_MAX_ENTRIES || (list.n > 1 && !reads_ordered(&r[-1], r)))
            lg_c0_fail(c);
    }
    s->reads = list.p;
    s->nreads = (unsigned)list.n;
    return 0;
}

static int parse_gap(struct lg_gap *g, struct lg_c0 *c, struct lg_arena *a)
{
    int err;

    lg_c0_array(c);
    lg_c0_item(c);
    err = lg_parse_name(&g->relay, c, a);
    lg_c0_item(c);
    g->from = lg_c0_int(c, 0, SG_MINUTE_END - 1);
    lg_c0_item(c);
    g->to = lg_c0_int(c, g->from, SG_MINUTE_END - 1);
    lg_c0_item(c);
    g->reason = parse_reason(c);
    lg_c0_array_end(c);
    return err;
}

static int parse_gaps(struct lg_statement *s, struct lg_c0 *c, struct lg_arena *a)
{
    struct lg_list list = {0};

    lg_c0_array(c);
    while (lg_c0_more(c)) {
        struct lg_gap *g = lg_list_push(&list, a, sizeof *g);

        if (!g || parse_gap(g, c, a) != 0)
            return SG_ENOMEM;
        if (list.n > LG_MAX_ENTRIES || (list.n > 1 && !gaps_ordered(&g[-1], g)))
            lg_c0_fail(c);
    }
    s->gaps = list.p;
    s->ngaps = (unsigned)list.n;
    return 0;
}

/* What stands before "sig". */
static int parse_head(struct lg_statement *s, struct lg_c0 *c, struct lg_arena *a)
{
    lg_c0_object(c);
    lg_c0_key(c, "gaps");
    if (parse_gaps(s, c, a) != 0)
        return SG_ENOMEM;
    lg_c0_key(c, "gw");
    s->gw = lg_parse_kid(c);
    lg_c0_key(c, "inc");
    s->inc = lg_c0_int(c, 0, SG_MS_END - 1);
    lg_c0_key(c, "prev");
    lg_c0_hex(c, s->prev.b, sizeof s->prev.b);
    lg_c0_key(c, "reads");
    if (parse_reads(s, c, a) != 0)
        return SG_ENOMEM;
    lg_c0_key(c, "seq");
    s->seq = lg_c0_int(c, 1, LG_C0_MAX_INT);
    return 0;
}

int lg_parse_statement(struct lg_statement *s, struct lg_c0 *c, struct lg_arena *a)
{
    const uint8_t *start = c->p;

    s->doc = start;
    if (parse_head(s, c, a) != 0)
        return SG_ENOMEM;
    s->sig_at = (size_t)(c->p - start);
    lg_c0_key(c, "sig");
    lg_c0_base64(c, s->sig, sizeof s->sig);
    s->sig_end = (size_t)(c->p - start);
    lg_c0_key(c, "slot");
    s->slot = lg_c0_int(c, 0, SG_MINUTE_END - 1);
    lg_c0_key(c, "tip");
    lg_c0_hex(c, s->tip.b, sizeof s->tip.b);
    lg_c0_key(c, "ts");
    s->ts = lg_c0_int(c, 0, SG_MS_END - 1);
    lg_parse_version(c);
    if (c->bad || s->nreads + s->ngaps > LG_MAX_ENTRIES || gap_over_read(s)) {
        lg_c0_fail(c);
        return 0;
    }
    s->doc_len = (size_t)(c->p - start);
    lg_hash_leaf(&s->leaf, s->doc, s->doc_len);
    return 0;
}

int lg_statement_decode(struct lg_statement **out, const uint8_t *doc, size_t len)
{
    struct lg_arena *arena;
    struct lg_c0 c;
    uint8_t *copy;
    int err;
    struct lg_statement *s = lg_owner_new(&err, &arena, &copy, sizeof *s, doc, len);

    if (!s)
        return err;
    lg_c0_open(&c, copy, len);
    err = lg_parse_statement(s, &c, arena);
    if (err == 0)
        err = lg_c0_close(&c);
    if (err)
        lg_statement_free(s);
    else
        *out = s;
    return err;
}

void lg_statement_free(struct lg_statement *s)
{
    lg_owner_free(s);
}

void lg_statement_signed_bytes(struct sg_buf *out, const struct lg_statement *s)
{
    sg_buf_puts(out, tag);
    sg_buf_put(out, s->doc, s->sig_at);
    sg_buf_put(out, s->doc + s->sig_end, s->doc_len - s->sig_end);
}

/* A relay's id: [a-z0-9-]{1,32}. */
static bool name_ok(struct lg_name n)
{
    if (n.len == 0 || n.len > 32)
        return false;
    for (size_t i = 0; i < n.len; i++) {
        if (!(n.p[i] >= 'a' && n.p[i] <= 'z') && !(n.p[i] >= '0' && n.p[i] <= '9') && n.p[i] != '-')
            return false;
    }
    return true;
}

/* What a signature must never stand under: see the rules of the document. */
static bool head_ok(const struct lg_statement *s)
{
    return s->inc >= 0 && s->inc <= s->ts && s->ts < SG_MS_END && s->seq >= 1 && s->seq <= LG_C0_MAX_INT &&
           s->slot >= 0 && s->slot < SG_MINUTE_END && s->ts >= (s->slot + 1) * SG_MINUTE_MS;
}

static bool entries_ok(const struct lg_statement *s)
{
    for (unsigned i = 0; i < s->nreads; i++) {
        const struct lg_read *r = &s->reads[i];

        if (!name_ok(r->relay) || r->min < 0 || r->min > s->slot || r->min <= s->slot - LG_KEEP_SLOTS ||
            r->live > LG_MAX_SAMPLES || (i > 0 && !reads_ordered(&r[-1], r)))
            return false;
    }
    for (unsigned i = 0; i < s->ngaps; i++) {
        const struct lg_gap *g = &s->gaps[i];

        if (!name_ok(g->relay) || g->from < 0 || g->from > g->to || g->to > s->slot ||
            g->from <= s->slot - LG_KEEP_SLOTS || (unsigned)g->reason >= LG_REASON_COUNT ||
            (i > 0 && !gaps_ordered(&g[-1], g)))
            return false;
    }
    return !gap_over_read(s);
}

static void put_hash(struct sg_buf *b, const char *key, const struct lg_hash *h)
{
    sg_buf_puts(b, key);
    lg_c0_put_hex(b, h->b, sizeof h->b);
}

static void put_int(struct sg_buf *b, const char *key, int64_t v)
{
    sg_buf_puts(b, key);
    sg_buf_put_i64(b, v);
}

static void put_gaps(struct sg_buf *b, const struct lg_statement *s)
{
    for (unsigned i = 0; i < s->ngaps; i++) {
        const struct lg_gap *g = &s->gaps[i];

        sg_buf_puts(b, i ? ",[" : "[");
        lg_c0_put_text(b, g->relay.p, g->relay.len);
        put_int(b, ",", g->from);
        put_int(b, ",", g->to);
        sg_buf_puts(b, ",\"");
        sg_buf_puts(b, reason_names[g->reason]);
        sg_buf_puts(b, "\"]");
    }
}

static void put_reads(struct sg_buf *b, const struct lg_statement *s)
{
    for (unsigned i = 0; i < s->nreads; i++) {
        const struct lg_read *r = &s->reads[i];

        sg_buf_puts(b, i ? ",[" : "[");
        lg_c0_put_text(b, r->relay.p, r->relay.len);
        put_int(b, ",", r->min);
        put_hash(b, ",", &r->digest);
        put_int(b, ",", r->live);
        sg_buf_put_u8(b, ']');
    }
}

/* Tag and document without sig; *sig_at is where the signature belongs, counted from the document. */
static void put_unsigned(struct sg_buf *b, size_t *sig_at, const struct lg_statement *s)
{
    uint8_t kid[8];
    size_t start;

    sg_put_be64(kid, s->gw);
    sg_buf_puts(b, tag);
    start = b->len;
    sg_buf_puts(b, "{\"gaps\":[");
    put_gaps(b, s);
    sg_buf_puts(b, "],\"gw\":");
    lg_c0_put_hex(b, kid, sizeof kid);
    put_int(b, ",\"inc\":", s->inc);
    put_hash(b, ",\"prev\":", &s->prev);
    sg_buf_puts(b, ",\"reads\":[");
    put_reads(b, s);
    put_int(b, "],\"seq\":", s->seq);
    *sig_at = b->len - start;
    put_int(b, ",\"slot\":", s->slot);
    put_hash(b, ",\"tip\":", &s->tip);
    put_int(b, ",\"ts\":", s->ts);
    sg_buf_puts(b, ",\"v\":1}");
}

int lg_statement_encode_with(struct sg_buf *out, const struct lg_statement *s, lg_sign_fn *sign, void *ctx)
{
    uint8_t sig[SG_SIGNATURE_BYTES];
    struct sg_buf b;
    size_t sig_at = 0;
    int err;

    if (s->nreads > LG_MAX_ENTRIES || s->ngaps > LG_MAX_ENTRIES - s->nreads)
        return SG_ETOO_LARGE;
    if (!head_ok(s) || !entries_ok(s))
        return SG_EINVAL;
    sg_buf_init(&b, SIZE_MAX / 4);
    put_unsigned(&b, &sig_at, s);
    err = sg_buf_err(&b);
    if (err == 0)
        err = sign(ctx, sig, b.p, b.len);
    if (err == 0) {
        const uint8_t *doc = b.p + sizeof tag - 1;
        size_t len = b.len - (sizeof tag - 1);

        sg_buf_put(out, doc, sig_at);
        sg_buf_puts(out, ",\"sig\":");
        lg_c0_put_base64(out, sig, sizeof sig);
        sg_buf_put(out, doc + sig_at, len - sig_at);
        err = sg_buf_err(out);
    }
    sg_buf_fini(&b);
    return err;
}

static int sign_with_key(void *ctx, uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len)
{
    return sg_key_sign(ctx, sig, msg, len);
}

int lg_statement_encode(struct sg_buf *out, const struct lg_statement *s, const struct sg_key *key)
{
    uint8_t pub[SG_PUBLIC_KEY_BYTES];

    sg_key_public(key, pub);
    if (lg_kid_of_public(pub) != s->gw)
        return SG_EINVAL;
    return lg_statement_encode_with(out, s, sign_with_key, (void *)(uintptr_t)key);
}
