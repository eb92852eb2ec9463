/*
 * tcp-serve --port N [--mode sink|echo|source]: takes connections. A sink checks every byte and says at the
 * end how many it had (8 bytes); an echo sends back; a source sends until the other side ends.
 * tcp-client --to A --port N [--mode send|receive|exchange] [--ms N] [--bytes N] [--kbits N] [--sizes a,b]
 * [--every-us N]: the other side. `exchange` waits for each message to come back. Both know the longest time
 * in which nothing moved.
 */
#include "traffic.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>

#define CONNECTIONS_MOST 256
#define BUCKET_US 100000
#define BUCKETS_MOST 6000
#define CHUNK 65536

struct flow {
  int fd;
  struct sockaddr_storage peer;
  uint64_t begun_us, moved_us, ended_us, silence_us, silence_from_us;
  uint64_t received, sent;
  int damaged, error, is_over;
  uint32_t *buckets;
};

static void begin_flow(struct flow *flow, int fd) {
  flow->fd = fd;
  flow->begun_us = flow->moved_us = now_us();
  flow->buckets = calloc(BUCKETS_MOST, sizeof *flow->buckets);
  must(fcntl(fd, F_SETFL, O_NONBLOCK), "nonblocking");
}

static void moved(struct flow *flow, size_t bytes) {
  uint64_t now = now_us(), bucket = (now - flow->begun_us) / BUCKET_US;
  if (now - flow->moved_us > flow->silence_us) {
    flow->silence_us = now - flow->moved_us;
    flow->silence_from_us = flow->moved_us;
  }
  flow->moved_us = now;
  if (bucket < BUCKETS_MOST) flow->buckets[bucket] += bytes;
}

static void end_flow(struct flow *flow, int error) {
  if (flow->is_over) return;
  moved(flow, 0);
  flow->is_over = 1;
  flow->error = error;
  flow->ended_us = now_us();
}

