/* Asking before telling: the question, the answer, and the part of an offer that follows. */
#include "ledger/core/leaf_ask.h"
#include "tests/lib/chain_maker.h"
#include "tests/lib/store_fixture.h"
#include "tests/lib/synth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* What is encoded is decoded to the same, from nothing at all to as many as fit. */
static void question_survives_its_coding(void **state)
{
    const unsigned counts[] = {0, 1, 3, LG_ASK_MAX};
    struct lg_hash *in = calloc(LG_ASK_MAX, sizeof *in), *out = calloc(LG_ASK_MAX, sizeof *out);
    struct sg_buf doc;
    (void)state;
    for (unsigned i = 0; i < LG_ASK_MAX; i++)
        sg_put_be32(in[i].b, i * 2654435761u);
    for (unsigned k = 0; k < SG_ARRAY_LEN(counts); k++) {
        unsigned n = 77;
        sg_buf_init(&doc, LG_ASK_MAX_BYTES);
        lg_ask_encode(&doc, in, counts[k]);
        assert_code(sg_buf_err(&doc), 0);
        assert_code(lg_ask_decode(out, &n, doc.p, doc.len), 0);
        assert_int_equal(n, counts[k]);
        assert_memory_equal(in, out, n * sizeof *in);
        sg_buf_fini(&doc);
    }
    free(in);
    free(out);
}

/* Whatever is no question is refused with its code, one leaf too many too. */
static void faulty_question_is_refused(void **state)
{
    static const struct {
        const char *text;
        int err;
    } cases[] = {{"", SG_ECANONICAL}, {"{\"leaves\": []}", SG_ECANONICAL}, {"[]", SG_ESHAPE},
        {"{}", SG_ESHAPE}, {"{\"leaves\":{}}", SG_ESHAPE}, {"{\"leaves\":[1]}", SG_ESHAPE},
        {"{\"leaves\":[\"ab\"]}", SG_ESHAPE}, {"{\"leaves\":[],\"more\":1}", SG_ESHAPE}};
    struct lg_hash *leaves = calloc(LG_ASK_MAX + 1, sizeof *leaves);
    struct sg_buf doc;
    unsigned n;
    (void)state;
    for (unsigned i = 0; i < SG_ARRAY_LEN(cases); i++)
        assert_code(
            lg_ask_decode(leaves, &n, (const uint8_t *)cases[i].text, strlen(cases[i].text)), cases[i].err);
    sg_buf_init(&doc, 2 * LG_ASK_MAX_BYTES);
    lg_ask_encode(&doc, leaves, LG_ASK_MAX + 1);
    assert_code(lg_ask_decode(leaves, &n, doc.p, doc.len), SG_ESHAPE);
    sg_buf_fini(&doc);
    free(leaves);
}

/* An answer names some of what was asked, in order; all sets of four survive. */
static void answer_survives_its_coding(void **state)
{
    (void)state;
    for (unsigned set = 0; set < 16; set++) {
        bool in[4], out[4] = {true, true, true, true};
        struct sg_buf doc;
        for (unsigned i = 0; i < 4; i++)
            in[i] = (set >> i & 1) != 0;
        sg_buf_init(&doc, 100);
        lg_ask_answer_encode(&doc, in, 4);
        assert_code(lg_ask_answer_decode(out, 4, doc.p, doc.len), 0);
        assert_memory_equal(in, out, sizeof in);
        sg_buf_fini(&doc);
    }
}

/* An answer to what was not asked is none. */
static void faulty_answer_is_refused(void **state)
{
    static const struct {
        const char *text;
        int err;
    } cases[] = {{"{\"missing\":[4]}", SG_ESHAPE}, {"{\"missing\":[-1]}", SG_ESHAPE},
        {"{\"missing\":[1,1]}", SG_ESHAPE}, {"{\"missing\":[2,1]}", SG_ESHAPE},
        {"{\"missing\":[\"1\"]}", SG_ESHAPE}, {"{\"missing\":1}", SG_ESHAPE}, {"{}", SG_ESHAPE},
        {"{\"missing\":[01]}", SG_ECANONICAL}};
    bool missing[4];
    (void)state;
    for (unsigned i = 0; i < SG_ARRAY_LEN(cases); i++)
        assert_code(lg_ask_answer_decode(missing, 4, (const uint8_t *)cases[i].text, strlen(cases[i].text)),
            cases[i].err);
    assert_code(lg_ask_answer_decode(missing, 0, (const uint8_t *)"{\"missing\":[0]}", 15), SG_ESHAPE);
    assert_code(lg_ask_answer_decode(missing, 0, (const uint8_t *)"{\"missing\":[]}", 14), 0);
}

enum { STATEMENTS = 3, BODIES = 2 };

