/* The pure parts of the witness: the state machine of signing, the choice of entries, the judgement of the clock. */
#include "gateway/core/entries.h"
#include "gateway/core/trust.h"
#include "gateway/core/witness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOW  INT64_C(1800000030000) /* 30 s into a minute */
#define SLOT (NOW / 60000 - 1)      /* newest closed minute then */

static const struct lg_hash chain_id = {{1, 2, 3}};
static const struct lg_hash leaf_a = {{0xaa}}, leaf_b = {{0xbb}};

static struct gw_witness_core fresh(void)
{
    struct gw_witness_core w;

    gw_witness_core_init(&w, &chain_id);
    return w;
}

static struct gw_witness_core signing(void)
{
    struct gw_witness_core w = fresh();
    struct gw_witness_known nothing = {.slot = -1, .own_slot = -1};

    gw_witness_begin(&w, &nothing, NOW);
    assert_int_equal(gw_witness_may_sign(&w, SLOT, NOW), 0);
    return w;
}

/* A process that has not begun an incarnation signs nothing. */
static void witness_idle_does_not_sign(void **state)
{
    struct gw_witness_core w = fresh();

    (void)state;
    assert_int_equal(gw_witness_may_sign(&w, SLOT, NOW), SG_EAGAIN);
}

/* inc = max(now, 1 + the greatest known anywhere), and the first statement is (inc, 1) on the chain id. */
static void witness_begin_takes_the_greatest_known(void **state)
{
    static const struct {
        sg_ms node, own, inc;
    } rows[] = {
        {0, 0, NOW},
        {NOW - 1, 0, NOW},
        {NOW, 0, NOW + 1},
        {NOW + 7, NOW + 3, NOW + 8},
        {NOW + 3, NOW + 7, NOW + 8},
    };

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        struct gw_witness_core w = fresh();
        struct gw_witness_known known = {
            .inc = rows[i].node, .own_inc = rows[i].own, .slot = -1, .own_slot = -1};
        struct lg_statement s = {0};

        gw_witness_begin(&w, &known, NOW);
        assert_int_equal(w.inc, rows[i].inc);
        if (rows[i].inc > NOW)
            assert_int_equal(gw_witness_may_sign(&w, SLOT, rows[i].inc - 1), SG_EAGAIN);
        assert_int_equal(gw_witness_may_sign(&w, SLOT, rows[i].inc), 0);
        gw_witness_fill(&w, &s, SLOT);
        assert_int_equal(s.inc, rows[i].inc);
        assert_int_equal(s.seq, 1);
        assert_memory_equal(s.prev.b, chain_id.b, 32);
    }
}

/* The slot of a new incarnation is greater than any of the key's own on the chain, in a pool, or in the store. */
static void witness_begin_waits_for_a_slot_beyond_the_known(void **state)
{
    struct gw_witness_core w = fresh();
    struct gw_witness_known known = {.slot = SLOT, .own_slot = SLOT + 1};

    (void)state;
    gw_witness_begin(&w, &known, NOW);
    assert_int_equal(gw_witness_may_sign(&w, SLOT, NOW), SG_EAGAIN);
    assert_int_equal(gw_witness_may_sign(&w, SLOT + 1, NOW + 60000), SG_EAGAIN);
    assert_int_equal(gw_witness_may_sign(&w, SLOT + 2, NOW + 120000), 0);
}

/* One statement a slot; the next one chains to it with seq + 1. */
static void witness_signed_chains_and_waits_for_the_next_slot(void **state)
{
    struct gw_witness_core w = signing();
    struct lg_statement s = {0};

    (void)state;
    gw_witness_signed(&w, &leaf_a, SLOT);
    assert_int_equal(gw_witness_may_sign(&w, SLOT, NOW + 1), SG_EAGAIN);
    assert_int_equal(gw_witness_may_sign(&w, SLOT + 1, NOW + 60000), 0);
    gw_witness_fill(&w, &s, SLOT + 1);
    assert_int_equal(s.seq, 2);
    assert_memory_equal(s.prev.b, leaf_a.b, 32);
    assert_int_equal(s.inc, NOW);
}

