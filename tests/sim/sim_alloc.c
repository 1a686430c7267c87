/* Memory for simulations on the command line: lists of free pieces by size, in one large reservation, in the place of malloc for all that is
 * linked into test_sim (--wrap, see the Makefile). Never with a sanitizer, which wants to see every call.
 *
 * Invariant: a page holds pieces of one class, so a piece needs no header and its address tells its size. Whatever was not handed out
 * here (before sim_alloc_start, by a library, too large for a page) goes to the C library. One thread. */
#include "tests/sim/sim_alloc.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RESERVED   (UINT64_C(1) << 36)
#define PAGE_SHIFT 16
#define PAGE       (UINT64_C(1) << PAGE_SHIFT)
#define SMALL      1024 /* classes in steps of 16 up to here, then four a doubling */
#define LARGEST    16384
#define CLASSES    (SMALL / 16 + 4 * 4 + 1)

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

struct piece {
    struct piece *next;
};
static uint8_t *base, *fresh; /* fresh: pages from here on have never been used */
static struct piece *spare[CLASSES];
static uint8_t *next[CLASSES], *last[CLASSES]; /* of the class's newest page, what is left */
static size_t in_use;
static uint8_t class_of_page[RESERVED >> PAGE_SHIFT];

#if defined __has_feature
#define FEATURE(x) __has_feature(x)
#else
#define FEATURE(x) 0
#endif
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__ || FEATURE(address_sanitizer) ||             \
    FEATURE(thread_sanitizer)
#define SANITIZED true
#else
#define SANITIZED false
#endif

bool sim_alloc_start(void)
{
    if (SANITIZED)
        return false;
    void *p =
        mmap(NULL, RESERVED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return false;
    base = fresh = p;
    (void)madvise(p, RESERVED, MADV_HUGEPAGE); /* a hint */
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 30);  /* large pieces are used again, not given back */
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
    return true;
}

static bool ours(const void *p)
{
    return base != NULL && (const uint8_t *)p >= base && (const uint8_t *)p < fresh;
}

static unsigned class_of(size_t n)
{
    if (n <= SMALL)
        return n == 0 ? 0 : (unsigned)((n - 1) / 16);
    unsigned doubling = 0;
    while ((size_t)SMALL << (doubling + 1) < n)
        doubling++;
    size_t low = (size_t)SMALL << doubling;
    return SMALL / 16 + doubling * 4 + (unsigned)((n - low - 1) / (low / 4));
}

static size_t size_of(unsigned class)
{
    if (class < SMALL / 16)
        return (class + 1u) * 16u;
    unsigned k = class - SMALL / 16;
    size_t low = (size_t)SMALL << k / 4;
    return low + (k % 4 + 1) * (low / 4);
}

/* The next unused piece of the class: in the order of addresses. */
static void *fresh_piece(unsigned class)
{
    size_t size = size_of(class);
    if (next[class] == NULL || (uint64_t)(last[class] - next[class]) < size) {
        if (fresh + PAGE > base + RESERVED)
            abort();
        next[class] = fresh;
        last[class] = fresh += PAGE;
        class_of_page[(size_t)(next[class] - base) >> PAGE_SHIFT] = (uint8_t) class;
    }
    void *p = next[class];
    next[class] += size;
    return p;
}

static void *piece(size_t n)
{
    unsigned class = class_of(n);
    struct piece *p = spare[class];
    in_use++;
    if (p == NULL)
        return fresh_piece(class);
    spare[class] = p->next;
    return p;
}

void sim_alloc_again(void)
{
    if (base == NULL || in_use > 0)
        return;
    fresh = base;
    memset(spare, 0, sizeof spare);
    memset(next, 0, sizeof next);
}

static unsigned class_at(const void *p)
{
    return class_of_page[(size_t)((const uint8_t *)p - base) >> PAGE_SHIFT];
}

void *__wrap_malloc(size_t n)
{
    return base == NULL || n > LARGEST ? __real_malloc(n) : piece(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
    size_t all = count * n;
    if (base == NULL || (n > 0 && all / n != count) || all > LARGEST)
        return __real_calloc(count, n);
    return memset(piece(all), 0, all);
}

void __wrap_free(void *p)
{
    if (!ours(p)) {
        __real_free(p);
        return;
    }
    struct piece *q = p;
    unsigned class = class_at(p);
    q->next = spare[class];
    spare[class] = q;
    in_use--;
}

void *__wrap_realloc(void *p, size_t n)
{
    if (p == NULL)
        return __wrap_malloc(n);
    if (!ours(p))
        return __real_realloc(p, n);
    size_t have = size_of(class_at(p));
    if (n <= have)
        return p;
    void *q = __wrap_malloc(n);
    if (q != NULL) {
        memcpy(q, p, have);
        __wrap_free(p);
    }
    return q;
}
