/* The log of a test with threads: everything that happens between them and the test stands there in order, and can be waited for. Faults end the test. */
#ifndef TEST_EVENT_LOG_H
#define TEST_EVENT_LOG_H

#include "sg_types.h"

#include <pthread.h>
#include <stdbool.h>

#define LOG_WAIT_S 120 /* for anything: a wait that is met costs nothing, however long it might have been */
#define LOG_LINES  512
#define LOG_WIDTH  120

/* Lines in the order in which they came; a reader takes them one by one. */
struct event_log {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char lines[LOG_LINES][LOG_WIDTH];
    unsigned n, read;
};
void log_init(struct event_log *l);
void log_fini(struct event_log *l);
void log_put(struct event_log *l, const char *fmt, ...) SG_PRINTF(2, 3);
/* The next line must be this one; waits for it at most two minutes. */
void log_expect(struct event_log *l, const char *line);
/* Read on until this line has come; waits for each at most two minutes. Returns how many were passed over. */
unsigned log_until(struct event_log *l, const char *line);
/* Give the others a moment: returns after 5 ms, or as soon as a line comes. */
void log_look(struct event_log *l);
/* Look again until the condition holds; false after two minutes. */
bool log_wait(struct event_log *l, bool (*condition)(void *ctx), void *ctx);
/* Lines so far, read or not, that begin with this. */
unsigned log_count(struct event_log *l, const char *begin);

#endif
