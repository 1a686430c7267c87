/* What it costs to commit a statement on all four nodes, against the same message pattern without our logic.
 *
 * Ours: four ledger nodes; a client offers a signed statement (the first of each slot with its body) to all four at once and waits until
 * all have acknowledged, which they do when it is checked and synced to disk; each passes it on to its three peers.
 * Bare: four HTTP servers that append the same bytes to a file, call fdatasync, answer, and pass the bytes on to their three peers, which
 * answer at once. Same client, same HTTP library, same connections, same disk. Runs alternate, and the median of the
 * ratios of neighbours is printed: what else the machine does hits both. Goal: <= 2.
 *
 * Many: the same statements on all of fifteen nodes, against all of four; with fifteen, each is checked and synced fifteen times, and 210 pairs of
 * nodes have to learn that both hold it. Goal: <= 3 times as long. The processor time of both is printed beside it: fifteen nodes do 3.75 times the work of
 * four, so on processors that are always busy the goal cannot be met, however little the nodes tell each other.
 *
 * Nodes that have just started first make each other's acquaintance (status, pools, evidence); statements come when that is over.
 *
 *     bench_commit [PAIRS [STATEMENTS]]     pairs of runs (default 5), statements a run (default 200) */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "lg_client.h"
#include "lg_node.h"
#include "sg_http.h"
#include "sg_log.h"
#include "sg_queue.h"
#include "sg_regmap.h"

enum { ACQUAINTANCE_S = 3 };
enum { NODES = 4, MANY = 15, PAIRS_MAX = 99, STATEMENTS_MAX = 5000, QUEUE = 4096 };

