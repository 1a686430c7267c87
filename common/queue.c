/* A bounded queue of pointers between threads: a ring under one mutex.
 *
 * Invariant: 0 <= len <= capacity, messages leave in the order in which they came; after close nothing enters.
 * Refuses: a message when full (SG_EFULL) or closed (SG_ECLOSED); the sender then still owns it. */
#include "sg_queue.h"
#include "sg_err.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct sg_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a message came, or the queue was closed */
    size_t capacity;
    size_t first;
    size_t len;
    bool closed;
    void *ring[];
};

/* A failure of these calls is a bug of ours (a mutex used after it was freed), never of input. */
static void must(int err)
{
    assert(err == 0);
    (void)err;
}

static void init_locks(struct sg_queue *q)
{
    pthread_condattr_t attr;

    must(pthread_mutex_init(&q->lock, NULL));
    must(pthread_condattr_init(&attr));
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC)); /* a step of the date must not stretch a wait */
    must(pthread_cond_init(&q->changed, &attr));
    must(pthread_condattr_destroy(&attr));
}

int sg_queue_new(struct sg_queue **out, size_t capacity)
{
    struct sg_queue *q;

    if (capacity == 0 || capacity > (SIZE_MAX - sizeof *q) / sizeof q->ring[0])
        return SG_EINVAL;
    q = calloc(1, sizeof *q + capacity * sizeof q->ring[0]);
    if (!q)
        return SG_ENOMEM;
    q->capacity = capacity;
    init_locks(q);
    *out = q;
    return 0;
}

void sg_queue_free(struct sg_queue *q)
{
    if (!q)
        return;
    must(pthread_cond_destroy(&q->changed));
    must(pthread_mutex_destroy(&q->lock));
    free(q);
}

int sg_queue_put(struct sg_queue *q, void *msg)
{
    int err = 0;

    must(pthread_mutex_lock(&q->lock));
    if (q->closed) {
        err = SG_ECLOSED;
    } else if (q->len == q->capacity) {
        err = SG_EFULL;
    } else {
        /* first + len may pass the end once, never twice; written so that it cannot overflow */
        size_t at = q->len < q->capacity - q->first ? q->first + q->len : q->len - (q->capacity - q->first);

        q->ring[at] = msg;
        q->len++;
        must(pthread_cond_signal(&q->changed));
    }
    must(pthread_mutex_unlock(&q->lock));
    return err;
}

static struct timespec deadline_in(sg_ms wait_ms)
{
    struct timespec t;

    must(clock_gettime(CLOCK_MONOTONIC, &t));
    t.tv_sec += (time_t)(wait_ms / 1000);
    t.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* With the lock held: until there is a message, the queue is closed or the time is over. */
static void wait_for_message(struct sg_queue *q, sg_ms wait_ms)
{
    /* a wait of 292 years is for ever; adding it to a timespec would overflow */
    const sg_ms longest = INT64_C(1000) * 1000 * 1000 * 1000;
    struct timespec until = deadline_in(wait_ms > longest ? longest : wait_ms > 0 ? wait_ms : 0);
    int err = 0;

    while (q->len == 0 && !q->closed && wait_ms != 0 && err == 0) {
        if (wait_ms < 0)
            err = pthread_cond_wait(&q->changed, &q->lock);
        else
            err = pthread_cond_timedwait(&q->changed, &q->lock, &until);
    }
    assert(err == 0 || err == ETIMEDOUT);
}

int sg_queue_get(struct sg_queue *q, void **msg, sg_ms wait_ms)
{
    int err = 0;

    must(pthread_mutex_lock(&q->lock));
    wait_for_message(q, wait_ms);
    if (q->len > 0) {
        *msg = q->ring[q->first];
        q->first = q->first + 1 == q->capacity ? 0 : q->first + 1;
        q->len--;
    } else {
        err = q->closed ? SG_ECLOSED : SG_ETIMEOUT;
    }
    must(pthread_mutex_unlock(&q->lock));
    return err;
}

void sg_queue_close(struct sg_queue *q)
{
    must(pthread_mutex_lock(&q->lock));
    q->closed = true;
    must(pthread_cond_broadcast(&q->changed));
    must(pthread_mutex_unlock(&q->lock));
}
