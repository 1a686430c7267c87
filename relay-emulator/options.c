/* Command line and configuration file of the emulator.
 *
 * Invariant: on success every field is in its range. The command line is read twice: first to judge it and find the
 * file, then again on top of what the file says, so that the order of precedence needs no flag for every option.
 * Refuses: unknown options and keys, operands, values out of range, modes that this program does not have. */
#include "relay-emulator/options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "relay-emulator/core/image.h"
#include "relay-emulator/fault.h"
#include "sg_cli.h"
#include "sg_config.h"

/* SPEC section 5: the zones that a genesis may name. */
enum { UTC_OFFSET_MIN = -720, UTC_OFFSET_MAX = 840 };

enum {
    OPT_FIRST = 256,
    OPT_CONFIG,
    OPT_BIND,
    OPT_PORT,
    OPT_MODE,
    OPT_SEED,
    OPT_HIDE_SEED,
    OPT_RELAYS,
    OPT_TEXT_DIR,
    OPT_UTC_OFFSET,
    OPT_PRINT_MAP,
    OPT_HELP,
    OPT_VERSION
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"bind", required_argument, NULL, OPT_BIND},
    {"port", required_argument, NULL, OPT_PORT},
    {"mode", required_argument, NULL, OPT_MODE},
    {"seed", required_argument, NULL, OPT_SEED},
    {"hide-seed", no_argument, NULL, OPT_HIDE_SEED},
    {"relays", required_argument, NULL, OPT_RELAYS},
    {"text-dir", required_argument, NULL, OPT_TEXT_DIR},
    {"utc-offset", required_argument, NULL, OPT_UTC_OFFSET},
    {"print-map", no_argument, NULL, OPT_PRINT_MAP},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {0},
};

const char *re_options_help(void)
{
    return "Usage: relay-emulator [OPTION]...\n"
           "Modbus/TCP server that behaves like a substation relay.\n\n"
           "  --config FILE         read options from a JSON file; the command line wins\n"
           "  --bind ADDRESS        listen on this IPv4 or IPv6 address (default 127.0.0.1)\n"
           "  --port N              listen on this TCP port; 0: any free one (default 5010)\n"
           "  --mode paper          how values are made: uniform in the ranges of the paper\n"
           "  --seed N              seed of all values, 0..9223372036854775807 (default: drawn)\n"
           "  --hide-seed           the SEED registers read all ones\n"
           "  --relays N            serve units 1..N, a relay each, at most 247 (default 1)\n"
           "  --text-dir DIR        write a text file a minute to DIR, of unit k > 1 to DIR/unit-k\n"
           "  --utc-offset +-HH:MM  local time of the relay in its text files (default -05:00)\n"
           "  --print-map           print the register map as Markdown and exit\n"
           "  --help, --version     print this, or the version, and exit\n\n"
           "Standard output says \"listening on ADDRESS:PORT\" once connections are accepted.\n"
           "Exit status: 0 stopped by SIGINT or SIGTERM, 1 failed, 2 wrong usage or configuration.\n";
}

static int set_text(char *dst, size_t size, const char *text, const char *where, struct sg_fault *fault)
{
    if (strlen(text) >= size || !*text)
        return re_fail(fault, SG_EUSAGE, where, "empty or too long");
    memcpy(dst, text, strlen(text) + 1);
    return 0;
}

static int set_bind(struct re_options *o, const char *text, const char *where, struct sg_fault *fault)
{
    struct in6_addr address; /* room for the shorter one too */
    char what[128];
    int err = set_text(o->bind, sizeof o->bind, text, where, fault);

    if (err || inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1)
        return err;
    (void)snprintf(what, sizeof what, "%s is not an IPv4 or IPv6 address", text);
    return re_fail(fault, SG_EUSAGE, where, what);
}

static int set_mode(const char *mode, const char *where, struct sg_fault *fault)
{
    if (strcmp(mode, "paper") == 0)
        return 0;
    if (strcmp(mode, "physical") == 0)
        return re_fail(fault, SG_EUSAGE, where, "this version has no mode physical, only paper");
    return re_fail(fault, SG_EUSAGE, where, "not a mode; there is paper");
}

static bool two_digits(int *out, const char *s)
{
    if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
        return false;
    *out = (s[0] - '0') * 10 + (s[1] - '0');
    return true;
}

static int set_utc_offset(struct re_options *o, const char *text, const char *where, struct sg_fault *fault)
{
    int h, m;
    if (strlen(text) != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':' ||
        !two_digits(&h, text + 1) || !two_digits(&m, text + 4) || m > 59)
        return re_fail(fault, SG_EUSAGE, where, "not +HH:MM or -HH:MM");
    int offset = (text[0] == '-' ? -1 : 1) * (h * 60 + m);
    if (offset < UTC_OFFSET_MIN || offset > UTC_OFFSET_MAX)
        return re_fail(fault, SG_EUSAGE, where, "not in -12:00..+14:00");
    o->utc_offset_min = offset;
    return 0;
}

static int set_int(
    int64_t *out, const char *text, const char *where, int64_t min, int64_t max, struct sg_fault *fault)
{
    char what[96];
    if (sg_cli_int(out, text, min, max) == 0)
        return 0;
    (void)snprintf(what, sizeof what, "not a number in %lld..%lld", (long long)min, (long long)max);
    return re_fail(fault, SG_EUSAGE, where, what);
}

