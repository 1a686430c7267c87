/* The client's side of REST: what it takes from an answer, and what a node that misbehaves can not make it take. */
#include "lg_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define H1 "1111111111111111111111111111111111111111111111111111111111111111"
#define H2 "2222222222222222222222222222222222222222222222222222222222222222"

static struct sg_http_answer answer_of(int status, const char *text)
{
    struct sg_http_answer a = {.status = status};

    a.body.p = (uint8_t *)(uintptr_t)text;
    a.body.len = strlen(text);
    a.body.max = a.body.len;
    return a;
}

/* Every key of a status is read; other keys are passed over. */
static void client_status_is_read(void **state)
{
    struct sg_http_answer a =
        answer_of(200, "{\"chain\":\"" H1
                       "\",\"height\":7,\"name\":\"x\",\"slot\":30000000,\"time\":1800000000000,\"tip\":\"" H2
                       "\",\"pool\":{\"statements\":1,\"bodies\":2}}");
    struct lg_client_status s;

    (void)state;
    assert_int_equal(lg_client_status_parse(&s, &a), 0);
    assert_int_equal(s.height, 7);
    assert_int_equal(s.slot, 30000000);
    assert_int_equal(s.time, 1800000000000);
    assert_int_equal(s.chain.b[0], 0x11);
    assert_int_equal(s.tip.b[31], 0x22);
}

/* The base of a slot is read when it is there, whole or not at all. */
static void client_status_base_is_read_when_it_is_there(void **state)
{
#define REST "\"chain\":\"" H1 "\",\"height\":7,\"slot\":9,\"time\":1,\"tip\":\"" H2 "\"}"
    static const char *const bad[] = {"{\"base\":1," REST,
        "{\"base\":{\"hash\":\"" H2 "\",\"height\":6,\"slot\":8,\"slot_for\":8,\"time\":3}," REST,
        "{\"base\":{\"hash\":\"" H2 "\",\"height\":6,\"slot\":8,\"time\":3}," REST,
        "{\"base\":{\"height\":6,\"slot\":8,\"slot_for\":9,\"time\":3}," REST};
    struct sg_http_answer a = answer_of(
        200, "{\"base\":{\"hash\":\"" H2 "\",\"height\":6,\"slot\":8,\"slot_for\":9,\"time\":3}," REST);
    struct lg_client_status s;

    (void)state;
    assert_int_equal(lg_client_status_parse(&s, &a), 0);
    assert_true(s.has_base);
    assert_int_equal(s.base.hash.b[0], 0x22);
    assert_int_equal(s.base.height, 6);
    assert_int_equal(s.base.slot, 8);
    assert_int_equal(s.base.time, 3);
    assert_int_equal(s.slot_for, 9);
    a = answer_of(200, "{" REST);
    assert_int_equal(lg_client_status_parse(&s, &a), 0);
    assert_false(s.has_base);
    for (size_t i = 0; i < SG_ARRAY_LEN(bad); i++) {
        a = answer_of(200, bad[i]);
        assert_int_equal(lg_client_status_parse(&s, &a), SG_EMALFORMED);
    }
#undef REST
}

/* An answer that lacks a key, or has one of another type or out of range, is malformed, and nothing of it is used. */
static void client_status_that_does_not_fit_is_malformed(void **state)
{
    static const char *const texts[] = {
        "",
        "[]",
        "null",
        "{",
        "{}",
        "{\"chain\":\"" H1 "\",\"height\":7,\"slot\":1,\"time\":1}",
        "{\"chain\":\"" H1 "\",\"height\":-1,\"slot\":1,\"time\":1,\"tip\":\"" H2 "\"}",
        "{\"chain\":\"" H1 "\",\"height\":1.0,\"slot\":1,\"time\":1,\"tip\":\"" H2 "\"}",
        "{\"chain\":\"" H1 "\",\"height\":\"1\",\"slot\":1,\"time\":1,\"tip\":\"" H2 "\"}",
        "{\"chain\":\"" H1 "\",\"height\":1,\"slot\":1,\"time\":253402300800000,\"tip\":\"" H2 "\"}",
        "{\"chain\":\"" H1 "\",\"height\":1,\"slot\":1,\"time\":1,\"tip\":\"2222\"}",
        "{\"chain\":\"" H1 "\",\"height\":1,\"slot\":1,\"time\":1,\"tip\":\"X" H2 "\"}",
        "{\"chain\":\"" H1 "\",\"height\":1,\"height\":2,\"slot\":1,\"time\":1,\"tip\":\"" H2 "\"}",
        "{\"chain\":\"" H1 "\",\"height\":1,\"slot\":1,\"time\":1,\"tip\":\"" H2 "\"} {}",
        "{\"x\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]],\"chain\":\"" H1
        "\",\"height\":1,\"slot\":1,\"time\":1,\"tip\":\"" H2 "\"}",
    };
    struct lg_client_status s = {.height = 77};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(texts); i++) {
        struct sg_http_answer a = answer_of(200, texts[i]);

        assert_int_equal(lg_client_status_parse(&s, &a), SG_EMALFORMED);
        assert_int_equal(s.height, 77);
    }
}

