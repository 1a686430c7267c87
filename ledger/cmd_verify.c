/* ledger verify: the whole chain, from the genesis that the auditor trusts, out of a data directory or from any node.
 *
 * Nothing is believed: blocks are judged by the contract's rules on a state rebuilt from the blocks themselves (ledger/core/audit.c);
 * indexes and tables of the store are used only to find bytes. A page that a node serves cannot lie: each block must follow the one
 * before it. The first fault is named with height and code.
 *
 * All processors decode and check what needs no branch, a few blocks ahead of the audit, which takes them in order. */
#include "ledger/cmd.h"
#include "ledger/core/audit.h"
#include "ledger/precheck.h"
#include "ledger/store.h"
#include "lg_client.h"
#include "sg_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define PAGE_BLOCKS    64
#define MAX_PAGE_BYTES (26u << 20)
/* Blocks that are checked ahead of the audit, at most: so many, and of so many bytes. */
#define AHEAD       64
#define AHEAD_BYTES (8u << 20)

struct ahead {
    uint8_t *doc;
    size_t len;
    struct lg_precheck_job *job;
};

struct verify {
    const struct lg_cmd *self;
    const struct lg_genesis *genesis;
    struct lg_audit *audit;
    struct lg_precheck *precheck;
    struct ahead ring[AHEAD];
    unsigned first, n; /* of ring */
    size_t bytes;
    int64_t goal; /* height that the source says it has */
    bool bar;     /* a progress bar on standard error */
    int percent;
};

static void progress(struct verify *v)
{
    int64_t height = lg_audit_tip(v->audit)->height;
    int percent = v->goal > 0 ? (int)(height * 100 / v->goal) : 100;

    if (!v->bar || (percent == v->percent && height != v->goal))
        return;
    v->percent = percent;
    char bar[41];
    memset(bar, '.', 40);
    memset(bar, '#', (size_t)(percent * 40 / 100));
    bar[40] = '\0';
    fprintf(stderr, "\r[%s] %3d%%  block %lld of %lld", bar, percent, (long long)height, (long long)v->goal);
    if (height == v->goal)
        fputc('\n', stderr);
}

/* Judge the block that was given first; a message and an error when it is wrong. */
static int settle_one(struct verify *v)
{
    struct ahead *a = &v->ring[v->first];
    struct lg_block *b = NULL;
    int err = lg_precheck_take(&b, a->job);

    v->first = (v->first + 1) % AHEAD;
    v->n--;
    v->bytes -= a->len;
    free(a->doc);
    if (err == SG_OK)
        err = lg_audit_block(v->audit, b);
    lg_block_free(b);
    if (err == SG_OK)
        progress(v);
    else if (err == SG_ENOMEM)
        lg_cmd_failed(v->self, "%snot judged at height %lld: %s", v->bar ? "\n" : "",
            (long long)lg_audit_tip(v->audit)->height + 1, sg_err_text(err));
    else
        lg_cmd_failed(v->self, "%sINVALID at height %lld: %s (%s)", v->bar ? "\n" : "",
            (long long)lg_audit_tip(v->audit)->height + 1, sg_err_code(err), sg_err_text(err));
    return err;
}

static int settle(struct verify *v)
{
    int err = SG_OK;

    while (err == SG_OK && v->n > 0)
        err = settle_one(v);
    return err;
}

/* After an error: nobody asks for the others. */
static void forget(struct verify *v)
{
    for (; v->n > 0; v->n--) {
        lg_precheck_drop(v->ring[v->first].job);
        free(v->ring[v->first].doc);
        v->first = (v->first + 1) % AHEAD;
    }
}

/* The next block, copied; those before it are judged as far as room is needed. */
static int take(struct verify *v, const uint8_t *doc, size_t len)
{
    struct ahead a = {.len = len};
    int err = SG_OK;

    while (err == SG_OK && v->n > 0 && (v->n == AHEAD || v->bytes + len > AHEAD_BYTES))
        err = settle_one(v);
    if (err != SG_OK)
        return err;
    a.doc = malloc(len ? len : 1);
    if (a.doc)
        memcpy(a.doc, doc, len);
    if (!a.doc || lg_precheck_add(v->precheck, &a.job, a.doc, len, false) != SG_OK) {
        free(a.doc);
        lg_cmd_failed(v->self, "out of memory");
        return SG_ENOMEM;
    }
    v->ring[(v->first + v->n++) % AHEAD] = a;
    v->bytes += len;
    return SG_OK;
}

/* ---- from a data directory ---- */

