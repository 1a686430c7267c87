/* The machine's clocks behind the clock vtable, and the virtual wall clock of demos and tests.
 *
 * Invariant: wall_ms is within 0 .. SG_MS_END - 1 whatever the machine's clock says, so an instant always fits
 * a document. Speed is an integer in thousandths: no floating point decides what time it is.
 * Refuses: a spec that is not exactly <virtual_ms>@<real_ms>x<speed>. */
#include "sg_clock.h"
#include "sg_text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SPEED_REAL INT64_C(1000)
#define SPEED_MAX  INT64_C(1000000) /* 1000 x, in thousandths */

/* Products of two 64-bit durations: 2.5e14 ms x 1e6 thousandths needs 68 bits. */
typedef __int128 wide;

static sg_ms clamp(wide v, sg_ms min, sg_ms max)
{
    return v < min ? min : v > max ? max : (sg_ms)v;
}

/* floor(ms * speed_milli / 1000) */
static wide scaled(wide ms, int64_t speed_milli)
{
    wide v = ms * speed_milli;

    return v / 1000 - (v % 1000 < 0);
}

static sg_ms machine_ms(clockid_t id)
{
    struct timespec t;

    if (clock_gettime(id, &t) != 0)
        assert(!"both clocks exist on every Linux");
    return (sg_ms)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static sg_ms wall_real(const struct sg_clock *c)
{
    (void)c;
    return clamp(machine_ms(CLOCK_REALTIME), 0, SG_MS_END - 1);
}

static sg_ms wall_virtual(const struct sg_clock *c)
{
    wide passed = scaled((wide)machine_ms(CLOCK_REALTIME) - c->real_ms, c->speed_milli);

    return clamp(c->virtual_ms + passed, 0, SG_MS_END - 1);
}

static sg_ms mono(const struct sg_clock *c)
{
    (void)c;
    return machine_ms(CLOCK_MONOTONIC);
}

static sg_ms run(const struct sg_clock *c)
{
    return clamp(scaled(machine_ms(CLOCK_MONOTONIC), c->speed_milli), 0, INT64_MAX);
}

/* "20", "0.5", "1.001" in thousandths: SG_EINVAL for anything else. */
static int parse_speed(int64_t *speed_milli, const char *s, size_t len)
{
    const char *dot = memchr(s, '.', len);
    size_t whole_len = dot ? (size_t)(dot - s) : len;
    size_t frac_len = dot ? len - whole_len - 1 : 0;
    int64_t whole, frac = 0;

    if (sg_i64_parse(&whole, s, whole_len, 0, SPEED_MAX / 1000))
        return SG_EINVAL;
    if (dot && (frac_len < 1 || frac_len > 3))
        return SG_EINVAL;
    for (size_t i = 0; i < 3; i++) { /* "5" counts 500 thousandths */
        char c = i < frac_len ? dot[1 + i] : '0';

        if (c < '0' || c > '9')
            return SG_EINVAL;
        frac = frac * 10 + (c - '0');
    }
    *speed_milli = whole * 1000 + frac;
    return *speed_milli >= 1 && *speed_milli <= SPEED_MAX ? 0 : SG_EINVAL;
}

static int parse_spec(struct sg_clock *c, const char *spec)
{
    const char *at = strchr(spec, '@');
    const char *x = at ? strchr(at, 'x') : NULL;

    if (!x)
        return SG_EINVAL;
    if (sg_i64_parse(&c->virtual_ms, spec, (size_t)(at - spec), 0, SG_MS_END - 1))
        return SG_EINVAL;
    if (sg_i64_parse(&c->real_ms, at + 1, (size_t)(x - at - 1), 0, SG_MS_END - 1))
        return SG_EINVAL;
    return parse_speed(&c->speed_milli, x + 1, strlen(x + 1));
}

int sg_clock_init(struct sg_clock *c, const char *spec, struct sg_fault *fault)
{
    struct sg_clock made = {.wall_ms = wall_real, .mono_ms = mono, .run_ms = run, .speed_milli = SPEED_REAL};

    if (spec) {
        made.wall_ms = wall_virtual;
        made.is_virtual = true;
        if (parse_spec(&made, spec)) {
            fault->err = SG_ECONFIG;
            (void)snprintf(fault->text, sizeof fault->text,
                "environment: " SG_CLOCK_ENV
                ": \"%.100s\" is not <virtual_ms>@<real_ms>x<speed> with a speed of 0.001 to 1000",
                spec);
            return SG_ECONFIG;
        }
    }
    *c = made;
    return 0;
}

sg_ms sg_clock_wait_ms(const struct sg_clock *c, sg_ms until_ms)
{
    wide left = (wide)until_ms - c->wall_ms(c);

    assert(c->speed_milli > 0);
    if (left <= 0)
        return 0;
    /* rounded up: waking a millisecond early would only mean to wait again */
    return clamp((left * 1000 + c->speed_milli - 1) / c->speed_milli, SG_CLOCK_MIN_WAIT_MS, INT64_MAX);
}
