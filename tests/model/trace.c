/* A path of the exploration in words. */
#include "tests/model/explore.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void say(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(text + used, size - used, format, ap);
    va_end(ap);
}

static void say_block(char *text, size_t size, const struct world *w, unsigned n)
{
    const struct mblock *b = &w->b[n];
    say(text, size, "  %s block %u on %u, slot %u, weight %u, sum %u, holds",
        b->rank == RANK_HOSTILE ? "HOSTILE" : "honest ", b->id, w->b[b->parent].id, b->slot, b->weight,
        b->wsum);
    for (unsigned i = 0; i < w->honest; i++) {
        say(text, size, " g%u:%u", i, b->has.cnt[i]);
    }
    if (w->restart != NOT_HERE && b->has.cnt[0] > w->restart && b->has.whole < w->restart) {
        say(text, size, " (g0: statements %u..%u overtaken)", b->has.whole + 1, w->restart);
    }
    say(text, size, "\n");
}

void trace_step(char *text, size_t size, const struct world *before, const struct world *after)
{
    if (after->slot != before->slot) {
        say(text, size, "slot %u\n", after->slot);
    }
    for (unsigned i = 0; i < after->honest; i++) {
        unsigned j = after->slot - 1u;
        bool was = before->slot == after->slot && ((before->gw_signed >> i) & 1);
        if (!was && ((after->gw_signed >> i) & 1)) {
            say(text, size, "  g%u signs %u, tip %u%s%s\n", i, j + 1, after->b[after->stmt_tip[i][j]].id,
                after->since[0][i][j] == NOT_HERE ? ", arrives late" : "",
                i == 0 && after->restart == j ? ", restarted" : "");
        }
    }
    if (after->vote != NO_VOTE && after->phase != before->phase && after->nblocks == before->nblocks) {
        say(text, size, "  hostile gateway says in public: tip %u\n", after->b[after->vote].id);
    }
    if (after->slot != before->slot) {
        return; /* blocks have been forgotten in between */
    }
    for (unsigned n = before->nblocks; n < after->nblocks; n++) {
        say_block(text, size, after, n);
    }
    if (after->tip[0] != before->tip[0]) {
        unsigned fork = world_fork(after, before->tip[0], after->tip[0]);
        say(text, size, "  tip %u -> %u, %u off\n", after->b[before->tip[0]].id, after->b[after->tip[0]].id,
            after->b[before->tip[0]].height - after->b[fork].height);
    }
}
