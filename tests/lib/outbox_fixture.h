/* An outbox in a folder of its own, for two relays, and what most of its tests put into it. Faults end the test (cmocka asserts). */
#ifndef TEST_OUTBOX_FIXTURE_H
#define TEST_OUTBOX_FIXTURE_H

#include "gateway/outbox.h"

#define KID  UINT64_C(0x0123456789abcdef)
#define SLOT INT64_C(30000000)

extern struct lg_genesis outbox_genesis; /* relay-1 and relay-2, from minute 1000 on */
extern char outbox_dir[64];              /* of the running test */

/* A cmocka setup and its teardown: *state is an outbox on an empty folder, which goes with what a test has left in it. */
int fresh_dir(void **state);
int drop_dir(void **state);
/* Another outbox on the same folder. max_pages: of its database; 0: no limit. */
struct gw_outbox *open_dir(unsigned max_pages);
/* Remove the files of an outbox, and the folder. */
int remove_outbox(const char *dir);

/* A body of len bytes (at most 8192) whose digest begins with this byte. */
int put_pair(struct gw_outbox *o, unsigned relay, sg_minute min, uint8_t digest, size_t len);
/* What may be stated from SLOT - 1439 to SLOT + 10; how many. */
unsigned open_items(struct gw_outbox *o, struct gw_item items[static 16]);

/* The i-th of consecutive minutes, from SLOT on (i < 64): its pair, and a statement (inc, i + 1) of all that may be stated then. The
 * first error. */
int outbox_put_nth(struct gw_outbox *o, unsigned i, const uint8_t *doc, size_t len);
int outbox_say_nth(struct gw_outbox *o, sg_ms inc, unsigned i);

#endif
