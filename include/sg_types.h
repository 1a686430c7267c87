/* The scalar types and attributes that every folder shares. */
#ifndef SG_TYPES_H
#define SG_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every function that can fail returns int: 0, or a negative code of sg_err.h. */
#define SG_MUST_USE          __attribute__((warn_unused_result))
#define SG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Milliseconds since 1970-01-01T00:00:00Z, or a duration in milliseconds. */
typedef int64_t sg_ms;
/* floor(sg_ms / 60000): a UTC minute. */
typedef int64_t sg_minute;

/* First instant that no document may carry: 0 <= ms < SG_MS_END (year 9999 ends there). */
#define SG_MS_END     INT64_C(253402300800000)
#define SG_MINUTE_MS  INT64_C(60000)
#define SG_MINUTE_END (SG_MS_END / SG_MINUTE_MS)

#define SG_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
