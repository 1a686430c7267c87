/* POST /v1/missing: which of these statements does the node lack? */
#include "ledger/core/leaf_ask.h"
#include "tests/lib/rest_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { HEIGHT = 7 };

/* Blocks 1..7 on the best branch; the eighth is known to nobody. */
static int setup(void **state)
{
    struct rest_fixture *r = calloc(1, sizeof *r);
    rest_init(r, HEIGHT);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rest_fini(*state);
    free(*state);
    return 0;
}

static void expect_missing(
    struct rest_fixture *r, const struct lg_hash *leaves, unsigned n, const char *missing)
{
    struct sg_buf doc;
    char want[100];
    sg_buf_init(&doc, LG_ASK_MAX_BYTES);
    lg_ask_encode(&doc, leaves, n);
    assert_int_equal(rest_post(r, "/v1/missing", doc.p, doc.len), 200);
    char *text = rest_text(r);
    (void)snprintf(want, sizeof want, "{\"missing\":[%s]}", missing);
    assert_string_equal(text, want);
    free(text);
    sg_buf_fini(&doc);
}

/* What stands on the best branch or in the pool is not missing; all else is, by its index. Nothing is stored by asking. */
static void mined_and_pooled_are_held(void **state)
{
    struct rest_fixture *r = *state;
    const struct lg_store *s = r->f.s;
    const struct lg_block *next = r->f.blocks[HEIGHT];
    const struct lg_hash leaves[] = {r->f.blocks[0]->statements[0]->leaf, {{1}},
        r->f.blocks[HEIGHT - 1]->statements[0]->leaf, next->statements[0]->leaf};
    expect_missing(r, leaves, 4, "1,3");
    expect_missing(r, leaves, 4, "1,3");
    assert_code(s->begin(s->ctx), 0);
    for (unsigned i = 0; i < next->nbodies; i++)
        assert_code(s->put_body(s->ctx, next->bodies[i]), 0);
    assert_code(s->put_statement(s->ctx, next->statements[0]), 0);
    assert_code(s->commit(s->ctx), 0);
    expect_missing(r, leaves, 4, "1");
    expect_missing(r, leaves, 0, "");
}

static unsigned knows_third(void *ctx, bool *missing, const struct lg_hash *leaves, unsigned n)
{
    (void)ctx;
    (void)leaves;
    missing[2] = false;
    return n - 1;
}

/* What the node knows by heart the store is not asked for. */
static void node_is_asked_before_the_store(void **state)
{
    struct rest_fixture *r = *state;
    const struct lg_hash leaves[] = {{{1}}, r->f.blocks[0]->statements[0]->leaf, {{2}}};
    expect_missing(r, leaves, 3, "0,2");
    r->node.holds = knows_third;
    expect_missing(r, leaves, 3, "0");
}

/* What a reorganisation has left on a side branch alone may become mineable again: it is missing. */
static void side_branch_alone_is_missing(void **state)
{
    struct rest_fixture *r = *state;
    const struct lg_store *s = r->f.s;
    const struct lg_block *next = r->f.blocks[HEIGHT];
    const struct lg_hash leaf = next->statements[0]->leaf;
    assert_code(s->begin(s->ctx), 0);
    assert_code(s->put_block(s->ctx, next, &r->f.info[HEIGHT + 1]), 0);
    assert_code(s->commit(s->ctx), 0);
    expect_missing(r, &leaf, 1, "0");
}

/* What is no question is refused with its code. */
static void faulty_question_is_refused(void **state)
{
    struct rest_fixture *r = *state;
    assert_int_equal(rest_post(r, "/v1/missing", "{}", 2), 422);
    assert_int_equal(rest_post(r, "/v1/missing", "{} ", 3), 422);
    assert_int_equal(rest_post(r, "/v1/missing", "{\"leaves\":[\"ab\"]}", 17), 422);
    assert_int_equal(rest_post(r, "/v1/missing?a=1", "{\"leaves\":[]}", 13), 400);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(mined_and_pooled_are_held), TEST(node_is_asked_before_the_store),
        TEST(side_branch_alone_is_missing), TEST(faulty_question_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
