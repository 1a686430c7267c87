/* The two calls that offer something, and their answers.
 *
 * The HTTP thread judges nothing: it hands the request over to the chain thread or says overloaded. Statements are acknowledged
 * only after the engine has committed them, for the engine returns no sooner. Errors of the disk are this node's trouble, not the
 * offer's: 503, so that the sender offers again, here or elsewhere. */
#include "ledger/rest_priv.h"

#define SLACK ((size_t)64 << 10)

/* A block just above the limit still gets the rule's own code, "size". */
size_t lg_rest_max_block(const struct lg_genesis *g)
{
    return (size_t)g->policy.max_block_bytes + SLACK;
}

/* A statement with its bodies is at most half a block, and more of them may come at once: up to 16 MiB. */
size_t lg_rest_max_statements(const struct lg_genesis *g)
{
    const size_t least = (size_t)16 << 20, block = (size_t)g->policy.max_block_bytes;
    return (block > least ? block : least) + SLACK;
}

static void refuse(struct sg_http_request *req, int err)
{
    if (err == SG_EFULL || err == SG_EOVERLOADED || err == SG_ENOMEM)
        sg_http_answer_problem(req, SG_EOVERLOADED, sg_err_text(SG_EOVERLOADED));
    else
        sg_http_answer_problem(req, SG_ENOT_READY, sg_err_text(SG_ENOT_READY));
}

/* Hands the request to a call of the node, which answers it, unless it has parameters. */
static void hand_on(const struct lg_rest *r, struct sg_http_request *req,
    int (*offer)(void *ctx, struct sg_http_request *req))
{
    static const char *const none[] = {NULL};
    const char *which;
    if (sg_http_query_check(req, none, &which) != 0) {
        sg_http_answer_problem(req, SG_EBAD_PARAMETER, "this call has no parameters");
        return;
    }
    const int err = offer(r->config.node->ctx, req);
    if (err != 0)
        refuse(req, err);
}

void lg_rest_post_block(void *ctx, struct sg_http_request *req)
{
    const struct lg_rest *r = ctx;
    hand_on(r, req, r->config.node->offer_block);
}

void lg_rest_post_statements(void *ctx, struct sg_http_request *req)
{
    const struct lg_rest *r = ctx;
    hand_on(r, req, r->config.node->offer_statements);
}

/* A rule's code goes out as it is; all else is refuse()'s. */
void lg_rest_problem(struct sg_http_request *req, int err)
{
    if (err <= SG_ECANONICAL && err != SG_EOVERLOADED)
        sg_http_answer_problem(req, err, sg_err_text(err));
    else
        refuse(req, err);
}

void lg_rest_answer_offer(struct sg_http_request *req, const struct lg_offer *offer, int err)
{
    if (err != 0) {
        lg_rest_problem(req, err);
        return;
    }
    struct sg_buf b;
    sg_buf_init(&b, LG_REST_PAGE_BYTES);
    lg_rest_put_int(&b, "{\"accepted\":", offer->accepted);
    lg_rest_put_int(&b, ",\"known\":", offer->known);
    sg_buf_puts(&b, ",\"rejected\":[");
    for (unsigned i = 0; i < offer->nrejected; i++) {
        sg_buf_puts(&b, i == 0 ? "{\"code\":" : ",{\"code\":");
        lg_rest_put_string(&b, sg_err_code(offer->rejected[i].err));
        lg_rest_put_int(&b, ",\"index\":", offer->rejected[i].index);
        sg_buf_puts(&b, "}");
    }
    sg_buf_puts(&b, "]}");
    sg_http_answer_take(req, 200, "application/json", &b);
    sg_buf_fini(&b);
}

void lg_rest_answer_block(struct sg_http_request *req, enum lg_block_verdict verdict, int err)
{
    static const char *const answers[] = {[LG_BLOCK_ACCEPTED] = "{\"result\":\"accepted\"}",
        [LG_BLOCK_KNOWN] = "{\"result\":\"known\"}",
        [LG_BLOCK_ORPHAN] = "{\"result\":\"orphan\"}"};
    if (err != 0) {
        lg_rest_problem(req, err);
        return;
    }
    struct sg_buf b;
    sg_buf_init(&b, 64);
    sg_buf_puts(&b, answers[verdict]);
    sg_http_answer_take(req, 200, "application/json", &b);
    sg_buf_fini(&b);
}
