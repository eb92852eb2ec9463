/*
 * calls-serve --port N: takes connections and ends each at once, by a reset; says how many it had.
 * calls --to A --port N [--ms N] [--at-once N]: opens connections, as many at once as it is told, and ends each as soon as
 * it is there, by a reset: so none lingers. Says how many came about, how many did not, and how long they took.
 */
#include "traffic.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#define AT_ONCE_MOST 64
#define TIMES_MOST 1000000

static void reset(int fd) {
  struct linger now = {.l_onoff = 1};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(fd);
}

int calls_serve(void) {
  int fd = listen_at_port(SOCK_NONBLOCK, 1024);
  long taken = 0;
  ready();
  while (!leash_ended) {
    struct pollfd waiting[] = {{.fd = 0, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    poll(waiting, 2, -1);
    for (int one; (one = accept(fd, NULL, NULL)) >= 0; taken++) reset(one);
    leash_read();
    while (leash_line()) say("{\"taken\":%ld}", taken);
  }
  say("{\"taken\":%ld}", taken);
  return 0;
}

static int by_size(const void *one, const void *other) {
  uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
  return a < b ? -1 : a > b;
}

int calls(void) {
  static uint32_t times[TIMES_MOST];
  struct sockaddr_storage to;
  socklen_t length = address_of(required("to"), atoi(required("port")), &to);
  int at_once = number("at-once", 1);
  if (at_once < 1 || at_once > AT_ONCE_MOST) fail("at-once", 0);
  struct pollfd open[AT_ONCE_MOST];
  uint64_t begun[AT_ONCE_MOST];
  long made = 0, failed = 0;
  int error = 0;
  for (int at = 0; at < at_once; at++) open[at].fd = -1;
  ready();
  uint64_t start = now_us(), until = start + number("ms", 1000) * 1000;
  while (now_us() < until && !leash_ended) {
    for (int at = 0; at < at_once; at++) {
      if (open[at].fd >= 0) continue;
      int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
      must(fd, "socket");
      begun[at] = now_us();
      if (connect(fd, (struct sockaddr *)&to, length) < 0 && errno != EINPROGRESS) {
        error = errno;
        failed++;
        close(fd);
        continue;
      }
      open[at] = (struct pollfd){.fd = fd, .events = POLLOUT};
    }
    poll(open, at_once, 20);
    for (int at = 0; at < at_once; at++) {
      if (open[at].fd < 0 || !open[at].revents) continue;
      int why = 0;
      socklen_t size = sizeof why;
      getsockopt(open[at].fd, SOL_SOCKET, SO_ERROR, &why, &size);
      if (why == 0 || why == ECONNRESET) {
        if (made < TIMES_MOST) times[made] = now_us() - begun[at];
        made++;
      } else {
        error = why;
        failed++;
      }
      reset(open[at].fd);
      open[at].fd = -1;
    }
    leash_read();
  }
  uint64_t took = now_us() - start;
  long known = made < TIMES_MOST ? made : TIMES_MOST;
  qsort(times, known, sizeof *times, by_size);
  say("{\"made\":%ld,\"failed\":%ld,\"error\":\"%s\",\"us\":%llu,\"medianUs\":%u}", made, failed,
      error ? strerrorname_np(error) : "", (unsigned long long)took, known ? times[known / 2] : 0);
  return 0;
}
