/* The gateway's configuration file.
 *
 * Invariant: a configuration without faults can be run: its genesis, key and relays fit each other. What depends on the machine
 * (ports, folders, reachability) is not judged here.
 * Refuses, with file, line and path: unknown keys, values out of range, a peer that is this node or is named twice, a relay that the
 * genesis does not name or that this key may not read, two entries for one relay or one Modbus unit. */
#include "gateway/config.h"
#include "lg_files.h"
#include "sg_cli.h"
#include "sg_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_URL 200

static void read_path(struct gw_config *c, const struct sg_node *root, const char *key, char *dst)
{
    const char *text = sg_config_str(c->file, root, key, true, NULL, 1, GW_CONFIG_PATH - 1);

    dst[0] = 0;
    if (text && sg_config_path(c->file, dst, GW_CONFIG_PATH, text))
        sg_config_fail(
            c->file, sg_config_member(root, key), "the path is longer than %d bytes", GW_CONFIG_PATH - 1);
}

/* ---- URLs ---- */

/* Host and port of "http://HOST:PORT": false for other forms (a default port, https). */
static bool split_url(char host[static 256], uint16_t *port, const char *url)
{
    static const char scheme[] = "http://";

    return strncmp(url, scheme, sizeof scheme - 1) == 0 &&
           sg_cli_host_port(host, 256, port, url + sizeof scheme - 1) == 0;
}

static bool is_this_machine(const char *host, const char *bound)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"};

    for (size_t i = 0; i < SG_ARRAY_LEN(names); i++) {
        if (strcmp(host, names[i]) == 0)
            return true;
    }
    return strcmp(host, bound) == 0;
}

static bool is_self(const struct gw_config *c, const char *url)
{
    char host[256];
    uint16_t port;

    return c->has_node && split_url(host, &port, url) && port == c->port && is_this_machine(host, c->bind);
}

static void read_urls(
    struct gw_config *c, const struct sg_node *obj, const char *key, const char **urls, unsigned *n)
{
    const struct sg_node *list = sg_config_array(c->file, obj, key, false, 0, LG_NODE_MAX_PEERS);

    for (size_t i = 0; i < sg_config_len(list); i++) {
        const struct sg_node *at = sg_config_item(list, i);
        const char *url = sg_config_item_str(c->file, list, i, 1, MAX_URL);

        if (!url)
            continue;
        if (sg_cli_url_check(url))
            sg_config_fail(c->file, at, "%s is not " SG_CLI_URL_FORM, url);
        if (is_self(c, url))
            sg_config_fail(c->file, at, "%s is this node itself", url);
        for (unsigned k = 0; k < *n; k++) {
            if (strcmp(urls[k], url) == 0)
                sg_config_fail(c->file, at, "%s is named twice", url);
        }
        urls[(*n)++] = url;
    }
}

/* ---- sections ---- */

static void read_node(struct gw_config *c, const struct sg_node *root)
{
    const struct sg_node *node = sg_config_object(c->file, root, "node", false);

    if (!node)
        return;
    c->has_node = true;
    c->bind = sg_config_str(c->file, node, "bind", false, "127.0.0.1", 1, 63);
    if (sg_http_bind_check(c->bind))
        sg_config_fail(c->file, sg_config_member(node, "bind"), "%s is not " SG_HTTP_BIND_FORM, c->bind);
    c->port = (uint16_t)sg_config_int(c->file, node, "port", true, 0, 1, UINT16_MAX);
    read_urls(c, node, "peers", c->peers, &c->npeers);
    c->scrub_ms = 1000 * sg_config_int(c->file, node, "scrub_s", false, 86400, 1, 31536000);
    sg_config_no_more(c->file, node);
}

static void read_ledgers(struct gw_config *c, const struct sg_node *root)
{
    const struct sg_node *list = sg_config_member(root, "ledgers");

    read_urls(c, root, "ledgers", c->ledgers, &c->nledgers);
    if (!list && c->has_node) {
        memcpy(c->ledgers, c->peers, sizeof c->ledgers);
        c->nledgers = c->npeers;
    }
    if (!c->has_node && c->nledgers == 0 && !sg_config_member(root, "node"))
        sg_config_fail(c->file, list, "without \"node\" at least one URL in \"ledgers\" is needed");
}

static void read_log(struct gw_config *c, const struct sg_node *root)
{
    const char *level = sg_config_str(c->file, root, "log", false, "info", 1, 16);

    if (sg_log_level_parse(&c->log, level)) {
        c->log = SG_LOG_INFO;
        sg_config_fail(
            c->file, sg_config_member(root, "log"), "%s is none of error, warn, info, debug", level);
    }
}

/* ---- genesis and key ---- */

/* The message of another file's fault, at the place that names that file. */
static void pass_on(
    struct gw_config *c, const struct sg_node *root, const char *key, const struct sg_fault *fault)
{
    sg_config_fail(c->file, sg_config_member(root, key), "%s", fault->text);
}

static void load_documents(struct gw_config *c, const struct sg_node *root)
{
    struct sg_fault fault = {0};
    uint8_t pub[SG_PUBLIC_KEY_BYTES];
    char hex[LG_KID_HEX + 1];

    if (c->genesis_path[0] && lg_genesis_load(&c->genesis, c->genesis_path, &fault))
        pass_on(c, root, "genesis", &fault);
    if (c->key_path[0] && sg_key_load(&c->key, c->key_path, &fault))
        pass_on(c, root, "key", &fault);
    if (!c->genesis || !c->key)
        return;
    sg_key_public(c->key, pub);
    c->kid = lg_kid_of_public(pub);
    c->self = lg_genesis_gateway(c->genesis, c->kid);
    lg_kid_hex(hex, c->kid);
    if (!c->self)
        sg_config_fail(
            c->file, sg_config_member(root, "key"), "the genesis names no gateway with this key (%s)", hex);
}