static int read_blocks(struct verify *v, struct lg_reader *r)
{
    struct lg_block_info info;
    int err = lg_reader_tip(r, &info);

    if (err == SG_ENOT_FOUND)
        return SG_OK;
    if (err != SG_OK) {
        lg_cmd_failed(v->self, "INVALID: the store does not give its tip: %s", sg_err_text(err));
        return err;
    }
    v->goal = info.height;
    for (int64_t h = 1; err == SG_OK && h <= v->goal; h++) {
        struct sg_buf doc;
        sg_buf_init(&doc, 64u << 20);
        err = lg_reader_block_at(r, &info, h);
        if (err == SG_OK)
            err = lg_reader_block_bytes(r, &doc, &info.hash);
        if (err != SG_OK && settle(v) == SG_OK)
            lg_cmd_failed(v->self, "INVALID at height %lld: the store does not give the block: %s (%s)",
                (long long)h, sg_err_code(err), sg_err_text(err));
        if (err == SG_OK)
            err = take(v, doc.p, doc.len);
        sg_buf_fini(&doc);
    }
    return err == SG_OK ? settle(v) : err;
}

static int verify_data(struct verify *v, const char *data)
{
    struct lg_reader *r = NULL;
    struct sg_fault fault = {0};
    int err = lg_reader_open(&r, data, v->genesis, &fault);

    if (err != SG_OK) {
        lg_cmd_failed(v->self, "%s", fault.text);
        return err;
    }
    err = lg_reader_begin(r);
    if (err == SG_OK) {
        err = read_blocks(v, r);
        lg_reader_end(r);
    } else
        lg_cmd_failed(v->self, "%s: the store cannot be read: %s", data, sg_err_text(err));
    lg_reader_close(r);
    return err;
}

/* ---- from a node ---- */

/* Blocks of one page, {"blocks":[{"block":…,"hash":…}…],"next":…}; *more: another page follows. */
static int take_page(struct verify *v, const struct sg_buf *body, bool *more)
{
    struct lg_c0 c;
    int err = SG_OK;

    if (lg_c0_check(body->p, body->len) != SG_OK)
        return SG_EMALFORMED;
    lg_c0_open(&c, body->p, body->len);
    lg_c0_object(&c);
    lg_c0_key(&c, "blocks");
    lg_c0_array(&c);
    while (err == SG_OK && lg_c0_more(&c)) {
        lg_c0_object(&c);
        lg_c0_key(&c, "block");
        struct lg_slice block = lg_c0_value(&c);
        lg_c0_key(&c, "hash");
        lg_c0_value(&c);
        lg_c0_object_end(&c);
        err = c.bad ? SG_EMALFORMED : take(v, block.p, block.len);
    }
    *more = !c.bad && c.p < c.end && *c.p == ',';
    if (err == SG_OK || err == SG_EMALFORMED) {
        int settled = settle(v);
        err = settled != SG_OK ? settled : err;
    }
    return err;
}

static int get_page(struct verify *v, struct sg_http_client *http, const char *base, bool *more)
{
    char url[400];
    struct sg_http_answer answer = {0};
    int64_t before = lg_audit_tip(v->audit)->height;

    snprintf(url, sizeof(url), "%s/v1/blocks?from=%lld&limit=%d", base, (long long)before + 1, PAGE_BLOCKS);
    struct sg_http_call call = {.url = url, .max_answer = MAX_PAGE_BYTES, .timeout_ms = LG_CMD_PAGE_MS};
    int err = sg_http_client_call(http, &call, &answer);
    if (err == SG_OK)
        err = answer.status == 200 ? take_page(v, &answer.body, more) : SG_EMALFORMED;
    if (err == SG_EMALFORMED || answer.status == 0)
        lg_cmd_failed(v->self, "%s: %s", url, sg_err_text(err));
    if (lg_audit_tip(v->audit)->height == before)
        *more = false; /* an empty page that promises another would go on for ever */
    sg_buf_fini(&answer.body);
    return err;
}

static int verify_url(struct verify *v, const char *base)
{
    struct sg_http_client *http = NULL;
    struct lg_client_status status;
    bool more = true;

    int err = sg_http_client_new(&http);
    if (err != SG_OK)
        return err;
    err = lg_client_status(http, base, &status);
    if (err != SG_OK)
        lg_cmd_failed(v->self, "%s: %s", base, sg_err_text(err));
    else
        v->goal = status.height;
    if (err == SG_OK && !lg_hash_eq(&status.chain, &v->genesis->id)) {
        lg_cmd_failed(v->self, "%s: serves another chain than this genesis", base);
        err = SG_ECHAIN;
    }
    while (err == SG_OK && more && lg_audit_tip(v->audit)->height < v->goal)
        err = get_page(v, http, base, &more);
    sg_http_client_free(http);
    return err;
}

