/* Statements: shape, what is signed, and that the encoder makes what the decoder takes and nothing else. */
#include "lg_record.h"
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
    json_t *doc;
    struct lg_genesis *g;
    json_t *statement; /* the first of block 2 */
    struct sg_key *key;
    lg_kid kid;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    uint8_t pub[SG_PUBLIC_KEY_BYTES];

    assert_non_null(f);
    f->doc = vec_load("chain.json");
    f->g = vec_genesis(vec_get(f->doc, "genesis"));
    f->statement = json_array_get(
        vec_get(vec_get(json_array_get(vec_get(f->doc, "blocks"), 1), "block"), "statements"), 0);
    f->key = vec_key(0);
    sg_key_public(f->key, pub);
    f->kid = lg_kid_of_public(pub);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sg_key_free(f->key);
    lg_genesis_free(f->g);
    json_decref(f->doc);
    free(f);
    return 0;
}

static int decode_err(const json_t *doc)
{
    struct lg_statement *s = NULL;
    size_t len;
    uint8_t *bytes = vec_bytes(doc, &len);
    int err = lg_statement_decode(&s, bytes, len);

    lg_statement_free(s);
    free(bytes);
    return err;
}

/* Every statement of the worked chain decodes, verifies, and encoding and signing its parts again gives the same bytes. */
static void vectors_encode_identically(void **state)
{
    const struct fixture *f = *state;
    json_t *entry, *doc;
    size_t i, k;
    unsigned own = 0;

    json_array_foreach(vec_get(f->doc, "blocks"), i, entry)
    {
        json_array_foreach(vec_get(vec_get(entry, "block"), "statements"), k, doc)
        {
            struct lg_statement *s = NULL;
            struct sg_buf out;
            size_t len;
            uint8_t *bytes = vec_bytes(doc, &len);

            assert_code(lg_statement_decode(&s, bytes, len), 0);
            assert_code(lg_statement_check(s, f->g, &sg_crypto_openssl, false), 0);
            sg_buf_init(&out, 1 << 20);
            if (s->gw == f->kid) {
                own++;
                assert_code(lg_statement_encode(&out, s, f->key), 0);
                assert_int_equal(out.len, len);
                assert_memory_equal(out.p, bytes, len);
            } else {
                assert_code(lg_statement_encode(&out, s, f->key), SG_EINVAL); /* another's key */
            }
            sg_buf_fini(&out);
            lg_statement_free(s);
            free(bytes);
        }
    }
    assert_int_equal(own, 8);
}

/* The leaf covers the signature; the signed bytes are the tag and the document without it. */
static void signed_bytes_leave_out_the_signature(void **state)
{
    static const char tag[] = "gridwitness/statement/v1\n";
    const struct fixture *f = *state;
    struct lg_statement *s = NULL;
    struct lg_hash leaf;
    struct sg_buf out;
    size_t len, bare_len;
    uint8_t *bytes = vec_bytes(f->statement, &len), *bare;
    json_t *copy = json_deep_copy(f->statement);

    assert_code(lg_statement_decode(&s, bytes, len), 0);
    lg_hash_leaf(&leaf, bytes, len);
    assert_true(lg_hash_eq(&leaf, &s->leaf));
    json_object_del(copy, "sig");
    bare = vec_bytes(copy, &bare_len);
    sg_buf_init(&out, 1 << 20);
    lg_statement_signed_bytes(&out, s);
    assert_code(sg_buf_err(&out), 0);
    assert_int_equal(out.len, bare_len + strlen(tag));
    assert_memory_equal(out.p, tag, strlen(tag));
    assert_memory_equal(out.p + strlen(tag), bare, bare_len);
    sg_buf_fini(&out);
    lg_statement_free(s);
    json_decref(copy);
    free(bytes);
    free(bare);
}

/* Each field of the wrong type or range, and each missing key, is shape; what is at the edge of its range is not. */
static void field_out_of_range_is_shape(void **state)
{
    static const char *const cases[][2] = {{"gaps", "{}"}, {"gaps", "[[\"r\",5,4,\"clock\"]]"},
        {"gaps", "[[\"r\",5,5,\"late\"]]"}, {"gaps", "[[\"r\",5,5]]"}, {"gaps", "[[\"r\",-1,5,\"clock\"]]"},
        {"gaps", "[[\"r\",4,5,\"clock\"],[\"r\",5,6,\"clock\"]]"},
        {"gaps", "[[\"r\",4,5,\"clock\"],[\"q\",1,1,\"clock\"]]"}, {"gw", "\"34750F98BD59FCFC\""},
        {"gw", "\"34750f98bd59fcf\""}, {"gw", "1"}, {"inc", "-1"}, {"inc", "253402300800000"},
        {"prev", "\"\""}, {"reads", "[[\"r\",1,\"00\",0]]"}, {"seq", "0"}, {"seq", "-1"}, {"sig", "\"\""},
        {"slot", "-1"}, {"slot", "4223371680"}, {"tip", "1"}, {"ts", "253402300800000"}, {"v", "0"}};
    const struct fixture *f = *state;

    for (unsigned i = 0; i < SG_ARRAY_LEN(cases); i++) {
        json_t *doc = json_deep_copy(f->statement), *value = json_loads(cases[i][1], JSON_DECODE_ANY, NULL);

        assert_non_null(value);
        json_object_set_new(doc, cases[i][0], value);
        assert_code(decode_err(doc), SG_ESHAPE);
        json_object_del(doc, cases[i][0]);
        assert_code(decode_err(doc), SG_ESHAPE);
        json_decref(doc);
    }
    json_object_set_new(f->statement, "inc", json_integer(INT64_C(253402300799999)));
    assert_code(decode_err(f->statement), 0);
}

