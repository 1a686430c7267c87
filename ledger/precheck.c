/* Threads that decode and check blocks ahead of whoever judges them.
 *
 *   WAITING --a thread begins--> RUNNING --> DONE --taken--> gone
 *      \__ taken: done by the taker __________________________/
 *
 * Seals of headers are jobs of the same list, taken by the one who adds them.
 *
 * Invariants: a job is in the list while it waits and only then; whoever moves it to RUNNING, under the lock, is the only one that
 * touches it until it is DONE; `ready` is the sum of the documents of all that are DONE.
 * The list is in order of arrival; who takes several takes the last first, so that he meets the threads in the middle and sleeps for one at most. */
#include "ledger/precheck.h"
#include "ledger/core/hash_map.h"
#include "ledger/core/validity_parts.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

/* Headers of one job: some 4 ms of work. */
#define SEALS 32

enum state { WAITING, RUNNING, DONE };

struct lg_precheck_job {
    struct lg_precheck *owner;
    struct lg_precheck_job *prev, *next; /* while it waits */
    enum state state;
    bool awaited; /* its taker sleeps until it is DONE */
    const uint8_t *doc;
    size_t len;
    bool sealed;
    struct lg_block *block; /* DONE, err 0 */
    int err;
    const struct lg_header_item *seals; /* instead of doc */
    unsigned nseals;
};

struct lg_precheck {
    struct lg_rules rules;
    pthread_t threads[LG_PRECHECK_MAX_THREADS];
    unsigned nthreads;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t work;  /* a job waits, there is room for results, or it ends */
    pthread_cond_t done;  /* a job that is awaited is DONE */
    struct lg_precheck_job *head, *tail;
    uint64_t ready;
    bool stopping;

    pthread_mutex_t seals_lock; /* of seals; taken inside of no other */
    struct lg_seen seals;
};

/* ---- the memory of seals ---- */

static bool knows_seal(void *ctx, const struct lg_hash *key)
{
    struct lg_precheck *p = ctx;

    pthread_mutex_lock(&p->seals_lock);
    bool known = lg_seen_get(&p->seals, key) != 0;
    pthread_mutex_unlock(&p->seals_lock);
    return known;
}

static void remember_seal(void *ctx, const struct lg_hash *key)
{
    struct lg_precheck *p = ctx;

    pthread_mutex_lock(&p->seals_lock);
    lg_seen_put(&p->seals, key, 1);
    pthread_mutex_unlock(&p->seals_lock);
}

struct lg_verified lg_precheck_known(struct lg_precheck *p)
{
    return (struct lg_verified){.ctx = p, .has = knows_seal, .add = remember_seal};
}

/* ---- the list of those that wait ---- */

static void append(struct lg_precheck *p, struct lg_precheck_job *j)
{
    j->prev = p->tail;
    if (p->tail)
        p->tail->next = j;
    else
        p->head = j;
    p->tail = j;
}

static void begin(struct lg_precheck *p, struct lg_precheck_job *j)
{
    assert(j->state == WAITING);
    *(j->prev ? &j->prev->next : &p->head) = j->next;
    *(j->next ? &j->next->prev : &p->tail) = j->prev;
    j->state = RUNNING;
}

/* ---- the work, without the lock ---- */

static void check_seal(const struct lg_precheck *p, const struct lg_header_item *item)
{
    struct lg_header h;
    struct lg_hash hash;

    if (lg_header_decode(&h, item->header.p, item->header.len) != SG_OK)
        return;
    lg_header_hash(&hash, item->header.p, item->header.len);
    if (lg_header_check_seal(&p->rules, &h, &hash, item->header, item->sig) != SG_OK)
        return; /* remembered when it holds, found by the judge when it does not */
}

static void check(const struct lg_precheck *p, struct lg_precheck_job *j)
{
    for (unsigned i = 0; i < j->nseals; i++)
        check_seal(p, &j->seals[i]);
    if (j->seals)
        return;
    j->err = lg_block_decode(&j->block, j->doc, j->len);
    if (j->err != SG_OK)
        return;
    if (j->sealed)
        j->block->passed |= LG_PASSED_SEAL;
    lg_block_precheck(&p->rules, j->block);
}

