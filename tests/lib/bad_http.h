/* An HTTP server that misbehaves, one way per path, for tests of clients. A thread per connection; everything ends with
 * bad_http_stop. Paths:
 *
 *   /ok             200, Content-Length, "ok", connection kept
 *   /echo           200, the request's own head and body
 *   /status/NNN     that status with a body "NNN"
 *   /redirect       302 to /secret of the same server      /file  302 to file:///etc/passwd
 *   /secret         200 "secret" (bad_http_hits counts it)
 *   /length/N       200 with N bytes 'x' by Content-Length  /chunks/N  the same in chunks
 *   /endless        a body without length, for ever         /endless-chunks, /endless-headers, /endless-continue
 *   /drip           a byte of the body every 20 ms, for ever
 *   /silent         nothing                                 /close  closes at once
 *   /cut            Content-Length 10, 5 bytes, closes      /more   Content-Length 10, 20 bytes
 *   /gzip           Content-Encoding gzip, 4 bytes that are no gzip
 *   /garbage        no HTTP                                 /version  HTTP/7.3 200
 *   /together/N     answers when N such requests are waiting */
#ifndef TESTS_BAD_HTTP_H
#define TESTS_BAD_HTTP_H

#include <stdint.h>

struct bad_http;

struct bad_http *bad_http_start(void);
void bad_http_stop(struct bad_http *s);
uint16_t bad_http_port(const struct bad_http *s);
int bad_http_connections(struct bad_http *s); /* accepted so far */
int bad_http_secret_hits(struct bad_http *s);

#endif
