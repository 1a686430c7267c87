/* The table of errors: numbers, codes and texts belong together. */
#include "sg_err.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Every number has a code that leads back to the same number. */
static void err_each_number_round_trips(void **state)
{
    (void)state;
    for (int i = 0; i < (int)SG_ERR_COUNT; i++)
        assert_int_equal(sg_err_of_code(sg_err_code(-i)), -i);
}

/* A code is what a REST answer and a log may carry: lower-case letters and underscores; a text is a sentence. */
static void err_each_code_is_a_word_and_has_a_text(void **state)
{
    (void)state;
    for (int i = 0; i < (int)SG_ERR_COUNT; i++) {
        const char *code = sg_err_code(-i);

        assert_true(strlen(code) > 0);
        for (const char *p = code; *p; p++)
            assert_true(islower((unsigned char)*p) || *p == '_');
        assert_true(strlen(sg_err_text(-i)) > 5);
    }
}

/* The codes that SPEC names read exactly so, whatever else is added to the table. */
static void err_contract_codes_read_as_published(void **state)
{
    static const struct {
        int err;
        const char *code;
    } rows[] = {{SG_OK, "ok"}, {SG_ECANONICAL, "canonical"}, {SG_ESHAPE, "shape"},
        {SG_EDUPLICATE_BODY, "duplicate_body"}, {SG_EUNKNOWN_GATEWAY, "unknown_gateway"},
        {SG_ESTATEMENT_CHAIN, "statement_chain"}, {SG_EREAD_MISMATCH, "read_mismatch"},
        {SG_EFUTURE, "future"}, {SG_ETOO_LARGE, "too_large"}, {SG_EBAD_PARAMETER, "bad_parameter"},
        {SG_ENOT_READY, "not_ready"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(sg_err_code(rows[i].err), rows[i].code);
}

/* Numbers that are no error read as "unknown" and never out of the table. */
static void err_foreign_number_is_unknown(void **state)
{
    static const int foreign[] = {1, INT_MAX, -(int)SG_ERR_COUNT, INT_MIN};

    (void)state;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        assert_string_equal(sg_err_code(foreign[i]), "unknown");
        assert_non_null(sg_err_text(foreign[i]));
    }
}

/* A text that is no code, a prefix or another case included, is SG_EINVAL. */
static void err_foreign_code_is_invalid(void **state)
{
    (void)state;
    assert_int_equal(sg_err_of_code(""), SG_EINVAL);
    assert_int_equal(sg_err_of_code("canon"), SG_EINVAL);
    assert_int_equal(sg_err_of_code("Canonical"), SG_EINVAL);
    assert_int_equal(sg_err_of_code("unknown"), SG_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_each_number_round_trips),
        cmocka_unit_test(err_each_code_is_a_word_and_has_a_text),
        cmocka_unit_test(err_contract_codes_read_as_published),
        cmocka_unit_test(err_foreign_number_is_unknown),
        cmocka_unit_test(err_foreign_code_is_invalid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
