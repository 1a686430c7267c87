/* The holding registers of a relay: one table for emulator, gateway, documentation and tests.
 *
 * PDU addresses, 0-based. 32- and 64-bit values: high word first. Strings: UTF-8, two bytes a register, NUL
 * padded. Function codes 03 and 04 read the same map; nothing writes it.
 *
 *      0..72     identification and scaling (constant since boot)        SG_REGMAP_HEADER
 *    200..233    live block, replaced as a whole at every latch          SG_REGMAP_LIVE
 *   1000..1124   FRAME: the last complete minute, one FC03 reads it whole
 *   2000+128m    RING: the minute with UTC minute-of-hour m, FRAME + status + CRC-32
 *  12000..       newest event number, then 64 event records of 16 registers
 *  40000..40197  SunSpec
 */
#ifndef SG_REGMAP_H
#define SG_REGMAP_H

#include "sg_types.h"

enum sg_reg_type {
    SG_REG_U16,
    SG_REG_I16,
    SG_REG_BITS,
    SG_REG_U32,
    SG_REG_I32,
    SG_REG_U64,
    SG_REG_STR,
    SG_REG_BLOCK
};

/* X(NAME, address, registers, type, meaning) */
#define SG_REGMAP_HEADER(X)                                                                                  \
    X(MAGIC, 0, 2, SG_REG_STR, "the text RELY")                                                              \
    X(MAP_VER, 2, 1, SG_REG_U16, "version of this map, 1")                                                   \
    X(PER_MIN, 3, 1, SG_REG_U16, "samples a minute, 6")                                                      \
    X(PERIOD_S, 4, 1, SG_REG_U16, "seconds between samples, 10")                                             \
    X(RING_MIN, 5, 1, SG_REG_U16, "minutes kept in RING, 60")                                                \
    X(EVT_RING, 6, 1, SG_REG_U16, "event records kept, 64")                                                  \
    X(MODE, 7, 1, SG_REG_U16, "0 paper, 1 physical, 2 replay")                                               \
    X(SEED, 8, 4, SG_REG_U64, "seed of the signals; all ones: hidden")                                       \
    X(BOOT_UTC, 12, 2, SG_REG_U32, "second of the boot, Unix time")                                          \
    X(BOOT_ID, 14, 2, SG_REG_U32, "another value after every restart")                                       \
    X(DEVICE, 16, 16, SG_REG_STR, "name of the relay")                                                       \
    X(SUBSTATION, 32, 32, SG_REG_STR, "name of the substation")                                              \
    X(V_EXP, 64, 1, SG_REG_I16, "voltage in V is count x 10^V_EXP: 0")                                       \
    X(I_EXP, 65, 1, SG_REG_I16, "current in A is count x 10^I_EXP: -3")                                      \
    X(F_EXP, 66, 1, SG_REG_I16, "frequency in Hz is count x 10^F_EXP: -3")                                   \
    X(PF_EXP, 67, 1, SG_REG_I16, "power factor is count x 10^PF_EXP: -3")                                    \
    X(P_EXP, 68, 1, SG_REG_I16, "active power in W is count x 10^P_EXP: 0")                                  \
    X(Q_EXP, 69, 1, SG_REG_I16, "reactive power in var is count x 10^Q_EXP: 0")                              \
    X(V_NOM, 70, 2, SG_REG_U32, "nominal line voltage, V: 115000")                                           \
    X(F_NOM, 72, 1, SG_REG_U16, "nominal frequency, mHz: 60000")

#define SG_REGMAP_LIVE(X)                                                                                    \
    X(SEQ, 200, 2, SG_REG_U32, "sample index of the latch: floor(Unix ms / 10000)")                          \
    X(UTC_S, 202, 2, SG_REG_U32, "instant of the latch, Unix seconds: a multiple of 10")                     \
    X(UTC_MS, 204, 1, SG_REG_U16, "its milliseconds: 0")                                                     \
    X(TIME_Q, 205, 1, SG_REG_BITS, "b15 UTC, b13 not synchronised, b12 clock failure")                       \
    X(BOOT_ID2, 206, 2, SG_REG_U32, "copy of BOOT_ID")                                                       \
    X(OPEN_CUM, 208, 2, SG_REG_U32, "openings caused by faults since boot")                                  \
    X(OPEN_MIN, 210, 1, SG_REG_U16, "openings so far this minute")                                           \
    X(BRK, 211, 1, SG_REG_BITS, "b0 closed, b1 lockout, b2 reclosing")                                       \
    X(REC20, 212, 20, SG_REG_BLOCK, "the latched sample")                                                    \
    X(SEQ2, 232, 2, SG_REG_U32, "equals SEQ, else the read was torn")

/* The sample record. X(NAME, offset, registers, type, point of the paper's profile or "", meaning) */
#define SG_REGMAP_REC20(X)                                                                                   \
    X(T_OFF, 0, 1, SG_REG_U16, "", "ms inside the minute: 0, 10000 .. 50000")                                \
    X(QUAL, 1, 1, SG_REG_BITS, "", "quality, SG_QUAL_*")                                                     \
    X(VAB, 2, 2, SG_REG_U32, "vab", "line voltage a-b, V")                                                   \
    X(VBC, 4, 2, SG_REG_U32, "vbc", "line voltage b-c, V")                                                   \
    X(VCA, 6, 2, SG_REG_U32, "vca", "line voltage c-a, V")                                                   \
    X(IA, 8, 2, SG_REG_U32, "ia", "current of phase a, mA")                                                  \
    X(IB, 10, 2, SG_REG_U32, "ib", "current of phase b, mA")                                                 \
    X(IC, 12, 2, SG_REG_U32, "ic", "current of phase c, mA")                                                 \
    X(F, 14, 1, SG_REG_U16, "f", "frequency, mHz")                                                           \
    X(PF, 15, 1, SG_REG_I16, "pf", "power factor, 1/1000, sign of the active power")                         \
    X(P, 16, 2, SG_REG_I32, "p", "active power, W")                                                          \
    X(Q, 18, 2, SG_REG_I32, "q", "reactive power, var")

