/* bin/gateway: reads relays, signs what it read, commits it to the ledger; embeds a ledger node. */
#include "gateway/cmd.h"
#include "gateway/node.h"
#include "gateway/probe.h"
#include "sg_cli.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_BYTES (1u << 20)

static const char help[] =
    "usage: gateway --config FILE\n"
    "       gateway --port N --relay [ID@]HOST:PORT... [--peer URL]... [--genesis FILE] [--key FILE] [--data "
    "DIR]\n"
    "               [--bind ADDR] [--name TEXT] [--unit N]\n"
    "       gateway check FILE              every fault of a configuration, with file, line and path\n"
    "       gateway plan FILE               the requests that it will send\n"
    "       gateway probe HOST:PORT [--unit N] [--timeout MS]\n"
    "                                       what a relay says of itself\n"
    "       gateway --help | --version\n"
    "\n"
    "By flags: --genesis run/genesis.json, --key run/gateway.pem, --data run/data-PORT, --bind 127.0.0.1 "
    "and\n"
    "--unit 1 are the defaults; a relay without ID is the first one of the genesis that the key may read.\n"
    "The genesis is never fetched from a peer: it is what the peers are checked against.\n"
    "\n"
    "Exit codes: 0 good, 1 failed, 2 usage or configuration.\n";

static int usage_error(const char *what, const char *text)
{
    (void)fprintf(stderr, "gateway: %s%s%s (see gateway --help)\n", what, text[0] ? ": " : "", text);
    return SG_EXIT_USAGE;
}

/* Of the environment, of which --help has no word. */
static int clock_error(const char *text)
{
    (void)fprintf(stderr, "gateway: %s\n", text);
    return SG_EXIT_USAGE;
}

/* ---- running ---- */

static atomic_int failed_err;

static void on_failed(void *ctx, int err, const char *why)
{
    int none = 0;

    (void)ctx;
    if (atomic_compare_exchange_strong(&failed_err, &none, err))
        sg_log(SG_LOG_ERROR, "gateway", "%s%s%s", why, err == SG_ECONFLICT ? "" : ": ",
            err == SG_ECONFLICT ? "" : sg_err_text(err)); /* a second process: why is all there is to say */
}

/* Until a signal, or a part gives up. */
static int wait_for_end(void)
{
    while (atomic_load(&failed_err) == 0) {
        if (sg_cli_wait_signal(200))
            return SG_EXIT_GOOD;
    }
    return SG_EXIT_FAILED;
}

static void print_listening(const struct gw_config *c, uint16_t port)
{
    if (c->has_node)
        (void)printf(strchr(c->bind, ':') ? "listening on [%s]:%u\n" : "listening on %s:%u\n", c->bind, port);
    else
        (void)printf("running, without a ledger node\n");
    (void)fflush(stdout);
}

static int run(const struct gw_config *c)
{
    const char *spec = getenv(SG_CLOCK_ENV);
    struct sg_fault fault = {0};
    struct sg_clock clock;
    struct gw_node *node = NULL;
    int result;

    if (sg_clock_init(&clock, spec, &fault))
        return clock_error(fault.text);
    if (spec && !c->genesis->demo)
        return clock_error(
            SG_CLOCK_ENV " is set, but this chain is no demonstration: its clock is the real one: unset it");
    sg_log_init(&clock, c->log);
    sg_cli_block_signals();
    if (gw_node_start(&node, c, &clock, on_failed, NULL, &fault)) {
        (void)fprintf(stderr, "gateway: %s\n", fault.text);
        return fault.err == SG_ECONFIG ? SG_EXIT_USAGE : SG_EXIT_FAILED;
    }
    print_listening(c, gw_node_port(node));
    result = wait_for_end();
    gw_node_stop(node);
    return result;
}

static int run_file(const char *path)
{
    struct gw_config *c = NULL;
    struct sg_fault fault = {0};
    int result = SG_EXIT_USAGE;

    if (gw_config_load(&c, path, &fault))
        (void)fprintf(stderr, "gateway: %s\n", fault.text);
    else
        result = run(c);
    gw_config_free(c);
    return result;
}

