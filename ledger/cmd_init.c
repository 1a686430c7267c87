/* ledger init: a genesis from a plan.
 *
 * The plan is configuration (JSON with the same strictness as any): gateways with their public keys, or key files to take them
 * from; relays; profiles; policy. What it leaves out gets the contract's defaults. What no genesis may say is a fault at its place
 * in the plan, and the result is written only when it passes every check of a genesis. */
#include "ledger/cmd.h"
#include "sg_config.h"
#include "sg_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A genesis under construction: the arrays that struct lg_genesis points into. */
struct plan {
    struct sg_config *config;
    struct lg_genesis g;
    struct lg_gateway *gateways;
    struct lg_profile *profiles;
    struct lg_relay *relays;
    lg_kid **readers; /* per relay, owned */
};

static int by_kid(const void *a, const void *b)
{
    lg_kid x = *(const lg_kid *)a, y = *(const lg_kid *)b;
    return x < y ? -1 : x > y;
}

static int by_gateway(const void *a, const void *b)
{
    return by_kid(&((const struct lg_gateway *)a)->id, &((const struct lg_gateway *)b)->id);
}

static int by_relay(const void *a, const void *b)
{
    return strcmp(((const struct lg_relay *)a)->id, ((const struct lg_relay *)b)->id);
}

static int by_profile(const void *a, const void *b)
{
    return strcmp(((const struct lg_profile *)a)->id, ((const struct lg_profile *)b)->id);
}

/* A fault at a value of o. */
#define FAIL_AT(p, o, key, ...) sg_config_fail((p)->config, sg_config_member(o, key), __VA_ARGS__)

/* Letters a to z, digits and one more character. */
static void check_id(struct plan *p, const struct sg_node *o, const char *key, const char *id, char extra)
{
    for (const char *c = id; *c; c++)
        if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9') && *c != extra) {
            FAIL_AT(p, o, key, "%s: of a-z, 0-9 and %c only", id, extra);
            return;
        }
}

/* The newest of n elements of size bytes, each of which begins with its id, has the id of none before it. */
static void check_once(
    struct plan *p, const struct sg_node *o, const char *key, const void *list, unsigned n, size_t size)
{
    const char *newest = (const char *)list + (n - 1) * size;

    for (unsigned i = 0; *newest && i + 1 < n; i++)
        if (strcmp((const char *)list + i * size, newest) == 0) {
            FAIL_AT(p, o, key, "%s is named twice", newest);
            return;
        }
}

static void copy_text(char *dst, size_t size, const char *text)
{
    snprintf(dst, size, "%s", text ? text : "");
}

/* A public key in base64, or a private key file to take it from. */
static void read_key(
    struct plan *p, const struct sg_node *at, const char *text, uint8_t pub[static SG_PUBLIC_KEY_BYTES])
{
    char path[4096];
    struct sg_key *key = NULL;
    struct sg_fault fault = {0};

    if (!text || sg_base64_decode(pub, SG_PUBLIC_KEY_BYTES, text, strlen(text)) == SG_OK)
        return;
    if (sg_config_path(p->config, path, sizeof(path), text) != SG_OK ||
        sg_key_load(&key, path, &fault) != SG_OK) {
        FAIL_AT(p, at, "key", "key is neither a public key in base64 nor a key file: %s", fault.text);
        return;
    }
    sg_key_public(key, pub);
    sg_key_free(key);
}

/* No memory for the check is no verdict: the genesis is checked once more. */
static void check_gateway(struct plan *p, const struct sg_node *o, const struct lg_gateway *gw)
{
    int err = sg_public_key_check(gw->key);

    if (!sg_config_member(o, "key"))
        return;
    if (err && err != SG_ENOMEM)
        FAIL_AT(p, o, "key", "no public key of Ed25519, or one of small order");
    for (const struct lg_gateway *other = p->gateways; other < gw; other++)
        if (memcmp(other->key, gw->key, sizeof(gw->key)) == 0) {
            FAIL_AT(p, o, "key", "%s has this key too", other->name);
            return;
        }
}

