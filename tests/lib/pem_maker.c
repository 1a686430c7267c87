#include "tests/lib/pem_maker.h"
#include "sg_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

void unhex(uint8_t *dst, size_t n, const char *hex)
{
    assert_int_equal(sg_hex_decode(dst, n, hex, strlen(hex)), 0);
}

void pem_of_seed(char *pem, const char *seed_hex)
{
    char base64[65];
    uint8_t der[48];

    unhex(der, 16, "302e020100300506032b657004220420");
    unhex(der + 16, 32, seed_hex);
    sg_base64_encode(base64, der, sizeof der);
    assert_int_equal(
        snprintf(pem, PEM_BYTES + 1, "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n", base64),
        PEM_BYTES);
}
