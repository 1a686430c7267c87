/* The gateway's configuration: what is a fault, and how it reads. */
#include "gateway/config.h"
#include "sg_cli.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];

static void path_of(char path[128], const char *name)
{
    snprintf(path, 128, "%s/%s", dir, name);
}

static void write_file(const char *name, const void *bytes, size_t len, mode_t mode)
{
    char path[128];
    int fd;

    path_of(path, name);
    (void)unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static lg_kid make_key(const char *name, struct lg_gateway *out, const char *label)
{
    char path[128];
    struct sg_key *key;
    struct sg_fault fault;

    path_of(path, name);
    assert_int_equal(sg_key_create(&key, path, &fault), 0);
    sg_key_public(key, out->key);
    out->id = lg_kid_of_public(out->key);
    out->mine = true;
    snprintf(out->name, sizeof out->name, "%s", label);
    sg_key_free(key);
    return out->id;
}

/* A genesis of two gateways; relay-3 may be read by the other one only. */
static int setup(void **state)
{
    static struct lg_gateway gateways[2];
    static struct lg_relay relays[3];
    struct lg_genesis g = {.name = "test",
        .bits = 8,
        .demo = true,
        .time = 1800000000000,
        .policy = {.collect_ms = 1000,
            .stagger_ms = 1500,
            .max_future_ms = 5000,
            .max_block_bytes = 4194304,
            .confirm_depth = 6},
        .ngateways = 2,
        .gateways = gateways,
        .nprofiles = 1,
        .profiles = lg_profile_paper(),
        .nrelays = 3,
        .relays = relays};
    lg_kid other[1];
    struct lg_gateway stranger;
    struct sg_buf doc;

    (void)state;
    snprintf(dir, sizeof dir, "/tmp/gw-config-XXXXXX");
    assert_non_null(mkdtemp(dir));
    make_key("own.pem", &gateways[0], "own");
    other[0] = make_key("other.pem", &gateways[1], "other");
    make_key("stranger.pem", &stranger, "stranger");
    if (gateways[0].id > gateways[1].id) {
        struct lg_gateway t = gateways[0];

        gateways[0] = gateways[1];
        gateways[1] = t;
    }
    for (unsigned i = 0; i < 3; i++) {
        snprintf(relays[i].id, sizeof relays[i].id, "relay-%u", i + 1);
        snprintf(relays[i].device, sizeof relays[i].device, "Relay %u", i + 1);
        snprintf(relays[i].equipment, sizeof relays[i].equipment, "Rele_%u", i + 1);
        snprintf(relays[i].substation, sizeof relays[i].substation, "S");
        relays[i].period_s = 10;
        relays[i].profile = lg_profile_paper();
    }
    relays[2].nreaders = 1;
    relays[2].readers = other;
    sg_buf_init(&doc, 1 << 20);
    lg_genesis_encode(&doc, &g);
    assert_int_equal(sg_buf_err(&doc), 0);
    write_file("genesis.json", doc.p, doc.len, 0644);
    sg_buf_fini(&doc);
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"own.pem", "other.pem", "stranger.pem", "genesis.json", "g.json",
        "wide.pem", "empty.pem", "link.pem"};
    char path[128];

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(names); i++) {
        path_of(path, names[i]);
        (void)unlink(path);
    }
    return rmdir(dir);
}

static struct gw_config *load(const char *text, int *err, struct sg_fault *fault)
{
    struct gw_config *c = NULL;
    char path[128];

    write_file("g.json", text, strlen(text), 0644);
    path_of(path, "g.json");
    *err = gw_config_load(&c, path, fault);
    return c;
}

#define HEAD  "{\"genesis\": \"genesis.json\", \"key\": \"own.pem\", \"data\": \"data\",\n"
#define NODE  "\"node\": {\"port\": 5004, \"peers\": [\"http://127.0.0.1:5005\"]},\n"
#define RELAY "\"relays\": [{\"id\": \"relay-1\", \"host\": \"127.0.0.1\", \"port\": 502}]"