/* One signature has one spelling: with an unused bit of its base64 set the document is refused. */
static void other_spelling_of_signature_is_shape(void **state)
{
    const struct fixture *f = *state;
    json_t *doc = json_deep_copy(f->statement);
    char sig[89];

    memcpy(sig, vec_text(doc, "sig"), sizeof sig);
    assert_int_equal(strlen(sig), 88);
    sig[85]++; /* 'A' 'Q' 'g' 'w' are the digits with four unused zero bits */
    json_object_set_new(doc, "sig", json_string(sig));
    assert_code(decode_err(doc), SG_ESHAPE);
    json_decref(doc);
}

/* Names with escapes come out unescaped, sort by their bytes, and the signature still covers the text as it was. */
static void names_with_escapes_are_unescaped(void **state)
{
    const struct fixture *f = *state;
    json_t *doc = json_deep_copy(f->statement);
    struct lg_statement *s = NULL;
    size_t len;
    uint8_t *bytes;

    json_object_set_new(doc, "reads", json_array());
    json_object_set_new(
        doc, "gaps", json_loads("[[\"\\\"sig\\\":\\\"\",1,1,\"clock\"],[\"\\\\a\",1,1,\"clock\"]]", 0, NULL));
    bytes = vec_bytes(doc, &len);
    assert_code(lg_statement_decode(&s, bytes, len), 0);
    assert_int_equal(s->ngaps, 2);
    assert_int_equal(s->gaps[0].relay.len, 7);
    assert_memory_equal(s->gaps[0].relay.p, "\"sig\":\"", 7);
    assert_int_equal(s->gaps[1].relay.len, 2);
    assert_memory_equal(s->gaps[1].relay.p, "\\a", 2);
    assert_memory_equal(s->doc + s->sig_at, ",\"sig\":\"", 8);
    assert_int_equal(s->sig_end - s->sig_at, 7 + 90);
    lg_statement_free(s);
    free(bytes);
    json_decref(doc);
}

/* A template that encodes: two reads, two gaps. */
static void make_parts(struct lg_statement *s, struct lg_read reads[2], struct lg_gap gaps[2], lg_kid kid)
{
    reads[0] = (struct lg_read){.relay = {"relay-1", 7}, .min = 29400001, .live = 6};
    reads[1] = (struct lg_read){.relay = {"relay-1", 7}, .min = 29400002, .live = 60};
    gaps[0] = (struct lg_gap){{"relay-1", 7}, 29399000, 29400000, LG_REASON_EXPIRED};
    gaps[1] = (struct lg_gap){{"relay-2", 7}, 29400002, 29400002, LG_REASON_TIMEOUT};
    *s = (struct lg_statement){.gw = kid,
        .inc = 1764000000000,
        .seq = 1,
        .slot = 29400002,
        .ts = 1764000180000,
        .nreads = 2,
        .reads = reads,
        .ngaps = 2,
        .gaps = gaps};
}

#define TRY(change, want)                                                                                    \
    do {                                                                                                     \
        make_parts(&s, reads, gaps, f->kid);                                                                 \
        change;                                                                                              \
        sg_buf_reset(&out);                                                                                  \
        assert_code(lg_statement_encode(&out, &s, f->key), want);                                            \
        if ((want) != 0)                                                                                     \
            assert_int_equal(out.len, 0);                                                                    \
    } while (0)

