/* Ed25519 keys as PEM text, as `openssl genpkey` writes them, from seeds. Faults end the test (cmocka asserts). */
#ifndef TEST_PEM_MAKER_H
#define TEST_PEM_MAKER_H

#include <stddef.h>
#include <stdint.h>

#define PEM_BYTES 119 /* what openssl genpkey writes for Ed25519 */
#define SEED1     "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60" /* RFC 8032 7.1, test 1 */

void unhex(uint8_t *dst, size_t n, const char *hex);
/* The PEM text of a seed; pem holds PEM_BYTES + 1. */
void pem_of_seed(char *pem, const char *seed_hex);

#endif
