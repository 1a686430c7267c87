/* What the two files of the HTTP client share; nobody else includes it. */
#ifndef SG_COMMON_HTTP_CLIENT_H
#define SG_COMMON_HTTP_CLIENT_H

#include <curl/curl.h>

#include "sg_http.h"

/* One call on its way. */
struct sg_http_transfer {
    struct sg_http_transfer *next, *prev;
    CURL *easy;
    struct curl_slist *headers;
    char *post; /* copy */
    struct sg_http_answer answer;
    size_t header_bytes; /* of all answers of this transfer, interim ones too */
    bool too_large;
    sg_http_done_fn *done;
    void *ctx;
};

/* A transfer ready to be added to a multi handle. SG_EINVAL: no http(s) URL or a bad limit; SG_ENOMEM. */
SG_MUST_USE int sg_http_transfer_new(struct sg_http_transfer **out, const struct sg_http_call *call);
void sg_http_transfer_free(struct sg_http_transfer *t);
/* Fill answer.err and answer.status from curl's verdict. */
void sg_http_transfer_finish(struct sg_http_transfer *t, CURLcode code);

#endif
