/* Depth first over all that can happen: a slot goes
 *
 *   SIGN  the gateways sign one by one, with releases before, between and after
 *   TURN  the hostile gateway has said something in public or not; releases; then the miners' turns come and honest ones react
 *   POST  releases, each followed by what honest miners do about it; what was late arrives; the slot ends
 */
#include "tests/model/explore.h"

#include <stdio.h>
#include <string.h>

enum phase { SIGN, TURN, POST };

struct search {
    const struct bounds *b;
    struct findings *out;
    struct visited *seen;
    const struct world *path[MODEL_MAX_PATH];
    unsigned n;
};

static void visit(struct search *s, const struct world *w);

static void note(struct search *s, enum figure f, unsigned value, const struct world *last)
{
    struct findings *out = s->out;
    if (value <= out->worst[f]) {
        return;
    }
    out->worst[f] = value;
    out->trace[f][0] = '\0';
    for (unsigned i = 1; i < s->n; i++) {
        trace_step(out->trace[f], MODEL_TRACE, s->path[i - 1], s->path[i]);
    }
    trace_step(out->trace[f], MODEL_TRACE, s->path[s->n - 1], last);
}

static void note_moved(struct search *s, struct moved m, const struct world *last)
{
    note(s, FIGURE_DEPTH, m.depth, last);
    note(s, FIGURE_HONEST, m.honest, last);
}

/* ---- the end of a slot ---- */

static void judge_off(struct search *s, const struct world *w)
{
    for (unsigned i = 0; i < w->honest; i++) {
        for (unsigned j = 0; j < w->slot; j++) {
            uint8_t since = w->since[0][i][j];
            bool dead = i == 0 && j < w->restart &&
                        j < w->b[w->tip[0]].has.cnt[0]; /* overtaken: its pairs are restated */
            if (since < FORGOTTEN && !dead && !world_included(w, &w->b[w->tip[0]].has, i, j)) {
                note(s, FIGURE_OFF, w->slot - since + 1u, w);
            }
        }
    }
}

static void next_slot(struct world *w)
{
    w->slot++;
    w->phase = SIGN;
    w->batches = 0;
    w->gw_signed = 0;
    w->vote = w->heard = NO_VOTE;
}

/* The adversary falls silent: is all on the chain after a few slots? */
static void judge_lost(struct search *s, const struct world *end)
{
    struct world w = *end;
    const struct rules *r = &s->b->rules;
    for (unsigned q = 0; q < MODEL_QUIET; q++) {
        next_slot(&w);
        for (unsigned i = 0; i < w.honest; i++) {
            honest_sign(&w, r, 0, i, false);
        }
        (void)honest_react(&w, r, 0);
    }
    for (unsigned i = 0; i < w.honest; i++) {
        if (!honest_all_pairs(&w, 0, i, w.slot)) {
            note(s, FIGURE_LOST, 1, end);
        }
    }
}

static void end_slot(struct search *s, const struct world *w)
{
    struct world next = *w;
    honest_arrive(&next, 0);
    note_moved(s, honest_react(&next, &s->b->rules, 0), &next);
    judge_off(s, &next);
    if (next.slot == s->b->slots || s->b->restart) {
        judge_lost(s, &next);
    }
    if (next.slot < s->b->slots) {
        next_slot(&next);
        reduce(&next, s->b->branch * (next.honest + 1u));
        visit(s, &next);
    }
}

/* ---- moves ---- */

static void released(void *arg, const struct world *w)
{
    struct search *s = arg;
    struct world next = *w;
    next.batches++;
    next.releases = (uint8_t)(next.releases + (s->b->releases != 0));
    note_moved(s, world_adopt(&next, &s->b->rules, 0), &next);
    if (next.phase == POST) {
        note_moved(s, honest_react(&next, &s->b->rules, 0), &next);
    }
    visit(s, &next);
}

static void sign(struct search *s, const struct world *w, unsigned gw)
{
    for (unsigned late = 0; late < (s->b->rules.prompt ? 1u : 2u); late++) {
        for (unsigned restart = 0; restart < (gw == 0 && s->b->restart && w->restart == NOT_HERE ? 2u : 1u);
             restart++) {
            struct world next = *w;
            if (restart) {
                next.restart = (uint8_t)(w->slot - 1u);
            }
            honest_sign(&next, &s->b->rules, 0, gw, late);
            visit(s, &next);
        }
    }
}

/* All have signed: what does the hostile gateway say in public? */
static void say(struct search *s, const struct world *w)
{
    const uint8_t tips[] = {NO_VOTE, 0, w->tip[0]};
    for (unsigned i = 0; i < (s->b->plan != PLAN_ANY ? 1u : w->tip[0] == 0 || s->b->coarse ? 2u : 3u); i++) {
        struct world next = *w;
        next.phase = TURN;
        next.vote = tips[i];
        next.heard = next.heard == NO_VOTE ? next.vote : next.heard;
        visit(s, &next);
    }
}

static void sign_moves(struct search *s, const struct world *w)
{
    if (w->gw_signed == (1u << w->honest) - 1) {
        say(s, w);
        return;
    }
    for (unsigned i = 0; i < w->honest; i++) {
        if (!((w->gw_signed >> i) & 1)) {
            sign(s, w, i);
        }
    }
}

static void turn(struct search *s, const struct world *w)
{
    struct world next = *w;
    next.phase = POST;
    note_moved(s, honest_react(&next, &s->b->rules, 0), &next);
    visit(s, &next);
}

static void moves(struct search *s, const struct world *w)
{
    bool some_signed = w->phase == SIGN && w->gw_signed != 0;
    bool may = s->b->releases == 0 || w->releases < s->b->releases;
    may = may && !(s->b->plan != PLAN_ANY && (w->phase != SIGN || w->gw_signed != 0));
    if (may && w->batches < s->b->batches && (s->b->split_votes || !some_signed)) {
        hostile_releases(w, s->b, released, s);
    }
    switch ((enum phase)w->phase) {
    case SIGN:
        sign_moves(s, w);
        break;
    case TURN:
        turn(s, w);
        break;
    case POST:
        end_slot(s, w);
        break;
    }
}

static void visit(struct search *s, const struct world *w)
{
    s->out->moves++;
    if (s->b->max_states != 0 && visited_count(s->seen) >= s->b->max_states) {
        s->out->complete = false;
        return;
    }
    if (s->n == MODEL_MAX_PATH || w->nblocks + 8 >= MODEL_BLOCKS) {
        s->out->complete = false;
        return;
    }
    if (!visited_put(s->seen, w, !s->b->restart)) {
        return;
    }
    s->path[s->n++] = w;
    moves(s, w);
    s->n--;
}

void explore(struct findings *out, const struct bounds *bounds)
{
    struct search s = {.b = bounds, .out = out, .seen = visited_new(), .n = 0};
    struct world start;
    memset(out, 0, sizeof *out);
    out->complete = true;
    world_init(&start, 3, 1);
    next_slot(&start);
    struct world before = start;
    before.slot = 0;
    s.path[s.n++] = &before;
    visit(&s, &start);
    out->states = visited_count(s.seen);
    visited_free(s.seen);
}
