/* See event_log.h. */
#include "event_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define LOOK_NS 5000000

void log_init(struct event_log *l)
{
    pthread_condattr_t attr;
    memset(l, 0, sizeof *l);
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&l->changed, &attr);
    pthread_condattr_destroy(&attr);
}

void log_fini(struct event_log *l)
{
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
}

void log_put(struct event_log *l, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    pthread_mutex_lock(&l->lock);
    if (l->n < LOG_LINES) /* more than that is a test gone wrong: it sees the number */
        vsnprintf(l->lines[l->n++], LOG_WIDTH, fmt, args);
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    va_end(args);
}

static struct timespec wait_until(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOG_WAIT_S;
    return until;
}

/* The next line into dst; false when none comes in time. */
static bool next(struct event_log *l, char dst[static LOG_WIDTH])
{
    const struct timespec until = wait_until();
    pthread_mutex_lock(&l->lock);
    int rc = 0;
    while (l->read == l->n && rc == 0)
        rc = pthread_cond_timedwait(&l->changed, &l->lock, &until);
    const bool came = l->read < l->n;
    if (came)
        memcpy(dst, l->lines[l->read++], LOG_WIDTH);
    pthread_mutex_unlock(&l->lock);
    return came;
}

void log_expect(struct event_log *l, const char *line)
{
    char got[LOG_WIDTH];
    if (!next(l, got))
        fail_msg("nothing came, wanted: %s", line);
    assert_string_equal(got, line);
}

unsigned log_until(struct event_log *l, const char *line)
{
    char got[LOG_WIDTH];
    for (unsigned passed = 0;; passed++) {
        if (!next(l, got))
            fail_msg("never came: %s", line);
        if (strcmp(got, line) == 0)
            return passed;
    }
}

void log_look(struct event_log *l)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&l->lock);
    pthread_cond_timedwait(&l->changed, &l->lock, &until);
    pthread_mutex_unlock(&l->lock);
}

bool log_wait(struct event_log *l, bool (*condition)(void *ctx), void *ctx)
{
    const struct timespec until = wait_until();
    struct timespec now;
    bool good;
    do {
        good = condition(ctx);
        if (!good)
            log_look(l);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (!good && now.tv_sec < until.tv_sec);
    return good;
}

unsigned log_count(struct event_log *l, const char *begin)
{
    unsigned n = 0;
    pthread_mutex_lock(&l->lock);
    for (unsigned i = 0; i < l->n; i++)
        n += strncmp(l->lines[i], begin, strlen(begin)) == 0;
    pthread_mutex_unlock(&l->lock);
    return n;
}