#define GENESIS_MS INT64_C(1764000000000)

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_commit: %s\n", what);
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of all threads of this process, which are all nodes and the client. */
static double processor_seconds(void)
{
    struct rusage r;
    (void)getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* What a run took. */
struct took {
    double clock, processor; /* seconds */
};

/* ---- the documents: the same bytes go to both ---- */

static struct sg_key *keys[NODES];
static struct lg_genesis *genesis;
static struct sg_buf offers[STATEMENTS_MAX];

static void make_keys(const char *dir)
{
    for (int i = 0; i < NODES; i++) {
        char path[512];
        struct sg_fault fault;
        (void)snprintf(path, sizeof path, "%s/key-%d.pem", dir, i);
        if (sg_key_create(&keys[i], path, &fault) != SG_OK)
            die(fault.text);
    }
}

static int by_id(const void *a, const void *b)
{
    lg_kid x = ((const struct lg_gateway *)a)->id, y = ((const struct lg_gateway *)b)->id;
    return x < y ? -1 : x > y;
}

static void make_genesis(void)
{
    struct lg_gateway gateways[NODES] = {0};
    struct lg_relay relay = {.id = "relay-1",
        .device = "Relay 1",
        .equipment = "Rele_1",
        .substation = "S",
        .period_s = 10,
        .profile = lg_profile_paper()};
    struct lg_genesis g = {.name = "bench",
        .bits = 8,
        .demo = true,
        .time = GENESIS_MS,
        .ngateways = NODES,
        .nprofiles = 1,
        .nrelays = 1};
    struct sg_buf doc;

    for (int i = 0; i < NODES; i++) {
        sg_key_public(keys[i], gateways[i].key);
        gateways[i].id = lg_kid_of_public(gateways[i].key);
        gateways[i].mine = true;
        (void)snprintf(gateways[i].name, sizeof gateways[i].name, "gateway %d", i);
    }
    qsort(gateways, NODES, sizeof gateways[0], by_id);
    g.policy = (struct lg_policy){.collect_ms = 1000,
        .stagger_ms = 1500,
        .max_future_ms = 5000,
        .max_block_bytes = 4194304,
        .confirm_depth = 6};
    g.gateways = gateways;
    g.profiles = lg_profile_paper();
    g.relays = &relay;
    sg_buf_init(&doc, 1u << 20);
    lg_genesis_encode(&doc, &g);
    if (sg_buf_err(&doc) != SG_OK || lg_genesis_decode(&genesis, doc.p, doc.len, &sg_crypto_openssl) != SG_OK)
        die("the genesis");
    sg_buf_fini(&doc);
}

static void make_body(struct sg_buf *out, sg_minute min)
{
    struct lg_sample samples[SG_SAMPLES_A_MIN] = {0};

    for (int i = 0; i < SG_SAMPLES_A_MIN; i++) {
        samples[i].t_ms = (uint16_t)(10000 * i);
        samples[i].qual = SG_QUAL_VALID | SG_QUAL_SIMULATED;
        samples[i].have = 1023;
        for (int k = 0; k < SG_POINTS; k++)
            samples[i].x[k] = 100 + 7 * i + k + min % 1000;
    }
    if (lg_body_encode(out, &genesis->relays[0], min, 3, samples, SG_SAMPLES_A_MIN, NULL, 0) != SG_OK)
        die("a body");
}

/* Statement n: gateway n % 4, slot n / 4, chained to the gateway's last one. */
static void make_offer(int n, struct lg_hash prev[NODES])
{
    int i = n % NODES;
    sg_minute slot = genesis->minute + n / NODES;
    uint8_t pub[SG_PUBLIC_KEY_BYTES];
    struct sg_buf body, doc;
    struct lg_read read = {.relay = {"relay-1", 7}, .min = slot, .live = 6};

    sg_buf_init(&body, 1u << 20);
    sg_buf_init(&doc, 1u << 20);
    make_body(&body, slot);
    lg_hash_leaf(&read.digest, body.p, body.len);
    sg_key_public(keys[i], pub);
    struct lg_statement s = {.gw = lg_kid_of_public(pub),
        .inc = GENESIS_MS,
        .seq = n / NODES + 1,
        .slot = slot,
        .ts = (slot + 1) * SG_MINUTE_MS,
        .prev = n < NODES ? genesis->id : prev[i],
        .tip = genesis->id,
        .nreads = 1,
        .reads = &read};
    if (lg_statement_encode(&doc, &s, keys[i]) != SG_OK)
        die("a statement");
    lg_hash_leaf(&prev[i], doc.p, doc.len);
    sg_buf_init(&offers[n], 1u << 20);
    sg_buf_puts(&offers[n], "{\"bodies\":[");
    sg_buf_put(&offers[n], body.p, i == 0 ? body.len : 0);
    sg_buf_puts(&offers[n], "],\"statements\":[");
    sg_buf_put(&offers[n], doc.p, doc.len);
    sg_buf_puts(&offers[n], "]}");
    if (sg_buf_err(&offers[n]) != SG_OK)
        die("an offer");
    sg_buf_fini(&body);
    sg_buf_fini(&doc);
}

/* ---- a clock that stands: every slot has ended, none is the newest long enough to be mined ---- */

static sg_ms standing_wall(const struct sg_clock *c)
{
    return c->virtual_ms;
}

static sg_ms real_mono(const struct sg_clock *c)
{
    (void)c;
    return (sg_ms)(seconds() * 1000);
}

/* ---- bare nodes ---- */

struct bare {
    struct sg_http_server *server;
    struct sg_http_client *client;
    struct sg_queue *queue;
    pthread_t thread;
    int fd;
    char peers[NODES - 1][64];
};

struct bare_message {
    size_t len;
    uint8_t doc[];
};

static void bare_take(void *ctx, struct sg_http_request *req)
{
    struct bare *b = ctx;
    size_t len = 0;
    const uint8_t *doc = sg_http_body(req, &len);
    struct bare_message *m = malloc(sizeof *m + len);

    if (!m || write(b->fd, doc, len) != (ssize_t)len || fdatasync(b->fd) != 0)
        die("a write");
    m->len = len;
    memcpy(m->doc, doc, len);
    if (sg_queue_put(b->queue, m) != SG_OK)
        free(m);
    sg_http_client_wakeup(b->client);
    sg_http_answer(req, 200, "application/json", "{}", 2, NULL);
}

static void bare_relayed(void *ctx, struct sg_http_request *req)
{
    (void)ctx;
    sg_http_answer(req, 200, "application/json", "{}", 2, NULL);
}

static void ignore_answer(void *ctx, struct sg_http_answer *answer)
{
    (void)ctx;
    (void)answer;
}

static void *bare_relay(void *arg)
{
    struct bare *b = arg;
    void *p = NULL;
    int err = SG_OK;

    while ((err = sg_queue_get(b->queue, &p, 0)) != SG_ECLOSED) {
        struct bare_message *m = p;
        for (int i = 0; err == SG_OK && i < NODES - 1; i++) {
            struct sg_http_call call = {
                .url = b->peers[i], .post = m->doc, .post_len = m->len, .max_answer = 4096};
            if (sg_http_client_start(b->client, &call, ignore_answer, NULL) != SG_OK)
                die("a relayed call");
        }
        if (err == SG_OK)
            free(m);
        else
            sg_http_client_run(b->client, 1000);
    }
    return NULL;
}

static const struct sg_http_route bare_routes[] = {
    {SG_HTTP_POST, "/v1/statements", 1u << 20, bare_take},
    {SG_HTTP_POST, "/relayed", 1u << 20, bare_relayed},
};

static void bare_start(struct bare *b, const char *dir, int i)
{
    char path[512];
    struct sg_fault fault = {0};
    struct sg_http_server_config config = {
        .bind = "127.0.0.1", .routes = bare_routes, .nroutes = SG_ARRAY_LEN(bare_routes), .ctx = b};

    (void)snprintf(path, sizeof path, "%s/bare-%d", dir, i);
    b->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (b->fd < 0 || sg_queue_new(&b->queue, QUEUE) != SG_OK || sg_http_client_new(&b->client) != SG_OK)
        die("a bare node");
    if (sg_http_server_start(&b->server, &config, &fault) != SG_OK)
        die(fault.text);
}

static void bare_connect(struct bare *all, int i)
{
    int k = 0;
    for (int j = 0; j < NODES; j++)
        if (j != i)
            (void)snprintf(all[i].peers[k++], sizeof all[i].peers[0], "http://127.0.0.1:%u/relayed",
                sg_http_server_port(all[j].server));
    if (pthread_create(&all[i].thread, NULL, bare_relay, &all[i]) != 0)
        die("a thread");
}

static void bare_stop(struct bare *b)
{
    sg_queue_close(b->queue);
    sg_http_client_wakeup(b->client);
    (void)pthread_join(b->thread, NULL);
    sg_http_server_stop(b->server);
    sg_http_client_free(b->client);
    sg_queue_free(b->queue);
    (void)close(b->fd);
}

/* ---- the client: offer to all, wait for all ---- */

struct round {
    int left;
};

static void acknowledged(void *ctx, struct sg_http_answer *answer)
{
    struct round *r = ctx;

    if (answer->err != SG_OK || answer->status != 200 ||
        (answer->body.len > 2 && memmem(answer->body.p, answer->body.len, "\"rejected\":[]", 13) == NULL)) {
        (void)fprintf(stderr, "%.*s\n", (int)answer->body.len, (const char *)answer->body.p);
        die("an offer was not acknowledged");
    }
    r->left--;
}

/* For `count` statements, one after the other, each on all nodes. */
static struct took drive(const uint16_t *ports, int nodes, int count)
{
    struct sg_http_client *client = NULL;
    char urls[MANY][64];

    if (sg_http_client_new(&client) != SG_OK)
        die("the client");
    for (int i = 0; i < nodes; i++)
        (void)snprintf(urls[i], sizeof urls[i], "http://127.0.0.1:%u/v1/statements", ports[i]);
    double begin = seconds(), processor = processor_seconds();
    for (int n = 0; n < count; n++) {
        struct round r = {nodes};
        for (int i = 0; i < nodes; i++) {
            struct sg_http_call call = {
                .url = urls[i], .post = offers[n].p, .post_len = offers[n].len, .max_answer = 1u << 20};
            if (sg_http_client_start(client, &call, acknowledged, &r) != SG_OK)
                die("a call");
        }
        while (r.left > 0)
            sg_http_client_run(client, 1000);
    }
    struct took took = {seconds() - begin, processor_seconds() - processor};
    sg_http_client_free(client);
    return took;
}

static struct took run_bare(const char *dir, int count)
{
    struct bare all[NODES];
    uint16_t ports[NODES];

    memset(all, 0, sizeof all);
    for (int i = 0; i < NODES; i++) {
        bare_start(&all[i], dir, i);
        ports[i] = sg_http_server_port(all[i].server);
    }
    for (int i = 0; i < NODES; i++)
        bare_connect(all, i);
    struct took took = drive(ports, NODES, count);
    for (int i = 0; i < NODES; i++)
        bare_stop(&all[i]);
    return took;
}

static uint16_t free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        die("a port");
    (void)close(fd);
    return ntohs(a.sin_port);
}

