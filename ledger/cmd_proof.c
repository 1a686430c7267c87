/* ledger proof: fetch the proof of a minute from any node. ledger verify-proof: judge it offline, against a genesis that the
 * auditor already trusts; the node that served it need not be believed. */
#include "ledger/cmd.h"
#include "ledger/core/proof.h"
#include "sg_http.h"
#include "sg_text.h"
#include "sg_time.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_URL     "http://127.0.0.1:5004"
#define MAX_PROOF_BYTES (64u << 20)

static int fetch(const struct lg_cmd *self, const char *url)
{
    struct sg_http_client *http = NULL;
    struct sg_http_answer answer = {0};
    struct sg_http_call call = {.url = url, .max_answer = MAX_PROOF_BYTES, .timeout_ms = LG_CMD_PAGE_MS};
    int result = SG_EXIT_FAILED;

    if (sg_http_client_new(&http) != SG_OK)
        return lg_cmd_failed(self, "out of memory");
    int err = sg_http_client_call(http, &call, &answer);
    if (err != SG_OK)
        lg_cmd_failed(self, "%s: %s", url, sg_err_text(err));
    else if (answer.status != 200)
        lg_cmd_failed(self, "%s: status %d: %.*s", url, answer.status, (int)answer.body.len,
            (const char *)answer.body.p);
    else {
        fwrite(answer.body.p, 1, answer.body.len, stdout);
        result = SG_EXIT_GOOD;
    }
    sg_buf_fini(&answer.body);
    sg_http_client_free(http);
    return result;
}

int lg_cmd_proof(const struct lg_cmd *self, int argc, char **argv)
{
    const char *base = NULL, *args[2] = {NULL, NULL};
    const struct lg_cmd_option options[] = {{"url", &base}};
    int64_t minute = 0;
    char url[400];

    if (lg_cmd_parse(self, argc, argv, options, SG_ARRAY_LEN(options), args, 2) != SG_OK)
        return SG_EXIT_USAGE;
    if (lg_cmd_minute(&minute, args[1]) != SG_OK)
        return lg_cmd_usage_error(self, "%s is neither a minute number nor an RFC 3339 time", args[1]);
    if (args[0][0] == '\0' || strspn(args[0], "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(args[0]) ||
        strlen(args[0]) > 32)
        return lg_cmd_usage_error(self, "%s is no relay id", args[0]);
    base = base ? base : DEFAULT_URL;
    if (sg_cli_url_check(base) != SG_OK || strlen(base) > 200)
        return lg_cmd_usage_error(self, "%s is not " SG_CLI_URL_FORM, base);
    snprintf(url, sizeof(url), "%s/v1/minutes/%s/%lld/proof", base, args[0], (long long)minute);
    return fetch(self, url);
}

static void report(const struct lg_proof_result *r)
{
    char digest[2 * SG_HASH_BYTES + 1], time[SG_RFC3339_SIZE], kid[LG_KID_HEX + 1];

    sg_hex_encode(digest, r->digest.b, SG_HASH_BYTES);
    sg_rfc3339_of_ms(time, r->min * SG_MINUTE_MS);
    printf("valid: relay %s, minute %lld (%s), body %s, block %lld\n", r->relay, (long long)r->min, time,
        digest, (long long)r->height);
    for (unsigned i = 0; i < r->nwitnesses; i++) {
        lg_kid_hex(kid, r->witnesses[i].gw);
        sg_rfc3339_of_ms(time, r->witnesses[i].ts);
        printf("  attested by %s, signed %s, %u samples seen live\n", kid, time, r->witnesses[i].live);
    }
}

int lg_cmd_verify_proof(const struct lg_cmd *self, int argc, char **argv)
{
    const char *genesis_path = NULL, *path = NULL;
    const struct lg_cmd_option options[] = {{"genesis", &genesis_path}};
    struct lg_genesis *g = NULL;
    struct lg_proof_result result;
    struct sg_fault fault = {0};
    struct sg_buf doc;
    char where[64] = "";

    if (lg_cmd_parse(self, argc, argv, options, SG_ARRAY_LEN(options), &path, 1) != SG_OK)
        return SG_EXIT_USAGE;
    if (!genesis_path)
        return lg_cmd_usage_error(
            self, "--genesis is needed: the proof is judged against a genesis that you trust");
    if (lg_genesis_load(&g, genesis_path, &fault) != SG_OK)
        return lg_cmd_usage_error(self, "%s", fault.text);
    sg_buf_init(&doc, MAX_PROOF_BYTES);
    int exit_code = SG_EXIT_GOOD;
    if (lg_file_read(&doc, path, MAX_PROOF_BYTES, &fault) != SG_OK)
        exit_code = lg_cmd_failed(self, "%s", fault.text);
    else {
        size_t len = doc.len > 0 && doc.p[doc.len - 1] == '\n' ? doc.len - 1 : doc.len;
        int err = lg_proof_verify(&result, where, doc.p, len, g, &sg_crypto_openssl);
        if (err == SG_OK)
            report(&result);
        else if (err == SG_ENOMEM)
            exit_code = lg_cmd_failed(self, "%s: not judged: %s", path, sg_err_text(err));
        else
            exit_code = lg_cmd_failed(self, "%s: INVALID at %s: %s (%s)", path,
                where[0] ? where : "the document", sg_err_code(err), sg_err_text(err));
    }
    sg_buf_fini(&doc);
    lg_genesis_free(g);
    return exit_code;
}