static void read_gateways(struct plan *p, const struct sg_node *root)
{
    const struct sg_node *list = sg_config_array(p->config, root, "gateways", true, 1, LG_MAX_GATEWAYS);
    size_t n = list ? sg_config_len(list) : 0;

    p->gateways = calloc(n + 1, sizeof(*p->gateways));
    for (size_t i = 0; p->gateways && i < n; i++) {
        const struct sg_node *o = sg_config_item_object(p->config, list, i);
        if (!o)
            continue;
        struct lg_gateway *gw = &p->gateways[p->g.ngateways++];
        copy_text(gw->name, sizeof(gw->name), sg_config_str(p->config, o, "name", true, NULL, 1, 64));
        read_key(p, o, sg_config_str(p->config, o, "key", true, NULL, 1, 4000), gw->key);
        gw->mine = sg_config_bool(p->config, o, "mine", true);
        gw->id = lg_kid_of_public(gw->key);
        p->g.nminers += gw->mine;
        check_gateway(p, o, gw);
        sg_config_no_more(p->config, o);
    }
    if (p->g.ngateways > 0 && p->g.nminers == 0)
        sg_config_fail(p->config, list, "none of these gateways mines");
    if (p->gateways)
        qsort(p->gateways, p->g.ngateways, sizeof(*p->gateways), by_gateway);
    p->g.gateways = p->gateways;
}

static int find_point(const struct lg_profile *profile, const char *name)
{
    for (unsigned i = 0; name && i < profile->npoints; i++)
        if (strcmp(profile->points[i].name, name) == 0)
            return (int)i;
    return -1;
}

static void read_of(
    struct plan *p, const struct sg_node *o, struct lg_profile *profile, struct lg_point *point)
{
    const struct sg_node *of = sg_config_array(p->config, o, "of", point->agg == LG_AGG_PF, 2, 2);

    for (size_t i = 0; of && i < 2; i++) {
        int k = find_point(profile, sg_config_item_str(p->config, of, i, 1, 16));
        if (k < 0)
            sg_config_fail(p->config, of, "of names the two points of P and Q of this profile");
        else
            point->of[i] = (uint8_t)k;
    }
    if (of && point->agg == LG_AGG_PF &&
        (point->of[0] == point->of[1] || &profile->points[point->of[0]] == point ||
            &profile->points[point->of[1]] == point))
        sg_config_fail(p->config, of, "of names two different points, neither of them this one");
}

static void read_point(struct plan *p, const struct sg_node *o, struct lg_profile *profile)
{
    static const char *const names[] = {"rms", "mean", "pf", "last"};
    struct lg_point *point = &profile->points[profile->npoints];
    const char *agg = sg_config_str(p->config, o, "agg", true, NULL, 2, 4);
    unsigned k = 0;

    while (agg && k < SG_ARRAY_LEN(names) && strcmp(agg, names[k]) != 0)
        k++;
    if (agg && k == SG_ARRAY_LEN(names))
        FAIL_AT(p, o, "agg", "agg is none of rms, mean, pf, last");
    point->agg = (enum lg_agg)(k < SG_ARRAY_LEN(names) ? k : 0);
    copy_text(point->name, sizeof(point->name), sg_config_str(p->config, o, "name", true, NULL, 1, 16));
    copy_text(point->label, sizeof(point->label), sg_config_str(p->config, o, "label", true, NULL, 1, 16));
    copy_text(point->unit, sizeof(point->unit), sg_config_str(p->config, o, "unit", false, "", 0, 16));
    point->decimals = (uint8_t)sg_config_int(p->config, o, "decimals", false, 3, 0, 9);
    point->exp = (int8_t)sg_config_int(p->config, o, "exp", false, 0, -12, 12);
    profile->npoints++;
    check_id(p, o, "name", point->name, '_');
    check_once(p, o, "name", profile->points, profile->npoints, sizeof(*point));
}

static void read_profile(struct plan *p, const struct sg_node *o)
{
    struct lg_profile *profile = &p->profiles[p->g.nprofiles++];
    const struct sg_node *points = sg_config_array(p->config, o, "points", true, 1, LG_MAX_POINTS);

    copy_text(profile->id, sizeof(profile->id), sg_config_str(p->config, o, "id", true, NULL, 1, 32));
    check_id(p, o, "id", profile->id, '-');
    check_once(p, o, "id", p->profiles, p->g.nprofiles, sizeof(*profile));
    for (size_t i = 0; points && i < sg_config_len(points); i++) {
        const struct sg_node *point = sg_config_item_object(p->config, points, i);
        if (point)
            read_point(p, point, profile);
    }
    /* "of" may name points that stand later in the list */
    for (size_t i = 0, k = 0; points && i < sg_config_len(points); i++) {
        const struct sg_node *point = sg_config_item_object(p->config, points, i);
        if (!point)
            continue;
        read_of(p, point, profile, &profile->points[k++]);
        sg_config_no_more(p->config, point);
    }
    sg_config_no_more(p->config, o);
}

