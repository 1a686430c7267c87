/* A ledger node that is none: a real HTTP server that serves what the test tells it, well or badly, and writes down what it is
 * asked. Faults end the test. */
#ifndef TEST_FAKE_PEER_H
#define TEST_FAKE_PEER_H

#include "ledger/core/validity.h"
#include "sg_http.h"
#include "tests/lib/event_log.h"

#include <pthread.h>
#include <stdatomic.h>

enum fake_route {
    FAKE_STATUS,
    FAKE_HEADERS,
    FAKE_BLOCKS,
    FAKE_POOL,
    FAKE_POST_BLOCK,
    FAKE_POST_STATEMENTS,
    FAKE_ROUTES
};
enum fake_mode {
    FAKE_GOOD,
    FAKE_404,
    FAKE_429, /* a proxy that was asked too often */
    FAKE_503,
    FAKE_REDIRECT, /* 302 to the same path, with what a redirect to follow would need */
    FAKE_FILE,     /* 302 to file:///etc/hostname */
    FAKE_DRIP,     /* a byte a second */
    FAKE_ENDLESS,  /* bytes without end, as fast as they are taken */
    FAKE_CUT,      /* an answer that ends in its middle */
    FAKE_GZIP,     /* Content-Encoding: gzip and no gzip */
    FAKE_GARBAGE,  /* 200 and no JSON */
    FAKE_EMPTY,    /* 200 and an empty object */
    FAKE_HOLD,     /* no answer until fake_release or the stop */
};

struct fake_peer {
    struct sg_http_server *server;
    struct event_log *log;
    char name;
    char url[64];
    pthread_mutex_t lock; /* of all below */
    enum fake_mode mode[FAKE_ROUTES];
    struct lg_hash chain;
    struct lg_block *const *blocks; /* by height - 1; borrowed */
    struct lg_block *const *bodies; /* what it serves as blocks; NULL: those of its headers */
    int64_t height;                 /* how many it serves */
    sg_ms shows_ms;                 /* its clock; 0: 1970 */
    int64_t claims;                 /* the height in its status */
    struct lg_hash tip;             /* the tip in its status */
    int64_t page;                   /* blocks in a page at most */
    const char
        *sketches; /* its answer to a sketch that it is told; it gives sketches too. NULL: it knows none */
    const char *missing; /* its answer to a question which statements it lacks; NULL: it knows no questions */
    const char *taken;   /* its answer to statements */
    const char *pool[4]; /* pages of its pool, in order; NULL: the empty one */
    const char
        *evidence[8]; /* pages of its evidence by id; all NULL: it has no such call, and says nothing of it */
    atomic_llong *line; /* the clock of a slow line; NULL: it is quick */
    sg_ms line_ms, line_max_ms;
    int64_t limit; /* of the page of headers that was asked for last */
    struct sg_http_request *held[16];
    unsigned nheld;
};

/* Serves nothing but the genesis at first. name: the letter before its lines in the log. */
void fake_start(struct fake_peer *p, struct event_log *log, char name, const struct lg_genesis *g);
void fake_stop(struct fake_peer *p);
/* The first `height` of these blocks, and a status that says so. */
void fake_serve(struct fake_peer *p, struct lg_block *const *blocks, int64_t height);
/* It knows sketches, and answers this to one that it is told; static. */
void fake_sketches(struct fake_peer *p, const char *result);
/* It knows questions which statements it lacks, and answers this; static. NULL: it does not, as at first. */
void fake_missing(struct fake_peer *p, const char *answer);
/* What it answers to statements; static. At first an empty object. */
void fake_taken(struct fake_peer *p, const char *answer);
/* Other blocks than those of its headers; NULL: the same. */
void fake_serve_blocks(struct fake_peer *p, struct lg_block *const *blocks);
void fake_claim(struct fake_peer *p, int64_t height, const struct lg_hash *tip);
/* What its clock shows. */
void fake_time(struct fake_peer *p, sg_ms ms);
void fake_set(struct fake_peer *p, enum fake_route route, enum fake_mode mode);
/* Its line takes this long for one header or block, by this clock; a page that takes longer than max_ms is cut short. */
void fake_slow(struct fake_peer *p, atomic_llong *line, sg_ms one_ms, sg_ms max_ms);
/* How many headers were asked for last. */
int64_t fake_limit(struct fake_peer *p);
void fake_pool(struct fake_peer *p, unsigned page, const char *json);
void fake_evidence(struct fake_peer *p, unsigned from, const char *json);
/* Answer what was held with 200 and {}; held from now on is answered too. */
void fake_release(struct fake_peer *p);

#endif