/* A minute. The six records follow at SG_FRAME_RECORDS. */
#define SG_REGMAP_FRAME(X)                                                                                   \
    X(FRAME_MINUTE, 0, 2, SG_REG_U32, "UTC minute: floor(Unix ms / 60000)")                                  \
    X(FRAME_UTC_S, 2, 2, SG_REG_U32, "its start, Unix seconds")                                              \
    X(FRAME_OPENINGS, 4, 1, SG_REG_U16, "openings caused by faults in this minute")

#define SG_REG_ENUM_(name, address, count, type, meaning) SG_REG_##name = (address), SG_REGN_##name = (count),
enum { SG_REGMAP_HEADER(SG_REG_ENUM_) SG_REGMAP_LIVE(SG_REG_ENUM_) SG_REGMAP_FRAME(SG_REG_ENUM_) };
#undef SG_REG_ENUM_

#define SG_REC_ENUM_(name, offset, count, type, point, meaning) SG_REC_##name = (offset),
enum { SG_REGMAP_REC20(SG_REC_ENUM_) };
#undef SG_REC_ENUM_

enum {
    SG_HEADER_REGS = 73,
    SG_LIVE_BASE = 200,
    SG_LIVE_REGS = 34,
    SG_FRAME_BASE = 1000,
    SG_FRAME_REGS = 125, /* Modbus Application Protocol V1.1b3, 6.3: quantity 1..125 */
    SG_FRAME_RECORDS = 5,
    SG_REC20_REGS = 20,
    SG_SAMPLES_A_MIN = 6,
    SG_PERIOD_MS = 10000,
    SG_RING_BASE = 2000,
    SG_RING_STRIDE = 128,
    SG_RING_MINUTES = 60,
    SG_RING_STATUS = 125, /* 1 = present */
    SG_RING_CRC = 126,    /* CRC-32 (IEEE 802.3) of the 250 bytes of the frame as sent, high word first */
    SG_EVT_LAST = 12000,
    SG_EVT_BASE = 12002,
    SG_EVT_STRIDE = 16,
    SG_EVT_RING_LEN = 64,
    SG_SUNSPEC_BASE = 40000,
    SG_SUNSPEC_REGS = 198,
    SG_POINTS = 10, /* electrical variables of a sample, in the order of SG_REGMAP_REC20 */
    SG_MODBUS_PORT = 5010,
};
_Static_assert(SG_FRAME_RECORDS + SG_SAMPLES_A_MIN * SG_REC20_REGS == SG_FRAME_REGS, "a frame is one read");
_Static_assert(SG_REG_REC20 + SG_REC20_REGS == SG_REG_SEQ2, "the record ends where SEQ2 begins");
_Static_assert(SG_REG_SEQ2 + SG_REGN_SEQ2 == SG_LIVE_BASE + SG_LIVE_REGS, "SEQ2 closes the live block");

/* Quality of a sample (QUAL) and, OR-ed, of a minute. */
enum {
    SG_QUAL_VALID = 1 << 15,
    SG_QUAL_FLAGGED = 1 << 14, /* dip, swell or interruption (IEC 61000-4-30 style flagging) */
    SG_QUAL_SIMULATED = 1 << 13,
    SG_QUAL_TEST = 1 << 12,
    SG_QUAL_INCOMPLETE = 1 << 11,
    SG_QUAL_PF_UNDEFINED = 1 << 10,
    SG_QUAL_OPEN = 1 << 9, /* breaker open */
};
/* TIME_Q */
enum { SG_TIMEQ_UTC = 1 << 15, SG_TIMEQ_NOT_SYNCHRONISED = 1 << 13, SG_TIMEQ_CLOCK_FAILURE = 1 << 12 };
/* BRK */
enum { SG_BRK_CLOSED = 1 << 0, SG_BRK_LOCKOUT = 1 << 1, SG_BRK_RECLOSING = 1 << 2 };

/* Scalars in registers held in host order. */
static inline uint32_t sg_reg_get32(const uint16_t *r)
{
    return (uint32_t)r[0] << 16 | r[1];
}

static inline void sg_reg_put32(uint16_t *r, uint32_t v)
{
    r[0] = (uint16_t)(v >> 16);
    r[1] = (uint16_t)v;
}

static inline void sg_reg_put64(uint16_t *r, uint64_t v)
{
    sg_reg_put32(r, (uint32_t)(v >> 32));
    sg_reg_put32(r + 2, (uint32_t)v);
}

/* CRC-32 (IEEE 802.3: reflected, polynomial 0xEDB88320) of n registers as they are sent, high byte first:
 * over SG_FRAME_REGS registers of a RING slot it is the value at SG_RING_CRC. */
static inline uint32_t sg_reg_crc32(const uint16_t *r, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < 2 * n; i++) {
        crc ^= (uint32_t)(i % 2 ? r[i / 2] & 0xFF : r[i / 2] >> 8);
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
    }
    return ~crc;
}

#endif