/* A slot whose minute has not ended by the clock, or an incarnation that lies ahead of it, is never signed. */
static void witness_clock_set_back_does_not_sign(void **state)
{
    struct gw_witness_core w = signing();

    (void)state;
    assert_int_equal(
        gw_witness_may_sign(&w, SLOT, NOW - 1), SG_EAGAIN); /* the minute is over, inc is to come */
    gw_witness_signed(&w, &leaf_a, SLOT);
    assert_int_equal(gw_witness_may_sign(&w, SLOT + 1, (SLOT + 2) * 60000 - 1), SG_EAGAIN);
    assert_int_equal(gw_witness_may_sign(&w, SLOT + 1, NOW - 3600000), SG_EAGAIN);
    assert_int_equal(gw_witness_may_sign(&w, SLOT + 1, (SLOT + 2) * 60000), 0);
}

/* A lost incarnation is followed by a greater one, from seq 1 on the chain id, in a greater slot. */
static void witness_lost_begins_a_greater_incarnation(void **state)
{
    struct gw_witness_core w = signing();
    struct gw_witness_known known = {.slot = -1, .own_slot = -1};
    struct lg_statement s = {0};

    (void)state;
    gw_witness_signed(&w, &leaf_b, SLOT);
    gw_witness_lost(&w);
    assert_int_equal(w.state, GW_WITNESS_IDLE);
    assert_int_equal(gw_witness_may_sign(&w, SLOT + 1, NOW + 60000), SG_EAGAIN);
    gw_witness_begin(
        &w, &known, NOW); /* the clock has not moved: still greater than what this process made */
    assert_int_equal(w.inc, NOW + 1);
    assert_int_equal(w.incarnations, 2);
    assert_int_equal(gw_witness_may_sign(&w, SLOT, NOW + 1), SG_EAGAIN);
    assert_int_equal(gw_witness_may_sign(&w, SLOT + 1, NOW + 60000), 0);
    gw_witness_fill(&w, &s, SLOT + 1);
    assert_int_equal(s.seq, 1);
    assert_memory_equal(s.prev.b, chain_id.b, 32);
}

/* A greater incarnation that this process did not make stops it for ever. */
static void witness_greater_foreign_incarnation_stops(void **state)
{
    struct gw_witness_core w = signing();

    (void)state;
    assert_false(gw_witness_saw(&w, NOW));
    assert_false(gw_witness_saw(&w, NOW - 5));
    assert_int_equal(w.state, GW_WITNESS_SIGNING);
    assert_true(gw_witness_saw(&w, NOW + 1));
    assert_int_equal(w.state, GW_WITNESS_STOPPED);
    assert_int_equal(gw_witness_may_sign(&w, SLOT, NOW), SG_ESTOPPED);
    gw_witness_lost(&w);
    assert_int_equal(gw_witness_may_sign(&w, SLOT + 9, NOW + 600000), SG_ESTOPPED);
}

/* Before the first choice every earlier incarnation is one of an earlier process. */
static void witness_incarnation_seen_before_the_first_choice_is_no_second_process(void **state)
{
    struct gw_witness_core w = fresh();

    (void)state;
    assert_false(gw_witness_saw(&w, NOW + 1));
    assert_int_equal(w.state, GW_WITNESS_IDLE);
}

/* Between two incarnations of one process a greater foreign one still means a second process. */
static void witness_foreign_incarnation_while_idle_again_stops(void **state)
{
    struct gw_witness_core w = signing();

    (void)state;
    gw_witness_lost(&w);
    assert_true(gw_witness_saw(&w, NOW + 1));
    assert_int_equal(w.state, GW_WITNESS_STOPPED);
}

/* What a wrong clock made and no node took does not bind; everything else does. */
static void witness_far_own_incarnation_counts_only_when_acknowledged(void **state)
{
    (void)state;
    assert_true(gw_witness_counts(NOW + 5000, false, NOW, 5000));
    assert_false(gw_witness_counts(NOW + 5001, false, NOW, 5000));
    assert_true(gw_witness_counts(NOW + 5001, true, NOW, 5000));
}

/* ---- entries ---- */

