/*
 * udp-serve --port N [--echo 1] [--join G,G] [--link L]: counts what arrives by sender: lost numbers are the
 * other side's to know, doubled, out of order and damaged ones are seen here.
 * udp-send --to A --port N --sizes a,b [--count N] [--every-us N] [--fragments W] [--echo 1] [--wait-ms N]
 * [--source A] [--link L] [--ttl N]: sends datagrams of these sizes, in turn, COUNT of each.
 */
#include "traffic.h"
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>

#define MAGIC 0x666c6431
#define HEAD 16
#define SENDERS_MOST 256
#define SIZES_MOST 64
#define NUMBERS_MOST (1 << 20)

struct head {
  uint32_t magic, run, number, crc;
};

/* A datagram too small for a number is told apart by its bytes alone. */
static void fill(uint8_t *bytes, long size, uint32_t run, uint32_t number) {
  memcpy(bytes, pattern + (size * 31 + number * 7) % PATTERN_SIZE, size);
  if (size < HEAD) {
    memcpy(bytes, pattern + size * 31 % PATTERN_SIZE, size);
    return;
  }
  struct head head = {htonl(MAGIC), htonl(run), htonl(number), htonl(crc_of(bytes + HEAD, size - HEAD))};
  memcpy(bytes, &head, HEAD);
}

/* 1: whole; 0: damaged. */
static int is_whole(const uint8_t *bytes, long size, uint32_t *run, uint32_t *number) {
  struct head head;
  *run = 0, *number = ~0u;
  if (size < HEAD) return memcmp(bytes, pattern + size * 31 % PATTERN_SIZE, size) == 0;
  memcpy(&head, bytes, HEAD);
  *run = ntohl(head.run), *number = ntohl(head.number);
  return ntohl(head.magic) == MAGIC && ntohl(head.crc) == crc_of(bytes + HEAD, size - HEAD);
}

struct sizes {
  int count;
  long size[SIZES_MOST], times[SIZES_MOST];
};

static void count_size(struct sizes *sizes, long size) {
  int at = 0;
  while (at < sizes->count && sizes->size[at] != size) at++;
  if (at == SIZES_MOST) return;
  if (at == sizes->count) sizes->size[sizes->count++] = size;
  sizes->times[at]++;
}

static void print_sizes(const struct sizes *sizes) {
  printf("{");
  for (int at = 0; at < sizes->count; at++) printf("%s\"%ld\":%ld", at ? "," : "", sizes->size[at], sizes->times[at]);
  printf("}");
}

/* --- the side that listens --- */

struct sender {
  char address[INET6_ADDRSTRLEN];
  uint32_t run, next;
  long received, damaged, doubled, late;
  struct sizes sizes;
  uint8_t *seen;
};

static struct sender senders[SENDERS_MOST];
static int sender_count;

static struct sender *sender_of(const char *address, uint32_t run) {
  for (int at = 0; at < sender_count; at++) {
    if (senders[at].run == run && strcmp(senders[at].address, address) == 0) return &senders[at];
  }
  if (sender_count == SENDERS_MOST) return &senders[SENDERS_MOST - 1];
  struct sender *fresh = &senders[sender_count++];
  snprintf(fresh->address, sizeof fresh->address, "%s", address);
  fresh->run = run;
  fresh->seen = calloc(NUMBERS_MOST / 8, 1);
  return fresh;
}

static void count(const uint8_t *bytes, long size, const struct sockaddr_storage *from) {
  uint32_t run, order;
  int whole = is_whole(bytes, size, &run, &order);
  struct sender *sender = sender_of(text_of(from), whole ? run : 0);
  if (!whole) {
    sender->damaged++;
    return;
  }
  sender->received++;
  count_size(&sender->sizes, size);
  if (order >= NUMBERS_MOST) return;
  uint8_t bit = 1 << order % 8, *place = &sender->seen[order / 8];
  if (*place & bit) sender->doubled++;
  else if (order < sender->next) sender->late++;
  *place |= bit;
  if (order >= sender->next) sender->next = order + 1;
}

