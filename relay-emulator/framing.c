/* Connections: buffers, deadlines, eviction.
 *
 * Invariant: every entry is in exactly one of `free` and `idle`; a partial or stalled one also in the list of its
 * state. Both timeouts are constants, so both lists are ordered by deadline and only their heads need a look.
 * Refuses: nothing; the verdicts are core/frame.c's and the closing is the server's. */
#include "relay-emulator/framing.h"

#include <assert.h>
#include <string.h>

#define CONN_OF(link, member) ((struct re_conn *)(void *)((char *)(link)-offsetof(struct re_conn, member)))

static void list_init(struct re_link *head)
{
    head->prev = head->next = head;
}

static void list_append(struct re_link *head, struct re_link *l)
{
    l->prev = head->prev;
    l->next = head;
    l->prev->next = l;
    head->prev = l;
}

static void list_remove(struct re_link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l);
}

void re_conns_init(struct re_conns *cs)
{
    memset(cs, 0, sizeof *cs);
    list_init(&cs->free);
    list_init(&cs->idle);
    list_init(&cs->partial);
    list_init(&cs->stalled);
    for (size_t i = 0; i < RE_CONNS_MAX; i++) {
        cs->all[i].fd = -1;
        list_init(&cs->all[i].timed);
        list_append(&cs->free, &cs->all[i].idle);
    }
}

struct re_conn *re_conns_longest_idle(struct re_conns *cs)
{
    return cs->idle.next == &cs->idle ? NULL : CONN_OF(cs->idle.next, idle);
}

struct re_conn *re_conns_victim(struct re_conns *cs, const uint8_t address[static RE_ADDRESS_BYTES])
{
    struct re_conn *first = NULL;
    size_t same = 0;
    for (struct re_link *l = cs->idle.next; l != &cs->idle; l = l->next) {
        struct re_conn *c = CONN_OF(l, idle);
        if (memcmp(c->address, address, RE_ADDRESS_BYTES) != 0)
            continue;
        if (same++ == 0)
            first = c;
    }
    if (same >= RE_CONNS_ADDRESS)
        return first;
    return cs->count >= RE_CONNS_MAX ? re_conns_longest_idle(cs) : NULL;
}

struct re_conn *re_conns_add(struct re_conns *cs, int fd, const uint8_t address[static RE_ADDRESS_BYTES])
{
    assert(fd >= 0 && cs->count < RE_CONNS_MAX);
    struct re_conn *c = CONN_OF(cs->free.next, idle);
    list_remove(&c->idle);
    list_append(&cs->idle, &c->idle);
    cs->count++;
    c->fd = fd;
    c->state = RE_CONN_IDLE;
    c->unchecked = c->head = c->len = 0;
    memcpy(c->address, address, RE_ADDRESS_BYTES);
    return c;
}

void re_conns_remove(struct re_conns *cs, struct re_conn *c)
{
    assert(c->fd >= 0);
    list_remove(&c->timed);
    list_remove(&c->idle);
    list_append(&cs->free, &c->idle);
    cs->count--;
    c->fd = -1;
}

static void set_state(struct re_conns *cs, struct re_conn *c, enum re_conn_state state, sg_ms now_ms)
{
    list_remove(&c->timed);
    c->state = state;
    switch (state) {
    case RE_CONN_IDLE:
        return;
    case RE_CONN_PARTIAL:
        c->deadline_ms = now_ms + RE_FRAME_MS;
        list_append(&cs->partial, &c->timed);
        return;
    case RE_CONN_STALLED:
        c->deadline_ms = now_ms + RE_STALL_MS;
        list_append(&cs->stalled, &c->timed);
        return;
    }
}

uint8_t *re_conn_space(struct re_conn *c, size_t *room)
{
    if (c->head > 0) {
        memmove(c->buf, c->buf + c->head, c->len - c->head);
        c->len -= c->head;
        c->head = 0;
    }
    *room = sizeof c->buf - c->len;
    return c->buf + c->len;
}

void re_conns_received(struct re_conns *cs, struct re_conn *c, size_t n, sg_ms now_ms)
{
    assert(n <= sizeof c->buf - c->len);
    c->len += n;
    if (c->state == RE_CONN_IDLE)
        set_state(cs, c, RE_CONN_PARTIAL, now_ms);
}

enum re_verdict re_conn_check(
    const struct re_conn *c, struct re_request *out, const uint8_t **adu, unsigned units)
{
    *adu = c->buf + c->head;
    return re_frame_check(out, *adu, c->len - c->head, units);
}

void re_conns_take(struct re_conns *cs, struct re_conn *c, size_t adu_bytes, sg_ms now_ms)
{
    assert(adu_bytes <= c->len - c->head);
    c->head += adu_bytes;
    if (c->head == c->len)
        c->head = c->len = 0;
    list_remove(&c->idle);
    list_append(&cs->idle, &c->idle);
    set_state(cs, c, c->len > 0 ? RE_CONN_PARTIAL : RE_CONN_IDLE, now_ms);
}

void re_conns_stall(struct re_conns *cs, struct re_conn *c, sg_ms now_ms)
{
    set_state(cs, c, RE_CONN_STALLED, now_ms);
}

void re_conns_resume(struct re_conns *cs, struct re_conn *c, sg_ms now_ms)
{
    assert(c->state == RE_CONN_STALLED);
    set_state(cs, c, c->len > 0 ? RE_CONN_PARTIAL : RE_CONN_IDLE, now_ms);
}

static struct re_conn *head_of(const struct re_link *list)
{
    return list->next == list ? NULL : CONN_OF(list->next, timed);
}

struct re_conn *re_conns_expired(struct re_conns *cs, sg_ms now_ms)
{
    struct re_conn *heads[] = {head_of(&cs->partial), head_of(&cs->stalled)};
    for (size_t i = 0; i < SG_ARRAY_LEN(heads); i++)
        if (heads[i] && heads[i]->deadline_ms <= now_ms)
            return heads[i];
    return NULL;
}

sg_ms re_conns_deadline(const struct re_conns *cs)
{
    const struct re_conn *heads[] = {head_of(&cs->partial), head_of(&cs->stalled)};
    sg_ms earliest = INT64_MAX;
    for (size_t i = 0; i < SG_ARRAY_LEN(heads); i++)
        if (heads[i] && heads[i]->deadline_ms < earliest)
            earliest = heads[i]->deadline_ms;
    return earliest;
}
