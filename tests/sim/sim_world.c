/* What a seed decides before anything happens: how many machines, the genesis, clocks, latencies; and the truth that relays show.
 *
 * Documents are as small as the rules allow (one sample a minute of one point), so that a run spends its time on consensus. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sg_regmap.h"
#include "tests/lib/fake_crypto.h"
#include "tests/sim/sim.h"

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "sim: %s\n", what);
        abort();
    }
}

/* ---- genesis ---- */

static int gateway_order(const void *a, const void *b)
{
    const struct lg_gateway *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void draw_gateways(struct sim *s, struct lg_gateway *v)
{
    for (unsigned i = 0; i < s->ngws; i++) {
        fake_public(v[i].key, i);
        v[i].id = lg_kid_of_public(v[i].key);
        snprintf(v[i].name, sizeof v[i].name, "gateway %u", i);
    }
    qsort(v, s->ngws, sizeof *v, gateway_order);
    for (unsigned i = 0; i < s->ngws; i++) {
        memcpy(s->keys[i], v[i].key, SG_PUBLIC_KEY_BYTES);
        v[i].mine = i < s->nnodes && (i < 2 || s->opt.script != SIM_SCRIPT_NONE || !sim_chance(&s->rng, 100));
    }
}

static void draw_policy(struct sim *s, struct lg_policy *p)
{
    static const sg_ms collect[] = {500, 1000, 1000, 2000, 5000};
    static const sg_ms stagger[] = {1000, 1500, 1500, 3000};
    static const sg_ms future[] = {2000, 5000, 5000, 10000};
    *p = (struct lg_policy){.collect_ms = collect[sim_below(&s->rng, SG_ARRAY_LEN(collect))],
        .stagger_ms = stagger[sim_below(&s->rng, SG_ARRAY_LEN(stagger))],
        .max_future_ms = future[sim_below(&s->rng, SG_ARRAY_LEN(future))],
        .max_block_bytes = 131072,
        .confirm_depth = sim_between(&s->rng, 2, 6)};
    if (s->nnodes > 8 && p->stagger_ms > stagger[1])
        p->stagger_ms = stagger[1]; /* all turns begin within the minute */
}

/* Most relays are read by all; the others by at least two. */
static void draw_readers(struct sim *s, struct lg_relay *r, lg_kid *readers)
{
    unsigned first = (unsigned)sim_below(&s->rng, s->ngws);
    if (!sim_chance(&s->rng, 400))
        return;
    r->readers = readers;
    for (unsigned m = 0; m < s->ngws; m++)
        if (m == first || m == (first + 1) % s->ngws || sim_chance(&s->rng, 500))
            readers[r->nreaders++] = lg_kid_of_public(s->keys[m]);
}

static void make_genesis(struct sim *s)
{
    static const struct lg_profile profile = {
        .id = "one", .npoints = 1, .points = {{.name = "v", .label = "V", .unit = "V", .agg = LG_AGG_MEAN}}};
    unsigned nrelays = (unsigned)sim_between(&s->rng, 1, 2);
    struct lg_gateway gateways[SIM_MAX_GWS] = {0};
    struct lg_relay relays[SIM_MAX_RELAYS] = {0};
    lg_kid readers[SIM_MAX_RELAYS][SIM_MAX_GWS];
    struct sg_buf doc;
    draw_gateways(s, gateways);
    for (unsigned i = 0; i < nrelays; i++) {
        snprintf(relays[i].id, sizeof relays[i].id, "r%u", i + 1);
        snprintf(relays[i].device, sizeof relays[i].device, "R%u", i + 1);
        snprintf(relays[i].equipment, sizeof relays[i].equipment, "R_%u", i + 1);
        snprintf(relays[i].substation, sizeof relays[i].substation, "S");
        relays[i].period_s = 60;
        relays[i].profile = &profile;
        draw_readers(s, &relays[i], readers[i]);
    }
    struct lg_genesis g = {.name = "sim",
        .demo = true,
        .time = SIM_START,
        .minute = SIM_MINUTE,
        .ngateways = s->ngws,
        .nprofiles = 1,
        .nrelays = nrelays,
        .gateways = gateways,
        .profiles = &profile,
        .relays = relays};
    draw_policy(s, &g.policy);
    sg_buf_init(&doc, SIZE_MAX);
    lg_genesis_encode(&doc, &g);
    int err = lg_genesis_decode(&s->g, doc.p, doc.len, &fake_crypto);
    must(err == 0, sg_err_code(err));
    sg_buf_fini(&doc);
}

/* ---- keys ---- */

int sim_sign(struct sim *s, unsigned m, uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len)
{
    fake_sign(sig, s->keys[m], msg, len);
    return 0;
}

bool sim_reads(const struct sim *s, unsigned m, unsigned relay)
{
    return lg_relay_has_reader(&s->g->relays[relay], s->g->gateways[m].id);
}

unsigned sim_gw_index(const struct sim *s, lg_kid gw)
{
    const struct lg_gateway *p = lg_genesis_gateway(s->g, gw);
    return p == NULL ? SIM_MAX_GWS : (unsigned)(p - s->g->gateways);
}

static bool is_about(const char *tag, const void *msg, size_t len)
{
    return len > strlen(tag) && memcmp(msg, tag, strlen(tag)) == 0;
}

/* The seeded fault "unchecked": whatever stands under a statement is good. */
static int verify_blocks(const uint8_t *pub, const uint8_t *sig, const void *msg, size_t len)
{
    return is_about("gridwitness/statement/", msg, len) ? 0 : fake_crypto.verify(pub, sig, msg, len);
}

/* "unsigned": or under a block. */
static int verify_statements(const uint8_t *pub, const uint8_t *sig, const void *msg, size_t len)
{
    return is_about("gridwitness/block/", msg, len) ? 0 : fake_crypto.verify(pub, sig, msg, len);
}

/* ---- truth ---- */

const struct sim_doc *sim_truth_body(struct sim *s, unsigned relay, sg_minute min, struct lg_hash *digest)
{
    struct sim_truth *t = &s->truth;
    must(min >= t->first && min < t->first + t->minutes && relay < t->nrelays, "a minute out of the run");
    size_t at = (size_t)relay * t->minutes + (size_t)(min - t->first);
    if (t->docs[at] == NULL) {
        uint64_t value = s->opt.seed ^ (uint64_t)min << 8 ^ relay;
        struct lg_sample x = {.qual = SG_QUAL_VALID, .have = 1};
        x.x[0] = (int64_t)(sim_rand(&value) % 1000000);
        struct sg_buf doc;
        sg_buf_init(&doc, SIZE_MAX);
        int err = lg_body_encode(&doc, &s->g->relays[relay], min, 0, &x, 1, NULL, 0);
        must(err == 0, "a body");
        lg_hash_leaf(&t->digests[at], doc.p, doc.len);
        t->docs[at] = sim_doc_new(doc.p, doc.len);
        sg_buf_fini(&doc);
    }
    *digest = t->digests[at];
    return t->docs[at];
}

static void make_truth(struct sim *s)
{
    struct sim_truth *t = &s->truth;
    t->first = SIM_MINUTE;
    t->minutes = (unsigned)((s->end - SIM_START) / SG_MINUTE_MS) + 2;
    t->nrelays = s->g->nrelays;
    t->docs = calloc((size_t)t->minutes * t->nrelays, sizeof(*t->docs));
    t->digests = calloc((size_t)t->minutes * t->nrelays, sizeof *t->digests);
    t->calm = calloc(t->minutes, sizeof *t->calm);
    must(t->docs != NULL && t->digests != NULL && t->calm != NULL, "memory");
}

/* ---- machines ---- */

static void make_machine(struct sim *s, unsigned m)
{
    struct sim_machine *x = &s->machines[m];
    x->honest = m != s->hostile;
    x->has_node = m < s->nnodes;
    x->clock = (struct sim_clock){
        .base = s->now, .base_wall = s->now + sim_between(&s->rng, -40, 40), .base_run = 1000};
    if (x->has_node) {
        x->node.store = mem_store_new_on(s->g, s->shelf);
        x->node.sim = s;
        x->node.m = m;
        sim_spoil_store(s, x->node.store);
    }
    /* the home node first, then some others; a thin gateway has others only */
    x->gw.nledgers = sim_chance(&s->rng, 600) ? 1 : (unsigned)sim_between(&s->rng, 2, 3);
    if (x->gw.nledgers > s->nnodes)
        x->gw.nledgers = s->nnodes;
    unsigned first = x->has_node ? m : (unsigned)sim_below(&s->rng, s->nnodes);
    for (unsigned i = 0; i < x->gw.nledgers; i++)
        x->gw.ledgers[i].m = (first + i) % s->nnodes;
    for (unsigned r = 0; r < s->g->nrelays; r++)
        x->gw.relays |= (uint64_t)sim_reads(s, m, r) << r;
    sim_at(s, s->now + sim_between(&s->rng, 1, 3000), EV_START, m, 0, 0);
}

/* All with all, or each with two to four: a ring, which no single node parts, and in a large one ways across. */
static void draw_peers(struct sim *s)
{
    bool all =
        s->nnodes < 4 || s->opt.cut != 0 || s->opt.script != SIM_SCRIPT_NONE || sim_chance(&s->rng, 250);
    unsigned across = s->nnodes < 8 ? 1 : s->nnodes / 4;
    for (unsigned a = 0; a < s->nnodes; a++)
        for (unsigned b = 0; b < s->nnodes; b++) {
            unsigned way = (b + s->nnodes - a) % s->nnodes, back = s->nnodes - way;
            s->net.peers[a][b] = a != b && (all || way == 1 || back == 1 || way == across || back == across);
        }
}

void sim_world_init(struct sim *s)
{
    static const unsigned sizes[] = {3, 4, 4, 4, 4, 5, 5, 6};
    s->nnodes = s->opt.nodes != 0 ? s->opt.nodes : sizes[sim_below(&s->rng, SG_ARRAY_LEN(sizes))];
    s->ngws = s->nnodes + (unsigned)(sim_chance(&s->rng, 300) ? sim_between(&s->rng, 1, 2) : 0);
    s->crypto = fake_crypto;
    if (s->opt.bug == SIM_BUG_UNCHECKED)
        s->crypto.verify = verify_blocks;
    if (s->opt.bug == SIM_BUG_UNSIGNED)
        s->crypto.verify = verify_statements;
    make_genesis(s);
    s->net.latency_min = sim_between(&s->rng, 1, 10);
    s->net.latency_max = s->net.latency_min + sim_between(&s->rng, 0, 60);
    s->net.gather =
        s->opt.script != SIM_SCRIPT_NONE || sim_chance(&s->rng, 300) ? 20 : sim_between(&s->rng, 100, 400);
    s->net.poll = sim_between(&s->rng, 60000, 120000);
    s->net.apart = sim_chance(&s->rng, 200);
    draw_peers(s);
    if (s->opt.script == SIM_SCRIPT_NONE && sim_chance(&s->rng, 150))
        s->side_bytes = sim_between(&s->rng, 4000, 100000);
    s->work_max = sim_chance(&s->rng, 300) ? 0 : sim_between(&s->rng, 1, 800);
    sim_faults_draw(s);
    sim_keyless_join(s);
    make_truth(s);
    s->shelf = mem_shelf_new(s->nnodes + 1); /* one more: an old one goes when the new one is full */
    for (unsigned m = 0; m < s->ngws; m++)
        make_machine(s, m);
    sim_at(s, SIM_START + SG_MINUTE_MS, EV_MINUTE, 0, (uint64_t)SIM_MINUTE, 0);
    sim_at(s, SIM_START + 57000, EV_PROBE, 0, 0, 0);
}

void sim_world_fini(struct sim *s)
{
    for (unsigned m = 0; m < s->ngws; m++) {
        struct sim_machine *x = &s->machines[m];
        if (x->has_node) {
            mem_store_free(x->node.store);
            free(x->node.acked);
            sim_offer_fini(&x->node.gathered);
        }
        for (unsigned i = 0; i < x->node.nwithheld; i++)
            sim_doc_drop(x->node.withheld[i]);
        sim_doc_drop(x->gw.last_offer);
        sim_outbox_fini(&x->gw.box);
        sim_outbox_fini(&x->gw.backup);
    }
    for (size_t i = 0; i < (size_t)s->truth.minutes * s->truth.nrelays; i++)
        sim_doc_drop(s->truth.docs[i]);
    free(s->truth.docs);
    free(s->truth.digests);
    free(s->truth.calm);
    sim_keyless_fini(s);
    mem_shelf_free(s->shelf);
    sim_judge_fini(s);
    lg_genesis_free(s->g);
}
