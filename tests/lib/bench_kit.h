/* What measurements share: a stopwatch, processors, medians, nodes in processes of their own. Faults end the program. */
#ifndef TEST_BENCH_KIT_H
#define TEST_BENCH_KIT_H

#include <stdint.h>
#include <sys/types.h>

#include "lg_node.h"
#include "tests/lib/long_chain.h"

_Noreturn void bench_die(const char *what);
/* Monotonic. */
double bench_seconds(void);
/* Processor time of this process, all of its threads. */
double bench_cpu_seconds(void);
/* Sorts; the middle one. */
double bench_median(double *v, unsigned n);

/* This thread, and those that it starts from now on, use these processors only: the n-th of those that the process began with, or all
 * of them. False when there are not so many. */
bool bench_use_processor(unsigned n);
void bench_use_all_processors(void);

/* A long chain in a data directory; *g is the caller's. Leaves no thread behind. */
void bench_write_chain(
    struct lg_genesis **g, const char *data_dir, const struct long_chain_config *config, int64_t blocks);

/* A node without peers on a data directory, in a child process. To be called before this process has threads. */
struct bench_server {
    pid_t pid;
    uint16_t port;
};
void bench_serve(struct bench_server *s, const char *data_dir, const struct lg_genesis *g);
void bench_serve_end(struct bench_server *s);

/* Height that the node on a port tells; -1: it does not answer. */
int64_t bench_height(uint16_t port);

/* A new folder below the temporary one, and all of it removed again. */
void bench_folder(char path[static 64], const char *name);
void bench_remove(const char *path);

#endif
