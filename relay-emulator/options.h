/* What the emulator was told: the command line over the configuration file over the defaults. */
#ifndef RE_OPTIONS_H
#define RE_OPTIONS_H

#include "sg_err.h"
#include "sg_types.h"

enum re_action { RE_ACTION_SERVE, RE_ACTION_HELP, RE_ACTION_VERSION, RE_ACTION_PRINT_MAP };

enum { RE_BIND_SIZE = 64, RE_PATH_SIZE = 4096 };

struct re_options {
    enum re_action action;
    char bind
        [RE_BIND_SIZE]; /* default 127.0.0.1: a relay without any access control is not offered to a network
                                unless that was asked for */
    uint16_t port;      /* default SG_MODBUS_PORT; 0: any free one */
    bool seed_given;    /* false: draw one */
    uint64_t seed;      /* 0..2^63-1 */
    bool hide_seed;
    unsigned relays;             /* 1..247, default 1 */
    char text_dir[RE_PATH_SIZE]; /* "": no text files */
    int utc_offset_min;          /* -720..840, default -300 */
};

/* Read them all. Returns SG_EUSAGE or SG_ECONFIG with a fault that names the option, or file, line and key. */
SG_MUST_USE int re_options_read(struct re_options *out, int argc, char **argv, struct sg_fault *fault);

/* The text of --help, static. */
const char *re_options_help(void);

#endif
