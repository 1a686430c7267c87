/* Rules of validity that the vectors do not reach, on blocks made for the purpose. */
#include "ledger/core/validity.h"
#include "tests/lib/block_maker.h"
#include "tests/lib/mem_view.h"
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
    struct maker m;
    struct mem_tree tree;
    struct lg_rules rules;
    sg_minute first; /* the genesis minute */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    maker_init(&f->m);
    mem_tree_init(&f->tree, f->m.g);
    f->rules = (struct lg_rules){.genesis = f->m.g, .crypto = &sg_crypto_openssl};
    f->first = f->m.g->minute;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    maker_fini(&f->m);
    free(f);
    return 0;
}

static int check_at(const struct fixture *f, int tip, const struct lg_block *b, sg_ms now_ms)
{
    return maker_check(&f->rules, &f->tree, tip, b, now_ms);
}

/* Make a block from these parts on the genesis, judge it. */
static int judge(const struct fixture *f, sg_minute slot, int64_t weight, struct lg_statement **s,
    unsigned ns, struct lg_body **b, unsigned nb)
{
    struct maker_parts parts = {&f->tree.root, 0, slot, weight, s, ns, b, nb};
    struct lg_block *block = maker_block(&f->m, &parts);
    int err = check_at(f, -1, block, -1);

    lg_block_free(block);
    return err;
}

/* Two statements of one gateway in one block: the second is judged against the first, and together they weigh one. */
static void second_statement_continues_the_first(void **state)
{
    struct fixture *f = *state;
    struct lg_statement *s[2], *wrong;

    s[0] = maker_statement(&f->m, 0, NULL, &f->m.g->id, f->first, NULL, 0);
    s[1] = maker_statement(&f->m, 0, s[0], &f->m.g->id, f->first + 1, NULL, 0);
    assert_code(judge(f, f->first + 1, 1, s, 2, NULL, 0), 0);
    assert_code(judge(f, f->first + 1, 2, s, 2, NULL, 0), SG_EWEIGHT);
    assert_code(judge(f, f->first, 1, s, 2, NULL, 0), SG_ESTATEMENT_SLOT);
    assert_code(judge(f, f->first + 1, 1, &s[1], 1, NULL, 0), SG_ESTATEMENT_CHAIN);
    wrong = maker_statement(&f->m, 0, s[0], &f->m.g->id, f->first, NULL, 0); /* no later slot */
    lg_statement_free(s[1]);
    s[1] = wrong;
    assert_code(judge(f, f->first + 1, 1, s, 2, NULL, 0), SG_ESTATEMENT_SLOT);
    lg_statement_free(s[0]);
    lg_statement_free(s[1]);
}

/* A body of an earlier block is read without being sent again; sent again it is refused; on another branch it is missing. */
static void body_of_earlier_block_is_found_on_its_branch_only(void **state)
{
    struct fixture *f = *state;
    struct lg_body *body = maker_body(&f->m, "relay-1", f->first, 5);
    struct lg_statement *a = maker_statement(&f->m, 0, NULL, &f->m.g->id, f->first, &body, 1), *b;
    struct maker_parts parts = {&f->tree.root, 1, f->first, 1, &a, 1, &body, 1};
    struct lg_block *one = maker_block(&f->m, &parts), *two, *again;
    int node;

    assert_code(check_at(f, -1, one, -1), 0);
    node = mem_tree_add(&f->tree, -1, one);
    b = maker_statement(&f->m, 1, NULL, &one->hash, f->first + 1, &body, 1);
    parts = (struct maker_parts){mem_tree_info(&f->tree, node), 1, f->first + 1, 1, &b, 1, NULL, 0};
    two = maker_block(&f->m, &parts);
    assert_code(check_at(f, node, two, -1), 0);
    parts.bodies = &body;
    parts.nbodies = 1;
    again = maker_block(&f->m, &parts);
    assert_code(check_at(f, node, again, -1), SG_EDUPLICATE_BODY);
    lg_block_free(two);
    parts =
        (struct maker_parts){&f->tree.root, 1, f->first + 1, 0, &b, 1, NULL, 0}; /* its tip lies elsewhere */
    two = maker_block(&f->m, &parts);
    assert_code(check_at(f, -1, two, -1), SG_EMISSING_BODY);
    f->tree.n = 0;
    lg_block_free(one);
    lg_block_free(two);
    lg_block_free(again);
    lg_statement_free(a);
    lg_statement_free(b);
    lg_body_free(body);
}