/* A good file, with its defaults, and paths relative to its folder. */
static void config_good_file_is_read(void **state)
{
    struct sg_fault fault;
    int err;
    struct gw_config *c = load(HEAD NODE RELAY "}", &err, &fault);
    char data[128];

    (void)state;
    assert_int_equal(err, 0);
    path_of(data, "data");
    assert_string_equal(c->data, data);
    assert_string_equal(c->bind, "127.0.0.1");
    assert_int_equal(c->port, 5004);
    assert_int_equal(c->npeers, 1);
    assert_int_equal(c->nledgers, 1); /* the peers */
    assert_string_equal(c->self->name, "own");
    assert_int_equal(c->nrelays, 1);
    assert_int_equal(c->relays[0].unit, 1);
    assert_int_equal(c->relays[0].timeout_ms, 1000);
    assert_ptr_equal(c->relays[0].relay, &c->genesis->relays[0]);
    assert_int_equal(c->log, SG_LOG_INFO);
    gw_config_free(c);
}

/* A thin gateway has no node and its own list of ledgers; CR LF is white space (C1). */
static void config_thin_gateway_is_read(void **state)
{
    struct sg_fault fault;
    int err;
    struct gw_config *c =
        load(HEAD "\"ledgers\": [\"http://a:1\", \"http://b:1\"],\r\n\"log\": \"warn\",\r\n" RELAY "}\r\n",
            &err, &fault);

    (void)state;
    assert_int_equal(err, 0);
    assert_false(c->has_node);
    assert_int_equal(c->nledgers, 2);
    assert_int_equal(c->log, SG_LOG_WARN);
    gw_config_free(c);
}

struct row {
    const char *text;
    const char *fault; /* after "DIR/g.json:" */
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sg_fault fault = {0};
        int err;
        struct gw_config *c = load(rows[i].text, &err, &fault);
        char expected[512];

        assert_int_equal(err, SG_ECONFIG);
        snprintf(expected, sizeof expected, "%s/g.json:%s", dir, rows[i].fault);
        assert_string_equal(fault.text, expected);
        gw_config_free(c);
    }
}

