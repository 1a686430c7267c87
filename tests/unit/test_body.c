/* Bodies: what is accepted, what each refusal is called, and that the encoder makes what the decoder takes. */
#include "lg_record.h"
#include "sg_regmap.h"
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
    json_t *doc;
    struct lg_genesis *g;
    json_t *body; /* of block 1, relay-1 */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->doc = vec_load("chain.json");
    f->g = vec_genesis(vec_get(f->doc, "genesis"));
    f->body =
        json_array_get(vec_get(vec_get(json_array_get(vec_get(f->doc, "blocks"), 0), "block"), "bodies"), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    lg_genesis_free(f->g);
    json_decref(f->doc);
    free(f);
    return 0;
}

/* Decode and check against relay-1. */
static int judge(const struct fixture *f, const json_t *doc)
{
    struct lg_body *b = NULL;
    size_t len;
    uint8_t *bytes = vec_bytes(doc, &len);
    int err = lg_body_decode(&b, bytes, len);

    if (err == 0)
        err = lg_body_check(b, lg_genesis_relay(f->g, b->relay.p, b->relay.len));
    lg_body_free(b);
    free(bytes);
    return err;
}

static struct lg_body *decode(const json_t *doc)
{
    struct lg_body *b = NULL;
    size_t len;
    uint8_t *bytes = vec_bytes(doc, &len);

    assert_code(lg_body_decode(&b, bytes, len), 0);
    free(bytes);
    return b;
}

/* Each body of the worked chain recomputes, and encoding its parts gives the same bytes and digest. */
static void vectors_recompute_and_encode_identically(void **state)
{
    const struct fixture *f = *state;
    json_t *entry, *doc;
    size_t i, k;

    json_array_foreach(vec_get(f->doc, "blocks"), i, entry)
    {
        json_array_foreach(vec_get(vec_get(entry, "block"), "bodies"), k, doc)
        {
            struct lg_body *b = decode(doc);
            const struct lg_relay *relay = lg_genesis_relay(f->g, b->relay.p, b->relay.len);
            struct lg_sample samples[LG_MAX_SAMPLES];
            struct sg_buf out;

            assert_code(lg_body_check(b, relay), 0);
            assert_code(lg_body_samples(samples, b, relay), 0);
            sg_buf_init(&out, 1 << 20);
            assert_code(
                lg_body_encode(&out, relay, b->min, b->openings, samples, b->nsamples, b->events, b->nevents),
                0);
            assert_int_equal(out.len, b->doc_len);
            assert_memory_equal(out.p, b->doc, out.len);
            sg_buf_fini(&out);
            lg_body_free(b);
        }
    }
}

