/* gateway probe.
 *
 * Invariant: what is printed has passed the same checks as what is committed.
 * Refuses: a relay that does not answer, answers malformed, or is no relay of this map: exit 1. */
#include "gateway/probe.h"

#include "gateway/core/decode.h"
#include "gateway/modbus.h"
#include "sg_cli.h"
#include "sg_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct probe {
    struct gw_modbus *m;
    uint8_t unit;
    sg_ms timeout_ms;
};

static int fetch(struct probe *p, uint16_t *regs, enum gw_read_kind kind)
{
    const struct gw_read *r = gw_readplan(kind);
    struct gw_frame_note note;
    int err = gw_modbus_read(p->m, regs, &note, p->unit, r->address, r->quantity, p->timeout_ms);

    if (err == SG_EEXCEPTION)
        (void)fprintf(stderr, "%s: exception %u\n", r->name, note.exception);
    else if (err == SG_EMALFORMED)
        (void)fprintf(stderr, "%s: malformed answer: %s\n", r->name, gw_frame_fault_text(note.fault));
    else if (err)
        (void)fprintf(stderr, "%s: %s\n", r->name, sg_err_text(err));
    return err;
}

static const char *instant(char *dst, int64_t utc_s)
{
    sg_rfc3339_of_ms(dst, utc_s * 1000);
    return dst;
}

static void print_header(const struct gw_header *h)
{
    static const char *const modes[] = {"paper", "physical", "replay"};
    char when[SG_RFC3339_SIZE];

    (void)printf("device      %s\n", h->device);
    (void)printf("substation  %s\n", h->substation);
    (void)printf("map         version %u, %u samples a minute, ring of %u minutes\n", h->map_ver, h->per_min,
        h->ring_min);
    (void)printf("mode        %s\n", h->mode < SG_ARRAY_LEN(modes) ? modes[h->mode] : "unknown");
    if (h->seed == UINT64_MAX)
        (void)printf("seed        hidden\n");
    else
        (void)printf("seed        %" PRIu64 "\n", h->seed);
    (void)printf("boot        %s, id %08" PRIx32 "\n", instant(when, h->boot_utc), h->boot_id);
    (void)printf("exponents   V %d  I %d  F %d  PF %d  P %d  Q %d\n", h->v_exp, h->i_exp, h->f_exp, h->pf_exp,
        h->p_exp, h->q_exp);
    (void)printf("nominal     %" PRIu32 " V, %u mHz\n", h->v_nom, h->f_nom);
}

static void print_record(const uint16_t *rec)
{
    const struct lg_profile *profile = lg_profile_paper();
    struct lg_sample s;

    gw_sample_of_record(&s, rec, profile);
    (void)printf("  %5u ms  qual %04x ", s.t_ms, s.qual);
    for (unsigned i = 0; i < profile->npoints; i++) {
        if (s.have >> i & 1)
            (void)printf(" %s %" PRId64, profile->points[i].name, s.x[i]);
        else
            (void)printf(" %s -", profile->points[i].name);
    }
    (void)printf("\n");
}

static void print_latch(const struct gw_latch *l, sg_ms now_ms)
{
    char when[SG_RFC3339_SIZE];

    if (l->seq == 0) {
        (void)printf("live        no latch since the boot\n");
        return;
    }
    sg_ms ago = now_ms - (sg_ms)l->utc_s * 1000;
    (void)printf("live        %s, seq %" PRIu32 ", %" PRId64 " ms %s\n", instant(when, l->utc_s), l->seq,
        ago < 0 ? -ago : ago, ago < 0 ? "ahead of this clock" : "ago by this clock");
    (void)printf("time        %s%s%s\n", l->time_q & SG_TIMEQ_UTC ? "UTC" : "not UTC",
        l->time_q & SG_TIMEQ_NOT_SYNCHRONISED ? ", not synchronised" : "",
        l->time_q & SG_TIMEQ_CLOCK_FAILURE ? ", clock failure" : "");
    (void)printf("breaker     %s%s%s, %" PRIu32 " openings since the boot, %u this minute\n",
        l->brk & SG_BRK_CLOSED ? "closed" : "open", l->brk & SG_BRK_LOCKOUT ? ", lockout" : "",
        l->brk & SG_BRK_RECLOSING ? ", reclosing" : "", l->open_cum, l->open_min);
    if (l->has_sample)
        print_record(l->rec);
}

static void print_frame(const struct gw_frame *f)
{
    char when[SG_RFC3339_SIZE];

    if (f->min == 0) {
        (void)printf("frame       no whole minute since the boot\n");
        return;
    }
    (void)printf(
        "frame       minute %" PRId64 ", %s, %u openings\n", f->min, instant(when, f->min * 60), f->openings);
    for (unsigned i = 0; i < SG_SAMPLES_A_MIN; i++) {
        if (f->valid >> i & 1)
            print_record(f->rec[i]);
        else
            (void)printf("  %5d ms  missing\n", (int)i * SG_PERIOD_MS);
    }
}