/* What would make a document that others must refuse is not signed, rule by rule; at the edge of each it is. */
static void encode_refuses_what_others_must_refuse(void **state)
{
    const struct fixture *f = *state;
    struct lg_statement s, *back = NULL;
    struct lg_read reads[2];
    struct lg_gap gaps[2];
    struct sg_buf out;

    sg_buf_init(&out, 1 << 20);
    TRY(gaps[0].from = s.slot - 1439, 0);
    assert_code(lg_statement_decode(&back, out.p, out.len), 0);
    assert_code(
        lg_statement_check(back, f->g, &sg_crypto_openssl, false), SG_EMINUTE); /* before the genesis */
    lg_statement_free(back);
    TRY(gaps[0].from = s.slot - 1440, SG_EINVAL);
    TRY(gaps[0].to = reads[0].min, SG_EINVAL);
    TRY(gaps[0].to = gaps[0].from - 1, SG_EINVAL);
    TRY(gaps[1].relay = gaps[0].relay, SG_EINVAL); /* over a read */
    TRY(gaps[1].to = s.slot + 1, SG_EINVAL);
    TRY(gaps[0].reason = (enum lg_reason)LG_REASON_COUNT, SG_EINVAL);
    TRY(gaps[0].relay = (struct lg_name){0}, SG_EINVAL);
    TRY(reads[1].min = reads[0].min, SG_EINVAL);
    TRY(reads[1].min = s.slot + 1, SG_EINVAL);
    TRY(reads[0].min = s.slot - 1440, SG_EINVAL);
    TRY(reads[0].live = 61, SG_EINVAL);
    TRY(reads[1].relay = ((struct lg_name){"Relay", 5}), SG_EINVAL);
    TRY(s.ts--, SG_EINVAL);
    TRY(s.inc = s.ts + 1, SG_EINVAL);
    TRY(s.inc = s.ts, 0);
    TRY(s.seq = 0, SG_EINVAL);
    TRY(s.seq = LG_C0_MAX_INT, 0);
    TRY(s.seq = LG_C0_MAX_INT + 1, SG_EINVAL);
    TRY(s.slot = -1, SG_EINVAL);
    TRY(s.slot = SG_MINUTE_END, SG_EINVAL);
    TRY(s.gw ^= 1, SG_EINVAL);
    TRY(s.nreads = LG_MAX_ENTRIES - 1, SG_ETOO_LARGE);
    TRY((s.nreads = 0, s.ngaps = 0), 0);
    sg_buf_fini(&out);
}

static int failing_sign(void *ctx, uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len)
{
    (void)ctx;
    (void)sig;
    (void)msg;
    (void)len;
    return SG_EIO;
}

/* A signer that fails leaves nothing behind, and its error is the answer. */
static void encode_hands_on_signers_error(void **state)
{
    const struct fixture *f = *state;
    struct lg_statement s;
    struct lg_read reads[2];
    struct lg_gap gaps[2];
    struct sg_buf out;

    sg_buf_init(&out, 1 << 20);
    make_parts(&s, reads, gaps, f->kid);
    assert_code(lg_statement_encode_with(&out, &s, failing_sign, NULL), SG_EIO);
    assert_int_equal(out.len, 0);
    sg_buf_fini(&out);
}

/* The largest statement, 10000 reads, encodes and decodes; one entry more is shape. */
static void most_entries_decode_and_one_more_does_not(void **state)
{
    const struct fixture *f = *state;
    struct lg_read *reads = calloc(LG_MAX_ENTRIES, sizeof *reads);
    char(*names)[33] = calloc(LG_MAX_ENTRIES, sizeof *names);
    struct lg_statement s, *back = NULL;
    struct lg_read two[2];
    struct lg_gap gaps[2];
    struct sg_buf out, more;
    static const char extra[] = "[[\"zzz\",29400002,29400002,\"clock\"]]";

    assert_true(reads && names);
    make_parts(&s, two, gaps, f->kid);
    for (unsigned i = 0; i < LG_MAX_ENTRIES; i++) {
        memcpy(names[i], "relay-00000", 12);
        for (unsigned v = i, k = 10; k > 5; v /= 10, k--)
            names[i][k] = (char)('0' + v % 10);
        reads[i] = (struct lg_read){.relay = {names[i], 11}, .min = s.slot, .live = (uint8_t)(i % 61)};
    }
    s.reads = reads;
    s.nreads = LG_MAX_ENTRIES;
    s.ngaps = 0;
    sg_buf_init(&out, 16 << 20);
    sg_buf_init(&more, 16 << 20);
    assert_code(lg_statement_encode(&out, &s, f->key), 0);
    assert_code(lg_statement_decode(&back, out.p, out.len), 0);
    assert_int_equal(back->nreads, LG_MAX_ENTRIES);
    assert_memory_equal(back->reads[9999].relay.p, "relay-09999", 11);
    sg_buf_puts(&more, "{\"gaps\":");
    sg_buf_puts(&more, extra);
    sg_buf_put(&more, out.p + strlen("{\"gaps\":[]"), out.len - strlen("{\"gaps\":[]"));
    lg_statement_free(back);
    assert_code(lg_statement_decode(&back, more.p, more.len), SG_ESHAPE);
    sg_buf_fini(&out);
    sg_buf_fini(&more);
    free(reads);
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_encode_identically),
        cmocka_unit_test(signed_bytes_leave_out_the_signature),
        cmocka_unit_test(other_spelling_of_signature_is_shape),
        cmocka_unit_test(names_with_escapes_are_unescaped),
        cmocka_unit_test(encode_refuses_what_others_must_refuse),
        cmocka_unit_test(encode_hands_on_signers_error),
        cmocka_unit_test(most_entries_decode_and_one_more_does_not),
        cmocka_unit_test(field_out_of_range_is_shape),
    };

    return cmocka_run_group_tests_name("statement", tests, setup, teardown);
}
