/* The hub of events: order, resuming, losses that are told, limits, and the pulse of a stream that has nothing to say. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/events.h"
#include "sg_err.h"

#define RUN 1764000000000

static int wakes;

static void wake(void *ctx)
{
    (void)ctx;
    wakes++;
}

static struct lg_events *hub(size_t bytes)
{
    struct lg_events *h = NULL;
    assert_int_equal(lg_events_new(&h, RUN, bytes), 0);
    wakes = 0;
    lg_events_listen(h, wake, NULL);
    return h;
}

static void tell(struct lg_events *h, const char *type, const char *json)
{
    struct sg_buf b;
    sg_buf_init(&b, 1 << 20);
    sg_buf_puts(&b, json);
    lg_events_put(h, type, &b);
    sg_buf_fini(&b);
}

static struct lg_events_stream *listen_from(struct lg_events *h, const char *last_id)
{
    struct lg_events_stream *st = NULL;
    assert_int_equal(lg_events_open(h, &st, "127.0.0.1", last_id), 0);
    return st;
}

/* All that can be read now, in reads of at most max bytes. */
static const char *read_all(struct lg_events_stream *st, size_t max)
{
    static char text[65536];
    size_t n = 0;
    long got;
    while ((got = lg_events_read(st, text + n, max, 0)) > 0)
        n += (size_t)got;
    assert_int_equal(got, LG_EVENTS_NOTHING);
    text[n] = '\0';
    return text;
}

#define GREETING(number)          "retry: 2000\nid: 1764000000000-" number "\n\n"
#define EVENT(number, type, json) "id: 1764000000000-" number "\nevent: " type "\ndata: " json "\n\n"

/* A new stream is greeted with where it stands, and gets what is told from then on, in order, each with its id. */
static void events_are_given_in_order(void **state)
{
    struct lg_events *h = hub(4096);
    (void)state;
    tell(h, "block", "{\"before\":1}");
    struct lg_events_stream *st = listen_from(h, NULL);
    assert_string_equal(read_all(st, 4096), GREETING("1"));
    tell(h, "block", "{\"height\":1}");
    tell(h, "minute", "{}");
    assert_string_equal(read_all(st, 4096), EVENT("2", "block", "{\"height\":1}") EVENT("3", "minute", "{}"));
    assert_string_equal(read_all(st, 4096), "");
    lg_events_close(st);
    lg_events_free(h);
}

/* However small the pieces are that the server asks for, the bytes are the same. */
static void events_survive_any_size_of_reads(void **state)
{
    struct lg_events *h = hub(4096);
    char whole[1024];
    (void)state;
    for (int i = 0; i < 9; i++)
        tell(h, "sample", "{\"id\":\"relay-1\"}");
    struct lg_events_stream *st = listen_from(h, "1764000000000-0");
    const char *text = read_all(st, sizeof whole);
    assert_true(strlen(text) < sizeof whole);
    memcpy(whole, text, strlen(text) + 1);
    lg_events_close(st);
    for (size_t max = 1; max < 100; max += 7) {
        st = listen_from(h, "1764000000000-0");
        assert_string_equal(read_all(st, max), whole);
        lg_events_close(st);
    }
    lg_events_free(h);
}

/* Who comes again with an id goes on after it; with the newest id, or the greeting's, nothing is given twice. */
static void events_resume_after_the_last_id(void **state)
{
    struct lg_events *h = hub(4096);
    (void)state;
    for (int i = 0; i < 3; i++)
        tell(h, "block", "{}");
    struct lg_events_stream *st = listen_from(h, "1764000000000-2");
    assert_string_equal(read_all(st, 4096), GREETING("2") EVENT("3", "block", "{}"));
    lg_events_close(st);
    st = listen_from(h, "1764000000000-3");
    assert_string_equal(read_all(st, 4096), GREETING("3"));
    lg_events_close(st);
    lg_events_free(h);
}

/* What the ring no longer has is told as lost, with its number, before what it has. */
static void events_resume_beyond_the_ring_tells_the_loss(void **state)
{
    struct lg_events *h = hub(150); /* three of these */
    (void)state;
    for (int i = 0; i < 9; i++)
        tell(h, "block", "{\"x\":1}");
    struct lg_events_stream *st = listen_from(h, "1764000000000-2");
    const char *text = read_all(st, 4096);
    assert_string_equal(
        text, "retry: 2000\nevent: lost\ndata: {\"missed\":4}\nid: 1764000000000-6\n\n" EVENT("7", "block",
                  "{\"x\":1}") EVENT("8", "block", "{\"x\":1}") EVENT("9", "block", "{\"x\":1}"));
    lg_events_close(st);
    lg_events_free(h);
}

