/* The HTTP client: many transfers of one thread over a libcurl multi handle.
 *
 * A call is a transfer in the list until it is done; done is called with the transfer already out of the list, so that it may
 * start further calls or wake the client. Connections stay open between calls, at most MAX_IDLE of them; one that
 * ended in an error does not. */
#include "common/http_client.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_IDLE = 32 };

struct sg_http_client {
    CURLM *multi;
    struct sg_http_transfer *transfers;
    bool stopping;
    atomic_bool woken;
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_code;

static void global_init(void)
{
    global_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static sg_ms now_ms(void)
{
    struct timespec ts;

    int err = clock_gettime(CLOCK_MONOTONIC, &ts);
    assert(err == 0);
    return (sg_ms)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int sg_http_client_new(struct sg_http_client **out)
{
    (void)pthread_once(&global_once, global_init);
    if (global_code != CURLE_OK)
        return SG_ENOMEM;
    struct sg_http_client *c = calloc(1, sizeof(*c));
    if (!c)
        return SG_ENOMEM;
    c->multi = curl_multi_init();
    if (!c->multi || curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)MAX_IDLE) != CURLM_OK) {
        (void)curl_multi_cleanup(c->multi);
        free(c);
        return SG_ENOMEM;
    }
    *out = c;
    return 0;
}

static void unlink_transfer(struct sg_http_client *c, struct sg_http_transfer *t)
{
    if (t->next)
        t->next->prev = t->prev;
    if (t->prev)
        t->prev->next = t->next;
    else
        c->transfers = t->next;
    CURLMcode code = curl_multi_remove_handle(c->multi, t->easy);
    assert(code == CURLM_OK);
}

static void end_transfer(struct sg_http_client *c, struct sg_http_transfer *t)
{
    unlink_transfer(c, t);
    if (t->answer.err) /* a part of a body is no answer */
        sg_buf_fini(&t->answer.body);
    t->done(t->ctx, &t->answer);
    sg_http_transfer_free(t);
}

static void end_all(struct sg_http_client *c, int err)
{
    while (c->transfers) {
        c->transfers->answer.err = err;
        end_transfer(c, c->transfers);
    }
}

void sg_http_client_free(struct sg_http_client *c)
{
    if (!c)
        return;
    c->stopping = true; /* a done that starts another call is refused */
    end_all(c, SG_ESTOPPED);
    (void)curl_multi_cleanup(c->multi);
    free(c);
}

int sg_http_client_start(
    struct sg_http_client *c, const struct sg_http_call *call, sg_http_done_fn *done, void *ctx)
{
    struct sg_http_transfer *t = NULL;
    int err = c->stopping ? SG_ESTOPPED : sg_http_transfer_new(&t, call);

    if (err)
        return err;
    t->done = done;
    t->ctx = ctx;
    if (curl_multi_add_handle(c->multi, t->easy) != CURLM_OK) {
        sg_http_transfer_free(t);
        return SG_ENOMEM;
    }
    t->next = c->transfers;
    if (c->transfers)
        c->transfers->prev = t;
    c->transfers = t;
    return 0;
}

/* End every transfer that curl is done with. True when there was one. */
static bool reap(struct sg_http_client *c)
{
    bool any = false;
    int left;

    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left)) != NULL;) {
        struct sg_http_transfer *t = NULL;
        CURLcode code = m->data.result; /* m is gone once the handle is removed */
        if (m->msg != CURLMSG_DONE || curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t) != CURLE_OK)
            continue;
        sg_http_transfer_finish(t, code);
        end_transfer(c, t);
        any = true;
    }
    return any;
}

/* One turn of the transfers. True when a call ended. A multi handle that fails as a whole ends all of them. */
static bool turn(struct sg_http_client *c)
{
    int running;

    if (curl_multi_perform(c->multi, &running) == CURLM_OK)
        return reap(c);
    bool any = c->transfers != NULL;
    end_all(c, SG_EIO);
    return any;
}

void sg_http_client_run(struct sg_http_client *c, sg_ms wait_ms)
{
    sg_ms until_ms = now_ms() + (wait_ms > 0 ? wait_ms : 0);

    for (;;) {
        bool any = turn(c);
        sg_ms left_ms = until_ms - now_ms();
        if (any || atomic_exchange(&c->woken, false) || left_ms <= 0)
            return;
        if (left_ms > INT32_MAX)
            left_ms = INT32_MAX;
        /* returns early for a socket, for curl's own next deadline, and for a wakeup */
        if (curl_multi_poll(c->multi, NULL, 0, (int)left_ms, NULL) != CURLM_OK)
            return;
    }
}

void sg_http_client_wakeup(struct sg_http_client *c)
{
    atomic_store(&c->woken, true);
    (void)curl_multi_wakeup(c->multi);
}

/* ---- one call, blocking ---- */

struct blocking {
    struct sg_http_answer *answer;
    bool over;
};

static void blocking_done(void *ctx, struct sg_http_answer *answer)
{
    struct blocking *b = ctx;

    *b->answer = *answer; /* with the body's memory */
    sg_buf_init(&answer->body, 0);
    b->over = true;
}

int sg_http_client_call(
    struct sg_http_client *c, const struct sg_http_call *call, struct sg_http_answer *answer)
{
    enum { STEP_MS = 1000 };
    struct blocking b = {.answer = answer};

    *answer = (struct sg_http_answer){0};
    sg_buf_init(&answer->body, 0);
    answer->err = sg_http_client_start(c, call, blocking_done, &b);
    while (answer->err == 0 && !b.over)
        sg_http_client_run(c, STEP_MS);
    return answer->err;
}