/* A problem document gives its code; one that names a code of this process's own, or none, is malformed; without an answer the
 * error of the transfer. */
static void client_problem_gives_its_code(void **state)
{
    static const struct {
        int status;
        const char *text;
        int err;
    } rows[] = {
        {503, "{\"code\":\"not_ready\",\"detail\":\"behind\\nthe others\"}", SG_ENOT_READY},
        {404, "{\"code\":\"not_found\"}", SG_ENOT_FOUND},
        {422, "{\"code\":\"future\",\"status\":422}", SG_EFUTURE},
        {500, "{\"code\":\"ok\"}", SG_EMALFORMED},
        {500, "{\"code\":\"io\"}", SG_EMALFORMED},
        {500, "{\"code\":\"nonsense\"}", SG_EMALFORMED},
        {500, "{\"code\":7}", SG_EMALFORMED},
        {502, "<html>bad gateway</html>", SG_EMALFORMED},
        {302, "", SG_EMALFORMED},
    };
    struct lg_client_status s;
    char why[160];

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        struct sg_http_answer a = answer_of(rows[i].status, rows[i].text);

        assert_int_equal(lg_client_status_parse(&s, &a), rows[i].err);
        assert_int_equal(lg_client_ready_parse(why, &a), rows[i].err);
        assert_string_equal(why, rows[i].err == SG_ENOT_READY ? "behind?the others" : "");
    }
    {
        struct sg_http_answer a = {.err = SG_ETIMEOUT};

        assert_int_equal(lg_client_status_parse(&s, &a), SG_ETIMEOUT);
    }
}

/* Ready is 200, whatever the text. */
static void client_ready_is_status_200(void **state)
{
    struct sg_http_answer a = answer_of(200, "ready\n");
    char why[160];

    (void)state;
    assert_int_equal(lg_client_ready_parse(why, &a), 0);
}

/* A gateway's last statements; an absent one has inc 0; a greatest inc below one shown is a lie. */
static void client_gateway_is_read(void **state)
{
    struct lg_client_gateway g;
    struct sg_http_answer a =
        answer_of(200, "{\"chain\":{\"inc\":1000,\"leaf\":\"" H1
                       "\",\"seq\":3,\"slot\":50},\"greatest_inc\":2000,\"greatest_slot\":51}");

    (void)state;
    assert_int_equal(lg_client_gateway_parse(&g, &a), 0);
    assert_int_equal(g.chain.inc, 1000);
    assert_int_equal(g.chain.seq, 3);
    assert_int_equal(g.chain.slot, 50);
    assert_int_equal(g.pool.inc, 0);
    assert_int_equal(g.greatest_inc, 2000);
    assert_int_equal(g.greatest_slot, 51);
    a = answer_of(200, "{\"chain\":{\"inc\":3000,\"leaf\":\"" H1
                       "\",\"seq\":3,\"slot\":50},\"greatest_inc\":2000,\"greatest_slot\":51}");
    assert_int_equal(lg_client_gateway_parse(&g, &a), SG_EMALFORMED);
    a = answer_of(
        200, "{\"chain\":{\"inc\":10,\"seq\":3,\"slot\":50},\"greatest_inc\":2000,\"greatest_slot\":51}");
    assert_int_equal(lg_client_gateway_parse(&g, &a), SG_EMALFORMED);
    a = answer_of(200, "{\"greatest_inc\":0}");
    assert_int_equal(lg_client_gateway_parse(&g, &a), SG_EMALFORMED);
}