static struct lg_relay relays[3] = {{.id = "a"}, {.id = "a-b"}, {.id = "relay-1"}};
static struct lg_genesis genesis = {.nrelays = 3, .relays = relays, .minute = 1000};

static struct gw_item read_of(unsigned relay, sg_minute min, uint32_t len)
{
    return (struct gw_item){.relay = relay, .min = min, .is_read = true, .live = 6, .body_len = len};
}

static struct gw_item gap_of(unsigned relay, sg_minute min, enum lg_reason reason)
{
    return (struct gw_item){.relay = relay, .min = min, .reason = reason};
}

static const struct gw_entries_limits wide = {
    .first = 0, .last = 1 << 20, .max_entries = LG_MAX_ENTRIES, .max_bytes = 1 << 20};

static bool name_is(struct lg_name n, const char *id)
{
    return n.len == strlen(id) && memcmp(n.p, id, n.len) == 0;
}

/* Nothing to say is a bare vote: no entries, no error. */
static void entries_of_nothing_are_a_bare_vote(void **state)
{
    struct gw_entries e;

    (void)state;
    assert_int_equal(gw_entries_choose(&e, NULL, 0, &genesis, &wide), 0);
    assert_int_equal(e.nreads + e.ngaps + e.taken, 0);
    gw_entries_fini(&e);
}

/* Reads come out by (relay bytes, minute), whatever the order of the items. */
static void entries_are_sorted_by_relay_and_minute(void **state)
{
    struct gw_item items[] = {
        read_of(2, 1001, 10), read_of(0, 1002, 10), read_of(1, 1001, 10), read_of(0, 1001, 10)};
    struct gw_entries e;

    (void)state;
    assert_int_equal(gw_entries_choose(&e, items, 4, &genesis, &wide), 0);
    assert_int_equal(e.nreads, 4);
    assert_true(name_is(e.reads[0].relay, "a") && e.reads[0].min == 1001);
    assert_true(name_is(e.reads[1].relay, "a") && e.reads[1].min == 1002);
    assert_true(name_is(e.reads[2].relay, "a-b"));
    assert_true(name_is(e.reads[3].relay, "relay-1"));
    gw_entries_fini(&e);
}

/* Adjacent gap minutes of one relay and reason become one entry; another reason, relay or a hole starts a new one. */
static void entries_adjacent_gaps_of_one_reason_are_joined(void **state)
{
    struct gw_item items[] = {gap_of(0, 1001, LG_REASON_TIMEOUT), gap_of(1, 1001, LG_REASON_TIMEOUT),
        gap_of(0, 1002, LG_REASON_TIMEOUT), gap_of(0, 1003, LG_REASON_REFUSED),
        gap_of(0, 1005, LG_REASON_REFUSED), read_of(0, 1004, 10)};
    struct gw_entries e;

    (void)state;
    assert_int_equal(gw_entries_choose(&e, items, 6, &genesis, &wide), 0);
    assert_int_equal(e.ngaps, 4);
    assert_int_equal(e.nreads, 1);
    assert_int_equal(e.gaps[0].from, 1001);
    assert_int_equal(e.gaps[0].to, 1002);
    assert_int_equal(e.gaps[1].from, 1003);
    assert_int_equal(e.gaps[1].to, 1003);
    assert_int_equal(e.gaps[2].from, 1005);
    assert_true(name_is(e.gaps[3].relay, "a-b"));
    assert_int_equal(e.taken, 6);
    gw_entries_fini(&e);
}

/* A statement names minutes of max(genesis minute, slot-1439) .. slot and no other. */
static void entries_window_is_1440_slots_and_not_before_the_genesis(void **state)
{
    struct gw_item items[] = {gap_of(0, 4999, LG_REASON_TIMEOUT), gap_of(0, 5000, LG_REASON_TIMEOUT),
        read_of(0, 6439, 1), read_of(0, 6440, 1)};
    struct gw_entries_limits limits = wide;
    struct gw_entries e;

    (void)state;
    assert_int_equal(gw_entries_first(&genesis, 6439), 5000);
    assert_int_equal(gw_entries_first(&genesis, 2439), 1000);
    assert_int_equal(gw_entries_first(&genesis, 2440), 1001);
    limits.first = 5000;
    limits.last = 6439;
    assert_int_equal(gw_entries_choose(&e, items, 4, &genesis, &limits), 0);
    assert_int_equal(e.taken, 2);
    assert_int_equal(e.gaps[0].from, 5000);
    assert_int_equal(e.reads[0].min, 6439);
    gw_entries_fini(&e);
}

