/* A Modbus/TCP relay that misbehaves as told, in a thread of its own on a free port of 127.0.0.1. */
#ifndef TESTS_LIB_BAD_RELAY_H
#define TESTS_LIB_BAD_RELAY_H

#include <stdatomic.h>
#include <stdint.h>
#include <pthread.h>

enum bad_relay_behaviour {
    BAD_RELAY_GOOD,
    BAD_RELAY_GOOD_THEN_CLOSE,
    BAD_RELAY_SILENT,
    BAD_RELAY_DRIP,        /* a byte each 40 ms */
    BAD_RELAY_DRIP_HEADER, /* the MBAP drips, the rest never comes */
    BAD_RELAY_LATE,        /* the previous answer first, then the right one */
    BAD_RELAY_TWICE,
    BAD_RELAY_BEFORE, /* an answer on accept, before any request */
    BAD_RELAY_OTHER_TID,
    BAD_RELAY_OTHER_UNIT,
    BAD_RELAY_PROTOCOL_1,
    BAD_RELAY_LENGTH_MORE,
    BAD_RELAY_LENGTH_LESS,
    BAD_RELAY_EXCEPTION_2,
    BAD_RELAY_EXCEPTION_0,
    BAD_RELAY_EXCEPTION_OTHER,
    BAD_RELAY_COUNT_0,
    BAD_RELAY_COUNT_ODD,
    BAD_RELAY_COUNT_255,
    BAD_RELAY_QUANTITY_LESS,
    BAD_RELAY_CLOSE,
    BAD_RELAY_CLOSE_INSIDE,
    BAD_RELAY_RESET,
    BAD_RELAY_RESET_INSIDE,
    BAD_RELAY_ZEROS,
};

struct bad_relay {
    int fd;
    uint16_t port;
    _Atomic int behaviour; /* enum bad_relay_behaviour, of the requests to come */
    _Atomic unsigned accepted;
    pthread_t thread;
};

/* Both end the test when they cannot do it. Registers hold their own addresses. */
void bad_relay_start(struct bad_relay *s);
void bad_relay_stop(struct bad_relay *s);

#endif
