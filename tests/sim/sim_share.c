/* Decoded documents by their bytes, with a count of users.
 *
 * Invariant: a document is in the table of bytes and in that of addresses, or in neither; idle ones (no user) are kept up to MAX_IDLE, the
 * one idle for longest goes first. A document that does not decode is not kept: whoever asks again decodes it again. */
#include "tests/sim/sim_share.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_fast.h"
#include "tests/sim/sim_wrap.h"

#define MAX_IDLE 64
#define BUCKETS  (1u << 12)

struct sim_shared {
    struct sim_shared *next_key, *next_at; /* of the same bucket */
    struct sim_shared *older, *newer;      /* idle ones */
    struct lg_hash key;
    void *document;
    unsigned users;
    enum sim_kind kind;
};
static struct sim_shared *by_key[BUCKETS], *by_at[BUCKETS];
static struct sim_shared *oldest, *newest;
static size_t nidle, nshared;
static bool share_documents = true;

void sim_share_documents(bool shared)
{
    share_documents = shared;
}

bool sim_share_is_on(void)
{
    return share_documents;
}

static struct sim_shared **bucket_of_key(const struct lg_hash *key)
{
    uint64_t w;
    memcpy(&w, key->b, sizeof w);
    return &by_key[w % BUCKETS];
}

static struct sim_shared **bucket_at(const void *document)
{
    return &by_at[((uintptr_t)document * K1 >> 40) % BUCKETS];
}

/* ---- the product's functions ---- */

static int decode(enum sim_kind kind, void **out, const uint8_t *doc, size_t len)
{
    struct lg_block *block = NULL;
    struct lg_statement *statement = NULL;
    struct lg_body *body = NULL;
    int err = 0;
    switch (kind) {
    case SIM_KIND_BLOCK:
        err = __real_lg_block_decode(&block, doc, len);
        *out = block;
        break;
    case SIM_KIND_STATEMENT:
        err = __real_lg_statement_decode(&statement, doc, len);
        *out = statement;
        break;
    case SIM_KIND_BODY:
        err = __real_lg_body_decode(&body, doc, len);
        *out = body;
        break;
    }
    return err;
}

static void release(enum sim_kind kind, void *document)
{
    switch (kind) {
    case SIM_KIND_BLOCK:
        __real_lg_block_free(document);
        break;
    case SIM_KIND_STATEMENT:
        __real_lg_statement_free(document);
        break;
    case SIM_KIND_BODY:
        __real_lg_body_free(document);
        break;
    }
}

/* ---- users ---- */

static void leave_idle(struct sim_shared *x)
{
    *(x->older != NULL ? &x->older->newer : &oldest) = x->newer;
    *(x->newer != NULL ? &x->newer->older : &newest) = x->older;
    x->older = x->newer = NULL;
    nidle--;
}

static void become_idle(struct sim_shared *x)
{
    x->older = newest;
    *(newest != NULL ? &newest->newer : &oldest) = x;
    newest = x;
    nidle++;
}

static void forget(struct sim_shared *x)
{
    struct sim_shared **p = bucket_of_key(&x->key);
    leave_idle(x);
    while (*p != x)
        p = &(*p)->next_key;
    *p = x->next_key;
    for (p = bucket_at(x->document); *p != x;)
        p = &(*p)->next_at;
    *p = x->next_at;
    release(x->kind, x->document);
    free(x);
    nshared--;
}

static struct sim_shared *keep(enum sim_kind kind, const struct lg_hash *key, void *document)
{
    struct sim_shared *x = calloc(1, sizeof *x);
    if (x == NULL)
        abort();
    *x = (struct sim_shared){.key = *key, .document = document, .users = 1, .kind = kind};
    x->next_key = *bucket_of_key(key);
    *bucket_of_key(key) = x;
    x->next_at = *bucket_at(document);
    *bucket_at(document) = x;
    nshared++;
    return x;
}

struct sim_shared *sim_shared_take(
    enum sim_kind kind, int *err, const uint8_t *doc, size_t len, const struct lg_hash *leaf)
{
    struct lg_hash key;
    void *document = NULL;
    *err = 0;
    if (leaf != NULL)
        key = *leaf;
    else if (kind == SIM_KIND_BLOCK)
        fast_of(key.b, doc, len);
    else
        lg_hash_leaf(&key, doc, len);
    for (struct sim_shared *x = *bucket_of_key(&key); x != NULL; x = x->next_key)
        if (x->kind == kind && memcmp(&x->key, &key, sizeof key) == 0)
            return sim_shared_ref(x);
    *err = decode(kind, &document, doc, len);
    return *err != 0 ? NULL : keep(kind, &key, document);
}

struct sim_shared *sim_shared_ref(struct sim_shared *x)
{
    if (x->users++ == 0)
        leave_idle(x);
    return x;
}

void sim_shared_drop(struct sim_shared *x)
{
    if (x == NULL || --x->users > 0)
        return;
    become_idle(x);
    if (nidle > MAX_IDLE)
        forget(oldest);
}

void *sim_shared_document(struct sim_shared *x)
{
    return x->document;
}

void sim_share_clear(void)
{
    while (oldest != NULL)
        forget(oldest);
    if (nshared > 0)
        abort();
    sim_known_clear();
}

/* ---- in the place of the product's ---- */

static int decode_once(enum sim_kind kind, void **out, const uint8_t *doc, size_t len)
{
    int err = 0;
    if (!share_documents)
        return decode(kind, out, doc, len);
    struct sim_shared *x = sim_known_document(kind, doc, len);
    if (x == NULL)
        x = sim_shared_take(kind, &err, doc, len, NULL);
    if (x == NULL)
        return err;
    *out = x->document;
    return 0;
}

int __wrap_lg_block_decode(struct lg_block **out, const uint8_t *doc, size_t len)
{
    void *p = NULL;
    int err = decode_once(SIM_KIND_BLOCK, &p, doc, len);
    if (err == 0)
        *out = p;
    return err;
}

int __wrap_lg_statement_decode(struct lg_statement **out, const uint8_t *doc, size_t len)
{
    void *p = NULL;
    int err = decode_once(SIM_KIND_STATEMENT, &p, doc, len);
    if (err == 0)
        *out = p;
    return err;
}

int __wrap_lg_body_decode(struct lg_body **out, const uint8_t *doc, size_t len)
{
    void *p = NULL;
    int err = decode_once(SIM_KIND_BODY, &p, doc, len);
    if (err == 0)
        *out = p;
    return err;
}

static void give_back(enum sim_kind kind, void *document)
{
    struct sim_shared *x = document == NULL ? NULL : *bucket_at(document);
    while (x != NULL && x->document != document)
        x = x->next_at;
    if (x == NULL)
        release(kind, document);
    else
        sim_shared_drop(x);
}

void __wrap_lg_block_free(struct lg_block *b)
{
    give_back(SIM_KIND_BLOCK, b);
}

void __wrap_lg_statement_free(struct lg_statement *s)
{
    give_back(SIM_KIND_STATEMENT, s);
}

void __wrap_lg_body_free(struct lg_body *b)
{
    give_back(SIM_KIND_BODY, b);
}
