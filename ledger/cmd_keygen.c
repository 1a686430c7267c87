/* ledger keygen: new private keys, never over an existing file. */
#include "ledger/cmd.h"
#include "sg_text.h"

#include <stdio.h>

static int make(const struct lg_cmd *self, const char *path)
{
    struct sg_key *key = NULL;
    struct sg_fault fault = {0};
    uint8_t pub[SG_PUBLIC_KEY_BYTES];
    char kid[LG_KID_HEX + 1], text[SG_BASE64_LEN(SG_PUBLIC_KEY_BYTES) + 1];

    if (sg_key_create(&key, path, &fault) != SG_OK)
        return lg_cmd_failed(self, "%s", fault.text);
    sg_key_public(key, pub);
    lg_kid_hex(kid, lg_kid_of_public(pub));
    sg_base64_encode(text, pub, sizeof(pub));
    printf("%s %s %s\n", kid, text, path);
    sg_key_free(key);
    return SG_EXIT_GOOD;
}

int lg_cmd_keygen(const struct lg_cmd *self, int argc, char **argv)
{
    int result = SG_EXIT_GOOD;

    if (argc == 0)
        return lg_cmd_usage_error(self, "name at least one file");
    for (int i = 0; i < argc; i++)
        if (argv[i][0] == '-')
            return lg_cmd_usage_error(self, "unexpected argument %s", argv[i]);
    for (int i = 0; i < argc && result == SG_EXIT_GOOD; i++)
        result = make(self, argv[i]);
    return result;
}
