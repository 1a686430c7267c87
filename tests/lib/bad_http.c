/* See bad_http.h. A failure of the server itself aborts the test program. */
#include "tests/lib/bad_http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/raw_http.h"

enum { MAX_CONNS = 256, REQUEST_MAX = 65536 };

struct conn {
    struct bad_http *server;
    pthread_t thread;
    int fd;
};

struct bad_http {
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct conn conns[MAX_CONNS];
    int nconns, secret_hits, together;
};

static bool put_body(int fd, int status, const char *body, size_t n)
{
    char head[128];

    (void)snprintf(head, sizeof(head), "HTTP/1.1 %d Text\r\nContent-Length: %zu\r\n\r\n", status, n);
    return raw_sends(fd, head) && raw_send(fd, body, n);
}

/* ---- behaviours: true keeps the connection ---- */

static void for_ever(int fd, const char *head, const char *piece)
{
    bool good = raw_sends(fd, head);

    while (good)
        good = raw_sends(fd, piece);
}

static void drip(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (!raw_sends(fd, "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"))
        return;
    while (poll(&p, 1, 20) == 0 && raw_sends(fd, "x"))
        ;
}

static void until_closed(int fd)
{
    char c;

    while (recv(fd, &c, 1, 0) > 0)
        ;
}

static bool length(int fd, size_t n)
{
    char *body = malloc(n + 1);

    assert(body);
    memset(body, 'x', n + 1);
    bool good = put_body(fd, 200, body, n);
    free(body);
    return good;
}