/* ---- relays ---- */

static const char *next_free_relay(const struct gw_config *c)
{
    for (unsigned i = 0; c->genesis && i < c->genesis->nrelays; i++) {
        const struct lg_relay *r = &c->genesis->relays[i];
        bool taken = !lg_relay_has_reader(r, c->kid);

        for (unsigned k = 0; k < c->nrelays && !taken; k++)
            taken = strcmp(c->relays[k].id, r->id) == 0;
        if (!taken)
            return r->id;
    }
    return NULL;
}

static void check_relay(struct gw_config *c, const struct sg_node *at, struct gw_relay_config *r)
{
    const struct sg_node *id_at = sg_config_member(at, "id");

    if (c->genesis) {
        r->relay = lg_genesis_relay(c->genesis, r->id, strlen(r->id));
        if (!r->relay)
            sg_config_fail(c->file, id_at, "the genesis has no relay %s", r->id);
        else if (c->self && !lg_relay_has_reader(r->relay, c->kid))
            sg_config_fail(c->file, id_at, "the genesis does not let this gateway read %s", r->id);
    }
    for (unsigned k = 0; k < c->nrelays; k++) {
        const struct gw_relay_config *other = &c->relays[k];

        if (strcmp(other->id, r->id) == 0)
            sg_config_fail(c->file, id_at, "%s is named twice", r->id);
        if (strcmp(other->host, r->host) == 0 && other->port == r->port && other->unit == r->unit)
            sg_config_fail(c->file, at, "unit %u of %s:%u is named twice", r->unit, r->host, r->port);
    }
}

static bool unit_ok(int64_t unit)
{
    return unit <= 247 || unit == 255;
}

static void read_relay(struct gw_config *c, const struct sg_node *at, bool by_flags)
{
    struct gw_relay_config r = {0};
    const char *fallback = by_flags ? next_free_relay(c) : NULL;
    const char *id = sg_config_str(c->file, at, "id", !by_flags, fallback, 1, 32);
    const char *host = sg_config_str(c->file, at, "host", true, NULL, 1, 255);
    int64_t unit = sg_config_int(c->file, at, "unit", false, 1, 1, 255);

    r.port = (uint16_t)sg_config_int(c->file, at, "port", true, 0, 1, UINT16_MAX);
    r.timeout_ms = sg_config_int(c->file, at, "timeout_ms", false, 1000, 50, 9000);
    sg_config_no_more(c->file, at);
    if (!unit_ok(unit))
        sg_config_fail(c->file, sg_config_member(at, "unit"), "%d is not in 1..247, nor 255", (int)unit);
    if (by_flags && !id && c->self)
        sg_config_fail(c->file, at, "the genesis has no further relay that this gateway may read");
    if (!id || !host)
        return;
    r.unit = (uint8_t)unit;
    (void)snprintf(r.id, sizeof r.id, "%s", id);
    (void)snprintf(r.host, sizeof r.host, "%s", host);
    check_relay(c, at, &r);
    c->relays[c->nrelays++] = r;
}

static void read_relays(struct gw_config *c, const struct sg_node *root, bool by_flags)
{
    const struct sg_node *list = sg_config_array(c->file, root, "relays", true, 1, GW_MAX_RELAYS);

    for (size_t i = 0; i < sg_config_len(list); i++) {
        const struct sg_node *at = sg_config_item_object(c->file, list, i);

        if (at)
            read_relay(c, at, by_flags);
    }
}

static void read_all(struct gw_config *c, const struct sg_node *root, bool by_flags)
{
    read_path(c, root, "genesis", c->genesis_path);
    read_path(c, root, "key", c->key_path);
    read_path(c, root, "data", c->data);
    c->name = sg_config_str(c->file, root, "name", false, NULL, 1, 64);
    read_log(c, root);
    load_documents(c, root);
    read_node(c, root);
    read_ledgers(c, root);
    read_relays(c, root, by_flags);
    sg_config_no_more(c->file, root);
}

/* ---- entry ---- */

static int finish(
    struct gw_config **out, struct sg_config *file, int err, bool by_flags, struct sg_fault *fault)
{
    struct gw_config *c;

    if (!file)
        return err;
    c = calloc(1, sizeof *c);
    if (!c) {
        sg_config_free(file);
        fault->err = SG_ENOMEM;
        memcpy(fault->text, "out of memory", sizeof "out of memory");
        return SG_ENOMEM;
    }
    c->file = file;
    c->log = SG_LOG_INFO;
    *out = c;
    if (sg_config_root(file))
        read_all(c, sg_config_root(file), by_flags);
    return sg_config_result(file, fault);
}

int gw_config_load(struct gw_config **out, const char *path, struct sg_fault *fault)
{
    struct sg_config *file = NULL;
    int err;

    *out = NULL;
    err = sg_config_load(&file, path, fault);
    return finish(out, file, err, false, fault);
}

int gw_config_parse(
    struct gw_config **out, const char *name, const char *text, size_t len, struct sg_fault *fault)
{
    struct sg_config *file = NULL;
    int err;

    *out = NULL;
    err = sg_config_parse(&file, name, text, len, fault);
    return finish(out, file, err, true, fault);
}

void gw_config_free(struct gw_config *c)
{
    if (!c)
        return;
    sg_key_free(c->key);
    lg_genesis_free(c->genesis);
    sg_config_free(c->file);
    free(c);
}
