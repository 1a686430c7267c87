/* Writer of the relays' text files.
 *
 * Invariant: a file whose name is a date was complete and on disk before it got that name. The folder descriptors
 * are opened once; every path is relative to them, so a folder that is moved meanwhile is still the same.
 * Refuses: a folder that cannot be made or opened, and one that another emulator holds. */
#include "relay-emulator/textfile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay-emulator/core/image.h"
#include "relay-emulator/core/textlayout.h"
#include "relay-emulator/fault.h"
#include "sg_buf.h"
#include "sg_log.h"
#include "sg_queue.h"
#include "sg_regmap.h"

#define CAPTURING "CAPTURING.txt"

/* Six samples of about 140 bytes and a head of about 100. */
enum { TEXT_MAX = 4096, NAME_SIZE = RE_TEXT_STAMP_SIZE + 24, QUEUE_PER_RELAY = 16 };

struct message {
    uint8_t unit;
    char name[NAME_SIZE]; /* final name, "" for a capture */
    uint8_t *text;        /* owned */
    size_t len;
};

struct re_textfile {
    struct sg_queue *queue;
    pthread_t thread;
    bool running;
    int utc_offset_min;
    unsigned relays;
    bool failing;                  /* writer: one log line when it begins, one when it ends */
    int dirs[RE_UNIT_MAX + 1];     /* by unit; -1 when not open */
    bool renamed[RE_UNIT_MAX + 1]; /* writer: a new name in the folder is not on disk yet */
};

static int open_folder(int *out, const char *path, struct sg_fault *fault)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return re_fail(fault, SG_EIO, path, strerror(errno));
    *out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *out < 0 ? re_fail(fault, SG_EIO, path, strerror(errno)) : 0;
}

static int keep_leftover(
    int dir, const char *path, const struct re_textfile_conf *conf, struct sg_fault *fault)
{
    char stamp[RE_TEXT_STAMP_SIZE], name[NAME_SIZE];
    re_textlayout_stamp(stamp, conf->boot_ms / SG_MINUTE_MS, conf->utc_offset_min);
    (void)snprintf(
        name, sizeof name, "INTERRUPTED %s %02d.txt", stamp, (int)(conf->boot_ms % SG_MINUTE_MS / 1000));
    int failed = renameat2(dir, CAPTURING, dir, name, RENAME_NOREPLACE);
    if (failed && errno == EINVAL) /* a file system without this flag */
        failed = renameat(dir, CAPTURING, dir, name);
    if (!failed)
        sg_log(SG_LOG_WARN, "textfile", "%s: a minute was interrupted; kept as \"%s\"", path, name);
    else if (errno != ENOENT &&
             errno != EEXIST) /* there: the second start in one second, and nothing to keep */
        return re_fail(fault, SG_EIO, path, strerror(errno));
    return 0;
}

