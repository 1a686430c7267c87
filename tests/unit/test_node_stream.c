/* GET /v1/stream of whole nodes: what each event says, and when; the end of the node is the end of its streams.
 *
 * run-tests: no valgrind (nodes of six threads each, and waits for real answers) */
#include "tests/lib/nodes_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "ledger/events.h"
#include "tests/lib/raw_http.h"

/* A stream as its client reads it. */
struct listener {
    int fd;
    char text[1 << 16]; /* decoded of its chunks, not yet taken */
    size_t len;
    char id[64]; /* of the last event */
};

static void listen_to(struct listener *l, struct nodes *w, unsigned node, unsigned from, const char *headers)
{
    char text[256];
    memset(l, 0, sizeof *l);
    l->fd = raw_dial(w->ports[node], from);
    assert_true(l->fd >= 0);
    const struct timeval limit = {.tv_sec = RAW_TIMEOUT_MS / 1000};
    assert_int_equal(setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    snprintf(text, sizeof text, "GET /v1/stream HTTP/1.1\r\nHost: x\r\n%s\r\n", headers);
    assert_true(raw_sends(l->fd, text));
}

/* A line without its end; false at the end of the connection. */
static bool read_line(struct listener *l, char *dst, size_t size)
{
    size_t n = 0;
    char c;
    while (read(l->fd, &c, 1) == 1) {
        if (c == '\n') {
            dst[n > 0 && dst[n - 1] == '\r' ? n - 1 : n] = '\0';
            return true;
        }
        assert_true(n < size - 1);
        dst[n++] = c;
    }
    return false;
}

/* Status line and headers; the status. */
static int read_head(struct listener *l)
{
    char line[512];
    int status = 0;
    assert_true(read_line(l, line, sizeof line));
    assert_int_equal(sscanf(line, "HTTP/1.1 %d", &status), 1);
    while (read_line(l, line, sizeof line) && line[0] != '\0')
        if (status == 200 && strncmp(line, "Content-Type: ", 14) == 0)
            assert_non_null(strstr(line, "text/event-stream"));
    return status;
}

/* One chunk more; false at the end of the connection. */
static bool read_chunk(struct listener *l)
{
    char line[64];
    unsigned size = 0;
    if (!read_line(l, line, sizeof line))
        return false;
    assert_int_equal(sscanf(line, "%x", &size), 1);
    assert_true(l->len + size < sizeof l->text);
    for (unsigned i = 0; i < size; i++)
        if (read(l->fd, l->text + l->len++, 1) != 1)
            return false;
    l->text[l->len] = '\0';
    return read_line(l, line, sizeof line) && size > 0;
}

/* The next event; comments and greetings are passed over. type: 16 bytes. NULL at the end of the stream. */
static json_t *next_event(struct listener *l, char *type)
{
    for (;;) {
        char *end;
        while ((end = strstr(l->text, "\n\n")) == NULL)
            if (!read_chunk(l))
                return NULL;
        json_t *json = NULL;
        const char *data, *event, *id;
        end[1] = '\0';
        if ((id = strstr(l->text, "id: ")) != NULL)
            assert_int_equal(sscanf(id, "id: %63s", l->id), 1);
        if ((event = strstr(l->text, "event: ")) != NULL && (data = strstr(l->text, "data: ")) != NULL) {
            assert_int_equal(sscanf(event, "event: %15s", type), 1);
            json = json_loadb(data + 6, strcspn(data + 6, "\n"), JSON_REJECT_DUPLICATES, NULL);
            assert_non_null(json);
        }
        l->len -= (size_t)(end + 2 - l->text);
        memmove(l->text, end + 2, l->len + 1);
        if (json)
            return json;
    }
}

/* The next event is of this type. */
static json_t *expect(struct listener *l, const char *type)
{
    char got[16];
    json_t *json = next_event(l, got);
    assert_non_null(json);
    assert_string_equal(got, type);
    return json;
}

static int64_t number(const json_t *json, const char *key)
{
    assert_true(json_is_integer(json_object_get(json, key)));
    return json_integer_value(json_object_get(json, key));
}

static const char *string(const json_t *json, const char *key)
{
    assert_true(json_is_string(json_object_get(json, key)));
    return json_string_value(json_object_get(json, key));
}

static void assert_hash(const json_t *json, const char *key, const struct lg_hash *hash)
{
    char hex[2 * SG_HASH_BYTES + 1];
    for (unsigned i = 0; i < SG_HASH_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash->b[i]);
    assert_string_equal(string(json, key), hex);
}

static void close_slot(struct nodes *w, sg_minute slot)
{
    nodes_set(w, (slot + 1) * SG_MINUTE_MS + 200);
}

/* The next events are a minute in this state, attested by one gateway. */
static void expect_minute(struct listener *l, const char *state, sg_minute min, size_t attested)
{
    json_t *json = expect(l, "minute");
    assert_string_equal(string(json, "state"), state);
    assert_string_equal(string(json, "relay"), "relay-1");
    assert_int_equal(number(json, "minute"), min);
    assert_int_equal(number(json, "of"), NODES);
    assert_int_equal(json_array_size(json_object_get(json, "attested")), attested);
    const bool mined = strcmp(state, "mined") == 0;
    assert_int_equal(json_object_get(json, "height") != NULL, mined);
    assert_int_equal(json_object_get(json, "block") != NULL, mined);
    json_decref(json);
}

/* Node `to` is offered the whole chain of node `from`, newest first: it judges all of it in one go and mines nothing in between. */
static void hand_over_chain(struct nodes *w, unsigned from, unsigned to)
{
    json_t *page = NULL;
    assert_int_equal(nodes_get(w, from, "/v1/blocks?from=1", &page), 200);
    const json_t *blocks = json_object_get(page, "blocks");
    for (size_t i = json_array_size(blocks); i-- > 0;) {
        const json_t *one = json_array_get(blocks, i);
        char url[96], *doc = json_dumps(json_object_get(one, "block"), JSON_COMPACT | JSON_SORT_KEYS);
        struct sg_http_answer answer = {0};
        snprintf(url, sizeof url, "%s/v1/blocks", w->urls[to]);
        const struct sg_http_call call = {
            .url = url, .post = doc, .post_len = strlen(doc), .max_answer = 1 << 16};
        assert_int_equal(sg_http_client_call(w->http, &call, &answer), 0);
        assert_int_equal(answer.status, 200);
        sg_buf_fini(&answer.body);
        free(doc);
    }
    json_decref(page);
}

/* A statement is told when it is pooled, a block and what it says of minutes when it is the tip, a reorganisation with both tips, their
 * common block and the statements that came back; then the new tip. */
static void stream_tells_minutes_blocks_and_reorganisations(void **state)
{
    struct nodes *w = *state;
    struct listener *l = calloc(1, sizeof *l);
    const struct lg_statement *mine[2];
    nodes_start(w, 0, (const unsigned[]){NODES_NONE}, NULL);
    nodes_start(w, 1, (const unsigned[]){NODES_NONE}, NULL);
    listen_to(l, w, 0, 0, "");
    assert_int_equal(read_head(l), 200);
    assert_true(read_chunk(l)); /* the greeting: it listens */
    for (int64_t h = 1; h <= 2; h++) {
        const sg_minute slot = MAKER_MINUTE + h - 1;
        close_slot(w, slot);
        mine[h - 1] = nodes_say(w, 0, 0, slot);
        nodes_say(w, 1, 1, slot);
        nodes_say(w, 1, 2, slot);
        nodes_mine(w, 0, slot, h);
        nodes_mine(w, 1, slot, h);
        expect_minute(l, "pooled", slot, 1);
        json_t *block = expect(l, "block");
        assert_int_equal(number(block, "height"), h);
        assert_int_equal(number(block, "added"), 1);
        assert_int_equal(number(block, "slot"), slot);
        assert_int_equal(number(block, "statements"), 1);
        assert_int_equal(number(block, "bodies"), 1);
        assert_int_equal(number(block, "weight_sum"), h);
        json_decref(block);
        expect_minute(l, "mined", slot, 1);
    }
    json_t *status = NULL;
    assert_int_equal(nodes_get(w, 0, "/v1/status", &status), 200);
    hand_over_chain(w, 1, 0);
    json_t *reorg = expect(l, "reorg");
    assert_int_equal(number(reorg, "common"), 0);
    assert_int_equal(number(json_object_get(reorg, "old"), "height"), 2);
    assert_string_equal(string(json_object_get(reorg, "old"), "hash"), string(status, "tip"));
    json_decref(status);
    assert_int_equal(nodes_get(w, 1, "/v1/blocks/latest", &status), 200);
    assert_int_equal(number(reorg, "depth"), 2);
    assert_string_equal(string(json_object_get(reorg, "new"), "hash"), string(status, "hash"));
    assert_int_equal(number(reorg, "slot"), number(json_object_get(reorg, "new"), "slot"));
    assert_int_equal(number(reorg, "returned"), 2);
    json_t *names = json_object_get(reorg, "statements");
    assert_int_equal(json_array_size(names), 2);
    for (size_t i = 0; i < 2; i++) { /* taken off newest first */
        assert_hash(json_array_get(names, i), "leaf", &mine[1 - i]->leaf);
        assert_int_equal(number(json_array_get(names, i), "seq"), 2 - (int)i);
    }
    json_t *block = expect(l, "block");
    assert_string_equal(string(block, "hash"), string(status, "hash"));
    assert_int_equal(number(block, "added"), 2);
    json_decref(block);
    json_decref(status);
    json_decref(reorg);
    (void)close(l->fd);
    free(l);
}

/* Samples come with their values, once each; a state without a new sample is none. */
static void stream_tells_samples(void **state)
{
    struct nodes *w = *state;
    struct listener *l = calloc(1, sizeof *l);
    struct lg_node_relay_state relay = {.id = "relay-1", .state = "ok", .last_seq = 7, .has_sample = true};
    relay.sample.have = 1;
    relay.sample.x[0] = 115000;
    nodes_start(w, 0, NULL, NULL);
    listen_to(l, w, 0, 0, "");
    assert_int_equal(read_head(l), 200);
    assert_true(read_chunk(l));
    lg_node_set_relay(w->node[0], &relay);
    lg_node_set_relay(w->node[0], &relay); /* the same once more */
    snprintf(relay.state, sizeof relay.state, "timeout");
    lg_node_set_relay(w->node[0], &relay);
    relay.last_seq = 8;
    lg_node_set_relay(w->node[0], &relay);
    for (int64_t seq = 7; seq <= 8; seq++) {
        json_t *json = expect(l, "sample");
        assert_string_equal(string(json, "id"), "relay-1");
        assert_int_equal(number(json, "last_seq"), seq);
        const json_t *values = json_object_get(json_object_get(json, "sample"), "values");
        assert_int_equal(json_object_size(values), 1);
        json_decref(json);
    }
    (void)close(l->fd);
    free(l);
}

/* An alarm is told when it comes on and when it is over, once each; an incident's end is its quiet. */
static void stream_tells_alarms_and_their_ends(void **state)
{
    struct nodes *w = *state;
    struct listener *l = calloc(1, sizeof *l);
    nodes_start(w, 0, NULL, NULL);
    listen_to(l, w, 0, 0, "");
    assert_int_equal(read_head(l), 200);
    assert_true(read_chunk(l));
    lg_node_alarm(w->node[0], "uncommitted");
    lg_node_alarm(w->node[0], "uncommitted");
    lg_node_alarm_end(w->node[0], "uncommitted");
    lg_node_alarm_end(w->node[0], "uncommitted");
    lg_node_alarm(w->node[0], "malformed");
    json_t *on = expect(l, "alarm"), *off = expect(l, "alarm"), *other = expect(l, "alarm");
    assert_string_equal(string(on, "code"), "uncommitted");
    assert_int_equal(number(on, "count"), 1);
    assert_null(json_object_get(on, "until"));
    assert_true(strlen(string(on, "text")) > 20);
    assert_int_equal(number(off, "count"), 2);
    assert_int_equal(number(off, "since"), number(on, "since"));
    assert_true(number(off, "until") >= number(on, "since"));
    assert_string_equal(string(other, "code"), "malformed");
    nodes_pass(w, 6 * SG_MINUTE_MS);
    json_t *quiet = expect(l, "alarm");
    assert_string_equal(string(quiet, "code"), "malformed");
    assert_int_equal(number(quiet, "until"), number(quiet, "since") + 6 * SG_MINUTE_MS);
    json_decref(on);
    json_decref(off);
    json_decref(other);
    json_decref(quiet);
    (void)close(l->fd);
    free(l);
}

/* Who was away goes on where it stopped; an id of another life is told its loss; a bad one, and a foreign parameter, are refused. */
static void stream_resumes_by_its_id(void **state)
{
    struct nodes *w = *state;
    struct listener *l = calloc(1, sizeof *l);
    char header[128];
    nodes_start(w, 0, NULL, NULL);
    listen_to(l, w, 0, 0, "");
    assert_int_equal(read_head(l), 200);
    assert_true(read_chunk(l));
    lg_node_alarm(w->node[0], "memory");
    json_decref(expect(l, "alarm"));
    (void)close(l->fd);
    snprintf(header, sizeof header, "Last-Event-ID: %s\r\n", l->id);
    lg_node_alarm(w->node[0], "malformed");
    lg_node_alarm(w->node[0], "overflow");
    listen_to(l, w, 0, 0, header);
    assert_int_equal(read_head(l), 200);
    const char *const codes[] = {"malformed", "overflow"};
    for (size_t i = 0; i < 2; i++) {
        json_t *json = expect(l, "alarm");
        assert_string_equal(string(json, "code"), codes[i]);
        json_decref(json);
    }
    (void)close(l->fd);
    listen_to(l, w, 0, 0, "Last-Event-ID: 1-1\r\n");
    assert_int_equal(read_head(l), 200);
    json_t *lost = expect(l, "lost");
    assert_int_equal(json_object_size(lost), 0);
    json_decref(lost);
    (void)close(l->fd);
    listen_to(l, w, 0, 0, "Last-Event-ID: last\r\n");
    assert_int_equal(read_head(l), 400);
    (void)close(l->fd);
    assert_int_equal(nodes_get(w, 0, "/v1/stream?from=1", NULL), 400);
    assert_int_equal(nodes_get(w, 0, "/v1/stream?last_event_id=x", NULL), 400);
    free(l);
}

/* An address that holds as many streams as it may is refused more, and all else is still answered to it. */
static void stream_too_many_are_refused(void **state)
{
    struct nodes *w = *state;
    struct listener *all = calloc(LG_EVENTS_MAX_STREAMS_ADDRESS + 1, sizeof *all);
    nodes_start(w, 0, NULL, NULL);
    for (unsigned i = 0; i <= LG_EVENTS_MAX_STREAMS_ADDRESS; i++) {
        listen_to(&all[i], w, 0, 7, "");
        assert_int_equal(read_head(&all[i]), i < LG_EVENTS_MAX_STREAMS_ADDRESS ? 200 : 503);
    }
    assert_int_equal(nodes_get(w, 0, "/v1/status", NULL), 200);
    nodes_stop(w, 0);
    for (unsigned i = 0; i <= LG_EVENTS_MAX_STREAMS_ADDRESS; i++)
        (void)close(all[i].fd);
    free(all);
}

/* A node that stops ends its streams, at once and without waiting for those who read. */
static void stream_ends_with_its_node(void **state)
{
    struct nodes *w = *state;
    struct listener *l = calloc(1, sizeof *l);
    char type[16];
    nodes_start(w, 0, NULL, NULL);
    listen_to(l, w, 0, 0, "");
    assert_int_equal(read_head(l), 200);
    assert_true(read_chunk(l));
    nodes_stop(w, 0);
    assert_null(next_event(l, type));
    (void)close(l->fd);
    free(l);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nodes_setup, nodes_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stream_tells_minutes_blocks_and_reorganisations),
        TEST(stream_tells_samples),
        TEST(stream_tells_alarms_and_their_ends),
        TEST(stream_resumes_by_its_id),
        TEST(stream_too_many_are_refused),
        TEST(stream_ends_with_its_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