static int run_flags(const struct gw_flags *flags)
{
    struct gw_config *c = NULL;
    struct sg_fault fault = {0};
    struct sg_buf text;
    int result = SG_EXIT_USAGE;

    sg_buf_init(&text, FLAGS_BYTES);
    if (gw_flags_config(&text, flags, &fault) ||
        gw_flags_parse(&c, flags, (const char *)text.p, text.len, &fault))
        (void)fprintf(stderr, "gateway: %s\n", fault.text);
    else
        result = run(c);
    gw_config_free(c);
    sg_buf_fini(&text);
    return result;
}

/* ---- the command line ---- */

struct option {
    const char *name;
    const char **one;  /* a value that may come once */
    const char **many; /* or a list */
    unsigned *count;
    unsigned max;
};

static int take_option(const struct option *o, const char *value)
{
    if (o->one) {
        if (*o->one)
            return usage_error(o->name, "is given twice");
        *o->one = value;
        return 0;
    }
    if (*o->count == o->max)
        return usage_error(o->name, "is given too often");
    o->many[(*o->count)++] = value;
    return 0;
}

/* Options with their values, in any order. 0, or SG_EXIT_USAGE after a message. */
static int parse_options(const struct option *options, size_t n, int argc, char **argv)
{
    for (int i = 0; i < argc; i += 2) {
        const struct option *found = NULL;

        for (size_t k = 0; k < n; k++) {
            if (strcmp(argv[i], options[k].name) == 0)
                found = &options[k];
        }
        if (!found)
            return usage_error("unknown option", argv[i]);
        if (i + 1 == argc)
            return usage_error(argv[i], "needs a value");
        if (take_option(found, argv[i + 1]))
            return SG_EXIT_USAGE;
    }
    return 0;
}

static int cmd_run(int argc, char **argv)
{
    static struct gw_flags f;
    const char *config = NULL;
    const struct option options[] = {
        {.name = "--config", .one = &config},
        {.name = "--port", .one = &f.port},
        {.name = "--bind", .one = &f.bind},
        {.name = "--name", .one = &f.name},
        {.name = "--genesis", .one = &f.genesis},
        {.name = "--key", .one = &f.key},
        {.name = "--data", .one = &f.data},
        {.name = "--unit", .one = &f.unit},
        {.name = "--relay", .many = f.relays, .count = &f.nrelays, .max = GW_MAX_RELAYS},
        {.name = "--peer", .many = f.peers, .count = &f.npeers, .max = LG_NODE_MAX_PEERS},
    };

    if (parse_options(options, SG_ARRAY_LEN(options), argc, argv))
        return SG_EXIT_USAGE;
    if (!config)
        return run_flags(&f);
    if (argc > 2)
        return usage_error("--config", "goes with no other option");
    return run_file(config);
}

/* sg_cli_end tells of an output that fails. */
static int print(const char *text)
{
    (void)fputs(text, stdout);
    return SG_EXIT_GOOD;
}

/* A relay is no part of a chain: the clock of demonstrations is allowed. */
static int cmd_probe(int argc, char **argv)
{
    struct sg_fault fault = {0};
    struct sg_clock clock;

    if (sg_clock_init(&clock, getenv(SG_CLOCK_ENV), &fault))
        return clock_error(fault.text);
    return gw_probe_main(argc, argv, &clock);
}

static int cmd_file(int (*command)(const char *path), int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], "--help") == 0)
        return print(help);
    if (argc == 1 && argv[0][0] == '-')
        return usage_error("unknown option", argv[0]);
    return argc == 1 ? command(argv[0]) : usage_error("one FILE is needed", "");
}

static int dispatch(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return print(help);
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return print("gateway " SG_VERSION "\n");
    if (argc >= 2 && strcmp(argv[1], "check") == 0)
        return cmd_file(gw_cmd_check, argc - 2, argv + 2);
    if (argc >= 2 && strcmp(argv[1], "plan") == 0)
        return cmd_file(gw_cmd_plan, argc - 2, argv + 2);
    if (argc >= 2 && strcmp(argv[1], "probe") == 0)
        return cmd_probe(argc - 2, argv + 2);
    if (argc >= 2 && argv[1][0] == '-')
        return cmd_run(argc - 1, argv + 1);
    return usage_error(
        argc >= 2 ? "no such command" : "an option or a command is needed", argc >= 2 ? argv[1] : "");
}

int main(int argc, char **argv)
{
    sg_cli_init();
    return sg_cli_end("gateway", dispatch(argc, argv));
}
