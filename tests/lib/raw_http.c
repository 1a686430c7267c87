/* See raw_http.h. */
#include "tests/lib/raw_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t raw_now_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int raw_refusing(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd >= 0 &&
        (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
            bind(fd, (struct sockaddr *)&a, len) != 0 || getsockname(fd, (struct sockaddr *)&a, &len) != 0)) {
        (void)close(fd);
        return -1;
    }
    *port = ntohs(a.sin_port);
    return fd;
}

int raw_dial(uint16_t port, unsigned source)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    from.sin_addr.s_addr = htonl(0x7f000000u + source);
    if (fd >= 0 && ((source && bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0) ||
                       connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

bool raw_send(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;

    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

bool raw_sends(int fd, const char *text)
{
    return raw_send(fd, text, strlen(text));
}

/* One byte; -1 at the end, after an error or after the timeout. Heads are read byte by byte: nothing of a next answer is eaten. */
static int next_byte(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    unsigned char c;

    if (poll(&p, 1, RAW_TIMEOUT_MS) <= 0 || recv(fd, &c, 1, 0) != 1)
        return -1;
    return c;
}

static bool recv_head(int fd, struct raw_answer *a)
{
    size_t n = 0;

    while (n < sizeof(a->head) - 1) {
        int c = next_byte(fd);
        if (c < 0)
            return false;
        a->head[n++] = (char)c;
        a->head[n] = '\0';
        if (n >= 4 && memcmp(a->head + n - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

static void keep(struct raw_answer *a, int c)
{
    if (a->body_len < sizeof(a->body) - 1) {
        a->body[a->body_len] = (char)c;
        a->body[a->body_len + 1] = '\0';
    }
    a->body_len++;
}

/* Of a body whose length is known many bytes at once are none too many. */
static bool recv_counted(int fd, struct raw_answer *a, size_t n)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char piece[4096];

    while (a->body_len < n) {
        size_t left = n - a->body_len;
        ssize_t got = -1;
        if (poll(&p, 1, RAW_TIMEOUT_MS) > 0)
            got = recv(fd, piece, left < sizeof(piece) ? left : sizeof(piece), 0);
        if (got <= 0)
            return false;
        for (ssize_t i = 0; i < got; i++)
            keep(a, piece[i]);
    }
    return true;
}

static bool recv_chunks(int fd, struct raw_answer *a)
{
    for (;;) {
        int c = next_byte(fd);
        if (c < 0)
            return false;
        keep(a, c);
        if (a->body_len >= 5 && a->body_len < sizeof(a->body) &&
            memcmp(a->body + a->body_len - 5, "0\r\n\r\n", 5) == 0)
            return true;
    }
}

void raw_recv(int fd, struct raw_answer *a, bool head_only)
{
    char text[64];
    bool whole;

    memset(a, 0, sizeof(*a));
    if (!recv_head(fd, a) || strncmp(a->head, "HTTP/1.1 ", 9) != 0)
        return;
    int status = atoi(a->head + 9);
    if (head_only || status == 204 || status == 304)
        whole = true;
    else if (strcasecmp(raw_header(a, "Transfer-Encoding", text, sizeof(text)), "chunked") == 0)
        whole = recv_chunks(fd, a);
    else
        whole = recv_counted(
            fd, a, (size_t)strtoul(raw_header(a, "Content-Length", text, sizeof(text)), NULL, 10));
    if (whole)
        a->status = status;
}

bool raw_closed(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char c;

    return poll(&p, 1, RAW_TIMEOUT_MS) == 1 && recv(fd, &c, 1, 0) <= 0;
}

size_t raw_recv_all(int fd, char *dst, size_t size)
{
    size_t n = 0;

    for (int c; (c = next_byte(fd)) >= 0;)
        if (n < size - 1)
            dst[n++] = (char)c;
    dst[n] = '\0';
    return n;
}

const char *raw_header(const struct raw_answer *a, const char *name, char *dst, size_t size)
{
    size_t n = strlen(name);

    dst[0] = '\0';
    for (const char *line = a->head; (line = strstr(line, "\r\n")) != NULL;) {
        line += 2;
        if (strncasecmp(line, name, n) != 0 || line[n] != ':')
            continue;
        const char *value = line + n + 1 + strspn(line + n + 1, " ");
        size_t len = strcspn(value, "\r");
        if (len >= size)
            len = size - 1;
        memcpy(dst, value, len);
        dst[len] = '\0';
        break;
    }
    return dst;
}
