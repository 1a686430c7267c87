/* Civil dates of the proleptic Gregorian calendar in UTC, without the C library's zone tables. Pure. */
#ifndef SG_TIME_H
#define SG_TIME_H

#include "sg_types.h"

struct sg_civil {
    int year, month, day; /* 1970.., 1..12, 1..31 */
    int hour, minute, second, ms;
};

/* Date and time of an instant 0 <= ms < SG_MS_END shifted by offset_min minutes (a zone). */
void sg_civil_of_ms(struct sg_civil *out, sg_ms ms, int offset_min);
/* "2025-11-24T16:01:00.000Z"; dst holds at least SG_RFC3339_SIZE bytes. */
#define SG_RFC3339_SIZE 32
void sg_rfc3339_of_ms(char *dst, sg_ms ms);
/* RFC 3339 date-time with Z or ±hh:mm, seconds required, fraction optional (to ms, rest cut).
 * A leap second (:60) has no ms of its own and is refused. SG_EINVAL otherwise. */
SG_MUST_USE int sg_ms_of_rfc3339(sg_ms *out, const char *src, size_t len);

#endif
