/* Canonical JSON: what the check accepts, the cursor reads and the writer writes again byte for byte; the cursor survives what
 * the check refuses. */
#include "lg_c0.h"
#include "tests/lib/fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void copy_value(struct sg_buf *out, struct lg_c0 *c);

static void copy_text(struct sg_buf *out, struct lg_c0 *c)
{
    struct lg_c0 again = *c;
    struct lg_slice raw = lg_c0_raw(&again);
    char *text = malloc(raw.len + 1);
    size_t len;

    assert(text);
    len = lg_c0_text(c, text, 0, raw.len);
    lg_c0_put_text(out, text, len);
    free(text);
}

static void copy_array(struct sg_buf *out, struct lg_c0 *c)
{
    sg_buf_put_u8(out, '[');
    lg_c0_array(c);
    for (bool first = true; lg_c0_more(c); first = false) {
        sg_buf_puts(out, first ? "" : ",");
        copy_value(out, c);
    }
    sg_buf_put_u8(out, ']');
}

static void copy_object(struct sg_buf *out, struct lg_c0 *c)
{
    sg_buf_put_u8(out, '{');
    lg_c0_object(c);
    for (bool first = true; !c->bad && c->p < c->end && *c->p != '}'; first = false) {
        const uint8_t *start = c->p + (*c->p == ',');
        const uint8_t *colon = memchr(start, ':', (size_t)(c->end - start));
        char key[4096];

        assert(colon && colon - start > 2);
        if ((size_t)(colon - start) >= sizeof key) {
            lg_c0_fail(c);
            return;
        }
        memcpy(key, start + 1, (size_t)(colon - start - 2));
        key[colon - start - 2] = 0;
        lg_c0_key(c, key);
        sg_buf_puts(out, first ? "\"" : ",\"");
        sg_buf_puts(out, key);
        sg_buf_puts(out, "\":");
        copy_value(out, c);
    }
    lg_c0_object_end(c);
    sg_buf_put_u8(out, '}');
}

static void copy_value(struct sg_buf *out, struct lg_c0 *c)
{
    struct lg_c0 again = *c;

    if (c->bad || c->p == c->end)
        return;
    assert(lg_c0_value(&again).len > 0);
    if (*c->p == '"')
        copy_text(out, c);
    else if (*c->p == '[')
        copy_array(out, c);
    else if (*c->p == '{')
        copy_object(out, c);
    else
        sg_buf_put_i64(out, lg_c0_int(c, -LG_C0_MAX_INT, LG_C0_MAX_INT));
    assert(c->bad || c->p == again.p);
}

static void walk_unchecked(const uint8_t *data, size_t size)
{
    struct lg_c0 c;
    uint8_t bytes[8];
    char text[9];

    lg_c0_open(&c, data, size);
    while (!c.bad && c.p < c.end) {
        struct lg_c0 again = c;

        (void)lg_c0_text(&again, text, 0, 8);
        again = c;
        lg_c0_hex(&again, bytes, 8);
        again = c;
        lg_c0_base64(&again, bytes, 8);
        again = c;
        (void)lg_c0_int(&again, INT64_MIN, INT64_MAX);
        again = c;
        lg_c0_array(&again);
        while (lg_c0_more(&again))
            (void)lg_c0_value(&again);
        (void)lg_c0_value(&c);
        assert(c.p <= c.end);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_buf out;
    struct lg_c0 c;

    walk_unchecked(data, size < 512 ? size : 512);
    if (lg_c0_check(data, size) != 0)
        return 0;
    sg_buf_init(&out, 2 * size + 16);
    lg_c0_open(&c, data, size);
    copy_value(&out, &c);
    if (!c.bad) {
        assert(lg_c0_close(&c) == 0 && sg_buf_err(&out) == 0);
        assert(out.len == size && memcmp(out.p, data, size) == 0);
    }
    sg_buf_fini(&out);
    return 0;
}
