/* Which alarms are on.
 *
 * Invariant: a code stands in the table once, from its first raise on; until_ms is 0 exactly while it is on. */
#include "ledger/alarms.h"

#include <stdio.h>
#include <string.h>

#include "sg_err.h"

/* docs/operations.md says what to do about each. */
static const struct known {
    const char *code;
    bool lasts; /* a state, ended by whoever raised it */
    const char *text;
} known[] = {
    {"clock", true, "this gateway does not sign until its clock is trusted again"},
    {"conflict", false, "the own node holds another statement with this number: the key is in use elsewhere"},
    {"deep_reorg", false, "a branch of at least confirm_depth blocks was replaced"},
    {"disk_full", true, "the disk is full: nothing is acknowledged until there is room"},
    {"evidence", false, "a gateway has signed two statements with one number: see /v1/evidence"},
    {"expired", false, "minutes that were read are too old, or too many, to be stated"},
    {"identity", false, "a relay is not the one that the genesis names"},
    {"malformed", false, "a sample differs from what the relay later reported for that instant"},
    {"memory", false, "an allocation failed; it is tried again"},
    {"overflow", false, "a minute found no room and is read again from the relay"},
    {"own_block_invalid", false, "this node mined a block that it would refuse itself"},
    {"second_process", true, "the same key signs somewhere else: this process has stopped signing"},
    {"store_beyond_repair", true, "pages of chain.db are damaged: move it aside and start again"},
    {"store_damaged", true,
        "something stored is not what was written: it is not served until it is put back"},
    {"uncommitted", true, "own minutes are not on the chain after three slots"},
};

static const struct known *known_of(const char *code)
{
    for (size_t i = 0; i < SG_ARRAY_LEN(known); i++)
        if (strcmp(known[i].code, code) == 0)
            return &known[i];
    return NULL;
}

const char *lg_alarm_text(const char *code)
{
    const struct known *k = known_of(code);
    return k != NULL ? k->text : code;
}

static struct lg_alarm *find(struct lg_alarms *a, const char *code)
{
    for (unsigned i = 0; i < a->n; i++)
        if (strcmp(a->v[i].code, code) == 0)
            return &a->v[i];
    return NULL;
}

bool lg_alarms_raise(
    struct lg_alarms *a, struct lg_alarm *out, const char *code, sg_ms wall_ms, sg_ms running_ms)
{
    struct lg_alarm *x = find(a, code);
    if (x == NULL && a->n == LG_MAX_ALARMS)
        return false;
    if (x == NULL) {
        x = &a->v[a->n++];
        *x = (struct lg_alarm){.until_ms = 1}; /* off */
        snprintf(x->code, sizeof x->code, "%s", code);
    }
    const bool was_off = x->until_ms != 0;
    x->count++;
    x->last_ms = running_ms;
    if (was_off) {
        x->since_ms = wall_ms;
        x->until_ms = 0;
        *out = *x;
    }
    return was_off;
}

static void end(struct lg_alarm *x, struct lg_alarm *out, sg_ms wall_ms)
{
    x->until_ms = wall_ms > 0 ? wall_ms : 1;
    *out = *x;
}

bool lg_alarms_end(struct lg_alarms *a, struct lg_alarm *out, const char *code, sg_ms wall_ms)
{
    struct lg_alarm *x = find(a, code);
    if (x == NULL || x->until_ms != 0)
        return false;
    end(x, out, wall_ms);
    return true;
}

bool lg_alarms_quiet(struct lg_alarms *a, struct lg_alarm *out, sg_ms wall_ms, sg_ms running_ms)
{
    for (unsigned i = 0; i < a->n; i++) {
        struct lg_alarm *x = &a->v[i];
        const struct known *k = known_of(x->code);
        if (x->until_ms != 0 || (k != NULL && k->lasts) || running_ms - x->last_ms < LG_ALARM_QUIET_MS)
            continue;
        end(x, out, wall_ms);
        return true;
    }
    return false;
}
