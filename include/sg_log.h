/* Log lines on standard error: "2026-01-02T03:04:05.678Z level part: text". One line a call, written whole.
 * Cores never log. Thread: any. */
#ifndef SG_LOG_H
#define SG_LOG_H

#include "sg_clock.h"
#include "sg_types.h"

enum sg_log_level { SG_LOG_ERROR, SG_LOG_WARN, SG_LOG_INFO, SG_LOG_DEBUG };

/* Once, before threads start. clock may be NULL (real time); borrowed for ever. */
void sg_log_init(const struct sg_clock *clock, enum sg_log_level least);
/* part: static short name ("poller"). Control characters in the text are written as '?'. */
void sg_log(enum sg_log_level level, const char *part, const char *fmt, ...) SG_PRINTF(3, 4);
/* "error", "warn", "info", "debug" to a level; SG_EINVAL otherwise. */
SG_MUST_USE int sg_log_level_parse(enum sg_log_level *out, const char *name);

#endif
