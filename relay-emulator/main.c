/* relay-emulator: wiring of options, clock, station and server.
 *
 * Order of starting: clock, server (the port is taken before anything is touched), station (boot of the relays, text
 * writer). Order of stopping: server, then the station, whose writer finishes what is queued. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "relay-emulator/core/mapdoc.h"
#include "relay-emulator/fault.h"
#include "relay-emulator/options.h"
#include "relay-emulator/server.h"
#include "relay-emulator/station.h"
#include "sg_buf.h"
#include "sg_cli.h"
#include "sg_clock.h"
#include "sg_log.h"

enum { MAP_MAX = 1 << 20 };

static int complain(const struct sg_fault *fault)
{
    bool usage = fault->err == SG_EUSAGE || fault->err == SG_ECONFIG;
    (void)fprintf(stderr, "relay-emulator: %s\n", fault->text);
    if (fault->err == SG_EUSAGE)
        (void)fputs("Try 'relay-emulator --help'.\n", stderr);
    return usage ? SG_EXIT_USAGE : SG_EXIT_FAILED;
}

/* sg_cli_end tells of an output that fails. */
static int print(const void *text, size_t n)
{
    (void)fwrite(text, 1, n, stdout);
    return SG_EXIT_GOOD;
}

static int print_map(void)
{
    struct sg_buf b;
    sg_buf_init(&b, MAP_MAX);
    re_mapdoc_put(&b);
    int code = sg_buf_err(&b) ? SG_EXIT_FAILED : print(b.p, b.len);
    sg_buf_fini(&b);
    return code;
}

static int announce(const struct re_options *o, const struct sg_clock *clock,
    const struct re_station *station, const struct re_server *server)
{
    if (clock->is_virtual)
        sg_log(SG_LOG_WARN, "clock", "virtual, %" PRId64 ".%03" PRId64 " times as fast as real time",
            clock->speed_milli / 1000, clock->speed_milli % 1000);
    sg_log(SG_LOG_INFO, "main", "mode paper, %u relay%s, boot id %08" PRIx32, o->relays,
        o->relays > 1 ? "s" : "", re_station_boot_id(station));
    if (!o->hide_seed)
        sg_log(SG_LOG_INFO, "main", "seed %" PRIu64, o->seed);
    bool done = printf("listening on %s\n", re_server_address(server)) > 0 && fflush(stdout) == 0;
    return done ? 0 : SG_EIO;
}

static int serve(const struct re_options *o, const struct sg_clock *clock, struct sg_fault *fault)
{
    const struct re_station_conf sc = {.seed = o->seed,
        .seed_hidden = o->hide_seed,
        .relays = o->relays,
        .text_dir = o->text_dir[0] ? o->text_dir : NULL,
        .utc_offset_min = o->utc_offset_min,
        .boot_ms = clock->wall_ms(clock)};
    const struct re_server_conf vc = {.bind = o->bind, .port = o->port};
    struct re_station *station = NULL;
    struct re_server *server = NULL;

    int err = re_server_new(&server, clock, &vc, fault);
    if (!err)
        err = re_station_new(&station, &sc, fault);
    if (!err && (announce(o, clock, station, server) || re_server_run(server, station)))
        err = re_fail(fault, SG_EIO, "server", sg_err_text(SG_EIO));
    re_server_free(server);
    re_station_free(station);
    return err;
}

/* A seed below 2^63, as --seed takes it. */
static int draw_seed(struct re_options *o, struct sg_fault *fault)
{
    if (getrandom(&o->seed, sizeof o->seed, 0) != (ssize_t)sizeof o->seed)
        return re_fail(fault, SG_EIO, "seed", "no random numbers from the system");
    o->seed >>= 1;
    return 0;
}

static int start(struct re_options *o, struct sg_fault *fault)
{
    static struct sg_clock clock; /* the log keeps it */
    int err = sg_clock_init(&clock, getenv(SG_CLOCK_ENV), fault);
    if (err)
        return err;
    sg_log_init(&clock, SG_LOG_INFO);
    sg_cli_block_signals();
    if (!o->seed_given)
        err = draw_seed(o, fault);
    return err ? err : serve(o, &clock, fault);
}

static int dispatch(int argc, char **argv)
{
    struct re_options options;
    struct sg_fault fault = {0};

    if (re_options_read(&options, argc, argv, &fault))
        return complain(&fault);
    switch (options.action) {
    case RE_ACTION_HELP:
        return print(re_options_help(), strlen(re_options_help()));
    case RE_ACTION_VERSION:
        return print("relay-emulator " SG_VERSION "\n", strlen("relay-emulator " SG_VERSION "\n"));
    case RE_ACTION_PRINT_MAP:
        return print_map();
    case RE_ACTION_SERVE:
        break;
    }
    return start(&options, &fault) ? complain(&fault) : SG_EXIT_GOOD;
}

int main(int argc, char **argv)
{
    sg_cli_init();
    return sg_cli_end("relay-emulator", dispatch(argc, argv));
}
