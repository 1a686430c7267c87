/* Damage in the store of a running node: told, never served, fetched again from the peers; what no peer has stays marked (D4).
 *
 * run-tests: no valgrind (nodes of eight threads each, and waits for real answers) */
#include "tests/lib/nodes_fixture.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BLOCKS 2

/* Behind the node's back, as another process would. */
static void raw_sql(const struct nodes *w, unsigned i, const char *sql)
{
    char path[96], *what = NULL;
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/%u/chain.db", w->dir, i);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, sql, NULL, NULL, &what) != SQLITE_OK)
        fail_msg("%s: %s", sql, what);
    sqlite3_close(db);
}

/* So many blocks on nodes 0 and 1, which know each other. */
static void start_with_blocks(struct nodes *w, int64_t blocks)
{
    nodes_start(w, 0, (const unsigned[]){1, NODES_NONE}, NULL);
    nodes_start(w, 1, (const unsigned[]){0, NODES_NONE}, NULL);
    nodes_wait_ready(w, 0, "");
    nodes_wait_ready(w, 1, "");
    for (int64_t h = 1; h <= blocks; h++) {
        const sg_minute slot = MAKER_MINUTE + h - 1;
        nodes_set(w, (slot + 1) * SG_MINUTE_MS + 200);
        for (unsigned gw = 0; gw < 2; gw++)
            nodes_say(w, 0, gw, slot);
        nodes_mine(w, 0, slot, h);
        nodes_wait_one_tip(w, h);
    }
}

static void two_blocks(struct nodes *w)
{
    start_with_blocks(w, BLOCKS);
}

static int64_t damaged(struct nodes *w, unsigned i)
{
    json_t *json = NULL;
    const int status = nodes_get(w, i, "/readyz", &json);
    const int64_t n = json_integer_value(json_object_get(json, "damaged"));
    json_decref(json);
    return status == 200 ? n : -1;
}

static bool has_damage(struct nodes *w, int64_t i, int64_t n)
{
    return damaged(w, (unsigned)i) == n;
}

static const char *wanted;

static bool is_served(struct nodes *w, int64_t i, int64_t none)
{
    (void)none;
    return nodes_get(w, (unsigned)i, wanted, NULL) == 200;
}

/* Path of the digest of a body on the branch, as node i lists it. */
static void path_of_body(struct nodes *w, unsigned i, char path[static 96])
{
    json_t *json = NULL;
    assert_int_equal(nodes_get(w, i, "/v1/minutes?relay=relay-1", &json), 200);
    const json_t *one = json_array_get(json_object_get(json, "minutes"), 0);
    snprintf(path, 96, "/v1/bodies/%s", json_string_value(json_object_get(one, "digest")));
    json_decref(json);
}

/* A reader that meets damage gets a problem and no bytes; a moment later the node has fetched the body again. */
static void node_body_damaged_is_refused_then_fetched_again(void **state)
{
    struct nodes *w = *state;
    json_t *before = NULL, *after = NULL, *problem = NULL;
    char path[96];
    two_blocks(w);
    path_of_body(w, 1, path);
    assert_int_equal(nodes_get(w, 0, path, &before), 200);
    raw_sql(w, 0, "UPDATE body SET doc = replace(doc, '1', '2')");
    assert_int_equal(nodes_get(w, 0, path, &problem), 503);
    assert_string_equal(json_string_value(json_object_get(problem, "code")), "not_ready");
    assert_non_null(strstr(json_string_value(json_object_get(problem, "detail")), "damaged"));
    wanted = path;
    nodes_wait(w, is_served, 0, 0, "the body is served again");
    assert_int_equal(nodes_get(w, 0, path, &after), 200);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
    json_decref(problem);
}

/* What /metrics says of one of them; -1: nothing. */
static int64_t metric(struct nodes *w, unsigned i, const char *name)
{
    struct sg_http_answer answer = {0};
    char url[96], line[96];
    snprintf(url, sizeof url, "%s/metrics", w->urls[i]);
    const struct sg_http_call c = {.url = url, .accept = "text/plain", .max_answer = 1u << 20};
    assert_int_equal(sg_http_client_call(w->http, &c, &answer), 0);
    sg_buf_put_u8(&answer.body, 0);
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr((const char *)answer.body.p, line);
    const int64_t value = at != NULL ? atoll(at + strlen(line)) : -1;
    sg_buf_fini(&answer.body);
    return value;
}

static bool all_repaired(struct nodes *w, int64_t i, int64_t n)
{
    return metric(w, (unsigned)i, "gridwitness_damage_repaired_total") >= n &&
           metric(w, (unsigned)i, "gridwitness_damaged") == 0;
}

static bool is_beyond_repair(struct nodes *w, int64_t i, int64_t none)
{
    (void)none;
    return metric(w, (unsigned)i, "gridwitness_alarm_on{kind=\"store_beyond_repair\"}") == 1;
}