static void read_profiles(struct plan *p, const struct sg_node *root)
{
    const struct sg_node *list = sg_config_array(p->config, root, "profiles", false, 1, LG_MAX_PROFILES);
    size_t n = list ? sg_config_len(list) : 0;

    p->profiles = calloc(n + 1, sizeof(*p->profiles));
    for (size_t i = 0; p->profiles && i < n; i++) {
        const struct sg_node *o = sg_config_item_object(p->config, list, i);
        if (o)
            read_profile(p, o);
    }
    if (p->profiles && n == 0)
        p->profiles[p->g.nprofiles++] = *lg_profile_paper();
    if (p->profiles)
        qsort(p->profiles, p->g.nprofiles, sizeof(*p->profiles), by_profile);
    p->g.profiles = p->profiles;
}

static const struct lg_profile *find_profile(struct plan *p, const struct sg_node *at, const char *id)
{
    for (unsigned i = 0; i < p->g.nprofiles; i++)
        if (!id ? p->g.nprofiles == 1 : strcmp(p->profiles[i].id, id) == 0)
            return &p->profiles[i];
    sg_config_fail(
        p->config, at, "no profile %s in this plan", id ? id : "is named, and there is more than one");
    return p->profiles;
}

/* Names of gateways, sorted by key id. */
static void read_readers(struct plan *p, const struct sg_node *o, unsigned index)
{
    struct lg_relay *relay = &p->relays[index];
    const struct sg_node *list = sg_config_array(p->config, o, "readers", false, 0, LG_MAX_GATEWAYS);
    size_t n = list ? sg_config_len(list) : 0;
    lg_kid *readers = calloc(n + 1, sizeof(*readers));

    p->readers[index] = readers;
    relay->readers = readers;
    for (size_t i = 0; readers && i < n; i++) {
        const char *name = sg_config_item_str(p->config, list, i, 1, 64);
        unsigned k = 0;
        while (name && k < p->g.ngateways && strcmp(p->gateways[k].name, name) != 0)
            k++;
        if (name && k == p->g.ngateways)
            sg_config_fail(p->config, sg_config_item(list, i), "no gateway is named %s", name);
        else if (name)
            readers[relay->nreaders++] = p->gateways[k].id;
    }
    if (readers)
        qsort(readers, relay->nreaders, sizeof(*readers), by_kid);
    for (unsigned i = 1; readers && i < relay->nreaders; i++)
        if (readers[i - 1] == readers[i]) {
            sg_config_fail(p->config, list, "a gateway is named twice");
            return;
        }
}

static void check_relay(struct plan *p, const struct sg_node *o, const struct lg_relay *r)
{
    check_id(p, o, "id", r->id, '-');
    check_once(p, o, "id", p->relays, p->g.nrelays, sizeof(*r));
    if (60 % r->period_s != 0)
        FAIL_AT(p, o, "period_s", "%u does not divide 60", r->period_s);
}

static void read_relays(struct plan *p, const struct sg_node *root)
{
    const struct sg_node *list = sg_config_array(p->config, root, "relays", true, 1, LG_MAX_RELAYS);
    size_t n = list ? sg_config_len(list) : 0;

    p->relays = calloc(n + 1, sizeof(*p->relays));
    p->readers = calloc(n + 1, sizeof(*p->readers));
    for (size_t i = 0; p->relays && p->readers && i < n; i++) {
        const struct sg_node *o = sg_config_item_object(p->config, list, i);
        if (!o)
            continue;
        unsigned index = p->g.nrelays++;
        struct lg_relay *r = &p->relays[index];
        copy_text(r->id, sizeof(r->id), sg_config_str(p->config, o, "id", true, NULL, 1, 32));
        copy_text(r->device, sizeof(r->device), sg_config_str(p->config, o, "device", true, NULL, 1, 32));
        copy_text(
            r->equipment, sizeof(r->equipment), sg_config_str(p->config, o, "equipment", true, NULL, 1, 64));
        copy_text(r->substation, sizeof(r->substation),
            sg_config_str(p->config, o, "substation", true, NULL, 1, 64));
        r->period_s = (unsigned)sg_config_int(p->config, o, "period_s", false, 10, 1, 60);
        r->profile = find_profile(p, o, sg_config_str(p->config, o, "profile", false, NULL, 1, 32));
        read_readers(p, o, index);
        check_relay(p, o, r);
        sg_config_no_more(p->config, o);
    }
    if (p->relays)
        qsort(p->relays, p->g.nrelays, sizeof(*p->relays), by_relay);
    p->g.relays = p->relays;
}

