/* Readers beside a writer, the rule that chooses a minute's answer, evidence. */
#include "tests/lib/store_fixture.h"
#include "tests/lib/synth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct world {
    struct fixture f;
    struct synth s;
    struct lg_reader *r;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct sg_fault fault = {0};
    fixture_init(&w->f);
    synth_init(&w->s, w->f.g);
    if (lg_reader_open(&w->r, w->f.dir, w->f.g, &fault) != 0)
        fail_msg("%s", fault.text);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    lg_reader_close(w->r);
    synth_fini(&w->s);
    fixture_fini(&w->f);
    free(w);
    return 0;
}

static void connect_block(struct world *w, const struct lg_block *b, const struct lg_block_info *info)
{
    const struct lg_store *s = w->f.s;
    assert_code(s->begin(s->ctx), 0);
    assert_code(s->put_block(s->ctx, b, info), 0);
    assert_code(s->connect(s->ctx, b, info), 0);
    assert_code(s->commit(s->ctx), 0);
}

/* Between begin and end a reader sees one commit, whatever the writer does meanwhile; afterwards the last one. */
static void reader_snapshot_holds_beside_a_writer(void **state)
{
    struct world *w = *state;
    struct lg_block_info tip;
    struct lg_minute m;
    fixture_connect(&w->f, 1, 3);
    assert_code(lg_reader_begin(w->r), 0);
    assert_code(lg_reader_tip(w->r, &tip), 0);
    assert_int_equal(tip.height, 3);
    fixture_connect(&w->f, 4, 4);
    fixture_disconnect(&w->f, 4, 2);
    assert_code(lg_reader_tip(w->r, &tip), 0);
    assert_int_equal(tip.height, 3);
    assert_code(lg_reader_minute(w->r, &m, "relay-1", 29400003), 0);
    lg_reader_end(w->r);
    assert_code(lg_reader_begin(w->r), 0);
    assert_code(lg_reader_tip(w->r, &tip), 0);
    assert_int_equal(tip.height, 1);
    assert_code(lg_reader_minute(w->r, &m, "relay-1", 29400003), SG_ENOT_FOUND);
    lg_reader_end(w->r);
}

/* A reader works on a folder whose node has stopped, and refuses one without a database. */
static void reader_works_on_a_stopped_folder(void **state)
{
    struct world *w = *state;
    struct lg_reader *r = NULL;
    struct lg_block_info tip;
    struct sg_fault fault = {0};
    fixture_connect(&w->f, 1, 2);
    lg_reader_close(w->r);
    w->r = NULL;
    fixture_close(&w->f);
    assert_code(lg_reader_open(&r, w->f.dir, w->f.g, &fault), 0);
    assert_code(lg_reader_tip(r, &tip), 0);
    assert_int_equal(tip.height, 2);
    lg_reader_close(r);
    assert_code(lg_reader_open(&r, "/nonexistent", w->f.g, &fault), SG_ENOT_FOUND);
    fixture_open(&w->f);
}

/* What one gateway says of the minute under test. */
struct vote {
    unsigned body; /* index of the variant */
    uint8_t live;
};

/* One block in which gateways 0.. read variants of (relay-1, first minute) as told; which variant is the answer? */
static unsigned answer_of(struct world *w, const struct vote *votes, unsigned n, struct lg_minute *m)
{
    struct lg_body *bodies[2];
    struct lg_statement *statements[SYNTH_GATEWAYS];
    struct lg_block_info info;
    const sg_minute min = w->f.g->minute;
    for (unsigned i = 0; i < 2; i++)
        bodies[i] = synth_body(&w->s, 0, min, 100 + i);
    if (lg_hash_cmp(&bodies[0]->digest, &bodies[1]->digest) > 0) { /* body 0 is the one included first */
        struct lg_body *swap = bodies[0];
        bodies[0] = bodies[1];
        bodies[1] = swap;
    }
    for (unsigned i = 0; i < n; i++)
        statements[i] = synth_statement(
            &w->s, i, 1764000000000, 1, &w->f.g->id, &bodies[votes[i].body], 1, votes[i].live);
    struct lg_block *b = synth_block(&w->s, &info, &w->f.info[0], statements, n, bodies, 2);
    connect_block(w, b, &info);
    assert_code(lg_reader_minute(w->r, m, "relay-1", min), 0);
    assert_int_equal(m->witnesses, n);
    const unsigned answer = lg_hash_eq(&m->digest, &bodies[0]->digest) ? 0 : 1;
    const struct lg_store *s = w->f.s;
    assert_code(s->begin(s->ctx), 0);
    assert_code(s->disconnect(s->ctx, b, &info), 0);
    assert_code(s->commit(s->ctx), 0);
    for (unsigned i = 0; i < n; i++)
        lg_statement_free(statements[i]);
    lg_body_free(bodies[0]);
    lg_body_free(bodies[1]);
    lg_block_free(b);
    return answer;
}