/* Damage that nobody asks for is found by the walk: documents, a block's signature, rows and counters; all is as it was then. */
static void node_scrub_finds_and_puts_back(void **state)
{
    struct nodes *w = *state;
    json_t *before = NULL, *after = NULL;
    char text[96];
    w->scrub_ms = 1000;
    two_blocks(w);
    assert_int_equal(nodes_get(w, 0, "/v1/blocks?from=1", &before), 200);
    raw_sql(w, 0,
        "BEGIN IMMEDIATE;"
        "UPDATE statement SET doc = replace(doc, '\"v\":1', '\"v\":3') WHERE id = 1;"
        "UPDATE block SET sig = zeroblob(64) WHERE height = 2;"
        "UPDATE paper SET proof = proof + 1 WHERE idx = 2;"
        "UPDATE gateway SET gap_minutes = 77;"
        "COMMIT");
    nodes_wait(w, all_repaired, 0, 5, "all five have been put back");
    assert_int_equal(nodes_get(w, 0, "/v1/blocks?from=1", &after), 200);
    assert_true(json_equal(before, after));
    json_decref(after);
    json_decref(before);
    snprintf(text, sizeof text, "/get_chain");
    assert_int_equal(nodes_get(w, 0, text, &before), 200);
    assert_int_equal(nodes_get(w, 1, text, &after), 200);
    assert_true(json_equal(before, after));
    json_decref(after);
    json_decref(before);
}

/* With no peer to ask the damage stays told and the document is never served; the node goes on with all else. */
static void node_damage_that_no_peer_can_heal_stays_marked(void **state)
{
    struct nodes *w = *state;
    char path[96];
    two_blocks(w);
    path_of_body(w, 0, path);
    nodes_stop(w, 1);
    raw_sql(w, 0, "UPDATE body SET doc = substr(doc, 1, 60) WHERE height = 1");
    assert_int_equal(nodes_get(w, 0, path, NULL), 503);
    nodes_wait(w, has_damage, 0, 1, "one damage is shown");
    assert_int_equal(nodes_get(w, 0, path, NULL), 503);
    assert_int_equal(nodes_get(w, 0, "/v1/blocks/1", NULL), 503);
    assert_int_equal(nodes_get(w, 0, "/v1/blocks/2", NULL), 200);
    assert_int_equal(w->failed[0], 0);
}

static bool is_pooled(struct nodes *w, int64_t i, int64_t none)
{
    char place[16];
    (void)none;
    return strcmp(nodes_place(w, (unsigned)i, w->said[w->nsaid - 1], place), "pooled") == 0;
}

/* A pooled statement that is damaged while the node is down does not keep it from starting, and comes back from a peer. */
static void node_starts_with_damage_in_its_pool(void **state)
{
    struct nodes *w = *state;
    two_blocks(w);
    nodes_set(w, (MAKER_MINUTE + BLOCKS + 1) * SG_MINUTE_MS - 30000);
    nodes_set(w, (MAKER_MINUTE + BLOCKS + 1) * SG_MINUTE_MS + 200);
    const struct lg_statement *s = nodes_say(w, 0, 0, MAKER_MINUTE + BLOCKS);
    nodes_wait(w, is_pooled, 1, 0, "pooled at both");
    nodes_stop(w, 0);
    raw_sql(w, 0, "UPDATE statement SET doc = x'7b7d' WHERE height IS NULL");
    nodes_start(w, 0, (const unsigned[]){1, NODES_NONE}, NULL);
    nodes_wait(w, is_pooled, 0, 0, "pooled again");
    assert_true(lg_hash_eq(&s->leaf, &w->said[w->nsaid - 1]->leaf));
    assert_int_equal(w->failed[0], 0);
}

/* A column of a block that cannot be, of the tip or below it, does not keep a node from starting, nor from going on; it needs no peer
 * to put it back. */
static void node_starts_with_a_column_of_a_block_damaged(void **state)
{
    struct nodes *w = *state;
    json_t *before = NULL, *after = NULL;
    start_with_blocks(w, BLOCKS + 1);
    assert_int_equal(nodes_get(w, 0, "/v1/headers?from=1", &before), 200);
    nodes_stop(w, 1);
    for (int64_t h = 1; h <= BLOCKS + 1; h++) {
        char sql[64];
        nodes_stop(w, 0);
        snprintf(sql, sizeof sql, "UPDATE block SET miner = 99 WHERE height = %d", (int)h);
        raw_sql(w, 0, sql);
        nodes_start(w, 0, (const unsigned[]){NODES_NONE}, NULL);
        nodes_wait(w, all_repaired, 0, h == 1, "the column has been put back"); /* the others: at the start */
        assert_int_equal(nodes_get(w, 0, "/v1/headers?from=1", &after), 200);
        assert_true(json_equal(before, after));
        json_decref(after);
    }
    json_decref(before);
    assert_int_equal(w->failed[0], 0);
}

/* What the file itself has lost is not put back by building the indexes anew: it is not called so, and stays told. */
static void node_file_damaged_stays_told(void **state)
{
    struct nodes *w = *state;
    w->scrub_ms = 1000;
    two_blocks(w);
    raw_sql(w, 0, "UPDATE statement SET leaf = x'00' WHERE id = (SELECT min(id) FROM statement)");
    nodes_wait(w, is_beyond_repair, 0, 0, "the file is beyond repair");
    assert_true(metric(w, 0, "gridwitness_damaged") > 0);
    assert_int_equal(w->failed[0], 0);
}

