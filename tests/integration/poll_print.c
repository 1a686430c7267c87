/* The gateway's pollers alone: what they tell the witness, as JSON lines, without keys, node or store.
 *
 *   poll_print HOST PORT UNITS [TIMEOUT_MS [MAX_FUTURE_MS]]     units 1..UNITS; until SIGINT or SIGTERM
 *   poll_print probe ...                                        what `gateway probe ...` does
 *   {"kind":"outcome","relay":0,"min":M,"body":{...} or null,"reason":"timeout","live":6,"alarm":false,"late_ms":12}
 *   {"kind":"live","relay":0,"seq":S,"late_ms":200}  {"kind":"state","relay":0,"code":"ok"}
 * late_ms: by the clock, since the minute's end or the latch. The clock is GRIDWITNESS_CLOCK's. */
#include "gateway/poller.h"
#include "gateway/probe.h"
#include "sg_cli.h"
#include "sg_log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_UNITS = 247 };

static struct sg_clock clk;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of standard output */

static bool on_outcome(void *ctx, struct gw_outcome *o)
{
    sg_ms late = clk.wall_ms(&clk) - (o->min + 1) * SG_MINUTE_MS;

    (void)ctx;
    (void)pthread_mutex_lock(&lock);
    (void)printf("{\"kind\":\"outcome\",\"relay\":%u,\"min\":%lld,\"late_ms\":%lld,\"live\":%u,\"alarm\":%s,"
                 "\"reason\":\"%s\",\"body\":%.*s}\n",
        o->relay, (long long)o->min, (long long)late, o->live, o->alarm ? "true" : "false",
        o->has_body ? "" : lg_reason_name(o->reason), o->has_body ? (int)o->doc_len : 4,
        o->has_body ? (const char *)o->doc : "null");
    (void)fflush(stdout);
    (void)pthread_mutex_unlock(&lock);
    free(o->doc);
    return true;
}

static void on_live(void *ctx, const struct gw_live *l)
{
    (void)ctx;
    (void)pthread_mutex_lock(&lock);
    (void)printf("{\"kind\":\"live\",\"relay\":%u,\"seq\":%lu,\"late_ms\":%lld}\n", l->relay,
        (unsigned long)l->seq, (long long)(clk.wall_ms(&clk) - l->t_ms));
    (void)fflush(stdout);
    (void)pthread_mutex_unlock(&lock);
}

static void on_state(void *ctx, unsigned relay, int state)
{
    (void)ctx;
    (void)pthread_mutex_lock(&lock);
    (void)printf("{\"kind\":\"state\",\"relay\":%u,\"code\":\"%s\"}\n", relay, sg_err_code(state));
    (void)fflush(stdout);
    (void)pthread_mutex_unlock(&lock);
}

int main(int argc, char **argv)
{
    static struct lg_relay relays[MAX_UNITS];
    static struct gw_relay_config configs[MAX_UNITS];
    struct lg_genesis genesis = {.policy = {.collect_ms = 10000, .max_future_ms = 5000}};
    struct gw_poller_config config = {.relays = configs,
        .genesis = &genesis,
        .clock = &clk,
        .outcome = on_outcome,
        .live = on_live,
        .state = on_state};
    struct gw_poller *poller;
    struct sg_fault fault;
    int64_t port, units, timeout_ms = 1000;

    sg_cli_init();
    if (sg_clock_init(&clk, getenv(SG_CLOCK_ENV), &fault)) {
        (void)fprintf(stderr, "%s\n", fault.text);
        return SG_EXIT_USAGE;
    }
    if (argc > 1 && strcmp(argv[1], "probe") == 0)
        return gw_probe_main(argc - 2, argv + 2, &clk);
    sg_cli_block_signals();
    if (argc < 4 || argc > 6 || sg_cli_int(&port, argv[2], 1, 65535) ||
        sg_cli_int(&units, argv[3], 1, MAX_UNITS) ||
        (argc > 4 && sg_cli_int(&timeout_ms, argv[4], 1, 60000)) ||
        (argc > 5 && sg_cli_int(&genesis.policy.max_future_ms, argv[5], 1000, 120000)))
        return SG_EXIT_USAGE;
    sg_log_init(&clk, SG_LOG_DEBUG);
    for (unsigned i = 0; i < (unsigned)units; i++) {
        relays[i] = (struct lg_relay){.period_s = 10, .profile = lg_profile_paper()};
        (void)snprintf(relays[i].id, sizeof relays[i].id, "relay-%u", i + 1);
        (void)snprintf(relays[i].device, sizeof relays[i].device, "Relay %u", i + 1);
        (void)snprintf(relays[i].substation, sizeof relays[i].substation, "%s",
            "Bogot\xC3\xA1 Electrical Substation - U.D.");
        configs[i] = (struct gw_relay_config){
            .port = (uint16_t)port, .unit = (uint8_t)(i + 1), .timeout_ms = timeout_ms, .relay = &relays[i]};
        memcpy(configs[i].id, relays[i].id, sizeof configs[i].id);
        (void)snprintf(configs[i].host, sizeof configs[i].host, "%s", argv[1]);
    }
    config.nrelays = (unsigned)units;
    if (gw_poller_start(&poller, &config, &fault)) {
        (void)fprintf(stderr, "%s\n", fault.text);
        return SG_EXIT_USAGE;
    }
    (void)sg_cli_wait_signal(-1);
    gw_poller_stop(poller);
    return SG_EXIT_GOOD;
}
