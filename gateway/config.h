/* The gateway's configuration: a file, or the same by flags.
 *
 *   genesis  path of the genesis document            key   path of the private key
 *   data     folder of the ledger node and the outbox (made when missing)
 *   name     shown by the embedded node; default: the gateway's name in the genesis
 *   node     { bind = "127.0.0.1", port 1..65535, peers = [] of URLs, scrub_s = 86400 }: the embedded ledger node; absent: a thin gateway
 *   ledgers  [] of URLs of ledger nodes to which statements are offered besides the embedded one; default: the peers
 *   relays   [ { id, host, port, unit = 1, timeout_ms = 1000 } ], 1..GW_MAX_RELAYS of them
 *   log      "error", "warn", "info" (default) or "debug"
 *
 * Paths are relative to the folder of the file. Published as docs/schema/gateway.json. */
#ifndef GW_CONFIG_H
#define GW_CONFIG_H

#include "gateway/ledgers.h"
#include "gateway/poller.h"
#include "lg_node.h"
#include "sg_config.h"
#include "sg_log.h"

/* A connection each: far below the limit of 1000 descriptors that libmodbus needs. */
#define GW_MAX_RELAYS  500
#define GW_CONFIG_PATH 4096

struct gw_config {
    struct sg_config *file; /* owns the strings */
    char genesis_path[GW_CONFIG_PATH], key_path[GW_CONFIG_PATH], data[GW_CONFIG_PATH];
    struct lg_genesis *genesis;
    struct sg_key *key;
    lg_kid kid;
    const struct lg_gateway *self; /* of the genesis */
    const char *name;              /* NULL: of the genesis */
    bool has_node;
    const char *bind;
    uint16_t port;
    const char *peers[LG_NODE_MAX_PEERS];
    unsigned npeers;
    sg_ms scrub_ms;
    const char *ledgers[LG_NODE_MAX_PEERS]; /* without the embedded one */
    unsigned nledgers;
    struct gw_relay_config relays[GW_MAX_RELAYS];
    unsigned nrelays;
    enum sg_log_level log;
};

/* Read a file, its genesis and its key, and check all of it. Every fault is recorded: sg_config_fault_count((*out)->file).
 *
 * Returns: 0, or SG_ECONFIG with the first fault; SG_ENOMEM
 * Out:     *out is set whenever the text could be read, good or not; NULL otherwise. gw_config_free.
 * data_dir is not touched. */
SG_MUST_USE int gw_config_load(struct gw_config **out, const char *path, struct sg_fault *fault);
/* The same from text; name stands for the file. A relay without id (flags) gets the first one of the genesis that this key may
 * read and no other entry names. */
SG_MUST_USE int gw_config_parse(
    struct gw_config **out, const char *name, const char *text, size_t len, struct sg_fault *fault);
void gw_config_free(struct gw_config *c);

/* What flags say, as the text of a configuration file, appended to out. NULL: the default, which is below.
 * SG_EUSAGE with a fault that names the flag. */
struct gw_flags {
    const char *port; /* needed */
    const char *bind; /* 127.0.0.1 */
    const char *name;
    const char *genesis;               /* run/genesis.json */
    const char *key;                   /* run/gateway.pem */
    const char *data;                  /* run/data-PORT */
    const char *unit;                  /* 1; of every relay */
    const char *relays[GW_MAX_RELAYS]; /* [ID@]HOST:PORT, one at least */
    unsigned nrelays;
    const char *peers[LG_NODE_MAX_PEERS];
    unsigned npeers;
};
SG_MUST_USE int gw_flags_config(struct sg_buf *out, const struct gw_flags *f, struct sg_fault *fault);
/* gw_config_parse of the text that gw_flags_config made; a fault names the flag and what was given with it. */
SG_MUST_USE int gw_flags_parse(
    struct gw_config **out, const struct gw_flags *f, const char *text, size_t len, struct sg_fault *fault);

#endif
