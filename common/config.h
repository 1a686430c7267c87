/* What the files of the configuration reader share; nobody else includes it. */
#ifndef SG_COMMON_CONFIG_H
#define SG_COMMON_CONFIG_H

#include <jansson.h>

#include "sg_buf.h"
#include "sg_config.h"

enum {
    SG_CONFIG_BYTES = 1024 * 1024,
    SG_CONFIG_DEPTH = 16,
    SG_CONFIG_FAULTS = 100, /* listed; the rest is one line */
};

struct sg_node {
    struct sg_node *parent;
    const json_t *json;
    const char *key; /* in its object; NULL in an array and for the root */
    size_t index;    /* in its array */
    struct sg_node *children;
    size_t count;
    bool asked; /* a getter has asked for it */
};

struct sg_config_fault {
    size_t offset;
    char *text;
};

struct sg_config {
    char *name; /* of the file */
    char *text;
    size_t len;
    json_t *json;
    struct sg_node *nodes; /* [0] is the root; NULL when the text is not usable */
    struct sg_config_fault
        faults[SG_CONFIG_FAULTS + 1]; /* by offset; of equal ones the first recorded first */
    size_t nfaults;
    bool nomem; /* a fault was lost */
};

/* ---- locator (config_locate.c): walks the text, usable also where it is not JSON ---- */

enum sg_scan_event {
    SG_SCAN_KEY,   /* key of the top frame */
    SG_SCAN_VALUE, /* a value begins at offset */
    SG_SCAN_OPEN,  /* that value was { or [: a frame was pushed */
    SG_SCAN_CLOSE, /* a frame was popped */
    SG_SCAN_DEEP,  /* one bracket too many, at offset */
    SG_SCAN_END,   /* of the text, or of what can be followed */
};

struct sg_scan_frame {
    bool is_array, wants_key;
    size_t index;    /* array: of the element */
    size_t key_at;   /* object: offset of the quote that opens the key */
    size_t key_size; /* with both quotes; 0: no key yet */
};

struct sg_scan {
    const char *text;
    size_t len, pos;
    size_t offset; /* of the last event */
    bool opens;    /* the last event was a { or [ */
    size_t depth;
    struct sg_scan_frame frames[SG_CONFIG_DEPTH];
};

void sg_scan_init(struct sg_scan *s, const char *text, size_t len);
enum sg_scan_event sg_scan_next(struct sg_scan *s);
/* The decoded key of the frame, as a new jansson string; NULL when it is none. */
json_t *sg_scan_key(const struct sg_scan *s, const struct sg_scan_frame *f);
/* Path to where the scan is: "$.relays[1].port". */
void sg_scan_path(const struct sg_scan *s, struct sg_buf *out);

/* Offset of a node's value, and of its key (of the value when it has none). */
void sg_locate(const char *text, size_t len, const struct sg_node *node, size_t *value_at, size_t *key_at);
size_t sg_line_of(const char *text, size_t offset);
void sg_node_path(const struct sg_node *node, struct sg_buf *out);
/* ".name", or ["any text"] cut to a readable length. */
void sg_path_put_key(struct sg_buf *out, const char *key, size_t n);

/* ---- faults (config_fault.c) ---- */

enum sg_config_where { SG_AT_VALUE, SG_AT_KEY };

void sg_config_fault_at(struct sg_config *c, const struct sg_node *node, enum sg_config_where where,
    const char *key, const char *fmt, ...) SG_PRINTF(5, 6);
void sg_config_fault_scan(struct sg_config *c, const struct sg_scan *s, size_t offset, const char *fmt, ...)
    SG_PRINTF(4, 5);

/* ---- text checks (config_check.c) ---- */

/* What must hold before the JSON library sees the text: no BOM, no NUL, not too deep. Records faults. */
bool sg_config_check_text(struct sg_config *c);
/* Record every key that its object already has. */
void sg_config_check_duplicates(struct sg_config *c);

#endif
