/* A raw HTTP client for tests of servers: bytes go out as they are, answers come back taken apart.
 * Every wait ends after RAW_TIMEOUT_MS. */
#ifndef TESTS_RAW_HTTP_H
#define TESTS_RAW_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_TIMEOUT_MS 60000

struct raw_answer {
    int status;       /* 0: the connection ended before a whole answer */
    char head[8192];  /* status line and headers, NUL-terminated */
    char body[16384]; /* NUL-terminated; what does not fit is counted only */
    size_t body_len;
};

/* A connection to 127.0.0.1:port, from 127.0.0.source (0: any). -1 when it fails. */
int raw_dial(uint16_t port, unsigned source);
/* All n bytes; false when the other end has closed. */
bool raw_send(int fd, const void *bytes, size_t n);
bool raw_sends(int fd, const char *text);
/* One answer: by Content-Length, by chunks (kept undecoded), or without a body (204, 304, head_only). */
void raw_recv(int fd, struct raw_answer *a, bool head_only);
/* True when the other end closes (or resets) before sending anything more. */
bool raw_closed(int fd);
/* Everything until the other end closes, cut to size - 1 and NUL-terminated; returns the number kept. */
size_t raw_recv_all(int fd, char *dst, size_t size);
/* Value of a header of the answer copied to dst ("" when absent). */
const char *raw_header(const struct raw_answer *a, const char *name, char *dst, size_t size);
int64_t raw_now_ms(void);
/* A socket that holds a port of 127.0.0.1 and never listens: connecting to it is refused, and nobody else is given the port. A server that
 * shares addresses (SO_REUSEADDR) may listen there. close() it. -1 when it fails. */
int raw_refusing(uint16_t *port);

#endif
