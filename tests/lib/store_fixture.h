/* A store in a folder of its own, and the worked chain of tests/vectors/chain.json to fill it with. Faults end the test. */
#ifndef TEST_STORE_FIXTURE_H
#define TEST_STORE_FIXTURE_H

#include "ledger/store.h"
#include "tests/lib/vectors.h"

#define FIXTURE_BLOCKS 8

struct fixture {
    char dir[64]; /* removed by fixture_fini */
    json_t *chain;
    struct lg_genesis *g;
    struct lg_block *blocks[FIXTURE_BLOCKS];
    struct lg_block_info info[FIXTURE_BLOCKS + 1]; /* by height; [0] the genesis */
    struct lg_sqlite *db;
    const struct lg_store *s;
};

/* Folder, vectors and an open, empty store. */
void fixture_init(struct fixture *f);
void fixture_fini(struct fixture *f);
/* A cmocka setup, one that leaves the store closed, and the teardown of both: *state is the fixture. */
int fixture_setup(void **state);
int fixture_setup_closed(void **state);
int fixture_teardown(void **state);
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
/* In a child process: open, or _exit(2), for a failed assertion there would be nobody's. */
void fixture_open_in_child(struct fixture *f);
/* The block of a height on the branch in one transaction, odd ones by one call, even ones by two; the first error. */
int fixture_put(struct fixture *f, int64_t h);
/* Of the tip; 0: none. */
int64_t fixture_height(const struct fixture *f);
/* Put and connect blocks first..last (heights), one transaction each. */
void fixture_connect(struct fixture *f, int64_t first, int64_t last);
/* Disconnect from the tip `first` down to `last`. */
void fixture_disconnect(struct fixture *f, int64_t first, int64_t last);
/* The rows that follow from the branch fit it: with all blocks taken off and put on again they are the same. */
void fixture_check_rows(struct fixture *f);
/* Every row of every table as text, in the order of all columns; free() when done. */
char *fixture_dump(const struct fixture *f);
/* Remove a folder that holds only files. */
void fixture_remove_dir(const char *dir);

#endif
