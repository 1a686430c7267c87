/* Flags of the command line as a configuration: one way of checking for both.
 *
 * Invariant: what comes out is JSON whatever the flags hold; what a flag means is judged where the file's values are.
 * Refuses: a port or a relay's address that is none; the rest is found by gw_config_parse, and told of the flag that it came from. */
#include "gateway/config.h"
#include "sg_cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stands for the file's name. */
#define FLAGS_NAME "command line"

static int usage(struct sg_fault *fault, const char *flag, const char *value, const char *what)
{
    fault->err = SG_EUSAGE;
    (void)snprintf(fault->text, sizeof fault->text, "%s%s%.200s: %s", flag, value[0] ? " " : "", value, what);
    return SG_EUSAGE;
}

/* RFC 8259 section 7. */
static void put_string(struct sg_buf *out, const char *s, size_t len)
{
    sg_buf_put_u8(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == '"' || c == '\\')
            sg_buf_printf(out, "\\%c", c);
        else if (c < 0x20)
            sg_buf_printf(out, "\\u%04x", c);
        else
            sg_buf_put_u8(out, c);
    }
    sg_buf_put_u8(out, '"');
}

static void put_member(struct sg_buf *out, const char *key, const char *value)
{
    sg_buf_printf(out, "\"%s\": ", key);
    put_string(out, value, strlen(value));
    sg_buf_puts(out, ",\n ");
}

static int put_relay(struct sg_buf *out, const char *text, const char *unit, struct sg_fault *fault)
{
    const char *at = strchr(text, '@');
    char host[256];
    uint16_t port;

    if (sg_cli_host_port(host, sizeof host, &port, at ? at + 1 : text))
        return usage(fault, "--relay", text, "is not of the form [ID@]HOST:PORT");
    sg_buf_puts(out, "{");
    if (at) {
        sg_buf_puts(out, "\"id\": ");
        put_string(out, text, (size_t)(at - text));
        sg_buf_puts(out, ", ");
    }
    sg_buf_puts(out, "\"host\": ");
    put_string(out, host, strlen(host));
    sg_buf_printf(out, ", \"port\": %u, \"unit\": %s}", port, unit);
    return 0;
}

static int put_relays(struct sg_buf *out, const struct gw_flags *f, struct sg_fault *fault)
{
    int err = 0;

    sg_buf_puts(out, "\"relays\": [");
    for (unsigned i = 0; i < f->nrelays && !err; i++) {
        if (i > 0)
            sg_buf_puts(out, ",\n  ");
        err = put_relay(out, f->relays[i], f->unit ? f->unit : "1", fault);
    }
    sg_buf_puts(out, "],\n ");
    return err;
}

static void put_node(struct sg_buf *out, const struct gw_flags *f)
{
    sg_buf_puts(out, "\"node\": {");
    put_member(out, "bind", f->bind ? f->bind : "127.0.0.1");
    sg_buf_printf(out, "\"port\": %s, \"peers\": [", f->port);
    for (unsigned i = 0; i < f->npeers; i++) {
        if (i > 0)
            sg_buf_puts(out, ", ");
        put_string(out, f->peers[i], strlen(f->peers[i]));
    }
    sg_buf_puts(out, "]}}");
}

int gw_flags_config(struct sg_buf *out, const struct gw_flags *f, struct sg_fault *fault)
{
    char data[64];
    int64_t n;
    int err;

    if (!f->port)
        return usage(fault, "--port", "", "is needed (or --config FILE)");
    if (sg_cli_int(&n, f->port, 1, UINT16_MAX))
        return usage(fault, "--port", f->port, "is not in 1..65535");
    if (f->unit && sg_cli_int(&n, f->unit, 1, 255))
        return usage(fault, "--unit", f->unit, "is not in 1..255");
    if (f->nrelays == 0)
        return usage(fault, "--relay", "", "is needed at least once");
    (void)snprintf(data, sizeof data, "run/data-%s", f->port);
    sg_buf_puts(out, "{");
    put_member(out, "genesis", f->genesis ? f->genesis : "run/genesis.json");
    put_member(out, "key", f->key ? f->key : "run/gateway.pem");
    put_member(out, "data", f->data ? f->data : data);
    if (f->name)
        put_member(out, "name", f->name);
    err = put_relays(out, f, fault);
    put_node(out, f);
    if (!err && sg_buf_err(out))
        err = usage(fault, "", "", "the command line is too long");
    return err;
}

/* ---- faults ---- */

/* The flag behind a path of the configuration, and the value that was given with it ("": the default). */
static const char *flag_of(const char *path, const struct gw_flags *f, const char **value)
{
    const struct {
        const char *path, *flag, *value;
    } plain[] = {{"$.genesis", "--genesis", f->genesis}, {"$.key", "--key", f->key},
        {"$.data", "--data", f->data}, {"$.name", "--name", f->name}, {"$.node.bind", "--bind", f->bind},
        {"$.node.port", "--port", f->port}};
    unsigned n;
    int end = 0;

    *value = "";
    for (size_t i = 0; i < SG_ARRAY_LEN(plain); i++) {
        if (strcmp(path, plain[i].path) == 0) {
            *value = plain[i].value ? plain[i].value : "";
            return plain[i].flag;
        }
    }
    if (sscanf(path, "$.node.peers[%u]", &n) == 1 && n < f->npeers) {
        *value = f->peers[n];
        return "--peer";
    }
    if (sscanf(path, "$.relays[%u]%n", &n, &end) == 1 && n < f->nrelays) {
        bool unit = strcmp(path + end, ".unit") == 0 && f->unit;

        *value = unit ? f->unit : f->relays[n];
        return unit ? "--unit" : "--relay";
    }
    return strcmp(path, "$.node.peers") == 0 ? "--peer" : strcmp(path, "$.relays") == 0 ? "--relay" : NULL;
}

/* "FLAGS:LINE: PATH: what" -> "--flag value: what"; a fault without a place is left as it is. */
static void tell_of_flag(struct sg_fault *fault, const struct gw_flags *f)
{
    char path[64], text[sizeof fault->text];
    const char *flag, *value;
    int at = 0;

    if (sscanf(fault->text, FLAGS_NAME ":%*u: %63[^:]: %n", path, &at) != 1 || at == 0)
        return;
    flag = flag_of(path, f, &value);
    if (!flag)
        return;
    if (strstr(fault->text + at, value)) /* it says so itself */
        value = "";
    (void)snprintf(text, sizeof text, "%s%s%.200s: %s", flag, value[0] ? " " : "", value, fault->text + at);
    memcpy(fault->text, text, sizeof text);
}

int gw_flags_parse(
    struct gw_config **out, const struct gw_flags *f, const char *text, size_t len, struct sg_fault *fault)
{
    int err = gw_config_parse(out, FLAGS_NAME, text, len, fault);

    if (err)
        tell_of_flag(fault, f);
    return err;
}
