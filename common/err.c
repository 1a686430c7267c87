/* The table of errors, read by number and by code.
 *
 * Invariant: one X-macro makes the enum, the codes and the texts, so none can be missing or out of order.
 * Refuses nothing: an unknown number reads as "unknown", an unknown code as SG_EINVAL. */
#include "sg_err.h"

#include <stddef.h>
#include <string.h>

struct row {
    const char *code;
    const char *text;
};

#define ROW(name, code, text) [name##_NO] = {code, text},
static const struct row rows[SG_ERR_COUNT] = {
    [SG_OK_NO] = {"ok", "no error"}, SG_ERR_LOCAL(ROW) SG_ERR_RULES(ROW)};
#undef ROW

static const struct row *row_of(int err)
{
    static const struct row unknown = {"unknown", "an error without a name"};

    return err <= 0 && err > -(int)SG_ERR_COUNT ? &rows[-err] : &unknown;
}

const char *sg_err_code(int err)
{
    return row_of(err)->code;
}

const char *sg_err_text(int err)
{
    return row_of(err)->text;
}

int sg_err_of_code(const char *code)
{
    for (int i = 0; i < (int)SG_ERR_COUNT; i++) {
        if (strcmp(rows[i].code, code) == 0)
            return -i;
    }
    return SG_EINVAL;
}
