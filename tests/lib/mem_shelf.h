/* Documents and blocks as bytes, once for all stores in memory that stand on one shelf. What a store says of a document (that it is there,
 * pooled, mined) is its own; what the document says is the same for all. One thread for all stores of a shelf. */
#ifndef TEST_MEM_SHELF_H
#define TEST_MEM_SHELF_H

#include "ledger/core/hash_map.h"
#include "ledger/core/store.h"

struct mem_text;

/* A document as one store sees it. */
struct mem_doc {
    const struct mem_text *t;
    int64_t height;         /* 0: not on the best branch */
    unsigned arrival;       /* order in which statements came into the store, from 1 */
    enum lg_doc_state mark; /* SIDE, POOLED, OVERTAKEN; NONE: not there */
};

struct mem_text {
    bool is_body;
    unsigned users;
    struct lg_hash leaf;
    struct lg_statement_ref st; /* of a statement */
    struct lg_body_ref body;    /* of a body */
    struct mem_text *variant;   /* another statement of the same (gw, inc, seq), older */
    size_t len;
    uint8_t *bytes;
    struct mem_doc at[]; /* by the number of the store */
};

struct mem_page {
    unsigned users;
    struct mem_page *next; /* another copy of the same header */
    struct lg_block_info info;
    size_t len;
    uint8_t bytes[];
};

struct mem_shelf {
    struct lg_map texts;  /* leaf -> struct mem_text */
    struct lg_map by_seq; /* mem_shelf_seq_key -> newest variant */
    struct lg_map pages;  /* hash -> struct mem_page */
    unsigned stores, nstores;
    bool taken[64];
};

struct lg_hash mem_shelf_seq_key(lg_kid gw, sg_ms inc, int64_t seq);
/* The text that says this: made when it is new. The caller becomes a user. */
struct mem_text *mem_shelf_statement(struct mem_shelf *s, const struct lg_statement *st);
struct mem_text *mem_shelf_body(struct mem_shelf *s, const struct lg_body *b);
void mem_shelf_drop_text(struct mem_shelf *s, struct mem_text *t);
struct mem_page *mem_shelf_page(
    struct mem_shelf *s, const struct lg_block *b, const struct lg_block_info *info);
void mem_shelf_drop_page(struct mem_shelf *s, struct mem_page *p);

#endif
