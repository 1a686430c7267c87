/* The HTTP status of every error code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sg_http.h"

/* The status of each kind of error. */
static void status_of_error_follows_the_contract(void **state)
{
    static const struct {
        int err, status;
    } cases[] = {
        {SG_OK, 200},
        {SG_EBAD_PARAMETER, 400},
        {SG_ENOT_FOUND, 404},
        {SG_EMETHOD, 405},
        {SG_ECONFLICT, 409},
        {SG_EGAP, 409},
        {SG_ETOO_LARGE, 413},
        {SG_ECANONICAL, 422},
        {SG_ESHAPE, 422},
        {SG_ESIZE, 422},
        {SG_EAGGREGATE, 422},
        {SG_EFUTURE, 422},
        {SG_EOVERLOADED, 503},
        {SG_ENOT_READY, 503},
        {SG_EIO, 500},
        {SG_ENOMEM, 500},
        {1, 500},
        {-100000, 500},
    };

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++)
        assert_int_equal(sg_http_status_of(cases[i].err), cases[i].status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_of_error_follows_the_contract),
    };

    return cmocka_run_group_tests_name("http_server_status", tests, NULL, NULL);
}