/* One option of the command line. */
static int apply(struct re_options *o, const char **config, int opt, const char *arg, struct sg_fault *fault)
{
    int64_t n = 0;
    int err = 0;
    switch (opt) {
    case OPT_CONFIG:
        *config = arg;
        return 0;
    case OPT_BIND:
        return set_bind(o, arg, "--bind", fault);
    case OPT_PORT:
        err = set_int(&n, arg, "--port", 0, UINT16_MAX, fault);
        o->port = (uint16_t)n;
        return err;
    case OPT_MODE:
        return set_mode(arg, "--mode", fault);
    case OPT_SEED:
        err = set_int(&n, arg, "--seed", 0, INT64_MAX, fault);
        o->seed = (uint64_t)n;
        o->seed_given = true;
        return err;
    case OPT_HIDE_SEED:
        o->hide_seed = true;
        return 0;
    case OPT_RELAYS:
        err = set_int(&n, arg, "--relays", RE_UNIT_MIN, RE_UNIT_MAX, fault);
        o->relays = (unsigned)n;
        return err;
    case OPT_TEXT_DIR:
        return set_text(o->text_dir, sizeof o->text_dir, arg, "--text-dir", fault);
    case OPT_UTC_OFFSET:
        return set_utc_offset(o, arg, "--utc-offset", fault);
    case OPT_PRINT_MAP:
        o->action = RE_ACTION_PRINT_MAP;
        return 0;
    case OPT_HELP:
        o->action = RE_ACTION_HELP;
        return 0;
    case OPT_VERSION:
        o->action = RE_ACTION_VERSION;
        return 0;
    default:
        return SG_EUSAGE;
    }
}

static int read_command_line(
    struct re_options *o, const char **config, int argc, char **argv, struct sg_fault *fault)
{
    int opt;
    opterr = 0;
    optind = 0; /* glibc: start again */
    while ((opt = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (opt == ':')
            return re_fail(fault, SG_EUSAGE, argv[optind - 1], "needs a value");
        if (opt == '?')
            return re_fail(fault, SG_EUSAGE, argv[optind - 1], "no such option, or one that takes no value");
        int err = apply(o, config, opt, optarg, fault);
        if (err)
            return err;
    }
    return optind < argc ? re_fail(fault, SG_EUSAGE, argv[optind], "not an option") : 0;
}

/* A key whose text has a syntax of its own: the fault of the setter is put at its place in the file. */
static void check_text(struct sg_config *c, const char *key, int err, const struct sg_fault *fault)
{
    if (err)
        sg_config_fail(c, sg_config_member(sg_config_root(c), key), "%s", fault->text);
}

static void read_keys(struct re_options *o, struct sg_config *c)
{
    const struct sg_node *root = sg_config_root(c);
    struct sg_fault fault = {0};
    const char *bind = sg_config_str(c, root, "bind", false, NULL, 1, sizeof o->bind - 1);
    const char *mode = sg_config_str(c, root, "mode", false, "paper", 1, 32);
    const char *offset = sg_config_str(c, root, "utc_offset", false, "-05:00", 1, 32);
    const char *dir = sg_config_str(c, root, "text_dir", false, NULL, 1, sizeof o->text_dir - 1);
    int64_t seed = sg_config_int(c, root, "seed", false, -1, 0, INT64_MAX);

    if (bind)
        check_text(c, "bind", set_bind(o, bind, "address", &fault), &fault);
    if (mode)
        check_text(c, "mode", set_mode(mode, mode, &fault), &fault);
    if (offset)
        check_text(c, "utc_offset", set_utc_offset(o, offset, offset, &fault), &fault);
    if (dir && sg_config_path(c, o->text_dir, sizeof o->text_dir, dir))
        sg_config_fail(c, sg_config_member(root, "text_dir"), "the path is too long");
    if (seed >= 0) {
        o->seed = (uint64_t)seed;
        o->seed_given = true;
    }
    o->port = (uint16_t)sg_config_int(c, root, "port", false, o->port, 0, UINT16_MAX);
    o->relays = (unsigned)sg_config_int(c, root, "relays", false, o->relays, RE_UNIT_MIN, RE_UNIT_MAX);
    o->hide_seed = sg_config_bool(c, root, "hide_seed", o->hide_seed);
    sg_config_no_more(c, root);
}

static int read_file(struct re_options *o, const char *path, struct sg_fault *fault)
{
    struct sg_config *c = NULL;
    int err = sg_config_load(&c, path, fault);
    if (!err) {
        read_keys(o, c);
        err = sg_config_result(c, fault);
    }
    sg_config_free(c);
    return err;
}

int re_options_read(struct re_options *out, int argc, char **argv, struct sg_fault *fault)
{
    struct re_options defaults = {
        .bind = "127.0.0.1", .port = SG_MODBUS_PORT, .relays = 1, .utc_offset_min = -300};
    struct re_options o = defaults;
    const char *config = NULL;
    int err = read_command_line(&o, &config, argc, argv, fault);
    if (!err && config && o.action == RE_ACTION_SERVE) {
        o = defaults;
        err = read_file(&o, config, fault);
        if (!err)
            err = read_command_line(&o, &config, argc, argv, fault);
    }
    if (!err)
        *out = o;
    return err;
}
