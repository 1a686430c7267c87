/* The hash of simulations: four lanes of multiply and rotate over blocks of 32 bytes, 256 bits. Collisions are out of the question for
 * documents that nobody chooses against it, and a simulated attacker does not. Its state fits into that of SHA-256. */
#ifndef SIM_FAST_H
#define SIM_FAST_H

#include <assert.h>
#include <string.h>

#include "sg_hash.h"

#define K1 UINT64_C(0x9E3779B185EBCA87)
#define K2 UINT64_C(0xC2B2AE3D27D4EB4F)
#define K3 UINT64_C(0x165667B19E3779F9)

struct __attribute__((packed, aligned(4))) fast { /* as far aligned as struct sg_sha256 */
    uint64_t lane[4], total;
    uint8_t rest[32];
};
static_assert(sizeof(struct fast) <= sizeof(struct sg_sha256), "a state fits into the caller's");

static inline uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (-n & 63);
}

static inline void block(struct fast *f, const uint8_t *p)
{
    uint64_t w[4];
    memcpy(w, p, sizeof w);
    for (unsigned i = 0; i < 4; i++)
        f->lane[i] = rotate(f->lane[i] + w[i] * K2, 31) * K1;
}

static inline void fast_init(struct fast *f)
{
    *f = (struct fast){.lane = {K1 + K2, K2, K3, K1 ^ K3}};
}

static inline void fast_update(struct fast *f, const uint8_t *p, size_t n)
{
    size_t have = f->total % 32;
    f->total += n;
    if (have > 0) {
        size_t take = n < 32 - have ? n : 32 - have;
        memcpy(f->rest + have, p, take);
        p += take;
        n -= take;
        if (have + take < 32)
            return;
        block(f, f->rest);
    }
    for (; n >= 32; p += 32, n -= 32)
        block(f, p);
    if (n > 0)
        memcpy(f->rest, p, n);
}

static inline uint64_t avalanche(uint64_t x)
{
    x = (x ^ x >> 32) * K2;
    x = (x ^ x >> 29) * K3;
    return x ^ x >> 32;
}

static inline void fast_final(struct fast *f, uint8_t out[static SG_HASH_BYTES])
{
    uint64_t sum;
    size_t have = f->total % 32;
    memset(f->rest + have, 0, 32 - have);
    block(f, f->rest);
    sum = f->total * K1 + rotate(f->lane[0], 1) + rotate(f->lane[1], 7) + rotate(f->lane[2], 12) +
          rotate(f->lane[3], 18);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t word = avalanche(avalanche(f->lane[i]) + rotate(sum, i * 13));
        memcpy(out + 8 * i, &word, 8);
    }
}

/* All at once. */
static inline void fast_of(uint8_t out[static SG_HASH_BYTES], const void *bytes, size_t n)
{
    struct fast f;
    fast_init(&f);
    fast_update(&f, bytes, n);
    fast_final(&f, out);
}

#endif
