/* Which HTTP status an error code is answered with (RFC 9110 section 15).
 *
 * Refused documents and blocks are 422 whatever their rule, as the external contract says; what is wrong with
 * the request itself has its own 4xx; what this process could not do is 5xx. */
#include "sg_http.h"

#include "sg_types.h"

static bool is_rule(int err)
{
    return err <= SG_ECANONICAL && err > -(int)SG_ERR_COUNT;
}

int sg_http_status_of(int err)
{
    static const struct {
        int err, status;
    } table[] = {
        {SG_OK, 200},
        {SG_EBAD_PARAMETER, 400},
        {SG_EINVAL, 400},
        {SG_ENOT_FOUND, 404},
        {SG_EMETHOD, 405},
        {SG_ECONFLICT, 409},
        {SG_EGAP, 409},
        {SG_ETOO_LARGE, 413},
        {SG_EOVERLOADED, 503},
        {SG_ENOT_READY, 503},
        {SG_EFULL, 503},
        {SG_EAGAIN, 503},
        {SG_ETIMEOUT, 503},
        {SG_ESTOPPED, 503},
        {SG_ECLOSED, 503},
    };

    for (size_t i = 0; i < SG_ARRAY_LEN(table); i++)
        if (table[i].err == err)
            return table[i].status;
    return is_rule(err) ? 422 : 500;
}
