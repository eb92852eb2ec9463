/* Addresses, and the errors that the network sends back. */
#include "traffic.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <netinet/icmp6.h>
#include <sys/uio.h>

socklen_t address_of(const char *text, int port, struct sockaddr_storage *into) {
  struct sockaddr_in *four = (struct sockaddr_in *)into;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)into;
  memset(into, 0, sizeof *into);
  if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    return sizeof *four;
  }
  if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1) fail(text, 0);
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(port);
  const char *link = option("link", NULL);
  if (link) six->sin6_scope_id = if_nametoindex(link);
  return sizeof *six;
}

/* An IPv4 address that an IPv6 socket received from is written as what it is. */
const char *text_of(const struct sockaddr_storage *address) {
  static char text[INET6_ADDRSTRLEN];
  const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
  if (address->ss_family == AF_INET) {
    inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
  } else if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
    inet_ntop(AF_INET, six->sin6_addr.s6_addr + 12, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
  }
  return text;
}

/* --source is the address to send from, --link the interface. */
void bind_source(int fd, int family) {
  const char *source = option("source", NULL), *link = option("link", NULL);
  if (link) must(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, link, strlen(link) + 1), link);
  if (!source) return;
  struct sockaddr_storage address;
  socklen_t size = address_of(source, number("source-port", 0), &address);
  if (address.ss_family != family) fail("source is of the other family", 0);
  must(bind(fd, (struct sockaddr *)&address, size), source);
}

/* --fragments: `allowed` (DF is not set), `never` (DF, whatever is known of the path), `path` (DF, and what the
 * path is known not to carry is refused here). */
void set_fragments(int fd, int family) {
  const char *word = option("fragments", "allowed");
  int four = IP_PMTUDISC_DONT, six = IPV6_PMTUDISC_DONT;
  if (strcmp(word, "never") == 0) four = IP_PMTUDISC_PROBE, six = IPV6_PMTUDISC_PROBE;
  else if (strcmp(word, "path") == 0) four = IP_PMTUDISC_DO, six = IPV6_PMTUDISC_DO;
  else if (strcmp(word, "allowed") != 0) fail("fragments", 0);
  if (family == AF_INET) must(setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &four, sizeof four), "IP_MTU_DISCOVER");
  else must(setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &six, sizeof six), "IPV6_MTU_DISCOVER");
  if (family == AF_INET || strcmp(word, "allowed") == 0) return;
  int on = 1;
  must(setsockopt(fd, IPPROTO_IPV6, IPV6_DONTFRAG, &on, sizeof on), "IPV6_DONTFRAG");
}

void set_ttl(int fd, int family) {
  int ttl = number("ttl", 0);
  if (!ttl) return;
  if (family == AF_INET) {
    must(setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl), "IP_TTL");
    must(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl), "IP_MULTICAST_TTL");
  } else {
    must(setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &ttl, sizeof ttl), "IPV6_UNICAST_HOPS");
    must(setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &ttl, sizeof ttl), "IPV6_MULTICAST_HOPS");
  }
}

struct returned returned[RETURNED_MOST];
int returned_count;

void note_error(int error, int origin, int type, int code, uint32_t mtu, const char *offender) {
  for (int at = 0; at < returned_count; at++) {
    struct returned *known = &returned[at];
    if (known->error == error && known->origin == origin && known->type == type && known->code == code &&
        known->mtu == mtu && strcmp(known->offender, offender) == 0) {
      known->count++;
      return;
    }
  }
  if (returned_count == RETURNED_MOST) return;
  struct returned *fresh = &returned[returned_count++];
  *fresh = (struct returned){.error = error, .origin = origin, .type = type, .code = code, .mtu = mtu, .count = 1};
  snprintf(fresh->offender, sizeof fresh->offender, "%s", offender);
}

void want_errors(int fd, int family) {
  int on = 1;
  if (family == AF_INET) must(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on), "IP_RECVERR");
  else must(setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on), "IPV6_RECVERR");
}

int drain_errors(int fd) {
  for (int from_network = 0;;) {
    char payload[64], control[512];
    struct iovec part = {payload, sizeof payload};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return from_network;
    for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
      int is_four = each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_RECVERR;
      int is_six = each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_RECVERR;
      if (!is_four && !is_six) continue;
      struct sock_extended_err *error = (struct sock_extended_err *)CMSG_DATA(each);
      struct sockaddr_storage offender;
      memcpy(&offender, SO_EE_OFFENDER(error), sizeof(struct sockaddr_in6));
      from_network += error->ee_origin != SO_EE_ORIGIN_LOCAL;
      int is_known = offender.ss_family == AF_INET || offender.ss_family == AF_INET6;
      note_error(error->ee_errno, error->ee_origin, error->ee_type, error->ee_code,
                 error->ee_errno == EMSGSIZE ? error->ee_info : 0, is_known ? text_of(&offender) : "");
    }
  }
}

static const char *origin_of(int origin) {
  switch (origin) {
    case SO_EE_ORIGIN_LOCAL: return "local";
    case SO_EE_ORIGIN_ICMP: return "icmp";
    case SO_EE_ORIGIN_ICMP6: return "icmp6";
    default: return "send";
  }
}

void print_errors(void) {
  printf("[");
  for (int at = 0; at < returned_count; at++) {
    struct returned *each = &returned[at];
    printf("%s{\"error\":\"%s\",\"origin\":\"%s\",\"type\":%d,\"code\":%d,\"mtu\":%u,\"from\":\"%s\",\"count\":%ld}",
           at ? "," : "", strerrorname_np(each->error), origin_of(each->origin), each->type, each->code,
           each->mtu, each->offender, each->count);
  }
  printf("]");
}

int listen_at_port(int flags, int backlog) {
  int on = 1, off = 0, fd = socket(AF_INET6, SOCK_STREAM | flags, 0);
  must(fd, "socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  must(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), "both families");
  struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(required("port")))};
  must(bind(fd, (struct sockaddr *)&at, sizeof at), "bind");
  must(listen(fd, backlog), "listen");
  return fd;
}
