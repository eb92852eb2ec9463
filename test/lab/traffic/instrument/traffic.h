/* What the parts of the traffic program share. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Options are pairs on the command line: --name value. */
const char *option(const char *name, const char *otherwise);
const char *required(const char *name);
long number(const char *name, long otherwise);
int list_of(const char *name, long *into, int most);

/* Prints {"error": …} with the text of errno where `with_errno`, and ends. */
void fail(const char *what, int with_errno) __attribute__((noreturn));
void must(int result, const char *what);
/* Says that the program does its work from now on. */
void ready(void);
/* Prints one line of JSON. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t now_us(void);

/* Standard input is the leash: its end means stop. Takes what came; gives the next whole line or NULL. */
extern int leash_ended;
void leash_read(void);
char *leash_line(void);

/* An address with its port. Gives its length. */
socklen_t address_of(const char *text, int port, struct sockaddr_storage *into);
const char *text_of(const struct sockaddr_storage *address);
void bind_source(int fd, int family);
/* Takes connections at --port, at all addresses of both families. */
int listen_at_port(int flags, int backlog);
void set_fragments(int fd, int family);
void set_ttl(int fd, int family);

/* What travels: bytes that depend on their place, so that any that is lost, moved or changed shows. */
#define PATTERN_SIZE 65521
extern uint8_t pattern[2 * PATTERN_SIZE];
void make_pattern(void);
uint32_t crc_of(const uint8_t *bytes, size_t size);

/* Errors that came back, by kind. */
struct returned {
  int error;
  int origin, type, code;
  uint32_t mtu;
  char offender[INET6_ADDRSTRLEN];
  long count;
};
#define RETURNED_MOST 16
extern struct returned returned[RETURNED_MOST];
extern int returned_count;
void note_error(int error, int origin, int type, int code, uint32_t mtu, const char *offender);
/* Takes what the kernel knows of packets that did not arrive; gives how much of it others have said. */
int drain_errors(int fd);
void want_errors(int fd, int family);
/* Prints the errors as an array, without a line's end. */
void print_errors(void);

int calls(void);
int calls_serve(void);
int capture(void);
int inject(void);
int ping(void);
int tcp_serve(void);
int tcp_client(void);
int udp_serve(void);
int udp_send(void);