/* Where a statement stands, with its block when it has one; its document comes out canonical. */
static void client_statement_is_read(void **state)
{
    struct sg_http_answer a =
        answer_of(200, "{\"state\":\"mined\",\"height\":9,\"block\":\"" H1
                       "\",\"confirmations\":1,\"statement\":{\"b\": 1, \"a\":\"\\\"\xc3\xa1\"}}");
    enum lg_place place;
    int64_t height;
    struct lg_hash block;
    struct sg_buf doc;

    (void)state;
    assert_int_equal(lg_client_statement_parse(&place, &height, &block, &a), 0);
    assert_int_equal(place, LG_PLACE_MINED);
    assert_int_equal(height, 9);
    assert_int_equal(block.b[5], 0x11);
    sg_buf_init(&doc, 1000);
    assert_int_equal(lg_client_statement_doc(&doc, &a), 0);
    sg_buf_put_u8(&doc, 0);
    assert_string_equal((const char *)doc.p, "{\"a\":\"\\\"\xc3\xa1\",\"b\":1}");
    sg_buf_fini(&doc);
    a = answer_of(200, "{\"state\":\"pooled\"}");
    assert_int_equal(lg_client_statement_parse(&place, &height, &block, &a), 0);
    assert_int_equal(place, LG_PLACE_POOLED);
    assert_int_equal(height, 0);
    assert_int_equal(lg_client_statement_doc(&doc, &a), SG_EMALFORMED);
    a = answer_of(200, "{\"state\":\"confirmed\",\"height\":0,\"block\":\"" H1 "\"}");
    assert_int_equal(lg_client_statement_parse(&place, &height, &block, &a), SG_EMALFORMED);
    a = answer_of(200, "{\"state\":\"lost\"}");
    assert_int_equal(lg_client_statement_parse(&place, &height, &block, &a), SG_EMALFORMED);
}

/* A header counts only when its hash recomputes and it is of the height asked for. */
static void client_header_is_checked_against_its_hash(void **state)
{
    static const char header[] =
        "{\"bits\":0,\"chain\":\"" H1 "\",\"height\":3,\"leaves\":1,\"miner\":\"0123456789abcdef\","
        "\"nonce\":0,\"prev\":\"" H1 "\",\"root\":\"" H1
        "\",\"slot\":30000000,\"time\":1800000060000,\"v\":1,\"weight\":1}";
    struct lg_client_header h = {.height = 77};
    struct sg_http_answer a;
    struct lg_hash hash;
    struct sg_buf text;

    (void)state;
    lg_header_hash(&hash, (const uint8_t *)header, sizeof header - 1);
    sg_buf_init(&text, 4096);
    sg_buf_puts(&text, "{\"headers\":[{\"hash\":\"");
    sg_buf_put_hex(&text, hash.b, 32);
    sg_buf_printf(&text, "\",\"header\":%s,\"sig\":\"\"}]}", header);
    a = (struct sg_http_answer){.status = 200, .body = text};
    assert_int_equal(lg_client_header_parse(&h, &a, 4), SG_EMALFORMED);
    assert_int_equal(h.height, 77);
    assert_int_equal(lg_client_header_parse(&h, &a, 3), 0);
    assert_int_equal(h.time, 1800000060000);
    assert_int_equal(h.slot, 30000000);
    assert_memory_equal(h.hash.b, hash.b, 32);
    text.p[strlen("{\"headers\":[{\"hash\":\"")] ^= 1;
    assert_int_equal(lg_client_header_parse(&h, &a, 3), SG_EMALFORMED);
    sg_buf_fini(&text);
    a = answer_of(200, "{\"headers\":[]}");
    assert_int_equal(lg_client_header_parse(&h, &a, 3), SG_ENOT_FOUND);
    a = answer_of(200, "{\"headers\":[7]}");
    assert_int_equal(lg_client_header_parse(&h, &a, 3), SG_EMALFORMED);
}

