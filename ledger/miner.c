/* The miner's thread. It works in slices short enough (a few ms) that a new job, or none, is noticed at once; it keeps no
 * state of the chain and judges nothing: what it finds is a number that the engine checks like anybody's. */
#include "ledger/miner.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* About 0.5 ms at 10 M tries a second, some ms on the slowest machines: the longest time that a superseded job is worked on. */
#define SLICE_TRIES 5000
/* How long to wait before offering a found nonce again when the chain thread's queue is full. */
#define RETRY_MS 20

struct lg_miner {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
    bool has_job;
    struct lg_job job;
    lg_miner_found_fn *found;
    void *ctx;
};

/* Wait for a job; false when stopping. */
static bool next_job(struct lg_miner *m, struct lg_job *job)
{
    pthread_mutex_lock(&m->lock);
    while (!m->has_job && !m->stopping)
        pthread_cond_wait(&m->changed, &m->lock);
    bool go = !m->stopping;
    if (go)
        *job = m->job;
    pthread_mutex_unlock(&m->lock);
    return go;
}

static bool still_wanted(struct lg_miner *m, uint64_t id)
{
    pthread_mutex_lock(&m->lock);
    bool wanted = !m->stopping && m->has_job && m->job.id == id;
    pthread_mutex_unlock(&m->lock);
    return wanted;
}

/* The job is done: forget it unless another has come. */
static void done(struct lg_miner *m, uint64_t id)
{
    pthread_mutex_lock(&m->lock);
    if (m->has_job && m->job.id == id)
        m->has_job = false;
    pthread_mutex_unlock(&m->lock);
}

/* Sleep RETRY_MS, or less when something changes. */
static void pause_shortly(struct lg_miner *m)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += RETRY_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&m->lock);
    if (!m->stopping)
        pthread_cond_timedwait(&m->changed, &m->lock, &until);
    pthread_mutex_unlock(&m->lock);
}

static void search(struct lg_miner *m, const struct lg_job *job)
{
    int64_t from = 0;

    while (still_wanted(m, job->id)) {
        int64_t nonce = 0;
        if (lg_work_search(&nonce, &job->header, from, SLICE_TRIES) != SG_OK) {
            from = (from + SLICE_TRIES) & LG_C0_MAX_INT;
            continue;
        }
        while (still_wanted(m, job->id) && m->found(m->ctx, job->id, nonce) == SG_EFULL)
            pause_shortly(m);
        done(m, job->id);
        return;
    }
}

static void *run(void *arg)
{
    struct lg_miner *m = arg;
    struct lg_job job;

    (void)pthread_setname_np(pthread_self(), "miner");
    while (next_job(m, &job))
        search(m, &job);
    return NULL;
}

/* On the monotonic clock: a wall clock that is set back must not stretch a pause. */
static void cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

int lg_miner_start(struct lg_miner **out, lg_miner_found_fn *found, void *ctx)
{
    struct lg_miner *m = calloc(1, sizeof(*m));
    if (!m)
        return SG_ENOMEM;
    m->found = found;
    m->ctx = ctx;
    pthread_mutex_init(&m->lock, NULL);
    cond_init(&m->changed);
    if (pthread_create(&m->thread, NULL, run, m) != 0) {
        pthread_cond_destroy(&m->changed);
        pthread_mutex_destroy(&m->lock);
        free(m);
        return SG_ENOMEM;
    }
    *out = m;
    return SG_OK;
}

void lg_miner_set(struct lg_miner *m, const struct lg_job *job)
{
    pthread_mutex_lock(&m->lock);
    m->job = *job;
    m->has_job = true;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

void lg_miner_clear(struct lg_miner *m)
{
    pthread_mutex_lock(&m->lock);
    m->has_job = false;
    pthread_mutex_unlock(&m->lock);
}

void lg_miner_stop(struct lg_miner *m)
{
    if (!m)
        return;
    pthread_mutex_lock(&m->lock);
    m->stopping = true;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
    pthread_join(m->thread, NULL);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    free(m);
}
