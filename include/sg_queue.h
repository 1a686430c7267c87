/* A bounded queue of pointers between threads. Messages pass ownership; a full queue refuses (SG_EFULL) and
 * the sender keeps the message: what it does then is its header's business. */
#ifndef SG_QUEUE_H
#define SG_QUEUE_H

#include "sg_types.h"

struct sg_queue;

SG_MUST_USE int sg_queue_new(struct sg_queue **out, size_t capacity);
/* Remaining messages are the caller's: drain first. */
void sg_queue_free(struct sg_queue *q);
/* 0, SG_EFULL, or SG_ECLOSED. Never blocks. */
SG_MUST_USE int sg_queue_put(struct sg_queue *q, void *msg);
/* Waits at most wait_ms real milliseconds (0: not at all, negative: for ever).
 * 0, SG_ETIMEOUT, or SG_ECLOSED once closed and empty. */
SG_MUST_USE int sg_queue_get(struct sg_queue *q, void **msg, sg_ms wait_ms);
/* Puts fail from now on; what is inside can still be got. Wakes every waiter. */
void sg_queue_close(struct sg_queue *q);

#endif