/* Every fault names file, line and path: C1 unknown and duplicate keys, C2 ports, C3 times, C4 peers, C6 relays. */
static void config_faults_name_their_place(void **state)
{
    static const struct row rows[] = {
        {HEAD NODE RELAY ",\n\"colour\": 1}", "4: $.colour: unknown key"},
        {HEAD NODE "\"data\": \"x\",\n" RELAY "}", "3: $.data: the key is given twice, first on line 1"},
        {HEAD NODE "\"relays\": []}", "3: $.relays: must have 1..500 elements, has 0"},
        {HEAD NODE "\"log\": \"loud\",\n" RELAY "}", "3: $.log: loud is none of error, warn, info, debug"},
        {HEAD "\"node\": {\"port\": 0},\n" RELAY "}", "2: $.node.port: 0 is not in 1..65535"},
        {HEAD "\"node\": {\"port\": 65536},\n" RELAY "}", "2: $.node.port: 65536 is not in 1..65535"},
        {HEAD "\"node\": {\"bind\": \"localhost\", \"port\": 1},\n" RELAY "}",
            "2: $.node.bind: localhost is not a numeric IPv4 or IPv6 address"},
        {HEAD "\"node\": {\"bind\": \"127.0.0.256\", \"port\": 1},\n" RELAY "}",
            "2: $.node.bind: 127.0.0.256 is not a numeric IPv4 or IPv6 address"},
        {HEAD "\"node\": {},\n" RELAY "}", "2: $.node.port: missing"},
        {HEAD "\"node\": {\"port\": 5004, \"peers\": [\"http://127.0.0.1:5004\"]},\n" RELAY "}",
            "2: $.node.peers[0]: http://127.0.0.1:5004 is this node itself"},
        {HEAD "\"node\": {\"bind\": \"10.1.1.1\", \"port\": 5004,\n\"peers\": "
              "[\"http://10.1.1.1:5004\"]},\n" RELAY "}",
            "3: $.node.peers[0]: http://10.1.1.1:5004 is this node itself"},
        {HEAD "\"node\": {\"port\": 5004, \"peers\": [\"http://localhost:5004\"]},\n" RELAY "}",
            "2: $.node.peers[0]: http://localhost:5004 is this node itself"},
        {HEAD "\"node\": {\"port\": 5004, \"peers\": [\"http://a:1\",\n\"http://a:1\"]},\n" RELAY "}",
            "3: $.node.peers[1]: http://a:1 is named twice"},
        {HEAD "\"node\": {\"port\": 5004, \"peers\": [\"ftp://a:1\"]},\n" RELAY "}",
            "2: $.node.peers[0]: ftp://a:1 is not " SG_CLI_URL_FORM},
        {HEAD NODE "\"ledgers\": [\"http://127.0.0.1:5004\"],\n" RELAY "}",
            "3: $.ledgers[0]: http://127.0.0.1:5004 is this node itself"},
        {HEAD RELAY "}", "1: $: without \"node\" at least one URL in \"ledgers\" is needed"},
        {HEAD "\"ledgers\": [],\n" RELAY "}",
            "2: $.ledgers: without \"node\" at least one URL in \"ledgers\" is needed"},
        {HEAD NODE "\"relays\": [{\"id\": \"relay-9\", \"host\": \"h\", \"port\": 502}]}",
            "3: $.relays[0].id: the genesis has no relay relay-9"},
        {HEAD NODE "\"relays\": [{\"id\": \"relay-3\", \"host\": \"h\", \"port\": 502}]}",
            "3: $.relays[0].id: the genesis does not let this gateway read relay-3"},
        {HEAD NODE "\"relays\": [{\"id\": \"relay-1\", \"host\": \"h\", \"port\": 502},\n"
                   "{\"id\": \"relay-1\", \"host\": \"h\", \"port\": 503}]}",
            "4: $.relays[1].id: relay-1 is named twice"},
        {HEAD NODE "\"relays\": [{\"id\": \"relay-1\", \"host\": \"h\", \"port\": 502},\n"
                   "{\"id\": \"relay-2\", \"host\": \"h\", \"port\": 502}]}",
            "4: $.relays[1]: unit 1 of h:502 is named twice"},
        {HEAD NODE "\"relays\": [{\"id\": \"relay-1\", \"host\": \"h\", \"port\": 0}]}",
            "3: $.relays[0].port: 0 is not in 1..65535"},
        {HEAD NODE "\"relays\": [{\"id\": \"relay-1\", \"host\": \"h\", \"port\": 502, \"unit\": 248}]}",
            "3: $.relays[0].unit: 248 is not in 1..247, nor 255"},
        {HEAD NODE "\"relays\": [{\"id\": \"relay-1\", \"host\": \"h\", \"port\": 502, \"timeout_ms\": 0}]}",
            "3: $.relays[0].timeout_ms: 0 is not in 50..9000"},
        {HEAD NODE "\"relays\": [{\"id\": \"relay-1\", \"host\": \"h\", \"port\": 502, \"timeout_ms\": -1}]}",
            "3: $.relays[0].timeout_ms: -1 is not in 50..9000"},
        {HEAD NODE "\"relays\": [{\"host\": \"h\", \"port\": 502}]}", "3: $.relays[0].id: missing"},
    };

    (void)state;
    check_rows(rows, SG_ARRAY_LEN(rows));
}

#define WITH_KEY(name)                                                                                       \
    "{\"genesis\": \"genesis.json\",\n\"key\": \"" name "\", \"data\": \"data\",\n" NODE RELAY "}"

