/* The list of faults of a configuration file: "FILE:LINE: $.path: what is wrong", in the order of the file.
 *
 * Invariant: sorted by offset; at most SG_CONFIG_FAULTS are listed, then one line says that there are more. Messages
 * hold no control characters, whatever the file held. */
#include "common/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 4096 };

static void insert(struct sg_config *c, size_t offset, char *text)
{
    size_t at = c->nfaults;

    while (at > 0 && c->faults[at - 1].offset > offset)
        at--;
    memmove(&c->faults[at + 1], &c->faults[at], (c->nfaults - at) * sizeof(c->faults[0]));
    c->faults[at] = (struct sg_config_fault){offset, text};
    c->nfaults++;
}

static void clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

/* message is "$.path: what": taken over. */
static void record(struct sg_config *c, size_t offset, struct sg_buf *message)
{
    struct sg_buf b;

    if (c->nfaults > SG_CONFIG_FAULTS) {
        sg_buf_fini(message);
        return;
    }
    sg_buf_init(&b, MESSAGE_MAX + strlen(c->name) + 64);
    if (c->nfaults == SG_CONFIG_FAULTS) { /* the last place */
        sg_buf_printf(&b, "%s: there are more faults", c->name);
        offset = SIZE_MAX;
    } else {
        sg_buf_printf(&b, "%s:%zu: ", c->name, sg_line_of(c->text, offset));
        sg_buf_put(&b, message->p, message->len);
    }
    sg_buf_put_u8(&b, '\0');
    int err = sg_buf_err(message) ? sg_buf_err(message) : sg_buf_err(&b);
    sg_buf_fini(message);
    if (err) {
        sg_buf_fini(&b);
        c->nomem = true;
        return;
    }
    char *text = (char *)sg_buf_take(&b, &(size_t){0});
    clean(text);
    insert(c, offset, text);
}

static void put_text(struct sg_buf *b, const char *fmt, va_list args)
{
    char text[512];

    (void)vsnprintf(text, sizeof(text), fmt, args);
    sg_buf_puts(b, ": ");
    sg_buf_puts(b, text);
}

void sg_config_fault_at(struct sg_config *c, const struct sg_node *node, enum sg_config_where where,
    const char *key, const char *fmt, ...)
{
    struct sg_buf b;
    size_t value_at, key_at;
    va_list args;

    sg_buf_init(&b, MESSAGE_MAX);
    sg_locate(c->text, c->len, node, &value_at, &key_at);
    sg_node_path(node, &b);
    if (key)
        sg_path_put_key(&b, key, strlen(key));
    va_start(args, fmt);
    put_text(&b, fmt, args);
    va_end(args);
    record(c, where == SG_AT_KEY ? key_at : value_at, &b);
}

void sg_config_fault_scan(struct sg_config *c, const struct sg_scan *s, size_t offset, const char *fmt, ...)
{
    struct sg_buf b;
    va_list args;

    sg_buf_init(&b, MESSAGE_MAX);
    sg_scan_path(s, &b);
    va_start(args, fmt);
    put_text(&b, fmt, args);
    va_end(args);
    record(c, offset, &b);
}

void sg_config_fail(struct sg_config *c, const struct sg_node *at, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (!at)
        at = c->nodes;
    if (at)
        sg_config_fault_at(c, at, SG_AT_VALUE, NULL, "%s", text);
}

size_t sg_config_fault_count(const struct sg_config *c)
{
    return c->nfaults;
}

const char *sg_config_fault(const struct sg_config *c, size_t i)
{
    return c->faults[i].text;
}

int sg_config_result(const struct sg_config *c, struct sg_fault *fault)
{
    if (c->nfaults == 0 && !c->nomem)
        return 0;
    fault->err = c->nfaults > 0 ? SG_ECONFIG : SG_ENOMEM;
    (void)snprintf(
        fault->text, sizeof(fault->text), "%s", c->nfaults > 0 ? c->faults[0].text : "out of memory");
    return fault->err;
}
