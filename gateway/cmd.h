/* The commands of bin/gateway besides running. Each returns an exit code of sg_cli.h; results go to standard output, messages for
 * people to standard error. */
#ifndef GW_CMD_H
#define GW_CMD_H

/* Every fault of a configuration file, one a line on standard error; "FILE: good" when there is none. */
int gw_cmd_check(const char *path);
/* The requests that a gateway with this configuration sends: to each relay, and to each ledger node. Sends none. */
int gw_cmd_plan(const char *path);

#endif
