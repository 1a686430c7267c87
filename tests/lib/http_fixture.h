/* A server with routes that answer at once, later, early, much or nothing, for tests of its life.
 *
 *   GET /ok "ok" · GET /later kept for http_next_kept · GET /early answered by another thread before the handler
 *   returns · GET /big 16 MiB · GET /broken a failed buffer · POST /echo its body, at most HTTP_BODY_CAP */
#ifndef TESTS_HTTP_FIXTURE_H
#define TESTS_HTTP_FIXTURE_H

#include "sg_http.h"
#include "sg_queue.h"
#include "tests/lib/raw_http.h"

#define HTTP_H     "Host: x\r\n"
#define HTTP_OK    "GET /ok HTTP/1.1\r\n" HTTP_H "\r\n"
#define HTTP_LATER "GET /later HTTP/1.1\r\n" HTTP_H "\r\n"

enum { HTTP_BODY_CAP = 100000 };

struct http_fixture {
    struct sg_http_server *server;
    uint16_t port;
    struct sg_queue *kept; /* requests of /later, for the test's own thread to answer */
};

/* limits: bind, routes and ctx are filled in; limits of time that are 0 are long, for a slow machine. Failures fail the test. */
void http_start(struct http_fixture *f, struct sg_http_server_config limits);
void http_stop(struct http_fixture *f);
int http_dial(const struct http_fixture *f);
/* Status of one exchange on a connection, or on one of its own. */
int http_status_on(int fd, const char *request);
int http_status_of(const struct http_fixture *f, const char *request);
/* GET /ok on a connection of its own is answered 200. For servers whose limit of time is so short that they may close even that one when the
 * machine is slow: then it is tried again. */
bool http_served(const struct http_fixture *f);
/* The next kept request; answer it with http_answer_kept ("late"). */
struct sg_http_request *http_next_kept(struct http_fixture *f);
void http_answer_kept(struct sg_http_request *req);

#endif
