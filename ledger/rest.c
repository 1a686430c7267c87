/* The table of routes, the runner of calls, start and stop.
 *
 * Every reading call runs between lg_reader_begin and lg_reader_end: one commit is what an answer shows, however many
 * queries it takes. Refuses what the parameters or the store refuse; an error of the store is 503 not_ready, with no detail of the
 * machine in it. */
#include "ledger/core/leaf_ask.h"
#include "ledger/core/sketch.h"
#include "ledger/rest_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sg_cli.h"
#include "sg_log.h"

/* Streams may take LG_EVENTS_MAX_STREAMS of them and still leave what every other call needs. */
#define MAX_CONNECTIONS (LG_EVENTS_MAX_STREAMS + 128)

static const char page[] =
    "<!doctype html><html lang=en><meta charset=utf-8><title>GridWitness</title>\n"
    "<h1>GridWitness node</h1>\n<ul>\n"
    "<li><a href=/v1/status>/v1/status</a>\n<li><a href=/v1/genesis>/v1/genesis</a>\n"
    "<li><a href=/v1/headers>/v1/headers</a>\n<li><a href=/v1/blocks>/v1/blocks</a>\n"
    "<li><a href=/v1/blocks/latest>/v1/blocks/latest</a>\n<li><a href=/v1/pool>/v1/pool</a>\n"
    "<li><a href=/v1/relays>/v1/relays</a>\n<li><a href=/v1/gateways>/v1/gateways</a>\n"
    "<li>/v1/minutes?relay=&amp;from=&amp;to=&amp;order=desc\n<li>/v1/minutes/{relay}/{minute}\n"
    "<li>/v1/minutes/{relay}/{minute}/proof\n<li>/v1/bodies/{digest}\n<li>/v1/statements/{leaf}\n"
    "<li><a href=/v1/evidence>/v1/evidence</a>\n<li><a href=/v1/stream>/v1/stream</a>\n"
    "<li><a href=/metrics>/metrics</a>\n"
    "<li><a href=/healthz>/healthz</a>\n<li><a href=/readyz>/readyz</a>\n"
    "<li><a href=/get_chain>/get_chain</a>\n<li><a href=/is_valid>/is_valid</a>\n"
    "<li><a href=/mine_block>/mine_block</a>\n<li><a href=/replace_chain>/replace_chain</a>\n"
    "<li><a href=/connect_node>/connect_node</a>\n</ul>\n</html>\n";

static int get_page(struct lg_rest_call *c)
{
    c->type = "text/html; charset=utf-8";
    sg_buf_puts(&c->out, page);
    return lg_rest_no_keys(c);
}

void lg_rest_fail(struct lg_rest *r, struct sg_http_request *req, int err, const char *why)
{
    (void)r;
    if (err == SG_EBAD_PARAMETER || err == SG_ENOT_FOUND || err == SG_ENOT_READY || err == SG_EOVERLOADED) {
        sg_http_answer_problem(req, err, why[0] != '\0' ? why : sg_err_text(err));
        return;
    }
    sg_log(SG_LOG_ERROR, "rest", "a request failed: %s", sg_err_text(err));
    if (err == SG_ENOMEM || err == SG_ETOO_LARGE)
        sg_http_answer_problem(req, SG_EOVERLOADED, "the answer needs more memory than there is");
    else
        sg_http_answer_problem(req, SG_ENOT_READY, "the store cannot be read");
}

static void give(struct lg_rest_call *c)
{
    if (c->extra[0] == '\0') {
        sg_http_answer_take(c->req, c->status, c->type, &c->out);
        return;
    }
    sg_http_answer(c->req, c->status, c->type, c->out.p, c->out.len, c->extra);
}

/* What the call has met that is not what was stored: it is fetched again, and whoever asked may come again. */
static void report_damage(struct lg_rest *r, struct lg_rest_call *c)
{
    struct lg_damage d;
    if (!lg_reader_damage(r->reader, &d))
        return;
    if (r->config.node->damaged != NULL)
        r->config.node->damaged(r->config.node->ctx, &d);
    c->is_damaged = true;
}

static void run(struct lg_rest *r, struct sg_http_request *req, lg_rest_fn *fn)
{
    struct lg_rest_call c = {.rest = r,
        .reader = r->reader,
        .genesis = r->config.genesis,
        .req = req,
        .status = 200,
        .type = "application/json"};
    sg_buf_init(&c.out, LG_REST_MAX_ANSWER);
    int err = lg_reader_begin(r->reader);
    if (err == 0) {
        err = fn(&c);
        lg_reader_end(r->reader);
        report_damage(r, &c);
    }
    if (err == 0)
        err = sg_buf_err(&c.out);
    if (err == 0)
        give(&c);
    else if (err == SG_ECORRUPT && c.is_damaged)
        lg_rest_fail(
            r, req, SG_ENOT_READY, "damaged in this node's store; it is being fetched again from its peers");
    else
        lg_rest_fail(r, req, err, c.why);
    sg_buf_fini(&c.out);
}