/* An id of another life of the process, or one that was never given, tells a loss of unknown size and gives all that is there. */
static void events_resume_with_a_foreign_id_tells_the_loss(void **state)
{
    const char *const ids[] = {"1763999999999-1", "1764000000000-2", "0-0"};
    struct lg_events *h = hub(4096);
    (void)state;
    tell(h, "block", "{}");
    for (size_t i = 0; i < SG_ARRAY_LEN(ids); i++) {
        struct lg_events_stream *st = listen_from(h, ids[i]);
        assert_string_equal(read_all(st, 4096),
            "retry: 2000\nevent: lost\ndata: {}\nid: 1764000000000-0\n\n" EVENT("1", "block", "{}"));
        lg_events_close(st);
    }
    lg_events_free(h);
}

/* What is no id at all is refused. */
static void events_open_with_no_id_is_refused(void **state)
{
    const char *const ids[] = {
        "7", "-", "1-", "-1", "1--1", "1-1-1", "x-1", "1-01", "1-9223372036854775808", " 1-1"};
    struct lg_events *h = hub(4096);
    struct lg_events_stream *st = NULL;
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(ids); i++)
        assert_int_equal(lg_events_open(h, &st, "::1", ids[i]), SG_EBAD_PARAMETER);
    lg_events_free(h);
}

/* A stream that the ring has overrun is cut; the piece that it was reading ends whole; it comes again and is told how much went. */
static void events_slow_stream_is_cut_and_told_later(void **state)
{
    struct lg_events *h = hub(150);
    struct lg_events_counts counts;
    char some[12];
    (void)state;
    struct lg_events_stream *st = listen_from(h, NULL);
    read_all(st, 4096);
    tell(h, "block", "{\"x\":1}");
    assert_int_equal(lg_events_read(st, some, sizeof some, 0), sizeof some); /* in the middle of event 1 */
    for (int i = 0; i < 9; i++)
        tell(h, "block", "{\"x\":1}");
    char rest[256];
    const long n = lg_events_read(st, rest, sizeof rest, 0);
    assert_int_equal(n, strlen(EVENT("1", "block", "{\"x\":1}")) - sizeof some);
    for (int i = 0; i < 2; i++)
        assert_int_equal(lg_events_read(st, rest, sizeof rest, 0), LG_EVENTS_CUT);
    lg_events_close(st);
    lg_events_counts(h, &counts);
    assert_int_equal(counts.cut, 1);
    st = listen_from(h, "1764000000000-1");
    assert_non_null(strstr(read_all(st, 4096), "event: lost\ndata: {\"missed\":6}\nid: 1764000000000-7\n\n"));
    lg_events_close(st);
    lg_events_free(h);
}

/* An event that could not be written is a loss like any other. */
static void events_without_a_text_are_a_loss(void **state)
{
    struct lg_events *h = hub(4096);
    struct sg_buf none;
    (void)state;
    sg_buf_init(&none, 0);
    tell(h, "block", "{}");
    lg_events_put(h, "minute", &none);
    tell(h, "block", "{}");
    struct lg_events_stream *st = listen_from(h, "1764000000000-0");
    assert_string_equal(read_all(st, 4096),
        "retry: 2000\nevent: lost\ndata: {\"missed\":2}\nid: 1764000000000-2\n\n" EVENT("3", "block", "{}"));
    lg_events_close(st);
    lg_events_free(h);
}

/* One address, and all together, may hold so many streams and no more; a place that is left is free again. */
static void events_streams_are_bounded(void **state)
{
    struct lg_events *h = hub(4096);
    struct lg_events_stream *st[LG_EVENTS_MAX_STREAMS], *more = NULL;
    struct lg_events_counts counts;
    char address[32];
    (void)state;
    for (unsigned i = 0; i < LG_EVENTS_MAX_STREAMS; i++) {
        snprintf(address, sizeof address, "10.0.0.%u", i / LG_EVENTS_MAX_STREAMS_ADDRESS);
        assert_int_equal(lg_events_open(h, &st[i], address, NULL), 0);
        if (i == LG_EVENTS_MAX_STREAMS_ADDRESS - 1)
            assert_int_equal(lg_events_open(h, &more, address, NULL), SG_EOVERLOADED);
    }
    assert_int_equal(lg_events_open(h, &more, "10.0.1.0", NULL), SG_EOVERLOADED);
    lg_events_close(st[50]);
    assert_int_equal(lg_events_open(h, &st[50], "10.0.1.0", NULL), 0);
    lg_events_counts(h, &counts);
    assert_int_equal(counts.streams, LG_EVENTS_MAX_STREAMS);
    assert_int_equal(counts.refused, 2);
    for (unsigned i = 0; i < LG_EVENTS_MAX_STREAMS; i++)
        lg_events_close(st[i]);
    lg_events_free(h);
}

