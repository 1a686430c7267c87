/* Work in a child process that ends by kill -9 at a random moment, and what it acknowledged until then. */
#ifndef TEST_KILLED_H
#define TEST_KILLED_H

#include <stddef.h>
#include <stdint.h>

struct killed {
    uint64_t random;
    uint8_t *acks; /* of the last run, whole ones */
    size_t cap;
};

/* Seeded by GRIDWITNESS_SEED, else always the same. */
void killed_init(struct killed *k);
void killed_fini(struct killed *k);
/* Runs work(ctx, fd) in a child; it writes acknowledgements of size bytes each to fd, for ever, and ends itself with _exit only when
 * something is wrong. Killed within microseconds after the start, or after a few acknowledgements. Returns how many came whole. */
size_t killed_run(struct killed *k, void (*work)(void *ctx, int fd), void *ctx, size_t size);

#endif