static void *run(void *arg)
{
    struct lg_precheck *p = arg;

    (void)pthread_setname_np(pthread_self(), "precheck");
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stopping && (!p->head || p->ready >= LG_PRECHECK_MAX_BYTES))
            pthread_cond_wait(&p->work, &p->lock);
        if (p->stopping)
            break;
        struct lg_precheck_job *j = p->head;
        begin(p, j);
        pthread_mutex_unlock(&p->lock);
        check(p, j);
        pthread_mutex_lock(&p->lock);
        j->state = DONE;
        p->ready += j->len;
        if (j->awaited)
            pthread_cond_broadcast(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- jobs ---- */

int lg_precheck_add(
    struct lg_precheck *p, struct lg_precheck_job **out, const uint8_t *doc, size_t len, bool sealed)
{
    struct lg_precheck_job *j = calloc(1, sizeof(*j));

    if (!j)
        return SG_ENOMEM;
    j->owner = p;
    j->doc = doc;
    j->len = len;
    j->sealed = sealed;
    pthread_mutex_lock(&p->lock);
    append(p, j);
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    *out = j;
    return SG_OK;
}

/* The job is the caller's alone afterwards; false when nobody has worked on it. */
static bool claim(struct lg_precheck_job *j)
{
    struct lg_precheck *p = j->owner;

    pthread_mutex_lock(&p->lock);
    bool begun = j->state != WAITING;
    j->awaited = true;
    if (!begun)
        begin(p, j);
    while (begun && j->state != DONE)
        pthread_cond_wait(&p->done, &p->lock);
    if (begun) {
        p->ready -= j->len;
        if (p->head)
            pthread_cond_broadcast(&p->work);
    }
    pthread_mutex_unlock(&p->lock);
    return begun;
}

void lg_precheck_seals(struct lg_precheck *p, const struct lg_header_item *items, unsigned n)
{
    struct lg_precheck_job *jobs = calloc((n + SEALS - 1) / SEALS, sizeof(*jobs));
    unsigned count = 0;

    if (!jobs)
        return; /* the judge verifies them */
    pthread_mutex_lock(&p->lock);
    for (unsigned i = 0; i < n; i += SEALS, count++) {
        jobs[count] =
            (struct lg_precheck_job){.owner = p, .seals = items + i, .nseals = n - i < SEALS ? n - i : SEALS};
        append(p, &jobs[count]);
    }
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < count; i++)
        if (!claim(&jobs[i]))
            check(p, &jobs[i]);
    free(jobs);
}

int lg_precheck_take(struct lg_block **out, struct lg_precheck_job *job)
{
    if (!claim(job))
        check(job->owner, job);
    int err = job->err;
    if (err == SG_OK)
        *out = job->block;
    free(job);
    return err;
}

void lg_precheck_drop(struct lg_precheck_job *job)
{
    if (!job)
        return;
    if (claim(job) && job->err == SG_OK)
        lg_block_free(job->block);
    free(job);
}

/* ---- start and stop ---- */

static unsigned processors(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

    return n < 1 ? 1 : n > LG_PRECHECK_MAX_THREADS ? LG_PRECHECK_MAX_THREADS : (unsigned)n;
}

void lg_precheck_stop(struct lg_precheck *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    assert(!p->head && p->ready == 0);
    p->stopping = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->nthreads; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->seals_lock);
    lg_seen_fini(&p->seals);
    free(p);
}

int lg_precheck_start(struct lg_precheck **out, const struct lg_genesis *genesis,
    const struct sg_crypto *crypto, unsigned threads)
{
    struct lg_precheck *p = calloc(1, sizeof(*p));

    if (!p)
        return SG_ENOMEM;
    assert(threads <= LG_PRECHECK_MAX_THREADS);
    p->rules = (struct lg_rules){.genesis = genesis, .crypto = crypto, .seals = lg_precheck_known(p)};
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->seals_lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    threads = threads == 0 ? processors() : threads;
    int err = lg_seen_init(&p->seals, 0);
    while (
        err == SG_OK && p->nthreads < threads && pthread_create(&p->threads[p->nthreads], NULL, run, p) == 0)
        p->nthreads++;
    if (p->nthreads == 0) {
        lg_precheck_stop(p);
        return SG_ENOMEM;
    }
    *out = p;
    return SG_OK;
}