static int run(struct verify *v, const char *data, const char *url)
{
    uint64_t statements = 0, bodies = 0, seed;

    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return lg_cmd_failed(v->self, "the system gives no random numbers");
    if (lg_audit_new(&v->audit, v->genesis, &sg_crypto_openssl, seed) != SG_OK ||
        lg_precheck_start(&v->precheck, v->genesis, &sg_crypto_openssl, 0) != SG_OK) {
        lg_audit_free(v->audit);
        return lg_cmd_failed(v->self, "out of memory");
    }
    v->bar = isatty(STDERR_FILENO) != 0;
    v->percent = -1;
    int err = data ? verify_data(v, data) : verify_url(v, url);
    forget(v);
    lg_precheck_stop(v->precheck);
    const struct lg_block_info *tip = lg_audit_tip(v->audit);
    lg_audit_counts(v->audit, &statements, &bodies);
    if (err == SG_OK && tip->height < v->goal)
        err = (lg_cmd_failed(v->self, "INVALID: the source promised %lld blocks and served %lld",
                   (long long)v->goal, (long long)tip->height),
            SG_EMALFORMED);
    if (err == SG_OK) {
        char hex[2 * SG_HASH_BYTES + 1], chain[2 * SG_HASH_BYTES + 1];
        sg_hex_encode(hex, tip->hash.b, SG_HASH_BYTES);
        sg_hex_encode(chain, v->genesis->id.b, SG_HASH_BYTES);
        printf("valid: %lld blocks, %llu statements, %llu bodies, tip %s, chain %s\n", (long long)tip->height,
            (unsigned long long)statements, (unsigned long long)bodies, hex, chain);
    }
    lg_audit_free(v->audit);
    return err == SG_OK ? SG_EXIT_GOOD : err == SG_EUSAGE ? SG_EXIT_USAGE : SG_EXIT_FAILED;
}

/* The genesis that the source itself names. It binds the chain to its own word only: the auditor is told to compare. */
static int own_genesis(struct lg_genesis **out, const char *data, const char *url, struct sg_fault *fault)
{
    struct sg_buf doc;
    int err = SG_OK;

    sg_buf_init(&doc, LG_MAX_GENESIS_BYTES);
    if (url)
        err = lg_cmd_fetch_genesis(out, url);
    else if ((err = lg_reader_genesis(&doc, data, fault)) == SG_OK)
        err = lg_genesis_decode(out, doc.p, doc.len, &sg_crypto_openssl);
    sg_buf_fini(&doc);
    if (err != SG_OK && fault->text[0] == '\0')
        snprintf(fault->text, sizeof(fault->text), "%s: no genesis: %s (%s)", url ? url : data,
            sg_err_code(err), sg_err_text(err));
    if (err == SG_OK) {
        char hex[2 * SG_HASH_BYTES + 1];
        sg_hex_encode(hex, (*out)->id.b, SG_HASH_BYTES);
        fprintf(stderr,
            "no --genesis: judged by the genesis that the source itself names; compare its chain id with one "
            "that you trust: %s\n",
            hex);
    }
    return err;
}

int lg_cmd_verify(const struct lg_cmd *self, int argc, char **argv)
{
    const char *genesis_path = NULL, *data = NULL, *url = NULL;
    const struct lg_cmd_option options[] = {{"genesis", &genesis_path}, {"data", &data}, {"url", &url}};
    struct verify v = {.self = self};
    struct lg_genesis *g = NULL;
    struct sg_fault fault = {0};

    if (lg_cmd_parse(self, argc, argv, options, SG_ARRAY_LEN(options), NULL, 0) != SG_OK)
        return SG_EXIT_USAGE;
    if (!data == !url)
        return lg_cmd_usage_error(
            self, data ? "give --data or --url, not both" : "one of --data and --url is needed");
    if (url && (sg_cli_url_check(url) != SG_OK || strlen(url) > 200))
        return lg_cmd_usage_error(self, "%s is not " SG_CLI_URL_FORM, url);
    if (genesis_path && lg_genesis_load(&g, genesis_path, &fault) != SG_OK)
        return lg_cmd_usage_error(self, "%s", fault.text);
    if (!genesis_path && own_genesis(&g, data, url, &fault) != SG_OK)
        return lg_cmd_failed(self, "%s", fault.text);
    v.genesis = g;
    int result = run(&v, data, url);
    lg_genesis_free(g);
    return result;
}
