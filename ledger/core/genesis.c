/* The genesis: who takes part, what is measured, by which rules. Read once at start-up; nothing in it ever changes.
 *
 * Invariant of a decoded genesis: every cross-reference resolves (readers are gateways, profiles exist, P and Q of a power
 * factor are other points), lists are strictly increasing by id, keys are canonical, on the curve and not of small order.
 * Refuses with the first that applies: canonical, shape (the outermost object), policy, gateways, policy (a stagger that
 * outlasts the minute), profiles, relays; a fault inside one of those parts has the code of the part. */
#include "ledger/core/owner.h"
#include "ledger/core/parse.h"

#include <string.h>

/* A miner's last turn comes before the minute is over by this much. */
#define LAST_TURN_MS 50000

/* A document on its way and where its parts go. */
struct owned {
    struct lg_genesis *g;
    struct lg_arena *arena;
};

/* The values of the outermost object that are documents of their own. */
struct parts {
    struct lg_slice gateways, policy, profiles, relays;
};

/* U+0080..U+009F; the others are no C0. Names reach terminals, where these are commands. */
static bool has_control(const char *text)
{
    for (const uint8_t *p = (const uint8_t *)text; *p; p++) {
        if (*p == 0xC2 && p[1] < 0xA0)
            return true;
    }
    return false;
}

static void parse_text(struct lg_c0 *c, char *dst, size_t min, size_t max)
{
    lg_c0_text(c, dst, min, max);
    if (!c->bad && has_control(dst))
        lg_c0_fail(c);
}

/* [a-z0-9-]{1,32} (id) or [a-z0-9_]{1,16} (point). */
static void parse_id(struct lg_c0 *c, char *dst, size_t max, char extra)
{
    lg_c0_text(c, dst, 1, max);
    for (const char *p = dst; !c->bad && *p; p++) {
        if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9') && *p != extra)
            lg_c0_fail(c);
    }
}

static int parse_outer(struct lg_genesis *g, struct parts *parts)
{
    struct lg_c0 c;

    lg_c0_open(&c, g->doc, g->doc_len);
    lg_c0_object(&c);
    lg_c0_key(&c, "bits");
    g->bits = (unsigned)lg_c0_int(&c, 0, 40);
    lg_c0_key(&c, "demo");
    g->demo = lg_c0_int(&c, 0, 1) != 0;
    lg_c0_key(&c, "gateways");
    parts->gateways = lg_c0_value(&c);
    lg_c0_key(&c, "name");
    parse_text(&c, g->name, 1, sizeof g->name - 1);
    lg_c0_key(&c, "policy");
    parts->policy = lg_c0_value(&c);
    lg_c0_key(&c, "profiles");
    parts->profiles = lg_c0_value(&c);
    lg_c0_key(&c, "relays");
    parts->relays = lg_c0_value(&c);
    lg_c0_key(&c, "time");
    g->time = lg_c0_int(&c, 0, SG_MS_END - 1);
    g->minute = g->time / SG_MINUTE_MS;
    lg_c0_key(&c, "utc_offset_min");
    g->utc_offset_min = (int)lg_c0_int(&c, -720, 840);
    lg_parse_version(&c);
    return lg_c0_close(&c);
}

static int parse_policy(struct lg_policy *p, struct lg_slice doc)
{
    struct lg_c0 c;

    lg_c0_open(&c, doc.p, doc.len);
    lg_c0_object(&c);
    lg_c0_key(&c, "collect_ms");
    p->collect_ms = lg_c0_int(&c, 0, 20000);
    lg_c0_key(&c, "confirm_depth");
    p->confirm_depth = lg_c0_int(&c, 1, 10000);
    lg_c0_key(&c, "max_block_bytes");
    p->max_block_bytes = lg_c0_int(&c, 131072, 16777216);
    lg_c0_key(&c, "max_future_ms");
    p->max_future_ms = lg_c0_int(&c, 1000, 120000);
    lg_c0_key(&c, "stagger_ms");
    p->stagger_ms = lg_c0_int(&c, 1, 20000);
    lg_c0_object_end(&c);
    return lg_c0_close(&c) ? SG_EPOLICY : 0;
}