static int complain(const char *what, int err)
{
    (void)fprintf(stderr, "%s: %s\n", what, sg_err_text(err));
    return err;
}

static int probe(struct probe *p, const struct sg_clock *clock)
{
    uint16_t regs[GW_MAX_QUANTITY];
    struct gw_header header;
    struct gw_latch latch;
    struct gw_frame frame;
    int err;

    if ((err = fetch(p, regs, GW_READ_HEADER)) != 0)
        return err;
    if ((err = gw_header_decode(&header, regs)) != 0)
        return complain("header: no relay of this map", err);
    print_header(&header);
    if ((err = fetch(p, regs, GW_READ_LIVE)) != 0)
        return err;
    if ((err = gw_latch_decode(&latch, regs)) != 0)
        return complain("live block contradicts itself", err);
    print_latch(&latch, clock->wall_ms(clock));
    if ((err = fetch(p, regs, GW_READ_FRAME)) != 0)
        return err;
    if ((err = gw_frame_decode(&frame, regs)) != 0)
        return complain("frame contradicts itself", err);
    print_frame(&frame);
    return 0;
}

int gw_probe(const char *host, uint16_t port, uint8_t unit, sg_ms timeout_ms, const struct sg_clock *clock)
{
    struct probe p = {.unit = unit, .timeout_ms = timeout_ms};
    int err = gw_modbus_new(&p.m, clock, host, port);

    if (err) {
        (void)complain("probe", err);
        return SG_EXIT_FAILED;
    }
    err = gw_modbus_connect(p.m, timeout_ms);
    if (err)
        (void)fprintf(stderr, "%s:%u: %s\n", host, (unsigned)port, sg_err_text(err));
    else
        err = probe(&p, clock);
    gw_modbus_free(p.m);
    return err ? SG_EXIT_FAILED : SG_EXIT_GOOD;
}

struct arguments {
    const char *endpoint;
    int64_t unit, timeout_ms;
};

static int wrong(const char *what, const char *value, const char *why)
{
    (void)fprintf(
        stderr, "gateway: probe: %s%s%s%s (see gateway --help)\n", what, value[0] ? " " : "", value, why);
    return SG_EUSAGE;
}

/* One option that starts at argv[0]; *used is how many arguments it took. */
static int take_option(struct arguments *a, int *used, int argc, char **argv)
{
    const struct {
        const char *name;
        int64_t *value, min, max;
        const char *why;
    } options[] = {{"--unit", &a->unit, 0, 255, ": is not in 0..255"},
        {"--timeout", &a->timeout_ms, 1, 60000, ": is not in 1..60000"}};

    for (size_t i = 0; i < SG_ARRAY_LEN(options); i++) {
        if (strcmp(argv[0], options[i].name) != 0)
            continue;
        if (argc < 2)
            return wrong(argv[0], "", ": needs a value");
        if (sg_cli_int(options[i].value, argv[1], options[i].min, options[i].max))
            return wrong(argv[0], argv[1], options[i].why);
        *used = 2;
        return 0;
    }
    return wrong("unknown option:", argv[0], "");
}

/* Options and the one address, in any order. */
static int parse(struct arguments *a, int argc, char **argv)
{
    for (int i = 0, used; i < argc; i += used) {
        used = 1;
        if (argv[i][0] == '-') {
            if (take_option(a, &used, argc - i, argv + i))
                return SG_EUSAGE;
        } else if (a->endpoint) {
            return wrong("a second address:", argv[i], "");
        } else {
            a->endpoint = argv[i];
        }
    }
    return a->endpoint ? 0 : wrong("HOST:PORT", "", " is needed");
}

int gw_probe_main(int argc, char **argv, const struct sg_clock *clock)
{
    struct arguments a = {.unit = 1, .timeout_ms = 1000};
    char host[256];
    uint16_t port;

    if (argc == 1 && strcmp(argv[0], "--help") == 0) {
        (void)fputs("usage: gateway probe HOST:PORT [--unit N] [--timeout MS]\n", stdout);
        return SG_EXIT_GOOD;
    }
    if (parse(&a, argc, argv))
        return SG_EXIT_USAGE;
    if (sg_cli_host_port(host, sizeof host, &port, a.endpoint)) {
        (void)wrong(a.endpoint, "", " is not of the form HOST:PORT");
        return SG_EXIT_USAGE;
    }
    return gw_probe(host, port, (uint8_t)a.unit, a.timeout_ms, clock);
}
