/* The scrub thread: pace of the walk, the list of what is damaged, and who is asked for it.
 *
 *   found -> [ASKING a peer -> next peer ...] -> WRITING (chain thread) -> read again: sound, and off the list
 *                 |  no peer has it                  |  refused
 *                 v                                  v
 *              RESTING: again after a minute   the next peer, or RESTING
 *
 * Invariant: at most one damage is being asked for or written at a time, so that a store that is damaged all over costs its peers no more
 * than one request at a time. An item leaves the list only when it was read and found sound. */
#include "ledger/scrubber.h"
#include "sg_http.h"
#include "sg_log.h"
#include "sg_queue.h"
#include "sg_text.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART      "scrub"
#define INBOX_MAX 256
/* Real milliseconds. */
#define REST_MS     60000   /* between two rounds of asking for the same */
#define FILE_MS     3600000 /* the same where all indexes were built anew in vain */
#define WANTED_MS   5000    /* the same when somebody needs it now */
#define SOON_MS     1000    /* the chain thread is busy, or the disk full */
#define WRITE_MS    60000   /* longest wait for the chain thread */
#define MAX_WAIT_MS 1000    /* a document a second at least */
#define SHARE       9       /* rest after each step, times what it took: a tenth of the time */
/* Rows that follow are many and small: so many of their steps count as a document. */
#define ROWS_A_DOCUMENT 16
#define MAX_ANSWER      ((size_t)17 << 20)

enum message_kind { MSG_REPORT, MSG_RESULT, MSG_QUIT };

struct message {
    enum message_kind kind;
    struct lg_damage damage;
    int err;
};

enum state { WAITING, ASKING, WRITING };

struct item {
    struct lg_damage damage;
    enum state state;
    unsigned peer; /* to ask next */
    sg_ms due_ms;  /* mono: WAITING: when to begin; WRITING: when to give up */
    bool told;     /* that no peer has it */
    bool beyond;
};

struct lg_scrubber {
    struct lg_scrubber_config config;
    char urls[LG_NODE_MAX_PEERS][256];
    pthread_t thread;
    struct sg_queue *inbox;
    struct sg_http_client *http;
    struct lg_scrub *scrub;
    struct item items[LG_SCRUBBER_MAX];
    unsigned nitems;
    struct item *active; /* NULL, or in items */
    sg_ms next_ms;       /* mono: the next step */
    sg_ms interval_ms;   /* a document */

    pthread_mutex_t lock; /* of summary */
    struct lg_scrubber_summary summary;
};

static sg_ms now(const struct lg_scrubber *s)
{
    return s->config.clock->mono_ms(s->config.clock);
}

static void say(enum sg_log_level level, const struct lg_damage *d, const char *what)
{
    char hex[2 * SG_HASH_BYTES + 1];
    sg_hex_encode(hex, d->hash.b, SG_HASH_BYTES);
    sg_log(level, PART, "%s %s (%lld, %lld): %s", lg_damage_name(d->kind), hex, (long long)d->key[0],
        (long long)d->key[1], what);
}

/* ---- the list ---- */

static void publish(struct lg_scrubber *s, unsigned documents, bool pass, unsigned found, unsigned repaired)
{
    bool beyond = false;
    for (unsigned i = 0; i < s->nitems; i++)
        beyond = beyond || s->items[i].beyond;
    pthread_mutex_lock(&s->lock);
    s->summary.documents += documents;
    s->summary.passes += pass;
    s->summary.found += found;
    s->summary.repaired += repaired;
    s->summary.damaged = s->nitems;
    s->summary.beyond_repair = beyond;
    pthread_mutex_unlock(&s->lock);
}

static bool same(const struct lg_damage *a, const struct lg_damage *b)
{
    return a->kind == b->kind && lg_hash_eq(&a->hash, &b->hash) && memcmp(a->key, b->key, sizeof a->key) == 0;
}

static struct item *find(struct lg_scrubber *s, const struct lg_damage *d)
{
    for (unsigned i = 0; i < s->nitems; i++)
        if (same(&s->items[i].damage, d))
            return &s->items[i];
    return NULL;
}

static void add(void *arg, const struct lg_damage *d)
{
    struct lg_scrubber *s = arg;
    if (s->nitems == LG_SCRUBBER_MAX || find(s, d) != NULL)
        return;
    s->items[s->nitems++] = (struct item){.damage = *d, .due_ms = now(s)};
    say(SG_LOG_ERROR, d, "damaged");
    s->config.alarm(s->config.ctx, "store_damaged", true);
    publish(s, 0, false, 1, 0);
}