static bool chunks(int fd, size_t n)
{
    bool good = raw_sends(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");

    for (; good && n > 0; n--)
        good = raw_sends(fd, "1\r\nx\r\n");
    return good && raw_sends(fd, "0\r\n\r\n");
}

static bool together(struct conn *c, int wanted)
{
    struct bad_http *s = c->server;

    pthread_mutex_lock(&s->lock);
    s->together++;
    pthread_cond_broadcast(&s->changed);
    while (s->together < wanted)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    return put_body(c->fd, 200, "ok", 2);
}

static bool secret(struct conn *c)
{
    pthread_mutex_lock(&c->server->lock);
    c->server->secret_hits++;
    pthread_mutex_unlock(&c->server->lock);
    return put_body(c->fd, 200, "secret", 6);
}

static bool status(int fd, const char *number)
{
    return put_body(fd, atoi(number), number, strlen(number));
}

/* Paths whose answer is a fixed text; the connection is closed afterwards. */
static const char *fixed(const char *path)
{
    static const struct {
        const char *path, *answer;
    } table[] = {
        {"/redirect", "HTTP/1.1 302 Found\r\nLocation: /secret\r\nContent-Length: 0\r\n\r\n"},
        {"/file", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"},
        {"/cut", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"},
        {"/gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08!"},
        {"/garbage", "hello\r\n\r\n"},
        {"/version", "HTTP/7.3 200 OK\r\nContent-Length: 2\r\n\r\nok"},
        {"/close", ""},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        if (strcmp(table[i].path, path) == 0)
            return table[i].answer;
    return NULL;
}

static bool endless(int fd, const char *path)
{
    if (strcmp(path, "/endless") == 0)
        for_ever(fd, "HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef");
    else if (strcmp(path, "/endless-chunks") == 0)
        for_ever(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "8\r\n01234567\r\n");
    else if (strcmp(path, "/endless-headers") == 0)
        for_ever(fd, "HTTP/1.1 200 OK\r\n", "X-Name: value\r\n");
    else if (strcmp(path, "/endless-continue") == 0)
        for_ever(fd, "", "HTTP/1.1 100 Continue\r\n\r\n");
    else
        return false;
    return true;
}

static bool behave(struct conn *c, const char *path, const char *request, size_t n)
{
    const char *text = fixed(path);

    if (text) {
        (void)raw_sends(c->fd, text);
        return false;
    }
    if (endless(c->fd, path))
        return false;
    if (strcmp(path, "/echo") == 0)
        return put_body(c->fd, 200, request, n);
    if (strcmp(path, "/secret") == 0)
        return secret(c);
    if (strncmp(path, "/status/", 8) == 0)
        return status(c->fd, path + 8);
    if (strncmp(path, "/length/", 8) == 0)
        return length(c->fd, (size_t)atol(path + 8));
    if (strncmp(path, "/chunks/", 8) == 0)
        return chunks(c->fd, (size_t)atol(path + 8));
    if (strncmp(path, "/together/", 10) == 0)
        return together(c, atoi(path + 10));
    if (strcmp(path, "/more") == 0)
        return raw_sends(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345678901234567890");
    if (strcmp(path, "/drip") == 0)
        drip(c->fd);
    if (strcmp(path, "/drip") == 0 || strcmp(path, "/silent") == 0) {
        until_closed(c->fd);
        return false;
    }
    return put_body(c->fd, 200, "ok", 2);
}

/* ---- connections ---- */

static size_t body_length(const char *head)
{
    const char *p = strstr(head, "Content-Length: ");

    return p ? (size_t)atol(p + 16) : 0;
}

/* One request, head and body, NUL-terminated. 0 at the end. */
static size_t read_request(int fd, char *dst)
{
    size_t n = 0;

    while (n < REQUEST_MAX) {
        if (recv(fd, dst + n, 1, 0) != 1)
            return 0;
        dst[++n] = '\0';
        char *end = strstr(dst, "\r\n\r\n");
        if (end && n == (size_t)(end - dst) + 4 + body_length(dst))
            return n;
    }
    return 0;
}

static void *conn_main(void *arg)
{
    struct conn *c = arg;
    char *request = malloc(REQUEST_MAX + 1);
    char path[64];
    bool kept = true;

    assert(request);
    while (kept) {
        size_t n = read_request(c->fd, request);
        kept = n > 0 && sscanf(request, "%*s %63s", path) == 1 && behave(c, path, request, n);
    }
    free(request);
    (void)shutdown(c->fd, SHUT_RDWR); /* closed by bad_http_stop */
    return NULL;
}

static void *accept_main(void *arg)
{
    struct bad_http *s = arg;

    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&s->lock);
        assert(s->nconns < MAX_CONNS);
        struct conn *c = &s->conns[s->nconns++];
        c->server = s;
        c->fd = fd;
        int err = pthread_create(&c->thread, NULL, conn_main, c);
        assert(err == 0);
        pthread_mutex_unlock(&s->lock);
    }
}

struct bad_http *bad_http_start(void)
{
    struct bad_http *s = calloc(1, sizeof(*s));
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof(a);

    assert(s);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    int err = bind(s->listener, (struct sockaddr *)&a, len);
    err = err ? err : listen(s->listener, MAX_CONNS);
    err = err ? err : getsockname(s->listener, (struct sockaddr *)&a, &len);
    err = err ? err : pthread_create(&s->thread, NULL, accept_main, s);
    assert(err == 0);
    s->port = ntohs(a.sin_port);
    return s;
}

void bad_http_stop(struct bad_http *s)
{
    (void)shutdown(s->listener, SHUT_RDWR); /* wakes accept */
    pthread_join(s->thread, NULL);
    (void)close(s->listener);
    pthread_mutex_lock(&s->lock);
    s->together = 1 << 20;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < s->nconns; i++) {
        (void)shutdown(s->conns[i].fd, SHUT_RDWR);
        pthread_join(s->conns[i].thread, NULL);
        (void)close(s->conns[i].fd);
    }
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

uint16_t bad_http_port(const struct bad_http *s)
{
    return s->port;
}

int bad_http_connections(struct bad_http *s)
{
    pthread_mutex_lock(&s->lock);
    int n = s->nconns;
    pthread_mutex_unlock(&s->lock);
    return n;
}

int bad_http_secret_hits(struct bad_http *s)
{
    pthread_mutex_lock(&s->lock);
    int n = s->secret_hits;
    pthread_mutex_unlock(&s->lock);
    return n;
}
