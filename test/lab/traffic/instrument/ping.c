/*
 * ping --to A [--every-us N] [--count N] [--answers N] [--size N] [--fragments W] [--wait-ms N] [--source A]
 * [--link L] [--ttl N]: ICMP echo at a steady pace, whatever comes back. Counts what is lost and when, and the longest silence.
 * Ends with the last of so many answers, if that is asked for.
 */
#include "traffic.h"
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/uio.h>

#define SENT_MOST 2000000
#define HEAD 8

struct pulse {
  uint64_t sent_us;
  uint32_t rtt_us; /* 0: not answered */
};

static struct pulse *pulses;
static long sent, received, duplicates, damaged;
static uint64_t begun_us, heard_us, silence_us, silence_from_us;
static int family, lowest_ttl = 256, highest_ttl = -1;
static uint16_t identity;
static long size;

static uint16_t checksum(const uint8_t *bytes, size_t length) {
  uint32_t sum = 0;
  for (size_t at = 0; at + 1 < length; at += 2) sum += bytes[at] << 8 | bytes[at + 1];
  if (length % 2) sum += bytes[length - 1] << 8;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons(~sum);
}

/* Sequence numbers have 16 bits; the answer is to the youngest that fits. */
static long whole_sequence(uint16_t low) {
  long guess = (sent & ~0xffffL) | low;
  return guess < sent ? guess : guess - 65536;
}

static void transmit(int fd) {
  static uint8_t bytes[HEAD + 65536];
  bytes[0] = family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
  bytes[1] = bytes[2] = bytes[3] = 0;
  bytes[4] = identity >> 8, bytes[5] = identity;
  bytes[6] = sent >> 8, bytes[7] = sent;
  memcpy(bytes + HEAD, pattern + sent % 251, size);
  if (family == AF_INET) {
    uint16_t sum = checksum(bytes, HEAD + size);
    memcpy(bytes + 2, &sum, 2);
  }
  pulses[sent].sent_us = now_us();
  pulses[sent].rtt_us = 0;
  sent++;
  if (send(fd, bytes, HEAD + size, MSG_DONTWAIT) < 0) {
    int error = errno, known = returned_count;
    if (!drain_errors(fd) && returned_count == known && error != EMSGSIZE) note_error(error, 255, 0, 0, 0, "");
  }
}

static void heard(uint64_t now) {
  if (now - heard_us > silence_us) {
    silence_us = now - heard_us;
    silence_from_us = heard_us;
  }
  heard_us = now;
}

static void judge(const uint8_t *bytes, ssize_t length, int ttl) {
  int answer = family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
  if (length < HEAD || bytes[0] != answer || (bytes[4] << 8 | bytes[5]) != identity) return;
  long sequence = whole_sequence(bytes[6] << 8 | bytes[7]);
  if (sequence < 0) return;
  if (length != HEAD + size || memcmp(bytes + HEAD, pattern + sequence % 251, size) != 0) {
    damaged++;
    return;
  }
  struct pulse *pulse = &pulses[sequence];
  if (pulse->rtt_us) {
    duplicates++;
    return;
  }
  uint64_t now = now_us();
  pulse->rtt_us = now - pulse->sent_us ? now - pulse->sent_us : 1;
  received++;
  heard(now);
  if (ttl < lowest_ttl) lowest_ttl = ttl;
  if (ttl > highest_ttl) highest_ttl = ttl;
}

static void take(int fd) {
  for (;;) {
    static uint8_t bytes[70000];
    char control[128];
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT);
    if (length < 0 && errno == EAGAIN) return;
    if (length < 0) {
      drain_errors(fd);
      continue;
    }
    if (family == AF_INET) {
      int head = (bytes[0] & 15) * 4;
      judge(bytes + head, length - head, bytes[8]);
      continue;
    }
    int ttl = -1;
    for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
      if (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_HOPLIMIT) memcpy(&ttl, CMSG_DATA(each), sizeof ttl);
    }
    judge(bytes, length, ttl);
  }
}

static int by_time(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return left < right ? -1 : left > right;
}

