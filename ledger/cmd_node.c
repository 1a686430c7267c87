/* ledger node: a node without relays. Configuration: genesis, data, port, and optionally key, name, bind, peers, log. */
#include "ledger/cmd.h"
#include "lg_node.h"
#include "sg_config.h"
#include "sg_http.h"
#include "sg_log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    struct sg_config *config;
    char genesis[4096], key[4096], data[4096];
    const char *bind, *name;
    uint16_t port;
    const char *peers[LG_NODE_MAX_PEERS];
    unsigned npeers;
    sg_ms scrub_ms;
    enum sg_log_level log;
};

static void read_path(
    struct settings *s, const struct sg_node *root, const char *key, bool required, char *dst, size_t size)
{
    const char *text = sg_config_str(s->config, root, key, required, NULL, 1, 4000);
    if (text && sg_config_path(s->config, dst, size, text) != SG_OK)
        sg_config_fail(s->config, root, "%s: the path is too long", key);
}

static bool is_own_url(const struct settings *s, const char *url)
{
    char own[128];

    snprintf(own, sizeof(own), strchr(s->bind, ':') ? "http://[%s]:%u" : "http://%s:%u", s->bind, s->port);
    return strcmp(own, url) == 0;
}

static void read_peers(struct settings *s, const struct sg_node *root)
{
    const struct sg_node *list = sg_config_array(s->config, root, "peers", false, 0, LG_NODE_MAX_PEERS);

    for (size_t i = 0; list && i < sg_config_len(list); i++) {
        const char *url = sg_config_item_str(s->config, list, i, 1, 200);
        if (!url)
            continue;
        if (sg_cli_url_check(url) != SG_OK)
            sg_config_fail(s->config, sg_config_item(list, i), "%s is not " SG_CLI_URL_FORM, url);
        if (is_own_url(s, url))
            sg_config_fail(s->config, sg_config_item(list, i), "%s is this node itself", url);
        for (unsigned k = 0; k < s->npeers; k++)
            if (strcmp(s->peers[k], url) == 0)
                sg_config_fail(s->config, sg_config_item(list, i), "%s is named twice", url);
        s->peers[s->npeers++] = url;
    }
}

static int read_settings(struct settings *s, const char *path, struct sg_fault *fault)
{
    int err = sg_config_load(&s->config, path, fault);
    if (err != SG_OK)
        return err;
    const struct sg_node *root = sg_config_root(s->config);
    read_path(s, root, "genesis", true, s->genesis, sizeof(s->genesis));
    read_path(s, root, "key", false, s->key, sizeof(s->key));
    read_path(s, root, "data", true, s->data, sizeof(s->data));
    s->bind = sg_config_str(s->config, root, "bind", false, "127.0.0.1", 1, 64);
    if (sg_http_bind_check(s->bind) != SG_OK)
        sg_config_fail(s->config, sg_config_member(root, "bind"), "%s is not " SG_HTTP_BIND_FORM, s->bind);
    s->name = sg_config_str(s->config, root, "name", false, NULL, 1, 64);
    s->port = (uint16_t)sg_config_int(s->config, root, "port", true, 0, 0, 65535);
    s->scrub_ms = 1000 * sg_config_int(s->config, root, "scrub_s", false, 86400, 1, 31536000);
    const char *level = sg_config_str(s->config, root, "log", false, "info", 4, 5);
    if (level && sg_log_level_parse(&s->log, level) != SG_OK)
        sg_config_fail(s->config, root, "log is none of error, warn, info, debug");
    read_peers(s, root);
    sg_config_no_more(s->config, root);
    return sg_config_result(s->config, fault);
}

static atomic_int failed_err;

static void node_failed(void *ctx, int err, const char *why)
{
    (void)ctx;
    (void)why;
    atomic_store(&failed_err, err);
}