/* Off the list; the last one takes its place, and active goes with it. */
static void drop(struct lg_scrubber *s, struct item *item)
{
    struct item *last = &s->items[--s->nitems];
    if (s->active == item)
        s->active = NULL;
    else if (s->active == last)
        s->active = item;
    const bool was_beyond = item->beyond;
    bool is_beyond = false;
    *item = *last;
    for (unsigned i = 0; i < s->nitems; i++)
        is_beyond = is_beyond || s->items[i].beyond;
    if (was_beyond && !is_beyond)
        s->config.alarm(s->config.ctx, "store_beyond_repair", false);
    if (s->nitems == 0)
        s->config.alarm(s->config.ctx, "store_damaged", false);
}

static void rest(struct lg_scrubber *s, struct item *item, sg_ms ms)
{
    item->state = WAITING;
    item->due_ms = now(s) + ms;
    if (s->active == item)
        s->active = NULL;
}

/* ---- asking ---- */

static bool needs_document(const struct lg_damage *d)
{
    return d->kind == LG_DAMAGE_STATEMENT || d->kind == LG_DAMAGE_BODY || d->kind == LG_DAMAGE_BLOCK;
}

/* The value of a key in an object; empty when it has none. */
static struct lg_slice member(const struct sg_buf *body, const char *key)
{
    struct lg_c0 c;
    char name[32];
    if (lg_c0_check(body->p, body->len) != 0)
        return (struct lg_slice){NULL, 0};
    lg_c0_open(&c, body->p, body->len);
    lg_c0_object(&c);
    while (!c.bad && c.p < c.end && *c.p != '}') {
        const uint8_t *p = c.p + (*c.p == ',') + 1; /* behind the quote */
        size_t n = 0;
        while (p + n < c.end && p[n] != '"' && n < sizeof name - 1)
            n++;
        memcpy(name, p, n);
        name[n] = '\0';
        lg_c0_key(&c, name);
        const struct lg_slice value = lg_c0_value(&c);
        if (!c.bad && strcmp(name, key) == 0)
            return value;
    }
    return (struct lg_slice){NULL, 0};
}

static void hand_over(struct lg_scrubber *s, struct item *item, const struct lg_slice *doc)
{
    uint8_t *copy = doc != NULL ? malloc(doc->len) : NULL;
    if (doc != NULL && copy == NULL) {
        rest(s, item, SOON_MS);
        return;
    }
    if (doc != NULL)
        memcpy(copy, doc->p, doc->len);
    item->state = WRITING;
    item->due_ms = now(s) + WRITE_MS;
    if (s->config.repair(s->config.ctx, &item->damage, copy, doc != NULL ? doc->len : 0) != SG_OK) {
        free(copy);
        rest(s, item, SOON_MS);
    }
}

static void ask(struct lg_scrubber *s, struct item *item);

static void answered(void *ctx, struct sg_http_answer *answer)
{
    static const char *const keys[] = {
        [LG_DAMAGE_STATEMENT] = "statement", [LG_DAMAGE_BODY] = "body", [LG_DAMAGE_BLOCK] = "block"};
    struct lg_scrubber *s = ctx;
    struct item *item = s->active;
    struct lg_slice doc = {NULL, 0};
    if (answer->err == SG_ESTOPPED || item == NULL || item->state != ASKING)
        return;
    if (answer->err == SG_OK && answer->status == 200)
        doc = member(&answer->body, keys[item->damage.kind]);
    item->peer++;
    if (doc.len > 0)
        hand_over(s, item, &doc);
    else
        ask(s, item);
}

