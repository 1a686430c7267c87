/* Log lines on standard error.
 *
 * Invariant: one write(2) a line of at most LINE_MAX_BYTES <= PIPE_BUF bytes, so lines of several threads and
 * processes never mix. What others sent can be in a line: control characters and ill-formed UTF-8 are replaced,
 * so a peer cannot forge a line or drive a terminal. Too long a line is cut and ends with "...".
 * A failed write is ignored: there is nowhere left to report it. */
#include "sg_log.h"
#include "sg_err.h"
#include "sg_text.h"
#include "sg_time.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
static_assert(LINE_MAX_BYTES <= PIPE_BUF, "a line is one atomic write to a pipe");

static const char *const level_names[] = {
    [SG_LOG_ERROR] = "error", [SG_LOG_WARN] = "warn", [SG_LOG_INFO] = "info", [SG_LOG_DEBUG] = "debug"};

/* Process-wide on purpose: written once before threads start, read by all. */
static const struct sg_clock *line_clock;
static enum sg_log_level least_level = SG_LOG_INFO;

void sg_log_init(const struct sg_clock *clock, enum sg_log_level least)
{
    line_clock = clock;
    least_level = least;
}

static sg_ms now_ms(void)
{
    struct sg_clock real;
    struct sg_fault unused;

    if (line_clock)
        return line_clock->wall_ms(line_clock);
    if (sg_clock_init(&real, NULL, &unused))
        assert(!"the real clock needs no spec and cannot fail");
    return real.wall_ms(&real);
}

/* Cut at the end of a whole character, so that a cut line is still UTF-8. */
static size_t cut(const char *text, size_t len)
{
    while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--;
    return len;
}

/* U+0080..U+009F, two bytes C2 80 .. C2 9F: terminals obey these as they do ESC. */
static bool is_c1(const char *p, size_t left)
{
    return left > 1 && (unsigned char)p[0] == 0xC2 && (unsigned char)p[1] < 0xA0;
}

static void clean(char *text, size_t len)
{
    bool utf8 = sg_utf8_valid(text, len);

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == 0x7F || (c >= 0x80 && !utf8)) {
            text[i] = '?';
        } else if (is_c1(text + i, len - i)) {
            text[i] = '?';
            text[++i] = '?';
        }
    }
}

static void write_whole(const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        p += done;
        n -= (size_t)done;
    }
}

void sg_log(enum sg_log_level level, const char *part, const char *fmt, ...)
{
    char line[LINE_MAX_BYTES + 1];
    char when[SG_RFC3339_SIZE];
    size_t head, len, room;
    va_list ap;
    int n, saved_errno = errno;

    if (level > least_level)
        return;
    sg_rfc3339_of_ms(when, now_ms());
    head = (size_t)snprintf(line, sizeof line, "%s %s %.32s: ", when, level_names[level], part);
    room = LINE_MAX_BYTES - head - 1; /* for the text; one byte is the newline's */
    va_start(ap, fmt);
    n = vsnprintf(line + head, room + 1, fmt, ap);
    va_end(ap);
    len = n < 0 ? 0 : (size_t)n;
    if (len > room) {
        len = cut(line + head, room - 3);
        memcpy(line + head + len, "...", 3);
        len += 3;
    }
    clean(line + head, len);
    line[head + len] = '\n';
    write_whole(line, head + len + 1);
    errno = saved_errno; /* callers log first and look at errno later */
}

int sg_log_level_parse(enum sg_log_level *out, const char *name)
{
    for (size_t i = 0; i < SG_ARRAY_LEN(level_names); i++) {
        if (strcmp(level_names[i], name) == 0) {
            *out = (enum sg_log_level)i;
            return 0;
        }
    }
    return SG_EINVAL;
}