static void print_senders(void) {
  printf("{\"senders\":[");
  for (int at = 0; at < sender_count; at++) {
    struct sender *each = &senders[at];
    printf("%s{\"from\":\"%s\",\"run\":%u,\"received\":%ld,\"damaged\":%ld,\"doubled\":%ld,\"late\":%ld,\"sizes\":",
           at ? "," : "", each->address, each->run, each->received, each->damaged, each->doubled, each->late);
    print_sizes(&each->sizes);
    printf("}");
  }
  say("]}");
}

static void join(int fd) {
  char text[1024];
  const char *link = option("link", NULL);
  int index = link ? if_nametoindex(link) : 0;
  snprintf(text, sizeof text, "%s", option("join", ""));
  for (char *group = strtok(text, ","); group; group = strtok(NULL, ",")) {
    struct ip_mreqn four = {.imr_ifindex = index};
    struct ipv6_mreq six = {.ipv6mr_interface = index};
    if (inet_pton(AF_INET, group, &four.imr_multiaddr) == 1) {
      must(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &four, sizeof four), group);
    } else {
      if (inet_pton(AF_INET6, group, &six.ipv6mr_multiaddr) != 1) fail(group, 0);
      must(setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &six, sizeof six), group);
    }
  }
}

static uint8_t datagram[65536];

int udp_serve(void) {
  int off = 0, echo = number("echo", 0), room = 16 << 20, fd = socket(AF_INET6, SOCK_DGRAM, 0);
  must(fd, "socket");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  must(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), "both families");
  // hears the groups that it has joined, not those that others on the machine have
  must(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off), "IP_MULTICAST_ALL");
  must(setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, &off, sizeof off), "IPV6_MULTICAST_ALL");
  struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(required("port")))};
  must(bind(fd, (struct sockaddr *)&at, sizeof at), "bind");
  join(fd);
  ready();
  while (!leash_ended) {
    struct pollfd waiting[] = {{.fd = 0, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    poll(waiting, 2, -1);
    for (;;) {
      struct sockaddr_storage from;
      socklen_t length = sizeof from;
      ssize_t size = recvfrom(fd, datagram, sizeof datagram, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
      if (size < 0) break;
      count(datagram, size, &from);
      if (echo) sendto(fd, datagram, size, MSG_DONTWAIT, (struct sockaddr *)&from, length);
    }
    leash_read();
    while (leash_line()) print_senders();
  }
  print_senders();
  return 0;
}

/* --- the side that sends --- */

static struct sizes sent_sizes, answered_sizes;
static long sent, refused, answered, damaged;
static uint64_t begun_us, heard_us, silence_us, silence_from_us;

static void heard(void) {
  uint64_t now = now_us();
  if (now - heard_us > silence_us) {
    silence_us = now - heard_us;
    silence_from_us = heard_us;
  }
  heard_us = now;
}

static void take_answers(int fd) {
  for (;;) {
    uint32_t run, order;
    ssize_t size = recv(fd, datagram, sizeof datagram, MSG_DONTWAIT);
    if (size < 0) {
      if (errno == EAGAIN) return;
      drain_errors(fd);
      continue;
    }
    if (!is_whole(datagram, size, &run, &order)) damaged++;
    else {
      answered++;
      heard();
      count_size(&answered_sizes, size);
    }
  }
}

static void send_one(int fd, long size, uint32_t run) {
  static uint8_t bytes[65536];
  fill(bytes, size, run, sent);
  // an error that came back for an earlier one is handed to this call, which then has sent nothing
  for (int tries = 0; tries < 3; tries++) {
    if (send(fd, bytes, size, 0) == size) {
      sent++;
      count_size(&sent_sizes, size);
      return;
    }
    int error = errno, known = returned_count;
    if (drain_errors(fd)) continue;
    // the kernel says more of what it refuses itself, or nothing
    if (returned_count == known && error != EMSGSIZE) note_error(error, 255, 0, 0, 0, "");
    break;
  }
  refused++;
}

static int open_sender(void) {
  struct sockaddr_storage to;
  socklen_t length = address_of(required("to"), atoi(required("port")), &to);
  int on = 1, off = 0, room = 16 << 20, fd = socket(to.ss_family, SOCK_DGRAM, 0);
  must(fd, "socket");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
  bind_source(fd, to.ss_family);
  set_fragments(fd, to.ss_family);
  set_ttl(fd, to.ss_family);
  want_errors(fd, to.ss_family);
  const char *link = option("link", NULL);
  int index = link ? if_nametoindex(link) : 0;
  if (to.ss_family == AF_INET) {
    struct ip_mreqn through = {.imr_ifindex = index};
    if (link) must(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &through, sizeof through), "IP_MULTICAST_IF");
    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof off);
  } else {
    if (link) must(setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index), "IPV6_MULTICAST_IF");
    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &off, sizeof off);
  }
  must(connect(fd, (struct sockaddr *)&to, length), "connect");
  return fd;
}