static int open_folders(struct re_textfile *t, const struct re_textfile_conf *conf, struct sg_fault *fault)
{
    for (unsigned unit = 1; unit <= conf->relays; unit++) {
        char path[4096];
        int n = unit == 1 ? snprintf(path, sizeof path, "%s", conf->dir)
                          : snprintf(path, sizeof path, "%s/unit-%u", conf->dir, unit);
        if (n < 0 || (size_t)n >= sizeof path)
            return re_fail(fault, SG_EIO, "text folder", strerror(ENAMETOOLONG));
        int err = open_folder(&t->dirs[unit], path, fault);
        if (err)
            return err;
        if (unit == 1 && flock(t->dirs[1], LOCK_EX | LOCK_NB) != 0)
            return re_fail(fault, SG_ELOCKED, path, "another relay-emulator writes here");
        err = keep_leftover(t->dirs[unit], path, conf, fault);
        if (err)
            return err;
    }
    return 0;
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return SG_EIO;
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

static int write_capture(int dir, const struct message *m)
{
    int fd = openat(dir, CAPTURING, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return SG_EIO;
    int err = write_all(fd, m->text, m->len);
    if (!err && ftruncate(fd, (off_t)m->len) != 0)
        err = SG_EIO;
    if (!err && m->name[0] && fsync(fd) != 0)
        err = SG_EIO;
    if (close(fd) != 0 && !err)
        err = SG_EIO;
    return err;
}

/* The folder is synced with the next capture, which follows at once: for readers of the folder there is a
 * CAPTURING.txt again before this thread waits for the disk. */
static int write_message(struct re_textfile *t, const struct message *m)
{
    int dir = t->dirs[m->unit];
    int err = write_capture(dir, m);
    if (!err && m->name[0]) {
        err = renameat(dir, CAPTURING, dir, m->name) != 0 ? SG_EIO : 0;
        t->renamed[m->unit] = !err;
    } else if (!err && t->renamed[m->unit]) {
        err = fsync(dir) != 0 ? SG_EIO : 0;
        t->renamed[m->unit] = false;
    }
    return err;
}

static void report(struct re_textfile *t, const struct message *m, int err)
{
    int no = errno;
    if (err && !t->failing)
        sg_log(SG_LOG_ERROR, "textfile", "unit %u: cannot write %s: %s", m->unit,
            m->name[0] ? m->name : CAPTURING, strerror(no));
    if (!err && t->failing)
        sg_log(SG_LOG_INFO, "textfile", "writing again");
    t->failing = err != 0;
}

static void message_free(struct message *m)
{
    free(m->text);
    free(m);
}

static void *writer(void *arg)
{
    struct re_textfile *t = arg;
    void *got;

    (void)pthread_setname_np(pthread_self(), "text-writer");
    while (sg_queue_get(t->queue, &got, -1) == 0) {
        struct message *m = got;
        report(t, m, write_message(t, m));
        message_free(m);
    }
    return NULL;
}

int re_textfile_start(struct re_textfile **out, const struct re_textfile_conf *conf, struct sg_fault *fault)
{
    assert(conf->relays >= RE_UNIT_MIN && conf->relays <= RE_UNIT_MAX);
    struct re_textfile *t = calloc(1, sizeof *t);
    if (!t)
        return re_fail(fault, SG_ENOMEM, conf->dir, sg_err_text(SG_ENOMEM));
    t->relays = conf->relays;
    t->utc_offset_min = conf->utc_offset_min;
    for (size_t i = 0; i < SG_ARRAY_LEN(t->dirs); i++)
        t->dirs[i] = -1;
    int err = open_folders(t, conf, fault);
    if (!err && (sg_queue_new(&t->queue, (size_t)QUEUE_PER_RELAY * conf->relays) != 0 ||
                    pthread_create(&t->thread, NULL, writer, t) != 0))
        err = re_fail(fault, SG_ENOMEM, conf->dir, "cannot start the writer");
    if (err) {
        re_textfile_stop(t);
        return err;
    }
    t->running = true;
    *out = t;
    return 0;
}

void re_textfile_stop(struct re_textfile *t)
{
    if (!t)
        return;
    if (t->running) {
        sg_queue_close(t->queue);
        (void)pthread_join(t->thread, NULL);
    }
    sg_queue_free(t->queue);
    for (size_t i = 0; i < SG_ARRAY_LEN(t->dirs); i++)
        if (t->dirs[i] >= 0)
            (void)close(t->dirs[i]);
    free(t);
}

/* The formatted minute as a message; NULL when memory is short. */
static struct message *message_new(
    const struct re_textfile *t, uint8_t unit, const uint16_t *frame, bool is_final)
{
    char device[RE_DEVICE_SIZE], stamp[RE_TEXT_STAMP_SIZE];
    struct sg_buf text;
    struct message *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    sg_buf_init(&text, TEXT_MAX);
    re_image_device(device, unit);
    re_textlayout_put(&text, frame, device, re_image_substation(), t->utc_offset_min);
    if (sg_buf_err(&text)) {
        sg_buf_fini(&text);
        free(m);
        return NULL;
    }
    m->unit = unit;
    m->text = sg_buf_take(&text, &m->len);
    if (is_final) {
        re_textlayout_stamp(stamp, sg_reg_get32(frame + SG_REG_FRAME_MINUTE), t->utc_offset_min);
        (void)snprintf(m->name, sizeof m->name, "%s.txt", stamp);
    }
    return m;
}

static void hand_over(struct re_textfile *t, uint8_t unit, const uint16_t *frame, bool is_final)
{
    assert(unit >= RE_UNIT_MIN && unit <= t->relays);
    struct message *m = message_new(t, unit, frame, is_final);
    if (m && sg_queue_put(t->queue, m) == 0)
        return;
    sg_log(SG_LOG_ERROR, "textfile", "unit %u: the disk does not keep up; a text file was left out", unit);
    if (m)
        message_free(m);
}

void re_textfile_capture(struct re_textfile *t, uint8_t unit, const uint16_t *frame)
{
    hand_over(t, unit, frame, false);
}

void re_textfile_publish(struct re_textfile *t, uint8_t unit, const uint16_t *frame)
{
    hand_over(t, unit, frame, true);
}
