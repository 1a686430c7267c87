/* The listening socket of the HTTP server, made by us so that a busy port is an error that names it. */
#include "common/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 256 };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int address_of(union address *a, socklen_t *len, const char *text, uint16_t port)
{
    memset(a, 0, sizeof(*a));
    if (inet_pton(AF_INET, text, &a->v4.sin_addr) == 1) {
        a->v4.sin_family = AF_INET;
        a->v4.sin_port = htons(port);
        *len = sizeof(a->v4);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1) {
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_port = htons(port);
        *len = sizeof(a->v6);
        return 0;
    }
    return SG_ECONFIG;
}

int sg_http_bind_check(const char *text)
{
    union address a;
    socklen_t len;

    return address_of(&a, &len, text, 0);
}

static int fail(struct sg_fault *fault, int err, const char *bind_to, uint16_t port, const char *what)
{
    fault->err = err;
    (void)snprintf(
        fault->text, sizeof(fault->text), "cannot listen on %s port %u: %s", bind_to, (unsigned)port, what);
    return err;
}

static int bound_port(int fd, uint16_t *port)
{
    union address a;
    socklen_t len = sizeof(a);

    if (getsockname(fd, &a.any, &len) != 0)
        return SG_EIO;
    *port = ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
    return 0;
}

int sg_http_listen(int *fd, uint16_t *port, const char *bind_to, uint16_t want, struct sg_fault *fault)
{
    union address a;
    socklen_t len;
    int one = 1;

    if (address_of(&a, &len, bind_to, want) != 0)
        return fail(fault, SG_ECONFIG, bind_to, want, "not " SG_HTTP_BIND_FORM);
    int sock = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0)
        return fail(fault, SG_EIO, bind_to, want, strerror(errno));
    if (setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 || bind(sock, &a.any, len) != 0 ||
        listen(sock, BACKLOG) != 0 || bound_port(sock, port) != 0) {
        int err = fail(fault, errno == EADDRINUSE ? SG_EADDRINUSE : SG_EIO, bind_to, want, strerror(errno));
        (void)close(sock);
        return err;
    }
    *fd = sock;
    return 0;
}
