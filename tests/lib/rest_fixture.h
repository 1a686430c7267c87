/* A REST server over the store of store_fixture.h, a node that exists only in the test, and a client. Faults end the test. */
#ifndef TEST_REST_FIXTURE_H
#define TEST_REST_FIXTURE_H

#include <pthread.h>

#include "ledger/rest.h"
#include "sg_queue.h"
#include "tests/lib/store_fixture.h"

struct rest_fixture {
    struct fixture f;
    struct lg_rest *rest;
    struct lg_rest_node node;
    struct sg_clock clock;
    struct sg_http_client *client;
    /* what the node says */
    struct lg_rest_snapshot snapshot;
    struct lg_node_relay_state relay; /* of relay 0, when its id is set */
    /* what the node answers to offers, from a thread of its own as the chain thread does */
    struct sg_queue *queue;
    pthread_t chain;
    int offer_err, block_err;
    struct lg_offer offer;
    enum lg_block_verdict verdict;
    size_t offered_len;  /* bytes of the body that was offered last */
    struct sg_buf built; /* the block that was built of a sketch last; written before the answer */
    /* the answer to the last call */
    struct sg_http_answer answer;
    json_t *json; /* NULL when the answer is none */
};

void rest_init(struct rest_fixture *r, int64_t height);
void rest_fini(struct rest_fixture *r);
/* For cmocka: *state is a fixture of its own with FIXTURE_BLOCKS blocks, or none. */
int rest_setup(void **state);
int rest_setup_empty(void **state);
int rest_teardown(void **state);
/* GET; returns the status. The answer is kept until the next call. */
int rest_get(struct rest_fixture *r, const char *path);
/* The body of the last answer as a string; caller frees. */
char *rest_text(const struct rest_fixture *r);
int rest_get_as(struct rest_fixture *r, const char *path, const char *accept);
int rest_post(struct rest_fixture *r, const char *path, const void *body, size_t len);
/* GET, must be 200 and JSON with exactly these keys. */
json_t *rest_json(struct rest_fixture *r, const char *path, const char *const *keys, size_t n);
void assert_keys(const json_t *object, const char *const *keys, size_t n);
/* GET, must be a problem document with this code and its status. */
void assert_problem(struct rest_fixture *r, const char *path, int err);

#endif