/* What is wrong with it is left in c; SG_ENOMEM is no verdict. */
static int parse_gateway(struct lg_gateway *gw, struct lg_c0 *c, const struct sg_crypto *crypto)
{
    lg_c0_object(c);
    lg_c0_key(c, "id");
    gw->id = lg_parse_kid(c);
    lg_c0_key(c, "key");
    lg_c0_base64(c, gw->key, sizeof gw->key);
    lg_c0_key(c, "mine");
    gw->mine = lg_c0_int(c, 0, 1) != 0;
    lg_c0_key(c, "name");
    parse_text(c, gw->name, 1, sizeof gw->name - 1);
    lg_c0_object_end(c);
    if (c->bad)
        return 0;
    int err = lg_kid_of_public(gw->key) == gw->id ? crypto->public_key_check(gw->key) : SG_EINVAL;
    if (err == SG_ENOMEM)
        return err;
    if (err)
        lg_c0_fail(c);
    return 0;
}

static int parse_gateways(struct owned *o, struct lg_slice doc, const struct sg_crypto *crypto)
{
    struct lg_list list = {0};
    struct lg_c0 c;

    lg_c0_open(&c, doc.p, doc.len);
    lg_c0_array(&c);
    while (lg_c0_more(&c)) {
        struct lg_gateway *gw = lg_list_push(&list, o->arena, sizeof *gw);

        if (!gw || parse_gateway(gw, &c, crypto) != 0)
            return SG_ENOMEM;
        if (list.n > LG_MAX_GATEWAYS || (list.n > 1 && gw[-1].id >= gw->id))
            lg_c0_fail(&c);
        o->g->nminers += gw->mine;
    }
    o->g->gateways = list.p;
    o->g->ngateways = (unsigned)list.n;
    return lg_c0_close(&c) || o->g->nminers == 0 ? SG_EGATEWAYS : 0;
}

static enum lg_agg parse_agg(struct lg_c0 *c)
{
    static const char *const names[] = {
        [LG_AGG_RMS] = "rms", [LG_AGG_MEAN] = "mean", [LG_AGG_PF] = "pf", [LG_AGG_LAST] = "last"};
    struct lg_slice s = lg_c0_raw(c);

    for (unsigned i = 0; i < SG_ARRAY_LEN(names); i++) {
        if (!c->bad && s.len == strlen(names[i]) && memcmp(s.p, names[i], s.len) == 0)
            return (enum lg_agg)i;
    }
    lg_c0_fail(c);
    return LG_AGG_LAST;
}

/* The array "of", whose names may be those of points still to come: kept for resolve_of. */
struct of {
    unsigned n;
    struct lg_slice names[2];
};

static void parse_of(struct of *of, struct lg_c0 *c)
{
    lg_c0_array(c);
    while (lg_c0_more(c)) {
        struct lg_slice name = lg_c0_raw(c);

        if (of->n == 2)
            lg_c0_fail(c);
        else
            of->names[of->n++] = name;
    }
}

static void parse_point(struct lg_point *p, struct of *of, struct lg_c0 *c)
{
    lg_c0_object(c);
    lg_c0_key(c, "agg");
    p->agg = parse_agg(c);
    lg_c0_key(c, "decimals");
    p->decimals = (uint8_t)lg_c0_int(c, 0, 9);
    lg_c0_key(c, "exp");
    p->exp = (int8_t)lg_c0_int(c, -12, 12);
    lg_c0_key(c, "label");
    parse_text(c, p->label, 1, sizeof p->label - 1);
    lg_c0_key(c, "name");
    parse_id(c, p->name, sizeof p->name - 1, '_');
    lg_c0_key(c, "of");
    parse_of(of, c);
    lg_c0_key(c, "unit");
    parse_text(c, p->unit, 0, sizeof p->unit - 1);
    lg_c0_object_end(c);
}