/* 1: something moved; 0: nothing now; -1: the other side has ended. */
static int receive_some(struct flow *flow) {
  static uint8_t bytes[CHUNK];
  ssize_t size = recv(flow->fd, bytes, CHUNK, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (size < 0) {
    end_flow(flow, errno);
    return -1;
  }
  if (size == 0) return -1;
  for (ssize_t at = 0; at < size;) {
    size_t place = (flow->received + at) % PATTERN_SIZE;
    size_t part = (size_t)(size - at) < PATTERN_SIZE ? (size_t)(size - at) : PATTERN_SIZE;
    if (memcmp(bytes + at, pattern + place, part) != 0) flow->damaged = 1;
    at += part;
  }
  flow->received += size;
  moved(flow, size);
  return 1;
}

static int send_some(struct flow *flow, uint64_t most) {
  uint64_t size = most < PATTERN_SIZE ? most : PATTERN_SIZE;
  if (size == 0) return 0;
  ssize_t done = send(flow->fd, pattern + flow->sent % PATTERN_SIZE, size, MSG_NOSIGNAL);
  if (done < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (done < 0) {
    end_flow(flow, errno);
    return -1;
  }
  flow->sent += done;
  moved(flow, done);
  return 1;
}

static void print_flow(struct flow *flow, const char *name) {
  uint64_t end = flow->is_over ? flow->ended_us : now_us();
  // a silence that goes on counts as far as it has come
  uint64_t silence_us = flow->silence_us, silence_from_us = flow->silence_from_us;
  if (!flow->is_over && end - flow->moved_us > silence_us) {
    silence_us = end - flow->moved_us;
    silence_from_us = flow->moved_us;
  }
  struct tcp_info info = {0};
  socklen_t length = sizeof info;
  getsockopt(flow->fd, IPPROTO_TCP, TCP_INFO, &info, &length);
  printf("\"%s\":{\"peer\":\"%s\",\"received\":%llu,\"sent\":%llu,\"damaged\":%s,\"us\":%llu", name,
         text_of(&flow->peer), (unsigned long long)flow->received, (unsigned long long)flow->sent,
         flow->damaged ? "true" : "false", (unsigned long long)(end - flow->begun_us));
  printf(",\"silenceUs\":%llu,\"silenceFromUs\":%llu,\"isOver\":%s,\"error\":\"%s\"",
         (unsigned long long)silence_us, (unsigned long long)(silence_us ? silence_from_us - flow->begun_us : 0),
         flow->is_over ? "true" : "false", flow->error ? strerrorname_np(flow->error) : "");
  printf(",\"retransmitted\":%u,\"segmentMax\":%u,\"bucketUs\":%d,\"buckets\":[", info.tcpi_total_retrans,
         info.tcpi_snd_mss, BUCKET_US);
  uint64_t last = (end - flow->begun_us) / BUCKET_US;
  for (uint64_t at = 0; at <= last && at < BUCKETS_MOST; at++) printf("%s%u", at ? "," : "", flow->buckets[at]);
  printf("]}");
}

/* --- the side that is called --- */

static struct flow served[CONNECTIONS_MOST];
static int served_count;
/* Those that are forgotten among them. */
static long taken;

static void print_served(void) {
  printf("{\"taken\":%ld,\"connections\":[", taken);
  for (int at = 0; at < served_count; at++) {
    printf("%s{", at ? "," : "");
    print_flow(&served[at], "flow");
    printf("}");
  }
  say("]}");
}

static void serve_flow(struct flow *flow, const char *mode) {
  if (strcmp(mode, "source") == 0 && send_some(flow, PATTERN_SIZE) < 0) return;
  for (int most = 16; most--;) {
    int result = receive_some(flow);
    if (result == 0) break;
    if (result < 0) {
      if (!flow->is_over && strcmp(mode, "sink") == 0) {
        uint8_t count[8];
        for (int at = 0; at < 8; at++) count[at] = flow->received >> (56 - 8 * at);
        if (send(flow->fd, count, 8, MSG_NOSIGNAL) != 8) end_flow(flow, errno);
      }
      end_flow(flow, 0);
      shutdown(flow->fd, SHUT_RDWR);
      return;
    }
  }
}

static void echo_rest(struct flow *flow) {
  while (flow->sent < flow->received && send_some(flow, flow->received - flow->sent) > 0);
}

/* Of many connections the first that is over is forgotten; true when there is room for another. */
static int has_room(void) {
  if (served_count < CONNECTIONS_MOST) return 1;
  for (int each = 0; each < served_count; each++) {
    if (!served[each].is_over) continue;
    close(served[each].fd);
    free(served[each].buckets);
    served_count--;
    memmove(served + each, served + each + 1, (served_count - each) * sizeof *served);
    served[served_count] = (struct flow){0};
    return 1;
  }
  return 0;
}

int tcp_serve(void) {
  const char *mode = option("mode", "sink");
  int on = 1, fd = listen_at_port(0, 128);
  ready();
  while (!leash_ended) {
    struct pollfd waiting[CONNECTIONS_MOST + 2] = {{.fd = 0, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    for (int each = 0; each < served_count; each++) {
      struct flow *flow = &served[each];
      int wants = strcmp(mode, "source") == 0 || flow->sent < flow->received;
      short events = POLLIN | (wants && strcmp(mode, "sink") != 0 ? POLLOUT : 0);
      waiting[each + 2] = (struct pollfd){.fd = flow->is_over ? -1 : flow->fd, .events = events};
    }
    poll(waiting, served_count + 2, -1);
    int before = served_count;
    for (int each = 0; each < before; each++) {
      if (!waiting[each + 2].revents) continue;
      serve_flow(&served[each], mode);
      if (strcmp(mode, "echo") == 0 && !served[each].is_over) echo_rest(&served[each]);
    }
    if (waiting[1].revents && has_room()) {
      struct flow *flow = &served[served_count];
      socklen_t length = sizeof flow->peer;
      int accepted = accept(fd, (struct sockaddr *)&flow->peer, &length);
      if (accepted >= 0) {
        setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        begin_flow(flow, accepted);
        served_count++;
        taken++;
      }
    }
    leash_read();
    while (leash_line()) print_served();
  }
  print_served();
  return 0;
}

/* --- the side that calls --- */

static struct flow own;
static uint64_t confirmed, confirmed_us;
static int is_confirmed;
static uint32_t slowest_us, fastest_us = ~0u;
static long exchanges;

static void print_own(int is_last) {
  printf("{");
  print_flow(&own, "flow");
  printf(",\"isConfirmed\":%s,\"confirmed\":%llu,\"confirmedUs\":%llu,\"exchanges\":%ld",
         is_confirmed ? "true" : "false", (unsigned long long)confirmed, (unsigned long long)confirmed_us, exchanges);
  if (exchanges) printf(",\"exchangeUs\":{\"min\":%u,\"max\":%u}", fastest_us, slowest_us);
  say(",\"isLast\":%s}", is_last ? "true" : "false");
}

/* Who asks is told; whose word is "anew" has silence measured from then on. */
static void tell_own(void) {
  for (char *line; (line = leash_line());) {
    print_own(0);
    if (strcmp(line, "anew") != 0) continue;
    own.silence_us = 0;
    own.moved_us = now_us();
  }
}

/* Waits for the socket or the leash; true while there is time. */
static int wait_for(short events, uint64_t until_us) {
  uint64_t now = now_us();
  if (now >= until_us) return 0;
  uint64_t left_ms = (until_us - now + 999) / 1000;
  struct pollfd waiting[] = {{.fd = own.fd, .events = events}, {.fd = leash_ended ? -1 : 0, .events = POLLIN}};
  poll(waiting, 2, left_ms > 1000 ? 1000 : left_ms);
  leash_read();
  tell_own();
  return 1;
}

/* Nothing is sent for so long, or until all is over; who asks meanwhile is told. */
static void pause_for(uint64_t us, uint64_t until_us) {
  uint64_t next_us = now_us() + us < until_us ? now_us() + us : until_us;
  for (uint64_t now; (now = now_us()) < next_us && !leash_ended;) {
    uint64_t left_us = next_us - now;
    usleep(left_us < 500000 ? left_us : 500000);
    leash_read();
    tell_own();
  }
}

static void exchange(uint64_t until_us) {
  long sizes[64], every = number("every-us", 0), wait_us = number("wait-ms", 10000) * 1000;
  int count = list_of("sizes", sizes, 64);
  if (!count) fail("sizes", 0);
  for (int at = 0; now_us() < until_us && !leash_ended && !own.is_over; at++) {
    if (at >= count && !number("ms", 0)) break;
    uint64_t begun = now_us(), goal = own.sent + sizes[at % count];
    while (own.received < goal && !own.is_over) {
      if (own.sent < goal) send_some(&own, goal - own.sent);
      int result = receive_some(&own);
      if (result < 0) end_flow(&own, 0);
      // who is stopped waits for the answer that is due, but not for ever
      if (leash_ended && now_us() + wait_us < until_us) until_us = now_us() + wait_us;
      if (result == 0 && !wait_for(POLLIN | (own.sent < goal ? POLLOUT : 0), until_us)) {
        end_flow(&own, ETIMEDOUT);
      }
    }
    if (own.received < goal) return;
    uint32_t took = now_us() - begun;
    if (took > slowest_us) slowest_us = took;
    if (took < fastest_us) fastest_us = took;
    exchanges++;
    pause_for(every, until_us);
  }
}

static void send_bulk(uint64_t until_us) {
  uint64_t bytes = number("bytes", 0), kbits = number("kbits", 0), begun = now_us();
  while (!own.is_over && !leash_ended && now_us() < until_us && (!bytes || own.sent < bytes)) {
    uint64_t most = bytes ? bytes - own.sent : PATTERN_SIZE;
    if (kbits) {
      // in pieces of 5 ms: smaller ones would be a flood of tiny packets
      uint64_t allowed = (now_us() - begun) * kbits / 8000, piece = kbits * 5 / 8;
      if (allowed <= own.sent + (piece < most ? piece : most - 1)) {
        wait_for(0, now_us() + 1000);
        continue;
      }
      if (allowed - own.sent < most) most = allowed - own.sent;
    }
    if (send_some(&own, most) == 0) wait_for(POLLOUT, until_us);
    else if (!kbits) leash_read();
  }
  if (own.is_over) return;
  // the wait for the sink's word is no silence
  end_flow(&own, 0);
  shutdown(own.fd, SHUT_WR);
  // what was sent counts when the other side says that it has it
  uint8_t count[8];
  uint64_t patience_us = now_us() + number("wait-ms", 10000) * 1000;
  for (size_t filled = 0; filled < 8;) {
    ssize_t size = recv(own.fd, count + filled, 8 - filled, 0);
    if (size > 0) filled += size;
    else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
      own.error = size == 0 ? EPIPE : errno;
      return;
    } else if (!wait_for(POLLIN, patience_us)) {
      own.error = ETIMEDOUT;
      return;
    }
    is_confirmed = filled == 8;
  }
  confirmed_us = now_us() - own.begun_us;
  for (int at = 0; at < 8; at++) confirmed = confirmed << 8 | count[at];
}

static void receive_bulk(uint64_t until_us) {
  uint64_t bytes = number("bytes", 0);
  while (!own.is_over && !leash_ended && now_us() < until_us && (!bytes || own.received < bytes)) {
    int result = receive_some(&own);
    if (result < 0) end_flow(&own, 0);
    else if (result == 0) wait_for(POLLIN, until_us);
    else leash_read();
  }
}

int tcp_client(void) {
  const char *mode = option("mode", "send");
  socklen_t length = address_of(required("to"), atoi(required("port")), &own.peer);
  int on = 1, fd = socket(own.peer.ss_family, SOCK_STREAM, 0);
  must(fd, "socket");
  if (strcmp(mode, "exchange") == 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  bind_source(fd, own.peer.ss_family);
  begin_flow(&own, fd);
  ready();
  int error = connect(fd, (struct sockaddr *)&own.peer, length) < 0 ? errno : 0;
  if (error == EINPROGRESS) {
    uint64_t patience_us = now_us() + number("connect-ms", 5000) * 1000;
    struct pollfd waiting = {.fd = fd, .events = POLLOUT};
    error = ETIMEDOUT;
    while (error == ETIMEDOUT && now_us() < patience_us && !leash_ended) {
      if (poll(&waiting, 1, 20) > 0) {
        socklen_t size = sizeof error;
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
        break;
      }
      leash_read();
    }
  }
  own.begun_us = own.moved_us = now_us();
  if (error) end_flow(&own, error);
  uint64_t until_us = number("ms", 0) ? own.begun_us + number("ms", 0) * 1000 : ~0ull >> 1;
  if (strcmp(mode, "exchange") == 0) exchange(number("ms", 0) ? until_us : now_us() + number("wait-ms", 10000) * 1000);
  else if (strcmp(mode, "receive") == 0) receive_bulk(until_us);
  else send_bulk(until_us);
  end_flow(&own, 0);
  print_own(1);
  return 0;
}
