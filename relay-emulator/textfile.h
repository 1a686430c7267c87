/* The text files of the relays: CAPTURING.txt while a minute runs, "DD MM YYYY HH MM.txt" when it has ended.
 *
 * A thread of its own writes, because a file system may take seconds for an fsync and no client may wait for that.
 * The server loop hands over formatted bytes by a bounded queue; when the queue is full (the disk stands still) the
 * message is dropped with a log line: the minute stays readable in RING for an hour.
 *
 *   DIR, DIR/unit-2, DIR/unit-3 ..   made when missing; a second emulator on the same DIR is refused
 *   publishing                       written whole, fsync, rename, then the folder: a file with a date is complete
 *   leftover                         a CAPTURING.txt found at the start (crash, or stopped inside a minute) belongs to
 *                                    a minute that never got its file; it is kept as
 *                                    "INTERRUPTED DD MM YYYY HH MM SS.txt" with the local time of this start
 *   minute without any latch seen    no file; a boot inside a minute gives a file with the samples after the boot */
#ifndef RE_TEXTFILE_H
#define RE_TEXTFILE_H

#include "sg_err.h"
#include "sg_types.h"

struct re_textfile;

struct re_textfile_conf {
    const char *dir;    /* borrowed for the call */
    unsigned relays;    /* units 1..relays */
    int utc_offset_min; /* local time minus UTC */
    sg_ms boot_ms;
};

/* Make the folders, keep leftovers, start the thread. SG_EIO, SG_ELOCKED or SG_ENOMEM with a fault. */
SG_MUST_USE int re_textfile_start(
    struct re_textfile **out, const struct re_textfile_conf *conf, struct sg_fault *fault);
/* Write what is queued, join the thread, free. NULL is legal. */
void re_textfile_stop(struct re_textfile *t);

/* The minute that runs, in FRAME layout: CAPTURING.txt gets its text. Never blocks. */
void re_textfile_capture(struct re_textfile *t, uint8_t unit, const uint16_t *frame);
/* The minute that has ended: CAPTURING.txt gets its text and its final name. Never blocks. */
void re_textfile_publish(struct re_textfile *t, uint8_t unit, const uint16_t *frame);

#endif