/* The next peer, or a rest when all have been asked. */
static void ask(struct lg_scrubber *s, struct item *item)
{
    static const char *const paths[] = {[LG_DAMAGE_STATEMENT] = "/v1/statements/",
        [LG_DAMAGE_BODY] = "/v1/bodies/",
        [LG_DAMAGE_BLOCK] = "/v1/blocks/"};
    char url[256 + 32 + 2 * SG_HASH_BYTES];
    for (; item->peer < s->config.n; item->peer++) {
        int n = snprintf(url, sizeof url, "%s%s", s->urls[item->peer], paths[item->damage.kind]);
        for (unsigned i = 0; i < SG_HASH_BYTES; i++)
            n += snprintf(url + n, sizeof url - (size_t)n, "%02x", item->damage.hash.b[i]);
        const struct sg_http_call call = {.url = url, .max_answer = MAX_ANSWER};
        item->state = ASKING;
        if (sg_http_client_start(s->http, &call, answered, s) == SG_OK)
            return;
    }
    if (!item->told)
        say(SG_LOG_ERROR, &item->damage, "no peer has it; it stays marked and is not served");
    item->told = true;
    item->peer = 0;
    rest(s, item, REST_MS);
}

/* Sound meanwhile: a block that came again, an earlier repair that brought this too. */
static bool is_over(struct lg_scrubber *s, struct item *item)
{
    if (lg_scrub_is_damaged(s->scrub, &item->damage, add, s))
        return false;
    say(SG_LOG_WARN, &item->damage, "sound again");
    drop(s, item);
    publish(s, 0, false, 0, 1);
    return true;
}

static void begin_one(struct lg_scrubber *s)
{
    const sg_ms at = now(s);
    if (s->active != NULL && s->active->state == WRITING && s->active->due_ms <= at)
        rest(s, s->active, SOON_MS); /* its result was lost */
    for (unsigned i = 0; i < s->nitems && s->active == NULL; i++) {
        struct item *item = &s->items[i];
        const enum lg_damage_kind kind = item->damage.kind;
        const bool follows = kind == LG_DAMAGE_READ || kind == LG_DAMAGE_GAP || kind == LG_DAMAGE_SIDE;
        if (item->due_ms > at || (!follows && is_over(s, item)))
            continue;
        s->active = item;
        if (needs_document(&item->damage))
            ask(s, item);
        else
            hand_over(s, item, NULL);
    }
}

static void beyond(struct lg_scrubber *s, struct item *item)
{
    if (!item->beyond) {
        say(SG_LOG_ERROR, &item->damage,
            "cannot be put back in place: stop the node, move chain.db* aside, "
            "start it: it fetches everything from its peers");
        s->config.alarm(s->config.ctx, "store_beyond_repair", true);
    }
    item->beyond = true;
    rest(s, item, item->damage.kind == LG_DAMAGE_FILE ? FILE_MS : REST_MS);
    publish(s, 0, false, 0, 0);
}

/* What the chain thread said. */
static void written(struct lg_scrubber *s, const struct message *m)
{
    struct item *item = find(s, &m->damage);
    if (item == NULL || item != s->active || item->state != WRITING)
        return;
    if (m->err == SG_ECORRUPT) {
        beyond(s, item);
    } else if (m->err == SG_EINVAL) { /* not what is missing */
        ask(s, item);
    } else if (m->err != SG_OK) {
        rest(s, item, SOON_MS);
    } else if (!lg_scrub_is_damaged(s->scrub, &item->damage, add, s)) {
        say(SG_LOG_WARN, &item->damage, "put back");
        drop(s, item);
        publish(s, 0, false, 0, 1);
    } else if (item->damage.kind == LG_DAMAGE_FILE) {
        beyond(s, item);
    } else {
        item->peer = 0;
        rest(s, item, REST_MS);
    }
}

/* ---- the thread ---- */

/* Looked at first: it may have been put back already. */
static void reported(struct lg_scrubber *s, const struct lg_damage *d)
{
    struct item *item = find(s, d);
    if (item != NULL && item->state == WAITING && item->due_ms > now(s) + WANTED_MS)
        item->due_ms = now(s) + WANTED_MS;
    if (item == NULL && lg_scrub_is_damaged(s->scrub, d, add, s))
        add(s, d);
}

static bool take_messages(struct lg_scrubber *s)
{
    void *p = NULL;
    bool go = true;
    while (go && sg_queue_get(s->inbox, &p, 0) == SG_OK) {
        struct message *m = p;
        switch (m->kind) {
        case MSG_REPORT:
            reported(s, &m->damage);
            break;
        case MSG_RESULT:
            written(s, m);
            break;
        case MSG_QUIT:
            go = false;
            break;
        }
        free(m);
    }
    return go;
}

static void new_pass(struct lg_scrubber *s)
{
    s->interval_ms = s->config.period_ms / lg_scrub_size(s->scrub);
    if (s->interval_ms > MAX_WAIT_MS)
        s->interval_ms = MAX_WAIT_MS;
}