/* A statement that was made after the node's clock is early, not invalid. */
static void statement_ahead_of_clock_is_future(void **state)
{
    struct fixture *f = *state;
    struct lg_statement parts = {.gw = f->m.kids[0],
        .inc = f->m.g->time,
        .seq = 1,
        .slot = f->first,
        .ts = (f->first + 1) * SG_MINUTE_MS + 4000,
        .prev = f->m.g->id,
        .tip = f->m.g->id};
    struct lg_statement *s = maker_sign(&f->m, 0, &parts);
    struct maker_parts block_parts = {&f->tree.root, 0, f->first, 1, &s, 1, NULL, 0};
    struct lg_block *b = maker_block(&f->m, &block_parts);

    assert_true(b->header.time < s->ts);
    assert_code(check_at(f, -1, b, s->ts - 1), SG_EFUTURE);
    assert_code(check_at(f, -1, b, s->ts), 0);
    lg_block_free(b);
    lg_statement_free(s);
}

/* Relays are asked of all reads and gaps before the minute of any: the first rule in the contract's order is the verdict. */
static void reader_of_a_gap_comes_before_minute_of_a_read(void **state)
{
    struct fixture *f = *state;
    struct lg_read read = {.relay = {"relay-1", 7}, .min = f->first - 1};
    struct lg_gap gap = {{"relay-9", 7}, f->first, f->first, LG_REASON_CLOCK};
    struct lg_statement parts = {.gw = f->m.kids[0],
        .inc = f->m.g->time,
        .seq = 1,
        .slot = f->first,
        .ts = (f->first + 1) * SG_MINUTE_MS,
        .prev = f->m.g->id,
        .tip = f->m.g->id,
        .nreads = 1,
        .reads = &read,
        .ngaps = 1,
        .gaps = &gap};
    struct lg_statement *s = maker_sign(&f->m, 0, &parts);

    assert_code(judge(f, f->first, 1, &s, 1, NULL, 0), SG_ERELAY);
    lg_statement_free(s);
    parts.ngaps = 0;
    s = maker_sign(&f->m, 0, &parts);
    assert_code(judge(f, f->first, 1, &s, 1, NULL, 0), SG_EMINUTE);
    lg_statement_free(s);
}

static int body_order(const void *a, const void *b)
{
    return lg_body_cmp(*(struct lg_body *const *)a, *(struct lg_body *const *)b);
}

/* Half a block: a body counts for the statement that reads it first and for no other, so two statements that share bodies
 * of more than half a block together pass when the first alone does. */
static void shared_bodies_count_once(void **state)
{
    struct fixture *f = *state;
    struct lg_body *bodies[110];
    struct lg_statement *s[2];
    unsigned n = SG_ARRAY_LEN(bodies);
    sg_minute slot = f->first + n;
    size_t sum = 0, half = (size_t)f->m.g->policy.max_block_bytes / 2;

    for (unsigned i = 0; i < n; i++)
        bodies[i] = maker_body(&f->m, "relay-1", f->first + i, i);
    qsort(bodies, n, sizeof bodies[0], body_order);
    for (unsigned i = 0; i < n; i++)
        sum += bodies[i]->doc_len;
    assert_true(sum > half && sum < 2 * half);
    s[0] = maker_statement(&f->m, 0, NULL, &f->m.g->id, slot, bodies, n);
    s[1] = maker_statement(&f->m, 1, NULL, &f->m.g->id, slot, bodies, n);
    assert_code(judge(f, slot, 2, s, 2, bodies, n), SG_ESIZE); /* all of it is the first one's */
    lg_statement_free(s[0]);
    s[0] = maker_statement(&f->m, 0, NULL, &f->m.g->id, slot, bodies, n / 2);
    assert_code(judge(f, slot, 2, s, 2, bodies, n), 0); /* half each */
    lg_statement_free(s[0]);
    lg_statement_free(s[1]);
    for (unsigned i = 0; i < n; i++)
        lg_body_free(bodies[i]);
}

