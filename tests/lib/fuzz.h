/* What every fuzz target defines: one call with arbitrary bytes. It returns 0, or ends the process by assert when
 * a property is broken; it keeps nothing between calls. */
#ifndef TESTS_LIB_FUZZ_H
#define TESTS_LIB_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* data: borrowed for the call, exactly size bytes (NULL only when size is 0). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