/* A silent stream sends a comment every ten seconds, and none while it has something to say. */
static void events_silence_is_broken_by_a_comment(void **state)
{
    struct lg_events *h = hub(4096);
    char text[256];
    (void)state;
    struct lg_events_stream *st = listen_from(h, NULL);
    assert_true(lg_events_read(st, text, sizeof text, 1000) > 0);
    assert_int_equal(lg_events_read(st, text, sizeof text, 10999), LG_EVENTS_NOTHING);
    assert_int_equal(lg_events_read(st, text, sizeof text, 11000), 4);
    assert_memory_equal(text, ": \n\n", 4);
    assert_int_equal(lg_events_read(st, text, sizeof text, 11001), LG_EVENTS_NOTHING);
    tell(h, "block", "{}");
    assert_memory_equal(text, ": \n\n", 4);
    assert_int_equal(lg_events_read(st, text, sizeof text, 20999), strlen(EVENT("1", "block", "{}")));
    assert_int_equal(lg_events_read(st, text, sizeof text, 21000), LG_EVENTS_NOTHING);
    lg_events_close(st);
    lg_events_free(h);
}

/* Streams are woken by each event, and nobody is when there is no stream. */
static void events_wake_streams(void **state)
{
    struct lg_events *h = hub(4096);
    (void)state;
    tell(h, "block", "{}");
    assert_int_equal(wakes, 0);
    struct lg_events_stream *st = listen_from(h, NULL);
    tell(h, "block", "{}");
    assert_int_equal(wakes, 1);
    lg_events_listen(h, NULL, NULL);
    tell(h, "block", "{}");
    assert_int_equal(wakes, 1);
    lg_events_close(st);
    lg_events_free(h);
}

/* ---- threads ---- */

enum { WRITERS = 3, EACH = 2000 };

static void *write_many(void *arg)
{
    for (int i = 0; i < EACH; i++)
        tell(arg, "block", "{\"x\":1}");
    return NULL;
}

/* One block of lines, NUL-terminated: its id follows from the one before it, or a loss says by how much it does not. */
static long long follow(long long last, const char *block)
{
    const char *id = strstr(block, "id: 1764000000000-"), *lost = strstr(block, "event: lost");
    assert_non_null(id);
    const long long number = atoll(id + strlen("id: 1764000000000-"));
    long long expected = last;
    if (lost != NULL)
        expected += atoll(strstr(lost, "\"missed\":") + strlen("\"missed\":"));
    else if (strstr(block, "event: ") != NULL)
        expected++;
    assert_int_equal(number, expected);
    return number;
}

/* A reader beside writers, cut off again and again: every number comes once, in order, or a loss tells of it. */
static void events_from_many_threads_have_no_hole(void **state)
{
    enum { SIZE = 4096 };
    struct lg_events *h = hub(2000);
    pthread_t writers[WRITERS];
    struct lg_events_stream *st = listen_from(h, "1764000000000-0");
    char text[SIZE + 1], id[64], *end;
    long long last = 0;
    size_t n = 0;
    (void)state;
    lg_events_listen(h, NULL, NULL);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_many, h), 0);
    while (last < WRITERS * EACH) {
        const long got = lg_events_read(st, text + n, SIZE - n, 0);
        if (got == LG_EVENTS_CUT) { /* it ends with a whole block */
            assert_int_equal(n, 0);
            lg_events_close(st);
            snprintf(id, sizeof id, "1764000000000-%lld", last);
            st = listen_from(h, id);
        }
        n += got > 0 ? (size_t)got : 0;
        text[n] = '\0';
        while ((end = strstr(text, "\n\n")) != NULL) {
            end[1] = '\0';
            last = follow(last, text);
            n -= (size_t)(end + 2 - text);
            memmove(text, end + 2, n + 1);
        }
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    lg_events_close(st);
    lg_events_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_given_in_order),
        cmocka_unit_test(events_survive_any_size_of_reads),
        cmocka_unit_test(events_resume_after_the_last_id),
        cmocka_unit_test(events_resume_beyond_the_ring_tells_the_loss),
        cmocka_unit_test(events_resume_with_a_foreign_id_tells_the_loss),
        cmocka_unit_test(events_open_with_no_id_is_refused),
        cmocka_unit_test(events_slow_stream_is_cut_and_told_later),
        cmocka_unit_test(events_without_a_text_are_a_loss),
        cmocka_unit_test(events_streams_are_bounded),
        cmocka_unit_test(events_silence_is_broken_by_a_comment),
        cmocka_unit_test(events_wake_streams),
        cmocka_unit_test(events_from_many_threads_have_no_hole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
