/* gateway check FILE: every fault of a configuration, its genesis and its key. Touches no data and no network. */
#include "gateway/cmd.h"
#include "gateway/config.h"
#include "sg_cli.h"

#include <stdio.h>

int gw_cmd_check(const char *path)
{
    struct gw_config *c = NULL;
    struct sg_fault fault = {0};
    int err = gw_config_load(&c, path, &fault);

    if (err && !c)
        (void)fprintf(stderr, "%s\n", fault.text);
    for (size_t i = 0; err && c && i < sg_config_fault_count(c->file); i++)
        (void)fprintf(stderr, "%s\n", sg_config_fault(c->file, i));
    if (!err)
        (void)printf("%s: good\n", path);
    gw_config_free(c);
    return err ? SG_EXIT_USAGE : SG_EXIT_GOOD;
}