/* Index of a point, -1 when there is none. Names need no escapes, so raw text compares. */
static int find_point(const struct lg_profile *p, struct lg_slice name)
{
    for (unsigned i = 0; i < p->npoints; i++) {
        if (strlen(p->points[i].name) == name.len && memcmp(p->points[i].name, name.p, name.len) == 0)
            return (int)i;
    }
    return -1;
}

/* of = two distinct other points for a power factor, nothing for all else. */
static bool resolve_of(struct lg_profile *p, unsigned i, const struct of *of)
{
    int a, b;

    if (p->points[i].agg != LG_AGG_PF)
        return of->n == 0;
    if (of->n != 2)
        return false;
    a = find_point(p, of->names[0]);
    b = find_point(p, of->names[1]);
    if (a < 0 || b < 0 || a == b || a == (int)i || b == (int)i)
        return false;
    p->points[i].of[0] = (uint8_t)a;
    p->points[i].of[1] = (uint8_t)b;
    return true;
}

/* by_name, by insertion; false when two points share a name. */
static bool sort_names(struct lg_profile *p)
{
    for (unsigned i = 0; i < p->npoints; i++) {
        unsigned at = i;

        for (; at > 0; at--) {
            int cmp = strcmp(p->points[p->by_name[at - 1]].name, p->points[i].name);

            if (cmp == 0)
                return false;
            if (cmp < 0)
                break;
            p->by_name[at] = p->by_name[at - 1];
        }
        p->by_name[at] = (uint8_t)i;
    }
    return true;
}

static void parse_profile(struct lg_profile *p, struct lg_c0 *c)
{
    struct of of[LG_MAX_POINTS] = {{0}};

    lg_c0_object(c);
    lg_c0_key(c, "id");
    parse_id(c, p->id, sizeof p->id - 1, '-');
    lg_c0_key(c, "points");
    lg_c0_array(c);
    while (lg_c0_more(c)) {
        if (p->npoints == LG_MAX_POINTS)
            lg_c0_fail(c);
        else
            parse_point(&p->points[p->npoints], &of[p->npoints], c);
        p->npoints += !c->bad;
    }
    lg_c0_object_end(c);
    if (c->bad || p->npoints == 0 || !sort_names(p))
        lg_c0_fail(c);
    for (unsigned i = 0; i < p->npoints && !c->bad; i++) {
        if (!resolve_of(p, i, &of[i]))
            lg_c0_fail(c);
    }
}

static int parse_profiles(struct owned *o, struct lg_slice doc)
{
    struct lg_list list = {0};
    struct lg_c0 c;

    lg_c0_open(&c, doc.p, doc.len);
    lg_c0_array(&c);
    while (lg_c0_more(&c)) {
        struct lg_profile *p = lg_list_push(&list, o->arena, sizeof *p);

        if (!p)
            return SG_ENOMEM;
        parse_profile(p, &c);
        if (list.n > LG_MAX_PROFILES || (list.n > 1 && strcmp(p[-1].id, p->id) >= 0))
            lg_c0_fail(&c);
    }
    o->g->profiles = list.p;
    o->g->nprofiles = (unsigned)list.n;
    return lg_c0_close(&c) || list.n == 0 ? SG_EPROFILES : 0;
}

