/* The conversation with a relay against any answers, at any pace, on clocks that step. Input: a script of bytes, each
 * step: how time passes, and how the next request ends; answers come from a relay's register image, spoilt as told.
 *
 * Asserted (by the state machine's own table too): a request is sent in a legal order only; a minute has at most one body,
 * no gap after a body, and at most one gap; a body decodes, recomputes, and is of a minute that has ended. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/core/relay.h"
#include "relay-emulator/core/image.h"
#include "tests/lib/fuzz.h"

enum { MAX_STEPS = 400, MAX_KEPT = 4096 };
#define M0 INT64_C(29400000)

static struct {
    const uint8_t *p;
    size_t left;
    struct gw_now now;
    sg_ms relay_wall;
    struct re_image im;
    struct gw_relay r;
    struct lg_relay relay;
    unsigned connection, generation, boot_id;
    struct {
        sg_minute min;
        bool body;
    } kept[MAX_KEPT];
    unsigned nkept;
} w;

static uint8_t byte(void)
{
    if (w.left == 0)
        return 0;
    w.left--;
    return *w.p++;
}

static void boot(void)
{
    struct re_boot b = {.seed = 3, .unit = 1, .boot_id = ++w.boot_id, .boot_ms = w.relay_wall};

    assert(re_image_boot(&w.im, &b) == 0);
}

static void keep(struct gw_step *s)
{
    struct gw_outcome *o = &s->outcome;

    if (!s->has_outcome)
        return;
    assert((o->min + 1) * SG_MINUTE_MS <= w.now.wall_ms && o->live <= 6 && o->reason < LG_REASON_COUNT);
    for (unsigned i = 0; i < w.nkept; i++)
        assert(w.kept[i].min != o->min || (!w.kept[i].body && o->has_body));
    if (o->has_body) {
        struct lg_body *b;

        assert(lg_body_decode(&b, o->doc, o->doc_len) == 0 && lg_body_check(b, &w.relay) == 0);
        assert(b->min == o->min && o->live <= b->nsamples);
        lg_body_free(b);
    }
    free(o->doc);
    if (w.nkept < MAX_KEPT) {
        w.kept[w.nkept].min = o->min;
        w.kept[w.nkept++].body = o->has_body;
    }
}

static void pass(sg_ms ms)
{
    while (ms > 0) {
        sg_ms part = ms < 2000 ? ms : 2000;

        w.now.wall_ms += part;
        w.now.run_ms += part;
        w.relay_wall += part;
        (void)re_image_tick(&w.im, w.relay_wall);
        ms -= part;
    }
}

/* Time as the script wants it. */
static void play_time(void)
{
    uint8_t b = byte();
    sg_ms step = ((sg_ms)byte() - 128) * (b & 0x10 ? 60000 : 250);

    if (b >= 0xF0 && w.now.wall_ms + step > 0)
        w.now.wall_ms += step; /* our clock steps */
    else if (b >= 0xE8)
        boot();
    else if (b >= 0xE0)
        w.relay_wall = w.relay_wall + step > 0 ? w.relay_wall + step : 0;
    else
        pass((sg_ms)b * b); /* up to 50 s */
}

static void answer(const struct gw_job *job)
{
    static const int errs[] = {SG_EREFUSED, SG_ETIMEOUT, SG_ECLOSED, SG_EEXCEPTION, SG_EMALFORMED, SG_EIO};
    struct gw_answer a = {.sent_wall_ms = w.now.wall_ms};
    uint16_t regs[GW_MAX_QUANTITY];
    const uint16_t *src = re_image_at(&w.im, job->address, job->quantity);
    uint8_t how = byte();
    struct gw_step s;

    assert(src && job->quantity <= GW_MAX_QUANTITY);
    memcpy(regs, src, job->quantity * sizeof *regs);
    if (w.connection == 0) {
        assert(job->kind == GW_READ_HEADER);
        w.connection = ++w.generation;
    }
    pass(how & 3);
    if (how >= 0xC0) {
        a.err = errs[how % SG_ARRAY_LEN(errs)];
        if (a.err != SG_EEXCEPTION)
            w.connection = 0;
    } else if (how >= 0x80) {
        regs[byte() % job->quantity] ^= (uint16_t)(byte() << 8 | how);
    }
    a.regs = regs;
    a.generation = w.connection;
    gw_relay_answer(&w.r, &s, job, &a, w.now);
    keep(&s);
}

static void start(const uint8_t *data, size_t size)
{
    struct gw_relay_setup setup = {.relay = &w.relay, .max_future_ms = 5000, .latch_delay_ms = 200};

    memset(&w, 0, sizeof w);
    w.p = data;
    w.left = size;
    w.now.wall_ms = w.relay_wall = M0 * SG_MINUTE_MS + 30000;
    w.relay = (struct lg_relay){
        .id = "relay-1", .device = "Relay 1", .period_s = 10, .profile = lg_profile_paper()};
    memcpy(w.relay.substation, re_image_substation(), strlen(re_image_substation()) + 1);
    boot();
    gw_relay_init(&w.r, &setup, w.now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    start(data, size);
    for (int i = 0; i < MAX_STEPS && w.left > 0; i++) {
        struct gw_job job;
        struct gw_step s;

        gw_relay_next(&w.r, &job, &s, w.now, w.connection);
        keep(&s);
        if (!job.wait) {
            answer(&job);
            continue;
        }
        assert(s.has_outcome || job.until_ms > w.now.wall_ms); /* never spins */
        if (s.has_outcome)
            continue;
        if (gw_relay_spare(&w.r, &job, w.now, w.connection)) {
            answer(&job);
            continue;
        }
        if (byte() & 1) /* wait as told, or for something else */
            pass(job.until_ms - w.now.wall_ms);
        else
            play_time();
    }
    return 0;
}
