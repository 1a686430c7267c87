/* modbus_read HOST PORT UNIT FUNCTION ADDRESS COUNT: one read by libmodbus's own client, a register a line.
 *
 * Exit: 0 read, 1 refused or failed (the reason on standard error), 2 usage. */
#include <modbus.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_and_print(modbus_t *ctx, char **argv)
{
    uint16_t regs[MODBUS_MAX_READ_REGISTERS];
    int address = atoi(argv[5]), count = atoi(argv[6]);

    if (modbus_set_slave(ctx, atoi(argv[3])) != 0 || modbus_connect(ctx) != 0)
        return -1;
    int got = strcmp(argv[4], "4") == 0 ? modbus_read_input_registers(ctx, address, count, regs)
                                        : modbus_read_registers(ctx, address, count, regs);
    for (int i = 0; i < got; i++)
        (void)printf("%u\n", regs[i]);
    return got == count ? 0 : -1;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        (void)fputs("usage: modbus_read HOST PORT UNIT FUNCTION ADDRESS COUNT\n", stderr);
        return 2;
    }
    modbus_t *ctx = modbus_new_tcp(argv[1], atoi(argv[2]));
    if (!ctx)
        return 1;
    int failed = read_and_print(ctx, argv);
    if (failed)
        (void)fprintf(stderr, "%s\n", modbus_strerror(errno));
    modbus_close(ctx);
    modbus_free(ctx);
    return failed ? 1 : 0;
}