static const struct lg_profile *find_profile(const struct lg_genesis *g, const char *id)
{
    for (unsigned lo = 0, hi = g->nprofiles; lo < hi;) {
        unsigned mid = (lo + hi) / 2;
        int cmp = strcmp(g->profiles[mid].id, id);

        if (cmp == 0)
            return &g->profiles[mid];
        if (cmp < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static int parse_readers(struct lg_relay *r, struct owned *o, struct lg_c0 *c)
{
    struct lg_list list = {0};

    lg_c0_array(c);
    while (lg_c0_more(c)) {
        lg_kid *kid = lg_list_push(&list, o->arena, sizeof *kid);

        if (!kid)
            return SG_ENOMEM;
        *kid = lg_parse_kid(c);
        if ((list.n > 1 && kid[-1] >= *kid) || !lg_genesis_gateway(o->g, *kid))
            lg_c0_fail(c);
    }
    r->readers = list.p;
    r->nreaders = (unsigned)list.n;
    return 0;
}

static int parse_relay(struct lg_relay *r, struct owned *o, struct lg_c0 *c)
{
    char profile[33];
    int err;

    lg_c0_object(c);
    lg_c0_key(c, "device");
    parse_text(c, r->device, 1, sizeof r->device - 1);
    lg_c0_key(c, "equipment");
    parse_text(c, r->equipment, 1, sizeof r->equipment - 1);
    lg_c0_key(c, "id");
    parse_id(c, r->id, sizeof r->id - 1, '-');
    lg_c0_key(c, "period_s");
    r->period_s = (unsigned)lg_c0_int(c, 1, 60);
    if (r->period_s == 0 || 60 % r->period_s != 0)
        lg_c0_fail(c);
    lg_c0_key(c, "profile");
    parse_id(c, profile, sizeof profile - 1, '-');
    r->profile = c->bad ? NULL : find_profile(o->g, profile);
    if (!r->profile)
        lg_c0_fail(c);
    lg_c0_key(c, "readers");
    err = parse_readers(r, o, c);
    lg_c0_key(c, "substation");
    parse_text(c, r->substation, 1, sizeof r->substation - 1);
    lg_c0_object_end(c);
    return err;
}

static int parse_relays(struct owned *o, struct lg_slice doc)
{
    struct lg_list list = {0};
    struct lg_c0 c;

    lg_c0_open(&c, doc.p, doc.len);
    lg_c0_array(&c);
    while (lg_c0_more(&c)) {
        struct lg_relay *r = lg_list_push(&list, o->arena, sizeof *r);

        if (!r || parse_relay(r, o, &c) != 0)
            return SG_ENOMEM;
        if (list.n > LG_MAX_RELAYS || (list.n > 1 && strcmp(r[-1].id, r->id) >= 0))
            lg_c0_fail(&c);
    }
    o->g->relays = list.p;
    o->g->nrelays = (unsigned)list.n;
    return lg_c0_close(&c) || list.n == 0 ? SG_ERELAYS : 0;
}

/* All turns of a slot, the last miner's too, begin before the next minute's work. */
static int check_turns(const struct lg_genesis *g)
{
    return g->policy.collect_ms + (g->nminers - 1) * g->policy.stagger_ms < LAST_TURN_MS ? 0 : SG_EPOLICY;
}

static int parse_all(struct owned *o, const struct sg_crypto *crypto)
{
    struct lg_genesis *g = o->g;
    struct parts parts;
    int err = parse_outer(g, &parts);

    if (err == 0)
        err = parse_policy(&g->policy, parts.policy);
    if (err == 0)
        err = parse_gateways(o, parts.gateways, crypto);
    if (err == 0)
        err = check_turns(g);
    if (err == 0)
        err = parse_profiles(o, parts.profiles);
    if (err == 0)
        err = parse_relays(o, parts.relays);
    if (err == 0)
        lg_hash_tagged(&g->id, "gridwitness/genesis/v1", g->doc, g->doc_len);
    return err;
}

int lg_genesis_decode(struct lg_genesis **out, const uint8_t *doc, size_t len, const struct sg_crypto *crypto)
{
    struct owned o;
    uint8_t *copy;
    int err;

    o.g = lg_owner_new(&err, &o.arena, &copy, sizeof *o.g, doc, len);
    if (!o.g)
        return err;
    o.g->doc = copy;
    o.g->doc_len = len;
    err = parse_all(&o, crypto);
    if (err)
        lg_genesis_free(o.g);
    else
        *out = o.g;
    return err;
}

void lg_genesis_free(struct lg_genesis *g)
{
    lg_owner_free(g);
}
