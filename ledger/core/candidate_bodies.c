/* The bodies that a block on a site could carry: of the pool, of the extra blocks, or on disk only.
 *
 * What the branch of the site holds already is not carried again. A body that is read from the store is decoded once and kept as long
 * as the choice is. */
#include "ledger/core/candidate_priv.h"

#include <stdlib.h>
#include <string.h>

int lg_site_bodies_init(struct lg_site_bodies *sb, const struct lg_candidate_site *site)
{
    *sb = (struct lg_site_bodies){.site = site, .extra = {.seed = site->e->config.seed}};
    for (unsigned i = 0; i < site->nextra; i++) {
        const struct lg_block *b = site->extra[i];
        for (unsigned k = 0; k < b->nbodies; k++) {
            int err = lg_map_put(&sb->extra, &b->bodies[k]->digest, b->bodies[k]);
            if (err != 0) {
                return err;
            }
        }
    }
    return 0;
}

void lg_site_bodies_fini(struct lg_site_bodies *sb)
{
    for (unsigned i = 0; i < sb->nloaded; i++) {
        lg_body_free(sb->loaded[i]);
    }
    free(sb->loaded);
    lg_map_fini(&sb->extra);
}

/* On disk only, in whatever state: a body has been judged before it was stored, and may be mined when a statement that may reads it. Kept in
 * sb. */
static int load_body(struct lg_site_bodies *sb, const struct lg_body **out, const struct lg_hash *digest)
{
    const struct lg_store *store = sb->site->e->store;
    enum lg_doc_state state;
    int64_t height;
    int err = store->body_state(store->ctx, &state, &height, digest);
    if (err != 0 || state == LG_DOC_NONE) {
        return err != 0 ? err : SG_ENOT_FOUND;
    }
    struct lg_body **grown = realloc(sb->loaded, (sb->nloaded + 1u) * sizeof(*grown));
    if (grown == NULL) {
        return SG_ENOMEM;
    }
    sb->loaded = grown;
    struct sg_buf doc;
    sg_buf_init(&doc, SIZE_MAX);
    err = store->body_doc(store->ctx, &doc, digest);
    err = err == 0 ? sg_buf_err(&doc) : err;
    if (err == 0) {
        err = lg_body_decode(&sb->loaded[sb->nloaded], doc.p, doc.len);
        err = err == SG_ECANONICAL || err == SG_ESHAPE ? SG_ECORRUPT : err;
    }
    sg_buf_fini(&doc);
    if (err ==
        SG_ECORRUPT) /* damaged, which the store notes: what reads it waits until it has been put back */
        err = SG_ENOT_FOUND;
    if (err == 0) {
        *out = sb->loaded[sb->nloaded++];
        err = lg_map_put(&sb->extra, digest, sb->loaded[sb->nloaded - 1]);
    }
    return err;
}

int lg_site_body(struct lg_site_bodies *sb, const struct lg_body **out, const struct lg_hash *digest)
{
    struct lg_body_ref ref;
    *out = NULL;
    int err = sb->site->view->body(sb->site->view->ctx, &ref, digest);
    if (err != SG_ENOT_FOUND) {
        return err;
    }
    *out = lg_pool_body(&sb->site->e->pool, digest);
    if (*out == NULL) {
        *out = lg_map_get(&sb->extra, digest);
    }
    return *out != NULL ? 0 : load_body(sb, out, digest);
}
