#include "killed.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define MOST_BEFORE 6       /* acknowledgements that are waited for */
#define SPREAD_NS   400000  /* and the time after them: longer than a commit */
#define OPENING_NS  3000000 /* a life that ends while it opens */

static uint64_t draw(struct killed *k, uint64_t below)
{
    /* Marsaglia's xorshift64: the moments must differ, no more */
    k->random ^= k->random << 13;
    k->random ^= k->random >> 7;
    k->random ^= k->random << 17;
    return k->random % below;
}

void killed_init(struct killed *k)
{
    const char *seed = getenv("GRIDWITNESS_SEED");
    k->random = UINT64_C(0x9e3779b97f4a7c15) ^ (seed != NULL ? strtoull(seed, NULL, 10) : 1);
    k->cap = 1 << 20;
    k->acks = malloc(k->cap);
    assert_non_null(k->acks);
}

void killed_fini(struct killed *k)
{
    free(k->acks);
}

/* Appends what the pipe gives; 0 at its end. */
static size_t take(struct killed *k, int fd, size_t have)
{
    assert_true(have < k->cap);
    const ssize_t n = read(fd, k->acks + have, k->cap - have);
    return n > 0 ? (size_t)n : 0;
}

size_t killed_run(struct killed *k, void (*work)(void *ctx, int fd), void *ctx, size_t size)
{
    const size_t before = (size_t)draw(k, MOST_BEFORE) * size;
    const struct timespec rest = {0, (long)draw(k, before == 0 ? OPENING_NS : SPREAD_NS)};
    int fds[2], status = 0;
    size_t got = 0, n;

    assert_int_equal(pipe(fds), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        work(ctx, fds[1]);
        _exit(4);
    }
    close(fds[1]);
    while (got < before && (n = take(k, fds[0], got)) > 0)
        got += n;
    nanosleep(&rest, NULL); /* sleep: the moment of death; nothing is waited for */
    assert_int_equal(kill(pid, SIGKILL), 0);
    while ((n = take(k, fds[0], got)) > 0)
        got += n;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return got / size;
}