/* Nodes 0 and 1 hold a branch that weighs less than that of nodes 2 and 3. */
static void two_branches(struct nodes *w)
{
    for (unsigned i = 0; i < NODES; i++)
        nodes_start(w, i, (const unsigned[]){i ^ 1u, NODES_NONE}, NULL);
    for (unsigned i = 0; i < NODES; i++)
        nodes_wait_ready(w, i, "");
    for (int64_t h = 1; h <= BLOCKS; h++) {
        const sg_minute slot = MAKER_MINUTE + h - 1;
        nodes_set(w, (slot + 1) * SG_MINUTE_MS + 200);
        nodes_say(w, 0, 0, slot);
        nodes_say(w, 2, 2, slot);
        nodes_say(w, 2, 3, slot);
        for (unsigned i = 0; i < NODES; i += 2) {
            nodes_mine(w, i, slot, h);
            nodes_wait_height(w, i + 1, h);
        }
    }
    for (unsigned i = 0; i < NODES; i++)
        nodes_stop(w, i);
}

/* The engine meets damage in the middle of a reorganisation: the transaction is rolled back and the node stays where it was, without
 * failing; when somebody has what is missing, it is fetched and the node comes to the heavier branch. */
static void node_reorganises_when_damage_is_healed(void **state)
{
    struct nodes *w = *state;
    two_branches(w);
    raw_sql(w, 0, "UPDATE statement SET doc = x'7b7d' WHERE height = 1");
    nodes_start(w, 0, (const unsigned[]){1, 2, NODES_NONE}, NULL);
    nodes_start(w, 2, (const unsigned[]){0, NODES_NONE}, NULL);
    nodes_wait(w, has_damage, 0, 1, "the damage is shown");
    assert_int_equal(nodes_height(w, 0), BLOCKS);
    nodes_start(w, 1, (const unsigned[]){0, 2, NODES_NONE}, NULL);
    nodes_wait_one_tip(w, BLOCKS);
    assert_int_equal(w->failed[0], 0);
    nodes_wait(w, has_damage, 0, 0, "the damage is over");
}

/* Node i has banned its first peer, for this reason. */
static bool has_banned(struct nodes *w, int64_t i, int64_t none)
{
    json_t *json = NULL;
    (void)none;
    assert_int_equal(nodes_get(w, (unsigned)i, "/v1/status", &json), 200);
    const json_t *peer = json_array_get(json_object_get(json, "peers"), 0);
    const char *reason = json_string_value(json_object_get(peer, "reason"));
    const bool is = reason != NULL && strcmp(reason, "statement_chain") == 0;
    json_decref(json);
    return is;
}

/* Damage that has not been found yet makes a block of the other node look invalid, and that node lie. When the damage has been put right the
 * block is judged anew: the nodes come to one tip. */
static void node_takes_what_its_damage_had_refused(void **state)
{
    struct nodes *w = *state;
    two_blocks(w);
    nodes_stop(w, 0);
    nodes_set(w, (MAKER_MINUTE + BLOCKS + 1) * SG_MINUTE_MS + 200);
    for (unsigned gw = 0; gw < 2; gw++)
        nodes_say(w, 1, gw, MAKER_MINUTE + BLOCKS);
    nodes_mine(w, 1, MAKER_MINUTE + BLOCKS, BLOCKS + 1);
    raw_sql(w, 0, "UPDATE statement SET seq = 5 WHERE id = (SELECT max(id) FROM statement WHERE height = 2)");
    nodes_start(w, 0, (const unsigned[]){1, NODES_NONE}, NULL);
    nodes_wait(w, has_banned, 0, 1, "the other node is banned");
    assert_int_equal(nodes_height(w, 0), BLOCKS);
    nodes_wait_one_tip(w, BLOCKS + 1);
    assert_int_equal(w->failed[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            node_body_damaged_is_refused_then_fetched_again, nodes_setup, nodes_teardown),
        cmocka_unit_test_setup_teardown(node_scrub_finds_and_puts_back, nodes_setup, nodes_teardown),
        cmocka_unit_test_setup_teardown(
            node_damage_that_no_peer_can_heal_stays_marked, nodes_setup, nodes_teardown),
        cmocka_unit_test_setup_teardown(node_starts_with_damage_in_its_pool, nodes_setup, nodes_teardown),
        cmocka_unit_test_setup_teardown(
            node_starts_with_a_column_of_a_block_damaged, nodes_setup, nodes_teardown),
        cmocka_unit_test_setup_teardown(node_file_damaged_stays_told, nodes_setup, nodes_teardown),
        cmocka_unit_test_setup_teardown(node_reorganises_when_damage_is_healed, nodes_setup, nodes_teardown),
        cmocka_unit_test_setup_teardown(node_takes_what_its_damage_had_refused, nodes_setup, nodes_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