static void report_sent(uint32_t run) {
  // a silence that goes on counts as far as it has come
  uint64_t now = now_us(), lasts = now - heard_us;
  int goes_on = lasts > silence_us;
  printf("{\"run\":%u,\"sent\":%ld,\"refused\":%ld,\"answered\":%ld,\"damaged\":%ld", run, sent, refused, answered,
         damaged);
  printf(",\"silenceUs\":%llu,\"silenceFromUs\":%llu,\"sizes\":", (unsigned long long)(goes_on ? lasts : silence_us),
         (unsigned long long)((goes_on ? heard_us : silence_from_us) - begun_us));
  print_sizes(&sent_sizes);
  printf(",\"answeredSizes\":");
  print_sizes(&answered_sizes);
  printf(",\"errors\":");
  print_errors();
  say("}");
}

/* Who asks is told; whose word is "anew" has silence measured from then on. */
static void tell_sent(uint32_t run) {
  for (char *line; (line = leash_line());) {
    report_sent(run);
    if (strcmp(line, "anew") != 0) continue;
    silence_us = 0;
    heard_us = silence_from_us = now_us();
  }
}

int udp_send(void) {
  long sizes[SIZES_MOST], times = number("count", 1), every = number("every-us", 1000);
  int size_count = list_of("sizes", sizes, SIZES_MOST), fd = open_sender();
  uint32_t run = now_us() ^ (uint32_t)getpid() << 16;
  if (!size_count) fail("sizes", 0);
  ready();
  uint64_t next = begun_us = heard_us = silence_from_us = now_us();
  for (long at = 0; at < times * size_count && !leash_ended; at++) {
    send_one(fd, sizes[at % size_count], run);
    next += every;
    for (uint64_t now; (now = now_us()) < next;) {
      struct timespec left = {(next - now) / 1000000, (next - now) % 1000000 * 1000};
      struct pollfd waiting[] = {{.fd = fd, .events = POLLIN}, {.fd = leash_ended ? -1 : 0, .events = POLLIN}};
      ppoll(waiting, 2, &left, NULL);
      take_answers(fd);
      leash_read();
      tell_sent(run);
    }
  }
  uint64_t until = now_us() + number("wait-ms", 1000) * 1000;
  while (now_us() < until && (number("echo", 0) ? answered + damaged < sent : 1)) {
    struct pollfd waiting[] = {{.fd = fd, .events = POLLIN}, {.fd = leash_ended ? -1 : 0, .events = POLLIN}};
    if (leash_ended && !number("echo", 0)) break;
    poll(waiting, 2, 10);
    take_answers(fd);
    drain_errors(fd);
    leash_read();
    // without answers to wait for, errors are: they come soon or not
    if (!number("echo", 0) && returned_count) break;
  }
  report_sent(run);
  return 0;
}
