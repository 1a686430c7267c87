/* The requests that the gateway sends.
 *
 * Invariant: every row is one legal FC03 inside one area of the register map, asserted at compile time; a ring slot
 * is 128 registers and therefore two requests, tied together by the slot's CRC.
 * Refuses nothing: the table is constant. */
#include "gateway/core/readplan.h"

#include <assert.h>

_Static_assert(SG_REG_F_NOM + SG_REGN_F_NOM == SG_HEADER_REGS, "the header is one read from address 0");
_Static_assert((int)SG_REG_SEQ == (int)SG_LIVE_BASE, "the live block begins with SEQ");
_Static_assert((int)SG_FRAME_REGS <= (int)GW_MAX_QUANTITY, "a frame is one read");
_Static_assert(
    SG_RING_STATUS == SG_FRAME_REGS && SG_RING_CRC == SG_RING_STATUS + 1, "the tail follows the frame");

/* Status and CRC-32 of a ring slot. */
enum { RING_TAIL_REGS = 3 };
_Static_assert(SG_RING_STATUS + RING_TAIL_REGS == SG_RING_STRIDE, "frame and tail are the whole slot");

static const struct gw_read plan[GW_READ_COUNT] = {
    [GW_READ_HEADER] = {"header", SG_REG_MAGIC, SG_HEADER_REGS,
        "after each connect and each change of BOOT_ID"},
    [GW_READ_LIVE] = {"live", SG_LIVE_BASE, SG_LIVE_REGS, "shortly after each latch"},
    [GW_READ_FRAME] = {"frame", SG_FRAME_BASE, SG_FRAME_REGS, "when a minute has ended"},
    [GW_READ_RING_TAIL] = {"ring tail", SG_RING_BASE + SG_RING_STATUS, RING_TAIL_REGS,
        "for a minute that FRAME has left; + 128 x minute of the hour"},
    [GW_READ_RING] = {"ring", SG_RING_BASE, SG_FRAME_REGS, "after its tail; + 128 x minute of the hour"},
};

const struct gw_read *gw_readplan(enum gw_read_kind kind)
{
    assert(kind < GW_READ_COUNT);
    return &plan[kind];
}

uint16_t gw_readplan_address(enum gw_read_kind kind, sg_minute min)
{
    unsigned address = gw_readplan(kind)->address;

    assert(min >= 0);
    if (kind == GW_READ_RING || kind == GW_READ_RING_TAIL)
        address += SG_RING_STRIDE * (unsigned)(min % SG_RING_MINUTES);
    return (uint16_t)address;
}

/* v, padded with blanks on the left to width. */
static void put_right(struct sg_buf *out, unsigned v, unsigned width)
{
    unsigned digits = 1;

    for (unsigned rest = v; rest >= 10; rest /= 10)
        digits++;
    for (; digits < width; digits++)
        sg_buf_put_u8(out, ' ');
    sg_buf_put_i64(out, v);
}

static void put_read(struct sg_buf *out, const struct gw_read *r)
{
    sg_buf_puts(out, "  FC03 ");
    put_right(out, r->address, 5);
    sg_buf_puts(out, "..");
    sg_buf_put_i64(out, r->address + r->quantity - 1);
    sg_buf_puts(out, "  quantity ");
    put_right(out, r->quantity, 3);
    sg_buf_puts(out, "  ");
    sg_buf_puts(out, r->name);
    sg_buf_puts(out, ": ");
    sg_buf_puts(out, r->when);
    sg_buf_put_u8(out, '\n');
}

void gw_readplan_print(struct sg_buf *out, const char *relay, const char *host, uint16_t port, uint8_t unit)
{
    sg_buf_puts(out, relay);
    sg_buf_puts(out, "  ");
    sg_buf_puts(out, host);
    sg_buf_put_u8(out, ':');
    sg_buf_put_i64(out, port);
    sg_buf_puts(out, "  unit ");
    sg_buf_put_i64(out, unit);
    sg_buf_put_u8(out, '\n');
    for (unsigned k = 0; k < GW_READ_COUNT; k++)
        put_read(out, &plan[k]);
}
