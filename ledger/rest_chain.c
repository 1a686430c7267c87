/* Headers and blocks: pages by height, one block by height, hash or "latest".
 *
 * Documents are the canonical bytes as they are stored, so that what is fetched can be hashed as it is. A page ends at
 * its limit or before 8 MiB, whichever comes first; only a single element may be larger. */
#include "ledger/rest_priv.h"

#include <string.h>

#include "sg_text.h"

typedef int put_fn(struct lg_rest_call *c, const struct lg_block_info *info);

static int put_block_of_list(struct lg_rest_call *c, const struct lg_block_info *info)
{
    sg_buf_puts(&c->out, "{\"block\":");
    const int err = lg_reader_block_bytes(c->reader, &c->out, &info->hash);
    sg_buf_puts(&c->out, ",\"hash\":");
    lg_rest_put_hash(&c->out, &info->hash);
    sg_buf_puts(&c->out, "}");
    return err;
}

static int put_header_of_list(struct lg_rest_call *c, const struct lg_block_info *info)
{
    return lg_rest_put_header(c, &info->hash);
}

/* Element h of a page that holds n already. SG_EFULL: it would make the page too large, and is taken back. */
static int put_element(struct lg_rest_call *c, put_fn *put, int64_t h, int64_t n)
{
    struct lg_block_info info;
    const size_t before = c->out.len;
    int err = lg_reader_block_at(c->reader, &info, h);
    if (err != 0)
        return err;
    sg_buf_puts(&c->out, n == 0 ? "" : ",");
    err = put(c, &info);
    if (err != 0 || n == 0 || c->out.len <= LG_REST_PAGE_BYTES)
        return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
    c->out.len = before;
    return SG_EFULL;
}

/* {"name":[…],"next":h} */
static int list(struct lg_rest_call *c, const char *open, put_fn *put)
{
    struct lg_rest_range range;
    struct lg_block_info info;
    int err = lg_rest_range(c, &range, LG_REST_LIMIT);
    if (err != 0)
        return err;
    sg_buf_puts(&c->out, open);
    int64_t h = range.from, n = 0;
    while (h <= range.to && n < range.limit && (err = put_element(c, put, h, n)) == 0) {
        h++;
        n++;
    }
    sg_buf_puts(&c->out, "]");
    if (err == 0 && h <= range.to) /* the limit ended the page: is there more? */
        err = lg_reader_block_at(c->reader, &info, h) == 0 ? SG_EFULL : 0;
    if (err == SG_EFULL)
        lg_rest_put_int(&c->out, ",\"next\":", h);
    sg_buf_puts(&c->out, "}");
    return err == SG_ENOT_FOUND || err == SG_EFULL ? 0 : err;
}

static int put_sketch_of_list(struct lg_rest_call *c, const struct lg_block_info *info)
{
    return lg_rest_put_sketch(c, &info->hash);
}

int lg_rest_get_sketches(struct lg_rest_call *c)
{
    return list(c, "{\"sketches\":[", put_sketch_of_list);
}

int lg_rest_get_headers(struct lg_rest_call *c)
{
    return list(c, "{\"headers\":[", put_header_of_list);
}

int lg_rest_get_blocks(struct lg_rest_call *c)
{
    return list(c, "{\"blocks\":[", put_block_of_list);
}

/* The block that the last segment of the path names; *best false: on a side branch. */
static int find(struct lg_rest_call *c, struct lg_block_info *info, bool *best, const char *name)
{
    struct lg_hash hash;
    int64_t height;
    *best = true;
    if (strcmp(name, "latest") == 0)
        return lg_reader_tip(c->reader, info);
    if (sg_hex_decode(hash.b, sizeof hash.b, name, strlen(name)) == 0)
        return lg_reader_block_info(c->reader, info, best, &hash);
    if (sg_i64_parse(&height, name, strlen(name), 0, LG_REST_MAX_HEIGHT) == 0)
        return lg_reader_block_at(c->reader, info, height);
    return lg_rest_bad(c, "a block is named by its height, its hash or latest");
}

int lg_rest_get_block(struct lg_rest_call *c)
{
    struct lg_block_info info, tip;
    bool best;
    int err = lg_rest_no_keys(c);
    if (err == 0)
        err = find(c, &info, &best, sg_http_segment(c->req, 0));
    if (err == 0)
        err = lg_reader_tip(c->reader, &tip);
    if (err != 0)
        return err;
    sg_buf_puts(&c->out, "{\"block\":");
    err = lg_reader_block_bytes(c->reader, &c->out, &info.hash);
    /* A block of a side branch confirms nothing. */
    lg_rest_put_int(&c->out, ",\"confirmations\":", best ? tip.height - info.height + 1 : 0);
    sg_buf_puts(&c->out, ",\"hash\":");
    lg_rest_put_hash(&c->out, &info.hash);
    sg_buf_puts(&c->out, "}");
    return err;
}
