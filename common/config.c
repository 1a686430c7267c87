/* Configuration files: reading, parsing with jansson, and the tree of values that the getters walk.
 *
 * Order: bytes and depth are checked (config_check.c), then the text is parsed strictly; when the only trouble is a
 * key given twice, all of those are recorded and the text is parsed again leniently, so that other faults are found in
 * the same run. A configuration with faults has a tree as far as it could be read; it is for listing faults only.
 * Refused before parsing: what is no regular file, more than 1 MiB, a BOM, a NUL, more than 16 levels. */
#include "common/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- tree ---- */

static bool is_container(const json_t *j)
{
    return json_is_object(j) || json_is_array(j);
}

static size_t child_count(const json_t *j)
{
    return json_is_object(j) ? json_object_size(j) : json_array_size(j);
}

/* Recursion is at most SG_CONFIG_DEPTH deep: the text was checked. */
static size_t count_nodes(json_t *j)
{
    size_t n = 1, i;
    const char *key;
    json_t *value;

    if (json_is_object(j))
        json_object_foreach(j, key, value) n += count_nodes(value);
    else if (json_is_array(j))
        json_array_foreach(j, i, value) n += count_nodes(value);
    return n;
}

static void add_children(struct sg_node *node, struct sg_node *free_node)
{
    json_t *j = (json_t *)(uintptr_t)node->json; /* the iterators take no const; nothing is changed */
    size_t i;
    const char *key;
    json_t *value;

    node->children = free_node;
    node->count = child_count(j);
    if (json_is_object(j)) {
        json_object_foreach(j, key, value) *free_node++ =
            (struct sg_node){.parent = node, .json = value, .key = key};
    } else {
        json_array_foreach(j, i, value) *free_node++ =
            (struct sg_node){.parent = node, .json = value, .index = i};
    }
}

static void build_tree(struct sg_config *c)
{
    size_t n = count_nodes(c->json);
    size_t used = 1;

    c->nodes = calloc(n, sizeof(*c->nodes));
    if (!c->nodes) {
        c->nomem = true;
        return;
    }
    c->nodes[0].json = c->json;
    for (size_t i = 0; i < used; i++) {
        if (!is_container(c->nodes[i].json))
            continue;
        add_children(&c->nodes[i], &c->nodes[used]);
        used += c->nodes[i].count;
    }
}

/* ---- parsing ---- */

static void syntax_fault(struct sg_config *c, const json_error_t *e)
{
    struct sg_scan s;
    size_t at = e->position > 0 ? (size_t)e->position - 1 : 0;
    enum sg_scan_event event;

    if (at > c->len)
        at = c->len;
    sg_scan_init(&s, c->text, at);
    do
        event = sg_scan_next(&s);
    while (event != SG_SCAN_END && event != SG_SCAN_DEEP);
    sg_config_fault_scan(c, &s, at, "not JSON: %s", e->text);
}

static void parse_text(struct sg_config *c)
{
    json_error_t e;

    if (!sg_config_check_text(c))
        return;
    c->json = json_loadb(c->text, c->len, JSON_REJECT_DUPLICATES, &e);
    if (!c->json && json_error_code(&e) == json_error_duplicate_key) {
        sg_config_check_duplicates(c);
        c->json = json_loadb(c->text, c->len, 0, &e);
    }
    if (!c->json) {
        syntax_fault(c, &e);
        return;
    }
    build_tree(c);
    if (c->nodes && !json_is_object(c->json))
        sg_config_fault_at(c, c->nodes, SG_AT_VALUE, NULL, "the file must hold one object");
}

static int refuse(struct sg_fault *fault, const char *name, const char *why)
{
    fault->err = SG_ECONFIG;
    (void)snprintf(fault->text, sizeof(fault->text), "%s: %s", name, why);
    return SG_ECONFIG;
}

/* Takes text. */
static int parse_take(
    struct sg_config **out, const char *name, char *text, size_t len, struct sg_fault *fault)
{
    struct sg_config *c = calloc(1, sizeof(*c));

    *out = c;
    if (c)
        c->name = strdup(name);
    if (!c || !c->name) {
        free(c);
        free(text);
        *out = NULL;
        *fault = (struct sg_fault){.err = SG_ENOMEM, .text = "out of memory"};
        return SG_ENOMEM;
    }
    c->text = text;
    c->len = len;
    parse_text(c);
    return sg_config_result(c, fault);
}

int sg_config_parse(
    struct sg_config **out, const char *name, const char *text, size_t len, struct sg_fault *fault)
{
    *out = NULL;
    if (len > SG_CONFIG_BYTES)
        return refuse(fault, name, "larger than 1 MiB");
    char *copy = malloc(len + 1);
    if (!copy) {
        *fault = (struct sg_fault){.err = SG_ENOMEM, .text = "out of memory"};
        return SG_ENOMEM;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    return parse_take(out, name, copy, len, fault);
}

/* ---- files ---- */

/* At most SG_CONFIG_BYTES + 1 bytes; *len 0 and NULL with errno otherwise. */
static char *read_all(int fd, size_t *len)
{
    char *text = malloc(SG_CONFIG_BYTES + 2);
    size_t n = 0;

    while (text && n <= SG_CONFIG_BYTES) {
        ssize_t k = read(fd, text + n, SG_CONFIG_BYTES + 1 - n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0) {
            int saved = errno;
            free(text);
            errno = saved;
            return NULL;
        }
        if (k == 0)
            break;
        n += (size_t)k;
    }
    if (text)
        text[n] = '\0';
    *len = n;
    return text;
}

int sg_config_load(struct sg_config **out, const char *path, struct sg_fault *fault)
{
    struct stat st;
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO must not hold us up */

    *out = NULL;
    if (fd < 0)
        return refuse(fault, path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return refuse(fault, path, "not a regular file");
    }
    char *text = read_all(fd, &len);
    const char *why = text ? "larger than 1 MiB" : strerror(errno);
    (void)close(fd);
    if (!text || len > SG_CONFIG_BYTES) {
        free(text);
        return refuse(fault, path, why);
    }
    return parse_take(out, path, text, len, fault);
}

void sg_config_free(struct sg_config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->nfaults; i++)
        free(c->faults[i].text);
    json_decref(c->json);
    free(c->nodes);
    free(c->text);
    free(c->name);
    free(c);
}

const struct sg_node *sg_config_root(const struct sg_config *c)
{
    return c->nodes && json_is_object(c->nodes->json) ? c->nodes : NULL;
}

int sg_config_path(const struct sg_config *c, char *dst, size_t size, const char *path)
{
    const char *slash = strrchr(c->name, '/');
    size_t folder = path[0] == '/' || !slash ? 0 : (size_t)(slash - c->name) + 1;
    size_t n = strlen(path);

    if (n >= size || folder >= size - n)
        return SG_ETOO_LARGE;
    memmove(dst + folder, path, n + 1);
    memcpy(dst, c->name, folder);
    return 0;
}
