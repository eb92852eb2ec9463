/*
 * inject --link L: sends frames as they are. Each line of standard input is COUNT PAUSE_US HEX; each is
 * answered when it has been sent.
 */
#include "traffic.h"
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>

static long decode(const char *text, uint8_t *bytes, long most) {
  long size = 0;
  unsigned byte;
  for (; size < most && sscanf(text, "%2x", &byte) == 1; text += 2) {
    bytes[size++] = byte;
    if (!text[1]) fail("half a byte", 0);
  }
  return size;
}

static void send_frames(int fd, char *line) {
  static uint8_t bytes[65536];
  char *rest;
  long count = strtol(line, &rest, 10), pause_us = strtol(rest, &rest, 10), sent = 0, refused = 0;
  while (*rest == ' ') rest++;
  long size = decode(rest, bytes, sizeof bytes);
  int error = 0;
  for (; count-- > 0; sent++) {
    if (send(fd, bytes, size, 0) < 0) {
      error = errno;
      refused++;
    }
    if (pause_us <= 0 || count <= 0) continue;
    struct timespec pause = {pause_us / 1000000, pause_us % 1000000 * 1000};
    struct pollfd waiting = {.fd = 0, .events = POLLIN};
    // the end of the leash ends the rest, too
    if (ppoll(&waiting, 1, &pause, NULL) > 0) leash_read();
    if (leash_ended) count = 0;
  }
  say("{\"sent\":%ld,\"refused\":%ld,\"why\":\"%s\"}", sent - refused, refused, error ? strerrorname_np(error) : "");
}

int inject(void) {
  const char *link = required("link");
  int fd = socket(AF_PACKET, SOCK_RAW, 0);
  must(fd, "packet socket");
  struct sockaddr_ll at = {.sll_family = AF_PACKET};
  if (!(at.sll_ifindex = if_nametoindex(link))) fail(link, 1);
  must(bind(fd, (struct sockaddr *)&at, sizeof at), "bind");
  ready();
  while (!leash_ended) {
    struct pollfd waiting = {.fd = 0, .events = POLLIN};
    poll(&waiting, 1, -1);
    leash_read();
    for (char *line; (line = leash_line());) send_frames(fd, line);
  }
  say("{\"ended\":true}");
  return 0;
}
