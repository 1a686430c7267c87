/* Decoders when memory runs out: the n-th allocation fails, for every n, and nothing is left behind.
 *
 * run-tests: no valgrind (it puts its own malloc in front of the one here, which is the one that fails) */
#include "ledger/core/proof.h"
#include "ledger/core/validity.h"
#include "tests/lib/mem_view.h"
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAN_INTERPOSE 0 /* the sanitizer owns malloc */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CAN_INTERPOSE 0
#endif
#endif
#ifndef CAN_INTERPOSE
#define CAN_INTERPOSE 1
#endif

#if CAN_INTERPOSE
/* glibc's own names: this program's malloc stands in front of them. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

static bool armed;
static unsigned left, failed; /* allocations until one fails; how many did */
static long live;

static bool refuse(void)
{
    if (!armed || left-- > 0)
        return false;
    failed++;
    left = 0; /* and all later ones too */
    return true;
}

void *malloc(size_t n)
{
    void *p = refuse() ? NULL : __libc_malloc(n);

    live += armed && p;
    return p;
}

void *calloc(size_t n, size_t size)
{
    void *p = refuse() ? NULL : __libc_calloc(n, size);

    live += armed && p;
    return p;
}

void *realloc(void *old, size_t n)
{
    void *p = refuse() ? NULL : __libc_realloc(old, n);

    live += armed && p && !old;
    return p;
}

void free(void *p)
{
    live -= armed && p;
    __libc_free(p);
}

struct input {
    uint8_t *doc;
    size_t len;
    struct lg_genesis *g;
    struct lg_block *block;
};

typedef int run_fn(const struct input *in);

static int fake_verify(const uint8_t *pub, const uint8_t *sig, const void *msg, size_t len)
{
    (void)pub;
    (void)sig;
    (void)msg;
    (void)len;
    return 0;
}

static int fake_key_check(const uint8_t *pub)
{
    (void)pub;
    return 0;
}

/* OpenSSL allocates too, and translates its own failures; here only ours are wanted. */
static const struct sg_crypto fake = {fake_verify, fake_key_check};

static int run_genesis(const struct input *in)
{
    struct lg_genesis *g = NULL;
    int err = lg_genesis_decode(&g, in->doc, in->len, &fake);

    lg_genesis_free(g);
    return err;
}

static int run_statement(const struct input *in)
{
    struct lg_statement *s = NULL;
    int err = lg_statement_decode(&s, in->doc, in->len);

    lg_statement_free(s);
    return err;
}

static int run_body(const struct input *in)
{
    struct lg_body *b = NULL;
    int err = lg_body_decode(&b, in->doc, in->len);

    lg_body_free(b);
    return err;
}

static int run_block(const struct input *in)
{
    struct lg_block *b = NULL;
    int err = lg_block_decode(&b, in->doc, in->len);

    lg_block_free(b);
    return err;
}

static int run_check(const struct input *in)
{
    struct lg_rules rules = {.genesis = in->g, .crypto = &fake};
    struct mem_tree tree;
    struct mem_branch branch = {&tree, -1};
    struct lg_view view;

    mem_tree_init(&tree, in->g);
    mem_branch_view(&view, &branch);
    return lg_block_check(&rules, in->block, &tree.root, &view, -1);
}

/* Fail the 1st, 2nd, ... allocation until one run needs no more; each run before it says SG_ENOMEM and leaks nothing. */
static void fail_each_allocation(const struct input *in, run_fn *run, unsigned at_least)
{
    unsigned n = 0;
    int err;

    for (;; n++) {
        failed = 0;
        live = 0;
        left = n;
        armed = true;
        err = run(in);
        armed = false;
        assert_int_equal(live, 0);
        if (failed == 0)
            break;
        assert_code(err, SG_ENOMEM);
    }
    assert_code(err, 0);
    assert_true(n >= at_least); /* the fault was injected */
}

/* Every decoder, and the check of a block, on a document of the worked chain. */
static void decoders_report_missing_memory(void **state)
{
    json_t *chain = vec_load("chain.json");
    json_t *block = vec_get(json_array_get(vec_get(chain, "blocks"), 0), "block");
    struct input in = {0};

    (void)state;
    in.doc = vec_bytes(vec_get(chain, "genesis"), &in.len);
    fail_each_allocation(&in, run_genesis, 3);
    free(in.doc);
    in.doc = vec_bytes(json_array_get(vec_get(block, "statements"), 0), &in.len);
    fail_each_allocation(&in, run_statement, 2);
    free(in.doc);
    in.doc = vec_bytes(json_array_get(vec_get(block, "bodies"), 0), &in.len);
    fail_each_allocation(&in, run_body, 2);
    free(in.doc);
    in.doc = vec_bytes(block, &in.len);
    fail_each_allocation(&in, run_block, 3);
    in.g = vec_genesis(vec_get(chain, "genesis"));
    in.block = vec_block(block);
    fail_each_allocation(&in, run_check, 4);
    free(in.doc);
    lg_block_free(in.block);
    lg_genesis_free(in.g);
    json_decref(chain);
}
#else
static void decoders_report_missing_memory(void **state)
{
    (void)state;
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoders_report_missing_memory),
    };

    return cmocka_run_group_tests_name("decode_alloc", tests, NULL, NULL);
}