static void step(struct lg_scrubber *s)
{
    unsigned documents = 0;
    bool over = false;
    const sg_ms begin = now(s);
    const int err = lg_scrub_step(s->scrub, &documents, &over, add, s);
    const sg_ms end = now(s);
    sg_ms wait = documents > 0 ? documents * s->interval_ms : s->interval_ms / ROWS_A_DOCUMENT;
    if (wait < SHARE * (end - begin))
        wait = SHARE * (end - begin);
    if (err != SG_OK)
        wait = MAX_WAIT_MS;
    s->next_ms = end + wait;
    publish(s, documents, over, 0, 0);
    if (over)
        new_pass(s);
}

static sg_ms sleep_ms(const struct lg_scrubber *s)
{
    const sg_ms at = now(s);
    sg_ms until = s->next_ms;
    for (unsigned i = 0; i < s->nitems && s->active == NULL; i++)
        until = s->items[i].due_ms < until ? s->items[i].due_ms : until;
    return until <= at ? 0 : until - at < MAX_WAIT_MS ? until - at : MAX_WAIT_MS;
}

static void *run(void *arg)
{
    struct lg_scrubber *s = arg;
    (void)pthread_setname_np(pthread_self(), "scrub");
    new_pass(s);
    while (take_messages(s)) {
        if (now(s) >= s->next_ms)
            step(s);
        begin_one(s);
        sg_http_client_run(s->http, sleep_ms(s));
    }
    return NULL;
}

/* ---- from other threads ---- */

static bool put(struct lg_scrubber *s, enum message_kind kind, const struct lg_damage *d, int err)
{
    struct message *m = calloc(1, sizeof *m);
    if (m == NULL)
        return false;
    m->kind = kind;
    m->err = err;
    if (d != NULL)
        m->damage = *d;
    if (sg_queue_put(s->inbox, m) != SG_OK) {
        free(m);
        return false;
    }
    sg_http_client_wakeup(s->http);
    return true;
}

void lg_scrubber_report(struct lg_scrubber *s, const struct lg_damage *d)
{
    if (s != NULL)
        (void)put(s, MSG_REPORT, d, 0);
}

void lg_scrubber_result(struct lg_scrubber *s, const struct lg_damage *d, int err)
{
    (void)put(s, MSG_RESULT, d, err);
}

void lg_scrubber_summary(struct lg_scrubber *s, struct lg_scrubber_summary *out)
{
    memset(out, 0, sizeof *out);
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    *out = s->summary;
    pthread_mutex_unlock(&s->lock);
}

static void release(struct lg_scrubber *s)
{
    void *m = NULL;
    if (s->http != NULL)
        sg_http_client_free(s->http);
    while (s->inbox != NULL && sg_queue_get(s->inbox, &m, 0) == SG_OK)
        free(m);
    if (s->inbox != NULL)
        sg_queue_free(s->inbox);
    lg_scrub_close(s->scrub);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int lg_scrubber_start(
    struct lg_scrubber **out, const struct lg_scrubber_config *config, struct sg_fault *fault)
{
    struct lg_scrubber *s = calloc(1, sizeof *s);
    int err;
    if (s == NULL)
        return SG_ENOMEM;
    s->config = *config;
    pthread_mutex_init(&s->lock, NULL);
    for (unsigned i = 0; i < config->n; i++)
        snprintf(s->urls[i], sizeof s->urls[i], "%s", config->urls[i]);
    if ((err = sg_queue_new(&s->inbox, INBOX_MAX)) != SG_OK ||
        (err = sg_http_client_new(&s->http)) != SG_OK ||
        (err = lg_scrub_open(&s->scrub, config->data_dir, config->genesis, &sg_crypto_openssl, fault)) !=
            SG_OK) {
        release(s);
        return err;
    }
    s->config.data_dir = NULL;
    if (pthread_create(&s->thread, NULL, run, s) != 0) {
        release(s);
        return SG_ENOMEM;
    }
    *out = s;
    return SG_OK;
}

void lg_scrubber_stop(struct lg_scrubber *s)
{
    if (s == NULL)
        return;
    while (!put(s, MSG_QUIT, NULL, 0)) { /* a full inbox is being emptied by the thread */
        sg_http_client_wakeup(s->http);
        sched_yield();
    }
    pthread_join(s->thread, NULL);
    release(s);
}
