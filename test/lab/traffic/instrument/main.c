/*
 * Sends, receives and watches packets for tests: one static program that needs nothing where it runs, so
 * that it goes into any network namespace, container or virtual machine.
 *
 *   traffic COMMAND [--net PATH] [--name value …]
 *
 * --net is the network namespace to be in. Every answer is a line of JSON; the first says that work has
 * begun, the last what came of it. It stops when its standard input ends, so it never outlives its test.
 */
#include "traffic.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>

static int arguments;
static char **argument;

const char *option(const char *name, const char *otherwise) {
  for (int at = 2; at + 1 < arguments; at += 2) {
    if (strncmp(argument[at], "--", 2) == 0 && strcmp(argument[at] + 2, name) == 0) return argument[at + 1];
  }
  return otherwise;
}

const char *required(const char *name) {
  const char *value = option(name, NULL);
  if (!value) fail(name, 0);
  return value;
}

long number(const char *name, long otherwise) {
  const char *value = option(name, NULL);
  return value ? strtol(value, NULL, 10) : otherwise;
}

int list_of(const char *name, long *into, int most) {
  int count = 0;
  for (const char *text = option(name, ""); *text && count < most; count++) {
    char *end;
    into[count] = strtol(text, &end, 10);
    text = *end == ',' ? end + 1 : end;
    if (*end && *end != ',') fail(name, 0);
  }
  return count;
}

void say(const char *format, ...) {
  va_list list;
  va_start(list, format);
  vprintf(format, list);
  va_end(list);
  putchar('\n');
  fflush(stdout);
}

void fail(const char *what, int with_errno) {
  int error = errno;
  say("{\"error\":\"%s%s%s\"}", what, with_errno ? ": " : "", with_errno ? strerrorname_np(error) : "");
  exit(1);
}

void must(int result, const char *what) {
  if (result < 0) fail(what, 1);
}

void ready(void) { say("{\"ready\":true}"); }

uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

int leash_ended;
static char leash[1 << 20];
static size_t leash_filled, leash_taken;

void leash_read(void) {
  struct pollfd waiting = {.fd = 0, .events = POLLIN};
  while (!leash_ended && leash_filled < sizeof leash && poll(&waiting, 1, 0) > 0) {
    ssize_t size = read(0, leash + leash_filled, sizeof leash - leash_filled);
    if (size > 0) leash_filled += size;
    else if (size == 0 || errno != EINTR) leash_ended = 1;
  }
}

char *leash_line(void) {
  char *end = memchr(leash + leash_taken, '\n', leash_filled - leash_taken);
  if (!end) {
    memmove(leash, leash + leash_taken, leash_filled - leash_taken);
    leash_filled -= leash_taken;
    leash_taken = 0;
    if (leash_filled == sizeof leash) fail("a line that is too long", 0);
    return NULL;
  }
  *end = 0;
  char *line = leash + leash_taken;
  leash_taken = end + 1 - leash;
  return line;
}

uint8_t pattern[2 * PATTERN_SIZE];

void make_pattern(void) {
  uint32_t state = 2463534242;
  for (size_t at = 0; at < PATTERN_SIZE; at++) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    pattern[at] = pattern[at + PATTERN_SIZE] = state >> 11;
  }
}

uint32_t crc_of(const uint8_t *bytes, size_t size) {
  static uint32_t table[256];
  if (!table[1]) {
    for (uint32_t at = 0; at < 256; at++) {
      uint32_t value = at;
      for (int bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ value >> 1 : value >> 1;
      table[at] = value;
    }
  }
  uint32_t crc = ~0u;
  while (size--) crc = table[(crc ^ *bytes++) & 255] ^ crc >> 8;
  return ~crc;
}

static const struct {
  const char *name;
  int (*run)(void);
} commands[] = {
    {"calls", calls},         {"calls-serve", calls_serve}, {"capture", capture},     {"inject", inject},     {"ping", ping},
    {"tcp-serve", tcp_serve}, {"tcp-client", tcp_client},   {"udp-serve", udp_serve}, {"udp-send", udp_send},
};

int main(int count, char **values) {
  arguments = count;
  argument = values;
  signal(SIGPIPE, SIG_IGN);
  const char *net = option("net", NULL);
  if (net) {
    int fd = open(net, O_RDONLY | O_CLOEXEC);
    must(fd, net);
    must(setns(fd, CLONE_NEWNET), "setns");
    close(fd);
  }
  make_pattern();
  for (size_t at = 0; at < sizeof commands / sizeof *commands; at++) {
    if (count > 1 && strcmp(values[1], commands[at].name) == 0) return commands[at].run();
  }
  fail("no such command", 0);
}
