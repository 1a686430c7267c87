/* bin/ledger: a ledger node without relays, and the auditor's and administrator's tool. */
#include "ledger/cmd.h"

#include <stdio.h>
#include <string.h>

static const struct lg_cmd commands[] = {
    {"keygen", "FILE…", "make Ed25519 keys; prints key id and public key of each", lg_cmd_keygen},
    {"init", "--from PLAN.json --out GENESIS.json", "make a genesis from keys, relays and profiles",
        lg_cmd_init},
    {"node", "--config FILE", "run a ledger node", lg_cmd_node},
    {"verify", "(--data DIR | --url URL) [--genesis FILE]", "verify a whole chain; says the first fault",
        lg_cmd_verify},
    {"tip", "--genesis FILE --data DIR", "where the chain in a folder stands, as JSON", lg_cmd_tip},
    {"proof", "RELAY MINUTE [--url URL]", "fetch the proof of a minute", lg_cmd_proof},
    {"verify-proof", "FILE --genesis FILE", "verify the proof of a minute, offline", lg_cmd_verify_proof},
    {"export", "(--csv | --json) [--relay ID] [--url URL] [--from TIME] [--to TIME]",
        "write minutes as a table", lg_cmd_export},
};

static void print_help(FILE *to)
{
    fprintf(to, "usage: ledger COMMAND …\n\n");
    for (size_t i = 0; i < SG_ARRAY_LEN(commands); i++)
        fprintf(to, "  ledger %s %s\n      %s\n", commands[i].name, commands[i].usage, commands[i].summary);
    fprintf(to, "\n  ledger --help | --version\n\nExit codes: 0 good, 1 failed or invalid, 2 usage or "
                "configuration.\n");
}

static int dispatch(int argc, char **argv)
{
    if (argc == 2 &&
        (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)) {
        print_help(stdout);
        return SG_EXIT_GOOD;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("ledger %s\n", SG_VERSION);
        return SG_EXIT_GOOD;
    }
    for (size_t i = 0; argc > 1 && i < SG_ARRAY_LEN(commands); i++) {
        const struct lg_cmd *c = &commands[i];
        if (strcmp(argv[1], c->name) != 0)
            continue;
        if (argc == 3 && strcmp(argv[2], "--help") == 0) {
            printf("usage: ledger %s %s\n%s\n", c->name, c->usage, c->summary);
            return SG_EXIT_GOOD;
        }
        return c->run(c, argc - 2, argv + 2);
    }
    if (argc > 1)
        fprintf(stderr, "ledger: no such command: %s\n", argv[1]);
    print_help(stderr);
    return SG_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    sg_cli_init();
    return sg_cli_end("ledger", dispatch(argc, argv));
}
