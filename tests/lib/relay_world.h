/* One relay (the emulator's register image), one gateway's conversation with it, and their clocks, all in one thread: what
 * tests of the relay conversation play. Faults end the test. */
#ifndef TESTS_LIB_RELAY_WORLD_H
#define TESTS_LIB_RELAY_WORLD_H

#include "gateway/core/relay.h"
#include "relay-emulator/core/image.h"

#define WORLD_M0       INT64_C(29400000)
#define WORLD_MAX_KEPT 2000

struct world_kept {
    sg_ms wall;
    sg_minute min;
    bool has_body, alarm;
    enum lg_reason reason;
    unsigned live, nsamples;
};

extern struct world {
    struct re_image im;
    sg_ms wall, run;   /* of the gateway */
    sg_ms relay_ahead; /* the relay's wall clock minus the gateway's */
    bool relay_frozen; /* it does not tick, and answers nothing */
    bool relay_deaf;   /* it does not tick, but answers */
    int err;           /* what requests end with, 0: answers */
    int err_of[GW_READ_COUNT];
    unsigned connection; /* generation; 0: closed */
    uint16_t time_q;     /* or-ed into TIME_Q */
    uint16_t spoil[125]; /* xor-ed onto the answer to the next read of kind spoil_kind */
    int spoil_kind, spoil_times;
    struct gw_relay r;
    struct lg_relay relay;
    struct world_kept kept[WORLD_MAX_KEPT];
    unsigned nkept, nlive, njobs, asked[GW_READ_COUNT];
    int state;
} world;

/* The relay has run for two minutes, then the gateway starts 25 s into WORLD_M0. A cmocka setup. */
int world_setup(void **state);
/* The relay restarts now, and its connections are gone. */
void world_relay_boot(uint32_t boot_id);
void world_gateway_start(sg_ms max_future_ms);
/* Time passes, and nobody asks. */
void world_pass(sg_ms ms);
/* The gateway does its work until its wall clock shows this. */
void world_run_until(sg_ms wall);
/* ms after the start of WORLD_M0 + minute. */
sg_ms world_at(int minute, sg_ms ms);
/* The n-th outcome is this gap; this body. */
void world_gap(unsigned n, int minute, enum lg_reason reason);
void world_body(unsigned n, int minute, unsigned nsamples, unsigned live);

#endif
