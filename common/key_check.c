/* Which 32 bytes may be a gateway's public key: the check that OpenSSL does not make.
 *
 * A key is the y of a point of edwards25519 (RFC 8032 5.1.2), little-endian, with the sign of x in the top bit.
 * Refuses: y >= p (a second spelling of a point), y of no point, and the eight points of order 1, 2, 4, 8, for
 * whose keys everybody can make signatures. Runs when a genesis is read, so plain big numbers are fast enough. */
#include "sg_key.h"

#include <openssl/bn.h>
#include <string.h>

/* p = 2^255 - 19 */
static const char p_hex[] = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";
/* d = -121665/121666 mod p, of -x^2 + y^2 = 1 + d x^2 y^2 */
static const char d_hex[] = "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3";

/* y of the points of small order: 0 (order 4), 1 (the neutral element), -1 (order 2), and the two of order 8.
 * x and -x share a y, so with either sign bit these five are all eight points. */
static const char *const small_order_hex[] = {"0", "1",
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec",
    "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
    "7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7"};

struct field {
    BN_CTX *ctx;
    BIGNUM *p, *d, *y, *y2, *u, *v, *e, *t;
};

static int field_init(struct field *f)
{
    memset(f, 0, sizeof *f);
    f->ctx = BN_CTX_new();
    if (!f->ctx)
        return SG_ENOMEM;
    BN_CTX_start(f->ctx);
    f->p = BN_CTX_get(f->ctx);
    f->d = BN_CTX_get(f->ctx);
    f->y = BN_CTX_get(f->ctx);
    f->y2 = BN_CTX_get(f->ctx);
    f->u = BN_CTX_get(f->ctx);
    f->v = BN_CTX_get(f->ctx);
    f->e = BN_CTX_get(f->ctx);
    f->t = BN_CTX_get(f->ctx);
    if (!f->t || !BN_hex2bn(&f->p, p_hex) || !BN_hex2bn(&f->d, d_hex))
        return SG_ENOMEM;
    return 0;
}

static void field_fini(struct field *f)
{
    if (f->ctx)
        BN_CTX_end(f->ctx);
    BN_CTX_free(f->ctx);
}

/* y of the encoding, the sign of x left out. */
static int load_y(struct field *f, const uint8_t pub[static SG_PUBLIC_KEY_BYTES])
{
    uint8_t y[SG_PUBLIC_KEY_BYTES];

    memcpy(y, pub, sizeof y);
    y[31] &= 0x7f;
    return BN_lebin2bn(y, sizeof y, f->y) ? 0 : SG_ENOMEM;
}

static int check_small_order(struct field *f)
{
    for (size_t i = 0; i < SG_ARRAY_LEN(small_order_hex); i++) {
        if (!BN_hex2bn(&f->t, small_order_hex[i]))
            return SG_ENOMEM;
        if (BN_cmp(f->y, f->t) == 0)
            return SG_EINVAL;
    }
    return 0;
}

/* RFC 8032 5.1.3: x^2 = u/v, u = y^2 - 1, v = d y^2 + 1. v is never 0 for -1/d is no square, and u is not 0
 * here, so a root exists exactly when (u v)^((p-1)/2) = 1 (Euler; u/v and u v differ by the square v^2). */
static int check_on_curve(struct field *f)
{
    bool ok = BN_mod_sqr(f->y2, f->y, f->p, f->ctx) && BN_copy(f->u, f->y2) && BN_sub_word(f->u, 1) &&
              BN_mod_mul(f->v, f->y2, f->d, f->p, f->ctx) && BN_add_word(f->v, 1) &&
              BN_mod_mul(f->t, f->u, f->v, f->p, f->ctx) && BN_rshift1(f->e, f->p) &&
              BN_mod_exp(f->t, f->t, f->e, f->p, f->ctx);

    if (!ok)
        return SG_ENOMEM;
    return BN_is_one(f->t) ? 0 : SG_EINVAL;
}

int sg_public_key_check(const uint8_t pub[static SG_PUBLIC_KEY_BYTES])
{
    struct field f;
    int err = field_init(&f);

    if (!err)
        err = load_y(&f, pub);
    if (!err && BN_cmp(f.y, f.p) >= 0)
        err = SG_EINVAL;
    if (!err)
        err = check_small_order(&f);
    if (!err)
        err = check_on_curve(&f);
    field_fini(&f);
    return err;
}