static void read_policy(struct plan *p, const struct sg_node *root)
{
    const struct sg_node *o = sg_config_object(p->config, root, "policy", false);
    struct lg_policy *y = &p->g.policy;

    *y = (struct lg_policy){.collect_ms = 1000,
        .stagger_ms = 1500,
        .max_future_ms = 5000,
        .max_block_bytes = 4194304,
        .confirm_depth = 6};
    if (!o)
        return;
    y->collect_ms = sg_config_int(p->config, o, "collect_ms", false, y->collect_ms, 0, 20000);
    y->stagger_ms = sg_config_int(p->config, o, "stagger_ms", false, y->stagger_ms, 1, 20000);
    y->max_future_ms = sg_config_int(p->config, o, "max_future_ms", false, y->max_future_ms, 1000, 120000);
    y->max_block_bytes =
        sg_config_int(p->config, o, "max_block_bytes", false, y->max_block_bytes, 131072, 16777216);
    y->confirm_depth = sg_config_int(p->config, o, "confirm_depth", false, y->confirm_depth, 1, 10000);
    sg_config_no_more(p->config, o);
}

/* All turns of a slot begin before the next minute's work. */
static void check_turns(struct plan *p, const struct sg_node *root)
{
    int64_t turns = p->g.nminers > 0 ? p->g.nminers - 1 : 0;
    int64_t last = p->g.policy.collect_ms + turns * p->g.policy.stagger_ms;

    if (last >= 50000)
        FAIL_AT(p, root, "policy",
            "the last of %u miners has its turn after %lld ms, which must be less than 50000 ms",
            p->g.nminers, (long long)last);
}

static void read_plan(struct plan *p)
{
    const struct sg_node *root = sg_config_root(p->config);
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    copy_text(p->g.name, sizeof(p->g.name), sg_config_str(p->config, root, "name", true, NULL, 1, 64));
    p->g.demo = sg_config_bool(p->config, root, "demo", false);
    p->g.bits = (unsigned)sg_config_int(p->config, root, "bits", false, 16, 0, 40);
    p->g.utc_offset_min = (int)sg_config_int(p->config, root, "utc_offset_min", false, 0, -720, 840);
    p->g.time =
        sg_config_int(p->config, root, "time_ms", false, (int64_t)now.tv_sec * 1000, 0, SG_MS_END - 1);
    read_policy(p, root);
    read_gateways(p, root);
    check_turns(p, root);
    read_profiles(p, root);
    read_relays(p, root);
    sg_config_no_more(p->config, root);
}

static void plan_fini(struct plan *p)
{
    for (unsigned i = 0; p->readers && i < p->g.nrelays; i++)
        free(p->readers[i]);
    free(p->readers);
    free(p->relays);
    free(p->profiles);
    free(p->gateways);
    sg_config_free(p->config);
}

/* Encode, check with the rules that every node applies, write. */
static int write_genesis(const struct lg_cmd *self, const struct lg_genesis *g, const char *path)
{
    struct sg_buf doc;
    struct lg_genesis *checked = NULL;
    struct sg_fault fault = {0};
    char hex[2 * SG_HASH_BYTES + 1];
    int result = SG_EXIT_GOOD;

    sg_buf_init(&doc, LG_MAX_GENESIS_BYTES);
    lg_genesis_encode(&doc, g);
    int err = sg_buf_err(&doc);
    if (err == SG_OK)
        err = lg_genesis_decode(&checked, doc.p, doc.len, &sg_crypto_openssl);
    if (err != SG_OK)
        result = lg_cmd_usage_error(
            self, "this plan makes no valid genesis: %s (%s)", sg_err_code(err), sg_err_text(err));
    else if (lg_file_create(path, doc.p, doc.len, &fault) != SG_OK)
        result = lg_cmd_failed(self, "%s", fault.text);
    else {
        sg_hex_encode(hex, checked->id.b, SG_HASH_BYTES);
        printf("%s %s\n", hex, path);
    }
    lg_genesis_free(checked);
    sg_buf_fini(&doc);
    return result;
}

int lg_cmd_init(const struct lg_cmd *self, int argc, char **argv)
{
    const char *from = NULL, *out = NULL;
    const struct lg_cmd_option options[] = {{"from", &from}, {"out", &out}};
    struct plan p = {0};
    struct sg_fault fault = {0};
    int result = SG_EXIT_USAGE;

    if (lg_cmd_parse(self, argc, argv, options, SG_ARRAY_LEN(options), NULL, 0) != SG_OK)
        return SG_EXIT_USAGE;
    if (!from || !out)
        return lg_cmd_usage_error(self, "--from and --out are needed");
    if (sg_config_load(&p.config, from, &fault) == SG_OK)
        read_plan(&p);
    if (fault.err == SG_OK && sg_config_result(p.config, &fault) == SG_OK && p.gateways && p.profiles &&
        p.relays)
        result = write_genesis(self, &p.g, out);
    else
        lg_cmd_usage_error(self, "%s", fault.err ? fault.text : "out of memory");
    plan_fini(&p);
    return result;
}