/* An offer's answer must account for every statement offered, once, in order. */
static void client_offer_must_add_up(void **state)
{
    static const struct {
        const char *text;
        int err;
    } rows[] = {
        {"{\"accepted\":1,\"known\":1,\"rejected\":[{\"code\":\"gap\",\"index\":2}]}", 0},
        {"{\"accepted\":3,\"known\":0,\"rejected\":[]}", 0},
        {"{\"accepted\":2,\"known\":0,\"rejected\":[]}", SG_EMALFORMED},
        {"{\"accepted\":3,\"known\":1,\"rejected\":[]}", SG_EMALFORMED},
        {"{\"accepted\":3,\"known\":0}", SG_EMALFORMED},
        {"{\"accepted\":2,\"known\":0,\"rejected\":[{\"code\":\"gap\",\"index\":3}]}", SG_EMALFORMED},
        {"{\"accepted\":2,\"known\":0,\"rejected\":[{\"code\":\"ok\",\"index\":1}]}", SG_EMALFORMED},
        {"{\"accepted\":1,\"known\":0,\"rejected\":[{\"code\":\"gap\",\"index\":1},{\"code\":\"gap\","
         "\"index\":1}]}",
            SG_EMALFORMED},
        {"{\"accepted\":-1,\"known\":4,\"rejected\":[]}", SG_EMALFORMED},
    };
    struct lg_client_offer o;
    struct sg_http_answer a;

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        a = answer_of(200, rows[i].text);
        assert_int_equal(lg_client_offer_parse(&o, &a, 3), rows[i].err);
    }
    a = answer_of(200, rows[0].text);
    assert_int_equal(lg_client_offer_parse(&o, &a, 3), 0);
    assert_int_equal(o.accepted, 1);
    assert_int_equal(o.known, 1);
    assert_int_equal(o.nrejected, 1);
    assert_int_equal(o.rejected[0].index, 2);
    assert_int_equal(o.rejected[0].err, SG_EGAP);
    a = answer_of(200, "{\"accepted\":0,\"known\":0,\"rejected\":[{\"code\":\"of_tomorrow\",\"index\":0}]}");
    assert_int_equal(lg_client_offer_parse(&o, &a, 1), 0);
    assert_int_equal(o.rejected[0].err, SG_EMALFORMED);
}

/* More refusals than are kept are still counted. */
static void client_offer_counts_refusals_beyond_sixteen(void **state)
{
    struct lg_client_offer o;
    struct sg_http_answer a;
    struct sg_buf text;

    (void)state;
    sg_buf_init(&text, 4096);
    sg_buf_puts(&text, "{\"accepted\":0,\"known\":0,\"rejected\":[");
    for (int i = 0; i < 20; i++)
        sg_buf_printf(&text, "%s{\"code\":\"future\",\"index\":%d}", i ? "," : "", i);
    sg_buf_puts(&text, "]}");
    a = (struct sg_http_answer){.status = 200, .body = text};
    assert_int_equal(lg_client_offer_parse(&o, &a, 20), 0);
    assert_int_equal(o.nrejected, 20);
    assert_int_equal(o.rejected[15].index, 15);
    sg_buf_fini(&text);
}

/* Addresses, and one that does not fit. */
static void client_urls(void **state)
{
    char url[LG_CLIENT_URL_SIZE], base[600];
    struct lg_hash leaf = {{0xab}};

    (void)state;
    assert_int_equal(lg_client_gateway_url(url, "http://a:1", 0x12), 0);
    assert_string_equal(url, "http://a:1/v1/gateways/0000000000000012");
    assert_int_equal(lg_client_statement_url(url, "http://a:1", &leaf), 0);
    assert_string_equal(
        url, "http://a:1/v1/statements/ab00000000000000000000000000000000000000000000000000000000000000");
    assert_int_equal(lg_client_header_url(url, "http://a:1", 12), 0);
    assert_string_equal(url, "http://a:1/v1/headers?from=12&limit=1");
    memset(base, 'a', sizeof base);
    base[sizeof base - 1] = 0;
    assert_int_equal(lg_client_status_url(url, base), SG_ETOO_LARGE);
}

#define MINUTE_IN(m, gw, state)                                                                              \
    "{\"attested\":[{\"gw\":\"00000000000000aa\",\"live\":6},{\"gw\":\"" gw                                  \
    "\",\"live\":0}],\"body\":{\"min\":" m "},\"digest\":\"" H1 "\",\"state\":\"" state "\"}"
