/* The commands of bin/ledger: a table, one file each. Every command gets its arguments after its name and returns an exit
 * code of sg_cli.h; messages for people go to standard error, results to standard output. */
#ifndef LG_CMD_H
#define LG_CMD_H

#include "lg_files.h"
#include "sg_cli.h"

struct lg_cmd {
    const char *name;
    const char *usage;   /* after "ledger NAME " */
    const char *summary; /* one line */
    int (*run)(const struct lg_cmd *self, int argc, char **argv);
};

/* Deadline of a large answer, in ms: lines may be slow. */
#define LG_CMD_PAGE_MS 60000

int lg_cmd_keygen(const struct lg_cmd *self, int argc, char **argv);
int lg_cmd_init(const struct lg_cmd *self, int argc, char **argv);
int lg_cmd_node(const struct lg_cmd *self, int argc, char **argv);
int lg_cmd_verify(const struct lg_cmd *self, int argc, char **argv);
int lg_cmd_proof(const struct lg_cmd *self, int argc, char **argv);
int lg_cmd_verify_proof(const struct lg_cmd *self, int argc, char **argv);
int lg_cmd_tip(const struct lg_cmd *self, int argc, char **argv);
int lg_cmd_export(const struct lg_cmd *self, int argc, char **argv);

/* "ledger NAME: text" on standard error. Returns SG_EXIT_USAGE. */
int lg_cmd_usage_error(const struct lg_cmd *self, const char *fmt, ...) SG_PRINTF(2, 3);
/* The same for failures. Returns SG_EXIT_FAILED. */
int lg_cmd_failed(const struct lg_cmd *self, const char *fmt, ...) SG_PRINTF(2, 3);

/* A long option that takes a value. */
struct lg_cmd_option {
    const char *name; /* without -- */
    const char **value;
};
/* Options of the table in any order, then exactly npositional other arguments. 0, or SG_EUSAGE after a message. */
SG_MUST_USE int lg_cmd_parse(const struct lg_cmd *self, int argc, char **argv,
    const struct lg_cmd_option *options, unsigned noptions, const char **positional, unsigned npositional);

/* A minute number, or an RFC 3339 instant inside the minute. SG_EUSAGE otherwise. */
SG_MUST_USE int lg_cmd_minute(int64_t *minute, const char *text);

/* The longest base URL that a command takes. */
#define LG_CMD_MAX_URL 200
/* The genesis that a node names (GET /v1/genesis), decoded: its word, not what anybody trusts. Errors of the call and of lg_genesis_decode;
 * caller frees. */
SG_MUST_USE int lg_cmd_fetch_genesis(struct lg_genesis **out, const char *base);

#endif