/* Beyond the number of entries, the rest stays for the next slot; the first ones offered go first. */
static void entries_beyond_the_limit_wait(void **state)
{
    struct gw_item items[5];
    struct gw_entries_limits limits = wide;
    struct gw_entries e;

    (void)state;
    limits.max_entries = 3;
    for (unsigned i = 0; i < 5; i++)
        items[i] = read_of(0, 1000 + i, 10);
    assert_int_equal(gw_entries_choose(&e, items, 5, &genesis, &limits), 0);
    assert_int_equal(e.taken, 3);
    assert_int_equal(e.reads[2].min, 1002);
    gw_entries_fini(&e);
}

/* Statement and bodies together stay within the size; a body that fits nowhere does not hold up the others. */
static void entries_stay_within_the_size_and_pass_over_a_giant(void **state)
{
    struct gw_item items[] = {
        read_of(0, 1001, 70000), read_of(0, 1002, 30000), read_of(0, 1003, 30000), read_of(0, 1004, 30000)};
    struct gw_entries_limits limits = wide;
    struct gw_entries e;

    (void)state;
    limits.max_bytes = 65536;
    assert_int_equal(gw_entries_choose(&e, items, 4, &genesis, &limits), 0);
    assert_int_equal(e.taken, 2);
    assert_int_equal(e.reads[0].min, 1002);
    assert_int_equal(e.reads[1].min, 1003);
    assert_true(e.bytes <= limits.max_bytes && e.bytes > 60000);
    gw_entries_fini(&e);
}

/* ---- trust ---- */

static const struct gw_trust_view good = {.max_future_ms = 5000,
    .wall_ms = NOW,
    .run_ms = 700000,
    .start_wall_ms = NOW - 600000,
    .start_run_ms = 100000,
    .tip_ms = NOW - 60000};

/* Each clause of the contract, one field away from good, at its edge. */
static void trust_follows_the_table(void **state)
{
    struct gw_trust_view v;

    (void)state;
#define CHECK(expected, ...)                                                                                 \
    do {                                                                                                     \
        v = good;                                                                                            \
        __VA_ARGS__;                                                                                         \
        assert_int_equal(gw_trust_judge(&v), expected);                                                      \
    } while (0)
    CHECK(GW_TRUST_GOOD, (void)0);
    CHECK(GW_TRUST_GOOD, v.run_ms += 5000);
    CHECK(GW_TRUST_STEPPED, v.run_ms += 5001);
    CHECK(GW_TRUST_STEPPED, v.run_ms -= 5001);
    CHECK(GW_TRUST_GOOD, v.peers = 2; v.peers_agree = 1);
    CHECK(GW_TRUST_PEERS, v.peers = 3; v.peers_agree = 1);
    CHECK(GW_TRUST_PEERS, v.peers = 1; v.peers_agree = 0);
    CHECK(GW_TRUST_BEHIND, v.tip_ms = NOW + 1);
    CHECK(GW_TRUST_GOOD, v.tip_ms = NOW);
    CHECK(GW_TRUST_GOOD, v.tip_ms = NOW - GW_TRUST_DAY_MS);
    CHECK(GW_TRUST_AHEAD, v.tip_ms = NOW - GW_TRUST_DAY_MS - 1);
    CHECK(GW_TRUST_GOOD, v.tip_ms = 0; v.relay_agrees = true);
    CHECK(GW_TRUST_GOOD, v.tip_ms = 0; v.peers = 1; v.peers_agree = 1);
    CHECK(GW_TRUST_AHEAD, v.tip_ms = 0; v.peers = 2; v.peers_agree = 1);
#undef CHECK
}