/* The answer is the body that more gateways saw live, then more gateways, then the one included first. */
static void minute_is_answered_by_the_rule(void **state)
{
    struct world *w = *state;
    struct lg_minute m;
    /* one who saw it live outweighs three who took it from the ring */
    assert_int_equal(answer_of(w, (const struct vote[]){{0, 0}, {0, 0}, {0, 0}, {1, 1}}, 4, &m), 1);
    assert_int_equal(m.attested, 1);
    assert_true(m.conflict);
    assert_int_equal(m.by[0].gw, w->f.g->gateways[3].id);
    assert_int_equal(m.by[1].gw, w->f.g->gateways[0].id);
    /* as many live: more gateways */
    assert_int_equal(answer_of(w, (const struct vote[]){{0, 6}, {1, 2}, {1, 0}}, 3, &m), 1);
    assert_int_equal(m.attested, 2);
    /* as many of both: the one included first */
    assert_int_equal(answer_of(w, (const struct vote[]){{1, 6}, {0, 6}}, 2, &m), 0);
    assert_int_equal(answer_of(w, (const struct vote[]){{0, 3}, {1, 6}}, 2, &m), 0);
    /* nobody live: more gateways */
    assert_int_equal(answer_of(w, (const struct vote[]){{0, 0}, {1, 0}, {1, 0}}, 3, &m), 1);
}

struct reads {
    unsigned n;
    struct lg_attestation at[8];
};

static int take_read(void *arg, const struct lg_attestation *read)
{
    struct reads *r = arg;
    r->at[r->n++] = *read;
    return 0;
}

static int take_conflict(void *arg, const struct lg_reader_conflict *c)
{
    unsigned *n = arg;
    assert_string_equal(c->relay, "relay-1");
    assert_int_equal(c->height, 2);
    ++*n;
    return 0;
}

/* A gateway that later reads another body of the minute has not changed what it said: its first read counts, the later one is
 * evidence; and a tip on another branch says nothing about who has seen the block. */
static void first_read_of_a_gateway_counts(void **state)
{
    struct world *w = *state;
    const sg_minute min = w->f.g->minute;
    struct lg_body *first = synth_body(&w->s, 0, min, 1), *later = synth_body(&w->s, 0, min, 2);
    struct lg_hash nowhere = {{9}};
    struct lg_block_info info[2];
    struct lg_minute m;
    struct reads reads = {0};
    unsigned conflicts = 0;
    struct lg_statement *s1 = synth_statement(&w->s, 0, 1764000000000, 1, &w->f.g->id, &first, 1, 6);
    struct lg_block *b1 = synth_block(&w->s, &info[0], &w->f.info[0], &s1, 1, &first, 1);
    connect_block(w, b1, &info[0]);
    struct lg_statement *s2[2] = {synth_statement(&w->s, 0, 1764000000000, 2, &info[0].hash, &later, 1, 6),
        synth_statement(&w->s, 1, 1764000000000, 2, &nowhere, &first, 1, 0)};
    struct lg_block *b2 = synth_block(&w->s, &info[1], &info[0], s2, 2, &later, 1);
    connect_block(w, b2, &info[1]);
    assert_code(lg_reader_minute(w->r, &m, "relay-1", min), 0);
    assert_memory_equal(&m.digest, &first->digest, sizeof m.digest);
    assert_int_equal(m.attested, 2);
    assert_int_equal(m.witnesses, 2);
    assert_true(m.conflict);
    assert_int_equal(m.seen_by, 1);
    assert_int_equal(m.confirmations, 2);
    assert_code(lg_reader_reads_of(w->r, "relay-1", min, take_read, &reads), 0);
    assert_int_equal(reads.n, 3);
    assert_memory_equal(&reads.at[1].digest, &later->digest, sizeof later->digest);
    assert_memory_equal(&reads.at[1].statement, &s2[0]->leaf, sizeof s2[0]->leaf);
    assert_code(lg_reader_conflicts(w->r, INT64_MAX, 0, 10, take_conflict, &conflicts), 0);
    assert_int_equal(conflicts, 1);
    lg_statement_free(s1);
    lg_statement_free(s2[0]);
    lg_statement_free(s2[1]);
    lg_block_free(b1);
    lg_block_free(b2);
    lg_body_free(first);
    lg_body_free(later);
}