/* K1, K3: the key's file and the key itself; a genesis that is not there. The fault stands where the file is named. */
static void config_bad_key_or_genesis_is_a_fault(void **state)
{
    static const char *const keys[] = {
        WITH_KEY("wide.pem"), WITH_KEY("empty.pem"), WITH_KEY("link.pem"), WITH_KEY("none.pem")};
    struct sg_fault fault;
    struct gw_config *c;
    char path[128], link[128], start[256];
    int err;

    (void)state;
    write_file("wide.pem", "x", 1, 0644);
    write_file("empty.pem", "", 0, 0600);
    path_of(path, "own.pem");
    path_of(link, "link.pem");
    assert_int_equal(symlink(path, link), 0);
    snprintf(start, sizeof start, "%s/g.json:2: $.key: %s/", dir, dir);
    for (size_t i = 0; i < SG_ARRAY_LEN(keys); i++) {
        c = load(keys[i], &err, &fault);
        assert_int_equal(err, SG_ECONFIG);
        assert_int_equal(strncmp(fault.text, start, strlen(start)), 0);
        gw_config_free(c);
    }
    c = load(WITH_KEY("stranger.pem"), &err, &fault);
    assert_int_equal(err, SG_ECONFIG);
    snprintf(start, sizeof start, "%s/g.json:2: $.key: the genesis names no gateway with this key (", dir);
    assert_int_equal(strncmp(fault.text, start, strlen(start)), 0);
    gw_config_free(c);
    c = load("{\"genesis\": \"nowhere.json\", \"key\": \"own.pem\", \"data\": \"d\",\n" NODE RELAY "}", &err,
        &fault);
    assert_int_equal(err, SG_ECONFIG);
    snprintf(start, sizeof start, "%s/g.json:1: $.genesis: %s/nowhere.json", dir, dir);
    assert_int_equal(strncmp(fault.text, start, strlen(start)), 0);
    gw_config_free(c);
}

/* One run finds all faults, in the order of the file. */
static void config_all_faults_are_listed_in_order(void **state)
{
    struct sg_fault fault;
    int err;
    struct gw_config *c = load("{\"genesis\": \"genesis.json\",\n\"key\": \"own.pem\",\n"
                               "\"node\": {\"port\": 0},\n\"x\": 1,\n\"relays\": [{\"id\": \"relay-9\", "
                               "\"host\": \"h\", \"port\": 0}]}",
        &err, &fault);

    (void)state;
    assert_int_equal(err, SG_ECONFIG);
    assert_int_equal(sg_config_fault_count(c->file), 5);
    assert_non_null(strstr(sg_config_fault(c->file, 0), "g.json:1: $.data: missing"));
    assert_non_null(strstr(sg_config_fault(c->file, 1), "g.json:3: $.node.port"));
    assert_non_null(strstr(sg_config_fault(c->file, 2), "g.json:4: $.x: unknown key"));
    assert_non_null(strstr(sg_config_fault(c->file, 3), "g.json:5: $.relays[0].id"));
    assert_non_null(strstr(sg_config_fault(c->file, 4), "g.json:5: $.relays[0].port"));
    gw_config_free(c);
}

static int by_flags(const struct gw_flags *f, struct gw_config **c, struct sg_fault *fault)
{
    struct sg_buf text;
    int err;

    *c = NULL;
    sg_buf_init(&text, 1 << 20);
    err = gw_flags_config(&text, f, fault);
    if (!err)
        err = gw_flags_parse(c, f, (const char *)text.p, text.len, fault);
    sg_buf_fini(&text);
    return err;
}

/* Flags say the same as a file; a relay without id is the first that the key may read and no other entry names. */
static void config_by_flags_names_free_relays(void **state)
{
    char genesis[128], key[128];
    struct gw_flags f = {.port = "5004",
        .genesis = genesis,
        .key = key,
        .data = "/tmp/a \"quoted\\ folder",
        .name = "n",
        .unit = "3",
        .relays = {"10.0.0.1:502", "10.0.0.2:502"},
        .nrelays = 2,
        .peers = {"http://a:1"},
        .npeers = 1};
    struct sg_fault fault;
    struct gw_config *c;

    (void)state;
    path_of(genesis, "genesis.json");
    path_of(key, "own.pem");
    assert_int_equal(by_flags(&f, &c, &fault), 0);
    assert_string_equal(c->data, f.data);
    assert_string_equal(c->relays[0].id, "relay-1");
    assert_string_equal(c->relays[1].id, "relay-2");
    assert_string_equal(c->relays[1].host, "10.0.0.2");
    assert_int_equal(c->relays[1].unit, 3);
    assert_int_equal(c->port, 5004);
    assert_string_equal(c->peers[0], "http://a:1");
    gw_config_free(c);

    f.relays[0] = "relay-2@10.0.0.1:502";
    assert_int_equal(by_flags(&f, &c, &fault), 0);
    assert_string_equal(c->relays[0].id, "relay-2");
    assert_string_equal(c->relays[1].id, "relay-1");
    gw_config_free(c);

    f.relays[2] = "10.0.0.3:502";
    f.nrelays = 3;
    assert_int_equal(by_flags(&f, &c, &fault), SG_ECONFIG);
    assert_non_null(strstr(fault.text, "the genesis has no further relay that this gateway may read"));
    gw_config_free(c);
}