static struct took run_ours(const char *dir, int n, int pair, int count)
{
    struct lg_node *nodes[MANY];
    uint16_t ports[MANY];
    char urls[MANY][64];
    struct sg_clock clock = {.wall_ms = standing_wall,
        .mono_ms = real_mono,
        .run_ms = standing_wall,
        .is_virtual = true,
        .speed_milli = 1000};

    clock.virtual_ms = GENESIS_MS + (count / NODES + 2) * SG_MINUTE_MS;
    for (int i = 0; i < n; i++) {
        ports[i] = free_port();
        (void)snprintf(urls[i], sizeof urls[i], "http://127.0.0.1:%u", ports[i]);
    }
    for (int i = 0; i < n; i++) {
        char data[512];
        const char *peers[MANY - 1];
        struct sg_fault fault = {0};
        for (int j = 0, k = 0; j < n; j++)
            if (j != i)
                peers[k++] = urls[j];
        (void)snprintf(data, sizeof data, "%s/node-%d-%d-%d", dir, n, pair, i);
        struct lg_node_config config = {.bind = "127.0.0.1",
            .port = ports[i],
            .data_dir = data,
            .genesis = genesis,
            .peers = peers,
            .npeers = (unsigned)n - 1,
            .clock = &clock};
        if (lg_node_start(&nodes[i], &config, &fault) != SG_OK)
            die(fault.text);
    }
    (void)sleep(ACQUAINTANCE_S); /* sleep: what a quiet network costs is to be left out */
    struct took took = drive(ports, n, count);
    for (int i = 0; i < n; i++)
        lg_node_stop(nodes[i]);
    return took;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void measure_many(const char *dir, int pairs, int count)
{
    double ratios[PAIRS_MAX], processor[PAIRS_MAX], many = 0, few = 0;

    for (int p = 0; p < pairs; p++) {
        struct took f = run_ours(dir, NODES, PAIRS_MAX + p, count), m = run_ours(dir, MANY, p, count);
        ratios[p] = m.clock / f.clock;
        processor[p] = m.processor / f.processor;
        many += m.clock;
        few += f.clock;
    }
    qsort(ratios, (size_t)pairs, sizeof ratios[0], by_value);
    qsort(processor, (size_t)pairs, sizeof processor[0], by_value);
    printf("commit on all of %d nodes: %.2f ms a statement, on all of %d %.2f ms, ratio %.2f (median of %d "
           "pairs, %.2f..%.2f; goal <= 3), of processor time %.2f (%.2f..%.2f)\n",
        MANY, many * 1000 / pairs / count, NODES, few * 1000 / pairs / count, ratios[pairs / 2], pairs,
        ratios[0], ratios[pairs - 1], processor[pairs / 2], processor[0], processor[pairs - 1]);
}

int main(int argc, char **argv)
{
    int pairs = argc > 1 ? atoi(argv[1]) : 5, count = argc > 2 ? atoi(argv[2]) : 200;
    char dir[] = "/tmp/bench-commit-XXXXXX", command[128];
    struct lg_hash prev[NODES];
    double ratios[PAIRS_MAX], ours = 0, bare = 0;

    if (pairs < 1 || pairs > PAIRS_MAX || count < NODES || count > STATEMENTS_MAX || !mkdtemp(dir))
        die("usage: bench_commit [PAIRS [STATEMENTS]]");
    sg_log_init(NULL, SG_LOG_ERROR);
    make_keys(dir);
    make_genesis();
    for (int n = 0; n < count; n++)
        make_offer(n, prev);
    for (int p = 0; p < pairs; p++) {
        double o = run_ours(dir, NODES, p, count).clock, b = run_bare(dir, count).clock;
        ratios[p] = o / b;
        ours += o;
        bare += b;
    }
    qsort(ratios, (size_t)pairs, sizeof ratios[0], by_value);
    printf("commit on 4 nodes, fsync each: ours %.2f ms, bare %.2f ms a statement, ratio %.2f (median of %d "
           "pairs, %.2f..%.2f; goal <= 2)\n",
        ours * 1000 / pairs / count, bare * 1000 / pairs / count, ratios[pairs / 2], pairs, ratios[0],
        ratios[pairs - 1]);
    measure_many(dir, pairs, count);
    for (int n = 0; n < count; n++)
        sg_buf_fini(&offers[n]);
    for (int i = 0; i < NODES; i++)
        sg_key_free(keys[i]);
    lg_genesis_free(genesis);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : 1;
}
