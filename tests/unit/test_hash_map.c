/* The map from hashes: what it holds, and that nobody who does not know its seed can make it slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/core/pow_engine.h"
#include "sg_buf.h"
#include "sg_hash.h"
#include "tests/lib/engine_rig.h"
#include "tests/lib/vectors.h"

#define KEYS 4096
#define CAP  (2 * KEYS) /* of a map of so many */

static struct lg_hash key_of(uint64_t number)
{
    struct lg_hash h;
    sg_sha256(h.b, &number, sizeof number);
    return h;
}

/* Slots in a row that are taken: as many a look-up can cost. */
static size_t longest_run(const struct lg_map *m)
{
    size_t longest = 0, run = 0;
    for (size_t i = 0; i < 2 * m->cap; i++) { /* twice round: a run may go over the end */
        run = m->slots[i & (m->cap - 1)].value == NULL ? 0 : run + 1;
        longest = run > longest ? run : longest;
    }
    return longest;
}

static void fill(struct lg_map *m, const struct lg_hash *keys)
{
    static int value;
    for (unsigned i = 0; i < KEYS; i++)
        assert_code(lg_map_put(m, &keys[i], &value), 0);
    assert_int_equal(m->cap, CAP);
    assert_int_equal(m->n, KEYS);
}

/* Keys that were chosen, by trying, to begin in the first 64th of a table of one seed are one row there, and are spread under every other seed;
 * so are keys that share their second eight bytes, the slot of a table without a seed. */
static void map_chosen_keys_are_spread_by_another_seed(void **state)
{
    (void)state;
    static struct lg_hash chosen[KEYS], alike[KEYS];
    const uint64_t known = 1;
    unsigned n = 0;
    for (uint64_t i = 0; n < KEYS; i++) {
        chosen[n] = key_of(i);
        n += (lg_map_place(known, &chosen[n]) & (CAP - 1)) < CAP / 64;
    }
    for (unsigned i = 0; i < KEYS; i++) {
        alike[i] = key_of(i);
        memset(alike[i].b + 8, 0, 8);
    }
    struct lg_map m = {.seed = known};
    fill(&m, chosen);
    assert_true(longest_run(&m) > KEYS - CAP / 64);
    lg_map_fini(&m);
    for (uint64_t seed = 2; seed < 34; seed++) {
        m = (struct lg_map){.seed = seed << 58 | seed << 30 | seed};
        fill(&m, chosen);
        assert_true(longest_run(&m) < 128);
        lg_map_fini(&m);
        fill(&m, alike);
        assert_true(longest_run(&m) < 128);
        lg_map_fini(&m);
    }
}

/* Every key is found until it is removed, whatever was put and removed between, and an emptied map keeps its seed. */
static void map_holds_what_was_put(void **state)
{
    (void)state;
    static int values[512];
    bool in[512] = {false};
    struct lg_map m = {.seed = 77};
    for (uint64_t step = 0; step < 20000; step++) {
        struct lg_hash lot = key_of(1000000 + step);
        unsigned at = (unsigned)(sg_get_be64(lot.b) % SG_ARRAY_LEN(values));
        struct lg_hash key = key_of(at);
        assert_ptr_equal(lg_map_get(&m, &key), in[at] ? &values[at] : NULL);
        if (in[at])
            assert_ptr_equal(lg_map_remove(&m, &key), &values[at]);
        else
            assert_code(lg_map_put(&m, &key, &values[at]), 0);
        in[at] = !in[at];
    }
    for (unsigned i = 0; i < SG_ARRAY_LEN(values); i++) {
        struct lg_hash key = key_of(i);
        assert_ptr_equal(lg_map_get(&m, &key), in[i] ? &values[i] : NULL);
    }
    lg_map_fini(&m);
    assert_int_equal(m.n, 0);
    assert_true(m.seed == 77);
}

/* The tables of an engine have the seed that it was given, and still after the pool was loaded again. */
static void map_of_an_engine_has_its_seed(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    rig_begin(&m, &r, (struct maker_config){0});
    const struct lg_body *b = make_body(&m, 0, MAKER_MINUTE, 1);
    const struct lg_statement *s =
        make_statement(&m, &(struct maker_say){.slot = MAKER_MINUTE, .bodies = &b, .nbodies = 1});
    assert_code(rig_say(r, s, &b, 1, end_of(MAKER_MINUTE) + 200), 0);
    for (int i = 0; i < 2; i++) {
        assert_true(r->engine->pool.statements.seed == RIG_SEED);
        assert_true(r->engine->pool.bodies.seed == RIG_SEED);
        assert_int_equal(r->engine->pool.bodies.n, 1);
        assert_code(lg_engine_reload(r->engine), 0);
    }
    assert_true(r->engine->tree.seed == RIG_SEED);
    rig_end(&m, r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_chosen_keys_are_spread_by_another_seed),
        cmocka_unit_test(map_holds_what_was_put),
        cmocka_unit_test(map_of_an_engine_has_its_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
