/* Pages of large lists: none is larger than 8 MiB, next leads through all of it, nothing is shown twice or left out. */
#include "tests/lib/rest_fixture.h"
#include "tests/lib/synth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PAGE       (8u << 20)
#define STATEMENTS 45
#define READS      16
#define MINUTES    (STATEMENTS * READS) /* 15 KB each: 10 MB */

struct world {
    struct rest_fixture r;
    struct synth s;
    struct lg_body *bodies[MINUTES];
    struct lg_statement *statements[STATEMENTS];
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    const struct lg_hash nowhere = {{0}};
    rest_init(&w->r, 0);
    synth_init(&w->s, w->r.f.g);
    for (unsigned i = 0; i < MINUTES; i++)
        w->bodies[i] = synth_big_body(&w->s, 0, w->r.f.g->minute + i, i + 1);
    for (unsigned i = 0; i < STATEMENTS; i++)
        w->statements[i] =
            synth_statement(&w->s, 0, 1764000000000, i + 1, &nowhere, &w->bodies[READS * i], READS, 1);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    for (unsigned i = 0; i < MINUTES; i++)
        lg_body_free(w->bodies[i]);
    for (unsigned i = 0; i < STATEMENTS; i++)
        lg_statement_free(w->statements[i]);
    synth_fini(&w->s);
    rest_fini(&w->r);
    free(w);
    return 0;
}

static void pool_all(struct world *w)
{
    const struct lg_store *s = w->r.f.s;
    assert_code(s->begin(s->ctx), 0);
    for (unsigned i = 0; i < MINUTES; i++)
        assert_code(s->put_body(s->ctx, w->bodies[i]), 0);
    for (unsigned i = 0; i < STATEMENTS; i++)
        assert_code(s->put_statement(s->ctx, w->statements[i]), 0);
    assert_code(s->commit(s->ctx), 0);
}

/* Blocks of three statements each. */
static void mine_all(struct world *w)
{
    const struct lg_store *s = w->r.f.s;
    struct lg_block_info prev = w->r.f.info[0], info;
    for (unsigned i = 0; i < STATEMENTS; i += 3) {
        struct lg_block *b =
            synth_block(&w->s, &info, &prev, &w->statements[i], 3, &w->bodies[READS * i], 3 * READS);
        assert_code(s->begin(s->ctx), 0);
        assert_code(s->put_block(s->ctx, b, &info), 0);
        assert_code(s->connect(s->ctx, b, &info), 0);
        assert_code(s->commit(s->ctx), 0);
        lg_block_free(b);
        prev = info;
    }
}

/* The next page of a call, of at most 8 MiB; *next is 0 at the end. Returns the elements of the list `name`. */
static json_t *page(struct world *w, const char *call, const char *name, int64_t *next)
{
    char path[128];
    snprintf(path, sizeof path, call, (long long)*next);
    assert_int_equal(rest_get(&w->r, path), 200);
    assert_true(w->r.answer.body.len <= PAGE + 100); /* and the brackets */
    const json_t *n = json_object_get(w->r.json, "next");
    *next = n == NULL ? 0 : json_integer_value(n);
    return vec_get(w->r.json, name);
}

/* Every statement of a large pool comes on one page, with the bodies that it reads. */
static void pool_pages_are_offers(void **state)
{
    struct world *w = *state;
    int64_t next = 0;
    size_t statements = 0, pages = 0;
    pool_all(w);
    do {
        const size_t n = json_array_size(page(w, "/v1/pool?from=%lld", "statements", &next));
        assert_true(n > 0);
        assert_int_equal(json_array_size(vec_get(w->r.json, "bodies")), n * READS);
        statements += n;
        pages++;
    } while (next != 0);
    assert_int_equal(statements, STATEMENTS);
    assert_int_equal(pages, 2);
}

/* Without a limit a page of the pool holds 100 statements, as every list does. */
static void pool_page_without_limit_holds_a_hundred(void **state)
{
    struct world *w = *state;
    const struct lg_store *s = w->r.f.s;
    const struct lg_hash nowhere = {{0}};
    int64_t next = 0;
    assert_code(s->begin(s->ctx), 0);
    for (unsigned i = 0; i < 101; i++) {
        struct lg_statement *bare = synth_statement(&w->s, 0, 1764000000000, i + 1, &nowhere, NULL, 0, 0);
        assert_code(s->put_statement(s->ctx, bare), 0);
        lg_statement_free(bare);
    }
    assert_code(s->commit(s->ctx), 0);
    assert_int_equal(json_array_size(page(w, "/v1/pool?from=%lld", "statements", &next)), 100);
    assert_int_equal(next, 100);
    assert_int_equal(json_array_size(page(w, "/v1/pool?from=%lld", "statements", &next)), 1);
    assert_int_equal(next, 0);
}

/* Blocks and minutes are each on one page, in order. */
static void chain_pages_are_complete(void **state)
{
    struct world *w = *state;
    int64_t next = 1, height = 1;
    size_t pages = 0;
    mine_all(w);
    do {
        const json_t *list = page(w, "/v1/blocks?from=%lld", "blocks", &next);
        for (size_t i = 0; i < json_array_size(list); i++, height++) {
            const json_t *header = vec_get(vec_get(json_array_get(list, i), "block"), "header");
            assert_int_equal(json_integer_value(vec_get(header, "height")), height);
        }
        pages++;
    } while (next != 0);
    assert_int_equal(height, STATEMENTS / 3 + 1);
    assert_int_equal(pages, 2);
}

static void minute_pages_are_complete(void **state)
{
    struct world *w = *state;
    sg_minute min = w->r.f.g->minute;
    int64_t next = 0;
    size_t pages = 0;
    mine_all(w);
    do {
        const json_t *list = page(w, "/v1/minutes?relay=relay-1&limit=1000&from=%lld", "minutes", &next);
        for (size_t i = 0; i < json_array_size(list); i++, min++) {
            const json_t *body = vec_get(json_array_get(list, i), "body");
            assert_int_equal(json_integer_value(vec_get(body, "min")), min);
        }
        assert_true(next == 0 || next == min);
        pages++;
    } while (next != 0);
    assert_int_equal(min, w->r.f.g->minute + MINUTES);
    assert_int_equal(pages, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pool_pages_are_offers, setup, teardown),
        cmocka_unit_test_setup_teardown(pool_page_without_limit_holds_a_hundred, setup, teardown),
        cmocka_unit_test_setup_teardown(chain_pages_are_complete, setup, teardown),
        cmocka_unit_test_setup_teardown(minute_pages_are_complete, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
