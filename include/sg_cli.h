/* What every program's command line and life have in common. */
#ifndef SG_CLI_H
#define SG_CLI_H

#include "sg_err.h"
#include "sg_types.h"

#define SG_VERSION "1.0.0"

/* Exit codes of all programs. */
enum { SG_EXIT_GOOD = 0, SG_EXIT_FAILED = 1, SG_EXIT_USAGE = 2 };

/* First thing in every main: standard descriptors open, SIGPIPE ignored, RLIMIT_NOFILE soft limit lowered to 1000
 * (libmodbus uses select: FD_SET beyond 1024 aborts the process), umask 077, large blocks of memory given back when they are freed. */
void sg_cli_init(void);

/* Last thing in every main: write out what standard output still holds, and return the exit code. An output that failed makes a
 * good code SG_EXIT_FAILED and is told once; in silence when it was a pipe whose reader has gone (`| head`). */
int sg_cli_end(const char *program, int code);

/* Block SIGINT and SIGTERM in the calling thread and all it starts later; call before threads start. */
void sg_cli_block_signals(void);
/* Wait for SIGINT or SIGTERM at most wait_ms real ms (negative: for ever). True when one came. */
bool sg_cli_wait_signal(sg_ms wait_ms);

/* "A.B.C.D:PORT", "[V6]:PORT" or "NAME:PORT" (1..65535) split; host holds size bytes and gets V6 without the
 * brackets. SG_EUSAGE otherwise, outputs untouched. */
SG_MUST_USE int sg_cli_host_port(char *host, size_t size, uint16_t *port, const char *text);
/* Decimal within min..max, whole text. SG_EUSAGE otherwise. */
SG_MUST_USE int sg_cli_int(int64_t *out, const char *text, int64_t min, int64_t max);
/* "http://HOST[:PORT][/PATH]" or "https://...": no user, query, fragment, escape, dot segment or slash at the
 * end. SG_ECONFIG otherwise. */
SG_MUST_USE int sg_cli_url_check(const char *url);
/* The form in words, behind "... is not ". */
#define SG_CLI_URL_FORM "of the form http://HOST[:PORT][/PATH] or https://..., without a slash at the end"

#endif