/* One line on the terminal that is written over; it ends when the node has caught up. */
static void show_progress(struct lg_node *node, bool *shown)
{
    struct lg_node_progress p;
    char bar[31], eta[32] = "?";

    lg_node_progress(node, &p);
    if (!p.running) {
        fprintf(stderr, *shown ? "\n" : "");
        *shown = false;
        return;
    }
    int64_t marks = p.of > 0 ? (int64_t)(30.0 * (double)p.height / (double)p.of) : 0;
    memset(bar, '.', 30);
    memset(bar, '#', (size_t)(marks < 30 ? marks : 30));
    bar[30] = '\0';
    if (p.eta_s >= 0)
        snprintf(eta, sizeof(eta), "%lld s", (long long)p.eta_s);
    fprintf(stderr, "\r[%s] height %lld of %lld  %lld blocks/s  eta %s   ", bar, (long long)p.height,
        (long long)p.of, (long long)(p.per_s_milli > 0 ? p.per_s_milli / 1000 : 0), eta);
    *shown = true;
}

/* Until a signal, or the node gives up. */
static int wait_for_end(struct lg_node *node, bool bar)
{
    bool shown = false;

    while (atomic_load(&failed_err) == 0) {
        if (sg_cli_wait_signal(200))
            return SG_EXIT_GOOD;
        if (bar)
            show_progress(node, &shown);
    }
    return SG_EXIT_FAILED;
}

static int run_node(const struct lg_cmd *self, const struct settings *s, const struct lg_genesis *g,
    const struct sg_key *key, const struct sg_clock *clock)
{
    struct lg_node *node = NULL;
    struct sg_fault fault = {0};
    struct lg_node_config config = {
        .name = s->name,
        .bind = s->bind,
        .port = s->port,
        .data_dir = s->data,
        .genesis = g,
        .key = key,
        .peers = s->peers,
        .npeers = s->npeers,
        .scrub_ms = s->scrub_ms,
        .clock = clock,
        .quiet_progress = isatty(STDERR_FILENO) != 0,
        .failed = node_failed,
    };

    sg_cli_block_signals();
    int err = lg_node_start(&node, &config, &fault);
    if (err != SG_OK) {
        lg_cmd_failed(self, "%s", fault.text);
        return err == SG_ECONFIG ? SG_EXIT_USAGE : SG_EXIT_FAILED;
    }
    printf(strchr(s->bind, ':') ? "listening on [%s]:%u\n" : "listening on %s:%u\n", s->bind,
        lg_node_port(node));
    fflush(stdout);
    int result = wait_for_end(node, config.quiet_progress);
    lg_node_stop(node);
    return result;
}

static int load_and_run(const struct lg_cmd *self, const struct settings *s)
{
    struct lg_genesis *g = NULL;
    struct sg_key *key = NULL;
    struct sg_clock clock;
    struct sg_fault fault = {0};
    const char *spec = getenv(SG_CLOCK_ENV);
    int result = SG_EXIT_USAGE;

    if (lg_genesis_load(&g, s->genesis, &fault) != SG_OK ||
        (s->key[0] && sg_key_load(&key, s->key, &fault) != SG_OK) ||
        sg_clock_init(&clock, spec, &fault) != SG_OK)
        lg_cmd_usage_error(self, "%s", fault.text);
    else if (spec && !g->demo)
        lg_cmd_usage_error(self,
            "%s is set, but this chain is not a demo: its clock is the real one: unset it", SG_CLOCK_ENV);
    else {
        sg_log_init(&clock, s->log);
        result = run_node(self, s, g, key, &clock);
    }
    sg_key_free(key);
    lg_genesis_free(g);
    return result;
}

int lg_cmd_node(const struct lg_cmd *self, int argc, char **argv)
{
    const char *path = NULL;
    const struct lg_cmd_option options[] = {{"config", &path}};
    struct settings s = {.log = SG_LOG_INFO};
    struct sg_fault fault = {0};

    if (lg_cmd_parse(self, argc, argv, options, SG_ARRAY_LEN(options), NULL, 0) != SG_OK)
        return SG_EXIT_USAGE;
    if (!path)
        return lg_cmd_usage_error(self, "--config is needed");
    int result = SG_EXIT_USAGE;
    if (read_settings(&s, path, &fault) == SG_OK)
        result = load_and_run(self, &s);
    else
        lg_cmd_usage_error(self, "%s", fault.text);
    sg_config_free(s.config);
    return result;
}
