/* Configuration files: JSON whose every fault is reported with file, line and JSON path.
 *
 * A table per object says which keys exist, their types and ranges; unknown keys, duplicate keys, wrong types,
 * values out of range and missing keys are faults. All faults of a file are collected, in the order of the file,
 * so that `gateway check` can list them; a program that starts stops at the first.
 * Limits: file 1 MiB, nesting 16. Thread: one owner. */
#ifndef SG_CONFIG_H
#define SG_CONFIG_H

#include "sg_err.h"
#include "sg_types.h"

struct sg_config; /* a parsed file and its list of faults */
struct sg_node;   /* a value in it; borrowed from the sg_config, valid until sg_config_free */

/* Read and parse. Refused: what is no regular file, more than 1 MiB or 16 levels, a BOM, a NUL, anything that is not
 * strict JSON with an object at the top, a key given twice. CR LF is white space. On SG_ECONFIG *out is still set when the text could be read, so that faults can be listed;
 * otherwise *out is NULL and fault says why. Caller frees *out. */
SG_MUST_USE int sg_config_load(struct sg_config **out, const char *path, struct sg_fault *fault);
/* The same from memory; name stands for the file in messages. */
SG_MUST_USE int sg_config_parse(
    struct sg_config **out, const char *name, const char *text, size_t len, struct sg_fault *fault);
void sg_config_free(struct sg_config *c);

/* The object of the file; NULL when it could not be parsed. */
const struct sg_node *sg_config_root(const struct sg_config *c);
size_t sg_config_fault_count(const struct sg_config *c);
/* i < count. "FILE:LINE: $.relays[1].port: 65536 is not in 1..65535". Borrowed until sg_config_free. */
const char *sg_config_fault(const struct sg_config *c, size_t i);
/* Add a fault at a node (NULL: the root), for checks that span values. */
void sg_config_fail(struct sg_config *c, const struct sg_node *at, const char *fmt, ...) SG_PRINTF(3, 4);
/* 0, or SG_ECONFIG with the first fault. */
SG_MUST_USE int sg_config_result(const struct sg_config *c, struct sg_fault *fault);

/* Object access: each getter marks the key as known; sg_config_no_more faults every key that nobody asked for.
 * A getter for a missing key returns the default; with required it records a fault. Getters never fail hard. A NULL
 * object or array (missing, or of a wrong kind: already a fault) gives defaults and records nothing. */
const struct sg_node *sg_config_object(
    struct sg_config *c, const struct sg_node *obj, const char *key, bool required);
const struct sg_node *sg_config_array(
    struct sg_config *c, const struct sg_node *obj, const char *key, bool required, size_t min, size_t max);
int64_t sg_config_int(struct sg_config *c, const struct sg_node *obj, const char *key, bool required,
    int64_t fallback, int64_t min, int64_t max);
bool sg_config_bool(struct sg_config *c, const struct sg_node *obj, const char *key, bool fallback);
/* A string of min..max bytes, no control characters, valid UTF-8; borrowed; fallback when missing. */
const char *sg_config_str(struct sg_config *c, const struct sg_node *obj, const char *key, bool required,
    const char *fallback, size_t min, size_t max);
void sg_config_no_more(struct sg_config *c, const struct sg_node *obj);

/* The value of a key, for messages (NULL when missing); does not mark it as known. */
const struct sg_node *sg_config_member(const struct sg_node *obj, const char *key);

size_t sg_config_len(const struct sg_node *array);
/* Element i; a fault and NULL when it is not of the wanted kind. */
const struct sg_node *sg_config_item_object(struct sg_config *c, const struct sg_node *array, size_t i);
const char *sg_config_item_str(
    struct sg_config *c, const struct sg_node *array, size_t i, size_t min, size_t max);
/* Element i for messages, never NULL for i < len. */
const struct sg_node *sg_config_item(const struct sg_node *array, size_t i);

/* A path in the configuration is relative to the folder of the file. dst holds size bytes; SG_ETOO_LARGE. */
SG_MUST_USE int sg_config_path(const struct sg_config *c, char *dst, size_t size, const char *path);

#endif