/* A slow answer does not make a good clock a wrong one. */
static void trust_of_a_peer_allows_for_the_time_of_the_question(void **state)
{
    (void)state;
    assert_true(gw_trust_agrees(NOW, NOW, NOW, 5000));
    assert_true(gw_trust_agrees(NOW - 5000, NOW, NOW + 9000, 5000));
    assert_true(gw_trust_agrees(NOW + 14000, NOW, NOW + 9000, 5000));
    assert_false(gw_trust_agrees(NOW - 5001, NOW, NOW + 9000, 5000));
    assert_false(gw_trust_agrees(NOW + 14001, NOW, NOW + 9000, 5000));
}

/* Each gateway has a moment of its own in the first quarter of collect_ms, the order moves on by one with every slot, and one that is not in
 * the genesis signs too. */
static void witness_gateways_sign_one_after_another(void **state)
{
    struct lg_gateway gateways[4] = {{.id = 3}, {.id = 5}, {.id = 7}, {.id = 9}};
    const struct lg_genesis g = {.ngateways = 4, .gateways = gateways, .policy = {.collect_ms = 1000}};
    const sg_ms end = INT64_C(401) * 60000;

    (void)state;
    assert_int_equal(gw_witness_sign_at(&g, 3, 400), end);
    assert_int_equal(gw_witness_sign_at(&g, 5, 400), end + 62);
    assert_int_equal(gw_witness_sign_at(&g, 9, 400), end + 187);
    assert_int_equal(gw_witness_sign_at(&g, 9, 401), end + 60000);
    assert_in_range(gw_witness_sign_at(&g, 4, 400), end, end + 250);
}

/* A statement names the node's base for its own slot. A node whose clock has not reached the minute's end, or that does not say, gives its
 * tip, when that is of a smaller slot; else what was named before stays. */
static void witness_names_the_base_of_its_slot(void **state)
{
    static const struct {
        bool has_base;
        sg_minute slot_for, tip_slot;
        enum gw_witness_names names;
    } rows[] = {
        {true, 10, 9, GW_NAMES_BASE},
        {true, 10, 10, GW_NAMES_BASE}, /* a block of the slot has come already */
        {true, 9, 9, GW_NAMES_TIP},    /* a second behind */
        {true, 11, 9, GW_NAMES_TIP},
        {true, 11, 10, GW_NAMES_LAST}, /* ahead, and the slot is mined */
        {false, 10, 9, GW_NAMES_TIP},
        {false, 10, 10, GW_NAMES_LAST},
        {false, 0, 11, GW_NAMES_LAST},
    };

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++)
        assert_int_equal(
            gw_witness_names(rows[i].has_base, rows[i].slot_for, rows[i].tip_slot, 10), rows[i].names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(witness_idle_does_not_sign),
        cmocka_unit_test(witness_begin_takes_the_greatest_known),
        cmocka_unit_test(witness_begin_waits_for_a_slot_beyond_the_known),
        cmocka_unit_test(witness_signed_chains_and_waits_for_the_next_slot),
        cmocka_unit_test(witness_clock_set_back_does_not_sign),
        cmocka_unit_test(witness_lost_begins_a_greater_incarnation),
        cmocka_unit_test(witness_greater_foreign_incarnation_stops),
        cmocka_unit_test(witness_incarnation_seen_before_the_first_choice_is_no_second_process),
        cmocka_unit_test(witness_foreign_incarnation_while_idle_again_stops),
        cmocka_unit_test(witness_far_own_incarnation_counts_only_when_acknowledged),
        cmocka_unit_test(witness_gateways_sign_one_after_another),
        cmocka_unit_test(witness_names_the_base_of_its_slot),
        cmocka_unit_test(entries_of_nothing_are_a_bare_vote),
        cmocka_unit_test(entries_are_sorted_by_relay_and_minute),
        cmocka_unit_test(entries_adjacent_gaps_of_one_reason_are_joined),
        cmocka_unit_test(entries_window_is_1440_slots_and_not_before_the_genesis),
        cmocka_unit_test(entries_beyond_the_limit_wait),
        cmocka_unit_test(entries_stay_within_the_size_and_pass_over_a_giant),
        cmocka_unit_test(trust_follows_the_table),
        cmocka_unit_test(trust_of_a_peer_allows_for_the_time_of_the_question),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