/* Who has once named a block has seen it, whatever older block, or one of another branch, it names later; who only names older ones has not. */
static void seen_is_what_a_gateway_ever_named(void **state)
{
    enum { N = 4 };
    struct world *w = *state;
    const sg_minute min = w->f.g->minute;
    struct lg_body *body = synth_body(&w->s, 0, min, 1);
    struct lg_hash tips[N] = {w->f.g->id, {{0}}, {{9}}, w->f.g->id}; /* the second: block 1 */
    struct lg_block_info info[N + 1] = {w->f.info[0]};
    struct lg_minute m;
    for (unsigned h = 1; h <= N; h++) {
        struct lg_statement *s[2] = {
            synth_statement(&w->s, 0, 1764000000000, h, &tips[h - 1], &body, h == 1, 6),
            synth_statement(&w->s, 1, 1764000000000, h, &w->f.g->id, NULL, 0, 0)};
        struct lg_block *b = synth_block(&w->s, &info[h], &info[h - 1], s, 2, &body, h == 1);
        connect_block(w, b, &info[h]);
        tips[1] = info[1].hash;
        assert_code(lg_reader_minute(w->r, &m, "relay-1", min), 0);
        assert_int_equal(m.seen_by, h == 1 ? 0 : 1);
        lg_block_free(b);
        lg_statement_free(s[0]);
        lg_statement_free(s[1]);
    }
    lg_body_free(body);
}

struct pairs {
    unsigned n;
    int64_t id; /* the last one */
    lg_kid gw;
    uint8_t first[2048], second[2048];
    size_t first_len, second_len;
};

static int take_pair(void *arg, int64_t id, lg_kid gw, struct lg_slice first, struct lg_slice second)
{
    struct pairs *p = arg;
    assert_true(id > p->id);
    p->id = id;
    if (p->n++ == 0) {
        p->gw = gw;
        memcpy(p->first, first.p, first.len);
        memcpy(p->second, second.p, second.len);
        p->first_len = first.len;
        p->second_len = second.len;
    }
    return 0;
}

/* Two statements with one (gw, inc, seq) are a pair, served in the order in which they came; the second is never mineable;
 * a third adds nothing; more than 64 pairs of a gateway are not kept. */
static void evidence_is_kept_up_to_its_limit(void **state)
{
    struct world *w = *state;
    const struct lg_store *s = w->f.s;
    struct lg_statement *first = NULL, *second = NULL, *third;
    struct lg_gateway_state gw;
    struct pairs pairs = {0};
    struct lg_hash leaf;
    enum lg_doc_state doc;
    unsigned variants = 0;
    assert_code(s->begin(s->ctx), 0);
    for (int64_t seq = 1; seq <= 66; seq++) {
        const struct lg_hash other = {{1}};
        lg_statement_free(first);
        lg_statement_free(second);
        first = synth_statement(&w->s, 2, 1764000000000, seq, &w->f.g->id, NULL, 0, 0);
        second = synth_statement(&w->s, 2, 1764000000000, seq, &other, NULL, 0, 0);
        assert_code(s->put_statement(s->ctx, first), 0);
        assert_code(s->put_evidence(s->ctx, second), 0);
        assert_code(s->statement_at(s->ctx, &leaf, &variants, first->gw, first->inc, seq), 0);
        assert_memory_equal(&leaf, &first->leaf, sizeof leaf);
        assert_int_equal(variants, seq <= 64 ? 2 : 1);
        if (seq == 64) {
            const struct lg_hash more = {{2}};
            third = synth_statement(&w->s, 2, 1764000000000, seq, &more, NULL, 0, 0);
            assert_code(s->put_evidence(s->ctx, third), 0);
            assert_code(s->statement_state(s->ctx, &doc, NULL, &third->leaf), 0);
            assert_int_equal(doc, LG_DOC_NONE);
            lg_statement_free(third);
            assert_code(s->statement_state(s->ctx, &doc, NULL, &second->leaf), 0);
            assert_int_equal(doc, LG_DOC_OVERTAKEN);
        }
    }
    assert_code(s->commit(s->ctx), 0);
    assert_code(lg_reader_gateway(w->r, &gw, first->gw), 0);
    assert_int_equal(gw.evidence, 64);
    assert_int_equal(gw.greatest_slot, w->f.g->minute + 66);
    assert_code(lg_reader_evidence_page(w->r, 1, INT64_MAX, 1000, take_pair, &pairs), 0);
    assert_int_equal(pairs.n, 64);
    assert_int_equal(pairs.gw, first->gw);
    struct lg_statement *a = NULL, *b = NULL; /* the first pair */
    assert_code(lg_statement_decode(&a, pairs.first, pairs.first_len), 0);
    assert_code(lg_statement_decode(&b, pairs.second, pairs.second_len), 0);
    assert_int_equal(a->seq, 1);
    assert_int_equal(b->seq, 1);
    assert_memory_equal(&a->tip, &w->f.g->id, sizeof a->tip);
    assert_int_equal(b->tip.b[0], 1);
    lg_statement_free(a);
    lg_statement_free(b);
    lg_statement_free(first);
    lg_statement_free(second);
}

