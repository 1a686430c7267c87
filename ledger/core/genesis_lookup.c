/* Questions to a decoded genesis: its lists are strictly increasing by id, so all answers are binary searches. */
#include "ledger/core/parse.h"

#include <string.h>

const struct lg_gateway *lg_genesis_gateway(const struct lg_genesis *g, lg_kid id)
{
    for (unsigned lo = 0, hi = g->ngateways; lo < hi;) {
        unsigned mid = (lo + hi) / 2;

        if (g->gateways[mid].id == id)
            return &g->gateways[mid];
        if (g->gateways[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const struct lg_relay *lg_genesis_relay(const struct lg_genesis *g, const char *id, size_t len)
{
    struct lg_name name = {id, len};

    for (unsigned lo = 0, hi = g->nrelays; lo < hi;) {
        unsigned mid = (lo + hi) / 2;
        int cmp = lg_name_cmp(lg_name_of(g->relays[mid].id), name);

        if (cmp == 0)
            return &g->relays[mid];
        if (cmp < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

bool lg_relay_has_reader(const struct lg_relay *r, lg_kid gw)
{
    if (r->nreaders == 0)
        return true;
    for (unsigned lo = 0, hi = r->nreaders; lo < hi;) {
        unsigned mid = (lo + hi) / 2;

        if (r->readers[mid] == gw)
            return true;
        if (r->readers[mid] < gw)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

unsigned lg_relay_reader_count(const struct lg_genesis *g, const struct lg_relay *r)
{
    return r->nreaders ? r->nreaders : g->ngateways;
}

/* The ten variables of the paper's relay, in the order of its text file. */
const struct lg_profile *lg_profile_paper(void)
{
    static const struct lg_profile paper = {
        .id = "paper",
        .npoints = 10,
        .points = {{"vab", "Vab", "V", LG_AGG_RMS, 3, 0, {0}}, {"vbc", "Vbc", "V", LG_AGG_RMS, 3, 0, {0}},
            {"vca", "Vca", "V", LG_AGG_RMS, 3, 0, {0}}, {"ia", "Ia", "A", LG_AGG_RMS, 3, -3, {0}},
            {"ib", "Ib", "A", LG_AGG_RMS, 3, -3, {0}}, {"ic", "Ic", "A", LG_AGG_RMS, 3, -3, {0}},
            {"f", "F", "Hz", LG_AGG_MEAN, 3, -3, {0}}, {"pf", "FP", "", LG_AGG_PF, 3, -3, {8, 9}},
            {"p", "P", "W", LG_AGG_MEAN, 3, 0, {0}}, {"q", "Q", "var", LG_AGG_MEAN, 3, 0, {0}}},
        .by_name = {6, 3, 4, 5, 8, 7, 9, 0, 1, 2}, /* f ia ib ic p pf q vab vbc vca */
    };

    return &paper;
}