#define MINUTE(m, gw) MINUTE_IN(m, gw, "mined")

struct heard {
    unsigned n;
    struct lg_client_minute all[4];
};

static void hear(void *ctx, const struct lg_client_minute *m)
{
    struct heard *h = ctx;

    assert_in_range(h->n, 0, 3);
    h->all[h->n++] = *m;
}

/* Minutes come in order, with whether the gateway attests them, and where the next page begins. */
static void client_minutes_are_read(void **state)
{
    struct sg_http_answer a =
        answer_of(200, "{\"minutes\":[" MINUTE_IN("10", "00000000000000bb", "confirmed") "," MINUTE(
                           "12", "00000000000000cc") "],\"next\":15}");
    struct heard h = {0};
    sg_minute next = 0;

    (void)state;
    assert_int_equal(lg_client_minutes_parse(&next, &a, 0xbb, 10, 20, hear, &h), 0);
    assert_int_equal(next, 15);
    assert_int_equal(h.n, 2);
    assert_true(
        h.all[0].min == 10 && h.all[0].attested && h.all[0].confirmed && h.all[0].digest.b[0] == 0x11);
    assert_true(h.all[1].min == 12 && !h.all[1].attested && !h.all[1].confirmed);
    a = answer_of(200, "{\"minutes\":[]}");
    assert_int_equal(lg_client_minutes_parse(&next, &a, 0xbb, 10, 20, hear, &h), 0);
    assert_int_equal(next, 21);
    assert_int_equal(h.n, 2);
}

/* One element that does not fit, or a page that leads nowhere, and nothing is heard. */
static void client_minutes_that_do_not_fit_are_malformed(void **state)
{
    static const char *const texts[] = {"{}", "{\"minutes\":{}}", "{\"minutes\":[{}]}",
        "{\"minutes\":[" MINUTE("10", "bb") "," MINUTE("10", "bb") "]}",
        "{\"minutes\":[" MINUTE("9", "bb") "]}", "{\"minutes\":[" MINUTE("21", "bb") "]}",
        "{\"minutes\":[" MINUTE("10", "bb") "],\"next\":10}", "{\"minutes\":[],\"next\":10}",
        "{\"minutes\":[" MINUTE("10", "bb") "],\"next\":21}",
        "{\"minutes\":[{\"attested\":[{}],\"body\":{\"min\":10},\"digest\":\"" H1 "\",\"state\":\"mined\"}]}",
        "{\"minutes\":[{\"attested\":[],\"body\":{\"min\":10},\"digest\":\"11\",\"state\":\"mined\"}]}",
        "{\"minutes\":[{\"body\":{\"min\":10},\"digest\":\"" H1 "\",\"state\":\"mined\"}]}",
        "{\"minutes\":[{\"attested\":[],\"body\":{\"min\":10},\"digest\":\"" H1 "\"}]}",
        "{\"minutes\":[{\"attested\":[],\"body\":{\"min\":10},\"digest\":\"" H1 "\",\"state\":\"gone\"}]}"};
    struct heard h = {0};
    sg_minute next = 77;

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(texts); i++) {
        struct sg_http_answer a = answer_of(200, texts[i]);

        assert_int_equal(lg_client_minutes_parse(&next, &a, 0xbb, 10, 20, hear, &h), SG_EMALFORMED);
    }
    assert_int_equal(h.n, 0);
    assert_int_equal(next, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_minutes_are_read),
        cmocka_unit_test(client_minutes_that_do_not_fit_are_malformed),
        cmocka_unit_test(client_status_is_read),
        cmocka_unit_test(client_status_base_is_read_when_it_is_there),
        cmocka_unit_test(client_status_that_does_not_fit_is_malformed),
        cmocka_unit_test(client_problem_gives_its_code),
        cmocka_unit_test(client_ready_is_status_200),
        cmocka_unit_test(client_gateway_is_read),
        cmocka_unit_test(client_statement_is_read),
        cmocka_unit_test(client_header_is_checked_against_its_hash),
        cmocka_unit_test(client_offer_must_add_up),
        cmocka_unit_test(client_offer_counts_refusals_beyond_sixteen),
        cmocka_unit_test(client_urls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
