/* Civil dates of the proleptic Gregorian calendar.
 *
 * Days are counted in eras of 400 years (146097 days) that begin on 1 March, so that the leap day is the last
 * day of its year; no table and no loop over years. Nothing here reads a clock or the zone data base.
 * Refuses: dates that do not exist (30 February, second 60), instants outside 0 .. SG_MS_END. */
#include "sg_time.h"
#include "sg_err.h"

#include <assert.h>
#include <string.h>

#define DAY_MS       INT64_C(86400000)
#define DAYS_PER_ERA 146097 /* 400*365 + 97 leap days */
#define EPOCH_DAY    719468 /* from 0000-03-01 to 1970-01-01 */

/* Days since 1970-01-01 of a date that exists. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;                                        /* 0..399 */
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5; /* days before the month */

    return era * DAYS_PER_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year + day - 1 - EPOCH_DAY;
}

static void date_of(struct sg_civil *out, int64_t days)
{
    int64_t z = days + EPOCH_DAY;
    int64_t era = (z >= 0 ? z : z - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int64_t of_era = z - era * DAYS_PER_ERA; /* 0..146096 */
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100); /* 0..365, from 1 March */
    int64_t month = (5 * of_year + 2) / 153;                         /* 0 = March */

    out->day = (int)(of_year - (153 * month + 2) / 5 + 1);
    out->month = (int)(month < 10 ? month + 3 : month - 9);
    out->year = (int)(year + era * 400 + (out->month <= 2));
}

void sg_civil_of_ms(struct sg_civil *out, sg_ms ms, int offset_min)
{
    sg_ms local = ms + offset_min * SG_MINUTE_MS;
    int64_t days = local / DAY_MS - (local % DAY_MS < 0);
    int64_t rest = local - days * DAY_MS;

    date_of(out, days);
    out->hour = (int)(rest / 3600000);
    out->minute = (int)(rest / 60000 % 60);
    out->second = (int)(rest / 1000 % 60);
    out->ms = (int)(rest % 1000);
}

static char *put_digits(char *p, int v, int width)
{
    for (int i = width; i-- > 0; v /= 10)
        p[i] = (char)('0' + v % 10);
    return p + width;
}

void sg_rfc3339_of_ms(char *dst, sg_ms ms)
{
    struct sg_civil c;

    assert(ms >= 0 && ms < SG_MS_END);
    sg_civil_of_ms(&c, ms, 0);
    dst = put_digits(dst, c.year, 4);
    *dst++ = '-';
    dst = put_digits(dst, c.month, 2);
    *dst++ = '-';
    dst = put_digits(dst, c.day, 2);
    *dst++ = 'T';
    dst = put_digits(dst, c.hour, 2);
    *dst++ = ':';
    dst = put_digits(dst, c.minute, 2);
    *dst++ = ':';
    dst = put_digits(dst, c.second, 2);
    *dst++ = '.';
    dst = put_digits(dst, c.ms, 3);
    *dst++ = 'Z';
    *dst = 0;
}

/* A cursor over the text; after the first fault it stays failed and reads give 0. */
struct scan {
    const char *p;
    const char *end;
    bool failed;
};

static int scan_number(struct scan *s, int width)
{
    int v = 0;

    if (s->end - s->p < width)
        s->failed = true;
    for (int i = 0; i < width && !s->failed; i++) {
        if (*s->p < '0' || *s->p > '9')
            s->failed = true;
        else
            v = v * 10 + (*s->p++ - '0');
    }
    return s->failed ? 0 : v;
}

/* One character out of set; 0 when there is none. */
static char scan_one_of(struct scan *s, const char *set)
{
    if (s->failed || s->p == s->end || *s->p == 0 || !strchr(set, *s->p)) {
        s->failed = true;
        return 0;
    }
    return *s->p++;
}

/* RFC 3339 5.6 time-secfrac: "." 1*DIGIT, cut to milliseconds; no fraction is 0. */
static int scan_fraction(struct scan *s)
{
    int ms = 0, n = 0;

    if (s->failed || s->p == s->end || *s->p != '.')
        return 0;
    for (s->p++; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++, n++) {
        if (n < 3)
            ms = ms * 10 + (*s->p - '0');
    }
    for (int i = n; i < 3; i++)
        ms *= 10;
    if (n == 0)
        s->failed = true;
    return ms;
}

/* RFC 3339 5.6 time-offset: "Z" or ("+" / "-") hh:mm; minutes east of UTC. */
static int scan_offset(struct scan *s)
{
    char sign = scan_one_of(s, "Zz+-");
    int hour, minute;

    if (sign != '+' && sign != '-')
        return 0;
    hour = scan_number(s, 2);
    scan_one_of(s, ":");
    minute = scan_number(s, 2);
    if (hour > 23 || minute > 59)
        s->failed = true;
    return sign == '-' ? -(hour * 60 + minute) : hour * 60 + minute;
}

static bool date_exists(const struct sg_civil *c)
{
    static const int8_t lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;

    if (c->month < 1 || c->month > 12 || c->day < 1)
        return false;
    return c->day <= lengths[c->month - 1] + (c->month == 2 && leap);
}

static void scan_civil(struct scan *s, struct sg_civil *c)
{
    c->year = scan_number(s, 4);
    scan_one_of(s, "-");
    c->month = scan_number(s, 2);
    scan_one_of(s, "-");
    c->day = scan_number(s, 2);
    scan_one_of(s, "Tt");
    c->hour = scan_number(s, 2);
    scan_one_of(s, ":");
    c->minute = scan_number(s, 2);
    scan_one_of(s, ":");
    c->second = scan_number(s, 2);
    c->ms = scan_fraction(s);
}

int sg_ms_of_rfc3339(sg_ms *out, const char *src, size_t len)
{
    struct scan s = {.p = src, .end = src + len};
    struct sg_civil c;
    int offset_min;
    sg_ms ms;

    scan_civil(&s, &c);
    offset_min = scan_offset(&s);
    if (s.failed || s.p != s.end || !date_exists(&c) || c.hour > 23 || c.minute > 59 || c.second > 59)
        return SG_EINVAL;
    ms = days_of(c.year, c.month, c.day) * DAY_MS + (c.hour * 60 + c.minute - offset_min) * SG_MINUTE_MS +
         c.second * 1000 + c.ms;
    if (ms < 0 || ms >= SG_MS_END)
        return SG_EINVAL;
    *out = ms;
    return 0;
}
