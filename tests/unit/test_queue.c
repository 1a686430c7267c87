/* The queue between threads: order, bound, closing, waiting. */
#include "sg_queue.h"
#include "sg_err.h"

#include <pthread.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static sg_ms mono_ms(void)
{
    struct timespec t;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    return (sg_ms)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Messages leave in the order in which they came, over many turns of the ring. */
static void queue_keeps_order_around_the_ring(void **state)
{
    int items[100];
    struct sg_queue *q = NULL;
    size_t in = 0, out = 0;
    void *msg;

    (void)state;
    assert_int_equal(sg_queue_new(&q, 7), 0);
    while (out < 100) {
        for (int i = 0; i < 5 && in < 100; i++) {
            const int err = sg_queue_put(q, &items[in]);
            assert_int_equal(err, in - out < 7 ? 0 : SG_EFULL);
            in += err == 0;
        }
        for (int i = 0; i < 3 && out < in; i++) {
            assert_int_equal(sg_queue_get(q, &msg, 0), 0);
            assert_ptr_equal(msg, &items[out++]);
        }
    }
    assert_int_equal(sg_queue_get(q, &msg, 0), SG_ETIMEOUT);
    sg_queue_free(q);
}

/* A full queue refuses and keeps what it has; room made is room again. */
static void queue_full_refuses(void **state)
{
    int a, b, c;
    struct sg_queue *q = NULL;
    void *msg;

    (void)state;
    assert_int_equal(sg_queue_new(&q, 2), 0);
    assert_int_equal(sg_queue_put(q, &a), 0);
    assert_int_equal(sg_queue_put(q, &b), 0);
    assert_int_equal(sg_queue_put(q, &c), SG_EFULL);
    assert_int_equal(sg_queue_get(q, &msg, 0), 0);
    assert_ptr_equal(msg, &a);
    assert_int_equal(sg_queue_put(q, &c), 0);
    assert_int_equal(sg_queue_get(q, &msg, 0), 0);
    assert_ptr_equal(msg, &b);
    assert_int_equal(sg_queue_get(q, &msg, -1), 0);
    assert_ptr_equal(msg, &c);
    sg_queue_free(q);
}

/* An empty queue times out, at once with 0 and not before the time is over otherwise; msg is untouched. */
static void queue_empty_times_out(void **state)
{
    struct sg_queue *q = NULL;
    void *msg = &q;
    sg_ms start;

    (void)state;
    assert_int_equal(sg_queue_new(&q, 1), 0);
    assert_int_equal(sg_queue_get(q, &msg, 0), SG_ETIMEOUT);
    start = mono_ms();
    assert_int_equal(sg_queue_get(q, &msg, 30), SG_ETIMEOUT);
    assert_true(mono_ms() - start >= 29);
    assert_ptr_equal(msg, &q);
    sg_queue_free(q);
}

/* After closing nothing enters, what is inside leaves, and then the queue says closed. */
static void queue_closed_drains_then_says_closed(void **state)
{
    int a, b;
    struct sg_queue *q = NULL;
    void *msg;

    (void)state;
    assert_int_equal(sg_queue_new(&q, 4), 0);
    assert_int_equal(sg_queue_put(q, &a), 0);
    sg_queue_close(q);
    assert_int_equal(sg_queue_put(q, &b), SG_ECLOSED);
    assert_int_equal(sg_queue_get(q, &msg, -1), 0);
    assert_ptr_equal(msg, &a);
    assert_int_equal(sg_queue_get(q, &msg, -1), SG_ECLOSED);
    assert_int_equal(sg_queue_get(q, &msg, 0), SG_ECLOSED);
    sg_queue_close(q);
    sg_queue_free(q);
}

/* No queue without room, none larger than memory; freeing none is allowed. */
static void queue_impossible_capacity_is_refused(void **state)
{
    struct sg_queue *q = NULL;

    (void)state;
    assert_int_equal(sg_queue_new(&q, 0), SG_EINVAL);
    assert_int_equal(sg_queue_new(&q, SIZE_MAX), SG_EINVAL);
    assert_int_equal(sg_queue_new(&q, SIZE_MAX / 8), SG_EINVAL);
    assert_int_equal(sg_queue_new(&q, SIZE_MAX / 32), SG_ENOMEM);
    assert_null(q);
    sg_queue_free(NULL);
}

static void *get_for_ever(void *arg)
{
    void *msg;

    while (sg_queue_get(arg, &msg, -1) == 0)
        continue;
    return arg;
}

/* Closing wakes every waiter, whether it waits already or is about to. */
static void queue_close_wakes_every_waiter(void **state)
{
    pthread_t threads[4];
    struct sg_queue *q = NULL;
    void *result;

    (void)state;
    assert_int_equal(sg_queue_new(&q, 1), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_for_ever, q), 0);
    sg_queue_close(q);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, q);
    }
    sg_queue_free(q);
}

#define PER_SENDER 2000

struct sender {
    struct sg_queue *q;
    uint32_t items[PER_SENDER]; /* number of the sender and of the message */
};

static void *send_all(void *arg)
{
    struct sender *s = arg;

    for (int i = 0; i < PER_SENDER;) {
        int err = sg_queue_put(s->q, &s->items[i]);

        if (err == 0)
            i++;
        else if (err != SG_EFULL)
            return s;
    }
    return NULL;
}

/* Several senders and a full queue: each message arrives once, each sender's in its order. */
static void queue_many_senders_lose_nothing(void **state)
{
    static struct sender senders[3];
    uint32_t next[3] = {0, 0, 0};
    pthread_t threads[3];
    struct sg_queue *q = NULL;
    void *msg, *result;

    (void)state;
    assert_int_equal(sg_queue_new(&q, 5), 0);
    for (uint32_t s = 0; s < 3; s++) {
        senders[s].q = q;
        for (uint32_t i = 0; i < PER_SENDER; i++)
            senders[s].items[i] = s << 16 | i;
        assert_int_equal(pthread_create(&threads[s], NULL, send_all, &senders[s]), 0);
    }
    for (int i = 0; i < 3 * PER_SENDER; i++) {
        uint32_t item;

        assert_int_equal(sg_queue_get(q, &msg, 60000), 0);
        item = *(uint32_t *)msg;
        assert_int_equal(item & 0xFFFF, next[item >> 16]);
        next[item >> 16]++;
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    assert_int_equal(sg_queue_get(q, &msg, 0), SG_ETIMEOUT);
    sg_queue_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_keeps_order_around_the_ring),
        cmocka_unit_test(queue_full_refuses),
        cmocka_unit_test(queue_empty_times_out),
        cmocka_unit_test(queue_closed_drains_then_says_closed),
        cmocka_unit_test(queue_impossible_capacity_is_refused),
        cmocka_unit_test(queue_close_wakes_every_waiter),
        cmocka_unit_test(queue_many_senders_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
