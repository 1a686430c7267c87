/* See large_offers.h. A place is 1 and more, 0 that of what is small. An address that cannot be told is one like any other. */
#include "ledger/large_offers.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int lg_large_offers_begin(struct lg_large_offers *o, unsigned *place, const char *address, size_t len)
{
    char key[SG_HTTP_ADDRESS + 1];
    unsigned at = 0;

    if (len <= LG_LARGE_OFFER) {
        *place = 0;
        return SG_OK;
    }
    (void)snprintf(key, sizeof(key), "@%s", address);
    for (unsigned i = 0; i < LG_LARGE_OFFERS; i++) {
        if (strcmp(o->address[i], key) == 0)
            return SG_EOVERLOADED;
        if (o->address[i][0] == '\0' && at == 0)
            at = i + 1;
    }
    if (at == 0)
        return SG_EOVERLOADED;
    memcpy(o->address[at - 1], key, sizeof(key));
    *place = at;
    return SG_OK;
}

void lg_large_offers_end(struct lg_large_offers *o, unsigned place)
{
    if (place == 0)
        return;
    assert(place <= LG_LARGE_OFFERS && o->address[place - 1][0] != '\0');
    o->address[place - 1][0] = '\0';
}