/* A conflict that comes inside a valid block is a pair too, without anybody's put_evidence. */
static void evidence_from_a_block_is_paired(void **state)
{
    struct world *w = *state;
    const struct lg_store *s = w->f.s;
    const struct lg_hash other = {{1}};
    struct lg_block_info info;
    struct lg_gateway_state gw;
    struct lg_hash leaf;
    unsigned variants = 0;
    struct lg_statement *pooled = synth_statement(&w->s, 1, 1764000000000, 1, &other, NULL, 0, 0);
    struct lg_statement *mined = synth_statement(&w->s, 1, 1764000000000, 1, &w->f.g->id, NULL, 0, 0);
    struct lg_block *b = synth_block(&w->s, &info, &w->f.info[0], &mined, 1, NULL, 0);
    assert_code(s->begin(s->ctx), 0);
    assert_code(s->put_statement(s->ctx, pooled), 0);
    assert_code(s->commit(s->ctx), 0);
    connect_block(w, b, &info);
    assert_code(lg_reader_gateway(w->r, &gw, mined->gw), 0);
    assert_int_equal(gw.evidence, 1);
    assert_int_equal(gw.chain.seq, 1);
    assert_int_equal(gw.pool.seq, 1);
    assert_code(s->statement_at(s->ctx, &leaf, &variants, mined->gw, mined->inc, 1), 0);
    assert_int_equal(variants, 2);
    assert_memory_equal(&leaf, &mined->leaf, sizeof leaf); /* what is mined stands for the pair */
    lg_statement_free(pooled);
    lg_statement_free(mined);
    lg_block_free(b);
}

/* The paper's view of each connected block is that of the vectors, and each hash is that of its text. */
static void paper_view_is_kept(void **state)
{
    struct world *w = *state;
    struct sg_buf text;
    struct lg_paper_state paper, alone;
    struct lg_hash hash;
    fixture_connect(&w->f, 1, FIXTURE_BLOCKS);
    sg_buf_init(&text, 1u << 20);
    for (size_t i = 0; i <= FIXTURE_BLOCKS; i++) {
        sg_buf_reset(&text);
        assert_code(lg_reader_paper(w->r, &text, &paper, (int64_t)i + 1), 0);
        json_t *got = json_loadb((const char *)text.p, text.len, 0, NULL);
        assert_true(json_equal(got, json_array_get(vec_get(w->f.chain, "paper_view"), i)));
        json_decref(got);
        sg_sha256(hash.b, text.p, text.len);
        assert_memory_equal(&hash, &paper.hash, sizeof hash);
        assert_code(lg_reader_paper_state(w->r, &alone, (int64_t)i + 1), 0);
        assert_int_equal(alone.proof, paper.proof);
    }
    assert_code(lg_reader_paper(w->r, &text, &paper, FIXTURE_BLOCKS + 2), SG_ENOT_FOUND);
    sg_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reader_snapshot_holds_beside_a_writer, setup, teardown),
        cmocka_unit_test_setup_teardown(reader_works_on_a_stopped_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(minute_is_answered_by_the_rule, setup, teardown),
        cmocka_unit_test_setup_teardown(seen_is_what_a_gateway_ever_named, setup, teardown),
        cmocka_unit_test_setup_teardown(first_read_of_a_gateway_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(evidence_is_kept_up_to_its_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(evidence_from_a_block_is_paired, setup, teardown),
        cmocka_unit_test_setup_teardown(paper_view_is_kept, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