static void report(uint64_t now) {
  // a silence that goes on counts as far as it has come
  uint64_t silence = now > heard_us + silence_us ? now - heard_us : silence_us;
  uint64_t silence_from = silence > silence_us ? heard_us : silence_us ? silence_from_us : begun_us;
  uint32_t *times = malloc((received + 1) * sizeof *times);
  long count = 0;
  for (long at = 0; at < sent; at++) {
    if (pulses[at].rtt_us) times[count++] = pulses[at].rtt_us;
  }
  qsort(times, count, sizeof *times, by_time);
  printf("{\"sent\":%ld,\"received\":%ld,\"duplicates\":%ld,\"damaged\":%ld", sent, received, duplicates, damaged);
  printf(",\"silenceUs\":%llu,\"silenceFromUs\":%llu", (unsigned long long)silence,
         (unsigned long long)(silence_from - begun_us));
  if (count) {
    printf(",\"rttUs\":{\"min\":%u,\"median\":%u,\"p99\":%u,\"max\":%u},\"ttl\":{\"min\":%d,\"max\":%d}", times[0],
           times[count / 2], times[count * 99 / 100], times[count - 1], lowest_ttl, highest_ttl);
  }
  printf(",\"lost\":[");
  int runs = 0;
  for (long at = 0; at < sent && runs < 1000; at++) {
    if (pulses[at].rtt_us) continue;
    long first = at;
    while (at < sent && !pulses[at].rtt_us) at++;
    printf("%s{\"first\":%ld,\"count\":%ld,\"atUs\":%llu}", runs++ ? "," : "", first, at - first,
           (unsigned long long)(pulses[first].sent_us - begun_us));
  }
  printf("],\"errors\":");
  print_errors();
  say("}");
  free(times);
}

static int open_socket(void) {
  struct sockaddr_storage to;
  socklen_t length = address_of(required("to"), 0, &to);
  family = to.ss_family;
  int on = 1, room = 4 << 20;
  int fd = socket(family, SOCK_RAW, family == AF_INET ? (int)IPPROTO_ICMP : (int)IPPROTO_ICMPV6);
  must(fd, "raw socket");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  bind_source(fd, family);
  want_errors(fd, family);
  set_fragments(fd, family);
  if (family == AF_INET6) must(setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on), "IPV6_RECVHOPLIMIT");
  set_ttl(fd, family);
  must(connect(fd, (struct sockaddr *)&to, length), "connect");
  return fd;
}

/* Who asks is told; whose word is "anew" has silence measured from then on. */
static void tell(void) {
  for (char *line; (line = leash_line());) {
    report(now_us());
    if (strcmp(line, "anew") != 0) continue;
    silence_us = 0;
    heard_us = silence_from_us = now_us();
  }
}

int ping(void) {
  uint64_t every = number("every-us", 1000000), wait = number("wait-ms", 1000) * 1000;
  long count = number("count", 0), answers = number("answers", 0);
  size = number("size", 56);
  if (size < 0 || size > 65000) fail("size", 0);
  identity = getpid() ^ now_us() >> 7;
  pulses = calloc(SENT_MOST, sizeof *pulses);
  int fd = open_socket();
  ready();
  begun_us = heard_us = now_us();
  uint64_t next = begun_us, last = 0;
  for (;;) {
    uint64_t now = now_us();
    if (answers && received >= answers) break;
    int is_done = leash_ended || (count && sent >= count) || sent >= SENT_MOST;
    if (is_done && !last) last = now;
    if (is_done && (received == sent || now >= last + wait)) break;
    if (!is_done && now >= next) {
      transmit(fd);
      next += every;
      // after a time without the processor the pace goes on from here, without a burst
      if (next + every < now) next = now + every;
    }
    uint64_t until = is_done ? last + wait : next;
    now = now_us();
    struct timespec left = {0, until > now ? (until - now) % 1000000 * 1000 : 0};
    left.tv_sec = until > now ? (until - now) / 1000000 : 0;
    struct pollfd waiting[] = {{.fd = fd, .events = POLLIN}, {.fd = leash_ended ? -1 : 0, .events = POLLIN}};
    ppoll(waiting, 2, &left, NULL);
    take(fd);
    if (waiting[0].revents & POLLERR) drain_errors(fd);
    leash_read();
    tell();
  }
  // silence up to the last that was sent counts, the wait for late answers does not
  report(last ? last : now_us());
  return 0;
}