/* One handler a call: the server hands over its context and the request only. */
#define CALLS(X)                                                                                             \
    X("/", get_page)                                                                                         \
    X("/v1/status", lg_rest_get_status)                                                                      \
    X("/v1/genesis", lg_rest_get_genesis)                                                                    \
    X("/v1/headers", lg_rest_get_headers)                                                                    \
    X("/v1/blocks", lg_rest_get_blocks)                                                                      \
    X("/v1/sketches", lg_rest_get_sketches)                                                                  \
    X("/v1/blocks/{}/documents", lg_rest_get_block_documents)                                                \
    X("/v1/blocks/{}", lg_rest_get_block)                                                                    \
    X("/v1/pool", lg_rest_get_pool)                                                                          \
    X("/v1/bodies/{}", lg_rest_get_body)                                                                     \
    X("/v1/statements/{}", lg_rest_get_statement)                                                            \
    X("/v1/minutes", lg_rest_get_minutes)                                                                    \
    X("/v1/minutes/{}/{}", lg_rest_get_minute)                                                               \
    X("/v1/minutes/{}/{}/proof", lg_rest_get_proof)                                                          \
    X("/v1/relays", lg_rest_get_relays)                                                                      \
    X("/v1/relays/{}/latest", lg_rest_get_latest)                                                            \
    X("/v1/gateways", lg_rest_get_gateways)                                                                  \
    X("/v1/gateways/{}", lg_rest_get_gateway)                                                                \
    X("/v1/evidence", lg_rest_get_evidence)                                                                  \
    X("/metrics", lg_rest_get_metrics)                                                                       \
    X("/healthz", lg_rest_get_healthz)                                                                       \
    X("/readyz", lg_rest_get_readyz)                                                                         \
    X("/is_valid", lg_rest_get_is_valid)                                                                     \
    X("/mine_block", lg_rest_get_mine_block)                                                                 \
    X("/replace_chain", lg_rest_get_replace_chain)                                                           \
    X("/connect_node", lg_rest_get_connect_node)

#define HANDLER(pattern, fn)                                                                                 \
    static void handle_##fn(void *ctx, struct sg_http_request *req)                                          \
    {                                                                                                        \
        run(ctx, req, fn);                                                                                   \
    }
CALLS(HANDLER)

#define ROUTE(pattern, fn) {SG_HTTP_GET, pattern, 0, handle_##fn},
static const struct sg_http_route table[] = {
    CALLS(ROUTE){SG_HTTP_GET, "/get_chain", 0, lg_rest_get_chain},
    {SG_HTTP_GET, "/chain", 0, lg_rest_get_chain},
    {SG_HTTP_GET, "/v1/stream", 0, lg_rest_get_stream},
    {SG_HTTP_POST, "/v1/blocks", 0, lg_rest_post_block},
    {SG_HTTP_POST, "/v1/missing", LG_ASK_MAX_BYTES, lg_rest_post_missing},
    {SG_HTTP_POST, "/v1/sketches", LG_SKETCH_MAX_BYTES, lg_rest_post_sketch},
    {SG_HTTP_POST, "/v1/statements", 0, lg_rest_post_statements},
};

/* The table with the caps of the two POST calls, which the genesis decides. */
static struct sg_http_route *make_routes(const struct lg_genesis *g)
{
    struct sg_http_route *routes = malloc(sizeof table);
    if (routes == NULL)
        return NULL;
    memcpy(routes, table, sizeof table);
    for (size_t i = 0; i < SG_ARRAY_LEN(table); i++) {
        if (routes[i].handler == lg_rest_post_block)
            routes[i].max_body = lg_rest_max_block(g);
        else if (routes[i].handler == lg_rest_post_statements)
            routes[i].max_body = lg_rest_max_statements(g);
    }
    return routes;
}

static int fill(struct lg_rest *r, const struct lg_rest_config *config, struct sg_fault *fault)
{
    r->config = *config;
    r->data_dir = strdup(config->data_dir);
    r->node_name = strdup(config->node_name);
    r->routes = make_routes(config->genesis);
    if (r->data_dir == NULL || r->node_name == NULL || r->routes == NULL) {
        fault->err = SG_ENOMEM;
        snprintf(fault->text, sizeof fault->text, "%s", sg_err_text(SG_ENOMEM));
        return SG_ENOMEM;
    }
    r->config.data_dir = r->data_dir;
    r->config.node_name = r->node_name;
    int err = lg_reader_open(&r->reader, r->data_dir, config->genesis, fault);
    if (err != 0)
        return err;
    const struct sg_http_server_config http = {.bind = config->bind,
        .port = config->port,
        .routes = r->routes,
        .nroutes = SG_ARRAY_LEN(table),
        .ctx = r,
        .threads = 1,
        .max_connections = MAX_CONNECTIONS,
        .server_name = "GridWitness/" SG_VERSION};
    err = sg_http_server_start(&r->server, &http, fault);
    if (err == 0 && config->events != NULL)
        lg_events_listen(config->events, lg_rest_wake_streams, r);
    return err;
}

int lg_rest_start(struct lg_rest **out, const struct lg_rest_config *config, struct sg_fault *fault)
{
    struct lg_rest *r = calloc(1, sizeof *r);
    if (r == NULL) {
        fault->err = SG_ENOMEM;
        snprintf(fault->text, sizeof fault->text, "%s", sg_err_text(SG_ENOMEM));
        return SG_ENOMEM;
    }
    const int err = fill(r, config, fault);
    if (err != 0)
        lg_rest_stop(r);
    else
        *out = r;
    return err;
}

void lg_rest_stop(struct lg_rest *r)
{
    if (r == NULL)
        return;
    if (r->config.events != NULL)
        lg_events_listen(r->config.events, NULL, NULL);
    sg_http_server_stop(r->server);
    lg_reader_close(r->reader);
    free(r->routes);
    free(r->data_dir);
    free(r->node_name);
    free(r);
}

uint16_t lg_rest_port(const struct lg_rest *r)
{
    return sg_http_server_port(r->server);
}
