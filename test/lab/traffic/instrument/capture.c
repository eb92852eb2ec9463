/*
 * capture --file F [--link L] [--most BYTES]: writes every frame of a link, or of all links of the namespace,
 * to a pcapng file (draft-ietf-opsawg-pcapng): which link, which way, when; tags as they were on the wire.
 */
#include "traffic.h"
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/uio.h>
#include <time.h>

#define LINKS_MOST 4096

static FILE *file;
static int links_known[LINKS_MOST];
static int link_count;
static long frames, unseen;

static void put(const void *bytes, size_t size) {
  static const uint8_t zeros[4];
  if (fwrite(bytes, 1, size, file) != size) fail("write", 1);
  size_t pad = (4 - size % 4) % 4;
  if (pad && fwrite(zeros, 1, pad, file) != pad) fail("write", 1);
}

static void begin_block(uint32_t type, uint32_t size) { put((uint32_t[]){type, size}, 8); }

static void begin_section(void) {
  begin_block(0x0a0d0d0a, 28);
  put((uint32_t[]){0x1a2b3c4d, 1, ~0u, ~0u, 28}, 20);
}

/* Number of a link in the file; described there when it is first seen. */
static uint32_t link_number(int index) {
  for (int at = 0; at < link_count; at++) {
    if (links_known[at] == index) return at;
  }
  if (link_count == LINKS_MOST) fail("too many links", 0);
  char name[IF_NAMESIZE] = "";
  // a link that is gone already is still told apart from others
  if (!if_indextoname(index, name)) snprintf(name, sizeof name, "#%d", index);
  uint16_t length = strlen(name);
  uint32_t size = 20 + 4 + (length + 3) / 4 * 4 + 8 + 4;
  begin_block(1, size);
  put((uint16_t[]){1, 0}, 4);
  put((uint32_t[]){0}, 4);
  put((uint16_t[]){2, length}, 4);
  put(name, length);
  // times are in nanoseconds
  put((uint16_t[]){9, 1}, 4);
  put((uint8_t[]){9}, 1);
  put((uint32_t[]){0, size}, 8);
  links_known[link_count] = index;
  return link_count++;
}

static void put_frame(const uint8_t *bytes, size_t size, int index, int is_outgoing, const struct timespec *time) {
  uint32_t number_of_link = link_number(index);
  uint32_t block = 28 + (size + 3) / 4 * 4 + 12 + 4;
  uint64_t nanoseconds = (uint64_t)time->tv_sec * 1000000000 + time->tv_nsec;
  begin_block(6, block);
  put((uint32_t[]){number_of_link, nanoseconds >> 32, (uint32_t)nanoseconds, size, size}, 20);
  put(bytes, size);
  put((uint16_t[]){2, 4}, 4);
  // the direction, the end of options, the size again
  put((uint32_t[]){is_outgoing ? 2 : 1, 0, block}, 12);
  frames++;
}

/* The kernel takes the tag out of the frame on its way up: puts it back. Gives the size with it. */
static size_t restore_tag(uint8_t *bytes, size_t size, const struct tpacket_auxdata *aux) {
  if (!(aux->tp_status & TP_STATUS_VLAN_VALID) || size < 12) return size;
  uint16_t type = aux->tp_status & TP_STATUS_VLAN_TPID_VALID ? aux->tp_vlan_tpid : ETH_P_8021Q;
  memmove(bytes + 16, bytes + 12, size - 12);
  *(uint16_t *)(bytes + 12) = htons(type);
  *(uint16_t *)(bytes + 14) = htons(aux->tp_vlan_tci);
  return size + 4;
}

static int take(int fd) {
  static uint8_t bytes[1 << 17];
  char control[256];
  struct sockaddr_ll from;
  struct iovec part = {bytes, sizeof bytes - 4};
  struct msghdr message = {.msg_name = &from,
                           .msg_namelen = sizeof from,
                           .msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof control};
  ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT);
  if (size < 0) {
    // a link went down: the others go on
    if (errno == ENETDOWN || errno == EINTR) return 1;
    if (errno != EAGAIN) fail("recvmsg", 1);
    return 0;
  }
  struct timespec time = {0, 0};
  for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level == SOL_PACKET && each->cmsg_type == PACKET_AUXDATA) {
      size = restore_tag(bytes, size, (struct tpacket_auxdata *)CMSG_DATA(each));
    }
    if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SO_TIMESTAMPNS) memcpy(&time, CMSG_DATA(each), sizeof time);
  }
  // what is sent to itself is seen twice
  if (from.sll_hatype == 772 && from.sll_pkttype == PACKET_OUTGOING) return 1;
  put_frame(bytes, size, from.sll_ifindex, from.sll_pkttype == PACKET_OUTGOING, &time);
  return 1;
}

static void count_unseen(int fd) {
  struct tpacket_stats stats;
  socklen_t size = sizeof stats;
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0) unseen += stats.tp_drops;
}

int capture(void) {
  file = fopen(required("file"), "wb");
  if (!file) fail("cannot write the file", 1);
  const char *link = option("link", NULL);
  int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1, room = 64 << 20;
  must(fd, "packet socket");
  must(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room), "receive buffer");
  must(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on), "PACKET_AUXDATA");
  must(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on), "SO_TIMESTAMPNS");
  struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  if (link && !(at.sll_ifindex = if_nametoindex(link))) fail(link, 1);
  begin_section();
  must(bind(fd, (struct sockaddr *)&at, sizeof at), "bind");
  if (link) {
    // frames for others count, too
    struct packet_mreq all = {.mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
    must(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all), "promiscuous");
  }
  ready();
  while (!leash_ended) {
    struct pollfd waiting[] = {{.fd = 0, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    poll(waiting, 2, -1);
    for (int most = 1000; most-- && take(fd););
    leash_read();
    while (leash_line()) {
      count_unseen(fd);
      fflush(file);
      say("{\"frames\":%ld,\"unseen\":%ld}", frames, unseen);
    }
  }
  while (take(fd));
  count_unseen(fd);
  if (fclose(file) != 0) fail("write", 1);
  say("{\"frames\":%ld,\"unseen\":%ld}", frames, unseen);
  return 0;
}