struct world {
    struct fixture f;
    struct synth s;
    struct lg_body *body[BODIES];
    struct lg_statement *st[STATEMENTS]; /* 0 and 1 read body 0, 2 reads both */
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    fixture_init(&w->f);
    synth_init(&w->s, w->f.g);
    for (unsigned i = 0; i < BODIES; i++)
        w->body[i] = synth_body(&w->s, 0, w->f.g->minute + i, 1);
    for (unsigned i = 0; i < STATEMENTS; i++)
        w->st[i] =
            synth_statement(&w->s, i, w->f.g->time + 9, 1, &w->f.g->id, w->body, i == 2 ? BODIES : 1, 6);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    for (unsigned i = 0; i < STATEMENTS; i++)
        lg_statement_free(w->st[i]);
    for (unsigned i = 0; i < BODIES; i++)
        lg_body_free(w->body[i]);
    synth_fini(&w->s);
    fixture_fini(&w->f);
    free(w);
    return 0;
}

/* The offer of these statements and bodies, bit i for the i-th. */
static void put_offer(struct sg_buf *out, const struct world *w, unsigned bodies, unsigned statements)
{
    const struct lg_body *b[BODIES];
    const struct lg_statement *s[STATEMENTS];
    unsigned nb = 0, ns = 0;
    for (unsigned i = 0; i < BODIES; i++)
        if (bodies >> i & 1)
            b[nb++] = w->body[i];
    for (unsigned i = 0; i < STATEMENTS; i++)
        if (statements >> i & 1)
            s[ns++] = w->st[i];
    sg_buf_init(out, 1u << 20);
    make_offer(out, s, ns, b, nb);
    assert_code(sg_buf_err(out), 0);
}

/* For every set of missing statements, what is cut out is the offer of these statements and of the bodies that they read, byte for byte. */
static void part_is_the_offer_of_what_is_missing(void **state)
{
    const struct world *w = *state;
    struct sg_buf all;
    put_offer(&all, w, 3, 7);
    for (unsigned set = 0; set < 8; set++) {
        const bool missing[STATEMENTS] = {(set & 1) != 0, (set & 2) != 0, (set & 4) != 0};
        struct sg_buf part, want;
        put_offer(&want, w, (set & 4) != 0 ? 3 : set != 0 ? 1 : 0, set);
        sg_buf_init(&part, 1u << 20);
        assert_code(lg_ask_offer(&part, all.p, all.len, missing, STATEMENTS), 0);
        assert_int_equal(part.len, want.len);
        assert_memory_equal(part.p, want.p, want.len);
        sg_buf_fini(&part);
        sg_buf_fini(&want);
    }
    sg_buf_fini(&all);
}

/* A body that did not come with the offer is not invented; one that nobody reads stays behind. */
static void part_takes_bodies_of_the_offer_only(void **state)
{
    static const bool third[STATEMENTS] = {false, false, true}, first[STATEMENTS] = {true, false, false};
    const struct world *w = *state;
    struct sg_buf all, part, want;
    put_offer(&all, w, 2, 7);
    sg_buf_init(&part, 1u << 20);
    assert_code(lg_ask_offer(&part, all.p, all.len, third, STATEMENTS), 0);
    put_offer(&want, w, 2, 4);
    assert_int_equal(part.len, want.len);
    assert_memory_equal(part.p, want.p, want.len);
    sg_buf_fini(&want);
    sg_buf_reset(&part);
    assert_code(lg_ask_offer(&part, all.p, all.len, first, STATEMENTS), 0);
    put_offer(&want, w, 0, 1);
    assert_int_equal(part.len, want.len);
    sg_buf_fini(&want);
    sg_buf_fini(&part);
    sg_buf_fini(&all);
}

/* What is no offer of so many statements has no part. */
static void part_of_another_offer_is_refused(void **state)
{
    static const bool missing[STATEMENTS + 1] = {true, true, true, true};
    static const char bad[] = "{\"bodies\":[],\"statements\":[{}]}";
    const struct world *w = *state;
    struct sg_buf all, part;
    put_offer(&all, w, 3, 7);
    sg_buf_init(&part, 1u << 20);
    assert_code(lg_ask_offer(&part, all.p, all.len, missing, STATEMENTS + 1), SG_ESHAPE);
    assert_code(lg_ask_offer(&part, all.p, all.len - 1, missing, STATEMENTS), SG_ECANONICAL);
    assert_code(lg_ask_offer(&part, (const uint8_t *)bad, sizeof bad - 1, missing, 1), SG_ESHAPE);
    assert_int_equal(part.len, 0);
    sg_buf_fini(&part);
    sg_buf_fini(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(question_survives_its_coding),
        cmocka_unit_test(faulty_question_is_refused),
        cmocka_unit_test(answer_survives_its_coding),
        cmocka_unit_test(faulty_answer_is_refused),
        cmocka_unit_test_setup_teardown(part_is_the_offer_of_what_is_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(part_takes_bodies_of_the_offer_only, setup, teardown),
        cmocka_unit_test_setup_teardown(part_of_another_offer_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
