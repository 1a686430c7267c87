/* A node's peers thread, two peers that the test plays (fake_peer.h), a store with a branch, and a monotonic clock that stands still unless
 * moved. The node around the thread is the test, which judges what is offered. Faults end the test. */
#ifndef TEST_PEERS_FIXTURE_H
#define TEST_PEERS_FIXTURE_H

#include "ledger/peers.h"
#include "tests/lib/fake_peer.h"
#include "tests/lib/store_fixture.h"
#include "tests/lib/synth.h"

#include <stdatomic.h>

#define PEERS_LENGTH 14
#define PEERS_COMMON 5

struct peers_world {
    struct fixture f;
    struct synth s;
    struct event_log log;
    /* two branches with PEERS_COMMON blocks in common: ours in the store up to height 12, theirs with the peers */
    struct lg_block *ours[PEERS_LENGTH], *theirs[PEERS_LENGTH];
    struct lg_block_info our_info[PEERS_LENGTH + 1], their_info[PEERS_LENGTH + 1];
    struct fake_peer a, b;
    struct sg_clock clock;
    atomic_llong mono;
    atomic_llong wall; /* 0: the real one */
    sg_ms call_ms; /* real: of the calls of a thread that is started from now on; long, for a slow machine */
    struct lg_peers *peers;
    _Atomic int offer_err; /* what the node's queue says */
    uint64_t ticket;       /* of the last offer */
};

int peers_setup(void **state);
int peers_teardown(void **state);
/* Start the thread with n peers. */
void peers_start(struct peers_world *w, unsigned n, const char *first, const char *second);
void peers_start_a(struct peers_world *w);
/* Write a block into the store; connect: on top of the best branch. */
void peers_put(
    struct peers_world *w, const struct lg_block *b, const struct lg_block_info *info, bool connect);
/* A block with this header and the statement of `like`, signed by gateway gw. Caller frees. */
struct lg_block *peers_seal(
    const struct peers_world *w, const struct lg_block *like, const struct lg_header *h, unsigned gw);
/* Time passes. What the thread was told before it has taken in before, and when this returns it has begun what is due now: whoever is asked no
 * longer rests. */
void peers_pass(struct peers_world *w, sg_ms ms);
/* The thread has taken in all that it was told, and begun all that is due. */
void peers_look(struct peers_world *w);
/* The verdict on one document of the last offer. */
void peers_judge(struct peers_world *w, int peer, int err);
/* Wait until a peer rests in this state: it follows the last event within moments. */
void peers_wait_state(struct peers_world *w, unsigned peer, const char *state);
bool peers_is_state(struct peers_world *w, unsigned peer, const char *state);
/* Wait until peer a rests, whatever its state. */
void peers_wait_rest(struct peers_world *w);
/* Wait for n lines that begin with this: no more have come then. */
void peers_wait_count(struct peers_world *w, const char *begin, unsigned n);
/* Peer a is banned for this reason, hears nothing for ms - 1, and at ms it is asked for its status. */
void peers_expect_ban(struct peers_world *w, const char *reason, sg_ms ms);
/* Peer a hears nothing for ms - 1, and at ms it is asked for its status. */
void peers_expect_rest(struct peers_world *w, sg_ms ms);

#endif
