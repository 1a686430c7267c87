/* Inside of the store in memory (mem_store.c, mem_store_read.c, mem_store_write.c). */
#ifndef TEST_MEM_STORE_PRIV_H
#define TEST_MEM_STORE_PRIV_H

#include "tests/lib/mem_shelf.h"
#include "tests/lib/mem_store.h"

#define MAX_EVIDENCE 64

struct mem_block {
    struct mem_page *page;
    bool best;
    unsigned number;                   /* in the order in which they came */
    int64_t bytes;                     /* of its header and its documents */
    struct mem_block *sibling, *child; /* newest first */
};

struct mem_gateway {
    struct lg_statement_ref *mined; /* by height */
    size_t n, cap;
    unsigned evidence;
    bool most_known; /* the greatest of what is pooled */
    sg_ms most_inc;
    sg_minute most_slot;
    int64_t side_bytes; /* of what it mined and is not on the best branch */
};

enum mem_undo_kind {
    UNDO_DOC,
    UNDO_MARK,
    UNDO_BLOCK,
    UNDO_PUSH,
    UNDO_POP,
    UNDO_MINED,
    UNDO_UNMINED,
    UNDO_DROP,
    UNDO_GONE
};
struct mem_undo {
    enum mem_undo_kind kind;
    struct mem_doc *doc;
    struct mem_block *block;
    struct mem_block **at; /* UNDO_DROP: the link that led to it */
    enum lg_doc_state mark;
    int64_t height;
    unsigned evidence_gw; /* index + 1 when the document made a pair */
    unsigned gw;
    struct lg_statement_ref ref;
};

struct mem_store {
    struct lg_store vtable;
    const struct lg_genesis *g;
    struct mem_shelf *shelf;
    bool own_shelf;
    unsigned number; /* on the shelf */
    unsigned arrivals, nput;
    struct lg_map blocks, pooled;
    struct mem_block *root_child;
    struct mem_block **best; /* [height - 1] */
    size_t nbest, cap_best;
    struct mem_gateway gw[LG_MAX_GATEWAYS];
    struct mem_undo *undo;
    size_t nundo, cap_undo;
    size_t
        mark; /* entries of undo below it belong to transactions that are committed and not synced (lazy) */
    bool writing;
    uint64_t calls, failures, commits, fail_at;
    int fail_err;
    bool fail_forever;
    bool full, lazy, retries, keeps, peeking; /* mem_store_fault.c */
    int64_t forgets;                          /* after so many confirmations; 0: never */
    bool forgets_bodies;
    size_t tall;           /* nbest when the transaction began */
    uint64_t tear_in, lot; /* commits until the power goes; 0: it stays */
    bool torn, rips;
    size_t *ends; /* in undo, of the transactions that are committed and not synced */
    size_t nends, cap_ends;
    uint64_t facts; /* a sum over all that is in it, whatever the order */
    uint64_t facts_synced, facts_torn;
};

/* Counts the call; the failure that was asked for. */
#define ENTER(s)                                                                                             \
    do {                                                                                                     \
        int enter_err = mem_enter(s);                                                                        \
        if (enter_err != 0)                                                                                  \
            return enter_err;                                                                                \
    } while (0)

/* The same for a call that needs room on the disk. */
#define ENTER_WRITE(s)                                                                                       \
    do {                                                                                                     \
        int enter_err = mem_enter_write(s);                                                                  \
        if (enter_err != 0)                                                                                  \
            return enter_err;                                                                                \
    } while (0)

int mem_enter(struct mem_store *s);
int mem_enter_write(struct mem_store *s);
void *mem_must(void *p);
void mem_must_put(struct lg_map *m, const struct lg_hash *key, void *value);
unsigned mem_gw_index(const struct mem_store *s, lg_kid gw);
struct mem_undo *mem_log_undo(struct mem_store *s, enum mem_undo_kind kind);
void mem_set_state(struct mem_store *s, struct mem_doc *d, enum lg_doc_state mark, int64_t height);
/* What a fact adds to the sum. */
uint64_t mem_fact(const struct lg_hash *of, uint64_t kind, uint64_t value);
/* What a document, as it stands, adds. */
uint64_t mem_doc_fact(const struct mem_doc *d);
/* A transaction is committed and not synced. */
void mem_note_end(struct mem_store *s);
/* The power goes in this commit: true. */
bool mem_tears(struct mem_store *s);
/* NULL: not in this store. */
struct mem_doc *mem_find(struct mem_store *s, bool is_body, const struct lg_hash *leaf);
void mem_add_statement(struct mem_store *s, const struct lg_statement *st, enum lg_doc_state mark);
void mem_add_body(struct mem_store *s, const struct lg_body *b, enum lg_doc_state mark);
struct mem_block **mem_children_of(struct mem_store *s, const struct lg_hash *prev);
/* Its part of facts. */
uint64_t mem_doc_fact(const struct mem_doc *d);
void mem_push_best(struct mem_store *s, struct mem_block *b);
void mem_pop_best(struct mem_store *s);
void mem_push_mined(struct mem_store *s, unsigned gw, const struct lg_statement_ref *ref);
struct lg_statement_ref mem_pop_mined(struct mem_store *s, unsigned gw);
/* How much of undo is on the disk after a crash. */
size_t mem_survives(struct mem_store *s);
/* Undo what came after the mark: the running transaction (s->mark), or all that is not synced (0). */
void mem_undo_to(struct mem_store *s, size_t mark);
/* Nothing is undone any more: what was given up (mem_store_side.c) goes. */
void mem_forget_undo(struct mem_store *s);
void mem_undo_side(struct mem_store *s, struct mem_undo *u);
/* Fill their parts of the vtable. */
void mem_fill_side(struct lg_store *v);
void mem_fill_read(struct lg_store *v);
void mem_fill_write(struct lg_store *v);

#endif
