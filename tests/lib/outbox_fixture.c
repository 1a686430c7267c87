#include "tests/lib/outbox_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct lg_relay relays[2] = {{.id = "relay-1"}, {.id = "relay-2"}};
struct lg_genesis outbox_genesis = {.nrelays = 2, .relays = relays, .minute = 1000, .id = {{7}}};
char outbox_dir[64];

struct gw_outbox *open_dir(unsigned max_pages)
{
    struct gw_outbox_config config = {
        .dir = outbox_dir, .genesis = &outbox_genesis, .kid = KID, .max_pages = max_pages};
    struct gw_outbox *o = NULL;
    struct sg_fault fault = {0};

    if (gw_outbox_open(&o, &config, &fault))
        fail_msg("%s", fault.text);
    return o;
}

int fresh_dir(void **state)
{
    snprintf(outbox_dir, sizeof outbox_dir, "/tmp/gw-outbox-XXXXXX");
    if (!mkdtemp(outbox_dir))
        return -1;
    *state = open_dir(0);
    return 0;
}

int remove_outbox(const char *dir)
{
    static const char *const names[] = {"lock", "ballast", "outbox.db", "outbox.db-wal", "outbox.db-shm"};
    char path[128];

    for (size_t i = 0; i < SG_ARRAY_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    return rmdir(dir);
}

int drop_dir(void **state)
{
    gw_outbox_close(*state);
    return remove_outbox(outbox_dir);
}

int put_pair(struct gw_outbox *o, unsigned relay, sg_minute min, uint8_t digest, size_t len)
{
    static uint8_t doc[8192];
    struct gw_pair p = {
        .relay = relay, .min = min, .digest = {{digest}}, .live = 5, .doc = doc, .doc_len = len};

    memset(doc, 'x', sizeof doc);
    return gw_outbox_put_pair(o, &p, min);
}

unsigned open_items(struct gw_outbox *o, struct gw_item items[static 16])
{
    unsigned n = 99;

    assert_int_equal(gw_outbox_open_items(o, items, 16, &n, SLOT - 1439, SLOT + 10), 0);
    return n;
}

int outbox_put_nth(struct gw_outbox *o, unsigned i, const uint8_t *doc, size_t len)
{
    const struct gw_pair pair = {
        .min = SLOT + i, .digest = {{(uint8_t)i}}, .live = 6, .doc = doc, .doc_len = len};
    return gw_outbox_put_pair(o, &pair, SLOT + i);
}

int outbox_say_nth(struct gw_outbox *o, sg_ms inc, unsigned i)
{
    struct gw_item items[64];
    struct gw_said_row row = {.inc = inc, .seq = i + 1, .slot = SLOT + i, .leaf = {{1, (uint8_t)i}}};
    unsigned n = 0;
    const int err = gw_outbox_open_items(o, items, SG_ARRAY_LEN(items), &n, 0, SLOT + i);
    return err != 0 ? err : gw_outbox_add_statement(o, &row, (const uint8_t *)"{}", 2, items, n);
}
