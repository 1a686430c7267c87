/* What the commands share: messages, options, times on the command line. */
#include "ledger/cmd.h"
#include "lg_c0.h"
#include "sg_http.h"
#include "sg_text.h"
#include "sg_time.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int message(const struct lg_cmd *self, const char *fmt, va_list args)
{
    fprintf(stderr, "ledger %s: ", self->name);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    return 0;
}

int lg_cmd_usage_error(const struct lg_cmd *self, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message(self, fmt, args);
    va_end(args);
    fprintf(stderr, "usage: ledger %s %s\n", self->name, self->usage);
    return SG_EXIT_USAGE;
}

int lg_cmd_failed(const struct lg_cmd *self, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message(self, fmt, args);
    va_end(args);
    return SG_EXIT_FAILED;
}

static const struct lg_cmd_option *find_option(
    const struct lg_cmd_option *options, unsigned n, const char *arg)
{
    for (unsigned i = 0; i < n; i++)
        if (strncmp(arg, "--", 2) == 0 && strcmp(arg + 2, options[i].name) == 0)
            return &options[i];
    return NULL;
}

int lg_cmd_parse(const struct lg_cmd *self, int argc, char **argv, const struct lg_cmd_option *options,
    unsigned noptions, const char **positional, unsigned npositional)
{
    unsigned got = 0;

    for (int i = 0; i < argc; i++) {
        const struct lg_cmd_option *option = find_option(options, noptions, argv[i]);
        if (option && (i + 1 == argc || *option->value)) {
            lg_cmd_usage_error(self, "%s %s", argv[i], i + 1 == argc ? "needs a value" : "is given twice");
            return SG_EUSAGE;
        }
        if (option)
            *option->value = argv[++i];
        else if (argv[i][0] == '-' || got == npositional) {
            lg_cmd_usage_error(self, "unexpected argument %s", argv[i]);
            return SG_EUSAGE;
        } else
            positional[got++] = argv[i];
    }
    if (got == npositional)
        return SG_OK;
    lg_cmd_usage_error(self, "an argument is missing");
    return SG_EUSAGE;
}

int lg_cmd_minute(int64_t *minute, const char *text)
{
    sg_ms ms = 0;

    if (sg_i64_parse(minute, text, strlen(text), 0, SG_MINUTE_END - 1) == SG_OK)
        return SG_OK;
    if (sg_ms_of_rfc3339(&ms, text, strlen(text)) != SG_OK)
        return SG_EUSAGE;
    *minute = ms / SG_MINUTE_MS;
    return SG_OK;
}

int lg_cmd_fetch_genesis(struct lg_genesis **out, const char *base)
{
    char url[LG_CMD_MAX_URL + 20];
    struct sg_http_client *http = NULL;
    struct sg_http_answer answer = {0};
    struct sg_http_call call = {.url = url, .max_answer = LG_MAX_GENESIS_BYTES};
    int err = sg_http_client_new(&http);

    if (err != SG_OK)
        return err;
    snprintf(url, sizeof(url), "%s/v1/genesis", base);
    err = sg_http_client_call(http, &call, &answer);
    if (err == SG_OK)
        err = answer.status == 200
                  ? lg_genesis_decode(out, answer.body.p, answer.body.len, &sg_crypto_openssl)
                  : SG_EMALFORMED;
    sg_buf_fini(&answer.body);
    sg_http_client_free(http);
    return err;
}
