/* The writer of text files: what stands in the folder after each step. re_textfile_stop writes all that is queued, so
 * every test looks after it and waits for nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay-emulator/core/textlayout.h"
#include "relay-emulator/station.h"
#include "relay-emulator/textfile.h"
#include "sg_regmap.h"

/* 2021-09-28 07:01 at -05:00 */
#define MINUTE  27213841
#define BOGOTA  (-300)
#define BOOT_MS (MINUTE * SG_MINUTE_MS + 7999)

static char dir[64];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/test_re_textfile.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -r '%s'", dir);
    return system(command);
}

static const char *in_dir(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static bool there(const char *name)
{
    return access(in_dir(name), F_OK) == 0;
}

/* The content of a file; "" when there is none. */
static const char *content(const char *name)
{
    static char text[8192];
    FILE *f = fopen(in_dir(name), "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = 0;
    if (f)
        (void)fclose(f);
    return text;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(in_dir(name), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static struct re_textfile *started(unsigned relays)
{
    struct re_textfile *t = NULL;
    const struct re_textfile_conf c = {
        .dir = dir, .relays = relays, .utc_offset_min = BOGOTA, .boot_ms = BOOT_MS};
    struct sg_fault fault = {0};
    assert_int_equal(re_textfile_start(&t, &c, &fault), 0);
    return t;
}

static void make_frame(uint16_t *frame, uint32_t minute, int samples)
{
    memset(frame, 0, SG_FRAME_REGS * sizeof *frame);
    sg_reg_put32(frame + SG_REG_FRAME_MINUTE, minute);
    for (int i = 0; i < samples; i++) {
        uint16_t *rec = frame + SG_FRAME_RECORDS + i * SG_REC20_REGS;
        rec[SG_REC_T_OFF] = (uint16_t)(i * SG_PERIOD_MS);
        rec[SG_REC_QUAL] = (uint16_t)SG_QUAL_VALID;
    }
}

static void expect_file(const char *name, const uint16_t *frame, const char *device)
{
    struct sg_buf b;
    const char *got = content(name);
    sg_buf_init(&b, 8192);
    re_textlayout_put(&b, frame, device, "Bogot\xC3\xA1 Electrical Substation - U.D.", BOGOTA);
    assert_int_equal(strlen(got), b.len);
    assert_memory_equal(got, b.p, b.len);
    sg_buf_fini(&b);
}

/* While a minute runs CAPTURING.txt holds its newest text, also when that is shorter than what was there. */
static void textfile_capture_replaces_capturing(void **state)
{
    uint16_t frame[SG_FRAME_REGS];
    struct re_textfile *t = started(1);
    (void)state;
    make_frame(frame, MINUTE, 6);
    re_textfile_capture(t, 1, frame);
    make_frame(frame, MINUTE, 2);
    re_textfile_capture(t, 1, frame);
    re_textfile_stop(t);
    expect_file("CAPTURING.txt", frame, "Relay 1");
}

/* A minute that ended has the name of its local date, and CAPTURING.txt is the next one. */
static void textfile_publish_renames_the_finished_minute(void **state)
{
    uint16_t ended[SG_FRAME_REGS], next[SG_FRAME_REGS];
    struct re_textfile *t = started(1);
    (void)state;
    make_frame(ended, MINUTE, 6);
    make_frame(next, MINUTE + 1, 1);
    re_textfile_publish(t, 1, ended);
    re_textfile_capture(t, 1, next);
    re_textfile_stop(t);
    expect_file("28 09 2021 07 01.txt", ended, "Relay 1");
    expect_file("CAPTURING.txt", next, "Relay 1");
}

/* Unit 1 writes to the folder itself, unit k to unit-k, each under its own name. */
static void textfile_units_have_folders_of_their_own(void **state)
{
    uint16_t frame[SG_FRAME_REGS];
    struct re_textfile *t = started(3);
    (void)state;
    make_frame(frame, MINUTE, 6);
    for (uint8_t unit = 1; unit <= 3; unit++)
        re_textfile_publish(t, unit, frame);
    re_textfile_stop(t);
    expect_file("28 09 2021 07 01.txt", frame, "Relay 1");
    expect_file("unit-2/28 09 2021 07 01.txt", frame, "Relay 2");
    expect_file("unit-3/28 09 2021 07 01.txt", frame, "Relay 3");
}

/* What a crash left is kept under a name of its own; a second start in the same second keeps the first. */
static void textfile_leftover_is_kept_as_interrupted(void **state)
{
    (void)state;
    write_file("CAPTURING.txt", "older");
    re_textfile_stop(started(1));
    assert_string_equal(content("INTERRUPTED 28 09 2021 07 01 07.txt"), "older");
    assert_false(there("CAPTURING.txt"));
    write_file("CAPTURING.txt", "newer");
    re_textfile_stop(started(1));
    assert_string_equal(content("INTERRUPTED 28 09 2021 07 01 07.txt"), "older");
}

/* A link in the place of CAPTURING.txt is not followed: nothing outside the folder is written. */
static void textfile_link_in_place_of_capturing_is_not_followed(void **state)
{
    uint16_t frame[SG_FRAME_REGS];
    struct re_textfile *t = started(1);
    (void)state;
    write_file("victim", "untouched");
    assert_int_equal(symlink("victim", in_dir("CAPTURING.txt")), 0);
    make_frame(frame, MINUTE, 6);
    re_textfile_publish(t, 1, frame);
    re_textfile_stop(t);
    assert_string_equal(content("victim"), "untouched");
    assert_false(there("28 09 2021 07 01.txt"));
}

/* One writer a folder: a second is refused with SG_ELOCKED, and the folder is free again when the first stops. */
static void textfile_second_writer_is_locked_out(void **state)
{
    struct re_textfile *first = started(1), *second = NULL;
    const struct re_textfile_conf c = {.dir = dir, .relays = 1, .boot_ms = BOOT_MS};
    struct sg_fault fault = {0};
    (void)state;
    assert_int_equal(re_textfile_start(&second, &c, &fault), SG_ELOCKED);
    assert_null(second);
    assert_non_null(strstr(fault.text, dir));
    re_textfile_stop(first);
    assert_int_equal(re_textfile_start(&second, &c, &fault), 0);
    re_textfile_stop(second);
}

/* A folder that cannot be made is SG_EIO, and the fault names it. */
static void textfile_folder_that_cannot_be_made_is_io(void **state)
{
    struct re_textfile *t = NULL;
    struct sg_fault fault = {0};
    char path[160];
    (void)state;
    (void)snprintf(path, sizeof path, "%s/missing/deeper", dir);
    const struct re_textfile_conf c = {.dir = path, .relays = 1, .boot_ms = BOOT_MS};
    assert_int_equal(re_textfile_start(&t, &c, &fault), SG_EIO);
    assert_non_null(strstr(fault.text, path));
    write_file("plain", "a file");
    (void)snprintf(path, sizeof path, "%s/plain", dir);
    assert_int_equal(re_textfile_start(&t, &c, &fault), SG_EIO);
}

/* A relay that boots behind the last latch of a minute has seen none of it: no file; the next minute has one. */
static void textfile_minute_without_a_latch_has_no_file(void **state)
{
    const sg_ms end = (MINUTE + 1) * SG_MINUTE_MS;
    const struct re_station_conf c = {
        .relays = 1, .text_dir = dir, .utc_offset_min = BOGOTA, .boot_ms = end - 5000};
    struct re_station *st = NULL;
    struct sg_fault fault = {0};
    (void)state;
    assert_int_equal(re_station_new(&st, &c, &fault), 0);
    for (sg_ms now = end; now <= end + SG_MINUTE_MS; now += SG_PERIOD_MS)
        re_station_tick(st, now);
    re_station_free(st);
    assert_false(there("28 09 2021 07 01.txt"));
    assert_true(there("28 09 2021 07 02.txt"));
    assert_non_null(strstr(content("CAPTURING.txt"), "28 09 2021 07 03"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(textfile_capture_replaces_capturing, setup, teardown),
        cmocka_unit_test_setup_teardown(textfile_publish_renames_the_finished_minute, setup, teardown),
        cmocka_unit_test_setup_teardown(textfile_units_have_folders_of_their_own, setup, teardown),
        cmocka_unit_test_setup_teardown(textfile_leftover_is_kept_as_interrupted, setup, teardown),
        cmocka_unit_test_setup_teardown(textfile_link_in_place_of_capturing_is_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(textfile_second_writer_is_locked_out, setup, teardown),
        cmocka_unit_test_setup_teardown(textfile_minute_without_a_latch_has_no_file, setup, teardown),
        cmocka_unit_test_setup_teardown(textfile_folder_that_cannot_be_made_is_io, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