/* The limit of a block holds to the byte. */
static void block_of_exactly_the_limit_is_valid(void **state)
{
    struct fixture *f = *state;
    struct lg_body *body = maker_body(&f->m, "relay-1", f->first, 5);
    struct lg_statement *s = maker_statement(&f->m, 0, NULL, &f->m.g->id, f->first, &body, 1);
    struct maker_parts parts = {&f->tree.root, 0, f->first, 1, &s, 1, &body, 1};
    struct lg_block *b = maker_block(&f->m, &parts);
    struct lg_genesis small = *f->m.g;
    struct lg_rules rules = f->rules;

    /* s and its body take more than half of this block: ask the header's check, whose rule of the half is the same */
    rules.genesis = &small;
    small.policy.max_block_bytes = (int64_t)b->doc_len - 1;
    assert_code(lg_block_check_header(&rules, b, &f->tree.root, -1), SG_ESIZE);
    small.policy.max_block_bytes = 2 * (int64_t)(s->doc_len + body->doc_len) - 1;
    assert_code(lg_block_check_header(&rules, b, &f->tree.root, -1), SG_ESIZE);
    small.policy.max_block_bytes++;
    assert_code(lg_block_check_header(&rules, b, &f->tree.root, -1), 0);
    lg_block_free(b);
    lg_statement_free(s);
    lg_body_free(body);
}

/* Weighing asks for statements of one gateway together, gateways increasing. */
static void weigh_refuses_unsorted_statements(void **state)
{
    struct fixture *f = *state;
    struct mem_branch branch = {&f->tree, -1};
    struct lg_statement *s[2];
    struct lg_view view;
    int64_t weight = -1;

    mem_branch_view(&view, &branch);
    s[0] = maker_statement(&f->m, 1, NULL, &f->m.g->id, f->first, NULL, 0);
    s[1] = maker_statement(&f->m, 0, NULL, &f->m.g->id, f->first, NULL, 0);
    assert_code(lg_block_weigh(&weight, s, 2, &view), SG_EINVAL);
    assert_code(lg_block_weigh(&weight, &s[1], 1, &view), 0);
    assert_int_equal(weight, 1);
    lg_statement_free(s[0]);
    s[0] = maker_statement(&f->m, 0, NULL, &(struct lg_hash){{7}}, f->first, NULL, 0);
    assert_code(lg_block_weigh(&weight, s, 1, &view), 0);
    assert_int_equal(weight, 0);
    lg_statement_free(s[0]);
    lg_statement_free(s[1]);
}

/* Of two branches the order of comparison is weight, height, rank, hash; it is antisymmetric, and equal only for itself. */
static void branch_order_is_total(void **state)
{
    struct lg_block_info a = {.hash = {{1}}, .height = 5, .slot = 7, .weight_sum = 9, .miner = 3}, b = a;

    (void)state;
    assert_int_equal(lg_branch_cmp(&a, &a, &b, &b), 0);
    b.hash.b[0] = 2;
    assert_true(lg_branch_cmp(&a, &a, &b, &b) < 0); /* same rank: lower hash */
    assert_true(lg_branch_cmp(&b, &b, &a, &a) > 0);
    b.miner = 4;
    assert_true((lg_branch_cmp(&a, &a, &b, &b) < 0) == (lg_branch_cmp(&b, &b, &a, &a) > 0));
    b.height = 6;
    assert_true(lg_branch_cmp(&a, &a, &b, &b) > 0);
    a.weight_sum = 10;
    assert_true(lg_branch_cmp(&a, &a, &b, &b) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_statement_continues_the_first),
        cmocka_unit_test(body_of_earlier_block_is_found_on_its_branch_only),
        cmocka_unit_test(statement_ahead_of_clock_is_future),
        cmocka_unit_test(reader_of_a_gap_comes_before_minute_of_a_read),
        cmocka_unit_test(shared_bodies_count_once),
        cmocka_unit_test(block_of_exactly_the_limit_is_valid),
        cmocka_unit_test(weigh_refuses_unsorted_statements),
        cmocka_unit_test(branch_order_is_total),
    };

    return cmocka_run_group_tests_name("validity_built", tests, setup, teardown);
}
