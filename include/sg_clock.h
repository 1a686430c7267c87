/* Time as an argument: the wall clock for dates, the monotonic clock for durations, one vtable for both.
 *
 * The real clock may be virtual: GRIDWITNESS_CLOCK=<virtual_ms>@<real_ms>x<speed> makes
 * wall = virtual_ms + (real_now_ms - real_ms) * speed. Deadlines of I/O stay real (mono_ms).
 * Thread: any, after sg_clock_init. */
#ifndef SG_CLOCK_H
#define SG_CLOCK_H

#include "sg_err.h"
#include "sg_types.h"

#define SG_CLOCK_ENV "GRIDWITNESS_CLOCK"
/* No wait is shorter than this, however fast the virtual clock runs. */
#define SG_CLOCK_MIN_WAIT_MS 20

struct sg_clock {
    sg_ms (*wall_ms)(const struct sg_clock *c); /* UTC, virtual if so set */
    sg_ms (*mono_ms)(const struct sg_clock *c); /* real, monotonic, origin arbitrary: deadlines of I/O */
    sg_ms (*run_ms)(const struct sg_clock *c);  /* monotonic at the speed of wall_ms, origin arbitrary */
    bool is_virtual;
    int64_t speed_milli; /* 1000 = real time */
    sg_ms virtual_ms;    /* wall at real_ms, when is_virtual */
    sg_ms real_ms;
    void *ctx; /* for other implementations (tests, simulator) */
};

/* The clock of this machine; spec is the value of GRIDWITNESS_CLOCK or NULL.
 * Returns SG_ECONFIG and fills fault for a malformed spec (speed: 0.001 .. 1000, three decimals at most). */
SG_MUST_USE int sg_clock_init(struct sg_clock *c, const char *spec, struct sg_fault *fault);

/* Real milliseconds to sleep until wall_ms() reaches until_ms, at least SG_CLOCK_MIN_WAIT_MS if in the
 * future, 0 if it has come. */
sg_ms sg_clock_wait_ms(const struct sg_clock *c, sg_ms until_ms);

#endif
