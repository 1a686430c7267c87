/* The miner's thread: what it finds is right, a new job replaces the old one, no job means rest, and it ends at once. */
#include "ledger/miner.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define WAIT_S 120

struct world {
    struct lg_miner *m;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t id; /* of the last nonce offered */
    int64_t nonce;
    unsigned offered; /* how many times found() was called */
    unsigned refuse;  /* so many calls are answered with SG_EFULL first */
};

static int found(void *ctx, uint64_t job_id, int64_t nonce)
{
    struct world *w = ctx;
    pthread_mutex_lock(&w->lock);
    w->id = job_id;
    w->nonce = nonce;
    w->offered++;
    const bool full = w->refuse > 0;
    if (full)
        w->refuse--;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return full ? SG_EFULL : SG_OK;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    assert_int_equal(lg_miner_start(&w->m, found, w), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    lg_miner_stop(w->m);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return 0;
}

static struct lg_job job(uint64_t id, unsigned bits)
{
    return (struct lg_job){.id = id,
        .header = {.bits = bits,
            .height = 1,
            .leaves = 1,
            .miner_is_kid = true,
            .miner_kid = id,
            .slot = 5,
            .time = 6}};
}

/* Until n nonces were offered; false when ms passed first. */
static bool wait_offers(struct world *w, unsigned n, long ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000 + (until.tv_nsec + ms % 1000 * 1000000) / 1000000000;
    until.tv_nsec = (until.tv_nsec + ms % 1000 * 1000000) % 1000000000;
    pthread_mutex_lock(&w->lock);
    int rc = 0;
    while (w->offered < n && rc == 0)
        rc = pthread_cond_timedwait(&w->changed, &w->lock, &until);
    const bool came = w->offered >= n;
    pthread_mutex_unlock(&w->lock);
    return came;
}

static void assert_solves(const struct world *w, const struct lg_job *j)
{
    struct lg_header h = j->header;
    struct lg_hash hash;
    struct sg_buf doc;
    assert_int_equal(w->id, j->id);
    h.nonce = w->nonce;
    sg_buf_init(&doc, 4096);
    lg_header_encode(&doc, &h);
    lg_header_hash(&hash, doc.p, doc.len);
    sg_buf_fini(&doc);
    assert_true(lg_work_meets(&hash, h.bits));
}

/* The nonce that is found makes the header meet its bits; the job is then done and found once only. */
static void miner_finds_a_nonce_that_meets_the_bits_once(void **state)
{
    struct world *w = *state;
    const struct lg_job j = job(7, 12);
    lg_miner_set(w->m, &j);
    assert_true(wait_offers(w, 1, WAIT_S * 1000));
    assert_solves(w, &j);
    assert_false(wait_offers(w, 2, 50));
}

/* A job that no machine ends does not stand in the way of the next one. */
static void miner_new_job_replaces_the_running_one(void **state)
{
    struct world *w = *state;
    const struct lg_job endless = job(1, 40), easy = job(2, 4);
    lg_miner_set(w->m, &endless);
    lg_miner_set(w->m, &easy);
    assert_true(wait_offers(w, 1, WAIT_S * 1000));
    assert_solves(w, &easy);
    lg_miner_set(w->m, &endless);
    assert_false(wait_offers(w, 2, 50));
    const struct lg_job again = job(3, 4);
    lg_miner_set(w->m, &again);
    assert_true(wait_offers(w, 2, WAIT_S * 1000));
    assert_solves(w, &again);
}

static double processor_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Cleared, nothing is found any more and, once the hashes under way are done, the thread uses no processor time. */
static void miner_without_a_job_rests(void **state)
{
    struct world *w = *state;
    const struct lg_job endless = job(1, 40);
    bool rested = false;
    lg_miner_set(w->m, &endless);
    lg_miner_clear(w->m);
    for (int i = 0; i < WAIT_S * 5 && !rested; i++) {
        const double before = processor_s();
        assert_false(wait_offers(w, 1, 200));
        rested = processor_s() - before < 0.1; /* searching, it would be 0.2 */
    }
    assert_true(rested);
}

/* A nonce that finds the queue full is offered again, the same one, until it is taken; then the job is done. */
static void miner_offers_again_while_the_queue_is_full(void **state)
{
    struct world *w = *state;
    const struct lg_job j = job(9, 4);
    w->refuse = 3;
    lg_miner_set(w->m, &j);
    assert_true(wait_offers(w, 4, WAIT_S * 1000));
    assert_solves(w, &j);
    assert_false(wait_offers(w, 5, 100));
}

/* A job that is taken back while its nonce waits for the queue is not offered on. */
static void miner_cleared_while_the_queue_is_full_stops_offering(void **state)
{
    struct world *w = *state;
    const struct lg_job j = job(9, 4);
    pthread_mutex_lock(&w->lock);
    w->refuse = UINT32_MAX;
    pthread_mutex_unlock(&w->lock);
    lg_miner_set(w->m, &j);
    assert_true(wait_offers(w, 2, WAIT_S * 1000));
    lg_miner_clear(w->m);
    pthread_mutex_lock(&w->lock);
    const unsigned at = w->offered;
    pthread_mutex_unlock(&w->lock);
    assert_false(wait_offers(w, at + 2, 200)); /* one may have been under way */
}

/* Stopping ends a search that has no end, and one that never began. */
static void miner_stops_at_once(void **state)
{
    struct world *w = *state;
    const struct lg_job endless = job(1, 40);
    struct timespec before, after;
    lg_miner_set(w->m, &endless);
    clock_gettime(CLOCK_MONOTONIC, &before);
    lg_miner_stop(w->m);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(after.tv_sec - before.tv_sec < WAIT_S);
    w->m = NULL;
    lg_miner_stop(NULL);
    assert_int_equal(w->offered, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(miner_finds_a_nonce_that_meets_the_bits_once, setup, teardown),
        cmocka_unit_test_setup_teardown(miner_new_job_replaces_the_running_one, setup, teardown),
        cmocka_unit_test_setup_teardown(miner_without_a_job_rests, setup, teardown),
        cmocka_unit_test_setup_teardown(miner_offers_again_while_the_queue_is_full, setup, teardown),
        cmocka_unit_test_setup_teardown(
            miner_cleared_while_the_queue_is_full_stops_offering, setup, teardown),
        cmocka_unit_test_setup_teardown(miner_stops_at_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