/* A flag that is no port or address is named. */
static void config_bad_flags_are_named(void **state)
{
    struct gw_flags f = {0};
    struct sg_fault fault;
    struct gw_config *c;

    (void)state;
    assert_int_equal(by_flags(&f, &c, &fault), SG_EUSAGE);
    assert_string_equal(fault.text, "--port: is needed (or --config FILE)");
    f.port = "65536";
    assert_int_equal(by_flags(&f, &c, &fault), SG_EUSAGE);
    assert_string_equal(fault.text, "--port 65536: is not in 1..65535");
    f.port = "5004";
    assert_int_equal(by_flags(&f, &c, &fault), SG_EUSAGE);
    assert_string_equal(fault.text, "--relay: is needed at least once");
    f.relays[0] = "127.0.0.1";
    f.nrelays = 1;
    assert_int_equal(by_flags(&f, &c, &fault), SG_EUSAGE);
    assert_string_equal(fault.text, "--relay 127.0.0.1: is not of the form [ID@]HOST:PORT");
    f.unit = "256";
    assert_int_equal(by_flags(&f, &c, &fault), SG_EUSAGE);
    assert_string_equal(fault.text, "--unit 256: is not in 1..255");
}

/* A flag whose value the configuration refuses is named, not the line and path of what was made of it. */
static void config_refused_flags_are_named(void **state)
{
    static char genesis[128], key[128], stranger[128], long_name[66];
    const struct gw_flags good = {.port = "5004",
        .genesis = genesis,
        .key = key,
        .data = "d",
        .relays = {"10.0.0.1:502"},
        .nrelays = 1};
    struct sg_fault fault;
    struct gw_config *c;

    (void)state;
    path_of(genesis, "genesis.json");
    path_of(key, "own.pem");
    path_of(stranger, "stranger.pem");
    memset(long_name, 'x', 65);
#define CHECK(says, ...)                                                                                     \
    do {                                                                                                     \
        struct gw_flags f = good;                                                                            \
        __VA_ARGS__;                                                                                         \
        assert_int_equal(by_flags(&f, &c, &fault), SG_ECONFIG);                                              \
        assert_int_equal(strncmp(fault.text, says, strlen(says)), 0);                                        \
        gw_config_free(c);                                                                                   \
    } while (0)
    CHECK("--genesis: nowhere: No such file", f.genesis = "nowhere");
    CHECK("--key: nowhere: No such file", f.key = "nowhere");
    CHECK("--key /tmp/", f.key = stranger);
    CHECK("--data: must have 1..", f.data = "");
    CHECK("--name xxxxxxxx", f.name = long_name);
    CHECK("--bind: must have 1..", f.bind = "");
    CHECK("--peer: ftp://a is not of the form", f.peers[0] = "http://a:1"; f.peers[1] = "ftp://a";
          f.npeers = 2);
    CHECK("--peer: http://a:1 is named twice", f.peers[0] = f.peers[1] = "http://a:1"; f.npeers = 2);
    CHECK("--peer: http://127.0.0.1:5004 is this node itself", f.peers[0] = "http://127.0.0.1:5004";
          f.npeers = 1);
    CHECK("--unit: 250 is not in 1..247, nor 255", f.unit = "250");
    CHECK("--relay relay-9@h:1: the genesis has no relay relay-9", f.relays[0] = "relay-9@h:1");
    CHECK("--relay h:3: the genesis has no further relay", f.relays[1] = "h:2"; f.relays[2] = "h:3";
          f.nrelays = 3);
#undef CHECK
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_good_file_is_read),
        cmocka_unit_test(config_thin_gateway_is_read),
        cmocka_unit_test(config_faults_name_their_place),
        cmocka_unit_test(config_bad_key_or_genesis_is_a_fault),
        cmocka_unit_test(config_all_faults_are_listed_in_order),
        cmocka_unit_test(config_by_flags_names_free_relays),
        cmocka_unit_test(config_bad_flags_are_named),
        cmocka_unit_test(config_refused_flags_are_named),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