/* Each field of the wrong type or range is shape. */
static void field_out_of_range_is_shape(void **state)
{
    static const struct {
        const char *key, *value;
    } cases[] = {{"agg", "[]"}, {"agg", "1"}, {"events", "{}"}, {"events", "[1]"},
        {"events", "[[60000,1,1,0,0,0,0]]"}, {"events", "[[0,65536,1,0,0,0,0]]"},
        {"events", "[[0,1,1,0,0,0]]"}, {"events", "[[5,1,1,0,0,0,0],[4,1,1,0,0,0,0]]"}, {"min", "-1"},
        {"min", "4223371680"}, {"min", "\"1\""}, {"openings", "4294967296"}, {"openings", "-1"},
        {"quality", "65536"}, {"quality", "-1"}, {"relay", "1"}, {"samples", "[]"}, {"samples", "{}"},
        {"v", "2"}};
    const struct fixture *f = *state;

    for (unsigned i = 0; i < SG_ARRAY_LEN(cases); i++) {
        json_t *doc = json_deep_copy(f->body);

        json_object_set_new(doc, cases[i].key, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        assert_code(judge(f, doc), SG_ESHAPE);
        json_object_del(doc, cases[i].key);
        assert_code(judge(f, doc), SG_ESHAPE);
        json_decref(doc);
    }
}

/* What is wrong inside the samples is body, whatever it is. */
static void fault_inside_samples_is_body(void **state)
{
    static const char *const cases[] = {"[1]", "[[]]", "[{}]", "[\"x\"]", "[[0,32768,0]]",
        "[[0,32768,0,0,0,0,0,0,0,0,0,0,\"0\"]]", "[[0,0,0,0,0,0,0,0,0,0,0,0,0]]",
        "[[0,65536,0,0,0,0,0,0,0,0,0,0,0]]", "[[60000,32768,0,0,0,0,0,0,0,0,0,0,0]]",
        "[[-1,32768,0,0,0,0,0,0,0,0,0,0,0]]", "[[0,32768,1024,0,0,0,0,0,0,0,0,0,0]]",
        "[[0,32768,0,1,0,0,0,0,0,0,0,0,0]]", "[[0,32768,1,1099511627777,0,0,0,0,0,0,0,0,0]]",
        "[[0,32768,1,-1099511627777,0,0,0,0,0,0,0,0,0]]", "[[0,32768,0,0,0,0,0,0,0,0,0,0,0,0]]",
        "[[0,32768,0,0,0,0,0,0,0,0,0,0,0],[0,32768,0,0,0,0,0,0,0,0,0,0,0]]"};
    const struct fixture *f = *state;

    for (unsigned i = 0; i < SG_ARRAY_LEN(cases); i++) {
        json_t *doc = json_deep_copy(f->body);

        json_object_set_new(doc, "samples", json_loads(cases[i], JSON_DECODE_ANY, NULL));
        assert_code(judge(f, doc), SG_EBODY);
        json_decref(doc);
    }
}

/* Aggregates or quality that do not follow from the samples are aggregate; a relay that is not in the genesis is relay. */
static void numbers_that_do_not_follow_are_aggregate(void **state)
{
    static const struct {
        const char *key, *value;
        int err;
    } cases[] = {{"agg", "{}", SG_EAGGREGATE}, {"agg", "{\"f\":[1,2,3,4]}", SG_EAGGREGATE},
        {"quality", "0", SG_EAGGREGATE}, {"relay", "\"relay-9\"", SG_ERELAY}, {"relay", "\"\"", SG_ERELAY},
        {"relay", "\"a\\\"b\"", SG_ERELAY}, {"openings", "7", 0}};
    const struct fixture *f = *state;

    for (unsigned i = 0; i < SG_ARRAY_LEN(cases); i++) {
        json_t *doc = json_deep_copy(f->body);

        json_object_set_new(doc, cases[i].key, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        assert_code(judge(f, doc), cases[i].err);
        json_decref(doc);
    }
}

static struct lg_sample make_sample(unsigned t_ms)
{
    return (struct lg_sample){.t_ms = (uint16_t)t_ms, .qual = SG_QUAL_VALID, .have = 1, .x = {5}};
}

/* The encoder refuses what the decoder would refuse, each rule by itself. */
static void encode_refuses_what_decode_refuses(void **state)
{
    const struct fixture *f = *state;
    const struct lg_relay *relay = &f->g->relays[0];
    struct lg_sample s[LG_MAX_SAMPLES];
    struct lg_event e[LG_MAX_EVENTS + 1] = {{.t_ms = 1}};
    struct sg_buf out;

    sg_buf_init(&out, 1 << 20);
    for (unsigned i = 0; i < LG_MAX_SAMPLES; i++)
        s[i] = make_sample(i * 900);
    assert_code(lg_body_encode(&out, relay, 1, 0, s, 6, NULL, 0), 0);
    assert_code(lg_body_encode(&out, relay, 1, 0, s, 0, NULL, 0), SG_EINVAL);
    assert_code(lg_body_encode(&out, relay, 1, 0, s, 7, NULL, 0), SG_EINVAL);
    assert_code(lg_body_encode(&out, relay, -1, 0, s, 6, NULL, 0), SG_EINVAL);
    assert_code(lg_body_encode(&out, relay, SG_MINUTE_END, 0, s, 6, NULL, 0), SG_EINVAL);
    assert_code(lg_body_encode(&out, relay, 1, 0, s, 6, e, LG_MAX_EVENTS + 1), SG_EINVAL);
    e[1].t_ms = 0;
    assert_code(lg_body_encode(&out, relay, 1, 0, s, 6, e, 2), SG_EINVAL);
    e[1].t_ms = 60000;
    assert_code(lg_body_encode(&out, relay, 1, 0, s, 6, e, 2), SG_EINVAL);
    s[1].t_ms = 0;
    assert_code(lg_body_encode(&out, relay, 1, 0, s, 6, NULL, 0), SG_EINVAL);
    s[1] = make_sample(900);
    s[1].qual = SG_QUAL_TEST;
    assert_code(lg_body_encode(&out, relay, 1, 0, s, 6, NULL, 0), SG_EINVAL);
    s[1] = make_sample(900);
    s[1].x[1] = 1; /* not known, not 0 */
    assert_code(lg_body_encode(&out, relay, 1, 0, s, 6, NULL, 0), SG_EINVAL);
    s[1] = make_sample(900);
    s[1].have = 1 << 10;
    assert_code(lg_body_encode(&out, relay, 1, 0, s, 6, NULL, 0), SG_EINVAL);
    s[1] = make_sample(900);
    s[1].x[0] = LG_MAX_VALUE + 1;
    assert_code(lg_body_encode(&out, relay, 1, 0, s, 6, NULL, 0), SG_EINVAL);
    sg_buf_fini(&out);
}

/* Fewer samples than the period asks for are marked incomplete; events of one instant come out in one order. */
static void encode_marks_incomplete_and_orders_events(void **state)
{
    const struct fixture *f = *state;
    const struct lg_relay *relay = &f->g->relays[0];
    struct lg_event a[2] = {{.t_ms = 7, .type = 5}, {.t_ms = 7, .type = 1}}, b[2] = {a[1], a[0]};
    struct lg_sample s = make_sample(0);
    struct lg_body *body = NULL;
    struct sg_buf one, other;

    sg_buf_init(&one, 1 << 20);
    sg_buf_init(&other, 1 << 20);
    assert_code(lg_body_encode(&one, relay, 1, 0, &s, 1, a, 2), 0);
    assert_code(lg_body_encode(&other, relay, 1, 0, &s, 1, b, 2), 0);
    assert_int_equal(one.len, other.len);
    assert_memory_equal(one.p, other.p, one.len);
    assert_code(lg_body_decode(&body, one.p, one.len), 0);
    assert_int_equal(body->quality, SG_QUAL_VALID | SG_QUAL_INCOMPLETE);
    assert_int_equal(body->events[0].type, 1);
    assert_code(lg_body_check(body, relay), 0);
    lg_body_free(body);
    sg_buf_fini(&one);
    sg_buf_fini(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_recompute_and_encode_identically),
        cmocka_unit_test(field_out_of_range_is_shape),
        cmocka_unit_test(fault_inside_samples_is_body),
        cmocka_unit_test(numbers_that_do_not_follow_are_aggregate),
        cmocka_unit_test(encode_refuses_what_decode_refuses),
        cmocka_unit_test(encode_marks_incomplete_and_orders_events),
    };

    return cmocka_run_group_tests_name("body", tests, setup, teardown);
}
